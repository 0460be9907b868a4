import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type StandingState, tokensStanding } from '../store/proxy.ts'

/** What is going on with a token. */
export type Exchange = {
  tenantId: string
  tokenId: string
  since: number
  cut: (why: BrokerError) => void
}

type Standing = (ctx: Context, tenantId: string, ids: string[]) => Promise<Map<string, StandingState>>

/** Younger ones were asked about when they began. */
const youngMilliseconds = 250
/** How long an exchange goes on while nobody can be asked whether its token stands. */
const blindMilliseconds = 3_000
/** Tokens asked about in one statement. */
const batch = 500

/** Every exchange of this process, so that one whose token was ended is cut within a second, wherever it was ended. */
export class Running {
  readonly #exchanges = new Set<Exchange>()
  readonly #standing: Standing
  #seenAt = performance.now()

  /** `standing`: how those of one tenant stand now, by what {@link Exchange.tokenId} names; one that is missing is not there. */
  constructor(standing: Standing = tokensStanding) {
    this.#standing = standing
  }

  add(exchange: Exchange): () => void {
    this.#exchanges.add(exchange)
    return () => this.#exchanges.delete(exchange)
  }

  /** Cuts what may not go on; asked several times a second. Never throws: who cannot ask for long cuts everything. */
  async look(ctx: Context): Promise<void> {
    const begun = performance.now()
    const old = [...this.#exchanges].filter(({ since }) => begun - since > youngMilliseconds)
    if (old.length === 0) {
      this.#seenAt = begun
      return
    }
    try {
      for (const [tenantId, ids] of byTenant(old)) await this.#lookAt(ctx, tenantId, ids)
      this.#seenAt = begun
    } catch (cause) {
      if (begun - this.#seenAt < blindMilliseconds) return
      ctx.log.warn(
        { err: cause, exchanges: this.#exchanges.size },
        'running requests are cut: the database does not answer',
      )
      for (const one of this.#exchanges) one.cut(new BrokerError('unavailable', { cause }))
    }
  }

  async #lookAt(ctx: Context, tenantId: string, ids: string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += batch) {
      const asked = ids.slice(start, start + batch)
      const standing = await this.#standing(ctx, tenantId, asked)
      const gone = new Set(asked.filter((id) => standing.get(id) !== 'live'))
      if (gone.size === 0) continue
      for (const one of this.#exchanges) if (gone.has(one.tokenId)) one.cut(endedError(standing.get(one.tokenId)))
    }
  }

  cutAll(why: BrokerError): void {
    for (const one of this.#exchanges) one.cut(why)
  }
}

function byTenant(exchanges: Exchange[]): Map<string, string[]> {
  const tenants = new Map<string, Set<string>>()
  for (const { tenantId, tokenId } of exchanges) {
    const ids = tenants.get(tenantId) ?? new Set()
    tenants.set(tenantId, ids.add(tokenId))
  }
  return new Map([...tenants].map(([tenantId, ids]) => [tenantId, [...ids]]))
}

/** Why a token does not work, for whoever brings it. */
export const endedError = (state: 'ended' | 'revoked' | 'frozen' | 'live' | undefined): BrokerError =>
  state === 'frozen'
    ? new BrokerError('frozen')
    : new BrokerError('token_ended', { detail: state === 'ended' ? 'It expired.' : 'It was revoked.' })
