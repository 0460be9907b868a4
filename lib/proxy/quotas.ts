import type { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { secondsUntilNext, sharedLimiter } from '../store/limiter.ts'

/** Requests in a minute, over all processes, and how many may be open at a time in each. */
export const proxyLimits = {
  token: { perMinute: 3_000, open: 100 },
  person: { perMinute: 6_000, open: 200 },
  tenant: { perMinute: 60_000, open: 500 },
} as const
export type ProxyLimits = Record<keyof typeof proxyLimits, { perMinute: number; open: number }>

/** What a request counts against: each as a key of its own. */
export type Payers = Record<keyof typeof proxyLimits, string>

export const payersOf = (of: { tokenId: string; tenantId: string; userId: string }): Payers => ({
  token: `token ${of.tokenId}`,
  person: `person ${of.tenantId} ${of.userId}`,
  tenant: `tenant ${of.tenantId}`,
})

/** A piece of a limit that this process has taken: used up here, without a word to the database. */
type Lease = { left: number; until: number; refusedUntil: number; asking: Promise<void> | undefined }

/** How many pieces a limit is taken in: what is left of one when its minute ends is lost. */
const piecesPerMinute = 50
const windowSeconds = 60
/** More payers than are at work in one process at the same time. */
const leasesMax = 50_000

/**
 * Limits that all processes share, taken in pieces: never more than the limit passes, perhaps a few per cent less (B-03).
 * Whoever is over a limit is refused here at once, so that a flood costs nobody else the database (B-04).
 */
export class Quotas {
  readonly #leases = new Map<string, Lease>()
  readonly #open = new Map<string, number>()
  readonly #limiters: Record<keyof Payers, RateLimiterPostgres>
  readonly #limits: ProxyLimits

  constructor(ctx: Context, limits: ProxyLimits = proxyLimits) {
    this.#limits = limits
    const limiter = (name: keyof Payers) =>
      sharedLimiter(ctx, { name: `proxy_${name}`, points: limits[name].perMinute, seconds: windowSeconds })
    this.#limiters = { token: limiter('token'), person: limiter('person'), tenant: limiter('tenant') }
  }

  /** @throws BrokerError rate_limited, where it is known here already; asks nobody */
  refuseKnown(payers: Payers): void {
    const now = performance.now()
    for (const name of names) {
      const { refusedUntil = 0 } = this.#leases.get(payers[name]) ?? {}
      if (refusedUntil > now) throw over(name, Math.ceil((refusedUntil - now) / 1000))
    }
  }

  /** Takes one of each; answers a promise only where a new piece has to be asked for. @throws BrokerError rate_limited */
  take(payers: Payers): Promise<void> | undefined {
    for (const name of names) {
      const key = payers[name]
      if ((this.#open.get(key) ?? 0) >= this.#limits[name].open) throw over(name, 1, 'open at the same time')
    }
    const now = performance.now()
    const leases = names.map((name) => this.#leases.get(payers[name]))
    const isSpent = (lease: Lease | undefined) => !lease || lease.left <= 0 || lease.until <= now
    if (leases.some(isSpent))
      return this.#ask(
        names.filter((_, index) => isSpent(leases[index])),
        payers,
      )
    for (const lease of leases) if (lease) lease.left -= 1
    return undefined
  }

  async #ask(wanting: (keyof Payers)[], payers: Payers): Promise<void> {
    await Promise.all(wanting.map((name) => this.#lease(name, payers)))
    // Others may have used up the piece that was waited for.
    const again = this.take(payers)
    if (again) await again
  }

  async #lease(name: keyof Payers, payers: Payers): Promise<void> {
    const key = payers[name]
    const lease = this.#leases.get(key) ?? { left: 0, until: 0, refusedUntil: 0, asking: undefined }
    if (this.#leases.size >= leasesMax) this.#leases.clear()
    this.#leases.set(key, lease)
    const now = performance.now()
    if (lease.refusedUntil > now) throw over(name, Math.ceil((lease.refusedUntil - now) / 1000))
    lease.asking ??= this.#askFor(name, payers[name], lease).finally(() => {
      lease.asking = undefined
    })
    await lease.asking
  }

  async #askFor(name: keyof Payers, payer: string, lease: Lease): Promise<void> {
    const piece = Math.ceil(this.#limits[name].perMinute / piecesPerMinute)
    try {
      const { msBeforeNext } = await this.#limiters[name].consume(payer, piece)
      lease.left = piece
      lease.until = performance.now() + msBeforeNext
    } catch (refusal) {
      const seconds = secondsUntilNext(refusal)
      // What cannot be counted is not let through (B-05).
      if (seconds === undefined) throw refusal
      lease.refusedUntil = performance.now() + seconds * 1000
      throw over(name, seconds)
    }
  }

  /** Counts a request as open until the function that is answered is called. */
  hold(payers: Payers): () => void {
    for (const name of names) {
      const key = payers[name]
      this.#open.set(key, (this.#open.get(key) ?? 0) + 1)
    }
    return () => {
      for (const name of names) {
        const key = payers[name]
        const left = (this.#open.get(key) ?? 1) - 1
        if (left > 0) this.#open.set(key, left)
        else this.#open.delete(key)
      }
    }
  }
}

const names = ['token', 'person', 'tenant'] as const

const whose: Record<keyof Payers, string> = {
  token: 'this token',
  person: 'all tokens of its owner',
  tenant: 'all tokens of the tenant',
}
const over = (name: keyof Payers, seconds: number, what = 'in a minute') =>
  new BrokerError('rate_limited', {
    retryAfterSeconds: Math.max(1, seconds),
    detail: `Too many requests ${what} with ${whose[name]}.`,
  })
