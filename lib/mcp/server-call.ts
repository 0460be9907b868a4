import type { Asking } from '../broker/link/ask.ts'
import { type HeldAccess, justRefreshedMilliseconds, openedAccess } from '../broker/refresh/access.ts'
import { freshTokens, noteUse } from '../broker/refresh/refresh.ts'
import { turnAway } from '../broker/turn-away.ts'
import { clientSecretPlace } from '../broker/upstream.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { recordFirstUse } from '../proxy/tally.ts'
import type { Secret } from '../security/secrets.ts'
import { noteGrantUse } from '../store/programs.ts'
import { vaultOf } from '../vault/keys.ts'
import { askMessage, askPerson } from './asks.ts'
import type { Call, Gateway, Known, Live, Request } from './call.ts'
import { RpcRefusal } from './messages.ts'
import type { Manner } from './reading.ts'
import { type Reply, type Sending, type Server, serverAt } from './upstream.ts'

export const wayOf = (manner: Manner): Pick<Sending, 'revision' | 'session' | 'parameters'> => ({
  revision: manner.revision,
  session: manner.era === 'session' ? (manner.session.upstream ?? undefined) : undefined,
  ...(manner.era === 'modern' && { parameters: manner.parameters }),
})

export const sessionOver = () =>
  new RpcRefusal('invalidRequest', 'This session is over. Send initialize again.', { status: 404 })

/** For the answer of a server that holds nothing that the protocol knows. */
export const failed = (status: number) =>
  status >= 500
    ? new RpcRefusal('unavailable', `The MCP server failed with status ${status}.`)
    : status >= 300 && status < 400
      ? new RpcRefusal('badAnswer', 'The MCP server redirected to another address. Nothing was followed.')
      : new RpcRefusal('badAnswer', `The MCP server answered ${status}, which the protocol does not have here.`)

/** Scopes that a server asks for (RFC 6750 3.1, authorization.mdx "Scope Challenge"); undefined: it does not. */
export function wantedScopes({ headers }: Reply): string[] | undefined {
  const challenges = [headers['www-authenticate']].flat().join(', ')
  if (challenges.length > 8_000 || !/\berror\s*=\s*"?insufficient_scope\b/i.test(challenges)) return undefined
  const [, quoted, bare] = /\bscope\s*=\s*(?:"([^"]*)"|([!#-+\--[\]-~]+))/i.exec(challenges) ?? []
  return (quoted ?? bare ?? '')
    .split(' ')
    .filter((scope) => /^[!#-[\]-~]{1,200}$/.test(scope))
    .slice(0, 50)
}

const keyRefused =
  'The MCP server does not take the key that an admin entered for it. An admin can replace it at the provider.'

type Access = { accessToken: Secret; version: number }

/** The connection's token as it is sealed beside the answer of the one statement, else a renewed one; none where none is sent. */
async function accessOf(ctx: Context, entered: Live & HeldAccess, { facts, key }: Known): Promise<Access | undefined> {
  if (facts.header === undefined) return undefined
  const { tenantId, providerId, tokenVersion: version } = entered
  if (facts.shared) {
    if (key === null) return undefined
    const vault = await vaultOf(ctx, tenantId)
    return { accessToken: await vault.open(clientSecretPlace(providerId), key), version }
  }
  return openedAccess(ctx, entered)
}

/** What fails at the server is told as an error of the request, where there is one. */
export function asRefusal(error: unknown, request: Request | undefined): unknown {
  if (!request) return error
  if (isBrokerError(error, 'upstream_unavailable', 'token_outstanding'))
    return new RpcRefusal('unavailable', 'The MCP server does not answer. Try again in a moment.', {
      data: { retry_after_seconds: error.retryAfterSeconds ?? 5 },
    })
  if (isBrokerError(error, 'upstream_protocol'))
    return new RpcRefusal('badAnswer', 'The MCP server sent an answer that cannot be read.')
  return error
}

/**
 * Runs what speaks to a server with the connection's token: counted as open, cut when the token ends, renewed once where the
 * server refuses it (401: nothing was acted upon), and a person asked where only they can help.
 * `work` answers a refusal of the server, which it has not passed on; undefined: it is done.
 */
export async function withServer(
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
  // One with a refresh token of its own is tried silently first, as far as that may be (freshTokens).
  const isRenewable = known.facts.header !== undefined && !known.facts.shared
  if (entered.connectionStatus === 'needs_relink' && !isRenewable) return ask('reconnect')
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
    let access = await accessOf(ctx, { ...entered, connectionId }, known)
    const { shared } = known.facts
    const wasRenewed = access?.version !== entered.tokenVersion
    let mayRenew = isRenewable && !wasRenewed && ctx.now().getTime() - entered.refreshedAt >= justRefreshedMilliseconds
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
