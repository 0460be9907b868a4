/** The query of a page as Next gives it: a repeated parameter is a list. */
export type Query = Record<string, string | string[] | undefined>

/** A parameter that was given once and not empty. */
export const single = (value: Query[string]): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** `value`, if it is one of `known`. */
export const oneOf = <T extends string>(known: readonly T[], value: string | undefined): T | undefined =>
  known.find((each) => each === value)

/** A path with the parameters that have a value. */
export function hrefWith(path: string, parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const query = new URLSearchParams(given).toString()
  return query ? `${path}?${query}` : path
}
