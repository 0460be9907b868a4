import { expect } from 'vitest'
import { type Permission, type Scope, scopesFor } from '../../lib/actor.ts'
import type { AuditAction } from '../../lib/audit/catalogue.ts'
import type { Operation } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import type { Answer, TestApp } from './app.ts'
import type { Receiver } from './receiver.ts'
import { bodiesFor, type Things } from './things.ts'

/** What somebody has to be known for. */
export const guarded = operations.filter(
  ({ permission, path }) => permission !== 'public' && path.startsWith('/api/v1/'),
)
export const forPrograms = guarded.filter(({ scope }) => scope !== 'cookie only')
export const forBrowsers = guarded.filter(({ scope }) => scope === 'cookie only')

/** The scopes that a program needs, and no more. */
export const neededBy = ({ permission, scope }: Operation): Scope[] =>
  permission === 'session' ? [scope as Scope] : scopesFor(permission as Permission, scope as Scope)

/** What changes nothing first, then in an order in which nothing takes away what the next one needs. */
const order =
  'issueToken makeComponentUrl readScopes checkLastUse renewConnection changeConnection changeProject createFreeze deleteFreeze freezeConnection unfreezeConnection retryRevocation retryAllRevocations recordRevocation revoke endMemberSession revokeEverything removeMember'.split(
    ' ',
  )
export const inOrder = (list: readonly Operation[]) =>
  [...list].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id))

/** What a GET cannot be asked without. */
export const queries: Record<string, string> = { previewRevocation: '?kind=tokens' }

/** A program that revokes connections as well needs another scope, which has a test of its own. */
export const bodyFor = ({ id }: Operation, things: Things, receiver: Receiver): unknown =>
  id === 'revoke' ? { tokens: [things.token] } : (bodiesFor(things, receiver)[id] ?? {})

type Event = {
  action: AuditAction
  session: string | null
  client?: string
  grant?: string
  trusted_issuer?: string
}

/** What an answer left in the trail, by its request. */
export const eventsOf = async (app: TestApp, { headers }: Answer, tenant = 'acme'): Promise<Event[]> =>
  (
    await app.rows(tenant, `SELECT body FROM audit_event WHERE body->>'request' = $1 ORDER BY id`, [
      headers.get('x-request-id'),
    ])
  ).map(({ body }) => body as Event)

export const declaredBy = ({ audit }: Operation): readonly string[] => (typeof audit === 'string' ? [audit] : audit)

/** The operation recorded something, and nothing that it does not declare. */
export function expectDeclared(operation: Operation, events: { action: AuditAction }[]) {
  const declared = declaredBy(operation)
  for (const { action } of events) expect(declared, `${operation.id} recorded ${action}`).toContain(action)
  // Reading one's own is recorded for nobody; a refresh is the connection's own event, not the caller's.
  const mustRecord = declared.some((one) => one !== 'none' && one !== 'access.read' && !one.startsWith('refresh.'))
  if (mustRecord) expect(events.length, `${operation.id} recorded nothing`).toBeGreaterThan(0)
}
