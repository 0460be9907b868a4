import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { checkInstanceKeys } from '../vault/keys.ts'

/**
 * Whether this process can serve: it has begun to and is not told to stop, the database answers, and its canary opens
 * under the present key (H-01).
 * @throws BrokerError not_serving, unavailable
 */
export async function checkReady(ctx: Context): Promise<void> {
  if (ctx.life.phase !== 'serving')
    throw new BrokerError('not_serving', { detail: `The process is ${ctx.life.phase}.` })
  await checkInstanceKeys(ctx).catch((cause: unknown) => {
    throw new BrokerError('unavailable', { cause, retryAfterSeconds: 5 })
  })
}
