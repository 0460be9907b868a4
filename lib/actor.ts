import { BrokerError } from './errors.ts'

export type Role = 'owner' | 'admin' | 'member' | 'auditor'

/** What a program may be allowed to do for its person at our own API. Each operation names the one it needs. */
export const scopes = [
  'projects:read',
  'connections:manage',
  'tokens:issue',
  'tokens:revoke',
  'tenant:read',
  'tenant:manage',
  'audit:read',
] as const
export type Scope = (typeof scopes)[number]
/** Of tokens for the gateway of one MCP server (RFC 8707): they count there alone, and ours for the API never do. */
export const gatewayScope = 'mcp:use'
/** What a client may be registered for. A grant is for our API or for one gateway, never for both. */
export const grantScopes = [...scopes, gatewayScope] as const
export type GrantScope = (typeof grantScopes)[number]

/** A browser, by the id of its session. */
export type CookieCredential = { kind: 'cookie'; session: string }
/** A program that a person gave a grant in one tenant, where alone it counts. `key`: thumbprint of the one that it has proven. */
export type GrantCredential = ({ kind: 'bearer' } | { kind: 'dpop'; key: string }) & {
  client: string
  grant: string
  scopes: readonly Scope[]
}
export const grantKind = (key: string | null) =>
  key === null ? ({ kind: 'bearer' } as const) : ({ kind: 'dpop', key } as const)
/**
 * A program that brings its person's access token from an issuer that one tenant trusts, and counts there alone. By the ids of
 * the tenant's entries, and how the issuer's stood. The scopes are those of the tenant's entry; the token has none here.
 */
export type IncomingCredential = {
  kind: 'incoming'
  client: string
  trustedIssuer: string
  generation: number
  scopes: readonly Scope[]
}
export type TokenCredential = GrantCredential | IncomingCredential
/** What proves who calls. */
export type Credential = CookieCredential | TokenCredential

export const sessionOf = (credential: Credential | undefined): string | undefined =>
  credential?.kind === 'cookie' ? credential.session : undefined

/** Through which program somebody acts, and by which grant or which issuer's token. */
export function programOf(credential: Credential | undefined) {
  if (!credential || credential.kind === 'cookie') return undefined
  const { client } = credential
  return credential.kind === 'incoming'
    ? { client, trusted_issuer: credential.trustedIssuer }
    : { client, grant: credential.grant }
}

/** A person's place in one tenant. */
export type Membership = {
  tenantId: string
  slug: string
  name: string
  role: Role
  status: 'active' | 'suspended' | 'removed'
  /** The tenant no longer accepts this session: its person was suspended or removed there. */
  refused: boolean
}

/** What the statement that found a credential has also told, as of that moment: all places of its person, or the one in a tenant. */
export type KnownPlaces = { of: 'all' | { slug: string }; memberships: readonly Membership[] }

/** Who calls, as the edge has authenticated them. */
export type Principal<C extends Credential = Credential> = {
  credential: C
  userId: string
  issuer: string
  subject: string
  name: string
  email: string | null
  /** Runs the instance: vouched for by its own issuer and named in configuration. */
  operator: boolean
  /** When the person last proved to the issuer who they are; long ago where that is not known. */
  authTime: Date
  /** When the credential was made, and when it ends whatever happens. */
  createdAt: Date
  expiresAt: Date
  /** Of this one request; left out: whoever needs them asks. */
  places?: KnownPlaces | undefined
}

/** How long a sign-in counts as recent. */
const recentSeconds = 600

/** Until when somebody may do what needs a recent sign-in. */
export const confirmedUntil = ({ authTime }: Pick<Principal, 'authTime'>): Date =>
  new Date(authTime.getTime() + recentSeconds * 1000)

/** Tells whose a token is that a request presents; undefined: no token of its own, or no longer one. */
export type Authenticator = (presented: {
  kind: GrantCredential['kind']
  token: string
  request: Request
}) => Promise<Principal<TokenCredential> | undefined>

/** Who did something and from where, for the audit trail. People are named by id, so an erasure breaks no hash. */
export type Origin = {
  userId: string | null
  credential?: Credential | undefined
  address?: string | undefined
  agent?: string | undefined
  requestId?: string | undefined
}

/** A person who calls. */
export type Person<C extends Credential = Credential> = Origin & { userId: string; credential: C }

/** A person who asks for something in a tenant. What they may do is read in the act's own transaction. */
export type Caller<C extends Credential = Credential> = Person<C> & { tenantId: string }

/**
 * A person in one tenant with their role: what use cases take as their second argument. The one that an edge makes says
 * how things stood when the request began, which is enough to read; the one that {@link import('./store/authority.ts').act}
 * hands to a change is read under lock.
 */
export type Actor<C extends Credential = Credential> = Caller<C> & { slug: string; role: Role }

/** What a role may do. Auditors read everything and change nothing. */
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

/** A role, and what it is used through; a role that is looked at by itself has no credential. */
type Holder = Pick<Actor, 'role'> & { credential?: Credential | undefined }

/** What a program needs, beside the scope of the operation, to use its person's rights over what is other people's. */
const scopeOver: Partial<Record<Permission, Scope>> = { oversee: 'tenant:read', administer: 'tenant:manage' }

/** The scopes without which a program cannot do what needs `permission` and `scope`. */
export const scopesFor = (permission: Permission, scope: Scope): Scope[] => {
  const over = scopeOver[permission]
  return over && over !== scope ? [scope, over] : [scope]
}

const holds = (credential: Credential | undefined, scope: Scope | undefined): boolean =>
  scope === undefined || !credential || credential.kind === 'cookie' || credential.scopes.includes(scope)

const hasRole = ({ role }: Holder, permission: Permission) =>
  (permissions[permission] as readonly Role[]).includes(role)

/** The permissions of the role, cut by the scopes of the credential. */
export const may = (actor: Holder, permission: Permission): boolean =>
  hasRole(actor, permission) && holds(actor.credential, scopeOver[permission])

/** In which roles somebody may who acts through this credential. */
export const rolesThatMay = (credential: Credential, permission: Permission): Role[] =>
  permissions[permission].filter((role) => may({ role, credential }, permission))

/** Whether somebody with `role` may give a member this one, or take it away: only owners make and unmake owners. */
export const mayGrant = (actor: Holder, role: Role) =>
  may(actor, 'administer') && (role !== 'owner' || actor.role === 'owner')

/**
 * Whose things alone a look-up may find: the actor's own, or with `permission` everybody's. It belongs into the query
 * itself, so that what is another's takes exactly as long as what is not there (Z-02, E-04).
 */
export const ownUnless = (actor: Holder & Pick<Actor, 'userId'>, permission: Permission): string | undefined =>
  may(actor, permission) ? undefined : actor.userId

/** @throws BrokerError forbidden where the role does not allow it, insufficient_scope where the credential does not */
export function requirePermission(actor: Holder, permission: Permission): void {
  if (!hasRole(actor, permission)) throw new BrokerError('forbidden')
  requireScope(actor, scopeOver[permission])
}

/** The challenge of RFC 6750 section 3.1, and RFC 9449 section 7.1, for a token that does not count. */
export const tokenChallenge = (kind: GrantCredential['kind'] = 'bearer', error = 'invalid_token') =>
  `${kind === 'dpop' ? 'DPoP' : 'Bearer'} realm="valetkey", error="${error}"`

/** A browser has every scope. @throws BrokerError insufficient_scope, with the challenge of RFC 6750 section 3.1 */
export function requireScope({ credential }: { credential?: Credential | undefined }, scope: Scope | undefined): void {
  if (holds(credential, scope)) return
  const scheme = credential?.kind === 'dpop' ? 'DPoP' : 'Bearer'
  throw new BrokerError('insufficient_scope', {
    detail: `It needs the scope ${scope}.`,
    challenge: `${scheme} realm="valetkey", error="insufficient_scope", scope="${scope}"`,
  })
}
