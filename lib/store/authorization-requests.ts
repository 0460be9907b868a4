import { type GrantScope, type Person, sessionOf } from '../actor.ts'
import type { Context } from '../context.ts'
import { type Prisma, query, type ReadTx, type Tx } from './database.ts'

/** A request that waits for a person, or their answer, as they may see it. */
export type RequestRow = {
  id: string
  kind: 'device' | 'code'
  clientId: string
  /** Null: a client of the instance. */
  clientTenantId: string | null
  status: 'pending' | 'approved' | 'denied' | 'consumed'
  scopes: GrantScope[]
  /** What the grant is to be for (RFC 8707). */
  resource: string | null
  redirectUri: string | null
  state: string | null
  prompt: string | null
  maxAge: number | null
  address: string | null
  agent: string | null
  createdAt: Date
  expiresAt: Date
}

/**
 * Makes a person the one who may answer the device with this code: one statement, so that one of several is (D-07). Theirs
 * already: again theirs. Undefined where the code is unknown, answered, over, somebody else's, or of a client of a tenant
 * that they are not in: which of these, nobody learns (D-11).
 */
export async function claimRequest(
  tx: Tx,
  { userId, credential }: Person,
  userCodeHash: Uint8Array,
): Promise<{ id: string; clientId: string; isNew: boolean } | undefined> {
  const session = sessionOf(credential) ?? ''
  const [claimed] = await tx.$queryRaw<{ id: string; clientId: string; isNew: boolean }[]>`
    UPDATE authorization_request a SET claimed_by = ${userId}
    FROM authorization_request before
    WHERE a.user_code_hash = ${Buffer.from(userCodeHash)} AND before.id = a.id AND a.kind = 'device' AND a.status = 'pending'
      AND a.expires_at > vk_now() AND (a.claimed_by IS NULL OR a.claimed_by = ${userId})
      AND (lookup.client_tenant(a.client_id) IS NULL OR EXISTS (SELECT FROM lookup.memberships(${userId}, ${session}) m
        WHERE m.tenant_id = lookup.client_tenant(a.client_id) AND m.status = 'active' AND NOT m.refused))
    RETURNING a.id, a.client_id AS "clientId", before.claimed_by IS NULL AS "isNew"`
  return claimed
}

/** Gives a claimed device back to whoever types its code next. The client's id; undefined: it was not theirs, or is over. */
export async function releaseRequest(tx: Tx, userId: string, id: string): Promise<string | undefined> {
  const [released] = await tx.$queryRaw<{ clientId: string }[]>`
    UPDATE authorization_request SET claimed_by = NULL
    WHERE id = ${id} AND kind = 'device' AND status = 'pending' AND claimed_by = ${userId} AND expires_at > vk_now()
    RETURNING client_id AS "clientId"`
  return released?.clientId
}

/** A request that a person may see: the device that they claimed, or what a browser was sent here with and nobody answered. */
export async function findRequest(
  ctx: Pick<Context, 'pool' | 'config'>,
  userId: string,
  id: string,
): Promise<RequestRow | undefined> {
  const text = `SELECT id, kind, client_id AS "clientId", lookup.client_tenant(client_id) AS "clientTenantId", status, scopes, resource,
      redirect_uri AS "redirectUri", state, prompt, max_age AS "maxAge", address, agent, created_at AS "createdAt",
      expires_at AS "expiresAt"
    FROM authorization_request
    WHERE id = $1 AND status <> 'pushed' AND (claimed_by = $2 OR claimed_by IS NULL AND kind = 'code')`
  return (await query<RequestRow>(ctx, 'find_request', text, [id, userId]))[0]
}

/** What a person has claimed and not answered, and who asks: the newest first. */
export const claimedRequests = (ctx: Pick<Context, 'pool' | 'config'>, userId: string, most: number) =>
  query<Pick<RequestRow, 'id' | 'clientId' | 'clientTenantId' | 'createdAt' | 'expiresAt'>>(
    ctx,
    'claimed_requests',
    `SELECT id, client_id AS "clientId", lookup.client_tenant(client_id) AS "clientTenantId", created_at AS "createdAt",
      expires_at AS "expiresAt"
    FROM authorization_request
    WHERE claimed_by = $1 AND status = 'pending' AND expires_at > vk_now()
    ORDER BY created_at DESC LIMIT $2`,
    [userId, most],
  )

/** A client as its tenant, or any tenant where it is the instance's, knows it; null: it was removed. */
export const findLivingClient = (tx: ReadTx, id: string) => tx.apiClient.findFirst({ where: { id, endedAt: null } })

/** The same, as it stays until the transaction ends: whoever takes an address or a scope away comes before, or waits. */
export async function lockLivingClient(tx: Tx, id: string) {
  await tx.$queryRaw`SELECT id FROM api_client WHERE id = ${id} FOR SHARE`
  return findLivingClient(tx, id)
}

/** How somebody and a client stand in a tenant: whether a freeze stops either, and the generations of what is given now. */
export async function standing(
  tx: ReadTx,
  { tenantId, userId, clientId }: { tenantId: string; userId: string; clientId: string },
): Promise<{ frozen: boolean; generations: number[] | null }> {
  const [row] = await tx.$queryRaw<{ frozen: boolean; generations: number[] | null }[]>`
    SELECT vk.program_frozen(${tenantId}, ${clientId}, NULL)
        OR EXISTS (SELECT FROM vk.frozen_by(${tenantId}, ${userId}, '', '', '{}')) AS frozen,
      vk.grant_generations(${tenantId}, ${userId}, ${clientId}, NULL) AS generations`
  return row ?? { frozen: false, generations: null }
}

export type Approval = {
  tenantId: string
  userId: string
  scopes: GrantScope[]
  ceilings: Prisma.InputJsonObject
  authTime: Date
  generations: number[]
  /** Of a browser's request: what its program redeems, and until when. */
  code: { hash: Uint8Array; seconds: number } | undefined
}

/** Writes the answer, once and in time: false where it was answered, is over or somebody else's. */
export async function approveRequest(tx: Tx, id: string, answer: Approval): Promise<boolean> {
  const { tenantId, userId, scopes, ceilings, authTime, generations, code } = answer
  const written = await tx.$executeRaw`
    UPDATE authorization_request SET status = 'approved', claimed_by = ${userId}, tenant_chosen = ${tenantId},
      scopes_granted = ${scopes}, ceilings = ${JSON.stringify(ceilings)}::jsonb, auth_time = ${authTime},
      generations = ${generations}, decided_at = vk_now(), user_code_hash = NULL,
      secret_hash = coalesce(${code ? Buffer.from(code.hash) : null}::bytea, secret_hash),
      expires_at = CASE WHEN ${code !== undefined} THEN vk_now() + make_interval(secs => ${code?.seconds ?? 0}) ELSE expires_at END
    WHERE id = ${id} AND status = 'pending' AND expires_at > vk_now()
      AND (kind = 'code') = ${code !== undefined} AND (claimed_by = ${userId} OR claimed_by IS NULL AND kind = 'code')`
  return written === 1
}

/** Turns a request down, once: false where it was answered, is over or somebody else's. */
export async function denyRequest(tx: Tx, userId: string, id: string): Promise<boolean> {
  const written = await tx.$executeRaw`
    UPDATE authorization_request SET status = 'denied', claimed_by = ${userId}, decided_at = vk_now(), user_code_hash = NULL
    WHERE id = ${id} AND status = 'pending' AND expires_at > vk_now()
      AND (claimed_by = ${userId} OR claimed_by IS NULL AND kind = 'code')`
  return written === 1
}

/** Turns down the device with this code, if nobody has claimed it: its person could not sign in. The request and its client. */
export async function denyUnclaimed(
  tx: Tx,
  userCodeHash: Uint8Array,
): Promise<{ id: string; clientId: string } | undefined> {
  const [denied] = await tx.$queryRaw<{ id: string; clientId: string }[]>`
    UPDATE authorization_request SET status = 'denied', decided_at = vk_now(), user_code_hash = NULL
    WHERE user_code_hash = ${Buffer.from(userCodeHash)} AND kind = 'device' AND status = 'pending' AND claimed_by IS NULL
      AND expires_at > vk_now()
    RETURNING id, client_id AS "clientId"`
  return denied
}
