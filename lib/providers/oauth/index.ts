import { importJWK, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { isStorable } from '../../security/json.ts'
import { clientAuth } from '../../security/oauth.ts'
import { Secret } from '../../security/secrets.ts'
import { type Environment, envSample, plainEnvironment, promptSample } from '../environment.ts'
import { type Kind, type Sample, shellQuoted, type Target } from '../kind.ts'
import {
  type Grant,
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  type LinkedGrant,
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  type RevocationOutcome,
  type Standing,
  type UpstreamAccount,
  UpstreamError,
} from '../provider.ts'
import { at } from './answers.ts'
import { callUpstream } from './calls.ts'
import { checkServer } from './check.ts'
import { type Credential, fromSecret, newKey, proofOf, toSecret } from './credential.ts'
import { facts } from './facts.ts'
import { presetViews } from './gallery.ts'
import { isRfc7009, type Preset } from './preset.ts'
import { presets } from './presets/index.ts'
import { oauthProtocol, type Protocol } from './protocol.ts'
import { describe, missing, narrows, OauthRights, summary } from './rights.ts'
import { changeable, clientProof, type Facts, factsOf, OauthSettings } from './settings.ts'
import { found, newClientKey, OauthSetup, prepare } from './setup.ts'
import { offers } from './strategies.ts'

/** Any OAuth 2 or OpenID Connect server. `known`: what is known of famous ones. */
export const oauthKind = (known: ReadonlyMap<string, Preset>): Kind<OauthSettings, OauthRights> => ({
  name: 'oauth',
  title: 'OAuth server',
  issuer: { hint: 'The issuer of the server, as its metadata names it.', placeholder: 'https://login.example.com' },
  settings: OauthSettings,
  changeable,
  setup: {
    schema: OauthSetup,
    prepare: (input, deps) => prepare(OauthSetup.parse(input), deps),
    found,
    presets: presetViews(known),
  },
  rights: OauthRights,
  describe: (rights, settings) => describe(rights, settings && factsOf(settings, known).scopes.known),
  summary,
  narrows,
  missing,
  strategies: (settings) => offers(settings, factsOf(settings, known)),
  tokenType: 'Bearer',
  facts: (settings, at) => facts(settings, factsOf(settings, known), at),
  scopes: ({ scopes }) => scopes,
  authenticatesBy: clientProof,
  clientKeys: {
    make: ({ keys: [present] }) => newClientKey(typeof present?.alg === 'string' ? present.alg : 'ES256'),
    publish: ({ keys }, made) => ({ keys: made ? [made.publicKey, ...keys.slice(0, 1)] : keys.slice(0, 1) }),
  },
  samples,
  environment: (target, settings) => environment(target, factsOf(settings, known)),
  baseUrl: ({ externalId }) => externalId,
  proxy: (settings) => ({
    ...factsOf(settings, known).api,
    bound: settings.senderConstrained,
    certificates: settings.certificates,
  }),
  oneAtATime: (settings) => isOneAtATime(factsOf(settings, known)),
  refreshGraceSeconds: ({ refreshGraceSeconds }) => refreshGraceSeconds,
  revokesGrants: true,
  endsTokens: (settings) => endsOneToken(factsOf(settings, known)),
  endsAccount: ({ revocation }) => revocation?.ends === 'account',
  ofOneAccount: true,
  decidesLife: true,
  probe: {
    rights: (settings, granted) =>
      issuable(settings, factsOf(settings, known), granted)
        .slice(0, 2)
        .map((scope) => ({ scopes: [scope] })),
    keep: (settings, { offered, oldTokenStays, revokeKeepsGrant, scopesStay }) => ({
      ...settings,
      narrowing: {
        offered,
        old_token_survives: oldTokenStays,
        revoke_keeps_grant: revokeKeepsGrant,
        full_scope_remains: scopesStay,
      },
    }),
  },
  findsOrphans: false,
  open: (row, deps) => openServer(row, factsOf(row.settings, known), deps),
})

export const oauthServer = oauthKind(presets)

/** Each works pasted alone into a fresh POSIX shell; the token is read from the input, not from the list of processes. */
function samples({ baseUrl }: Target, token: string): Sample[] {
  const environment = plainEnvironment(baseUrl)
  return [
    {
      id: 'curl',
      label: 'curl',
      code: [`curl --header @- ${shellQuoted(baseUrl)} <<'END'`, `Authorization: Bearer ${token}`, 'END'].join('\n'),
    },
    envSample(environment, token),
    promptSample(environment),
  ]
}

/** The plain names, and those of the server's own tools where its preset says them. */
function environment({ baseUrl }: Target, { tools }: Facts): Environment {
  const { token, values } = plainEnvironment(baseUrl)
  const put = (value: string) => value.replaceAll('{api_host}', () => new URL(baseUrl).host)
  const known = Object.entries(tools?.values ?? {}).map(([name, value]) => [name, put(value)])
  return { token: [...token, ...(tools?.token ?? [])], values: { ...values, ...Object.fromEntries(known) } }
}

const hasRefreshTokens = ({ tokens }: Facts) => tokens.refresh !== 'none'
// What is not known counts as the worse.
const isOneAtATime = ({ narrowing }: Facts) => narrowing.old_token_survives !== true
const endsOneToken = ({ narrowing }: Facts) => narrowing.revoke_keeps_grant === true
/** The way out to a row's server, with what vouches for it. */
export const reaching = ({ certificates }: OauthSettings, deps: ProviderDeps): ProviderDeps => ({
  ...deps,
  ...(certificates && deps.trusting(certificates)),
})

/** Where a server is known by its metadata alone, and gives less than others. */
type Habits = {
  /** A grant may come without a refresh token, and ends with its access token then. */
  refreshOptional?: boolean
  /** Whose account it is may stay unsaid. */
  namesNobody?: boolean
}

/** The protocol as a row's server speaks it. */
export function speak(
  row: ProviderSettings<OauthSettings>,
  facts: Facts,
  given: ProviderDeps,
  { refreshOptional }: Habits = {},
): Protocol {
  const { clientId, settings } = row
  const { server, scopes: asked, separator } = settings
  const openid = asked.includes('openid') && server.jwks_uri !== undefined
  return oauthProtocol(
    async () => {
      const scope =
        facts.scopes.fixedAtRegistration || asked.length === 0
          ? {}
          : { [facts.scopes.parameter]: asked.join(separator) }
      return {
        server,
        client: { client_id: clientId },
        auth: await authentications(row),
        parameters: { ...settings.authorizationParameters, ...scope },
        tokenParameters: settings.tokenParameters,
        openid,
        alias: settings.alias,
        repeatsRefresh: false,
        answers: { ...facts.quirks, separator },
        refreshless: !hasRefreshTokens(facts),
        refreshOptional,
        refreshEndpoint: settings.refreshEndpoint,
      }
    },
    reaching(settings, given),
  )
}

/** The verbs of a row. */
export function openServer(
  row: ProviderSettings<OauthSettings>,
  facts: Facts,
  given: ProviderDeps,
  habits: Habits = {},
): Provider<OauthRights> {
  const { settings } = row
  const { server, scopes: asked, separator, account, revocation } = settings
  const deps = reaching(settings, given)
  const hasRefresh = hasRefreshTokens(facts)
  /** Whether the access token is needed to end the grant, or is the grant. */
  const keepsAccess = !hasRefresh || revocation?.takes === 'access_token'
  const protocol = speak(row, facts, given, habits)
  /** The same that asks for other scopes than the row's own. */
  const asking = (scopes: string[] | undefined) =>
    scopes ? speak({ ...row, settings: { ...settings, scopes } }, facts, given, habits) : protocol

  const proof = ({ key }: Credential) => (key ? proofOf(deps, key) : undefined)
  /** The grant as the core keeps it; what did not come again is what there was. */
  const kept = (
    grant: Grant,
    before: Credential,
    access = grant.accessToken.reveal(),
  ): Grant & { refreshToken: Secret } => {
    const refresh = grant.refreshToken?.reveal() ?? before.refresh
    const endsWithAccess = habits.refreshOptional && refresh === undefined
    const days = settings.refreshTokenDays * 86_400 || undefined
    return {
      ...grant,
      refreshToken: toSecret({
        key: before.key,
        refresh,
        ...((keepsAccess || endsWithAccess) && { access }),
        ...(endsWithAccess && { until: deps.now().getTime() / 1000 + grant.expiresInSeconds }),
      }),
      grantExpiresInSeconds: endsWithAccess ? grant.expiresInSeconds : (grant.grantExpiresInSeconds ?? days),
    }
  }

  async function identify(
    accessToken: Secret,
    of: { subject: string | undefined; name: string | undefined; whole: unknown },
  ): Promise<UpstreamAccount> {
    if (of.subject) return named(plain(of.subject), of.name ?? (await nameOf(accessToken, of.subject)))
    if (account && !account.url) return named(textAt(of.whole, account.id), textAt(of.whole, account.name))
    if (account?.url) {
      const answer = await callUpstream(deps, 'read', accountCall(account, accessToken))
      return named(textAt(answer, account.id), textAt(answer, account.name))
    }
    if (!server.userinfo_endpoint) return nobody
    const call = { url: server.userinfo_endpoint, method: 'GET', bearer: accessToken }
    try {
      const answer = await callUpstream(deps, 'read', call)
      return named(textAt(answer, '/sub'), nameIn(answer))
    } catch (error) {
      // A token that is for one resource alone mostly says nothing at another (RFC 8707 2).
      if (habits.namesNobody && isUpstreamError(error)) return nobody
      throw error
    }
  }

  /** What userinfo calls a person whose ID token names none; it is about them only if it says so (OIDC Core 5.3.2). */
  async function nameOf(bearer: Secret, subject: string): Promise<string | undefined> {
    if (!server.userinfo_endpoint) return undefined
    const call = { url: server.userinfo_endpoint, method: 'GET', bearer }
    const answer = await callUpstream(deps, 'read', call).catch(() => undefined)
    return textAt(answer, '/sub') === subject ? nameIn(answer) : undefined
  }

  /** The only access token of a grant, as long as it lives. */
  function onlyOne({ access = '', until = 0 }: Credential): Grant {
    const left = Math.floor(until - deps.now().getTime() / 1000)
    if (left <= 0) throw new UpstreamError('refused', 'the grant has ended with its access token')
    const accessToken = new Secret(access)
    return { accessToken, expiresInSeconds: left, refreshToken: undefined, scopes: undefined }
  }

  /** A grant without refresh tokens is renewed by seeing whether it still stands. */
  async function looked(before: Credential): Promise<Grant> {
    const accessToken = new Secret(before.access ?? '')
    if (account?.url) await callUpstream(deps, 'refresh', accountCall(account, accessToken))
    return { accessToken, expiresInSeconds: standingSeconds, refreshToken: undefined, scopes: undefined }
  }

  async function narrowed({
    refreshToken,
    subject,
    once,
    request,
  }: Parameters<NonNullable<Provider<OauthRights>['narrow']>>[0]) {
    const before = fromSecret(refreshToken)
    const { scopes } = request.rights
    const grant = await protocol.refresh({
      subject,
      once,
      scopes: scopes.join(separator),
      refreshToken: new Secret(before.refresh ?? ''),
      proof: await proof(before),
    })
    return { ...kept(grant, before, before.access), issued: judged(grant, request, deps.now()) }
  }

  async function ended({ refresh, access }: Credential, which: 'grant' | 'token'): Promise<RevocationOutcome> {
    const byRefresh = which === 'grant' && (revocation ? revocation.takes === 'refresh_token' : refresh !== undefined)
    const taken = byRefresh ? refresh : access
    if (!taken || revocation?.ends === 'nothing') return { state: 'impossible' }
    if (!revocation || isRfc7009(revocation as Revocation))
      return protocol.revoke(new Secret(taken), byRefresh ? 'refresh_token' : 'access_token')
    const { errorsWithStatus200: refusesWith200, headers } = facts.quirks ?? {}
    const call = revocationCall(revocation as Revocation, row, taken)
    await callUpstream(deps, 'revoke', { ...call, refusesWith200, headers: { ...headers, ...call.headers } })
    return { state: 'done' }
  }

  async function stands({ accessToken }: { accessToken: Secret }): Promise<boolean | undefined> {
    const call = account?.url
      ? accountCall(account, accessToken)
      : server.userinfo_endpoint && { url: server.userinfo_endpoint, method: 'GET', bearer: accessToken }
    if (!call) return undefined
    return callUpstream(deps, 'read', call).then(
      () => true,
      (error: unknown) => (isUpstreamError(error) && error.failure === 'refused' ? false : undefined),
    )
  }

  return {
    authorizationUrl: ({ scopes, ...input }) => asking(scopes).authorizationUrl(input),

    async exchangeCode({ scopes, ...input }): Promise<LinkedGrant> {
      const key = settings.senderConstrained ? await newKey() : undefined
      const exchanged = await asking(scopes).exchangeCode({ ...input, proof: key && (await proofOf(deps, key)) })
      const { subject, name, whole, vouched, ...grant } = exchanged
      const credential = kept(grant, { key })
      const account = await identify(grant.accessToken, { subject, name, whole }).catch(async (error: unknown) => {
        // Nobody will ever hold this grant.
        await ended(fromSecret(credential.refreshToken), 'grant').catch(() => undefined)
        throw error
      })
      const projects = settings.bases.map((base) => ({
        externalId: base.url,
        name: base.name,
        region: new URL(base.url).host,
        role: undefined,
      }))
      return {
        ...credential,
        ...(!hasRefresh && { expiresInSeconds: standingSeconds }),
        // Left out, they are those that were asked for (RFC 6749 5.1).
        scopes: grant.scopes ?? scopes ?? asked,
        account,
        projects,
        vouched,
      }
    },

    async refresh({ refreshToken, subject, once }) {
      const before = fromSecret(refreshToken)
      if (!hasRefresh) return kept(await looked(before), before)
      if (habits.refreshOptional && before.refresh === undefined) return kept(onlyOne(before), before)
      return kept(
        await protocol.refresh({
          subject,
          once,
          refreshToken: new Secret(before.refresh ?? ''),
          proof: await proof(before),
        }),
        before,
      )
    },

    narrow: narrowed,

    async revoke(target) {
      switch (target.kind) {
        case 'grant':
          return ended(fromSecret(target.refreshToken), 'grant')
        case 'token':
          // Where that would end the grant as well, one token is left to end by itself.
          if (!endsOneToken(facts)) return { state: 'impossible' }
          return ended({ access: target.handle.reveal() }, 'token')
        case 'orphans':
          return { state: 'impossible' }
      }
    },

    async issue() {
      throw new UpstreamError('misconfigured', 'tokens of this upstream are made by a refresh')
    },

    async sign({ grant, accessToken, method, url, send }) {
      const DPoP = await proof(fromSecret(grant))
      if (!DPoP) throw new UpstreamError('protocol', 'what is stored of the grant has no key to sign with')
      const options = {
        DPoP,
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: (_url: string, { headers }: { headers: Record<string, string> }) =>
          send({ authorization: headers.authorization ?? '', dpop: headers.dpop ?? '' }),
      }
      /** Whether it has to be asked again, with the nonce that came. What else the API says has been handed on. */
      const ask = async (): Promise<boolean> => {
        try {
          await oauth.protectedResourceRequest(accessToken.reveal(), method, url, undefined, null, options)
        } catch (error) {
          if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
          return oauth.isDPoPNonceError(error)
        }
        return false
      }
      if (await ask()) await ask()
    },

    ...(server.jwks_uri && { readLogout: protocol.readLogout }),
    tryClient: protocol.tryClient,
    check: ({ redirectUri }) =>
      checkServer({ row, facts, deps: given, open: (row, deps) => speak(row, facts, deps), redirectUri }),

    stands,
    async standing(target) {
      const { refresh, access } =
        target.kind === 'grant'
          ? fromSecret(target.refreshToken)
          : { refresh: undefined, access: target.handle.reveal() }
      return standingOf(
        { protocol, stands, introspects: server.introspection_endpoint !== undefined },
        { refresh, access },
      )
    },

    async choices({ granted }) {
      const known = new Map(facts.scopes.known.map((scope) => [scope.name, scope]))
      const scopes = issuable(settings, facts, granted).map((name) => {
        const { text, risk } = known.get(name) ?? {}
        return { name, text: text ?? null, risk: risk ?? 'medium' }
      })
      return {
        scopes,
        one_at_a_time: isOneAtATime(facts),
        revocable: endsOneToken(facts),
      }
    },
  }
}

/** How a grant or a token stands, by its refresh token where it has one, which nothing but introspection tells without using it. */
export async function standingOf(
  asked: { protocol: Protocol; stands: NonNullable<Provider['stands']>; introspects: boolean },
  { refresh, access }: Pick<Credential, 'refresh' | 'access'>,
): Promise<Standing> {
  const [token, hint] = refresh ? ([refresh, 'refresh_token'] as const) : ([access, 'access_token'] as const)
  if (!token) return 'untold'
  // By one door alone: who is let in at one and not at another proves nothing.
  if (asked.introspects) {
    const told = await asked.protocol.introspect(new Secret(token), hint).catch(() => undefined)
    // "Not active" is also what a server says to a client that it does not tell (RFC 7662 2.2): no verdict.
    return told ? (told.active === true ? 'works' : 'refused') : 'untold'
  }
  const works = refresh ? undefined : await asked.stands({ accessToken: new Secret(token) })
  return works === undefined ? 'untold' : works ? 'works' : 'refused'
}

/** Scopes that can be passed on: what the connection did not get, or has for itself alone, cannot. */
export function issuable({ scopes: asked }: OauthSettings, { scopes }: Facts, granted: string[]): string[] {
  const identity = new Set(['openid', 'offline_access', ...scopes.always])
  const held = granted.length > 0 ? asked.filter((name) => granted.includes(name)) : asked
  return held.filter((name) => !identity.has(name))
}

const nobody: UpstreamAccount = { id: 'unknown', name: 'account not named by the upstream' }

/** How long a grant that never ends by itself is taken to stand until it is looked at again. */
const standingSeconds = 24 * 3600

/** How the client of a row proves itself: by each secret or key that counts, the newest first. */
async function authentications(
  row: ProviderSettings<OauthSettings>,
): Promise<[oauth.ClientAuth, ...oauth.ClientAuth[]]> {
  const { settings, clientSecret, clientSecretBefore } = row
  const made: oauth.ClientAuth[] = []
  for (const secret of [clientSecret, clientSecretBefore]) if (secret) made.push(await authentication(settings, secret))
  const [first, ...others] = made
  return settings.authentication === 'none' || !first ? [oauth.None()] : [first, ...others]
}

async function authentication(
  { authentication: way, server }: OauthSettings,
  secret: Secret,
): Promise<oauth.ClientAuth> {
  if (way === 'none') return oauth.None()
  if (way !== 'private_key_jwt') return clientAuth(server, secret.reveal(), way)
  const jwk = JSON.parse(secret.reveal()) as JWK
  const key = (await importJWK(jwk)) as CryptoKey
  return oauth.PrivateKeyJwt(jwk.kid ? { key, kid: jwk.kid } : key, { [oauth.modifyAssertion]: inWholeSeconds })
}

/** Our clock is finer than a second, and a server that counts whole ones takes what is half a second ahead for not begun. */
function inWholeSeconds(_: unknown, payload: Record<string, oauth.JsonValue | undefined>): void {
  delete payload.nbf
  for (const name of ['iat', 'exp']) payload[name] = Math.floor(Number(payload[name]))
}

/** Judges a token by its answer alone: scopes that it does not name may be any (RFC 6749 5.1 is not relied upon). */
function judged(
  grant: Grant,
  { rights: asked, nonce }: IssueRequest<OauthRights>,
  now: Date,
): IssuedUpstream<OauthRights> {
  const token = { value: grant.accessToken, upstreamId: nonce, handle: grant.accessToken }
  const expiresAt = new Date(now.getTime() + grant.expiresInSeconds * 1000)
  const excess = grant.scopes ? missing({ scopes: grant.scopes }, asked) : ['scopes that the answer does not name']
  if (!grant.scopes || excess.length > 0) return { kind: 'beyond', token: { ...token, expiresAt }, exceeded: excess }
  return { kind: 'within', token: { ...token, granted: { scopes: grant.scopes }, expiresAt } }
}

const named = (id: string | undefined, name: string | undefined): UpstreamAccount => {
  if (!id) throw new UpstreamError('protocol', 'the upstream does not say whose account it is')
  return { id, name: name || id }
}

function textAt(document: unknown, pointer: string | undefined): string | undefined {
  const value = pointer === undefined ? undefined : at(document, pointer)
  return typeof value === 'string' || typeof value === 'number' ? plain(String(value)) : undefined
}

/** What can be stored and shown as it is. */
const plain = (text: string | undefined) => (text && text.length <= 500 && isStorable(text) ? text : undefined)

/** What OpenID Connect calls a person (OIDC Core 5.1). */
const nameIn = (document: unknown) =>
  ['/name', '/preferred_username', '/email'].map((place) => textAt(document, place)).find(Boolean)

type Account = NonNullable<Preset['account']>
function accountCall({ url = '', method = 'GET', body }: Partial<Account>, bearer: Secret) {
  return { url, method, bearer, ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }) }
}

type Revocation = NonNullable<Preset['revocation']>
function revocationCall(way: Revocation, { clientId, clientSecret }: ProviderSettings, token: string) {
  const url = way.url
    .replaceAll('{token}', encodeURIComponent(token))
    .replaceAll('{client_id}', encodeURIComponent(clientId))
  const secret = clientSecret?.reveal() ?? ''
  const fields = {
    ...(way.body && { [way.body.name]: token }),
    ...(way.authenticated === 'rfc7009' && { client_id: clientId, ...(secret && { client_secret: secret }) }),
  }
  const isJson = way.body?.as === 'json'
  const hasBody = Object.keys(fields).length > 0 && way.method !== 'GET'
  return {
    url,
    method: way.method,
    ...(way.authenticated === 'bearer' && { bearer: new Secret(token) }),
    headers: {
      ...(way.authenticated === 'basic' && { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` }),
      ...(hasBody && { 'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded' }),
    },
    ...(hasBody && { body: isJson ? JSON.stringify(fields) : new URLSearchParams(fields).toString() }),
  }
}
