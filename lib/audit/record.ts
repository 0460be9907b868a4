import type { Origin } from '../actor.ts'
import { insertEvent } from '../store/audit.ts'
import type { Tx } from '../store/database.ts'

/** The chain of the instance itself: sign-ins and what else precedes a tenant. */
export const instanceTenant = 'instance'

export type AuditAction =
  | 'signin.succeeded'
  | 'signin.failed'
  | 'signin.ended'
  | 'tenant.created'
  | 'member.added'
  | 'member.changed'
  | 'member.removed'
  | 'member.left'
  | 'invitation.created'
  | 'invitation.withdrawn'
  | 'provider.created'
  | 'provider.changed'
  | 'project.renamed'
  | 'link.started'
  | 'link.completed'
  | 'link.failed'
  | 'connection.changed'
  | 'connection.frozen'
  | 'connection.unfrozen'
  | 'refresh.succeeded'
  | 'refresh.failed'
  | 'token.requested'
  | 'token.issued'
  | 'token.failed'
  | 'token.revoked'
  | 'connection.revoked'
  | 'revocation.finished'
  | 'audit.exported'
  | 'webhook.created'
  | 'webhook.changed'
  | 'webhook.deleted'
  | 'webhook.tested'
  | 'access.denied'
  | 'access.read'
  | 'keys.rotated'
  | 'keys.retired'
  | 'secret.accepted'
  | 'tenant.shredded'

export type AuditEvent = {
  action: AuditAction
  outcome: 'ok' | 'refused' | 'failed'
  /** Kind and id of what it was done to. */
  target?: { kind: string; id: string } | undefined
  /** Facts that help to understand the act: codes, counts, ids; never a secret, never free text from outside unbounded. */
  details?: Record<string, string | number | boolean | null | string[]> | undefined
}

/** One event stays one record: control characters out, length capped (G-05). */
const plain = (text: string) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ').slice(0, 300)

/** Writes an act's event in the act's own transaction; `tx` must already be in `tenantId` (or {@link instanceTenant}). */
export const record = (tx: Tx, tenantId: string, at: Date, origin: Origin, event: AuditEvent): Promise<void> =>
  insertEvent(tx, tenantId, at, bodyOf(origin, event))

/** What is stored and sealed of an event. */
export function bodyOf(origin: Origin, event: AuditEvent) {
  const details = Object.fromEntries(
    Object.entries(event.details ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? plain(value) : value,
    ]),
  )
  return {
    action: event.action,
    outcome: event.outcome,
    actor: origin.userId,
    session: origin.sessionId ?? null,
    target: event.target ?? null,
    address: origin.address ?? null,
    agent: origin.agent ? plain(origin.agent) : null,
    request: origin.requestId ?? null,
    details,
  }
}
