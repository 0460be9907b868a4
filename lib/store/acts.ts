import type { Context } from '../context.ts'
import { type Prisma, query, type ReadTx, type Tx } from './database.ts'
import { checkedByApis, type RevocationState } from './revocations.ts'

export type ActRow = Prisma.RevocationActGetPayload<object>

/** What ended with an act's own transaction, and how many tokens it means. */
export type HeldCounts = { grants: number; connections: number; tokens: number }

/** How much a person holds: what {@link endHeld} would end. `usedLately`: of the tokens those known to have been used since. */
export async function countHeld(
  tx: ReadTx,
  tenantId: string,
  userId: string,
  { now, usedSince }: { now: Date; usedSince: Date },
): Promise<HeldCounts & { usedLately: number }> {
  const [counts] = await tx.$queryRaw<[HeldCounts & { usedLately: number }]>`
    SELECT (SELECT count(*)::int FROM oauth_grant o WHERE o.tenant_id = ${tenantId} AND o.user_id = ${userId} AND o.ended_at IS NULL
        AND (o.expires_at IS NULL OR o.expires_at > ${now})) AS grants,
      (SELECT count(*)::int FROM connection c WHERE c.tenant_id = ${tenantId} AND c.user_id = ${userId} AND c.status <> 'revoked')
        AS connections,
      count(*)::int AS tokens, (count(*) FILTER (WHERE t.last_used_at >= ${usedSince}))::int AS "usedLately"
    FROM issued_token t WHERE t.tenant_id = ${tenantId} AND t.user_id = ${userId} AND t.status IN ('issuing', 'live')
      AND t.generation = 0 AND t.expires_at > ${now}`
  return counts
}

/** vk.end_held: in the transaction of whoever holds the member's lock, and raises their generation. */
export async function endHeld(
  tx: Tx,
  tenantId: string,
  held: { userId: string; by: string; act: string; connections: boolean; now: Date },
): Promise<HeldCounts> {
  const { userId, by, act, connections, now } = held
  const [ended] = await tx.$queryRaw<[HeldCounts]>`
    SELECT grants, connections, tokens FROM vk.end_held(${tenantId}, ${userId}, ${by}, ${act}, ${connections}, ${now}::timestamptz)`
  return ended
}

export const insertAct = (tx: Tx, row: Prisma.RevocationActUncheckedCreateInput) =>
  tx.revocationAct.create({ data: row })

export const findAct = (tx: ReadTx, tenantId: string, id: string) =>
  tx.revocationAct.findUnique({ where: { tenantId_id: { tenantId, id } } })

/** The newest acts on what a person held. */
export const listActsOn = (tx: ReadTx, tenantId: string, userId: string, take: number): Promise<ActRow[]> =>
  tx.revocationAct.findMany({ where: { tenantId, userId }, orderBy: { id: 'desc' }, take })

/** vk.end_batch: the next `limit` tokens of an act on what a person held. `busy`: another process is at it, or another act. */
export async function endBatch(
  tx: Tx,
  tenantId: string,
  id: string,
  { limit, now }: { limit: number; now: Date },
): Promise<{ done: boolean; busy: boolean }> {
  const [batch] = await tx.$queryRaw<[{ done: boolean; busy: boolean }]>`
    SELECT done, busy FROM vk.end_batch(${tenantId}, ${id}, ${limit}, ${now}::timestamptz)`
  return batch
}

/** Locks an act on a selection; undefined: another process is at it. */
export async function takeAct(tx: Tx, tenantId: string, id: string): Promise<ActRow | undefined> {
  const found = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM revocation_act WHERE tenant_id = ${tenantId} AND id = ${id} FOR UPDATE SKIP LOCKED`
  return found.length > 0 ? ((await findAct(tx, tenantId, id)) ?? undefined) : undefined
}

/** Notes what a batch of a locked act has done, and that the work is the act's. */
export async function advanceAct(
  tx: Tx,
  tenantId: string,
  id: string,
  batch: { ended: number; cursor: string | null; work: string[]; doneAt: Date | null },
): Promise<void> {
  const { ended, cursor, work, doneAt } = batch
  await tx.upstreamRevocation.updateMany({ where: { tenantId, id: { in: work } }, data: { actId: id } })
  await tx.revocationAct.update({
    where: { tenantId_id: { tenantId, id } },
    data: { ended: { increment: ended }, doneAt, ...(cursor !== null && { cursor }) },
  })
}

/** The newest acts of a tenant. */
export const listActs = (
  tx: ReadTx,
  tenantId: string,
  { by, take }: { by?: string | undefined; take: number },
): Promise<ActRow[]> =>
  tx.revocationAct.findMany({ where: { tenantId, ...(by && { by }) }, orderBy: { id: 'desc' }, take })

/** The next pieces of an act's upstream work behind `after` that are due and nobody is at. Ids, in their order. */
export const dueOfAct = async (
  tx: ReadTx,
  tenantId: string,
  actId: string,
  { after, now, take }: { after: string; now: Date; take: number },
): Promise<string[]> =>
  (
    await tx.upstreamRevocation.findMany({
      where: {
        tenantId,
        actId,
        id: { gt: after },
        state: 'pending',
        nextTryAt: { lte: now },
        OR: [{ claimUntil: null }, { claimUntil: { lt: now } }],
      },
      orderBy: { id: 'asc' },
      take,
      select: { id: true },
    })
  ).map(({ id }) => id)

/**
 * Notes that an act is over, once nothing of it is pending. Whether it is. Locked first, so that work that is opened meanwhile is seen:
 * a statement that waits for a lock reads the other tables as they were before.
 */
export async function settleAct(tx: Tx, tenantId: string, id: string, now: Date): Promise<boolean> {
  await tx.$queryRaw`SELECT 1 FROM revocation_act WHERE tenant_id = ${tenantId} AND id = ${id} FOR UPDATE`
  const written = await tx.$executeRaw`
    UPDATE revocation_act a SET settled_at = coalesce(a.settled_at, ${now}) WHERE a.tenant_id = ${tenantId} AND a.id = ${id}
      AND a.done_at IS NOT NULL AND NOT EXISTS (SELECT FROM upstream_revocation r
        WHERE r.tenant_id = a.tenant_id AND r.act_id = a.id AND r.state = 'pending')`
  return written > 0
}

/** Acts that are not over, of all tenants: those with something to be done here first. */
export const openActs = (ctx: Pick<Context, 'pool' | 'config'>, limit: number) =>
  query<{ tenantId: string; id: string }>(
    ctx,
    'open_acts',
    'SELECT tenant_id AS "tenantId", id FROM lookup.open_acts($1)',
    [limit],
  )

/** `provedAt`: when the last of what is confirmed was seen to be refused. */
export type UpstreamOfAct = {
  states: Record<RevocationState, number>
  provedAt: Date | null
  latestMoment: Date | 'unknown' | null
}

/**
 * How an act's upstream work stands, and the latest moment at which something of it could still work there; `unknown` where
 * nobody can tell. Null: nothing can.
 */
export async function upstreamOfAct(tx: ReadTx, tenantId: string, id: string, now: Date): Promise<UpstreamOfAct> {
  const rows = await tx.$queryRaw<
    { state: RevocationState; count: number; finished: Date | null; latest: Date | null; endless: boolean }[]
  >`
    SELECT r.state, count(*)::int AS count, max(r.finished_at) AS finished, max(t.expires_at) FILTER (WHERE s.lives) AS latest,
      bool_or(s.lives AND (r.token_id IS NULL OR t.endless)) AS endless
    FROM upstream_revocation r LEFT JOIN issued_token t ON t.tenant_id = r.tenant_id AND t.id = r.token_id
      CROSS JOIN LATERAL (SELECT r.state <> 'confirmed' OR coalesce(t.strategy = ANY(${[...checkedByApis]}::text[]), false) AS lives) s
    WHERE r.tenant_id = ${tenantId} AND r.act_id = ${id} GROUP BY r.state`
  const states = { pending: 0, done: 0, confirmed: 0, failed: 0, impossible: 0 }
  for (const { state, count } of rows) states[state] = count
  const moments = rows.flatMap(({ latest }) => (latest && latest > now ? [latest] : []))
  const latest = moments.sort((a, b) => +b - +a)[0] ?? null
  const provedAt = rows.find(({ state }) => state === 'confirmed')?.finished ?? null
  return { states, provedAt, latestMoment: rows.some(({ endless }) => endless) ? 'unknown' : latest }
}
