import { type AuditEvent, type Origin, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { insertOutbox } from '../store/audit.ts'
import { type ConnectionRow, lockConnection, updateConnection } from '../store/connections.ts'
import { type Tx, withTenant } from '../store/database.ts'
import { findRevocations, insertRevocations, type RevocationState, retryRevocation } from '../store/revocations.ts'
import { findTokens, lockRevocable, markRevoked, type TokenRow } from '../store/tokens.ts'
import { type Actor, may, requirePermission } from '../tenancy/actor.ts'
import { type Vault, vaultOf } from './keys.ts'
import { tokenPlace } from './refresh.ts'
import { grantPlace, settleRevocation } from './revocations.ts'

export type RevokeInput = {
  tokens: string[]
  /** Disconnects: ends the connection, every living token made from it, and the grant itself. */
  connections: string[]
  reason?: string | undefined
}

export type RevokeResult = {
  kind: 'token' | 'connection'
  id: string
  /** It was revoked before; nothing was done now. */
  already: boolean
  /** Second truth; null where nothing is left to do upstream. */
  upstream: RevocationState | null
  lastError: string | null
  /** Third truth: null once the upstream was seen to refuse it. */
  latestMoment: Date | null
}

/** How long an answer waits for the upstream; what is not settled by then is shown as pending and goes on. */
const settleMilliseconds = 5_000

type Work = { revocationId: string; target: Pick<RevokeResult, 'kind' | 'id' | 'latestMoment'> }

/**
 * Revokes tokens and connections in one transaction: generations raised, upstream work written, event recorded. Then the
 * upstream is asked at once, and what came back is told; the queue goes on with the rest.
 * Members revoke their own; owners and admins everybody's. Twice says "already".
 * @throws BrokerError forbidden; not_found for anything unknown or not theirs, and then nothing is revoked;
 *   unavailable when it could not be committed
 */
export async function revoke(ctx: Context, actor: Actor, input: RevokeInput): Promise<RevokeResult[]> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const { results, work } = await withTenant(ctx, actor.tenantId, (tx) => revokeHere(ctx, vault, tx, actor, input))
  await settleWithin(
    ctx,
    actor.tenantId,
    work.map(({ revocationId }) => revocationId),
  )
  return [...results, ...(await told(ctx, actor.tenantId, work))]
}

async function revokeHere(
  ctx: Context,
  vault: Vault,
  tx: Tx,
  actor: Actor,
  input: RevokeInput,
): Promise<{ results: RevokeResult[]; work: Work[] }> {
  const { tenantId } = actor
  const now = ctx.now()
  const results: RevokeResult[] = []
  const work: Work[] = []

  for (const id of [...new Set(input.connections)].sort()) {
    const connection = await lockConnection(tx, tenantId, id)
    if (!connection || !mayRevoke(actor, connection)) throw new BrokerError('not_found')
    if (connection.status === 'revoked') {
      results.push({ kind: 'connection', id, already: true, upstream: null, lastError: null, latestMoment: null })
      continue
    }
    const grant = await endConnection(vault, tx, connection, now)
    // After the generation is raised: a completing issue either shows its token here or sees the new generation.
    const tokens = await lockRevocable(tx, tenantId, { connectionIds: [id] })
    const made = await endTokens(tx, tokens, actor.userId, now)
    const latestMoment = latest([connection.accessExpiresAt, ...tokens.map((token) => token.expiresAt)], now)
    if (grant) work.push({ revocationId: grant, target: { kind: 'connection', id, latestMoment } })
    else results.push({ kind: 'connection', id, already: false, upstream: null, lastError: null, latestMoment })
    work.push(...made)
    await recordAnyway(ctx, tx, tenantId, now, actor, {
      action: 'connection.revoked',
      outcome: 'ok',
      target: { kind: 'connection', id },
      details: { owner: connection.userId, tokens: tokens.length, reason: input.reason ?? null },
    })
  }

  const wanted = [...new Set(input.tokens)]
  const known = await findTokens(tx, tenantId, wanted)
  if (known.length !== wanted.length || !known.every((token) => mayRevoke(actor, token)))
    throw new BrokerError('not_found')
  const revocable = await lockRevocable(tx, tenantId, { ids: wanted })
  const fresh = revocable.filter((token) => token.generation === 0 && token.expiresAt > now)
  work.push(...(await endTokens(tx, fresh, actor.userId, now)))
  for (const token of known.filter((candidate) => !fresh.some((done) => done.id === candidate.id)))
    results.push({ kind: 'token', id: token.id, already: true, upstream: null, lastError: null, latestMoment: null })
  // One still being made is revoked upstream by its own completion, or found by the reconciling job.
  for (const token of fresh.filter((candidate) => candidate.status === 'issuing'))
    results.push({
      kind: 'token',
      id: token.id,
      already: false,
      upstream: 'pending',
      lastError: null,
      latestMoment: token.expiresAt,
    })
  for (const token of fresh)
    await recordAnyway(ctx, tx, tenantId, now, actor, {
      action: 'token.revoked',
      outcome: 'ok',
      target: { kind: 'token', id: token.id },
      details: { owner: token.userId, fingerprint: token.fingerprint, reason: input.reason ?? null },
    })
  return { results, work }
}

const mayRevoke = (actor: Actor, { userId }: { userId: string }) => userId === actor.userId || may(actor, 'administer')

/** Ends a connection: generation and version raised, ciphertext wiped, the grant's end queued. Its work's id, if any. */
async function endConnection(vault: Vault, tx: Tx, connection: ConnectionRow, now: Date): Promise<string | undefined> {
  const { tenantId, id, userId, providerId } = connection
  const refreshToken = connection.refreshToken
    ? await vault
        .open(tokenPlace(connection, 'refresh_token', connection.tokenVersion), connection.refreshToken)
        .catch(() => undefined)
    : undefined
  await updateConnection(tx, tenantId, id, {
    status: 'revoked',
    cause: null,
    statusSince: now,
    generation: { increment: 1 },
    tokenVersion: { increment: 1 },
    refreshToken: null,
    accessToken: null,
    accessExpiresAt: null,
    claimUntil: null,
    intentAt: null,
    nextTryAt: null,
  })
  if (!refreshToken) return undefined
  const revocationId = newId('revocation')
  const handle = await vault.seal(grantPlace({ id: revocationId, userId }), refreshToken)
  await insertRevocations(tx, [
    { tenantId, id: revocationId, kind: 'grant', providerId, connectionId: id, handle, nextTryAt: now, createdAt: now },
  ])
  return revocationId
}

/** Raises the tokens' generation and queues their end upstream. One still being made is ended by its own completion. */
async function endTokens(tx: Tx, tokens: TokenRow[], by: string, now: Date): Promise<Work[]> {
  const first = tokens[0]
  if (!first) return []
  await markRevoked(
    tx,
    first.tenantId,
    tokens.map((token) => token.id),
    by,
    now,
  )
  const rows = tokens
    .filter((token) => token.status === 'live' && token.expiresAt > now)
    .map((token) => ({
      tenantId: token.tenantId,
      id: newId('revocation'),
      kind: 'token',
      providerId: token.providerId,
      connectionId: token.connectionId,
      tokenId: token.id,
      nextTryAt: now,
      createdAt: now,
    }))
  await insertRevocations(tx, rows)
  const ends = new Map(tokens.map((token) => [token.id, token.expiresAt]))
  return rows.map((row) => ({
    revocationId: row.id,
    target: { kind: 'token', id: row.tokenId, latestMoment: ends.get(row.tokenId) ?? null },
  }))
}

const latest = (moments: (Date | null)[], now: Date): Date | null =>
  moments.reduce<Date | null>(
    (last, moment) => (moment && moment > now && (!last || moment > last) ? moment : last),
    null,
  )

/**
 * Records under a savepoint: revoking never fails for want of its event. If it alone fails, the event goes to the
 * outbox and to the log, and the revocation still commits (architecture.md, One request).
 */
async function recordAnyway(
  ctx: Context,
  tx: Tx,
  tenantId: string,
  at: Date,
  origin: Origin,
  event: AuditEvent,
): Promise<void> {
  await tx.$executeRaw`SAVEPOINT event`
  try {
    await record(tx, tenantId, at, origin, event)
  } catch (error) {
    await tx.$executeRaw`ROLLBACK TO SAVEPOINT event`
    ctx.log.error({ err: error, event: event.action, target: event.target }, 'an audit event went to the outbox')
    await insertOutbox(tx, tenantId, at, { ...event, actor: origin.userId })
  }
  await tx.$executeRaw`RELEASE SAVEPOINT event`
}

/** Asks the upstream at once, a few at a time, and waits for a while. */
async function settleWithin(ctx: Context, tenantId: string, ids: string[]): Promise<void> {
  const queue = [...ids]
  const worker = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) await settleRevocation(ctx, { tenantId, id })
  }
  const all = Promise.allSettled(Array.from({ length: 4 }, worker))
  ctx.background('settle revocations', () => all)
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, settleMilliseconds)
  })
  await Promise.race([all, patience])
  clearTimeout(timer)
}

async function told(ctx: Context, tenantId: string, work: Work[]): Promise<RevokeResult[]> {
  const rows = await withTenant(ctx, tenantId, (tx) =>
    findRevocations(
      tx,
      tenantId,
      work.map(({ revocationId }) => revocationId),
    ),
  )
  const states = new Map(rows.map((row) => [row.id, row]))
  return work.map(({ revocationId, target }) => {
    const row = states.get(revocationId)
    const upstream = (row?.state ?? 'pending') as RevocationState
    return {
      ...target,
      already: false,
      upstream,
      lastError: row?.lastError ?? null,
      latestMoment: upstream === 'confirmed' ? null : target.latestMoment,
    }
  })
}

/** Puts failed upstream work back into the queue and tries it at once. @throws BrokerError forbidden, not_found */
export async function retryUpstream(ctx: Context, actor: Actor, revocationId: string): Promise<void> {
  requirePermission(actor, 'administer')
  await withTenant(ctx, actor.tenantId, async (tx) => {
    const { count } = await retryRevocation(tx, actor.tenantId, revocationId, ctx.now())
    if (count === 0) throw new BrokerError('not_found')
  })
  await settleWithin(ctx, actor.tenantId, [revocationId])
}
