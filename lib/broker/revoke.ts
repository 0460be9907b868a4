import { recordAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import type { Secret } from '../security/secrets.ts'
import { type ConnectionRow, lockConnection, updateConnection } from '../store/connections.ts'
import { type Tx, withTenant } from '../store/database.ts'
import { findGrantRevocations, insertRevocations, type RevocationState, retryRevocation } from '../store/revocations.ts'
import { findTokens, lockRevocable, markRevoked, type TokenRow } from '../store/tokens.ts'
import { type Actor, may, requirePermission } from '../tenancy/actor.ts'
import { type Vault, vaultOf } from './keys.ts'
import { tokenPlace } from './refresh.ts'
import { grantPlace, settleRevocation } from './revocations.ts'
import { toTokenView } from './token-view.ts'

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
  /** Third truth; null: it is over, seen to be refused or past its end. */
  latestMoment: Date | 'unknown' | null
}

/** How long an answer waits for the upstream; what is not settled by then is shown as pending and goes on. */
const settleMilliseconds = 5_000

type Target = Pick<RevokeResult, 'kind' | 'id' | 'already'>
type Done = { targets: Target[]; work: string[] }

/**
 * Revokes tokens and connections in one transaction: generations raised, upstream work written, event recorded. Then the
 * upstream is asked at once, and what came back is told; the queue goes on with the rest.
 * Members revoke their own; owners and admins everybody's. Twice says "already", and how the first one stands.
 * @throws BrokerError forbidden; not_found for anything unknown or not theirs, and then nothing is revoked;
 *   unavailable when it could not be committed
 */
export async function revoke(ctx: Context, actor: Actor, input: RevokeInput): Promise<RevokeResult[]> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const { targets, work } = await withTenant(ctx, actor.tenantId, (tx) => revokeHere(ctx, vault, tx, actor, input))
  await settleWithin(ctx, actor.tenantId, work)
  return withTenant(ctx, actor.tenantId, (tx) => tell(tx, actor.tenantId, targets, ctx.now()))
}

/** Locks connections before tokens and each in id order, as an issue does: two acts cannot wait for each other. */
async function revokeHere(ctx: Context, vault: Vault, tx: Tx, actor: Actor, input: RevokeInput): Promise<Done> {
  const { tenantId } = actor
  const now = ctx.now()
  const connections: ConnectionRow[] = []
  for (const id of [...new Set(input.connections)].sort()) {
    const connection = await lockConnection(tx, tenantId, id)
    if (!connection || !mayRevoke(actor, connection)) throw new BrokerError('not_found')
    connections.push(connection)
  }
  const wanted = [...new Set(input.tokens)]
  const named = await findTokens(tx, tenantId, wanted)
  if (named.length !== wanted.length || !named.every((token) => mayRevoke(actor, token)))
    throw new BrokerError('not_found')

  const ending = connections.filter((connection) => connection.status !== 'revoked')
  const opened = new Map<string, OpenedGrant>()
  const work: string[] = []
  for (const connection of ending) {
    const grant = await openGrant(vault, connection, now)
    opened.set(connection.id, grant)
    work.push(...(await endConnection(vault, tx, connection, grant, now)))
  }
  // After the generations are raised: a completing issue either shows its token here or sees the new generation.
  const living = await lockRevocable(tx, tenantId, { ids: wanted, connectionIds: ending.map(({ id }) => id) })
  const tokens = living.filter((token) => token.generation === 0 && token.expiresAt > now)
  work.push(...(await endTokens(vault, tx, tokens, opened, { tenantId, by: actor.userId, now })))

  const reason = input.reason ?? null
  for (const { id, userId } of ending) {
    const details = { owner: userId, tokens: tokens.filter((token) => token.connectionId === id).length, reason }
    const event = { action: 'connection.revoked', outcome: 'ok', target: { kind: 'connection', id }, details } as const
    await recordAnyway(ctx, tx, tenantId, now, actor, event)
  }
  for (const { id, userId, fingerprint } of tokens) {
    const details = { owner: userId, fingerprint, reason }
    const event = { action: 'token.revoked', outcome: 'ok', target: { kind: 'token', id }, details } as const
    await recordAnyway(ctx, tx, tenantId, now, actor, event)
  }
  const ended = new Set([...ending, ...tokens].map(({ id }) => id))
  return {
    work,
    targets: [
      ...connections.map(({ id }) => ({ kind: 'connection' as const, id, already: !ended.has(id) })),
      ...[...new Set([...wanted, ...tokens.map(({ id }) => id)])].map((id) => ({
        kind: 'token' as const,
        id,
        already: !ended.has(id),
      })),
    ],
  }
}

const mayRevoke = (actor: Actor, { userId }: { userId: string }) => userId === actor.userId || may(actor, 'administer')

type OpenedGrant = {
  refreshToken: Secret | undefined
  accessToken: Secret | undefined
  /** Where its key is missing here: what will open elsewhere, as it is. */
  sealed: string | undefined
}

/** What a connection holds; a value that cannot be read is none. */
async function openGrant(vault: Vault, connection: ConnectionRow, now: Date): Promise<OpenedGrant> {
  let missing = false
  const read = async (column: 'refresh_token' | 'access_token', sealed: string | null) =>
    sealed === null
      ? undefined
      : vault.open(tokenPlace(connection, column, connection.tokenVersion), sealed).catch((error: unknown) => {
          missing ||= isBrokerError(error, 'keys_unavailable')
          return undefined
        })
  const alive = connection.accessExpiresAt !== null && connection.accessExpiresAt > now
  const refreshToken = await read('refresh_token', connection.refreshToken)
  return {
    refreshToken,
    sealed: missing && connection.refreshToken ? connection.refreshToken : undefined,
    accessToken: alive ? await read('access_token', connection.accessToken) : undefined,
  }
}

/** Ends a connection: generation and version raised, ciphertext wiped, the grant's end queued. Ids of its work. */
async function endConnection(
  vault: Vault,
  tx: Tx,
  connection: ConnectionRow,
  { refreshToken, sealed }: OpenedGrant,
  now: Date,
): Promise<string[]> {
  const { tenantId, id, userId, providerId } = connection
  await updateConnection(tx, tenantId, id, {
    status: 'revoked',
    frozenFrom: null,
    cause: null,
    statusSince: now,
    generation: { increment: 1 },
    tokenVersion: { increment: 1 },
    refreshToken: null,
    accessToken: null,
    accessExpiresAt: null,
    claimUntil: null,
    intentAt: null,
    doubt: false,
    nextTryAt: null,
    refreshDueAt: null,
    grantExpiresAt: null,
  })
  if (!refreshToken && !sealed) return []
  const work = newId('revocation')
  const handle = refreshToken ? await vault.seal(grantPlace({ id: work, userId }), refreshToken) : sealed
  const row = {
    tenantId,
    id: work,
    kind: 'grant',
    providerId,
    connectionId: id,
    handle,
    nextTryAt: now,
    createdAt: now,
  }
  await insertRevocations(tx, [row])
  return [work]
}

/**
 * Raises the tokens' generation and queues their end upstream. One still being made is ended by its own completion;
 * where its connection ends with it, what it may leave is looked for by its nonce while the access token lives.
 */
async function endTokens(
  vault: Vault,
  tx: Tx,
  tokens: TokenRow[],
  opened: Map<string, OpenedGrant>,
  { tenantId, by, now }: { tenantId: string; by: string; now: Date },
): Promise<string[]> {
  if (tokens.length === 0) return []
  await markRevoked(
    tx,
    tenantId,
    tokens.map((token) => token.id),
    by,
    now,
  )
  const rows = []
  for (const { id: tokenId, status, userId, providerId, connectionId } of tokens) {
    const row = {
      tenantId,
      id: newId('revocation'),
      kind: 'token',
      providerId,
      connectionId,
      tokenId,
      nextTryAt: now,
      createdAt: now,
    }
    const accessToken = opened.get(connectionId)?.accessToken
    if (status === 'live') rows.push(row)
    else if (accessToken)
      rows.push({ ...row, kind: 'orphans', handle: await vault.seal(grantPlace({ id: row.id, userId }), accessToken) })
  }
  await insertRevocations(tx, rows)
  return rows.map((row) => row.id)
}

/** How each target stands, out of the rows: the same truths for a first and for a second revocation. */
async function tell(tx: Tx, tenantId: string, targets: Target[], now: Date): Promise<RevokeResult[]> {
  const ids = (kind: Target['kind']) => targets.filter((target) => target.kind === kind).map(({ id }) => id)
  const tokens = new Map((await findTokens(tx, tenantId, ids('token'))).map((row) => [row.id, row]))
  const grants = await findGrantRevocations(tx, tenantId, ids('connection'))
  return targets.map((target) => {
    if (target.kind === 'connection') {
      const work = grants.find(({ connectionId }) => connectionId === target.id)
      // Without work there was nothing left to revoke with: only our copy is gone, and how long another would work
      // nobody can tell.
      const upstream = (work?.state ?? 'impossible') as RevocationState
      return {
        ...target,
        upstream,
        lastError: work?.lastError ?? null,
        latestMoment: upstream === 'confirmed' ? null : 'unknown',
      }
    }
    const row = tokens.get(target.id)
    const revocation = row && toTokenView(row, now).revocation
    const end = row && row.status !== 'failed' && row.expiresAt > now ? row.expiresAt : null
    const latestMoment = revocation?.upstream === 'confirmed' ? null : end
    return { ...target, upstream: revocation?.upstream ?? null, lastError: revocation?.lastError ?? null, latestMoment }
  })
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

/** Puts failed upstream work back into the queue and tries it at once. @throws BrokerError forbidden, not_found */
export async function retryUpstream(ctx: Context, actor: Actor, revocationId: string): Promise<void> {
  requirePermission(actor, 'administer')
  await withTenant(ctx, actor.tenantId, async (tx) => {
    const { count } = await retryRevocation(tx, actor.tenantId, revocationId, ctx.now())
    if (count === 0) throw new BrokerError('not_found')
  })
  await settleWithin(ctx, actor.tenantId, [revocationId])
}
