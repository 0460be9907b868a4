import { Prisma } from './database.ts'

/** `ends`: what ends soonest comes first, `used`: what was used last; what has no such time comes behind. */
export const orders = ['newest', 'ends', 'used'] as const
export type Order = (typeof orders)[number]

/** What a page ended with: the next one goes on behind it. `at`: by what it was ordered, as it was when it was shown. */
export type Place = { id: string; at: Date | null }

/** As pages name it; the newest first need no more than the id, by which they are ordered. */
export const placeText = (order: Order, { id, at }: Place): string =>
  order === 'newest' ? id : `${at === null ? 'none' : +at}~${id}`

/** Undefined for what was said under another order. */
export function placeOf(order: Order, text: string): Place | undefined {
  const [key, id] = text.includes('~') ? text.split('~') : [undefined, text]
  if (!id || (key === undefined) !== (order === 'newest')) return undefined
  if (key === undefined || key === 'none') return { id, at: null }
  return /^[0-9]{1,13}$/.test(key) ? { id, at: new Date(Number(key)) } : undefined
}

/**
 * A condition on rows behind a place, where `column` is what they are ordered by. What ends at once has the lower id first, as the index has
 * it. Some have no such time.
 */
export function behind(order: Order, column: string, { id, at }: Place): object {
  if (order === 'newest') return { id: { lt: id } }
  const after = (value: Date | string) => (order === 'ends' ? { gt: value } : { lt: value })
  if (at === null) return { [column]: null, id: after(id) }
  return { OR: [{ [column]: after(at) }, { [column]: at, id: after(id) }, { [column]: null }] }
}

/** The same in SQL, on `o`. */
export function behindSql(order: Order, column: Prisma.Sql, { id, at }: Place): Prisma.Sql {
  if (order === 'newest') return Prisma.sql`o.id < ${id}`
  const after = order === 'ends' ? Prisma.sql`>` : Prisma.sql`<`
  return at === null
    ? Prisma.sql`${column} IS NULL AND o.id ${after} ${id}`
    : Prisma.sql`(${column} ${after} ${at} OR ${column} = ${at} AND o.id ${after} ${id} OR ${column} IS NULL)`
}
