import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { isUpstreamError, type ScopeChoices, type TokenScopes, type UpstreamToken } from '../providers/provider.ts'
import { newId } from '../security/ids.ts'
import { fingerprint, randomToken, type Secret } from '../security/secrets.ts'
import { type ConnectionRow, findConnectionTo } from '../store/connections.ts'
import { type Tx, withTenant } from '../store/database.ts'
import { findProject } from '../store/projects.ts'
import type { ProviderRow } from '../store/providers.ts'
import { insertRevocations } from '../store/revocations.ts'
import { findTenant } from '../store/tenants.ts'
import {
  completeToken,
  countOutstanding,
  currentGenerations,
  endIssuing,
  endLate,
  findToken,
  insertToken,
  noteIssuing,
  postponeIssuing,
} from '../store/tokens.ts'
import { type Actor, may, requirePermission } from '../tenancy/actor.ts'
import { withAccess } from './access.ts'
import { vaultOf } from './keys.ts'
import { handlePlace, settleRevocation } from './revocations.ts'
import { type TokenView, toTokenView } from './token-view.ts'
import { asBrokerError, openProvider } from './upstream.ts'

export type IssueInput = {
  /** Id or alias, a former one too. */
  project: string
  scopes: TokenScopes
  lifetimeSeconds: number
  purpose: string
}

/** A member holds at most this many living tokens: a runaway script is stopped before it fills the upstream. */
const outstandingLimit = 100
const shortestLifetimeSeconds = 60

export type LifetimeCap = { seconds: number; setBy: 'project' | 'provider' | 'tenant' }

/** The smallest of what project, provider and tenant allow. */
export function lifetimeCap(policies: {
  project: number | null
  provider: number | null
  tenant: number
}): LifetimeCap {
  const named: LifetimeCap[] = [{ seconds: policies.tenant, setBy: 'tenant' }]
  if (policies.provider !== null) named.push({ seconds: policies.provider, setBy: 'provider' })
  if (policies.project !== null) named.push({ seconds: policies.project, setBy: 'project' })
  return named.reduce((least, next) => (next.seconds <= least.seconds ? next : least))
}

type Ground = { projectId: string; connection: ConnectionRow & { provider: ProviderRow }; cap: LifetimeCap }

/** What an issue stands on: the project, the member's own usable connection to it, and the cap. */
async function ground(tx: Tx, actor: Actor, idOrAlias: string): Promise<Ground> {
  const project = await findProject(tx, actor.tenantId, idOrAlias)
  if (!project) throw new BrokerError('not_found')
  const connection = await findConnectionTo(tx, actor.tenantId, actor.userId, project.id)
  // What only others have linked does not exist for a member (LK-03).
  if (!connection) throw new BrokerError(may(actor, 'oversee') ? 'not_linked' : 'not_found')
  if (connection.status === 'revoked') throw new BrokerError('not_linked')
  if (connection.status === 'frozen') throw new BrokerError('connection_frozen')
  if (connection.status === 'needs_relink') throw new BrokerError('needs_relink')
  const tenant = await findTenant(tx, actor.tenantId)
  if (!tenant) throw new BrokerError('not_found')
  const cap = lifetimeCap({
    project: project.maxLifetimeSeconds,
    provider: connection.provider.maxLifetimeSeconds,
    tenant: tenant.maxLifetimeSeconds,
  })
  return { projectId: project.id, connection, cap }
}

/**
 * Hands out a token made upstream (strategy `mint`). A row `issuing` with the rights asked and a nonce is committed
 * first, so that killed anywhere no unknown token stays behind; the answer is given only after the row is complete.
 * @returns the token's view and its value, which exists nowhere else
 * @throws BrokerError forbidden, not_found, not_linked, needs_relink, connection_frozen, over_policy, too_many_tokens,
 *   upstream_…, upstream_rejected, issue_unconfirmed, revoked_meanwhile
 */
export async function issueToken(
  ctx: Context,
  actor: Actor,
  input: IssueInput,
): Promise<{ token: TokenView; value: Secret }> {
  requirePermission(actor, 'work')
  const started = await withTenant(ctx, actor.tenantId, (tx) => start(ctx, tx, actor, input))
  let made: UpstreamToken
  try {
    made = await askUpstream(ctx, started, input)
  } catch (error) {
    throw await notMade(ctx, actor, started, error)
  }
  try {
    return await complete(ctx, actor, started, made)
  } catch (error) {
    // Nobody will ever hold this token: it is ended now if that can be done, and by the reconciling job if not.
    if (!isBrokerError(error, 'revoked_meanwhile')) {
      ctx.metrics.issues.inc({ strategy: 'mint', outcome: 'unrecorded' })
      await endUpstream(ctx, started, made)
    }
    throw error
  }
}

async function endUpstream(ctx: Context, { id, connection }: Started, made: UpstreamToken): Promise<void> {
  try {
    const provider = await openProvider(ctx, await vaultOf(ctx, connection.tenantId), connection.provider)
    await provider.revoke({ kind: 'token', upstreamId: made.upstreamId, handle: made.handle })
  } catch (error) {
    ctx.log.warn({ err: error, issued: id }, 'a token that could not be recorded was not ended upstream')
  }
}

type Started = { id: string; nonce: string; expiresAt: Date; connection: Ground['connection'] }

async function start(
  ctx: Context,
  tx: Tx,
  actor: Actor,
  { project, scopes, lifetimeSeconds, purpose }: IssueInput,
): Promise<Started> {
  const { projectId, connection, cap } = await ground(tx, actor, project)
  if (lifetimeSeconds > cap.seconds)
    throw new BrokerError('over_policy', { detail: `At most ${cap.seconds} seconds, set by the ${cap.setBy}.` })
  if (lifetimeSeconds < shortestLifetimeSeconds)
    throw new BrokerError('bad_request', { fields: { expires_in: `At least ${shortestLifetimeSeconds} seconds.` } })
  const now = ctx.now()
  if ((await countOutstanding(tx, actor.tenantId, actor.userId, now)) >= outstandingLimit)
    throw new BrokerError('too_many_tokens', { detail: `You hold ${outstandingLimit} living tokens.` })
  const owner = {
    tenantId: actor.tenantId,
    userId: actor.userId,
    projectId,
    connectionId: connection.id,
    providerId: connection.providerId,
  }
  const generations = await currentGenerations(tx, owner)
  if (!generations) throw new BrokerError('not_found')
  const id = newId('token')
  const nonce = randomToken().slice(0, 16)
  const expiresAt = new Date(now.getTime() + lifetimeSeconds * 1000)
  await insertToken(tx, {
    ...owner,
    id,
    strategy: 'mint',
    status: 'issuing',
    nonce,
    purpose,
    scopesAsked: scopes,
    generations,
    expiresAt,
    createdAt: now,
  })
  const details = {
    project: projectId,
    connection: connection.id,
    seconds: lifetimeSeconds,
    components: scopes.components,
    buckets: Object.keys(scopes.buckets),
  }
  await record(tx, actor.tenantId, now, actor, {
    action: 'token.requested',
    outcome: 'ok',
    target: { kind: 'token', id },
    details,
  })
  return { id, nonce, expiresAt, connection }
}

async function askUpstream(
  ctx: Context,
  { nonce, connection }: Started,
  { scopes, lifetimeSeconds, purpose }: IssueInput,
): Promise<UpstreamToken> {
  const request = { scopes, lifetimeSeconds, purpose, nonce }
  return withAccess(ctx, connection, (provider, { accessToken }) => provider.issue({ accessToken, request }))
}

/** Ends a row whose token surely does not exist; where that is not sure, leaves it to the reconciling job. */
async function notMade(ctx: Context, actor: Actor, { id }: Started, error: unknown): Promise<unknown> {
  // Said of the rights that were asked, which are the caller's to change.
  const isRejected = isUpstreamError(error) && error.failure === 'rejected'
  const known = isRejected ? new BrokerError('upstream_rejected', { cause: error }) : asBrokerError(error)
  const failure = isBrokerError(known) ? known.code : 'internal'
  // A call that failed before the mint, or that the upstream turned down, made nothing.
  const unsure = isUpstreamError(error)
    ? error.failure === 'ambiguous' || error.failure === 'protocol'
    : !isBrokerError(error)
  ctx.metrics.issues.inc({ strategy: 'mint', outcome: unsure ? 'issue_unconfirmed' : failure })
  await withTenant(ctx, actor.tenantId, async (tx) => {
    if (unsure) await noteIssuing(tx, actor.tenantId, id, failure)
    else await endIssuing(tx, actor.tenantId, id, { status: 'failed', failure })
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'token.failed',
      outcome: 'failed',
      target: { kind: 'token', id },
      details: { code: failure, unsure },
    })
  })
  return unsure && isBrokerError(known) ? new BrokerError('issue_unconfirmed', { cause: error }) : known
}

async function complete(
  ctx: Context,
  actor: Actor,
  { id }: Started,
  made: UpstreamToken,
): Promise<{ token: TokenView; value: Secret }> {
  const { tenantId, userId } = actor
  const vault = await vaultOf(ctx, tenantId)
  const handle = await vault.seal(handlePlace({ id, userId }), made.handle)
  const mark = fingerprint(ctx.secrets.fingerprint, made.value.reveal())
  const row = {
    upstreamId: made.upstreamId,
    handle,
    fingerprint: mark,
    scopesGranted: made.granted,
    expiresAt: made.expiresAt,
  }
  const now = ctx.now()
  const outcome = await withTenant(ctx, tenantId, async (tx) => {
    const target = { kind: 'token', id }
    if (await completeToken(tx, tenantId, id, row)) {
      await record(tx, tenantId, now, actor, {
        action: 'token.issued',
        outcome: 'ok',
        target,
        details: { strategy: 'mint', fingerprint: mark },
      })
      const token = await findToken(tx, tenantId, id)
      if (!token) throw new Error('a completed token cannot be found')
      return { kind: 'made' as const, token: toTokenView(token, now) }
    }
    // Revoked while the upstream worked: what came back is revoked, never answered.
    const revocation = newId('revocation')
    const ended = await endLate(tx, tenantId, id, { upstreamId: made.upstreamId, handle, fingerprint: mark })
    const token = await findToken(tx, tenantId, id)
    if (ended && token)
      await insertRevocations(tx, [
        {
          tenantId,
          id: revocation,
          kind: 'token',
          providerId: token.providerId,
          connectionId: token.connectionId,
          tokenId: id,
          nextTryAt: now,
          createdAt: now,
        },
      ])
    await record(tx, tenantId, now, actor, {
      action: 'token.failed',
      outcome: 'refused',
      target,
      details: { code: 'revoked_meanwhile' },
    })
    return { kind: 'late' as const, revocation }
  })
  ctx.metrics.issues.inc({ strategy: 'mint', outcome: outcome.kind === 'made' ? 'issued' : 'revoked_meanwhile' })
  if (outcome.kind === 'made') return { token: outcome.token, value: made.value }
  await settleRevocation(ctx, { tenantId, id: outcome.revocation })
  throw new BrokerError('revoked_meanwhile')
}

/**
 * What can be chosen for a token of a project, asked at the upstream with the member's own connection.
 * @throws BrokerError as {@link issueToken}
 */
export async function readScopeChoices(
  ctx: Context,
  actor: Actor,
  project: string,
): Promise<ScopeChoices & { cap: LifetimeCap }> {
  requirePermission(actor, 'work')
  const { connection, cap } = await withTenant(ctx, actor.tenantId, (tx) => ground(tx, actor, project))
  try {
    const choices = await withAccess(ctx, connection, (provider, { accessToken }) =>
      provider.scopeChoices({ accessToken }),
    )
    return { ...choices, cap }
  } catch (error) {
    throw asBrokerError(error)
  }
}

/**
 * Ends an issue that was cut off: deletes upstream whatever carries its nonce, then marks the row. Leaves the row where
 * the upstream cannot be asked, until the token's own end.
 */
export async function reconcileIssuing(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<void> {
  const token = await withTenant(ctx, tenantId, (tx) => findToken(tx, tenantId, id))
  if (token?.status !== 'issuing') return
  const over = token.expiresAt <= ctx.now()
  const found = await withAccess(ctx, token.connection, (provider, { accessToken }) =>
    provider.revoke({ kind: 'orphans', nonce: token.nonce, accessToken }),
  ).then(
    (outcome) => outcome.found ?? 0,
    (error: unknown) => {
      ctx.log.info({ err: error, token: id }, 'an issue that was cut off cannot be reconciled yet')
      return undefined
    },
  )
  if (found === undefined && !over) {
    const nextTryAt = new Date(ctx.now().getTime() + (30 + Math.random() * 90) * 1000)
    await withTenant(ctx, tenantId, (tx) => postponeIssuing(tx, tenantId, id, nextTryAt))
    return
  }
  const failure = found === undefined ? 'ended_by_itself' : 'cut_off'
  await withTenant(ctx, tenantId, async (tx) => {
    if (!(await endIssuing(tx, tenantId, id, { status: 'failed', failure }))) return
    const target = { kind: 'token', id }
    await record(
      tx,
      tenantId,
      ctx.now(),
      { userId: null },
      { action: 'token.failed', outcome: 'failed', target, details: { code: failure, deleted: found ?? 0 } },
    )
  })
}
