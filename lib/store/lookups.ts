import { type Membership, type Person, type Principal, type Role, sessionOf } from '../actor.ts'
import type { Context } from '../context.ts'
import { query } from './database.ts'

/** The look-ups that precede the tenant: SECURITY DEFINER functions that show these columns and nothing else. */
type Store = Pick<Context, 'pool' | 'config'>

type Whose = Pick<Person, 'userId' | 'credential'> & Pick<Principal, 'places'>

const columns = 'tenant_id AS "tenantId", slug, name, role, status, refused'

/** Every tenant of a person, suspended memberships included. */
export async function tenantsOf(ctx: Store, whose: Whose): Promise<readonly Membership[]> {
  if (whose.places?.of === 'all') return whose.places.memberships
  const text = `SELECT ${columns} FROM lookup.memberships($1, $2) WHERE status <> 'removed'`
  return query<Membership>(ctx, 'tenants_of', text, parametersOf(whose))
}

/** The function is STRICT; no session has the empty id, and no tenant refuses it. */
const parametersOf = ({ userId, credential }: Whose) => [userId, sessionOf(credential) ?? '']

/** A person's membership in the tenant with this slug; undefined for a foreign tenant and for none alike. */
export async function membership(ctx: Store, whose: Whose, slug: string): Promise<Membership | undefined> {
  const known = whose.places
  if (known && (known.of === 'all' || known.of.slug === slug)) return known.memberships.find((one) => one.slug === slug)
  const text = `SELECT ${columns} FROM lookup.memberships($1, $2) WHERE slug = $3 AND status <> 'removed'`
  return (await query<Membership>(ctx, 'membership', text, [...parametersOf(whose), slug]))[0]
}

export async function tenantIds(ctx: Store): Promise<string[]> {
  return (await query<{ id: string }>(ctx, 'tenant_ids', 'SELECT lookup.tenant_ids() AS id', [])).map((row) => row.id)
}

export async function tenantBySlug(ctx: Store, slug: string): Promise<string | undefined> {
  const [row] = await query<{ id: string | null }>(ctx, 'tenant_by_slug', 'SELECT lookup.tenant_by_slug($1) AS id', [
    slug,
  ])
  return row?.id ?? undefined
}

/** Whether some tenant lets in programs that nobody registered. */
export async function documentsAllowed(ctx: Store): Promise<boolean> {
  const text = 'SELECT lookup.documents_allowed() AS allowed'
  return (await query<{ allowed: boolean }>(ctx, 'documents_allowed', text, []))[0]?.allowed ?? false
}

type Place = { tenantId: string; id: string }

export async function attemptByState(ctx: Store, stateHash: Uint8Array): Promise<Place | undefined> {
  const text = 'SELECT tenant_id AS "tenantId", id FROM lookup.attempt_by_state($1)'
  return (await query<Place>(ctx, 'attempt_by_state', text, [Buffer.from(stateHash)]))[0]
}

export async function invitationByHash(ctx: Store, tokenHash: Uint8Array): Promise<Place | undefined> {
  const text = 'SELECT tenant_id AS "tenantId", id FROM lookup.invitation_by_hash($1)'
  return (await query<Place>(ctx, 'invitation_by_hash', text, [Buffer.from(tokenHash)]))[0]
}

/** What an invitation is for, and what decides whether it stands. Of its maker: the role and status that they have now. */
export type InvitationFacts = {
  tenantName: string
  role: Role
  expiresAt: Date
  used: boolean
  makerRole: Role | null
  makerStatus: Membership['status'] | null
}

export async function invitationFacts(ctx: Store, tokenHash: Uint8Array): Promise<InvitationFacts | undefined> {
  const text = `SELECT tenant_name AS "tenantName", role, expires_at AS "expiresAt", used, maker_role AS "makerRole",
    maker_status AS "makerStatus" FROM lookup.invitation_preview($1)`
  return (await query<InvitationFacts>(ctx, 'invitation_preview', text, [Buffer.from(tokenHash)]))[0]
}

export const dueRevocations = (ctx: Store, now: Date, limit: number) =>
  query<Place>(ctx, 'due_revocations', 'SELECT tenant_id AS "tenantId", id FROM lookup.due_revocations($1, $2)', [
    now,
    limit,
  ])

/** Upstreams with a connection that is due for a renewal. */
export const dueUpstreams = (ctx: Store) =>
  query<{ tenantId: string; providerId: string }>(
    ctx,
    'due_upstreams',
    'SELECT tenant_id AS "tenantId", provider_id AS "providerId" FROM lookup.due_upstreams()',
    [],
  )

/** A rotation whose holder is gone; `seconds` since it was begun. */
export type Interrupted = Place & { providerId: string; seconds: number }

/** Rotations begun within `withinSeconds` whose holder is gone: a few of each upstream, upstreams in turn. */
export const interruptedRotations = (ctx: Store, withinSeconds: number, limit: number) =>
  query<Interrupted>(
    ctx,
    'interrupted_rotations',
    'SELECT tenant_id AS "tenantId", id, provider_id AS "providerId", seconds FROM lookup.interrupted(make_interval(secs => $1), $2)',
    [withinSeconds, limit],
  )

export const staleIssuing = (ctx: Store, before: Date, now: Date, limit: number) =>
  query<Place>(ctx, 'stale_issuing', 'SELECT tenant_id AS "tenantId", id FROM lookup.stale_issuing($1, $2, $3)', [
    before,
    now,
    limit,
  ])

/** Providers, of any tenant, whose upstream goes by this issuer and knows one of these clients. */
export const providersAt = (ctx: Store, issuer: string, clients: string[]) =>
  query<Place>(ctx, 'providers_at', 'SELECT tenant_id AS "tenantId", id FROM lookup.providers_at($1, $2)', [
    issuer,
    clients,
  ])

/** Public keys that a provider's client signs with; undefined: it signs with none. */
export async function clientKeys(ctx: Store, providerId: string): Promise<Record<string, unknown>[] | undefined> {
  const text = 'SELECT lookup.client_keys($1) AS keys'
  const [row] = await query<{ keys: Record<string, unknown>[] | null }>(ctx, 'client_keys', text, [providerId])
  return row?.keys ?? undefined
}

/** The tenant of a provider whose client id is the address of a document of ours. */
export async function clientDocumentTenant(ctx: Store, providerId: string): Promise<string | undefined> {
  const text = 'SELECT lookup.client_document($1) AS tenant'
  return (await query<{ tenant: string | null }>(ctx, 'client_document', text, [providerId]))[0]?.tenant ?? undefined
}

/** Clients that are to be taken back. */
export const dueRegistrations = (ctx: Store, now: Date, limit: number) =>
  query<Place>(ctx, 'due_registrations', 'SELECT tenant_id AS "tenantId", id FROM lookup.due_registrations($1, $2)', [
    now,
    limit,
  ])

/** Tokens whose asked end has come before their own. */
export const dueEnds = (ctx: Store, now: Date, limit: number) =>
  query<Place>(ctx, 'due_ends', 'SELECT tenant_id AS "tenantId", id FROM lookup.due_ends($1, $2)', [now, limit])

/** Providers whose daily check is due, or that are not on the schedule yet: a few of each tenant, tenants in turn. */
export const dueChecks = (ctx: Store, now: Date, limit: number) =>
  query<Place>(ctx, 'due_checks', 'SELECT tenant_id AS "tenantId", id FROM lookup.due_checks($1, $2)', [now, limit])

/** Messages to webhooks that are due: a few of each webhook, webhooks in turn. */
export const dueDeliveries = (ctx: Store, now: Date, limit: number) =>
  query<Place & { webhookId: string }>(
    ctx,
    'due_deliveries',
    'SELECT tenant_id AS "tenantId", id, webhook_id AS "webhookId" FROM lookup.due_deliveries($1, $2)',
    [now, limit],
  )

/** Tenants with tallies of reads whose minute began at or before `before`. */
export async function tallyTenants(ctx: Store, before: Date): Promise<string[]> {
  const text = 'SELECT lookup.tally_tenants($1) AS id'
  return (await query<{ id: string }>(ctx, 'tally_tenants', text, [before])).map((row) => row.id)
}

export async function outboxTenants(ctx: Store): Promise<string[]> {
  return (await query<{ id: string }>(ctx, 'outbox_tenants', 'SELECT lookup.outbox_tenants() AS id', [])).map(
    (row) => row.id,
  )
}
