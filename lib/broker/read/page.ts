import { type Order, placeOf, placeText } from '../../store/order.ts'

/** Counting goes on up to here: what it costs does not grow with the tenant. */
export const countLimit = 1_000
/** How many there are; `totalIsCapped`: there are more than that. */
export type Total = { total: number; totalIsCapped: boolean }
export type Page<T> = Total & { items: T[]; next: string | null }
export const pageSize = 50

/** What a count that stops at `countLimit + 1` says. */
export const toTotal = (counted: number): Total => ({
  total: Math.min(counted, countLimit),
  totalIsCapped: counted > countLimit,
})

/** `items` is one more than a page where there is another one. `placeOf`: where that goes on, behind the item with this index. */
export function toPage<T>(items: T[], counted: number, placeOf: (index: number) => string | undefined): Page<T> {
  const next = items.length > pageSize ? (placeOf(pageSize - 1) ?? null) : null
  return { ...toTotal(counted), items: items.slice(0, pageSize), next }
}

/** How a list is asked for. What `before` says of another order is not heard. */
export type PageInput = { everybody?: boolean; order?: Order | undefined; before?: string | undefined }

/** Where a page goes on, and where the next one does. `timeOf`: by what a row is ordered, where that is not its id. */
export function placing<R extends { id: string }>(
  { order = 'newest', before }: PageInput,
  timeOf: (row: R, order: Exclude<Order, 'newest'>) => Date | null,
) {
  const textOf = (row: R | undefined) =>
    row && placeText(order, { id: row.id, at: order === 'newest' ? null : timeOf(row, order) })
  return { place: { order, before: before === undefined ? undefined : placeOf(order, before) }, textOf }
}
