type Key = Record<string, unknown>
type Read = { keys: Key[] } | { fault: string }

/** What belongs to a private key, or to a shared one (RFC 7518 6.2.2, 6.3.2, 6.4). */
const privateParts = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
/** What is kept of a public one; certificates and addresses of certificates play no part. */
const publicParts = ['kid', 'alg', 'kty', 'use', 'crv', 'x', 'y', 'n', 'e']

const isKey = (value: unknown): value is Key => typeof value === 'object' && value !== null && 'kty' in value

/** Reads what somebody pasted: a JWK set, a list of keys or one key. A private key never leaves the browser. */
export function readKeys(text: string): Read {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return { fault: 'Enter JSON: a JWK set, or one public key' }
  }
  const listed = typeof given === 'object' && given !== null && 'keys' in given ? given.keys : given
  const keys = Array.isArray(listed) ? listed : [listed]
  if (keys.length === 0 || !keys.every(isKey))
    return { fault: 'Enter a JWK set such as {"keys": […]}, or one public key' }
  if (keys.some((key) => privateParts.some((part) => part in key)))
    return {
      fault:
        'This holds a private key. Enter its public half, and treat the private one as leaked if it was shown to others',
    }
  return {
    keys: keys.map((key) =>
      Object.fromEntries(publicParts.flatMap((part) => (part in key ? [[part, key[part]]] : []))),
    ),
  }
}
