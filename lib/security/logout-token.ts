import type * as oauth from 'oauth4webapi'
import { isKeysUnavailable, type KeySets, signatureAlgorithms, verifyJwt } from './issuer-keys.ts'
import { isStorable } from './json.ts'
import { partOf } from './jwt.ts'
import { clockToleranceSeconds, ProtocolError } from './oauth.ts'
import type { OutboundFetch } from './outbound.ts'

/** What an ID token says of the issuer's own session, and since when. Seconds since 1970, by the issuer's clock. */
export type Vouched = { session: string | undefined; subject: string; issuedAtSeconds: number }

/** What a verified logout token ends: the session that it names; without one, all of its subject's. */
export type Logout = {
  jti: string
  session: string | undefined
  subject: string | undefined
  issuedAt: Date
  /** Offline access as well. */
  endsOffline: boolean
}

type Deps = { fetch: OutboundFetch; now: () => Date; keySets: KeySets }
/** A client of ours at an issuer; `alias`: another spelling of the issuer that is as good. */
type Registration = { server: oauth.AuthorizationServer; clientId: string; alias?: string | undefined }

/** A logout token is sent when it is made. What an issuer sends again later than this, it makes anew. */
export const logoutAgeSecondsMax = 600

const event = 'http://schemas.openid.net/event/backchannel-logout'
/** Keycloak's word, beside the event: clients with "revoke offline sessions" send it. */
const offlineEvent = 'revoke_offline_access'

export const vouchedBy = ({ sid, sub, iat }: oauth.IDToken): Vouched => ({
  session: textOf(sid),
  subject: sub,
  issuedAtSeconds: iat,
})

/**
 * Whose a logout token says it is, before anything of it is verified: where to look for who can.
 * @throws ProtocolError
 */
export function addresseeOf(token: string): { issuer: string; clients: string[] } {
  const { iss, aud } = partOf(token, 'payload') ?? {}
  const clients = (Array.isArray(aud) ? aud : [aud]).map(textOf)
  const issuer = textOf(iss)
  if (!issuer || clients.length > clientsMax || !clients.every((one) => one !== undefined))
    throw new ProtocolError('this is no logout token')
  return { issuer, clients }
}
const clientsMax = 20

/**
 * Verifies a logout token (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6). That it counts once is for who ends
 * something by it.
 * @throws ProtocolError, KeysUnavailable
 */
export async function readLogoutToken(
  deps: Deps,
  { server, clientId, alias }: Registration,
  token: string,
): Promise<Logout> {
  // As for ID tokens: what the issuer announces, of what is sound (OIDC Discovery 3: at least RS256).
  const announced = server.id_token_signing_alg_values_supported ?? ['RS256']
  const { payload, protectedHeader } = await verifyJwt(deps, server, token, {
    algorithms: announced.filter((alg) => signatureAlgorithms.has(alg)),
    issuer: alias ? [server.issuer, alias] : server.issuer,
    audience: clientId,
    currentDate: deps.now(),
    clockTolerance: clockToleranceSeconds,
    maxTokenAge: logoutAgeSecondsMax,
    requiredClaims: ['exp'],
  }).catch((cause: unknown) => {
    if (isKeysUnavailable(cause)) throw cause
    // Codes and names of claims: the library's sentences may hold what the token says.
    const { code = 'another key', claim = '' } = cause as { code?: string; claim?: string }
    throw new ProtocolError(`it does not verify: ${code} ${claim}`.trim(), { cause })
  })
  const { typ } = protectedHeader
  // Explicit types are new, and to insist on them breaks most issuers (2.4); `JWT` says no more than none (RFC 7519 5.1).
  if (typ !== undefined && !/^(application\/)?(logout\+)?jwt$/i.test(typ))
    throw new ProtocolError('it is of another type')
  const { events } = payload
  if (!isObject(events) || !isObject(events[event])) throw new ProtocolError('it tells of no logout')
  // So that no logout token passes for an ID token (2.4).
  if ('nonce' in payload) throw new ProtocolError('it has a nonce')
  const [jti, session, subject] = [textOf(payload.jti), textOf(payload.sid), textOf(payload.sub)]
  if (jti === undefined) throw new ProtocolError('it has no usable id')
  if (session === undefined && subject === undefined) throw new ProtocolError('it names neither session nor person')
  // Without what it names but we cannot read, it would mean more than it says.
  if ((session === undefined) !== (payload.sid === undefined)) throw new ProtocolError('its session cannot be read')
  if ((subject === undefined) !== (payload.sub === undefined)) throw new ProtocolError('its subject cannot be read')
  return {
    jti,
    session,
    subject,
    issuedAt: new Date(Number(payload.iat) * 1000),
    endsOffline: events[offlineEvent] === true,
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A claim that can be kept and compared; anything else is none. */
const textOf = (claim: unknown): string | undefined =>
  typeof claim === 'string' && claim.length > 0 && claim.length <= 2_000 && isStorable(claim) ? claim : undefined
