/** How deep and how wide JSON from outside may be: what honest documents need, many times over. */
const depthMax = 32
const keysPerObjectMax = 1_000

export const isJson = (headers: Headers): boolean =>
  /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/i.test(headers.get('content-type') ?? '')

/**
 * Whether JSON text stays within the limits of depth and of keys in one object (F-06). One pass over the bytes, before
 * any parser builds something from them; does not judge whether the text is well-formed.
 */
export function isModestJson(bytes: Uint8Array): boolean {
  /** Keys seen so far in each open object or array. */
  const keys: number[] = []
  let isString = false
  for (let at = 0; at < bytes.length; at += 1) {
    const char = bytes[at]
    if (isString) {
      if (char === 0x5c) at += 1
      else if (char === 0x22) isString = false
    } else if (char === 0x22) isString = true
    else if (char === 0x7b || char === 0x5b) {
      if (keys.push(0) > depthMax) return false
    } else if (char === 0x7d || char === 0x5d) keys.pop()
    else if (char === 0x3a) {
      const count = (keys.pop() ?? 0) + 1
      if (count > keysPerObjectMax) return false
      keys.push(count)
    }
  }
  return true
}

/** Whether Postgres keeps a text as it is: no NUL, no half of a surrogate pair (RFC 8259 8.2, PostgreSQL 8.14). */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** In JSON that is UTF-8 neither can be written but by these escapes, so most documents need no closer look. */
const suspicious = /\\u(?:0000|d[89a-f])/i

/**
 * Where a JSON document holds a key or a string that is not {@link isStorable}: its path, empty for the document itself;
 * undefined for nowhere. `value` is what `text` parses to, within the depth of {@link isModestJson}.
 */
export const unstorablePath = (text: string, value: unknown): string | undefined =>
  suspicious.test(text) ? findUnstorable(value, []) : undefined

/** The same for an answer's bytes. Invalid JSON is left to its parser. */
export function isStorableJson(bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes)
  if (!suspicious.test(text)) return true
  try {
    return findUnstorable(JSON.parse(text), []) === undefined
  } catch {
    return true
  }
}

function findUnstorable(value: unknown, path: string[]): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : path.join('.')
  if (value === null || typeof value !== 'object') return undefined
  for (const [key, inner] of Object.entries(value)) {
    const here = [...path, key]
    const found = isStorable(key) ? findUnstorable(inner, here) : here.join('.')
    if (found !== undefined) return found
  }
  return undefined
}

/** The body of an answer that says it is JSON; undefined where it does not say so or is not. */
export const readJson = async (response: Response): Promise<unknown> =>
  isJson(response.headers) ? response.json().catch(() => undefined) : undefined

/** An answer without the body that does not say it is JSON: some parsers look at the type only after they have parsed. */
export const withoutForeignBody = (response: Response): Response =>
  isJson(response.headers) ? response : new Response(null, { status: response.status, headers: response.headers })
