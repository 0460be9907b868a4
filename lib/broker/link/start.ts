import { type Actor, type CookieCredential, requirePermission } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError, isBrokerError } from '../../errors.ts'
import { configured, kinds } from '../../providers/index.ts'
import { newId } from '../../security/ids.ts'
import { hash, randomToken } from '../../security/secrets.ts'
import { type AttemptRow, cancelAttempt, cancelChoice, findAttempt, insertAttempt } from '../../store/attempts.ts'
import { act } from '../../store/authority.ts'
import { findConnection } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { completeLinkRequests, endRequestOfAttempt } from '../../store/link-requests.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import { effectivePolicy, refuseLink } from '../../tenancy/policy.ts'
import { type Vault, vaultOf } from '../../vault/keys.ts'
import { callbackPath } from '../addresses.ts'
import { refuseFrozen } from '../freezes.ts'
import { freshTokens } from '../refresh/refresh.ts'
import { withLivingClient } from '../registrations.ts'
import { asBrokerError, openProvider } from '../upstream.ts'
import { settleWithin } from '../upstream-revocation.ts'
import { endKept } from './abandoned.ts'
import { type AttemptSecrets, askedFor, byFlow, isOwn, parseSecrets, secretsPlace, subjectOf } from './attempt.ts'

/** How long a person may take at the upstream (L-01). */
export const attemptMilliseconds = 10 * 60_000

export type StartLink = {
  providerId: string
  /** What scripts will call the project; made from its name where none is given. */
  alias?: string | undefined
  /** Reconnect this connection instead of linking anew. */
  connectionId?: string | undefined
  /** A way to link that the provider's kind has beside the ordinary one, or {@link ordinaryFlow}; left out: that of the connection. */
  flow?: string | undefined
  /**
   * Scopes to ask for beside those that the provider says and the connection has: what a server's challenge named
   * (RFC 6750 3.1). Never from a browser (L-13).
   */
  scopes?: string[] | undefined
  /** Whether it goes on in a pop-up, which closes at the end. */
  popup?: boolean | undefined
  /** Whether a program asked for this reconnect: where the connection works again meanwhile, there is nothing to do. */
  isAsked?: boolean | undefined
  /** The browser's own secret (a cookie): only this browser can finish. */
  browser: string
}

/** What a server may make us ask for at once. */
const scopesMax = 50
/** RFC 6749 3.3 */
const isScope = (name: string) => /^[!#-[\]-~]{1,256}$/.test(name)

/** `isDone`: the connection works again without its person, and the URL is ours. */
export type Started = { attemptId: string; url: string; expiresAt: Date; isDone: boolean }

/**
 * Starts an authorization: an attempt bound to browser, session, person, tenant, provider and purpose, and the URL to open. A
 * connection that is to be made again is tried silently first.
 * @throws BrokerError forbidden, not_found, alias_taken, frozen, over_policy, client_not_registered, bad_request for scopes
 *   that are none
 */
export async function startLink(ctx: Context, actor: Actor<CookieCredential>, input: StartLink): Promise<Started> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const { row, connection } = await readTenant(ctx, actor.tenantId, async (tx) => {
    const connection = input.connectionId
      ? await findConnection(tx, actor.tenantId, input.connectionId, actor.userId)
      : null
    // Whose it is comes first: what else is named makes no difference then (E-04).
    if (input.connectionId && connection?.providerId !== input.providerId) throw new BrokerError('not_found')
    const row = await findProvider(tx, actor.tenantId, input.providerId)
    if (!row) throw new BrokerError('not_found')
    if (kinds.get(row.kind)?.own)
      throw new BrokerError('bad_request', { fields: { provider: 'There is no upstream to link.' } })
    // Of a grant that nobody chose anything for: there is nothing to make again.
    if (connection?.projects.length === 0) throw new BrokerError('not_found')
    await refuseFrozen(tx, actor.tenantId, { ...actor, providerId: row.id, connectionId: input.connectionId })
    refuseLink(await effectivePolicy(tx, { ...actor, providerId: row.id }), actor.role)
    return { row, connection }
  })
  const flow = flowOf(row, input, connection)
  if (flow !== null && input.alias !== undefined)
    throw new BrokerError('bad_request', {
      fields: { alias: 'Several projects may come of this. Name them afterwards.' },
    })
  const moves = connection !== null && connection.flow !== flow
  if (connection && !moves && !input.scopes?.length && (await worksAgain(ctx, connection, input)))
    return reconnected(ctx, actor, connection, input)
  const held = connection?.scopesGranted ?? []
  const provider = await withLivingClient(ctx, vault, row)
  const scopes = input.scopes?.length ? askedScopes(provider, [...input.scopes, ...held]) : []
  const secrets: AttemptSecrets = {
    state: randomToken(),
    nonce: randomToken(),
    codeVerifier: randomToken() + randomToken(),
  }
  const attempt = attemptOf(ctx, actor, input, { provider, scopes, flow, state: secrets.state })
  const url = await authorizationUrl(ctx, vault, provider, attempt, secrets)
  const sealed = await vault.seal(secretsPlace(attempt), JSON.stringify(secrets))
  await act(ctx, actor, 'work', async (tx, actor) => {
    await insertAttempt(tx, { ...attempt, secrets: sealed })
    const target = { kind: 'provider', id: provider.id } as const
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'link.started',
      outcome: 'ok',
      target,
      details: { attempt: attempt.id },
    })
  })
  return { attemptId: attempt.id, url, expiresAt: attempt.expiresAt, isDone: false }
}

/** What the ordinary way is called where one is asked for. */
export const ordinaryFlow = 'ordinary'

/**
 * Which way a link goes: the one that is asked for, else that of the connection where it is still to be had. Null: the ordinary one.
 * @throws BrokerError flow_not_offered
 */
function flowOf(row: ProviderRow, { flow: asked }: StartLink, connection: Pick<Found, 'flow'> | null): string | null {
  const made = configured(row)
  const offered = made?.kind.flows?.(made.settings).map(({ name }) => name) ?? []
  if (asked === undefined) return connection?.flow && offered.includes(connection.flow) ? connection.flow : null
  if (asked === ordinaryFlow) return null
  if (offered.includes(asked)) return asked
  throw new BrokerError('flow_not_offered', { detail: 'An admin has not turned it on for this provider.' })
}

type Asked = { provider: ProviderRow; scopes: string[]; flow: string | null; state: string }

function attemptOf(
  ctx: Context,
  actor: Actor<CookieCredential>,
  input: StartLink,
  { provider, scopes, flow, state }: Asked,
) {
  const now = ctx.now()
  return {
    tenantId: actor.tenantId,
    id: newId('attempt'),
    stateHash: Buffer.from(hash(state)),
    browserHash: Buffer.from(hash(input.browser)),
    sessionId: actor.credential.session,
    userId: actor.userId,
    providerId: provider.id,
    purpose: input.connectionId ? 'relink' : 'link',
    connectionId: input.connectionId ?? null,
    alias: input.alias ?? null,
    callbackKey: provider.callbackKey,
    issuer: provider.issuer,
    scopes,
    flow,
    // From configuration alone: what the browser claims to have asked for plays no part (L-14).
    redirectUri: ctx.config.origin + callbackPath(provider.callbackKey),
    popup: input.popup ?? false,
    createdAt: now,
    expiresAt: new Date(now.getTime() + attemptMilliseconds),
  }
}

type Found = NonNullable<Awaited<ReturnType<typeof findConnection>>>

/**
 * Whether a connection works again without its person: by a silent refresh, where {@link freshTokens} may try one. One that works
 * is linked anew all the same where its person wants that; a program that asked is done with it.
 */
async function worksAgain(
  ctx: Context,
  { tenantId, id, status, grantedBy }: Found,
  { isAsked }: StartLink,
): Promise<boolean> {
  // Who links in place of a pasted token wants another grant, and not the same one again.
  if (grantedBy === 'pasted') return false
  if (status === 'revoked' || (status !== 'needs_relink' && !isAsked)) return false
  try {
    const tokens = await freshTokens(ctx, { tenantId, connectionId: id })
    return !tokens.degraded
  } catch (error) {
    // Whatever it was: its person goes on as they wanted to.
    if (isBrokerError(error)) return false
    throw error
  }
}

/** An attempt that was over before anybody left: whoever asks about it is told so, and its state was never given away. */
async function reconnected(
  ctx: Context,
  actor: Actor<CookieCredential>,
  connection: Found,
  input: StartLink,
): Promise<Started> {
  const asked = { provider: connection.provider, scopes: [], flow: connection.flow, state: randomToken() }
  const attempt = attemptOf(ctx, actor, input, asked)
  const { tenantId, userId, id, expiresAt } = attempt
  const projectIds = connection.projects.map(({ projectId }) => projectId)
  const ends = await act(ctx, actor, 'work', async (tx, actor) => {
    const resultProjectId = projectIds[0] ?? null
    await insertAttempt(tx, { ...attempt, status: 'done', consumedAt: attempt.createdAt, resultProjectId })
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'connection.worked_again',
      outcome: 'ok',
      target: { kind: 'connection', id: connection.id },
      details: { attempt: id },
    })
    const granted = connection.scopesGranted
    return completeLinkRequests(tx, { tenantId, userId, attemptId: id }, { projectIds, granted })
  })
  for (const end of ends) ctx.metrics.linkRequests.inc(end)
  const url = `${ctx.config.origin}/connect/${id}${attempt.popup ? '?popup=1' : ''}`
  return { attemptId: id, url, expiresAt, isDone: true }
}

/** Everything that a step-up asks for: what is held is asked for again, so that nothing is lost. @throws BrokerError bad_request */
function askedScopes(row: ProviderRow, more: string[]): string[] {
  const made = configured(row)
  const scopes = [...new Set([...(made?.kind.scopes?.(made.settings) ?? []), ...more])]
  if (scopes.length > scopesMax || !scopes.every(isScope))
    throw new BrokerError('bad_request', { fields: { scopes: `Ask for at most ${scopesMax} scopes.` } })
  return scopes
}

async function authorizationUrl(
  ctx: Context,
  vault: Vault,
  row: ProviderRow,
  { redirectUri, scopes, flow }: Pick<AttemptRow, 'redirectUri' | 'scopes' | 'flow'>,
  secrets: AttemptSecrets,
): Promise<string> {
  const provider = await openProvider(ctx, vault, row)
  // Where the request is pushed, a server that does not know us says so now (RFC 9126).
  const url = await provider
    .authorizationUrl({ ...secrets, redirectUri, ...askedFor(scopes), ...byFlow(flow) })
    .catch((error: unknown) => {
      throw asBrokerError(error)
    })
  return url.href
}

/**
 * The URL of an attempt that is still open, the same as before, so that whichever tab comes back first wins (K-39).
 * @throws BrokerError not_found, attempt_expired, attempt_used, frozen
 */
export async function resumeLink(
  ctx: Context,
  actor: Actor<CookieCredential>,
  { attemptId, browser }: { attemptId: string; browser: string },
): Promise<{ url: string }> {
  const vault = await vaultOf(ctx, actor.tenantId)
  const { attempt, provider } = await act(ctx, actor, 'work', async (tx, actor) => {
    const attempt = await findAttempt(tx, actor.tenantId, attemptId)
    if (attempt?.userId !== actor.userId) throw new BrokerError('not_found')
    await refuseFrozen(tx, actor.tenantId, subjectOf(attempt))
    return { attempt, provider: await findProvider(tx, actor.tenantId, attempt.providerId) }
  })
  if (attempt.status !== 'pending' || !attempt.secrets || !provider) throw new BrokerError('attempt_used')
  if (attempt.expiresAt <= ctx.now()) throw new BrokerError('attempt_expired')
  if (!isOwn(attempt, actor, browser)) throw new BrokerError('attempt_unknown')
  const secrets = parseSecrets(await vault.open(secretsPlace(attempt), attempt.secrets))
  return { url: await authorizationUrl(ctx, vault, provider, attempt, secrets) }
}

/** Gives up an open attempt; a callback that still comes is refused, and what came already is ended upstream. */
export async function cancelLink(ctx: Context, actor: Actor<CookieCredential>, attemptId: string): Promise<void> {
  const vault = await vaultOf(ctx, actor.tenantId)
  const { asked, work } = await act(ctx, actor, 'work', async (tx, actor) => {
    const { count } = await cancelAttempt(tx, actor.tenantId, attemptId, actor.userId)
    const chosen = count === 0 ? await cancelChoice(tx, actor.tenantId, attemptId, actor.userId) : null
    if (count === 0 && !chosen) throw new BrokerError('not_found')
    const work = chosen ? await endKept(ctx, vault, tx, chosen) : []
    const asked = await endRequestOfAttempt(tx, actor.tenantId, attemptId, 'cancelled')
    const target = { kind: 'attempt', id: attemptId } as const
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'link.failed',
      outcome: 'refused',
      target,
      details: { code: 'cancelled' },
    })
    return { asked, work }
  })
  if (work.length > 0) await settleWithin(ctx, actor.tenantId, work)
  for (const cause of asked) ctx.metrics.linkRequests.inc({ cause, outcome: 'cancelled' })
}
