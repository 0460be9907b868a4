import { type Actor, may } from '../actor.ts'
import type { Context } from '../context.ts'
import { listEvents } from '../store/audit.ts'
import { readTenant } from '../store/database.ts'
import { noteRead } from './access.ts'
import type { AuditAction } from './catalogue.ts'

export type AuditView = {
  id: string
  at: Date
  action: AuditAction
  outcome: 'ok' | 'refused' | 'failed'
  /** Null: the product itself. */
  actorId: string | null
  target: { kind: string; id: string } | null
  address: string | null
  agent: string | null
  requestId: string | null
  details: Record<string, unknown>
}

type Body = {
  action: AuditAction
  outcome: AuditView['outcome']
  actor: string | null
  target: AuditView['target']
  address: string | null
  agent: string | null
  request: string | null
  details: Record<string, unknown> | null
}

export function toAuditView({ id, at, body }: { id: string; at: Date; body: unknown }): AuditView {
  // Written by audit/record.ts and by nothing else; the app role cannot change it afterwards.
  const { action, outcome, actor, target, address, agent, request, details } = body as Body
  return {
    id,
    at,
    action,
    outcome,
    actorId: actor,
    target,
    address: address ?? null,
    agent: agent ?? null,
    requestId: request ?? null,
    details: details ?? {},
  }
}

const pageSize = 50

/** The tenant's events, newest first: everybody's for who oversees it, one's own for members. */
export async function activity(
  ctx: Context,
  actor: Actor,
  { before }: { before?: string | undefined } = {},
): Promise<{ items: AuditView[]; next: string | null }> {
  const everybody = may(actor, 'oversee')
  const own = everybody ? {} : { actor: actor.userId }
  const rows = await readTenant(ctx, actor.tenantId, (tx) =>
    listEvents(tx, actor.tenantId, { ...own, before, take: pageSize + 1 }),
  )
  if (everybody) await noteRead(ctx, actor, 'listAuditEvents')
  const items = rows.slice(0, pageSize).map(toAuditView)
  return { items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}
