import type { Role } from '../actor.ts'
import type { Prisma, ReadTx, Tx } from './database.ts'

/** Who may say what is allowed, the widest first. */
export type PolicyLevel = 'tenant' | 'provider' | 'project' | 'person'
export type PolicyPlace = { level: PolicyLevel; targetId: string }

/** What becomes of a token that its upstream lets live longer than is allowed. */
export const overLives = ['refuse', 'revoke_at_end'] as const
export type OverLife = (typeof overLives)[number]

/** What one level says; null: nothing. */
export type PolicyRow = PolicyPlace & {
  maxLifetimeSeconds: number | null
  overLife: OverLife | null
  maxTokens: number | null
  strategies: string[] | null
  linkRoles: Role[] | null
  issueRoles: Role[] | null
  /** In the words of the provider's kind. */
  rights: Prisma.JsonValue | null
  impersonation: Impersonation | null
}

/** How members let devices in (RFC 8628): by typing the code, also by a link that brings it, or not at all. */
export const deviceFlows = ['typed', 'one_click', 'off'] as const
export type DeviceFlow = (typeof deviceFlows)[number]

/**
 * Which programs that nobody registered members may let in at gateways, by where their answers go: none, those at the member's own
 * computer, or any.
 */
export const clientDocuments = ['off', 'this_computer', 'anywhere'] as const
export type ClientDocuments = (typeof clientDocuments)[number]

/** Whom members may become upstream: usernames there by the id of the member. */
export type Impersonation = Record<string, string[]>

/** What the named places say, the widest first. Not by Prisma's own read, to which no list and an empty one are the same. */
export const findPolicies = (tx: ReadTx, tenantId: string, places: PolicyPlace[]): Promise<PolicyRow[]> =>
  tx.$queryRaw`
    SELECT p.level, p.target_id AS "targetId", p.max_lifetime_seconds AS "maxLifetimeSeconds", p.over_life AS "overLife",
      p.max_tokens AS "maxTokens", p.strategies, p.link_roles AS "linkRoles", p.issue_roles AS "issueRoles", p.rights, p.impersonation
    FROM policy p JOIN unnest(${places.map(({ level }) => level)}::text[], ${places.map(({ targetId }) => targetId)}::text[])
      AS w (level, target_id) ON p.level = w.level AND p.target_id = w.target_id
    WHERE p.tenant_id = ${tenantId}
    ORDER BY array_position(ARRAY['tenant', 'provider', 'project', 'person'], p.level)`

/** What applies to a person at a project, the widest first: vk.policies_at. `projectId` is absent where it is not known yet. */
export const policiesAt = (
  tx: ReadTx,
  tenantId: string,
  { providerId, projectId, userId }: { providerId: string; projectId?: string | undefined; userId: string },
): Promise<PolicyRow[]> =>
  tx.$queryRaw`
    SELECT level, target_id AS "targetId", max_lifetime_seconds AS "maxLifetimeSeconds", over_life AS "overLife",
      max_tokens AS "maxTokens", strategies, link_roles AS "linkRoles", issue_roles AS "issueRoles", rights, impersonation
    FROM vk.policies_at(${tenantId}, ${providerId}, ${projectId ?? null}, ${userId})`

/** Sets the longest life that a place allows; null: it says nothing. */
export const putLongestLife = async (
  tx: Tx,
  tenantId: string,
  { level, targetId }: PolicyPlace,
  maxLifetimeSeconds: number | null,
): Promise<void> => {
  await tx.$executeRaw`
    INSERT INTO policy (tenant_id, level, target_id, max_lifetime_seconds)
    VALUES (${tenantId}, ${level}, ${targetId}, ${maxLifetimeSeconds}::int)
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET max_lifetime_seconds = excluded.max_lifetime_seconds`
}

/** Sets what a place says of tokens that live longer upstream than is allowed; null: it says nothing. */
export const putOverLife = async (
  tx: Tx,
  tenantId: string,
  { level, targetId }: PolicyPlace,
  overLife: OverLife | null,
): Promise<void> => {
  await tx.$executeRaw`
    INSERT INTO policy (tenant_id, level, target_id, over_life) VALUES (${tenantId}, ${level}, ${targetId}, ${overLife})
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET over_life = excluded.over_life`
}

/** What the tenant says of devices; null: nothing. */
export async function findDeviceFlow(tx: ReadTx, tenantId: string): Promise<DeviceFlow | null> {
  const row = await tx.policy.findUnique({
    where: { tenantId_level_targetId: { tenantId, level: 'tenant', targetId: tenantId } },
    select: { deviceFlow: true },
  })
  return (row?.deviceFlow ?? null) as DeviceFlow | null
}

export const putDeviceFlow = async (tx: Tx, tenantId: string, deviceFlow: DeviceFlow): Promise<void> => {
  await tx.$executeRaw`
    INSERT INTO policy (tenant_id, level, target_id, device_flow) VALUES (${tenantId}, 'tenant', ${tenantId}, ${deviceFlow})
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET device_flow = excluded.device_flow`
}

/** What the tenant says of programs that nobody registered; null: nothing. */
export async function findClientDocuments(tx: ReadTx, tenantId: string): Promise<ClientDocuments | null> {
  const row = await tx.policy.findUnique({
    where: { tenantId_level_targetId: { tenantId, level: 'tenant', targetId: tenantId } },
    select: { clientDocuments: true },
  })
  return (row?.clientDocuments ?? null) as ClientDocuments | null
}

export const putClientDocuments = async (tx: Tx, tenantId: string, which: ClientDocuments): Promise<void> => {
  await tx.$executeRaw`
    INSERT INTO policy (tenant_id, level, target_id, client_documents) VALUES (${tenantId}, 'tenant', ${tenantId}, ${which})
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET client_documents = excluded.client_documents`
}

/** Sets whom members may become at a provider's upstream; null: nobody anybody. */
export const putImpersonation = async (
  tx: Tx,
  tenantId: string,
  providerId: string,
  impersonation: Impersonation | null,
): Promise<void> => {
  const stated = impersonation && JSON.stringify(impersonation)
  await tx.$executeRaw`
    INSERT INTO policy (tenant_id, level, target_id, impersonation)
    VALUES (${tenantId}, 'provider', ${providerId}, ${stated}::jsonb)
    ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET impersonation = excluded.impersonation`
}

/** Forgets whom somebody might become: who comes back has to be named again. */
export const forgetImpersonation = async (tx: Tx, tenantId: string, userId: string): Promise<void> => {
  await tx.$executeRaw`
    UPDATE policy SET impersonation = impersonation - ${userId}
    WHERE tenant_id = ${tenantId} AND level = 'provider' AND impersonation ? ${userId}`
}
