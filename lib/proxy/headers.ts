import { BrokerError } from '../errors.ts'
import type { ProxyFacts } from '../providers/kind.ts'
import type { AnswerHeaders } from './exchange.ts'

/** What a request may say to the upstream. Everything else is left out: who asks is ours to say. */
const requestNames = new Set([
  'accept',
  'accept-language',
  'accept-encoding',
  'accept-charset',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-range',
  'content-type',
  'digest',
  'git-protocol',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'pragma',
  'prefer',
  'range',
  'user-agent',
])

/** What an answer may say to the caller. No cookies, no policies of another origin, nothing that outlives the answer. */
const responseNames = new Set([
  'accept-ranges',
  'age',
  'allow',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-range',
  'content-type',
  'deprecation',
  'digest',
  'etag',
  'last-modified',
  'preference-applied',
  'ratelimit',
  'ratelimit-limit',
  'ratelimit-policy',
  'ratelimit-remaining',
  'ratelimit-reset',
  'retry-after',
  'sunset',
  'warning',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-resource',
  'x-ratelimit-used',
])

/**
 * Headers by which known APIs and the software in front of them let a caller be somebody else, use another method, or
 * reach another path. They are refused and not left out, because whoever sends one means it.
 */
const refusedNames = [
  // Methods and paths.
  /^x-(?:http-)?method(?:-override)?$/,
  /^x-(?:original|rewrite)-(?:url|uri|method)$/,
  /^(?:x-)?(?:original|rewrite)-url$/,
  /^x-forwarded-(?:method|uri|path|prefix)$/,
  // Persons: Kubernetes, GitLab, Box, Dropbox, Zendesk, Stripe, Google, Microsoft, Salesforce, Okta, Grafana, and proxies.
  /^(?:x-)?impersonat/,
  /^sudo$/,
  /^(?:as|on-behalf-of|x-on-behalf-of|x-as)(?:-user)?$/,
  /^x-zendesk-on-behalf/,
  /^dropbox-api-select-(?:user|admin)$/,
  /^stripe-(?:account|context)$/,
  /^x-goog-(?:user-project|iam-)/,
  /^(?:mscrmcallerid|callerobjectid|x-ms-client-principal.*|x-ms-on-behalf-of)$/,
  /^x-sfdc-/,
  /^x-(?:remote|auth|authenticated|webauth|forwarded|grafana|okta|slack|discord)-(?:user|email|groups?|login|name|request-.*|preferred-username)$/,
  /^(?:x-)?remote-(?:user|group)$/,
  /^x-acting-(?:as|user)$/,
  /^x-user(?:-id|-email|-name)?$/,
  // Credentials of any other kind.
  /^(?:proxy-)?authentication?$/,
  /^proxy-authorization$/,
  /^(?:x-)?(?:api|access|auth|private|job|deploy|storageapi|vault|amz-security|shopify-access|gitlab|circle|plex|xsrf)-?(?:key|token)$/,
  /^x-api-?key$/,
  /^(?:x-)?(?:client-cert|ssl-client-.*|client-verify)$/,
]

/** A browser that loads this as code of the page it shows, whatever the answer is. */
const codeDestinations = new Set([
  'serviceworker',
  'sharedworker',
  'worker',
  'audioworklet',
  'paintworklet',
  'xslt',
  'fencedframe',
  'script',
  'style',
  'iframe',
  'frame',
  'object',
  'embed',
])

type Verdict = 'pass' | 'drop' | 'judge' | 'refuse'

/** What becomes of a header by its name alone; remembered, because clients send the same ones again and again. */
const verdicts = new Map<string, Verdict>()
const verdictsMax = 2_000

function verdictOn(name: string): Verdict {
  const known = verdicts.get(name)
  if (known) return known
  // Software behind us may read `_` as `-` (CGI).
  const folded = name.replaceAll('_', '-')
  const isJudged = folded === 'service-worker' || folded === 'sec-fetch-dest' || folded === 'connection'
  const isRefused = refusedNames.some((pattern) => pattern.test(folded))
  const verdict = requestNames.has(name) ? 'pass' : isJudged ? 'judge' : isRefused ? 'refuse' : 'drop'
  if (verdicts.size < verdictsMax && name.length <= 64) verdicts.set(name, verdict)
  return verdict
}

/**
 * What of a request's headers goes on, as a flat list of names and values. `raw`: as Node received them.
 * @throws BrokerError header_refused
 */
export function requestHeaders(raw: readonly string[], facts: Pick<ProxyFacts, 'requestHeaders'>): string[] {
  const sent: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    const value = raw[index + 1] ?? ''
    const verdict = facts.requestHeaders.includes(name) ? 'pass' : verdictOn(name)
    if (verdict === 'drop') continue
    if (verdict === 'refuse') throw refused(name, 'changes who asks, or for what')
    if (verdict === 'judge') judgeHeader(name, value)
    else {
      // Names and values alternate; a few entries are quicker than a set.
      const before = sent.findIndex((one, place) => place % 2 === 0 && one === name)
      if (before < 0) sent.push(name, value)
      // Docker sends a line for each type that it takes; one line says the same (RFC 9110 5.3).
      else if (name.startsWith('accept')) sent[before + 1] += `, ${value}`
      else throw refused(name, 'appears twice')
    }
  }
  return sent
}

function judgeHeader(name: string, value: string): void {
  if (name === 'service-worker' || (name === 'sec-fetch-dest' && codeDestinations.has(value.toLowerCase())))
    throw refused(name, 'asks for code to run in a browser')
  // It would make the next server drop a header that we rely on.
  if (name === 'connection' && !/^[\s,]*(?:(?:keep-alive|close|te|upgrade)[\s,]*)*$/i.test(value))
    throw refused(name, 'names other headers')
}

const refused = (name: string, why: string) =>
  new BrokerError('header_refused', { detail: `The header ${name.replaceAll(/[^\w-]/g, '?').slice(0, 60)} ${why}.` })

/** On every answer of an upstream: nothing of it runs, is framed or is kept in the console's origin (C-10). */
export const answerHeaders = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  vary: 'Authorization',
} as const

/** What no list lets pass: we say it ourselves. */
const ours = new Set<string>([...Object.keys(answerHeaders), 'location', 'link'])

/**
 * What of an answer's headers goes back, as a flat list of names and values. A redirect goes on only inside the API or to a
 * host that its kind names, and one inside leads through us again; elsewhere (201) an address only names what was made, and
 * stays here.
 * @throws BrokerError redirect_refused
 */
export function responseHeaders(
  { status, headers }: { status: number; headers: AnswerHeaders },
  facts: Pick<ProxyFacts, 'responseHeaders' | 'redirectHosts'>,
  place: () => Place,
): string[] {
  const back: string[] = []
  const { connection } = headers
  const dropped = connection === undefined ? '' : `,${String(connection).toLowerCase().replaceAll(/\s/g, '')},`
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || !(responseNames.has(name) || facts.responseHeaders.includes(name))) continue
    // A 204 has no length (RFC 9110 8.6).
    if (ours.has(name) || dropped.includes(`,${name},`) || (status === 204 && name === 'content-length')) continue
    if (typeof value === 'string') back.push(name, value)
    else for (const one of value) back.push(name, one)
  }
  const { location, link } = headers
  // Of two, one reader takes the first and another the last.
  if (Array.isArray(location) && location.length > 1) throw new BrokerError('redirect_refused')
  if (location !== undefined && status >= 300 && status < 400)
    back.push('location', placed(String(location), facts.redirectHosts, place()))
  const pages = link === undefined ? '' : [link].flat().join(', ')
  // What is longer is no list of pages.
  if (pages !== '' && pages.length <= 8_192) back.push('link', links(pages, place()))
  return back
}

/** Where an answer comes from, and how that API is spelled here. */
export type Place = {
  /** The address that was asked. */
  url: URL
  /** Origin and path of the API, without a slash at the end. */
  base: URL
  /** Where the API is reached through us. */
  proxy: string
}

/** The same address through us; undefined: it is not inside the API. */
function throughUs(url: URL, { base, proxy }: Place): string | undefined {
  const root = base.pathname.replace(/\/$/, '')
  const isInside = url.origin === base.origin && (url.pathname === root || url.pathname.startsWith(`${root}/`))
  return isInside && !url.username && !url.password
    ? `${proxy}${url.pathname.slice(root.length)}${url.search}${url.hash}`
    : undefined
}

/** @throws BrokerError redirect_refused */
function placed(location: string, hosts: readonly string[], at: Place): string {
  const url = URL.canParse(location, at.url) ? new URL(location, at.url) : undefined
  const through = url && throughUs(url, at)
  if (through) return through
  const isNamed =
    url?.protocol === 'https:' && !url.port && !url.username && !url.password && hosts.includes(url.hostname)
  if (url && isNamed) return url.href
  throw new BrokerError('redirect_refused', url && { detail: `It leads to ${url.host.slice(0, 200)}.` })
}

/** Links to other pages of the same list lead through us; others stay as they are (RFC 8288). */
const links = (text: string, at: Place) =>
  text.replaceAll(/<([^<>]*)>/g, (whole, target: string) => {
    const url = URL.canParse(target, at.url) ? new URL(target, at.url) : undefined
    const through = url && throughUs(url, at)
    return through ? `<${through}>` : whole
  })
