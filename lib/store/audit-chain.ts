import type { Context } from '../context.ts'
import { type Prisma, query, type ReadTx, type Tx } from './database.ts'

/** The chain of audit events: what the sealer does (schema `sealing`), tips, signed heads and the keys that sign them. */
type Store = Pick<Context, 'pool' | 'config'>

/** Chains up to `limit` committed events of all tenants. How many, or undefined while another process is at it. */
export async function sealEvents(ctx: Store, limit: number): Promise<number | undefined> {
  const [row] = await query<{ sealed: number }>(ctx, 'audit_seal', 'SELECT sealing.audit_seal($1) AS sealed', [limit])
  return row === undefined || row.sealed < 0 ? undefined : row.sealed
}

/** Events that are committed and not chained yet, of all tenants: how many, and since when. */
export async function unsealedTail(ctx: Store): Promise<{ count: number; oldestAt: Date | null }> {
  const text = 'SELECT unsealed::int AS count, oldest_at AS "oldestAt" FROM sealing.audit_tail()'
  const [row] = await query<{ count: number; oldestAt: Date | null }>(ctx, 'audit_tail', text, [])
  return row ?? { count: 0, oldestAt: null }
}

/** Tenants whose last head is older than `before` or `events` behind, and whose chain has grown since. */
export async function headsDue(ctx: Store, before: Date, events: number, limit: number): Promise<string[]> {
  const text = 'SELECT sealing.heads_due($1, $2, $3) AS id'
  return (await query<{ id: string }>(ctx, 'heads_due', text, [before, events, limit])).map((row) => row.id)
}

/** A place in a chain: `hash` (64 hexadecimal digits) is that of the event numbered `seq`. */
export type Place = { seq: number; hash: string }
export type Head = Place & { signedAt: Date; jws: string }

const hex = (hash: Uint8Array) => Buffer.from(hash).toString('hex')

/** The end of a tenant's chain; undefined before its first event is sealed. */
export async function readTip(tx: ReadTx, tenantId: string): Promise<Place | undefined> {
  const tip = await tx.auditTip.findUnique({ where: { tenantId } })
  return tip ? { seq: Number(tip.seq), hash: hex(tip.hash) } : undefined
}

export async function lastHead(tx: ReadTx, tenantId: string): Promise<Head | undefined> {
  const head = await tx.auditHead.findFirst({ where: { tenantId }, orderBy: { seq: 'desc' } })
  return head ? { seq: Number(head.seq), hash: hex(head.hash), signedAt: head.signedAt, jws: head.jws } : undefined
}

/** Keeps a head. False when this place was signed already; waits for whoever is just doing so. */
export async function insertHead(tx: Tx, tenantId: string, { seq, hash, signedAt, jws }: Head): Promise<boolean> {
  const data = { tenantId, seq: BigInt(seq), hash: Buffer.from(hash, 'hex'), signedAt, jws }
  return (await tx.auditHead.createMany({ data: [data], skipDuplicates: true })).count === 1
}

/** A sealed event as it is exported. `at` and `body` are the very texts that were hashed. */
export type SealedEvent = { seq: number; id: string; at: string; body: string; hash: string }
type Range = { after: number; upTo: number; take: number }

/** Sealed events in the order of the chain, numbered above `after` and at most `upTo`. */
export async function sealedEvents(tx: ReadTx, tenantId: string, { after, upTo, take }: Range): Promise<SealedEvent[]> {
  const rows = await tx.$queryRaw<(Omit<SealedEvent, 'seq'> & { seq: bigint })[]>`
    SELECT c.seq, e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, e.body::text AS body,
      encode(c.hash, 'hex') AS hash
    FROM audit_chain c JOIN audit_event e ON e.tenant_id = c.tenant_id AND e.id = c.event_id
    WHERE c.tenant_id = ${tenantId} AND c.seq > ${after} AND c.seq <= ${upTo} ORDER BY c.seq LIMIT ${take}`
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }))
}

/** The sealed event by which an act that revoked many things was recorded: about itself, or about whose things they were. */
export async function eventOfAct(
  tx: ReadTx,
  tenantId: string,
  { id, userId }: { id: string; userId: string | null },
): Promise<{ seq: number; id: string; hash: string } | undefined> {
  const [row] = await tx.$queryRaw<{ seq: bigint; id: string; hash: string }[]>`
    SELECT c.seq, e.id, encode(c.hash, 'hex') AS hash
    FROM audit_event e JOIN audit_chain c ON c.tenant_id = e.tenant_id AND c.event_id = e.id
    WHERE e.tenant_id = ${tenantId} AND e.target_id = ANY(${userId ? [id, userId] : [id]}::text[])
      AND e.body->'details'->>'act' = ${id} ORDER BY e.id LIMIT 1`
  return row && { ...row, seq: Number(row.seq) }
}

/** Heads signed above `after` and at most at `upTo`: number of the event -> JWS. */
export async function headsBetween(
  tx: ReadTx,
  tenantId: string,
  after: number,
  upTo: number,
): Promise<Map<number, string>> {
  const rows = await tx.auditHead.findMany({ where: { tenantId, seq: { gt: after, lte: upTo } } })
  return new Map(rows.map(({ seq, jws }) => [Number(seq), jws]))
}

export const countUnsealed = (tx: ReadTx, tenantId: string) => tx.auditUnsealed.count({ where: { tenantId } })

export const findCurrentAuditKey = (tx: ReadTx) => tx.auditKey.findFirst({ where: { retiredAt: null } })

/** Adds a key unless there is a current one. */
export const insertAuditKey = (
  tx: Tx,
  key: { id: string; publicJwk: Prisma.InputJsonObject; sealedPrivate: string; createdAt: Date },
) => tx.auditKey.createMany({ data: [key], skipDuplicates: true })

export const updateSealedPrivate = (tx: Tx, id: string, sealedPrivate: string) =>
  tx.auditKey.updateMany({ where: { id, retiredAt: null }, data: { sealedPrivate } })

/** The public half of every audit key that there ever was, oldest first. */
export async function listPublicAuditKeys(tx: ReadTx): Promise<Prisma.JsonValue[]> {
  const rows = await tx.auditKey.findMany({ orderBy: { createdAt: 'asc' }, select: { publicJwk: true } })
  return rows.map((row) => row.publicJwk)
}
