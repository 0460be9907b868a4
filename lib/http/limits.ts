import { RateLimiterMemory, type RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { secondsUntilNext, sharedLimiter } from '../store/limiter.ts'
import { addressKey } from './request.ts'

/**
 * Every limit there is (B-01): `points` calls in `seconds` for each user or address, or altogether. `shared` ones are
 * counted in Postgres, exactly and for all processes (B-03); the others per process, because a write for every read would
 * cost more than it protects.
 */
export const limits = {
  invitation: { points: 60, seconds: 60, by: 'address', store: 'shared' },
  signin: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  callback: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  /** By issuers, each at one address, which may sign out everybody at once. */
  logout: { points: 3000, seconds: 60, by: 'address', store: 'shared' },
  /** Of programs, which may be many behind one address. */
  program: { points: 60_000, seconds: 60, by: 'address', store: 'process' },
  /** Clients and codes that were wrong. */
  misses: { points: 120, seconds: 60, by: 'address', store: 'process' },
  /** Each leaves a row until a person has answered. */
  device: { points: 60, seconds: 600, by: 'address', store: 'shared' },
  /** Device codes that a person typed and that were wrong: while one lives at most 40 chances, of two windows, in 27^8 (D-11). */
  userCode: { points: 20, seconds: 900, by: 'user', store: 'shared' },
  /** The same of people who were wrong more than twice, so that nobody locks out who shares an address with them. */
  userCodeAddress: { points: 60, seconds: 900, by: 'address', store: 'shared' },
  /** Over all of the instance, where it refuses nobody: more is an attack, and an alarm. */
  userCodeAlarm: { points: 100, seconds: 900, by: 'instance', store: 'shared' },
  userCodeAlarmTold: { points: 1, seconds: 900, by: 'instance', store: 'shared' },
  authorize: { points: 300, seconds: 300, by: 'address', store: 'shared' },
  attempt: { points: 60, seconds: 600, by: 'user', store: 'shared' },
  /** Each asks the upstream about a token that somebody brings. */
  paste: { points: 20, seconds: 600, by: 'user', store: 'shared' },
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
  /** Pastes that are looked through, each up to ten thousand values. */
  leaks: { points: 30, seconds: 60, by: 'user', store: 'shared' },
  /** Reports of leaks, by anybody, each up to a hundred values. */
  leakReport: { points: 30, seconds: 60, by: 'address', store: 'shared' },
  report: { points: 30, seconds: 60, by: 'address', store: 'process' },
} as const satisfies Record<
  string,
  { points: number; seconds: number; by: 'user' | 'address' | 'instance'; store: 'shared' | 'process' }
>

export type LimitName = keyof typeof limits
type Store = Pick<Context, 'pool' | 'config'>
type Caller = { userId?: string | undefined; address?: string | undefined }

/**
 * Takes one point and answers how many are taken. The clock is the process's (the library reads Date.now); processes may
 * differ by their clocks' skew.
 * @throws BrokerError rate_limited with the seconds until the window ends; unavailable when the store is away: what
 *   cannot be counted is not let through (B-05)
 */
export async function takeLimit(ctx: Store, name: LimitName, caller: Caller): Promise<number> {
  try {
    return (await limiterOf(ctx, name).consume(whoOf(name, caller))).consumedPoints
  } catch (refusal) {
    const retryAfterSeconds = secondsUntilNext(refusal)
    if (retryAfterSeconds === undefined) throw refusal
    throw new BrokerError('rate_limited', { retryAfterSeconds })
  }
}

/** Gives a point back: what it was taken for turned out not to count. */
export async function returnLimit(ctx: Store, name: LimitName, caller: Caller): Promise<void> {
  await limiterOf(ctx, name).reward(whoOf(name, caller))
}

/** Takes nothing, and refuses as {@link takeLimit} does once all is taken. */
export async function assertLimitLeft(ctx: Store, name: LimitName, caller: Caller): Promise<void> {
  const taken = await limiterOf(ctx, name).get(whoOf(name, caller))
  if (taken && taken.remainingPoints <= 0)
    throw new BrokerError('rate_limited', { retryAfterSeconds: taken.msBeforeNext / 1000 })
}

function whoOf(name: LimitName, { userId, address }: Caller): string {
  const { by } = limits[name]
  if (by === 'instance') return by
  return (by === 'user' ? userId : address && addressKey(address)) ?? 'unknown'
}

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
