import { type Origin, programOf, sessionOf } from '../actor.ts'
import type { Context } from '../context.ts'
import { lastResort } from '../log.ts'
import { insertEvent, insertOutbox } from '../store/audit.ts'
import { type Tx, underSavepoint } from '../store/database.ts'
import type { AuditEvent } from './catalogue.ts'

/** The chain of the instance itself: sign-ins and what else precedes a tenant. */
export const instanceTenant = 'instance'

/**
 * One event stays one record, and can be kept: control characters out, length capped (G-05), whole characters only. What
 * was cut may have been half of one, and Postgres takes neither that nor a NUL.
 */
const plain = (text: string) =>
  text
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
    .slice(0, 300)
    .toWellFormed()

/** The same for every text in a value, so that user input never makes an event fail. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return plain(value)
  if (Array.isArray(value)) return value.map(storable)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [plain(name), storable(inner)]))
}

/** What is stored and sealed of an event. */
export const bodyOf = ({ credential, ...origin }: Origin, { action, outcome, target, details }: AuditEvent) =>
  storable({
    action,
    outcome,
    actor: origin.userId,
    session: sessionOf(credential) ?? null,
    ...programOf(credential),
    target: target ?? null,
    address: origin.address ?? null,
    agent: origin.agent ?? null,
    request: origin.requestId ?? null,
    details: details ?? {},
  }) as object

/** Writes an act's event in the act's own transaction; `tx` must already be in `tenantId` (or {@link instanceTenant}). */
export const record = (tx: Tx, tenantId: string, at: Date, origin: Origin, event: AuditEvent): Promise<void> =>
  insertEvent(tx, tenantId, at, bodyOf(origin, event))

/** {@link recordAnyway} for many: in one statement, or one by one where that fails. */
export async function recordAllAnyway(
  ctx: Pick<Context, 'log'>,
  tx: Tx,
  tenantId: string,
  at: Date,
  origin: Origin,
  events: AuditEvent[],
): Promise<void> {
  const all = () => insertEvent(tx, tenantId, at, ...events.map((event) => bodyOf(origin, event)))
  if ((await underSavepoint(tx, all)) === undefined) return
  for (const event of events) await recordAnyway(ctx, tx, tenantId, at, origin, event)
}

/**
 * Records what must happen with or without its event: a revocation never fails for want of one. If the event alone
 * cannot be written it goes to the outbox, from where the tick moves it; if that fails as well, to standard error.
 * Each try has a savepoint of its own, so the act still commits.
 */
export async function recordAnyway(
  { log }: Pick<Context, 'log'>,
  tx: Tx,
  tenantId: string,
  at: Date,
  origin: Origin,
  event: AuditEvent,
): Promise<void> {
  const body = bodyOf(origin, event)
  const refused = await underSavepoint(tx, () => insertEvent(tx, tenantId, at, body))
  if (refused === undefined) return
  log.error({ err: refused, event: event.action, target: event.target }, 'an audit event was written to the outbox')
  const refusedAgain = await underSavepoint(tx, () => insertOutbox(tx, tenantId, at, body))
  if (refusedAgain === undefined) return
  log.error({ err: refusedAgain, event: event.action, alarm: true }, 'an audit event was written to standard error')
  lastResort({ tenant: tenantId, at: at.toISOString(), event: body }, 'an audit event that could not be stored')
}
