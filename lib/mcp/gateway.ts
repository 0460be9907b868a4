import type { IncomingMessage } from 'node:http'
import type { Role } from '../actor.ts'
import { gatewayUrl, proxyUrl } from '../broker/proxy-url.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import { McpRights, summary } from '../providers/mcp/rights.ts'
import { marginSeconds } from '../proxy/credential.ts'
import { type ProxyLimits, payersOf, Quotas } from '../proxy/quotas.ts'
import { endedError, Running } from '../proxy/running.ts'
import { Tally, type User } from '../proxy/tally.ts'
import { hash, isToken } from '../security/secrets.ts'
import { readTenant } from '../store/database.ts'
import { enterGateway, gatewayStanding, standingKey } from '../store/mcp.ts'
import { findMember } from '../store/members.ts'
import { Together } from '../store/together.ts'
import { effectivePolicy } from '../tenancy/policy.ts'
import { Answering } from './answering.ts'
import { withoutAnswer } from './asks.ts'
import type { Call, Gateway, Known, Live, Request, Served, Serving } from './call.ts'
import type { Filtering } from './filters.ts'
import { beyond, judged, paramsFor } from './judge.ts'
import { errorMessage, type Message, type Read, RpcRefusal, textIn } from './messages.ts'
import { handlingOf, notifications, requests } from './methods.ts'
import { Permits } from './permits.ts'
import { type Manner, mannerOf, openedSession, readBody, requireAccept } from './reading.ts'
import { passOn, stream } from './reply.ts'
import { failed, sessionOver, wantedScopes, wayOf, withServer } from './server-call.ts'
import { idForServer } from './session.ts'
import type { Target } from './target.ts'
import { ToolTally } from './tool-tally.ts'
import { cleaned } from './tools.ts'
import { send } from './upstream.ts'

const knownMax = 20_000

export const createGateway = (ctx: Context, limits?: ProxyLimits): Gateway => ({
  ctx,
  entrance: new Together((asked) => enterGateway(ctx, asked, marginSeconds)),
  known: new Map(),
  running: new Running(gatewayStanding),
  tally: new Tally(ctx),
  tools: new ToolTally(ctx),
  quotas: new Quotas(ctx, limits),
})

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
  const entered = await gateway.entrance.ask({ hash: mark, ...target, resource, seen: before?.seen ?? '' })
  if (entered.state === 'unknown') throw notKnown(ctx, target)
  if (entered.state === 'audience')
    throw notKnown(ctx, target, 'This token is for another address, or is bound to a key.')
  const { tenantId, holderId: tokenId, projectId, userId, isGrant } = entered
  const user: User = { tenantId, tokenId, projectId: projectId ?? '', userId, isGrant }
  try {
    if (entered.state === 'elsewhere')
      throw new BrokerError('not_found', { detail: 'This token is for another project.' })
    if (entered.state !== 'live') throw ended(ctx, target, entered.state)
    const known = before?.seen === entered.seen ? before : await learn(gateway, mark, entered, target)
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
async function learn({ ctx, known }: Gateway, key: string, entered: Live, target: Target): Promise<Known> {
  const { seen, kind: name, issuer, settings, externalId, tenantId, holderId, userId, isGrant } = entered
  const found = name === null ? undefined : configured({ kind: name, settings })
  if (found && !found.kind.gateway)
    throw new BrokerError('not_found', {
      detail: `This project is no MCP server. Its API is reached at ${proxyUrl(ctx.config, target)}.`,
    })
  const facts = found?.kind.gateway?.(found.settings)
  // What a grant does not say, or what cannot be read, allows nothing; null is whatever policy allows (docs/decisions/0064).
  const rights = McpRights.safeParse(entered.rights ?? (isGrant ? everything : {}))
  if (!found || !facts || !rights.success || issuer === null || externalId === null)
    throw new BrokerError('provider_misconfigured')
  const one: Known = {
    payers: payersOf({ tokenId: holderId, tenantId, userId }),
    seen,
    permits: new Permits(rights.data, facts.holdChangedTools, isGrant ? await limitsOf(ctx, entered) : []),
    words: summary(rights.data).join(', ') || 'nothing',
    facts,
    key: facts.shared ? entered.clientSecret : null,
    address: found.kind.baseUrl?.({ externalId }) ?? issuer,
  }
  if (known.size >= knownMax) known.clear()
  known.set(key, one)
  return one
}

const everything = { all_tools: true, all_resources: true, all_prompts: true }

/**
 * What policy leaves of a grant at this moment (docs/decisions/0086): each of its limits, and nothing where it lets the member issue
 * nothing of this kind. Asked again when anything of it has changed, which the one statement of a call tells.
 */
async function limitsOf(ctx: Context, { tenantId, providerId, projectId, userId }: Live): Promise<McpRights[]> {
  const { policy, role } = await readTenant(ctx, tenantId, async (tx) => ({
    policy: await effectivePolicy(tx, { tenantId, providerId, projectId, userId }),
    role: (await findMember(tx, tenantId, userId))?.role as Role | undefined,
  }))
  const mayIssue =
    policy.issueRoles.every(({ value }) => role && value.includes(role)) &&
    policy.strategies.every(({ value }) => value.includes('proxy'))
  const nothing = McpRights.parse({})
  if (!mayIssue) return [nothing]
  return policy.rights.map(({ value }) => McpRights.safeParse(value).data ?? nothing)
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

const refusedMethod = (method: string, manner: Manner) =>
  new RpcRefusal(
    'methodNotFound',
    `${cleaned(method, 200)} does not pass the gateway in revision ${manner.revision}.`,
    {
      status: 404,
    },
  )

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
    if (!verdict.allowed) throw beyond(call, verdict)
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
