import { isBrokerError } from '../errors.ts'
import { returnLimit, takeLimit } from './limits.ts'
import type { Call } from './request.ts'

/** So often somebody may mistype before it counts on their address as well, which others may share with them. */
const mistypes = 2

/**
 * One try of a device code (D-11, RFC 8628 5.1). It is counted before it is made, so that a hundred at once are not more than
 * one after the other, and given back where it was right. Whoever has never been wrong is let through whatever others did.
 * @throws BrokerError rate_limited
 */
export async function asGuess<T>(
  { ctx, address }: Pick<Call, 'ctx' | 'address'>,
  { userId }: { userId: string },
  attempt: () => Promise<T>,
): Promise<T> {
  const count = async (outcome: string) => ctx.metrics.userCodes.inc({ outcome })
  const limited = async (error: unknown) => {
    if (isBrokerError(error, 'rate_limited')) await count('limited')
    throw error
  }
  const own = await takeLimit(ctx, 'userCode', { userId }).catch(limited)
  const isSuspect = own > mistypes + 1
  if (isSuspect) await takeLimit(ctx, 'userCodeAddress', { address }).catch(limited)
  try {
    const right = await attempt()
    await returnLimit(ctx, 'userCode', { userId })
    if (isSuspect) await returnLimit(ctx, 'userCodeAddress', { address })
    await count('claimed')
    return right
  } catch (error) {
    if (isBrokerError(error, 'user_code_unknown')) {
      await count('unknown')
      await alarmOnce(ctx)
    }
    throw error
  }
}

/** Tells operators once in a window that more codes were wrong than people mistype. It refuses nobody. */
async function alarmOnce(ctx: Call['ctx']): Promise<void> {
  const isOver = await takeLimit(ctx, 'userCodeAlarm', {}).then(
    () => false,
    (error: unknown) => (isBrokerError(error, 'rate_limited') ? true : Promise.reject(error)),
  )
  if (!isOver) return
  ctx.metrics.userCodes.inc({ outcome: 'alarm' })
  ctx.log.warn({ alarm: true }, 'many device codes were wrong: somebody may be guessing them')
}
