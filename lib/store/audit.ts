import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { query, type ReadTx, type Tx } from './database.ts'

/** Appends unsealed events. Raw, because the app role may insert these columns only: seq and hash are the sealer's. */
export async function insertEvent(tx: Tx, tenantId: string, at: Date, ...bodies: object[]): Promise<void> {
  await tx.$executeRaw`INSERT INTO audit_event (tenant_id, id, at, body)
    SELECT ${tenantId}, e.id, ${at}::timestamptz, e.body::jsonb
    FROM unnest(${bodies.map(() => newId('event'))}::text[], ${bodies.map((body) => JSON.stringify(body))}::text[]) AS e (id, body)`
}

/** Keeps an event that could not be appended; the tick moves it. */
export async function insertOutbox(tx: Tx, tenantId: string, at: Date, body: object): Promise<void> {
  await tx.auditOutbox.create({ data: { id: newId('event'), tenantId, at, body } })
}

/** Moves what waits in the outbox into the audit trail. How many. */
export async function drainOutbox(tx: Tx, tenantId: string): Promise<number> {
  const waiting = await tx.auditOutbox.findMany({ where: { tenantId }, orderBy: { id: 'asc' }, take: 500 })
  for (const { at, body } of waiting) await insertEvent(tx, tenantId, at, body as object)
  await tx.auditOutbox.deleteMany({ where: { tenantId, id: { in: waiting.map((row) => row.id) } } })
  return waiting.length
}

/** One call of vk.note_access: an event at once for the first in its minute, a number for the rest. */
export const noteAccess = (
  ctx: Pick<Context, 'pool' | 'config'>,
  tenantId: string,
  at: Date,
  { operation, thing, body }: { operation: string; thing: string | null; body: object },
) =>
  query(ctx, 'note_access', 'SELECT vk.note_access($1, $2, $3, $4::jsonb, $5, $6)', [
    tenantId,
    newId('event'),
    at,
    JSON.stringify(body),
    operation,
    thing,
  ])

/** Takes a batch of tallies whose minute began at or before `before`, unless another process is at them. */
export async function takeTallies(tx: Tx, tenantId: string, before: Date) {
  const rows = await tx.$queryRaw<{ minute: Date; untold: number; things: string[]; lastAt: Date; body: object }[]>`
    DELETE FROM access_tally WHERE tenant_id = ${tenantId} AND (actor_id, action, operation, minute) IN (
      SELECT actor_id, action, operation, minute FROM access_tally
      WHERE tenant_id = ${tenantId} AND minute <= ${before} LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING minute, untold, things, last_at AS "lastAt", body`
  return rows.filter(({ untold }) => untold > 0)
}

/** A page of events, newest first. `before`: the id that the previous page ended with. */
export const listEvents = (
  tx: ReadTx,
  tenantId: string,
  { actor, before, take }: { actor?: string | undefined; before?: string | undefined; take: number },
) =>
  tx.auditEvent.findMany({
    where: {
      tenantId,
      ...(actor ? { actorId: actor } : {}),
      ...(before ? { id: { lt: before } } : {}),
    },
    orderBy: { id: 'desc' },
    take,
    select: { id: true, at: true, body: true },
  })

/** Events about one thing, newest first: a connection's timeline. */
export const listEventsAbout = (tx: ReadTx, tenantId: string, kind: string, id: string, take: number) =>
  tx.auditEvent.findMany({
    where: { tenantId, targetKind: kind, targetId: id },
    orderBy: { id: 'desc' },
    take,
    select: { id: true, at: true, body: true },
  })
