/** Encoded, as the cookie of a sign-in under way carries it: that stays below 4,096 bytes (S-12). */
const lengthMax = 3072

/**
 * A redirect target that stays on this origin: an absolute path to a page, with a query, as the URL parser itself would
 * write it. Undefined for everything else (L-12): other schemes and hosts, user info, backslashes, encoded slashes,
 * control characters, dot segments, fragments, and the API, which is no page.
 */
export function safePath(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > lengthMax) return undefined
  // Printable ASCII without what browsers read as a slash, or strip.
  if (!/^\/(?![/\\])[\x21-\x7e]*$/.test(value) || /[\\#"<>`{}|^]/.test(value)) return undefined
  if (encodeURIComponent(value).length > lengthMax) return undefined
  const [path = '', query = ''] = value.split(/\?(.*)/s)
  if (/%(2f|5c|2e|25|[01]|7f)/i.test(path) || path.includes('//') || /%[01]/.test(query)) return undefined
  const url = URL.parse(value, 'https://here.invalid')
  if (url?.origin !== 'https://here.invalid' || url.pathname + url.search !== value) return undefined
  return /^\/api(\/|$)/i.test(path) || !isDecodable(value) ? undefined : value
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
