import { BrokerError } from '../errors.ts'
import { isOverrideName, spellingsOf, unescaped } from './overrides.ts'

/** What an address asks for: a project's API, and a path there, all exactly as they were sent. */
export type Target = { slug: string; project: string; path: string; search: string }

const address = /^\/api\/v1\/tenants\/([a-z0-9-]{1,63})\/projects\/([a-z0-9_-]{1,63})\/proxy(\/[^?]*)?(\?.*)?$/s

/** What a raw request target asks of the proxy; undefined: it is no address of it. */
export function targetOf(url: string): Target | undefined {
  const [, slug, project, path = '/', search = ''] = address.exec(url) ?? []
  return slug && project ? { slug, project, path, search } : undefined
}

/** RFC 3986 3.3: what may stand in a path as it is. */
const pathCharacters = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
/** Dots, slashes and backslashes that a later reader would see, controls, and what is encoded twice. */
const hidden = /%(?:2[ef]|5c|[01][0-9a-f]|7f|25[0-9a-f]{2})/i
/** Visible ASCII but `#`, which ends an address, and what no address has unencoded. */
const searchCharacters = /^[!"$-[\]-~]*$/

/** Slashes of mathematics, which Windows takes for its own where it has no better (best fit). */
const slashLike = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/

/** What nobody reads in two ways: most of what is sent, and quick to tell. */
const plainPath = /^(?:\/(?!\.\.?(?:\/|$))[\w.~-]+)+$/
const plainSearch = /^\?[\w.~=&,:/-]*$/

/**
 * Refuses a path that a server could read otherwise than we do. What passes is sent as it is, byte for byte (IV-08).
 * @throws BrokerError path_refused
 */
export function judgePath({ path, search }: Target): void {
  if (plainPath.test(path) && (search === '' || plainSearch.test(search))) return
  const refuse = (detail: string) => new BrokerError('path_refused', { detail })
  if (!pathCharacters.test(path) || !isText(path)) throw refuse('It holds characters that must be percent-encoded.')
  if (hidden.test(path)) throw refuse('It holds an encoded slash, dot, backslash or control character.')
  const segments = path.split('/').slice(1)
  // One at the end is a spelling that many APIs ask for.
  if (segments.slice(0, -1).includes('')) throw refuse('It holds an empty segment.')
  for (const segment of segments) {
    const once = decodeURIComponent(segment)
    // Some servers fold characters that look alike: a full-width slash is one to them (NFKC).
    const folded = once.normalize('NFKC').replaceAll('。', '.')
    // `%25%32e` is `%2e`, however little of it was encoded.
    if (/%[0-9a-f]{2}/i.test(folded)) throw refuse('It is encoded twice.')
    // Some drop what follows a semicolon before they look (matrix parameters), encoded or not, or trim. Those that rewrite a
    // path after decoding it end it at a question mark or a hash.
    const name = folded.split(';', 1)[0]?.trim()
    const cut = folded.split(/[;?#]/, 1)[0]?.trim()
    if (segment !== '' && (name === '' || cut === '.' || cut === '..')) throw refuse('It holds a dot segment.')
    if (/[/\\]/.test(folded) || slashLike.test(once)) throw refuse('It holds a character that some read as a slash.')
  }
  if (!searchCharacters.test(search.slice(1)) || !isText(search.slice(1)))
    throw refuse('Its query holds characters that must be percent-encoded.')
}

/** Whether its escapes are UTF-8, and only that. */
function isText(text: string): boolean {
  try {
    return !decodeURIComponent(text.replaceAll(/%(?![0-9A-Fa-f]{2})/g, '%25')).includes('\0')
  } catch {
    return false
  }
}

/** Names that hold credentials in a query of some API, without separators. Ours travel in a header alone (V-09). */
const credentialNames =
  /^(?:access|auth|oauth|id|refresh|private|job|session|security|bearer|api|personal)?token$|^(?:api|access|secret|private|subscription)?(?:key|secret)$|^(?:xamz|xgoog|xoss)(?:credential|signature|securitytoken)$|^(?:clientsecret|authorization|password|passwd|passphrase|jwt|assertion|clientassertion|sessionid|phpsessid|jsessionid)$/
/** A piece that each of them has, and of what asks for another method: most names have none, and are told by that. */
const telling = /token|key|secret|credential|signature|authorization|pass|jwt|assertion|sess|method/
/** Frameworks drop what comes after so many (PHP, Django, qs): who reads on reads something else. */
const parametersMax = 1_000

/** Names by which a query asks to be taken for another method. */
const overrideNames = /^(?:x?httpmethod(?:override)?|methodoverride|xmethodoverride|httpmethod)$/

/**
 * Refuses credentials and method overrides in a query, under any rule.
 * @throws BrokerError header_refused, path_refused
 */
export function judgeSearch({ search }: Target, credentialParameters: readonly string[]): void {
  if (search.length < 2) return
  // Some servers separate by semicolons (HTML 4, B.2.2).
  const parts = search.slice(1).split(/[&;]/, parametersMax + 1)
  if (parts.length > parametersMax)
    throw new BrokerError('path_refused', { detail: `Its query has more than ${parametersMax} parameters.` })
  for (const part of parts) {
    const [spelled = '', value = ''] = part.split('=', 2).map((text) => unescaped(text.replaceAll('+', ' ')))
    const letters = spelled.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
    if (
      !telling.test(letters) &&
      !credentialParameters.some((name) => letters.includes(name.replaceAll(/[^a-z0-9]/g, '')))
    )
      continue
    // `token[]`, `token[a]` and `[token]` reach some readers as `token`; `token.a` does so elsewhere, or as `token_a` (PHP).
    const names = spellingsOf(spelled)
    const spellings = names
      .flatMap((name) => [name, name.split('.', 1)[0] ?? ''])
      .map((one) => one.replaceAll(/[^a-z0-9]/g, ''))
    const isCredential = spellings.some((one) => credentialNames.test(one) && one !== 'key')
    if (isCredential || names.some((name) => credentialParameters.includes(name)))
      throw new BrokerError('header_refused', { detail: `The query parameter ${shown(spelled)} holds credentials.` })
    // Facebook's Graph API deletes for `GET ?method=delete`; elsewhere `method` names a function.
    const isMethod = names.includes('method') && /^\s*(?:post|put|patch|delete)\s*$/i.test(value)
    if (isMethod || isOverrideName(spelled) || spellings.some((one) => overrideNames.test(one)))
      throw new BrokerError('header_refused', {
        detail: `The query parameter ${shown(spelled)} asks for another method.`,
      })
  }
}

/** A name for a person, and nothing that could be more. */
const shown = (name: string) => name.replaceAll(/[^\w.-]/g, '?').slice(0, 60)
