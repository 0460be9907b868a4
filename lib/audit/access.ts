import type { Actor } from '../actor.ts'
import type { Context } from '../context.ts'
import * as store from '../store/audit.ts'
import { asSystem } from '../store/system.ts'
import type { AuditEvent } from './catalogue.ts'
import { bodyOf } from './record.ts'

/** An event that happens as often as somebody reloads a page; its target is the operation. */
type Access = AuditEvent<'access.denied' | 'access.read'>

/** Over how long one event tells of all alike. */
export const tallyMilliseconds = 60_000

/**
 * Records an access without an event for each: of one actor, operation and minute the first has an event at once, and
 * {@link tellAccess} tells how many followed. Committed on its own, before the answer leaves: what cannot be recorded
 * is not shown (G-04). `thing`: the id of what it was about.
 * @throws BrokerError unavailable
 */
export async function noteAccess(ctx: Context, reader: Actor, access: Access, thing: string | null = null) {
  const body = bodyOf(reader, access)
  await store.noteAccess(ctx, reader.tenantId, ctx.now(), { operation: access.target.id, thing, body })
}

/** Records that an overseer read what is other people's: `operation` as the API calls it (G-04). */
export const noteRead = (ctx: Context, reader: Actor, operation: string, thing?: string | undefined) =>
  noteAccess(
    ctx,
    reader,
    {
      action: 'access.read',
      outcome: 'ok',
      target: { kind: 'operation', id: operation },
      details: { role: reader.role, ...(thing ? { things: [thing] } : {}) },
    },
    thing,
  )

/**
 * Writes the events of minutes that began at or before `before`: each says how many accesses it stands for, beside the
 * one that had an event of its own.
 */
export async function tellAccess(ctx: Context, tenantId: string, before: Date): Promise<void> {
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    for (const { body, untold, things, minute, lastAt } of await store.takeTallies(tx, tenantId, before)) {
      const { role } = (body as { details: { role: string } }).details
      const details = { role, count: untold, minute: minute.toISOString(), ...(things.length > 0 ? { things } : {}) }
      await store.insertEvent(tx, tenantId, lastAt, { ...body, details })
    }
  })
}
