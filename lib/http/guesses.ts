import { isBrokerError } from '../errors.ts'
import { type LimitName, returnLimit, takeLimit } from './limits.ts'
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
  const count = (outcome: string) => ctx.metrics.userCodes.inc({ outcome })
  const limited = (error: unknown) => {
    if (isBrokerError(error, 'rate_limited')) count('limited')
    throw error
  }
  const own = await takeLimit(ctx, 'userCode', { userId }).catch(limited)
  const isSuspect = own > mistypes + 1
  if (isSuspect) await takeLimit(ctx, 'userCodeAddress', { address }).catch(limited)
  try {
    const right = await attempt()
    await returnLimit(ctx, 'userCode', { userId })
    if (isSuspect) await returnLimit(ctx, 'userCodeAddress', { address })
    count('claimed')
    return right
  } catch (error) {
    if (isBrokerError(error, 'user_code_unknown')) {
      count('unknown')
      await alarmOnce(ctx)
    }
    throw error
  }
}

/** Tells operators once in a window that more codes were wrong than people mistype. It refuses nobody. */
async function alarmOnce(ctx: Call['ctx']): Promise<void> {
  if (await isLeft(ctx, 'userCodeAlarm')) return
  ctx.metrics.userCodes.inc({ outcome: 'alarm' })
  if (await isLeft(ctx, 'userCodeAlarmTold'))
    ctx.log.warn({ alarm: true }, 'many device codes were wrong: somebody may be guessing them')
}

const isLeft = (ctx: Call['ctx'], name: LimitName): Promise<boolean> =>
  takeLimit(ctx, name, {}).then(
    () => true,
    (error: unknown) => (isBrokerError(error, 'rate_limited') ? false : Promise.reject(error)),
  )
