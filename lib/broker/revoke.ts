import { type Actor, type Origin, ownUnless, requirePermission, sessionOf } from '../actor.ts'
import { recordAllAnyway, recordAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import type { Secret } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { move } from '../store/connection-states.ts'
import { type ConnectionRow, lockConnection } from '../store/connections.ts'
import { type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { tellEnded } from '../store/notifications.ts'
import { findRequests, withdrawRequests } from '../store/requests.ts'
import {
  closeRevocation,
  findGrantRevocations,
  insertRevocations,
  type RevocationState,
  retryAll,
  retryRevocation,
  wakeGrants,
} from '../store/revocations.ts'
import { countSelected, type RevocableFilter, type SelectedFilter, type Selection } from '../store/selections.ts'
import { asSystem } from '../store/system.ts'
import { findTenantSessions, refuseSessionsById } from '../store/tenant-sessions.ts'
import { findTokens, lockRevocable, type TokenRow, wipeHandle } from '../store/tokens.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { grantPlace } from '../vault/places.ts'
import { closeGrants, grantEvents, tokenEvents } from './end-grants.ts'
import { endTokens, workFor } from './end-tokens.ts'
import { latestMomentOf, toTokenView, type UpstreamTruth } from './read/token.ts'
import { tokenPlace } from './refresh/refresh.ts'
import { aboutOf, settleWithin } from './upstream-revocation.ts'

export type RevokeInput = {
  tokens: string[]
  /** Disconnects: ends the connection, every living token made from it, and the grant itself. */
  connections: string[]
  /** What a person gave a program: ends it, and every living token that was issued through it. */
  grants?: string[]
  /** Of members: this tenant refuses them from here on. */
  sessions?: string[]
  /** What is open and would let somebody or something in: withdrawn. */
  requests?: string[]
  reason?: string | undefined
}

export type RevokeResult = {
  kind: 'token' | 'connection' | 'grant' | 'session' | 'request'
  id: string
  /** It was revoked before; nothing was done now. */
  already: boolean
  /** It had ended by itself, or never came to be, and was not revoked before: nothing was left to revoke. */
  over: boolean
  /** Second truth; null where nothing is left to do upstream. */
  upstream: UpstreamTruth | null
  lastError: string | null
  /** Third truth; null: it is over, seen to be refused or past its end. */
  latestMoment: Date | 'unknown' | null
}

type Target = Pick<RevokeResult, 'kind' | 'id' | 'already' | 'over'>
type Done = { targets: Target[]; work: string[] }

/**
 * Revokes tokens, connections and grants in one transaction: generations raised, upstream work written, event recorded. Then the
 * upstream is asked at once, and what came back is told; the queue goes on with the rest.
 * Members revoke their own; owners and admins everybody's, and they alone sessions and requests. Twice says "already", and how the
 * first one stands.
 * @throws BrokerError forbidden; not_found for anything unknown or not theirs, and then nothing is revoked; bad_request for the
 *   session that asks; unavailable when it could not be committed
 */
export async function revoke(ctx: Context, actor: Actor, input: RevokeInput): Promise<RevokeResult[]> {
  const vault = await vaultOf(ctx, actor.tenantId)
  const asks = sessionOf(actor.credential)
  if (asks !== undefined && input.sessions?.includes(asks))
    throw new BrokerError('bad_request', { fields: { sessions: 'The session that asks stays. Sign out of it.' } })
  const { targets, work } = await act(ctx, actor, 'work', (tx, actor) => {
    for (const kind of ['sessions', 'requests'] as const) if (input[kind]?.length) requireEnding(actor, kind)
    return revokeHere(ctx, vault, tx, byOf(actor), input)
  })
  await settleWithin(ctx, actor.tenantId, work)
  return readTenant(ctx, actor.tenantId, (tx) => tell(tx, actor.tenantId, targets, ctx.now()))
}

/** Sessions and requests are other people's way in: members have pages of their own for theirs. @throws BrokerError forbidden */
export function requireEnding(actor: Pick<Actor, 'role' | 'credential'>, kind: SelectedFilter['kind']): void {
  if (kind === 'sessions' || kind === 'requests') requirePermission(actor, 'administer')
}

export type SelectedInput = {
  /** As it was previewed. */
  selection: Selection<RevocableFilter>
  /** How many it matched then. */
  count: number
  reason?: string | undefined
}

/** @throws BrokerError count_changed, with how many match now */
export async function requireCount(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<SelectedFilter>,
  { count }: Pick<SelectedInput, 'count'>,
): Promise<void> {
  const matching = await countSelected(tx, tenantId, selection)
  if (matching !== count)
    throw new BrokerError('count_changed', { detail: `${matching} match now.`, fields: { count: String(matching) } })
}

/** Who revokes, and whose things alone they may (actor.ts, ownUnless). */
export type By = Origin & { tenantId: string; userId: string; of: string | undefined; act?: string }
export const byOf = (actor: Actor): By => ({ ...actor, of: ownUnless(actor, 'administer') })

/**
 * The part of {@link revoke} that commits. It locks sessions, grants, connections, tokens, then requests, each in id order, as an
 * issue does: two acts cannot wait for each other.
 */
export async function revokeHere(ctx: Context, vault: Vault, tx: Tx, revoker: By, input: RevokeInput): Promise<Done> {
  const { tenantId, userId: by, of } = revoker
  const now = ctx.now()
  const reason = input.reason ?? null
  const sessions = await endSessionsHere(ctx, tx, revoker, input)
  const grantIds = [...new Set(input.grants)]
  const closed = await closeGrants(tx, { tenantId, ids: grantIds, cause: 'revoked', by }, now, of)
  if (closed.grants.length !== grantIds.length) throw new BrokerError('not_found')
  const connections: ConnectionRow[] = []
  for (const id of [...new Set(input.connections)].sort()) {
    const connection = await lockConnection(tx, tenantId, id, of)
    if (!connection) throw new BrokerError('not_found')
    connections.push(connection)
  }
  const wanted = [...new Set(input.tokens)]
  const named = await findTokens(tx, tenantId, wanted, of)
  if (named.length !== wanted.length) throw new BrokerError('not_found')

  const ending = connections.filter((connection) => connection.status !== 'revoked')
  const opened = new Map<string, OpenedGrant>()
  const work: string[] = []
  for (const connection of ending) {
    const grant = await openGrant(vault, connection, now)
    opened.set(connection.id, grant)
    work.push(...(await endConnection(vault, tx, connection, grant, now)))
  }
  // After the generations are raised: a completing issue either shows its token here or sees the new generation.
  const living = await lockRevocable(tx, tenantId, {
    ids: wanted,
    connectionIds: ending.map(({ id }) => id),
    grantIds: closed.ending.map(({ id }) => id),
  })
  const tokens = living.filter((token) => token.generation === 0 && token.expiresAt > now)
  work.push(...(await endTokens(tx, tokens, { tenantId, by, now, act: revoker.act })))
  work.push(...(await queueOrphans(vault, tx, living, opened, now)))

  const requests = await withdrawHere(ctx, tx, revoker, input)

  await recordAllAnyway(ctx, tx, tenantId, now, revoker, [
    ...ending.map(({ id, userId }) => {
      const details = { owner: userId, tokens: tokens.filter((token) => token.connectionId === id).length, reason }
      return { action: 'connection.revoked', outcome: 'ok', target: { kind: 'connection', id }, details } as const
    }),
    ...grantEvents(closed.ending, tokens, { cause: 'revoked', reason }),
    ...tokenEvents(tokens, reason),
  ])
  const ended = [...ending, ...closed.ending, ...tokens, ...sessions.ending, ...requests.ending]
  const owners = [...new Set(ended.flatMap(({ userId }) => userId ?? []))]
  const countOf = (rows: { userId: string | null }[], owner: string) =>
    rows.filter(({ userId }) => userId === owner).length
  const notices = owners.map((userId) => {
    const counts = {
      connections: countOf(ending, userId),
      tokens: countOf(tokens, userId),
      grants: countOf(closed.ending, userId),
      sessions: countOf(sessions.ending, userId),
      requests: countOf(requests.ending, userId),
    }
    return { tenantId, userId, by, reason, act: revoker.act, counts }
  })
  const untold = await tellEnded(tx, notices, now)
  if (untold !== undefined) ctx.log.warn({ err: untold, tenant: tenantId }, 'owners were not told of what was revoked')
  const endedNow = new Set([...ending, ...tokens].map(({ id }) => id))
  const isRevoked = new Map(named.map((token) => [token.id, token.generation > 0 || token.status === 'revoked']))
  const targetOf = (kind: Target['kind']) => (id: string) => {
    const already = !endedNow.has(id) && (kind === 'connection' || isRevoked.get(id) === true)
    return { kind, id, already, over: !endedNow.has(id) && !already }
  }
  return {
    work,
    targets: [
      ...sessions.targets,
      ...requests.targets,
      ...closed.grants.map(({ id, already }) => ({ kind: 'grant' as const, id, already, over: false })),
      ...connections.map(({ id }) => id).map(targetOf('connection')),
      ...[...new Set([...wanted, ...tokens.map(({ id }) => id)])].map(targetOf('token')),
    ],
  }
}

type EndedHere = { targets: Target[]; ending: { id: string; userId: string | null }[] }

/** Makes the tenant refuse sessions. A person who signs out meanwhile ends their own, and it is over. @throws BrokerError not_found */
async function endSessionsHere(ctx: Context, tx: Tx, revoker: By, input: RevokeInput): Promise<EndedHere> {
  const { tenantId } = revoker
  const ids = [...new Set(input.sessions)]
  if (ids.length === 0) return { targets: [], ending: [] }
  const found = await findTenantSessions(tx, tenantId, ids)
  if (found.length !== ids.length) throw new BrokerError('not_found')
  const refused = await refuseSessionsById(tx, tenantId, ids)
  const ending = found.filter(({ id }) => refused.has(id))
  await recordAllAnyway(
    ctx,
    tx,
    tenantId,
    ctx.now(),
    revoker,
    ending.map(({ id, userId }) => {
      const details = { session: id, reason: input.reason ?? null }
      return { action: 'member.session_ended', outcome: 'ok', target: { kind: 'member', id: userId }, details } as const
    }),
  )
  return { targets: ids.map((id) => ({ kind: 'session', id, already: !refused.has(id), over: false })), ending }
}

/** Withdraws requests. Whoever answers, fetches or comes back meanwhile was first, and then it is over. @throws BrokerError not_found */
async function withdrawHere(ctx: Context, tx: Tx, revoker: By, input: RevokeInput): Promise<EndedHere> {
  const { tenantId } = revoker
  const ids = [...new Set(input.requests)]
  if (ids.length === 0) return { targets: [], ending: [] }
  const found = await findRequests(tx, tenantId, ids)
  if (found.size !== ids.length) throw new BrokerError('not_found')
  const reason = input.reason ?? null
  const ending = await withdrawRequests(
    tx,
    tenantId,
    ids,
    reason ? `An admin withdrew it: ${reason}` : 'An admin withdrew it.',
  )
  await recordAllAnyway(
    ctx,
    tx,
    tenantId,
    ctx.now(),
    revoker,
    ending.map(({ id, kind, userId }) => {
      const details = { request: id, kind, owner: userId, reason }
      return { action: 'request.withdrawn', outcome: 'ok', target: { kind: 'tenant', id: tenantId }, details } as const
    }),
  )
  for (const { cause } of ending) if (cause) ctx.metrics.linkRequests.inc({ cause, outcome: 'cancelled' })
  const withdrawn = new Set(ending.map(({ id }) => id))
  return { targets: ids.map((id) => ({ kind: 'request', id, already: false, over: !withdrawn.has(id) })), ending }
}

/**
 * Ends a token at the moment that was asked, because the upstream would let it live longer. Nobody's act; once, however
 * many instances see that it is due.
 */
export async function endAsAsked(ctx: Context, { tenantId, id }: { tenantId: string; id: string }): Promise<void> {
  const now = ctx.now()
  const work = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const living = await lockRevocable(tx, tenantId, { ids: [id] })
    const due = living.filter(
      (token) => token.status === 'live' && token.generation === 0 && (token.revokeAt ?? now) <= now,
    )
    const queued = await endTokens(tx, due, { tenantId, by: null, now })
    await recordAllAnyway(ctx, tx, tenantId, now, { userId: null }, tokenEvents(due, 'its asked end'))
    return queued
  })
  await settleWithin(ctx, tenantId, work)
}

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
  await move(tx, { tenantId, id }, 'revoke', now, {})
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
 * What issues that are cut off may leave at the connections that end here is looked for by its nonce, whenever they were
 * revoked themselves: nobody else can ask that upstream any more. With the access token while it lives, else with the
 * grant that is queued beside it.
 */
async function queueOrphans(
  vault: Vault,
  tx: Tx,
  tokens: TokenRow[],
  opened: Map<string, OpenedGrant>,
  now: Date,
): Promise<string[]> {
  const rows = []
  for (const token of tokens) {
    const [work] = workFor(token, now)
    const grant = work && opened.get(work.connectionId)
    const end = latestMomentOf(token)
    if (!grant || token.status !== 'issuing' || (end !== 'unknown' && end <= now)) continue
    const row = { ...work, kind: 'orphans' }
    const { accessToken } = grant
    if (accessToken) {
      const handle = await vault.seal(grantPlace({ id: row.id, userId: token.userId }), accessToken)
      rows.push({ ...row, handle, nextTryAt: now })
    } else if (grant.refreshToken || grant.sealed) rows.push({ ...row, nextTryAt: now })
    else rows.push({ ...row, state: 'impossible', lastError: 'no_grant', finishedAt: now })
  }
  await insertRevocations(tx, rows)
  return rows.filter((row) => !('finishedAt' in row)).map(({ id }) => id)
}

/** How each target stands, out of the rows: the same truths for a first and for a second revocation. */
async function tell(tx: ReadTx, tenantId: string, targets: Target[], now: Date): Promise<RevokeResult[]> {
  const ids = (kind: Target['kind']) => targets.filter((target) => target.kind === kind).map(({ id }) => id)
  const tokens = new Map((await findTokens(tx, tenantId, ids('token'))).map((row) => [row.id, row]))
  const grants = await findGrantRevocations(tx, tenantId, ids('connection'))
  return targets.map((target) => {
    // It worked with us alone, and each use asks.
    if (target.kind !== 'connection' && target.kind !== 'token')
      return { ...target, upstream: 'none', lastError: null, latestMoment: null }
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
    const { upstream = null, lastError = null, latestMoment = null } = (row && toTokenView(row, now).revocation) ?? {}
    const isPast = latestMoment !== 'unknown' && latestMoment !== null && latestMoment <= now
    return { ...target, upstream, lastError, latestMoment: isPast ? null : latestMoment }
  })
}

/** Puts all upstream work of the tenant that is not confirmed back into the queue. How much. @throws BrokerError forbidden */
export const retryAllUpstream = (ctx: Context, actor: Actor): Promise<number> =>
  act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const count = await retryAll(tx, tenantId, ctx.now())
    const event = {
      action: 'revocations.retried',
      outcome: 'ok',
      target: { kind: 'tenant', id: tenantId },
      details: { count },
    } as const
    await recordAnyway(ctx, tx, tenantId, ctx.now(), actor, event)
    return count
  })

/**
 * Records that what could not be revoked upstream has ended there, because somebody has seen to it: it is tried no more, and says
 * so. @throws BrokerError forbidden; not_found, also for what is over
 */
export async function recordAsEnded(
  ctx: Context,
  actor: Actor,
  { revocationId, reason }: { revocationId: string; reason: string },
): Promise<void> {
  const { tenantId } = actor
  await act(ctx, actor, 'administer', async (tx, actor) => {
    const row = await closeRevocation(tx, tenantId, revocationId, ctx.now())
    if (!row) throw new BrokerError('not_found')
    if (row.kind === 'token' && row.tokenId) await wipeHandle(tx, tenantId, row.tokenId)
    if (row.kind === 'orphans') await wakeGrants(tx, tenantId, row.connectionId, ctx.now())
    const details = { revocation: revocationId, reason }
    const event = { action: 'revocation.recorded', outcome: 'ok', target: aboutOf(row), details } as const
    await recordAnyway(ctx, tx, tenantId, ctx.now(), actor, event)
  })
}

/** Puts failed upstream work back into the queue and tries it at once. @throws BrokerError forbidden, not_found */
export async function retryUpstream(ctx: Context, actor: Actor, revocationId: string): Promise<void> {
  await act(ctx, actor, 'administer', async (tx, actor) => {
    const row = await retryRevocation(tx, actor.tenantId, revocationId, ctx.now())
    if (!row) throw new BrokerError('not_found')
    const details = { revocation: revocationId }
    const event = { action: 'revocation.retried', outcome: 'ok', target: aboutOf(row), details } as const
    await recordAnyway(ctx, tx, actor.tenantId, ctx.now(), actor, event)
  })
  await settleWithin(ctx, actor.tenantId, [revocationId])
}
