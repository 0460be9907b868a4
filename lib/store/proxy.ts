import type { Context } from '../context.ts'
import { query, type ReadTx, type Tx } from './database.ts'

type Store = Pick<Context, 'pool' | 'config'>

/**
 * How a token stands that somebody brings. `elsewhere`: it is for another project than the address names; `unproven`: it is
 * bound to a key and not sent so, or the other way round.
 */
export type StandingState = 'live' | 'ended' | 'revoked' | 'frozen'
export type Entered =
  | { state: 'unknown' }
  | ({ state: 'unproven' | 'elsewhere' | Exclude<StandingState, 'live'> } & Whose)
  | ({ state: 'live' } & Whose & Standing)

type Whose = { tenantId: string; tokenId: string; userId: string; projectId: string; proofKey: string | null }
type Standing = {
  connectionId: string
  /** Changes with the provider's row. What follows up to `externalId` is null where the caller has seen this one. */
  providerSeen: string
  rules: unknown
  kind: string | null
  issuer: string | null
  settings: unknown
  externalId: string | null
  /** Sealed; null: it has to be renewed first, or cannot be. */
  accessToken: string | null
  tokenVersion: number
  /** In milliseconds since 1970. */
  refreshedAt: number
  /** Nobody has used the token. */
  first: boolean
  /** {@link import('./connections.ts').markUsed} is worth a call. */
  touch: boolean
}

/**
 * What one request says: the hash of its token in hex, whether it is sent as bound to a key, its address, and the provider's
 * row that the process has seen.
 */
export type Entering = { hash: string; bound: boolean; slug: string; project: string; seen: string }

/** One call of vk.proxy_enter: everything that these requests stand on, as it is now, in their order. */
export function enterProxy(ctx: Store, asked: Entering[], marginSeconds: number): Promise<Entered[]> {
  const text = `SELECT state, tenant_id AS "tenantId", token_id AS "tokenId", user_id AS "userId", project_id AS "projectId",
      connection_id AS "connectionId", proof_key AS "proofKey", rules,
      provider_seen AS "providerSeen", kind, issuer, settings, external_id AS "externalId", access_token AS "accessToken",
      token_version AS "tokenVersion", refreshed_at AS "refreshedAt", first, touch
    FROM vk.proxy_enter($1, $2, $3, $4, $5, make_interval(secs => $6))`
  const column = (name: keyof Entering) => asked.map((one) => one[name])
  const values = [column('hash'), column('slug'), column('project'), column('seen'), column('bound'), marginSeconds]
  return query<Entered>(ctx, 'proxy_enter', text, values)
}

/** How tokens of one tenant stand now, by id; one that is missing is not there. */
export async function tokensStanding(ctx: Store, tenantId: string, ids: string[]): Promise<Map<string, StandingState>> {
  const text = 'SELECT id, state FROM vk.tokens_standing($1, $2)'
  const rows = await query<{ id: string; state: StandingState }>(ctx, 'tokens_standing', text, [tenantId, ids])
  return new Map(rows.map(({ id, state }) => [id, state]))
}

/** Marks a token, or a grant, as used; false: somebody did before. */
export async function markFirstUse(tx: Tx, tenantId: string, id: string, now: Date, isGrant = false): Promise<boolean> {
  const mark = { where: { tenantId, id, lastUsedAt: null }, data: { lastUsedAt: now } }
  return (isGrant ? await tx.oauthGrant.updateMany(mark) : await tx.issuedToken.updateMany(mark)).count > 0
}

/** What went through, since it was noted last; bytes of bodies. */
export type Use = { requests: number; refused: number; bytesSent: number; bytesReceived: number }

/** One call of vk.note_use. */
export const noteUse = (
  ctx: Store,
  { tenantId, tokenId, projectId }: { tenantId: string; tokenId: string; projectId: string },
  at: Date,
  { requests, refused, bytesSent, bytesReceived }: Use,
) =>
  query(ctx, 'note_use', 'SELECT vk.note_use($1, $2, $3, $4, $5, $6, $7, $8)', [
    tenantId,
    tokenId,
    projectId,
    at,
    requests,
    refused,
    bytesSent,
    bytesReceived,
  ])

/** Takes a batch of minutes up to `before`, unless another process is at them. */
export const takeUses = (tx: Tx, tenantId: string, before: Date) =>
  tx.$queryRaw<({ tokenId: string; minute: Date } & Record<keyof Use, bigint>)[]>`
    DELETE FROM use_tally WHERE tenant_id = ${tenantId} AND (token_id, minute) IN (
      SELECT token_id, minute FROM use_tally
      WHERE tenant_id = ${tenantId} AND minute <= ${before} LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING token_id AS "tokenId", minute, requests, refused, bytes_sent AS "bytesSent", bytes_received AS "bytesReceived"`

/** Tenants with uses in minutes up to `before` that no event has told of. */
export async function tenantsOfUses(ctx: Store, before: Date): Promise<string[]> {
  const rows = await query<{ id: string }>(ctx, 'use_tenants', 'SELECT lookup.use_tenants($1) AS id', [before])
  return rows.map((row) => row.id)
}

export type DayOfUse = Use & { day: string }

/** What went through by day, the oldest first, of one token, or of a project's; days without use are left out. */
export async function usesByDay(
  tx: ReadTx,
  tenantId: string,
  of: { tokenId?: string; projectId?: string; userId?: string | undefined },
  since: Date,
): Promise<DayOfUse[]> {
  const { tokenId = null, projectId = null, userId = null } = of
  const rows = await tx.$queryRaw<({ day: string } & Record<keyof Use, bigint>)[]>`
    SELECT u.day::text, sum(u.requests)::bigint AS requests, sum(u.refused)::bigint AS refused,
      sum(u.bytes_sent)::bigint AS "bytesSent", sum(u.bytes_received)::bigint AS "bytesReceived"
    FROM token_use u WHERE u.tenant_id = ${tenantId} AND u.day >= ${since}::date
      AND u.token_id = coalesce(${tokenId}::text, u.token_id) AND u.project_id = coalesce(${projectId}::text, u.project_id)
      AND (${userId}::text IS NULL OR EXISTS (SELECT FROM issued_token k
        WHERE k.tenant_id = u.tenant_id AND k.id = u.token_id AND k.user_id = ${userId}))
    GROUP BY u.day ORDER BY u.day`
  return rows.map((row) => ({ day: row.day, ...numbered(row) }))
}

export const numbered = ({ requests, refused, bytesSent, bytesReceived }: Record<keyof Use, bigint>): Use => ({
  requests: Number(requests),
  refused: Number(refused),
  bytesSent: Number(bytesSent),
  bytesReceived: Number(bytesReceived),
})

/** When somebody last used a token of a project through us, as far as it was noted; null: nobody did. */
export async function lastUseThroughUs(
  tx: ReadTx,
  tenantId: string,
  { projectId, userId }: { projectId: string; userId: string | undefined },
): Promise<Date | null> {
  // By the index of those that were used: a project may have many that were not.
  const [latest] = await tx.$queryRaw<{ lastUsedAt: Date }[]>`
    SELECT last_used_at AS "lastUsedAt" FROM issued_token
    WHERE tenant_id = ${tenantId} AND project_id = ${projectId} AND strategy = 'proxy' AND last_used_at IS NOT NULL
      AND user_id = coalesce(${userId ?? null}::text, user_id)
    ORDER BY last_used_at DESC LIMIT 1`
  return latest?.lastUsedAt ?? null
}
