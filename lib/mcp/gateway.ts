import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asking } from '../broker/link/ask.ts'
import { gatewayUrl, proxyUrl } from '../broker/proxy-url.ts'
import { freshTokens, noteUse, tokenPlace } from '../broker/refresh/refresh.ts'
import { turnAway } from '../broker/turn-away.ts'
import { clientSecretPlace } from '../broker/upstream.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import type { GatewayFacts } from '../providers/kind.ts'
import { McpRights, summary } from '../providers/mcp/rights.ts'
import { Entrance, marginSeconds } from '../proxy/entrance.ts'
import { type Payers, type ProxyLimits, payersOf, Quotas } from '../proxy/quotas.ts'
import { endedError, Running } from '../proxy/running.ts'
import { recordFirstUse, Tally, type User } from '../proxy/tally.ts'
import { isUnsealError } from '../security/seal.ts'
import { hash, isToken, type Secret } from '../security/secrets.ts'
import {
  enterGateway,
  type GatewayEntered,
  type GatewayEntering,
  gatewayStanding,
  keepServer,
  standingKey,
} from '../store/mcp.ts'
import { noteGrantUse } from '../store/programs.ts'
import { vaultOf } from '../vault/keys.ts'
import { Answering } from './answering.ts'
import { askMessage, askPerson, withoutAnswer } from './asks.ts'
import { capabilitiesWithoutTasks, type Filtering, filterResult, knownTool } from './filters.ts'
import { Flood } from './flood.ts'
import {
  errorMessage,
  type Message,
  objectIn,
  type Params,
  type Read,
  RpcRefusal,
  rpcCodes,
  textIn,
} from './messages.ts'
import { handlingOf, notifications, requests, serverNotifications, serverRequests } from './methods.ts'
import { Permits, type Verdict } from './permits.ts'
import { type Manner, mannerOf, openedSession, readBody, requireAccept, unsupported } from './reading.ts'
import { isModern, isRevision, legacy, metaNames, revisions } from './revisions.ts'
import { idForClient, idForServer, isSessionId, type Owner, sealSession } from './session.ts'
import type { Target } from './target.ts'
import { ToolTally } from './tool-tally.ts'
import { cleaned, serverInfoOf } from './tools.ts'
import { type Reply, type Sending, type Server, send, serverAt } from './upstream.ts'

/** What one process keeps of the gateway. Nothing of it says whether a token is valid: that is asked each time. */
export type Gateway = {
  ctx: Context
  entrance: Entrance<GatewayEntering, GatewayEntered>
  known: Map<string, Known>
  running: Running
  tally: Tally
  tools: ToolTally
  quotas: Quotas
}

/** What changes only with the rows that it was read from. */
type Known = {
  payers: Payers
  seen: string
  permits: Permits
  /** Its rights in words. */
  words: string
  facts: GatewayFacts
  /** Sealed: the value of the header, where everybody shares one. */
  key: string | null
  address: string
}

const knownMax = 20_000

export const createGateway = (ctx: Context, limits?: ProxyLimits): Gateway => ({
  ctx,
  entrance: new Entrance((asked) => enterGateway(ctx, asked, marginSeconds)),
  known: new Map(),
  running: new Running(gatewayStanding),
  tally: new Tally(ctx),
  tools: new ToolTally(ctx),
  quotas: new Quotas(ctx, limits),
})

export type Serving = {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  address: string | null
  /** On every answer: names and values. */
  headers: readonly string[]
}

/** What is told of a call. */
export type Served = { holderId: string; method: string }

/** RFC 9728 5.1: where a program that brings no token, or a wrong one, finds out who gives them. */
export function challengeFor(ctx: Pick<Context, 'config'>, target: Target, error?: 'invalid_token'): string {
  const { pathname } = new URL(gatewayUrl(ctx.config, target))
  const metadata = `${ctx.config.origin}/.well-known/oauth-protected-resource${pathname}`
  return `Bearer ${error ? `error="${error}", ` : ''}resource_metadata="${metadata}"`
}

/** The token that a request brings: as Bearer alone (RFC 6750 2.1). @throws BrokerError unauthenticated, token_unknown */
function credentialOf(ctx: Context, { rawHeaders, headers }: IncomingMessage, target: Target): string {
  const sent = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization')
  const [, token = ''] = /^Bearer +([\w.~+/=-]+)$/i.exec(headers.authorization ?? '') ?? []
  if (sent.length !== 1 || token === '')
    throw new BrokerError('unauthenticated', {
      challenge: challengeFor(ctx, target),
      detail: 'Send a token of this project as Bearer, or sign in as the metadata says.',
    })
  if (!isToken('px', token) && !isToken('at', token)) throw notKnown(ctx, target)
  return token
}

const notKnown = (ctx: Context, target: Target, detail?: string) =>
  new BrokerError('token_unknown', {
    challenge: challengeFor(ctx, target, 'invalid_token'),
    ...(detail !== undefined && { detail }),
  })

type Live = Extract<GatewayEntered, { state: 'live' }>

/** One call, once it is known who makes it. */
type Call = Serving & {
  entered: Live
  known: Known
  answering: Answering
  owner: Owner
  user: User
  key: string
}

/**
 * Takes one message of a client, decides about it, and passes it on within what the token allows; and the answer back. Ends when
 * the answer has been handed over.
 * @throws BrokerError, RpcRefusal before anything of an answer is sent; BrokerError afterwards, and nothing is to be said
 */
export async function serve(gateway: Gateway, serving: Serving): Promise<Served> {
  const { ctx, quotas } = gateway
  const { request, response, target, headers } = serving
  const { method } = request
  if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') throw new BrokerError('method_not_allowed')
  refuseForeign(ctx, request)
  const mark = Buffer.from(hash(credentialOf(ctx, request, target))).toString('hex')
  const before = gateway.known.get(mark)
  if (before) quotas.refuseKnown(before.payers)
  const resource = gatewayUrl(ctx.config, target)
  const entered = await gateway.entrance.enter({ hash: mark, ...target, resource, seen: before?.seen ?? '' })
  if (entered.state === 'unknown') throw notKnown(ctx, target)
  if (entered.state === 'audience')
    throw notKnown(ctx, target, 'This token is for another address, or is bound to a key.')
  const { tenantId, holderId: tokenId, projectId, userId, isGrant } = entered
  const user: User = { tenantId, tokenId, projectId: projectId ?? '', userId, isGrant }
  try {
    if (entered.state === 'elsewhere')
      throw new BrokerError('not_found', { detail: 'This token is for another project.' })
    if (entered.state !== 'live') throw ended(ctx, target, entered.state)
    const known = before?.seen === entered.seen ? before : learn(gateway, mark, entered, target)
    await quotas.take(known.payers)
    const owner = {
      tenantId,
      holderId: tokenId,
      projectId: entered.projectId,
      connectionId: entered.connectionId ?? '',
    }
    const key = standingKey({ hash: mark, projectId: entered.projectId })
    const call = { ...serving, entered, known, owner, user, key, answering: new Answering(response, headers) }
    if (method === 'POST') return await take(gateway, call)
    return await openOrEnd(gateway, call)
  } catch (error) {
    if (isRefusal(error)) {
      if (projectId !== null) gateway.tally.add(user, { refused: 1 })
      ctx.metrics.gatewayMessages.inc({ call: 'other', outcome: 'refused' })
    }
    throw error
  }
}

const isRefusal = (error: unknown) =>
  error instanceof RpcRefusal || isBrokerError(error, 'rate_limited', 'frozen', 'token_ended', 'not_found')

const ended = (ctx: Context, target: Target, state: 'ended' | 'revoked' | 'frozen') => {
  const { code, detail } = endedError(state)
  // Who is frozen gets nowhere by signing in again.
  const challenge = state === 'frozen' ? {} : { challenge: challengeFor(ctx, target, 'invalid_token') }
  return new BrokerError(code, { ...challenge, ...(detail !== undefined && { detail }) })
}

/** A page of another site, as its browser says (C-07), and an address that holds more than a place. */
function refuseForeign({ config }: Context, { headers, url = '' }: IncomingMessage): void {
  if (headers.origin !== undefined && headers.origin !== config.origin) throw new BrokerError('cross_site')
  if (url.includes('?'))
    throw new BrokerError('bad_request', { detail: 'The address takes no query; a token stands in a header.' })
}

/** Reads what a token and the rows that it stands on say. @throws BrokerError provider_misconfigured, not_found */
function learn({ ctx, known }: Gateway, key: string, entered: Live, target: Target): Known {
  const { seen, kind: name, issuer, settings, externalId, tenantId, holderId, userId } = entered
  const found = name === null ? undefined : configured({ kind: name, settings })
  if (found && !found.kind.gateway)
    throw new BrokerError('not_found', {
      detail: `This project is no MCP server. Its API is reached at ${proxyUrl(ctx.config, target)}.`,
    })
  const facts = found?.kind.gateway?.(found.settings)
  // What a grant does not say, or what cannot be read, allows nothing (docs/decisions/0064).
  const rights = McpRights.safeParse(entered.rights ?? {})
  if (!found || !facts || !rights.success || issuer === null || externalId === null)
    throw new BrokerError('provider_misconfigured')
  const one: Known = {
    payers: payersOf({ tokenId: holderId, tenantId, userId }),
    seen,
    permits: new Permits(rights.data, facts.holdChangedTools),
    words: summary(rights.data).join(', ') || 'nothing',
    facts,
    key: facts.shared ? entered.clientSecret : null,
    address: found.kind.baseUrl?.({ externalId }) ?? issuer,
  }
  if (known.size >= knownMax) known.clear()
  known.set(key, one)
  return one
}

/** Takes one message. @throws as {@link serve} */
async function take(gateway: Gateway, call: Call): Promise<Served> {
  const { ctx } = gateway
  const { request, owner, answering } = call
  requireAccept(request, ['application/json', 'text/event-stream'])
  const read = await readBody(request)
  const { message } = read
  const manner = mannerOf(request, message, owner, ctx.secrets.gateway)
  const method = message.kind === 'request' || message.kind === 'notification' ? message.method : 'answer'
  const name = handlingOf(requests, method, manner.revision) !== 'refuse' || method === 'answer' ? method : 'other'
  const served = { holderId: owner.holderId, method: name }
  try {
    if (message.kind === 'request') await answer(gateway, call, { read, message, manner })
    else await tell(gateway, call, { read, message, manner })
    ctx.metrics.gatewayMessages.inc({ call: name, outcome: 'passed' })
    return served
  } catch (error) {
    if (!(error instanceof RpcRefusal) || message.kind === 'notification' || answering.isStream) throw error
    gateway.tally.add(call.user, { refused: 1 })
    ctx.metrics.gatewayMessages.inc({ call: name, outcome: 'refused' })
    // A client in a session takes another status for the end of it, or of the server.
    const status = manner.era === 'modern' || error.status === 404 ? error.status : 200
    answering.whole({ message: errorMessage(message.id, error.error), hasNumerals: false }, { status })
    return served
  }
}

type Taken<M extends Message = Message> = { read: Read; message: M; manner: Manner }
type Request = Extract<Message, { kind: 'request' }>

/** A notification or an answer of the client: it goes on, or not; there is no answer to it. */
async function tell(gateway: Gateway, call: Call, { read, message, manner }: Taken): Promise<void> {
  const { ctx } = gateway
  const { answering } = call
  let sent = message
  if (message.kind === 'notification') {
    const handling = handlingOf(notifications, message.method, manner.revision)
    if (handling === 'refuse') throw refusedMethod(message.method, manner)
    if (handling === 'drop') return answering.bare(202)
  } else if (message.kind === 'result' || message.kind === 'error') {
    const sealed = manner.era === 'session' ? manner.sealed : ''
    const id = message.id === undefined ? undefined : idForServer(ctx.secrets.gateway, sealed, message.id)
    if (id === undefined)
      throw new RpcRefusal('invalidRequest', 'Nothing was asked that this answers.', { status: 400 })
    sent = { ...message, id }
  }
  await withServer(gateway, call, manner, undefined, async (server, signal) => {
    const reply = await send(server, { method: 'POST', read: { ...read, message: sent }, ...wayOf(manner), signal })
    reply.drop()
    if (reply.status === 401) return reply
    if (reply.status === 404 && manner.era === 'session') throw sessionOver()
    if (reply.status >= 300) throw failed(reply.status)
    answering.bare(202)
    return undefined
  })
}

const sessionOver = () =>
  new RpcRefusal('invalidRequest', 'This session is over. Send initialize again.', { status: 404 })

/** For the answer of a server that holds nothing that the protocol knows. */
const failed = (status: number) =>
  status >= 500
    ? new RpcRefusal('unavailable', `The MCP server failed with status ${status}.`)
    : status >= 300 && status < 400
      ? new RpcRefusal('badAnswer', 'The MCP server redirected to another address. Nothing was followed.')
      : new RpcRefusal('badAnswer', `The MCP server answered ${status}, which the protocol does not have here.`)

const refusedMethod = (method: string, manner: Manner) =>
  new RpcRefusal(
    'methodNotFound',
    `${cleaned(method, 200)} does not pass the gateway in revision ${manner.revision}.`,
    {
      status: 404,
    },
  )

const wayOf = (manner: Manner): Pick<Sending, 'revision' | 'session' | 'parameters'> => ({
  revision: manner.revision,
  session: manner.era === 'session' ? (manner.session.upstream ?? undefined) : undefined,
  ...(manner.era === 'modern' && { parameters: manner.parameters }),
})

/** A request: decided about, sent in our own words, and its answer cut to what the token allows. */
async function answer(gateway: Gateway, call: Call, taken: Taken<Request>): Promise<void> {
  const { ctx } = gateway
  const { manner, message } = taken
  const { owner, known, answering, user } = call
  const { permits, facts } = known
  if (handlingOf(requests, message.method, manner.revision) === 'refuse') throw refusedMethod(message.method, manner)
  const tool = message.method === 'tools/call' ? textIn(message.params, 'name') : undefined
  const place = { tenantId: user.tenantId, projectId: user.projectId }
  try {
    const verdict = await judged(ctx, permits, place, message)
    if (!verdict.allowed) throw beyond(call, verdict.why)
  } catch (error) {
    if (tool !== undefined && error instanceof RpcRefusal) gateway.tools.add(user, tool, { refused: 1 })
    throw error
  }
  const returned = withoutAnswer(ctx, message.method, message.params, { key: ctx.secrets.gateway, owner })
  if (returned.isForged) throw new RpcRefusal('invalidParams', 'This requestState was not made for this request.')
  if (returned.refused)
    throw new RpcRefusal(
      'notAllowed',
      `The person was asked, and ${returned.refused.action === 'declined' ? 'declined' : 'did not answer'}.`,
      {
        data: { cause: returned.refused.cause, outcome: returned.refused.action },
      },
    )
  const sent: Request = { ...message, params: paramsFor(permits, manner, message.method, returned.params) }
  const read = { ...taken.read, message: sent }
  const filtering: Filtering = { ctx, place, permits, revision: manner.revision, holds: facts.holdChangedTools }
  await withServer(gateway, call, manner, message, async (server, signal) => {
    if (tool !== undefined) gateway.tools.add(user, tool, { calls: 1 })
    const reply = await send(server, { method: 'POST', read, ...wayOf(manner), signal })
    if (reply.status === 401 || (reply.status === 403 && wantedScopes(reply))) {
      reply.drop()
      return reply
    }
    await passOn(gateway, call, { message, manner, reply, filtering, server })
    return undefined
  })
  if (manner.era === 'initialize' && !answering.response.writableEnded) answering.end()
}

/** What is sent of a request's parameters: whatever was judged, and nothing that the gateway could not follow. */
function paramsFor(permits: Permits, manner: Manner, method: string, params: Params | undefined): Params | undefined {
  if (!params) return params
  if (method === 'initialize')
    return {
      ...params,
      protocolVersion: manner.revision,
      capabilities: capabilitiesWithoutTasks(objectIn(params, 'capabilities')),
    }
  const meta = objectIn(params, '_meta')
  const capabilities = objectIn(meta, metaNames.capabilities)
  let sent: Params = capabilities
    ? { ...params, _meta: { ...meta, [metaNames.capabilities]: capabilitiesWithoutTasks(capabilities) } }
    : params
  const wanted = method === 'subscriptions/listen' ? objectIn(sent, 'notifications') : undefined
  if (wanted && wanted.resourceSubscriptions !== undefined) {
    const uris = Array.isArray(wanted.resourceSubscriptions) ? wanted.resourceSubscriptions : []
    const kept = uris.filter((uri) => typeof uri === 'string' && permits.resource(uri).allowed)
    sent = { ...sent, notifications: { ...wanted, resourceSubscriptions: kept } }
  }
  return sent
}

/** Whether the token allows what a request names. @throws RpcRefusal where it names nothing */
async function judged(
  ctx: Context,
  permits: Permits,
  place: { tenantId: string; projectId: string },
  { method, params }: Request,
): Promise<Verdict> {
  const named = (member: string, of: Params | undefined = params) => {
    const text = textIn(of, member)
    if (text === undefined) throw new RpcRefusal('invalidParams', `The request has no ${member}.`)
    return text
  }
  switch (method) {
    case 'tools/call': {
      const name = named('name')
      if (params && Object.hasOwn(params, 'task'))
        throw new RpcRefusal('invalidParams', 'A call does not pass the gateway as a task.')
      return permits.tool(name, permits.needsTool(name) ? await knownTool(ctx, place, name) : undefined)
    }
    case 'prompts/get':
      return permits.prompt(named('name'))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return permits.resource(named('uri'))
    case 'completion/complete': {
      const ref = objectIn(params, 'ref')
      if (textIn(ref, 'type') === 'ref/prompt') return permits.prompt(named('name', ref))
      if (textIn(ref, 'type') !== 'ref/resource') throw new RpcRefusal('invalidParams', 'The ref is of no known type.')
      const uri = named('uri', ref)
      return permits.template(uri).allowed ? { allowed: true } : permits.resource(uri)
    }
    default:
      return { allowed: true }
  }
}

/** Which right is missing, and how more is had. */
function beyond({ known, entered, target }: Call, why: string): RpcRefusal {
  const more = entered.isGrant
    ? 'Sign in again with this program and allow more.'
    : 'Issue a token of this project that allows it.'
  return new RpcRefusal('notAllowed', `${why} This token allows: ${known.words}. ${more}`, {
    data: { reason: 'right_missing', allows: known.words, project: target.project },
  })
}

/** Scopes that a server asks for (RFC 6750 3.1, authorization.mdx "Scope Challenge"); undefined: it does not. */
function wantedScopes({ headers }: Reply): string[] | undefined {
  const challenges = [headers['www-authenticate']].flat().join(', ')
  if (challenges.length > 8_000 || !/\berror\s*=\s*"?insufficient_scope\b/i.test(challenges)) return undefined
  const [, quoted, bare] = /\bscope\s*=\s*(?:"([^"]*)"|([!#-+\--[\]-~]+))/i.exec(challenges) ?? []
  return (quoted ?? bare ?? '')
    .split(' ')
    .filter((scope) => /^[!#-[\]-~]{1,200}$/.test(scope))
    .slice(0, 50)
}

/** How long after a renewal a 401 is the server's word on the connection and not on the token. */
const justRefreshedMilliseconds = 30_000

/**
 * Runs what speaks to a server with the connection's token: counted as open, cut when the token ends, renewed once where the
 * server refuses it (401: nothing was acted upon), and a person asked where only they can help.
 * `work` answers a refusal of the server, which it has not passed on; undefined: it is done.
 */
async function withServer(
  gateway: Gateway,
  call: Call,
  manner: Manner,
  request: Request | undefined,
  work: (server: Server, signal: AbortSignal) => Promise<Reply | undefined>,
): Promise<void> {
  const { ctx, running, quotas, tally } = gateway
  const { entered, known, response, key, user, answering } = call
  const ask = async (cause: Asking['cause'], scopes?: string[]) => {
    const { tenantId, userId, providerId, projectId, connectionId } = entered
    const by = entered.isGrant ? { grant: entered.holderId } : { token: entered.holderId }
    const of = { tenantId, slug: call.target.slug, userId, providerId, projectId, connectionId, cause, by }
    const asked = await askPerson(ctx, { ...of, ...(scopes && { scopes }) })
    if (!request) throw new RpcRefusal('notAllowed', `${asked.message} Open ${asked.url}`)
    const state = { key: ctx.secrets.gateway, owner: call.owner }
    await answering.last(askMessage(request, manner, asked, state))
  }
  if (entered.connectionId === null || entered.connectionStatus === 'revoked') return ask('link')
  if (entered.connectionStatus === 'needs_relink') return ask('reconnect')
  const { connectionId } = entered
  const aborting = new AbortController()
  const onClose = () => aborting.abort(new BrokerError('aborted'))
  response.once('close', onClose)
  const release = quotas.hold(known.payers)
  const leave = running.add({
    tenantId: entered.tenantId,
    tokenId: key,
    since: performance.now(),
    cut(why) {
      aborting.abort(why)
      if (response.headersSent) response.destroy()
    },
  })
  try {
    if (entered.first) await recordFirstUse(ctx, user)
    if (entered.touch) noteUse(ctx, { tenantId: entered.tenantId, connectionId })
    if (entered.touchGrant && entered.isGrant)
      ctx.background('note use of a grant', () =>
        noteGrantUse(ctx, entered.tenantId, entered.holderId, call.address ?? undefined),
      )
    let access = await accessOf(ctx, entered, known)
    const { shared } = known.facts
    let mayRenew =
      access !== undefined && !shared && ctx.now().getTime() - entered.refreshedAt >= justRefreshedMilliseconds
    for (;;) {
      const server = serverAt(ctx, known.address, known.facts, access?.accessToken.reveal())
      const refusal = await work(server, aborting.signal)
      if (!refusal) return
      if (refusal.status === 403) return await ask('step_up', wantedScopes(refusal) ?? [])
      // Nobody's connection is at fault, and nobody but an admin can help.
      if (shared) throw new RpcRefusal('unavailable', keyRefused)
      if (!mayRenew) {
        if (access) await turnAway(ctx, { ...entered, connectionId, version: access.version })
        return await ask('reconnect')
      }
      mayRenew = false
      access = await freshTokens(ctx, { tenantId: entered.tenantId, connectionId, staleVersion: access?.version ?? 0 })
    }
  } catch (error) {
    if (isBrokerError(error, 'needs_relink') && !answering.isStream) return await ask('reconnect')
    if (isBrokerError(error, 'not_linked') && !answering.isStream) return await ask('link')
    throw asRefusal(error, request)
  } finally {
    response.off('close', onClose)
    leave()
    release()
    tally.add(user, {
      requests: 1,
      bytesSent: Number(call.request.headers['content-length'] ?? 0),
      bytesReceived: answering.bytes,
    })
  }
}

/** What fails at the server is told as an error of the request, where there is one. */
function asRefusal(error: unknown, request: Request | undefined): unknown {
  if (!request) return error
  if (isBrokerError(error, 'upstream_unavailable', 'token_outstanding'))
    return new RpcRefusal('unavailable', 'The MCP server does not answer. Try again in a moment.', {
      data: { retry_after_seconds: error.retryAfterSeconds ?? 5 },
    })
  if (isBrokerError(error, 'upstream_protocol'))
    return new RpcRefusal('badAnswer', 'The MCP server sent an answer that cannot be read.')
  return error
}

const keyRefused =
  'The MCP server does not take the key that an admin entered for it. An admin can replace it at the provider.'

type Access = { accessToken: Secret; version: number }

/** The connection's token as it is sealed beside the answer of the one statement, else a renewed one; none where none is sent. */
async function accessOf(ctx: Context, entered: Live, { facts, key }: Known): Promise<Access | undefined> {
  if (facts.header === undefined) return undefined
  const { tenantId, providerId, connectionId, userId, accessToken, tokenVersion: version } = entered
  const id = connectionId ?? ''
  if (facts.shared) {
    if (key === null) return undefined
    const vault = await vaultOf(ctx, tenantId)
    return { accessToken: await vault.open(clientSecretPlace(providerId), key), version }
  }
  if (!accessToken) return freshTokens(ctx, { tenantId, connectionId: id })
  const vault = await vaultOf(ctx, tenantId)
  try {
    return { accessToken: await vault.open(tokenPlace({ id, userId }, 'access_token', version), accessToken), version }
  } catch (error) {
    if (!isUnsealError(error)) throw error
    return freshTokens(ctx, { tenantId, connectionId: id })
  }
}

type Passing = { message: Request; manner: Manner; reply: Reply; filtering: Filtering; server: Server }

/** Passes a server's answer to a request back. @throws RpcRefusal, BrokerError; also after the beginning of a stream */
async function passOn(gateway: Gateway, call: Call, passing: Passing): Promise<void> {
  const { answering } = call
  const { message, manner, reply } = passing
  const { status, form } = reply
  if (form === 'other' || (status !== 200 && form !== 'json')) {
    reply.drop()
    throw unanswered(manner, reply)
  }
  if (form === 'stream') return stream(gateway, call, { ...passing, resumed: false })
  let read: Read | undefined
  try {
    for await (const event of reply.events()) read = event.read
  } catch (error) {
    throw status === 200 ? error : unanswered(manner, reply)
  }
  const answered = read?.message
  const isError = answered?.kind === 'error' && (answered.id === message.id || answered.id === undefined)
  if (
    !read ||
    !answered ||
    !((answered.kind === 'result' && answered.id === message.id && status === 200) || isError)
  ) {
    if (status !== 200) throw unanswered(manner, reply)
    throw new RpcRefusal('badAnswer', 'The MCP server sent an answer to something else.')
  }
  if (isError) refuseOldServer(manner, reply, answered)
  const back = await backOf(gateway, call, passing, answered)
  answering.whole(
    { ...read, message: back.message },
    { status: isError ? statusFor(manner, status) : 200, headers: back.headers },
  )
}

/** In a session an error is told with 200: clients take another status for the end of it, or of the server. */
const statusFor = (manner: Manner, status: number) =>
  manner.era === 'modern' && (status === 400 || status === 404) ? status : 200

/** Codes by which a server shows that it knows the newest revision (streamable-http.mdx, "Backward Compatibility"). */
const modernCodes = new Set<number>([-32020, -32021, -32022, rpcCodes.methodNotFound, rpcCodes.invalidParams])

/** A server that does not know the newest revision answers in some way of its own: the client is told what both know. */
function refuseOldServer(manner: Manner, { status }: Reply, { error, id }: Extract<Message, { kind: 'error' }>): void {
  if (manner.era === 'modern' && status !== 200 && (id === undefined || !modernCodes.has(error.code)))
    throw unsupported('2026-07-28', [legacy, '2025-06-18'])
  if (manner.era === 'modern' && error.code === rpcCodes.unsupportedVersion) {
    const supported = objectIn({ data: error.data }, 'data')?.supported
    throw unsupported('2026-07-28', Array.isArray(supported) ? supported.filter(isRevision) : [legacy])
  }
}

function unanswered(manner: Manner, { status }: Reply): RpcRefusal {
  if (status === 404 && manner.era === 'session' && manner.session.upstream !== null) return sessionOver()
  if (manner.era === 'modern' && [400, 404, 405, 406].includes(status))
    return unsupported('2026-07-28', [legacy, '2025-06-18'])
  return failed(status)
}

/** An answer as it goes back: cut to what the token allows, with a session of ours where one begins. */
async function backOf(
  { ctx }: Gateway,
  { owner }: Call,
  { message: request, manner, reply, filtering }: Passing,
  answered: Message,
): Promise<{ message: Message; headers: string[] }> {
  if (answered.kind === 'error') {
    const { code, message, data } = answered.error
    const error = { code, message: message.slice(0, 4_000), ...(data !== undefined && { data }) }
    return { message: errorMessage(request.id, error), headers: [] }
  }
  if (answered.kind !== 'result') throw new RpcRefusal('badAnswer', 'The MCP server sent no answer.')
  const isFirstPage = textIn(request.params, 'cursor') === undefined
  const result = await filterResult(filtering, { method: request.method, result: answered.result, isFirstPage })
  const message = { ...answered, result }
  if (manner.era !== 'initialize') return { message, headers: [] }
  const revision = textIn(result, 'protocolVersion')
  if (!isRevision(revision) || isModern(revision)) {
    const shared = revisions.filter((one) => !isModern(one))
    throw new RpcRefusal(
      'invalidParams',
      'The MCP server speaks no revision of the protocol that the gateway speaks.',
      {
        data: { supported: shared, requested: manner.revision },
      },
    )
  }
  const given = [reply.headers['mcp-session-id']].flat()[0]
  if (given !== undefined && !isSessionId(given))
    throw new RpcRefusal('badAnswer', 'The MCP server gave no readable session.')
  ctx.background('keep what a server says', () =>
    keepServer(ctx, filtering.place, { ...serverInfoOf(result.serverInfo), revision }, ctx.now()),
  )
  const session = { upstream: given ?? null, revision, opensLinks: manner.opensLinks }
  return { message, headers: ['mcp-session-id', sealSession(ctx.secrets.gateway, owner, session)] }
}

type Streaming = Omit<Passing, 'message'> & { message: Request | undefined; resumed: boolean }

/** Passes a stream back, message by message. `message`: the request that it answers; undefined: it was opened on its own. */
async function stream(gateway: Gateway, call: Call, streaming: Streaming): Promise<void> {
  const { ctx } = gateway
  const { answering } = call
  const { message: request, manner, reply } = streaming
  const isLong = request === undefined || request.method === 'subscriptions/listen'
  const flood = new Flood(isLong, () => ctx.now().getTime())
  let hasBegun = false
  let canResume = false
  const begin = (headers: string[] = []) => {
    if (!hasBegun) answering.begin({ headers })
    hasBegun = true
  }
  // A session begins with the head, so an answer to `initialize` is waited for.
  if (manner.era !== 'initialize') begin()
  try {
    for await (const event of reply.events()) {
      flood.count(event.bytes)
      const marks = isModern(manner.revision) ? {} : { id: event.id, retry: event.retry }
      canResume ||= marks.id !== undefined
      if (!event.read) {
        if (hasBegun) await answering.event(undefined, marks)
        continue
      }
      const { message } = event.read
      const isAnswer = message.kind === 'result' || message.kind === 'error'
      if (isAnswer && request && message.id === request.id) {
        const back = await backOf(gateway, call, { ...streaming, message: request }, message)
        begin(back.headers)
        await answering.event({ ...event.read, message: back.message }, marks)
        return answering.end()
      }
      const passed = isAnswer ? await resumedAnswer(streaming, message) : fromServer(gateway, streaming, message)
      if (passed && hasBegun) await answering.event({ ...event.read, message: passed }, marks)
    }
    if (request && !(canResume && hasBegun))
      throw new RpcRefusal('badAnswer', 'The MCP server ended its stream before it answered.')
    answering.end()
  } catch (error) {
    const told = asRefusal(error, request)
    if (!(told instanceof RpcRefusal) || !request || !hasBegun || answering.response.destroyed) throw told
    await answering.last(errorMessage(request.id, told.error))
  } finally {
    reply.drop()
  }
}

/** An answer on a stream that was taken up again: which request it answers is not known here, so its form decides. */
async function resumedAnswer({ resumed, filtering }: Streaming, message: Message): Promise<Message | undefined> {
  if (!resumed) return undefined
  if (message.kind !== 'result') return message
  return {
    ...message,
    result: await filterResult(filtering, { method: undefined, result: message.result, isFirstPage: false }),
  }
}

/** What a server says of its own accord, as it goes to the client; undefined: it does not. */
function fromServer({ ctx }: Gateway, streaming: Streaming, message: Message): Message | undefined {
  const { message: request, manner, filtering, server } = streaming
  if (message.kind === 'request') {
    if (isModern(manner.revision) || manner.era !== 'session') return undefined
    if (handlingOf(serverRequests, message.method, manner.revision) === 'pass')
      return { ...message, id: idForClient(ctx.secrets.gateway, manner.sealed, message.id) }
    const refusal = errorMessage(message.id, {
      code: rpcCodes.methodNotFound,
      message: 'This does not pass the gateway.',
    })
    ctx.background('refuse a request of a server', async () => {
      const read = { message: refusal, hasNumerals: false }
      const signal = AbortSignal.timeout(10_000)
      ;(await send(server, { method: 'POST', read, ...wayOf(manner), signal })).drop()
    })
    return undefined
  }
  if (message.kind !== 'notification') return undefined
  const { method, params } = message
  const handling = handlingOf(serverNotifications, method, manner.revision)
  if (handling === 'refuse') return undefined
  if (handling === 'filter' && !filtering.permits.resource(textIn(params, 'uri') ?? '').allowed) return undefined
  if (method === 'notifications/progress' && request) {
    const token = objectIn(request.params, '_meta')?.progressToken
    if (token === undefined || token !== params?.progressToken) return undefined
  }
  if (isModern(manner.revision) && request?.method === 'subscriptions/listen') {
    if (objectIn(params, '_meta')?.[metaNames.subscription] !== request.id) return undefined
  }
  return message
}

/** Opens a stream of a session, takes one up again, or ends a session; revisions with sessions alone have these. */
async function openOrEnd(gateway: Gateway, call: Call): Promise<Served> {
  const { ctx } = gateway
  const { request, owner, known, user, answering } = call
  const manner = openedSession(request, owner, ctx.secrets.gateway)
  const method = request.method === 'DELETE' ? 'DELETE' : 'GET'
  const served = { holderId: owner.holderId, method }
  const { upstream } = manner.session
  if (method === 'GET') requireAccept(request, ['text/event-stream'])
  // Of a server without sessions there is nothing to end.
  if (method === 'DELETE' && upstream === null) {
    answering.bare(204)
    return served
  }
  const lastEventId = method === 'GET' ? lastEventOf(request) : undefined
  const { permits, facts } = known
  const place = { tenantId: user.tenantId, projectId: user.projectId }
  const filtering: Filtering = { ctx, place, permits, revision: manner.revision, holds: facts.holdChangedTools }
  await withServer(gateway, call, manner, undefined, async (server, signal) => {
    const reply = await send(server, { method, ...wayOf(manner), lastEventId, signal })
    if (reply.status === 401) {
      reply.drop()
      return reply
    }
    if (method === 'GET' && reply.status === 200 && reply.form === 'stream') {
      await stream(gateway, call, {
        message: undefined,
        manner,
        reply,
        filtering,
        server,
        resumed: lastEventId !== undefined,
      })
      return undefined
    }
    reply.drop()
    if (reply.status === 404) throw sessionOver()
    if (reply.status === 405) throw new BrokerError('method_not_allowed')
    if (method === 'DELETE' && reply.status < 300) answering.bare(204)
    else throw failed(reply.status)
    return undefined
  })
  return served
}

function lastEventOf({ headers }: IncomingMessage): string | undefined {
  const given = headers['last-event-id']
  if (given === undefined) return undefined
  if (typeof given !== 'string' || !/^[\x20-\x7e]{1,1000}$/.test(given))
    throw new RpcRefusal('invalidRequest', 'Last-Event-ID is not one that was sent.', { status: 400 })
  return given
}
