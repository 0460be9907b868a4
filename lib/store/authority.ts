import {
  type Caller,
  type Credential,
  type GrantCredential,
  type Permission,
  type Person,
  type Role,
  requirePermission,
  rolesThatMay,
  sessionOf,
  tokenChallenge,
} from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { query, type Tx, transaction } from './database.ts'
import { isStillTrusted } from './trust.ts'

type Store = Pick<Context, 'db' | 'config'>

/** Other members whom an act concerns. They are locked with the caller, in id order, so that two acts cannot deadlock. */
export type Concerned = {
  /** Whose role and status must stay as they are until it commits. */
  share?: string[]
  /** Whom it changes. */
  change?: string[]
  /** It may change who owns the tenant. */
  owners?: boolean
}

/** A member's role and status, as the transaction reads them; who was removed is none. */
export type Standing = { role: Role; status: 'active' | 'suspended' }

/**
 * One change that a member makes. Its transaction begins by locking the members and the session concerned, and by reading
 * role, status and session there: a demotion, suspension, removal or sign-out that committed before is seen, one that
 * comes later waits. `work` gets the actor whom it may trust. A program has no session: its grant is locked, or
 * the entries by which a tenant lets it in.
 * @throws BrokerError unauthenticated where the session is over or refused here, or the token's grant, issuer or client
 *   counts no more or for less; not_found for who is no active member,
 *   forbidden where the role lacks `needs`, insufficient_scope where the credential does; nothing was done then
 */
export const act = <T, C extends Caller>(
  ctx: Store,
  caller: C,
  needs: Permission | (Concerned & { may: Permission }),
  work: (tx: Tx, actor: C & { role: Role }) => Promise<T>,
): Promise<T> => {
  const { may: permission, ...concerned } = typeof needs === 'string' ? { may: needs } : needs
  return actAsPerson(ctx, caller, caller.tenantId, concerned, (tx, member) => {
    // Foreign, unknown and suspended are the same (Z-02, E-04).
    if (member?.status !== 'active') throw new BrokerError('not_found')
    const actor = { ...caller, role: member.role }
    requirePermission(actor, permission)
    return work(tx, actor)
  })
}

/**
 * One change in a tenant by a signed-in person who need not belong to it: founding it, joining it, coming back from an
 * upstream. Otherwise as {@link act}.
 * @throws BrokerError unauthenticated where the session is over or refused here
 */
export const actAsPerson = <T>(
  ctx: Store,
  { userId, credential }: Person,
  tenantId: string,
  { share = [], change = [], owners = false }: Concerned,
  work: (tx: Tx, member: Standing | undefined) => Promise<T>,
): Promise<T> =>
  transaction(ctx, async (tx) => {
    const [begun] = await tx.$queryRaw<{ role: Role | null; status: Standing['status'] | null; live: boolean }[]>`
      SELECT role, status, live FROM vk.act_begin(${tenantId}, ${userId}, ${sessionOf(credential) ?? null},
        ${ctx.config.session.idleSeconds}::double precision, ${share}::text[], ${change}::text[], ${owners})`
    if (!begun || (credential.kind === 'cookie' && !begun.live)) throw notAuthenticated(credential)
    if (credential.kind === 'incoming' && !(await isStillTrusted(tx, tenantId, credential)))
      throw notAuthenticated(credential)
    if ((credential.kind === 'bearer' || credential.kind === 'dpop') && !(await grantStands(tx, tenantId, credential)))
      throw notAuthenticated(credential)
    return work(tx, begun.role && begun.status ? { role: begun.role, status: begun.status } : undefined)
  })

/** What an act that is one statement locks, and asks how it stands: vk.act_hold. */
export const heldBy = ({ config }: Pick<Store, 'config'>, credential: Credential): string => {
  if (credential.kind === 'cookie')
    return JSON.stringify({ session: credential.session, idle: config.session.idleSeconds })
  const { client, scopes } = credential
  const by =
    credential.kind === 'incoming'
      ? { issuer: credential.trustedIssuer, generation: credential.generation }
      : { grant: credential.grant }
  return JSON.stringify({ ...by, client, scopes })
}

/**
 * Asks as {@link act} does whether somebody may act now, for what changes nothing here.
 * @throws BrokerError as act does
 */
export async function requireStanding(
  ctx: Pick<Context, 'pool' | 'config'>,
  { tenantId, userId, credential }: Caller,
  permission: Permission,
): Promise<void> {
  const values = [tenantId, userId, heldBy(ctx, credential), rolesThatMay(credential, permission)]
  const text = 'SELECT vk.act_hold($1, $2, $3, $4) AS refusal'
  const [row] = await query<{ refusal: ActRefusal | null }>(ctx, 'act_hold', text, values)
  if (row?.refusal !== null) throw actRefused(row?.refusal ?? 'forbidden', credential)
}

/** Why an act that is one statement did nothing. */
export type ActRefusal = 'unauthenticated' | 'not_found' | 'forbidden'

export const actRefused = (code: ActRefusal, credential: Credential): BrokerError =>
  code === 'unauthenticated' ? notAuthenticated(credential) : new BrokerError(code)

/** That a credential does not count, or no more. */
export const notAuthenticated = (credential: Credential): BrokerError => {
  if (credential.kind === 'cookie') return new BrokerError('unauthenticated')
  const kind = credential.kind === 'incoming' ? undefined : credential.kind
  return new BrokerError('unauthenticated', { challenge: tokenChallenge(kind) })
}

/** Whether a program's grant still stands, and all of the scopes with it. It stays so until the transaction ends. */
async function grantStands(tx: Tx, tenantId: string, { grant, client, scopes }: GrantCredential): Promise<boolean> {
  const [held] = await tx.$queryRaw<{ scopes: string[] | null }[]>`
    SELECT vk.grant_hold(${tenantId}, ${grant}, ${client}) AS scopes`
  // No scope at all is a grant that stands, too.
  return held?.scopes != null && scopes.every((scope) => held.scopes?.includes(scope))
}
