import * as oauth from 'oauth4webapi'
import { withoutForeignBody } from './json.ts'
import { assertOutboundUrl, type OutboundFetch, type OutboundPolicy } from './outbound.ts'

/** Metadata by issuer. The key set hangs on the metadata object (oauth4webapi keeps it weakly), so both age as one. */
export type Discoveries = Map<string, { server: Promise<oauth.AuthorizationServer>; until: number }>

type Deps = { fetch: OutboundFetch; now: () => Date; discoveries: Discoveries; config: OutboundPolicy }

/** How old metadata and keys may become: what an issuer withdraws is believed no longer than this. */
const ageMs = 10 * 60_000

/** How oauth4webapi reaches servers: through the guarded way out, which also decides which schemes are allowed. */
export const requestOptions = ({ fetch }: Pick<Deps, 'fetch'>) => ({
  [oauth.customFetch]: async (url: string, init: unknown) => withoutForeignBody(await fetch(url, init as RequestInit)),
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
  deps.discoveries.set(issuer, { server, until: now + ageMs })
  server.catch(() => deps.discoveries.delete(issuer))
  return server
}

async function fetchMetadata(deps: Deps, issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  const response = await oauth.discoveryRequest(url, requestOptions(deps))
  const server = await oauth.processDiscoveryResponse(url, response)
  // Identical, not merely the same address (OIDC Discovery 4.3): people are known by this string.
  if (server.issuer !== issuer) throw new Error('the metadata names another issuer')
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
