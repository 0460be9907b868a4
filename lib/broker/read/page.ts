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

/** `rows` is one more than a page where there is another one. */
export function toPage<T extends { id: string }>(rows: T[], counted: number): Page<T> {
  const items = rows.slice(0, pageSize)
  return { ...toTotal(counted), items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}
