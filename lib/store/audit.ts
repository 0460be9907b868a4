import { newId } from '../security/ids.ts'
import type { ReadTx, Tx } from './database.ts'

/** Appends an unsealed event. Raw, because the app role may insert these columns only: seq and hash are the sealer's. */
export async function insertEvent(tx: Tx, tenantId: string, at: Date, body: object): Promise<void> {
  await tx.$executeRaw`INSERT INTO audit_event (tenant_id, id, at, body)
    VALUES (${tenantId}, ${newId('event')}, ${at}, ${JSON.stringify(body)}::jsonb)`
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

/** A page of events, newest first. `before`: the id that the previous page ended with. */
export const listEvents = (
  tx: ReadTx,
  tenantId: string,
  { actor, before, take }: { actor?: string | undefined; before?: string | undefined; take: number },
) =>
  tx.auditEvent.findMany({
    where: {
      tenantId,
      ...(actor ? { body: { path: ['actor'], equals: actor } } : {}),
      ...(before ? { id: { lt: before } } : {}),
    },
    orderBy: { id: 'desc' },
    take,
    select: { id: true, at: true, body: true },
  })

/** Events about one thing, newest first: a connection's timeline. */
export const listEventsAbout = (tx: ReadTx, tenantId: string, kind: string, id: string, take: number) =>
  tx.auditEvent.findMany({
    where: {
      tenantId,
      AND: [{ body: { path: ['target', 'kind'], equals: kind } }, { body: { path: ['target', 'id'], equals: id } }],
    },
    orderBy: { id: 'desc' },
    take,
    select: { id: true, at: true, body: true },
  })
