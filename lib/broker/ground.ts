import { type Actor, type Role, requirePermission, rolesThatMay } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { notAuthenticated } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import type { Ceilings } from '../store/grants.ts'
import { findGround, type IssueGround, type IssueProject, type ProjectNamed } from '../store/issuing.ts'
import type { ProviderFacts } from '../store/providers.ts'
import type { TokenRow } from '../store/tokens.ts'
import { type Policy, policyOf } from '../tenancy/policy.ts'
import { refuseFrozen } from './freezes.ts'

export const byThemselves = { clientId: null, grantId: null }

/** Through which of our own clients, and by which grant, an issue is asked for; a token keeps both. */
export const programHeld = ({ credential }: Actor): Pick<TokenRow, 'clientId' | 'grantId'> =>
  credential.kind === 'bearer' || credential.kind === 'dpop'
    ? { clientId: credential.client, grantId: credential.grant }
    : byThemselves

export type Ground = Omit<IssueGround, 'role' | 'project' | 'provider' | 'ceilings' | 'generations'> & {
  role: Role
  project: IssueProject
  provider: ProviderFacts
  /** Undefined: nothing beside policy limits who asks, who is the person themselves or comes from an issuer that the tenant trusts. */
  ceilings: Ceilings | undefined
  generations: number[]
  policy: Policy
}

/**
 * What an issue stands on: the project, the member's own usable connection to it if it needs one (null: an audience of the tenant's
 * own, which nobody links), and what is allowed there.
 * @throws BrokerError not_found, invalid_target for an audience that is not there, forbidden, unauthenticated where the grant is gone,
 *   not_linked, needs_relink, frozen
 */
export async function ground(ctx: Context, actor: Actor, named: ProjectNamed): Promise<Ground> {
  const { tenantId, userId, credential } = actor
  const program = programHeld(actor)
  const asked = { tenantId, userId, ...program, project: named, overseers: rolesThatMay(credential, 'oversee') }
  const found = await findGround(ctx, asked)
  const { role, project, provider, connection, generations } = found
  // Foreign, unknown and suspended are the same (Z-02, E-04).
  if (!role || found.status !== 'active') throw new BrokerError('not_found')
  requirePermission({ ...actor, role }, 'work')
  const ceilings = found.ceilings ?? undefined
  if (program.grantId && !ceilings) throw notAuthenticated(credential)
  // What only others have linked does not exist for a member (LK-03).
  if (!project || !provider) throw new BrokerError(typeof named === 'string' ? 'not_found' : 'invalid_target')
  if (!connection && project.settings === null) throw new BrokerError('not_linked')
  const question = { userId, providerId: provider.id, connectionId: connection?.id, projectIds: [project.id] }
  if (found.frozen) await readTenant(ctx, tenantId, (tx) => refuseFrozen(tx, tenantId, question))
  if (connection?.status === 'revoked') throw new BrokerError('not_linked')
  if (connection?.status === 'needs_relink') throw new BrokerError('needs_relink')
  if (!generations) throw new BrokerError('not_found')
  return { ...found, role, project, provider, ceilings, generations, policy: policyOf(found.policies, userId) }
}
