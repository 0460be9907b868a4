import { z } from 'zod'
import { isKeysUnavailable, verifyJwt } from '../../security/issuer-keys.ts'
import { isStorable } from '../../security/json.ts'
import { clockToleranceSeconds } from '../../security/oauth.ts'
import { randomToken, Secret } from '../../security/secrets.ts'
import { fromSecret, toSecret } from '../oauth/credential.ts'
import { accessTokenType, type Protocol } from '../oauth/protocol.ts'
import {
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  type RevocationOutcome,
  UpstreamError,
} from '../provider.ts'
import { type Reason, reasonOf, refused } from './refusals.ts'
import { type KeycloakRights, missing } from './rights.ts'
import { audiencesOf, type KeycloakSettings } from './settings.ts'

/** What is never a signature that only its issuer can make is not among them: `none`, and keys that both sides hold (RFC 8725 3.1). */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

type Row = ProviderSettings<KeycloakSettings>
type Realm = {
  row: Row
  protocol: Protocol
  /** Whether an access token works, asked at the userinfo endpoint. */
  stands: NonNullable<Provider['stands']>
  deps: Pick<ProviderDeps, 'fetch' | 'now' | 'keySets'>
}
type Issued = IssuedUpstream<KeycloakRights>

/**
 * Standard token exchange (RFC 8693) of a connection's access token for one with fewer scopes and a named audience, about
 * the same person. Nothing of the answer is believed that the token does not say itself.
 * @throws UpstreamError
 */
export async function exchange(
  realm: Realm,
  { accessToken, subject, request }: { accessToken: Secret; subject: string; request: IssueRequest<KeycloakRights> },
): Promise<Issued> {
  const asked = request.rights
  refuseUnsent(realm, request)
  const { answer, actor } = await realm.protocol
    .exchangeToken({
      // Whoever may become others there is the client's own account, never a person (N-10, N-11).
      subject: asked.impersonate === undefined ? accessToken : 'own',
      actor: asked.delegate && 'own',
      parameters: parametersOf(asked),
    })
    .catch(async (error: unknown) => {
      throw isUpstreamError(error) ? await explained(realm, error, asked, accessToken) : error
    })
  return judged(realm, answer, { asked, subject, actor, nonce: request.nonce })
}

/** What is not worth a request, or must never be one. */
function refuseUnsent({ row }: Realm, { rights: asked, project }: IssueRequest<KeycloakRights>): void {
  const { settings, clientSecret } = row
  // A public client's id proves nothing, and a token that is bound to a key is nobody else's.
  if (settings.authentication === 'none' || !clientSecret || settings.senderConstrained)
    throw new UpstreamError('misconfigured', 'this client cannot exchange tokens')
  const known = new Set(audiencesOf(settings, project).map(({ name }) => name))
  const why: Reason | undefined = asked.audience.some((name) => !known.has(name))
    ? 'audience_foreign'
    : asked.scopes.includes('offline_access')
      ? 'offline_scope'
      : asked.delegate && !settings.delegation
        ? 'delegation_off'
        : undefined
  if (why) throw refused(why, asked)
}

/** `requested_token_type` always: left out, a realm with the legacy exchange answers with a refresh token (trap 19). */
function parametersOf({ scopes, audience, impersonate }: KeycloakRights): [string, string][] {
  return [
    ['requested_token_type', accessTokenType],
    ['scope', scopes.join(' ')],
    // The legacy exchange would make a token of the audience's, which we could not revoke: there scopes say where it works.
    ...(impersonate === undefined ? audience : []).map((name): [string, string] => ['audience', name]),
    ...(impersonate === undefined ? [] : ([['requested_subject', impersonate]] as [string, string][])),
  ]
}

/** What a refusal means. No verdict on the grant is among them but that its access token does not work. */
async function explained(
  { protocol, stands }: Realm,
  error: UpstreamError,
  asked: KeycloakRights,
  accessToken: Secret,
): Promise<UpstreamError> {
  const reason = reasonOf(error, asked)
  if (reason === undefined) return error
  if (reason !== 'unclear') return refused(reason, asked, error)
  const isOn = await exchangeIsOn(protocol, accessToken).catch(() => undefined)
  if (isOn === undefined) return error
  if (isOn) return refused('audience_unavailable', asked, error)
  // Not by introspection: Keycloak calls a token inactive to a client that it is not for.
  if ((await stands({ accessToken })) !== false) return refused('exchange_off', asked, error)
  return new UpstreamError('refused', 'the subject token does not work', { ...error, cause: error })
}

/**
 * Whether the realm takes part in an exchange at all: one for an audience that is made up is turned down for that audience,
 * and not before. A realm says `invalid_request` to whatever stands in the way earlier.
 */
export async function exchangeIsOn(
  protocol: Protocol,
  subject: Secret | 'own',
  wanted: string = accessTokenType,
): Promise<boolean> {
  const parameters: [string, string][] = [
    ['requested_token_type', wanted],
    ['audience', `none-${randomToken()}`],
  ]
  try {
    const { answer } = await protocol.exchangeToken({ subject, parameters })
    // It pays no heed to the audience. Nobody will ever hold this token.
    const made = Answer.safeParse(answer)
    if (made.success) await end(protocol, handleOf(made.data)).catch(() => undefined)
    return true
  } catch (error) {
    if (!isUpstreamError(error)) throw error
    if (error.code === 'invalid_client' && error.status === 400) return true
    if (error.code === 'invalid_request' || error.code === 'unsupported_grant_type') return false
    throw error
  }
}

/** Read leniently: whatever comes with a token, the token has to be ended. */
const Answer = z.object({
  access_token: z.string().min(1),
  refresh_token: z.unknown().optional(),
  issued_token_type: z.unknown().optional(),
  token_type: z.unknown().optional(),
  scope: z.unknown().optional(),
  expires_in: z.coerce
    .number()
    .positive()
    .max(3_650 * 86_400)
    .optional()
    .catch(undefined),
})
type Answer = z.infer<typeof Answer>

/** All that has to be ended with a token, kept as one. */
const handleOf = ({ access_token, refresh_token }: Answer): Secret =>
  toSecret({ access: access_token, ...(typeof refresh_token === 'string' && { refresh: refresh_token }) })

/** Ends an exchanged token, and first what could make others of it (RFC 7009). */
export async function end({ revoke }: Pick<Protocol, 'revoke'>, handle: Secret): Promise<RevocationOutcome> {
  const { access = '', refresh } = fromSecret(handle)
  if (refresh) await revoke(new Secret(refresh), 'refresh_token')
  return revoke(new Secret(access), 'access_token')
}

type Expected = { asked: KeycloakRights; subject: string; actor: unknown; nonce: string }

/** Judges a token by what it says of itself, under the realm's signature; an opaque one by what the realm says of it. */
async function judged(realm: Realm, body: unknown, expected: Expected): Promise<Issued> {
  const answer = Answer.safeParse(body)
  if (!answer.success) throw new UpstreamError('protocol', 'the answer holds no token')
  const { access_token, expires_in, refresh_token, issued_token_type, token_type } = answer.data
  const now = realm.deps.now()
  const token = { value: new Secret(access_token), upstreamId: expected.nonce, handle: handleOf(answer.data) }
  // What can be renewed has no end that anybody knows.
  const seconds = refresh_token === undefined ? expires_in : undefined
  const expiresAt = seconds === undefined ? undefined : new Date(now.getTime() + seconds * 1000)
  const unsound = (...exceeded: string[]): Issued => ({ kind: 'unsound', token: { ...token, expiresAt }, exceeded })

  if (refresh_token !== undefined) return unsound('a refresh token came with it')
  if (issued_token_type !== accessTokenType) return unsound('it is not said to be an access token')
  if (typeof token_type !== 'string' || token_type.toLowerCase() !== 'bearer')
    return unsound('it is not said to be a bearer token')
  const claims = await claimsOf(realm, token.value, expected)
  if (typeof claims === 'string') return unsound(claims)
  const fault = faultIn(claims, realm, expected)
  if (fault) return unsound(fault)
  const { asked } = expected
  const scopes = scopesOf(claims.scope, answer.data.scope)
  if (!scopes) return { kind: 'beyond', token: { ...token, expiresAt }, exceeded: ['scopes that it does not name'] }
  const granted: KeycloakRights = {
    scopes,
    audience: audienceOf(claims),
    // A realm that names who impersonates grants no more by it.
    ...(asked.impersonate === undefined && actorsOf(claims).length > 0 && { delegate: true }),
    ...(asked.impersonate !== undefined && { impersonate: asked.impersonate }),
  }
  const exceeded = told(missing(granted, asked))
  const end = new Date((claims.exp ?? 0) * 1000)
  if (exceeded.length > 0) return { kind: 'beyond', token: { ...token, expiresAt: end }, exceeded }
  const made = { ...token, upstreamId: claims.jti ?? token.upstreamId, granted, expiresAt: end }
  if (!asked.delegate && asked.impersonate === undefined) return { kind: 'within', token: made }
  const parties = {
    subject: claims.sub ?? '',
    username: claims.preferred_username ?? claims.username,
    ...(asked.delegate && { actor: realm.row.clientId }),
  }
  return { kind: 'within', token: { ...made, parties } }
}

/** What names of the realm's people read: a few, each in one line of plain text. */
const told = (names: string[]): string[] =>
  names.slice(0, 10).map((one) => (/^[ -~]{1,300}$/.test(one) ? one : 'something that cannot be shown'))

const name = z.string().min(1).max(500).refine(isStorable)
const Act = z.object({
  sub: name.optional(),
  client_id: name.optional(),
  azp: name.optional(),
  act: z.unknown().optional(),
})
/** What the token, or the realm of it, says (RFC 9068 2.2, RFC 7662 2.2, RFC 8693 4.1). */
const Claims = z.object({
  iss: name.optional(),
  sub: name.optional(),
  aud: z.union([name, z.array(name).max(50)]).optional(),
  azp: name.optional(),
  client_id: name.optional(),
  scope: z.string().max(10_000).optional(),
  exp: z.number().optional(),
  typ: z.string().optional(),
  jti: name.optional(),
  preferred_username: name.optional(),
  username: name.optional(),
  cnf: z.unknown().optional(),
  act: z.unknown().optional(),
})
type Claims = z.infer<typeof Claims>

const isJwt = (token: Secret) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token.reveal())

/** What is known of a token; a string: why it cannot be known. */
async function claimsOf(
  { row, protocol, deps }: Realm,
  token: Secret,
  { asked }: Pick<Expected, 'asked'>,
): Promise<Claims | string> {
  const { server, alias } = row.settings
  const issuer = alias ? [server.issuer, alias] : [server.issuer]
  let signed: unknown = {}
  if (isJwt(token)) {
    try {
      const expected = { issuer, algorithms, clockTolerance: clockToleranceSeconds, currentDate: deps.now() }
      signed = (await verifyJwt(deps, server, token.reveal(), expected)).payload
    } catch (error) {
      if (isKeysUnavailable(error)) return 'its signature cannot be checked, because the keys of the realm are away'
      const { code, claim } = error as { code?: unknown; claim?: unknown }
      if (code === 'ERR_JWT_EXPIRED') return 'it has expired already'
      return claim === 'iss' ? 'another issuer made it' : 'its signature or dates are wrong'
    }
  }
  const read = Claims.safeParse(signed)
  if (!read.success) return 'what it says makes no sense'
  const { sub, aud, scope, preferred_username } = read.data
  const isWhole = sub !== undefined && aud !== undefined && scope !== undefined
  if (isWhole && (asked.impersonate === undefined || preferred_username !== undefined)) return read.data
  // A lightweight token, or one that is no JWT: the realm tells the rest.
  const told = await protocol.introspect(token).catch((error: unknown) => {
    if (isUpstreamError(error)) return undefined
    throw error
  })
  if (!told) return 'the realm does not tell what it is'
  // So it answers as well where the token is for others alone.
  if (told.active !== true)
    return 'the realm does not confirm it: it may be a lightweight token, which tells only others what it is'
  const whole = Claims.safeParse({ ...told, ...read.data })
  return whole.success ? whole.data : 'what the realm says of it makes no sense'
}

const audienceOf = ({ aud }: Claims): string[] => (typeof aud === 'string' ? [aud] : (aud ?? []))

/** Scopes by the token and by the answer together; undefined: neither names any. */
function scopesOf(...texts: unknown[]): string[] | undefined {
  const stated = texts.filter((text): text is string => typeof text === 'string')
  if (stated.length === 0) return undefined
  return [...new Set(stated.flatMap((text) => text.split(' ')))].filter((one) => one !== '' && isStorable(one))
}

/** Who acts, by all names, the last one first; what it says about it that is not readable is somebody as well. */
function actorsOf({ act }: Claims): Partial<z.infer<typeof Act>>[] {
  if (act === undefined) return []
  const read = Act.safeParse(act)
  if (!read.success) return [{}]
  return [read.data, ...actorsOf({ act: read.data.act } as Claims)]
}

/** Why a token is not the one that was asked for. */
function faultIn(claims: Claims, { row, deps }: Realm, { asked, subject, actor }: Expected): string | undefined {
  const { server, alias } = row.settings
  const { iss, typ, cnf, exp, sub } = claims
  if (iss !== undefined && iss !== server.issuer && iss !== alias) return 'another issuer made it'
  if (typ !== undefined && typ.toLowerCase() !== 'bearer') return 'it is another kind of token'
  if (cnf !== undefined) return 'it is bound to a key'
  if (exp === undefined) return 'it does not say when it ends'
  if (exp * 1000 <= deps.now().getTime()) return 'it has expired already'
  // Never by `aud` (N-35).
  if ((claims.azp ?? claims.client_id) !== row.clientId) return 'it was made for another client'
  if (sub === undefined) return 'it does not say whom it is about'
  // Keycloak spells usernames small.
  const isAbout = asked.impersonate?.toLowerCase()
  if (isAbout === undefined && sub !== subject) return 'it is about somebody else'
  if (isAbout !== undefined && sub === subject) return 'it is about you, not about the person who was asked for'
  const names = [sub, claims.preferred_username ?? claims.username].map((one) => one?.toLowerCase())
  if (isAbout !== undefined && !names.includes(isAbout)) return 'it is about another person than the one asked for'
  const audience = audienceOf(claims)
  const lacks = asked.audience.filter((one) => !audience.includes(one))
  if (lacks.length > 0) return `it is not for ${lacks.join(', ')}`
  const actors = actorsOf(claims)
  if (asked.impersonate !== undefined ? actors.length === 0 : !asked.delegate) return undefined
  const [{ sub: acts, client_id, azp } = {}] = actors
  const isOurs =
    (actor !== undefined && acts === actor) ||
    [acts, client_id, azp].includes(row.clientId) ||
    acts === `service-account-${row.clientId.toLowerCase()}`
  if (actors.length === 1 && isOurs) return undefined
  return 'it does not name Valetkey as the one who acts, as Keycloak before 26.8 never does'
}
