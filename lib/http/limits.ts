import { RateLimiterMemory, type RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { secondsUntilNext, sharedLimiter } from '../store/limiter.ts'
import { addressKey } from './request.ts'

/**
 * Every limit there is (B-01): `points` calls in `seconds` for each user or address. `shared` ones are counted in
 * Postgres, exactly and for all processes (B-03); the others per process, because a write for every read would cost
 * more than it protects.
 */
export const limits = {
  invitation: { points: 60, seconds: 60, by: 'address', store: 'shared' },
  signin: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  callback: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  /** By issuers, each at one address, which may sign out everybody at once. */
  logout: { points: 3000, seconds: 60, by: 'address', store: 'shared' },
  /** Of programs, which may be many behind one address. */
  program: { points: 6000, seconds: 60, by: 'address', store: 'process' },
  /** Clients and codes that were wrong. */
  misses: { points: 120, seconds: 60, by: 'address', store: 'process' },
  /** Each leaves a row until a person has answered. */
  device: { points: 60, seconds: 600, by: 'address', store: 'shared' },
  authorize: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  attempt: { points: 60, seconds: 600, by: 'user', store: 'shared' },
  linkReturn: { points: 60, seconds: 600, by: 'user', store: 'shared' },
  issue: { points: 60, seconds: 60, by: 'user', store: 'shared' },
  revoke: { points: 120, seconds: 60, by: 'user', store: 'shared' },
  /** Each makes the upstream rotate. */
  renewal: { points: 6, seconds: 60, by: 'user', store: 'shared' },
  /** Each asks the upstream about ten things. */
  check: { points: 12, seconds: 60, by: 'user', store: 'shared' },
  write: { points: 120, seconds: 60, by: 'user', store: 'shared' },
  export: { points: 10, seconds: 60, by: 'user', store: 'shared' },
  /** Pages as well. */
  read: { points: 1200, seconds: 60, by: 'user', store: 'process' },
  /** Questions to trusted issuers about tokens, as far as they were for nothing. */
  incoming: { points: 60, seconds: 60, by: 'address', store: 'process' },
  report: { points: 30, seconds: 60, by: 'address', store: 'process' },
} as const satisfies Record<
  string,
  { points: number; seconds: number; by: 'user' | 'address'; store: 'shared' | 'process' }
>

export type LimitName = keyof typeof limits
type Store = Pick<Context, 'pool' | 'config'>
type Caller = { userId?: string | undefined; address?: string | undefined }

/**
 * Takes one point. The clock is the process's (the library reads Date.now); processes may differ by their clocks' skew.
 * @throws BrokerError rate_limited with the seconds until the window ends; unavailable when the store is away: what
 *   cannot be counted is not let through (B-05)
 */
export async function takeLimit(ctx: Store, name: LimitName, caller: Caller): Promise<void> {
  try {
    await limiterOf(ctx, name).consume(whoOf(name, caller))
  } catch (refusal) {
    const retryAfterSeconds = secondsUntilNext(refusal)
    if (retryAfterSeconds === undefined) throw refusal
    throw new BrokerError('rate_limited', { retryAfterSeconds })
  }
}

/** Takes nothing, and refuses as {@link takeLimit} does once all is taken. */
export async function assertLimitLeft(ctx: Store, name: LimitName, caller: Caller): Promise<void> {
  const taken = await limiterOf(ctx, name).get(whoOf(name, caller))
  if (taken && taken.remainingPoints <= 0)
    throw new BrokerError('rate_limited', { retryAfterSeconds: taken.msBeforeNext / 1000 })
}

const whoOf = (name: LimitName, caller: Caller) =>
  (limits[name].by === 'user' ? caller.userId : caller.address && addressKey(caller.address)) ?? 'unknown'

type Limiter = RateLimiterMemory | RateLimiterPostgres
type Limiters = WeakMap<object, Map<LimitName, Limiter>>
// Per pool and not per module: the server bundle and Next's load this file twice.
const slot = Symbol.for('valetkey.limits')

function limiterOf(ctx: Store, name: LimitName): Limiter {
  const holder = globalThis as { [slot]?: Limiters }
  holder[slot] ??= new WeakMap()
  const made = holder[slot].get(ctx.pool) ?? new Map<LimitName, Limiter>()
  holder[slot].set(ctx.pool, made)
  const limiter = made.get(name) ?? createLimiter(ctx, name)
  made.set(name, limiter)
  return limiter
}

function createLimiter(ctx: Store, name: LimitName): Limiter {
  const { points, seconds, store } = limits[name]
  if (store === 'process') return new RateLimiterMemory({ keyPrefix: name, points, duration: seconds })
  return sharedLimiter(ctx, { name, points, seconds })
}
