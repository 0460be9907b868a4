import { checkInstanceKeys } from '../broker/keys.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'

/**
 * Whether this process can serve: the database answers and its canary opens under the present key (H-01).
 * @throws BrokerError unavailable
 */
export async function checkReady(ctx: Context): Promise<void> {
  await checkInstanceKeys(ctx).catch((cause: unknown) => {
    throw new BrokerError('unavailable', { cause, retryAfterSeconds: 5 })
  })
}
