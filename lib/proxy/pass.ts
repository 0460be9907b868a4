import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { gatewayUrl, proxyUrl } from '../broker/proxy-url.ts'
import { justRefreshedMilliseconds, openedAccess } from '../broker/refresh/access.ts'
import { freshTokens, noteUse } from '../broker/refresh/refresh.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import type { ProxyFacts } from '../providers/kind.ts'
import { methods } from '../providers/patterns.ts'
import { type Matcher, matcherOf, Rules, rulesLanguage } from '../providers/rules.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { currentNonce } from '../security/proof.ts'
import { hash } from '../security/secrets.ts'
import { type Entered, type Entering, enterProxy } from '../store/proxy.ts'
import { Together } from '../store/together.ts'
import { credentialOf, marginSeconds, refuseUnproven, unauthenticated, wrongScheme } from './credential.ts'
import {
  type AnswerHeaders,
  Body,
  type Ended,
  Exchange,
  ExchangeError,
  hasBody,
  mayRepeat,
  type Verdict,
} from './exchange.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import { overrideGuard } from './overrides.ts'
import { type Payers, type ProxyLimits, payersOf, Quotas } from './quotas.ts'
import { endedError, Running } from './running.ts'
import { type Access, signed } from './sign.ts'
import { recordFirstUse, Tally, type User } from './tally.ts'
import { judgePath, judgeSearch, type Target } from './target.ts'

/** What one process keeps of the proxy. Nothing of it says whether a token is valid: that is asked each time. */
export type Proxy = {
  ctx: Context
  entrance: Together<Entering, Entered>
  known: Map<string, Known>
  /** Versions of connections whose token an upstream has just refused, while they are renewed. */
  refused: Map<string, number>
  running: Running
  tally: Tally
  quotas: Quotas
}

/** What never changes about a token, or only with its provider's row, read once. */
type Known = {
  payers: Payers
  /** Of the provider's row that it was read from. */
  seen: string
  allows: Matcher
  /** Its rules in words. */
  words: string
  facts: ProxyFacts
  /** The upstream's own id of it. */
  project: string
  base: URL
  /** Path of the API, without a slash at the end. */
  root: string
  dispatcher: Dispatcher
}

const knownMax = 20_000

export const createProxy = (ctx: Context, limits?: ProxyLimits): Proxy => ({
  ctx,
  entrance: new Together((asked) => enterProxy(ctx, asked, marginSeconds)),
  known: new Map(),
  refused: new Map(),
  running: new Running(),
  tally: new Tally(ctx),
  quotas: new Quotas(ctx, limits),
})

export type Passing = {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  /** On every answer, beside what is the upstream's: names and values. */
  headers: readonly string[]
}

/** What is told of a request that was answered by its upstream. */
export type Passed = { tokenId: string }

/**
 * Passes a request to the upstream of a project within the rules of the token that it brings, and the answer back. The
 * token is asked about each time, in one statement. Ends when the answer has been handed over.
 * @throws BrokerError before the head of an answer is sent; ExchangeError when it fails afterwards, and nothing is to be said
 */
export async function pass(proxy: Proxy, passing: Passing): Promise<Passed> {
  const { ctx, quotas } = proxy
  const { request, target } = passing
  const presented = credentialOf(request)
  const { token, bound } = presented
  const mark = Buffer.from(hash(token)).toString('hex')
  const before = proxy.known.get(mark)
  if (before) quotas.refuseKnown(before.payers)
  const { slug, project } = target
  const entered = await proxy.entrance.ask({ hash: mark, bound, slug, project, seen: before?.seen ?? '' })
  if (entered.state === 'unknown') throw unauthenticated('token_unknown')
  // Before anything is said of the token, or counted.
  if (entered.state === 'unproven') throw wrongScheme(presented)
  const { proofKey: key } = entered
  if (key !== null) await refuseUnproven(ctx, request, { token, key })
  const user: User = entered
  try {
    if (entered.state === 'elsewhere')
      throw new BrokerError('not_found', { detail: 'This token is for another project.' })
    if (entered.state !== 'live') throw endedError(entered.state)
    const known = before?.seen === entered.providerSeen ? before : learn(proxy, mark, entered, target)
    await quotas.take(known.payers)
    const headers = judge(passing, known)
    if (entered.first) await recordFirstUse(ctx, entered)
    if (entered.touch) noteUse(ctx, entered)
    return await forward(proxy, passing, { entered, known, headers })
  } catch (error) {
    if (isRefusal(error)) proxy.tally.add(user, { refused: 1 })
    throw error
  }
}

/** Said by us because of what was asked; what fails at the upstream is a request all the same. */
const isRefusal = (error: unknown) =>
  isBrokerError(
    error,
    'rule_refused',
    'path_refused',
    'header_refused',
    'rate_limited',
    'frozen',
    'token_ended',
    'not_found',
  )

type Live = Extract<Entered, { state: 'live' }>

/** Reads what a token and its provider's row say, once for both. @throws BrokerError provider_misconfigured; rule_refused for an MCP server */
function learn({ ctx, known }: Proxy, key: string, entered: Live, { slug, project }: Target): Known {
  const { providerSeen, kind: name, issuer, settings, externalId } = entered
  const found = name === null ? undefined : configured({ kind: name, settings })
  if (found?.kind.gateway)
    throw new BrokerError('rule_refused', {
      detail: `This project is an MCP server. It is reached at ${gatewayUrl(ctx.config, { slug, project })}.`,
    })
  const facts = found?.kind.proxy?.(found.settings)
  const rules = Rules.safeParse(entered.rules)
  if (!found || !facts || !rules.success || issuer === null || externalId === null)
    throw new BrokerError('provider_misconfigured')
  const base = assertOutboundUrl(found.kind.baseUrl?.({ externalId }) ?? issuer, ctx.config)
  const one: Known = {
    payers: payersOf(entered),
    seen: providerSeen,
    allows: matcherOf(rules.data, facts.never),
    words: rulesLanguage(facts)
      .describe(rules.data)
      .map(({ text }) => text)
      .join('; '),
    facts,
    project: externalId,
    base,
    root: base.pathname.replace(/\/$/, ''),
    dispatcher: ctx.streams(facts.certificates),
  }
  if (known.size >= knownMax) known.clear()
  known.set(key, one)
  return one
}

/** What goes on of a request's head. @throws BrokerError path_refused, header_refused, rule_refused */
function judge({ request, target }: Passing, { facts, allows, words }: Known): string[] {
  const { method = '', rawHeaders } = request
  judgePath(target)
  judgeSearch(target, facts.credentialParameters)
  const headers = requestHeaders(rawHeaders, facts)
  if (!(methods as readonly string[]).includes(method) || !allows(method, target.path))
    throw new BrokerError('rule_refused', {
      detail: `${method} ${shown(target.path)} is not among what it allows: ${words}.`,
    })
  return headers
}

const shown = (path: string) => (path.length > 200 ? `${path.slice(0, 200)}…` : path)

type Way = { entered: Live; known: Known; headers: string[] }

async function forward(proxy: Proxy, passing: Passing, way: Way): Promise<Passed> {
  const { ctx, running, quotas, tally } = proxy
  const { request, response } = passing
  const { entered, known } = way
  const isBodiless = !hasBody(request)
  /** RFC 9110 9.2.1: asked for twice, nothing happens twice. */
  const isRepeatable = isBodiless && (request.method === 'GET' || request.method === 'HEAD')
  let exchange: Exchange | undefined
  let stopped: BrokerError | undefined
  const release = quotas.hold(known.payers)
  const leave = running.add({
    tenantId: entered.tenantId,
    tokenId: entered.tokenId,
    since: performance.now(),
    cut(why) {
      stopped ??= why
      exchange?.cut(why)
    },
  })
  let body: Body | null = null
  let bytesReceived = 0
  try {
    let access = await accessOf(proxy, entered)
    const isFresh = ctx.now().getTime() - entered.refreshedAt < justRefreshedMilliseconds
    let mayRefresh = !isFresh && access.version === entered.tokenVersion
    if (!isBodiless) {
      if (request.headers.expect !== undefined) response.writeContinue()
      // Where every method is allowed there is nothing to be gained by another.
      const isOpen = methods.every((method) => known.allows(method, passing.target.path))
      const { 'content-type': type, 'content-encoding': encoding } = request.headers
      body = new Body(request, isOpen ? undefined : overrideGuard(type, encoding))
    }
    for (let tries = 1; ; tries += 1) {
      const begin = () => {
        if (stopped) throw stopped
        const judged = (status: number, headers: AnswerHeaders) =>
          answered(proxy, passing, way, { status, headers, isBodiless, mayAgain: isRepeatable && mayRefresh })
        exchange = new Exchange(response, judged)
        return exchange
      }
      try {
        const ended = await sent(proxy, passing, way, { access, body, begin })
        bytesReceived += ended.bytesReceived
        if (!ended.again) {
          if (ended.status === 401 && mayRefresh) renewLater(proxy, entered, access)
          return { tokenId: entered.tokenId }
        }
      } catch (error) {
        if (!isRepeatable || tries > 1 || response.headersSent || !mayRepeat(error)) throw error
        continue
      }
      if (!mayRefresh) throw new BrokerError('upstream_protocol')
      mayRefresh = false
      access = await freshTokens(ctx, { ...entered, staleVersion: access.version })
    }
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error
    bytesReceived += error.bytesReceived
    throw response.headersSent ? error : error.cause
  } finally {
    leave()
    release()
    tally.add(entered, { requests: 1, bytesSent: body?.bytes ?? 0, bytesReceived })
    body?.destroy()
  }
}

/** The connection's token, unless the upstream has just refused it. */
const accessOf = ({ ctx, refused }: Proxy, entered: Live): Promise<Access> => {
  const { tenantId, connectionId, tokenVersion: version } = entered
  return refused.get(connectionId) === version
    ? freshTokens(ctx, { tenantId, connectionId, staleVersion: version })
    : openedAccess(ctx, entered)
}

/** The request that comes next waits for this, and has a token that works. */
function renewLater(
  { ctx, refused }: Proxy,
  { tenantId, connectionId }: Live,
  { version: staleVersion }: Access,
): void {
  refused.set(connectionId, staleVersion)
  const renew = () => freshTokens(ctx, { tenantId, connectionId, staleVersion })
  ctx.background('renew a refused token', () => renew().finally(() => refused.delete(connectionId)))
}

type Sending = { access: Access; body: Body | null; begin: () => Exchange }

async function sent(proxy: Proxy, passing: Passing, way: Way, { access, body, begin }: Sending): Promise<Ended> {
  const { request, target } = passing
  const { known, headers } = way
  const { method = '' } = request
  const path = known.root + target.path + target.search
  const length = request.headers['content-length']
  const framed = body && length !== undefined ? [...headers, 'content-length', length] : headers
  const call = { dispatcher: known.dispatcher, origin: known.base.origin, path, method, body }
  const send = (authority: string[]) => begin().send({ ...call, headers: [...framed, ...authority] })
  const { authority = asBearer } = known.facts
  if (!known.facts.bound) return send(authority({ accessToken: access.accessToken, project: known.project }).flat())
  return signed(proxy.ctx, way.entered, access, { method, url: urlOf(known, target) }, (signature) =>
    send(Object.entries(signature).flat()),
  )
}

const asBearer: NonNullable<ProxyFacts['authority']> = ({ accessToken }) => [
  ['authorization', `Bearer ${accessToken.reveal()}`],
]

const urlOf = ({ base, root }: Known, { path, search }: Target) => new URL(root + path + search, base.origin)

type Answer = { status: number; headers: AnswerHeaders; isBodiless: boolean; mayAgain: boolean }

/** What becomes of an upstream's answer. @throws BrokerError redirect_refused */
function answered(
  { ctx }: Proxy,
  { target, headers: ours }: Passing,
  { entered, known }: Way,
  { status, headers, isBodiless, mayAgain }: Answer,
): Verdict {
  const { base, facts } = known
  if (status === 401) {
    // Asked for a nonce, the server has done nothing else (RFC 9449 9).
    if (facts.bound && isBodiless && /\buse_dpop_nonce\b/.test(String(headers['www-authenticate']))) return 'again'
    if (mayAgain) return 'again'
  }
  // Who answered (RFC 9209): an upstream's refusal is not ours.
  const whoAnswered = ['proxy-status', `valetkey; received-status=${status}`]
  // For the next proof: it saves whoever goes on a refusal with each new window (RFC 9449 8.2).
  const next = entered.proofKey === null ? [] : ['dpop-nonce', currentNonce(ctx)]
  const place = () => ({ url: urlOf(known, target), base, proxy: proxyUrl(ctx.config, target) })
  return [...ours, ...whoAnswered, ...next, ...responseHeaders({ status, headers }, facts, place)]
}
