import { type Actor, requirePermission } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { type Refusal, readRefusal } from '../../store/canary.ts'

/** How fast this instance refuses what was revoked, of the last hour: of all processes, and of no tenant. @throws BrokerError forbidden */
export async function refusal(ctx: Context, actor: Actor): Promise<Refusal> {
  requirePermission(actor, 'oversee')
  return readRefusal(ctx)
}
