import type { Origin } from '../audit/record.ts'
import { BrokerError } from '../errors.ts'
import type { Role } from '../store/lookups.ts'

/** A signed-in person inside one tenant: what use cases take as their second argument. Made by lib/http only. */
export type Actor = Origin & {
  userId: string
  sessionId: string
  tenantId: string
  slug: string
  role: Role
}

/** What a role may do. Auditors read everything and change nothing (product.md, Words). */
export const permissions = {
  /** Link, issue, revoke own. */
  work: ['owner', 'admin', 'member'],
  /** See other people's connections and tokens. */
  oversee: ['owner', 'admin', 'auditor'],
  /** Revoke other people's things, configure providers, invite. */
  administer: ['owner', 'admin'],
  /** Everybody in the tenant. */
  read: ['owner', 'admin', 'member', 'auditor'],
} as const satisfies Record<string, readonly Role[]>

export type Permission = keyof typeof permissions

export const may = (actor: Pick<Actor, 'role'>, permission: Permission) =>
  (permissions[permission] as readonly Role[]).includes(actor.role)

/** @throws BrokerError forbidden */
export function requirePermission(actor: Pick<Actor, 'role'>, permission: Permission): void {
  if (!may(actor, permission)) throw new BrokerError('forbidden')
}
