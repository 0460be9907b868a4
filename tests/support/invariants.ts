import type { Ledger } from '../../demo/index.ts'
import type { Broker } from './broker.ts'
import { rowOf, storedRefreshToken } from './connection.ts'
import { refreshTokenIn, type Seeded, upstreams } from './grants.ts'

/** What is known of one connection after the storm. */
export type Observed = {
  connectionId: string
  status: string
  cause: string | null
  /** In clear; null where none is stored. */
  refreshToken: string | null
  /** The token that it began with. */
  firstToken: string
  /** Processes that were killed while they were at it. */
  kills: number
}

export async function observe(broker: Pick<Broker, 'ctx'>, seeded: Seeded, kills = 0): Promise<Observed> {
  const { status, cause, refreshToken } = await rowOf(broker, seeded)
  const opened = refreshToken === null ? null : await storedRefreshToken(broker, seeded)
  const { connectionId, refreshToken: firstToken } = seeded
  return { connectionId, status, cause, refreshToken: opened && refreshTokenIn(opened), firstToken, kills }
}

/** How often each refresh token reached the upstream. */
export function sendsByToken(ledger: Ledger): Map<string, number> {
  const sends = new Map<string, number>()
  const calls = Object.values(upstreams).flatMap(({ tokenRoute }) =>
    ledger.find(tokenRoute, { grant_type: 'refresh_token' }),
  )
  for (const { body } of calls) {
    const token = String(body.refresh_token)
    sends.set(token, (sends.get(token) ?? 0) + 1)
  }
  return sends
}

/** What an upstream saw of refresh tokens: those that it takes, and how often each came. */
export type Seen = { live: ReadonlySet<string>; sends: ReadonlyMap<string, number> }

export const seenIn = (ledger: Ledger): Seen => ({
  live: new Set(ledger.tokens.filter((token) => token.kind === 'refresh' && token.live).map(({ value }) => value)),
  sends: sendsByToken(ledger),
})

/**
 * What must hold whatever was cut off and when (RR-05, H-05): each connection holds a refresh token that the upstream
 * takes, or says that it has to be linked again because its token was lost; and the upstream saw a token once, or twice
 * where a kill allows one recovery try. Answers what is broken, in words.
 */
export function checkInvariants(rows: readonly Observed[], { live, sends }: Seen): string[] {
  const killed = new Set(rows.filter(({ kills }) => kills > 0).map(({ firstToken }) => firstToken))
  const broken: string[] = []
  for (const { connectionId, status, cause, refreshToken } of rows) {
    if (status === 'needs_relink') {
      if (cause !== 'lost_in_rotation') broken.push(`${connectionId}: needs_relink because of ${cause}`)
      if (refreshToken !== null) broken.push(`${connectionId}: needs_relink, yet a refresh token is kept`)
    } else if (status !== 'linked') broken.push(`${connectionId}: ${status} (${cause})`)
    else if (refreshToken === null || !live.has(refreshToken))
      broken.push(`${connectionId}: silently dead, the upstream no longer takes the stored token`)
  }
  for (const [token, count] of sends) {
    const allowed = killed.has(token) ? 2 : 1
    if (count > allowed) broken.push(`a refresh token was sent ${count} times, ${allowed} allowed`)
  }
  return broken
}
