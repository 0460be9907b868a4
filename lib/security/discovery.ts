import * as oauth from 'oauth4webapi'
import { withoutForeignBody } from './json.ts'
import { ProtocolError } from './oauth.ts'
import {
  assertOutboundUrl,
  isOutboundError,
  type OutboundFetch,
  type OutboundInit,
  type OutboundPolicy,
} from './outbound.ts'

type Discovery = {
  server: Promise<oauth.AuthorizationServer>
  readAt: number
  until: number
  /** The last look whether the issuer answers. */
  look?: { until: number; answers: Promise<void> }
}
/** Metadata by issuer. Times in ms. */
export type Discoveries = Map<string, Discovery>

type Deps = { fetch: OutboundFetch; now: () => Date; discoveries: Discoveries; config: OutboundPolicy }

/** How old metadata may become: what an issuer withdraws is believed no longer than this. */
const ageMs = 10 * 60_000
/** How long an answer shows that an issuer is there, and silence that it is not. */
const seenMs = 5_000
const missedMs = 2_000
/** Somebody waits for the look. */
const lookMs = 3_000

/** How oauth4webapi reaches servers: through the guarded way out, which also decides which schemes are allowed. */
export const requestOptions = ({ fetch }: Pick<Deps, 'fetch'>) => ({
  [oauth.customFetch]: async (url: string, init: unknown) => withoutForeignBody(await fetch(url, init as OutboundInit)),
  [oauth.allowInsecureRequests]: true,
})

/**
 * The metadata of an OpenID issuer (OIDC Discovery 4). One request for all who ask at once; failures are not kept.
 * @throws OutboundError, or oauth4webapi's errors; also where the metadata spells its issuer in another way
 */
export function discover(deps: Deps, issuer: string): Promise<oauth.AuthorizationServer> {
  const known = deps.discoveries.get(issuer)
  const now = deps.now().getTime()
  if (known && now < known.until) return known.server
  const server = fetchMetadata(deps, issuer)
  deps.discoveries.set(issuer, { server, readAt: now, until: now + ageMs })
  server.catch(() => deps.discoveries.delete(issuer))
  return server
}

/**
 * Looks whether an issuer answers, before somebody is sent there on the word of metadata that may be minutes old: its
 * metadata must come, and where people are sent to another host, something there must answer. Kept for five seconds, a
 * failure for two; one look for all who ask at once.
 * @throws OutboundError, ProtocolError
 */
export async function assertAnswers(deps: Deps, issuer: string): Promise<void> {
  const server = await discover(deps, issuer)
  const known = deps.discoveries.get(issuer)
  if (!known) return
  const now = deps.now().getTime()
  const { look } = known
  if (look && now < look.until && now > look.until - ageMs) return look.answers
  const isJustRead = now - known.readAt < seenMs
  const begun = { until: now + seenMs, answers: lookThere(deps, server, isJustRead) }
  known.look = begun
  return begun.answers.catch((error: unknown) => {
    begun.until = deps.now().getTime() + missedMs
    throw error
  })
}

/** A connection that was kept open may have died meanwhile, so each place is asked twice. */
async function lookThere(deps: Deps, server: oauth.AuthorizationServer, isIssuerSeen: boolean): Promise<void> {
  const signal = AbortSignal.timeout(lookMs)
  const twice = (look: () => Promise<void>) => look().catch(look)
  const issuer = new URL(server.issuer)
  if (!isIssuerSeen)
    await twice(async () => {
      const { status } = await oauth.discoveryRequest(issuer, { ...requestOptions(deps), signal })
      if (status >= 500) throw new ProtocolError(`the issuer's metadata answers ${status}`)
    })
  const page = new URL(server.authorization_endpoint ?? issuer)
  if (page.origin !== issuer.origin)
    await twice(async () => {
      const status = await statusOf(deps, page, signal)
      // What says a gateway; other answers to a question that no browser asks mean nothing.
      if (status >= 502 && status <= 504) throw new ProtocolError(`the sign-in page's host answers ${status}`)
    })
}

const statusOf = (deps: Deps, url: URL, signal: AbortSignal): Promise<number> =>
  deps.fetch(url, { method: 'OPTIONS', signal }).then(
    ({ status }) => status,
    (error: unknown) => {
      if (isOutboundError(error) && error.status !== undefined) return error.status
      throw error
    },
  )

async function fetchMetadata(deps: Deps, issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  const response = await oauth.discoveryRequest(url, requestOptions(deps))
  const server = await oauth.processDiscoveryResponse(url, response)
  // Identical, not merely the same address (OIDC Discovery 4.3): people are known by this string.
  if (server.issuer !== issuer) throw new ProtocolError('the metadata names another issuer')
  assertEndpoints(deps, server)
  return server
}

/**
 * Every address in the metadata that we or a browser would go to obeys the rules of the way out (F-07). The guard would
 * refuse most of them when they are called; nobody but us judges the one that a browser opens.
 */
function assertEndpoints({ config }: Deps, server: oauth.AuthorizationServer): void {
  for (const [field, value] of Object.entries(server))
    if (/_endpoint$|^jwks_uri$/.test(field) && value !== undefined) assertOutboundUrl(String(value), config)
}
