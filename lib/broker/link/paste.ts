import { type Actor, type CookieCredential, requirePermission } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError, isBrokerError } from '../../errors.ts'
import { isUpstreamError, type LinkedGrant } from '../../providers/provider.ts'
import type { Secret } from '../../security/secrets.ts'
import { act } from '../../store/authority.ts'
import { usable } from '../../store/connection-states.ts'
import {
  type ConnectionRow,
  findConnection,
  lockConnection,
  scheduleRotation,
  updateConnection,
} from '../../store/connections.ts'
import { readTenant, type Tx } from '../../store/database.ts'
import { findProvider } from '../../store/providers.ts'
import { effectivePolicy, refuseLink } from '../../tenancy/policy.ts'
import { vaultOf } from '../../vault/keys.ts'
import { refuseFrozen } from '../freezes.ts'
import { isToRotate, renew } from '../refresh/refresh.ts'
import { asBrokerError, openProvider } from '../upstream.ts'
import { habitsOf } from './complete.ts'
import { refusePasting, storeGrant } from './store-grant.ts'

export type PasteToken = {
  providerId: string
  token: Secret
  /** What scripts will call the project; made from its name where none is given. */
  alias?: string | undefined
  /** The connection that it is for: another project is refused. */
  connectionId?: string | undefined
}

/**
 * Makes a connection of a token that its owner has at the upstream already (docs/decisions/0107). The upstream is asked about it
 * first, and nothing is stored of one that it does not take.
 * @throws BrokerError paste_not_allowed, token_not_taken, already_linked, another_project, alias_taken, frozen, over_policy, not_found
 */
export async function pasteToken(
  ctx: Context,
  actor: Actor<CookieCredential>,
  { providerId, token, alias, connectionId }: PasteToken,
): Promise<{ connectionId: string; projectId: string }> {
  requirePermission(actor, 'work')
  const { tenantId, userId } = actor
  const vault = await vaultOf(ctx, tenantId)
  const row = await readTenant(ctx, tenantId, async (tx) => {
    const connection = connectionId ? await findConnection(tx, tenantId, connectionId, userId) : null
    // Whose it is comes first: what else is named makes no difference then (E-04).
    if (connectionId && connection?.providerId !== providerId) throw new BrokerError('not_found')
    const row = await findProvider(tx, tenantId, providerId)
    if (!row) throw new BrokerError('not_found')
    refusePasting(row)
    await refuseFrozen(tx, tenantId, { ...actor, providerId, connectionId })
    refuseLink(await effectivePolicy(tx, { ...actor, providerId }), actor.role)
    return row
  })
  const provider = await openProvider(ctx, vault, row)
  if (!provider.paste) throw new BrokerError('paste_not_allowed')
  const came = (outcome: string) => ctx.metrics.links.inc({ kind: row.kind, purpose: 'paste', outcome })
  const grant: LinkedGrant = await provider.paste({ token }).catch((error: unknown) => {
    const known = asRefusal(error)
    came(isBrokerError(known) ? known.code : 'internal')
    throw known
  })
  const kept = await storeGrant(ctx, vault, {
    attempt: {
      id: null,
      flow: null,
      tenantId,
      userId,
      providerId,
      connectionId: connectionId ?? null,
      status: 'pending',
      scopes: [],
    },
    grant,
    person: actor,
    alias: alias ?? null,
    habits: habitsOf(row),
  })
  came(kept.kind === 'refused' ? kept.error.code : 'linked')
  if (kept.kind === 'refused') throw kept.error
  return kept
}

function asRefusal(error: unknown): unknown {
  if (!isUpstreamError(error) || !error.refusal) return asBrokerError(error)
  const { means, next } = error.refusal
  return new BrokerError('token_not_taken', { detail: means, next, cause: error })
}

export type PastedSettings = {
  /** How often its value is replaced; null: when somebody asks. */
  rotateDays?: number | null | undefined
  /** Whether its owner is told what a limited token cannot do (K-33). */
  warning?: boolean | undefined
}

/** Sets how its owner looks after a pasted token; what is left out stays. @throws BrokerError not_found, not_pasted, needs_relink */
export async function changePastedToken(
  ctx: Context,
  actor: Actor,
  { connectionId: id, rotateDays, warning }: PastedSettings & { connectionId: string },
): Promise<void> {
  const { tenantId } = actor
  await act(ctx, actor, 'work', async (tx, actor) => {
    await lockPasted(tx, actor, id)
    if (rotateDays !== undefined) await scheduleRotation(tx, tenantId, id, rotateDays)
    if (warning !== undefined) await updateConnection(tx, tenantId, id, { warningOff: !warning })
    const details = {
      ...(rotateDays !== undefined && { rotate_days: rotateDays }),
      ...(warning !== undefined && { warning }),
    }
    const target = { kind: 'connection', id } as const
    await record(tx, tenantId, ctx.now(), actor, { action: 'connection.changed', outcome: 'ok', target, details })
  })
}

/**
 * Has the value of a pasted token replaced at the upstream, now: by the refresh engine, so that one does it however many ask, and a
 * death at any moment leaves what is known (docs/decisions/0108). It is written down first, so the background does it where this ends early.
 * @throws BrokerError not_found, not_pasted, needs_relink, frozen, upstream_unavailable: not known or not yet, upstream_forbidden: turned down
 */
export async function rotateToken(ctx: Context, actor: Actor, connectionId: string): Promise<void> {
  const { tenantId } = actor
  const before = await act(ctx, actor, 'work', async (tx, actor) => {
    const row = await lockPasted(tx, actor, connectionId)
    await refuseFrozen(tx, tenantId, { ...actor, providerId: row.providerId, connectionId })
    await scheduleRotation(tx, tenantId, connectionId, 0)
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'connection.rotation_asked',
      outcome: 'ok',
      target: { kind: 'connection', id: connectionId },
      details: { rotate_days: row.rotateDays },
    })
    return row.rotatedAt
  })
  await renew(ctx, { tenantId, connectionId }, 'now')
  const row = await readTenant(ctx, tenantId, (tx) => findConnection(tx, tenantId, connectionId))
  if (row?.rotatedAt?.getTime() !== before?.getTime()) return
  if (row && isToRotate(row, ctx.now()))
    throw new BrokerError('upstream_unavailable', {
      detail: 'Whether the upstream has replaced the value is not known yet. It is asked again in the background.',
    })
  throw new BrokerError('upstream_forbidden', {
    detail: 'The upstream did not replace the value. The token goes on as it is.',
  })
}

/** One's own, of which tokens can be had. @throws BrokerError not_found, not_pasted, needs_relink */
async function lockPasted(tx: Tx, { tenantId, userId }: Actor, id: string): Promise<ConnectionRow> {
  const row = await lockConnection(tx, tenantId, id, userId)
  if (!row) throw new BrokerError('not_found')
  if (row.grantedBy !== 'pasted') throw new BrokerError('not_pasted')
  if (!usable.some((status) => status === row.status)) throw new BrokerError('needs_relink')
  return row
}
