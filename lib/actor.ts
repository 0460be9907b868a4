import { BrokerError } from './errors.ts'

export type Role = 'owner' | 'admin' | 'member' | 'auditor'

/** Who did something and from where, for the audit trail. People are named by id, so an erasure breaks no hash. */
export type Origin = {
  userId: string | null
  sessionId?: string | undefined
  address?: string | undefined
  agent?: string | undefined
  requestId?: string | undefined
}

/** A signed-in person. */
export type Person = Origin & { userId: string; sessionId: string }

/** A signed-in person who asks for something in a tenant. What they may do is read in the act's own transaction. */
export type Caller = Person & { tenantId: string }

/**
 * A person in one tenant with their role: what use cases take as their second argument. The one that an edge makes says
 * how things stood when the request began, which is enough to read; the one that {@link import('./store/authority.ts').act}
 * hands to a change is read under lock.
 */
export type Actor = Caller & { slug: string; role: Role }

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

/** Whether somebody with `role` may give a member this one, or take it away: only owners make and unmake owners. */
export const mayGrant = (actor: Pick<Actor, 'role'>, role: Role) =>
  may(actor, 'administer') && (role !== 'owner' || actor.role === 'owner')

/**
 * Whose things alone a look-up may find: the actor's own, or with `permission` everybody's. It belongs into the query
 * itself, so that what is another's takes exactly as long as what is not there (Z-02, E-04).
 */
export const ownUnless = (actor: Pick<Actor, 'userId' | 'role'>, permission: Permission): string | undefined =>
  may(actor, permission) ? undefined : actor.userId

/** @throws BrokerError forbidden */
export function requirePermission(actor: Pick<Actor, 'role'>, permission: Permission): void {
  if (!may(actor, permission)) throw new BrokerError('forbidden')
}
