import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

const grants = {
  exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  refreshToken: 'urn:ietf:params:oauth:token-type:refresh_token',
}
export const realmClient = { id: 'valetkey', secret: 'the-secret-of-the-client' }
/** People of the realm: username and subject. */
export const people = { alice: 'sub-of-alice', bob: 'sub-of-bob' } as const
const accountSubject = 'sub-of-the-service-account'

type Answer = Record<string, unknown>

/** How the realm is at the moment; all that it does wrong, it does on purpose. */
export type RealmState = {
  /** The client's switch "standard token exchange". */
  standard: boolean
  /** The legacy exchange; and whether the client's own account may become others by it. */
  legacy: boolean
  impersonates: boolean
  /** It writes `may_act`, and takes an actor token. */
  delegates: boolean
  serviceAccount: boolean
  announced: boolean
  demandsPkce: boolean
  offlineAllowed: boolean
  /** It passes over an audience that it does not know. */
  heedless: boolean
  /** What an exchange answers to everybody, before it looks. */
  refusal: { status: number; error: string } | undefined
  /** Changes to what an exchanged token says. */
  claims: (claims: JWTPayload) => JWTPayload
  /** Changes to the answer of an exchange. */
  answer: (answer: Answer) => Answer
  /** Signs exchanged tokens with a key that it never published. */
  forges: boolean
  /** Exchanged tokens are no JWTs. */
  opaque: boolean
  /** It tells of a token also a client that it is not for, as Keycloak did once. */
  tells: boolean
  /** Changes to what it tells. */
  introspection: (told: Answer) => Answer
  lifetimeSeconds: number
  /** An exchange waits for it before it is answered; the token is made by then. */
  hold: Promise<void> | undefined
  keysAway: boolean
}

const well = (): RealmState => ({
  standard: true,
  legacy: false,
  impersonates: false,
  delegates: false,
  serviceAccount: true,
  announced: true,
  demandsPkce: true,
  offlineAllowed: true,
  heedless: false,
  refusal: undefined,
  claims: (claims) => claims,
  answer: (answer) => answer,
  forges: false,
  opaque: false,
  tells: false,
  introspection: (told) => told,
  lifetimeSeconds: 300,
  hold: undefined,
  keysAway: false,
})

/**
 * A server that exchanges tokens as Keycloak 26 does: the conditions of upstreams.md 3.5.2 and 3.5.3 in their order, with its
 * answers. Over a real socket; every request is kept.
 */
export async function startRealm({ now = () => Date.now() } = {}) {
  const requests: { path: string; authorization: string | undefined; body: URLSearchParams }[] = []
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const stranger = await generateKeyPair('ES256')
  const keys = [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k', use: 'sig' }]
  /** What each token says, by its value; `gone`: it was revoked. */
  const tokens = new Map<string, { claims: JWTPayload; gone: boolean }>()
  const ownTokens: string[] = []
  const refreshTokens = new Map<string, { username: keyof typeof people; scope: string }>()
  const codes = new Map<string, { nonce: string; scope: string }>()
  let state = well()

  const audiences: Record<string, string[]> = { 'files-api': ['files:read', 'files:write'], 'mail-api': ['mail:read'] }
  const known = new Set(['openid', 'offline_access', 'email', 'unconsented', ...Object.values(audiences).flat()])

  async function issued(claims: JWTPayload, { forged = false, opaque = false } = {}): Promise<string> {
    const at = Math.floor(now() / 1000)
    const whole = { iss: issuer, typ: 'Bearer', iat: at, exp: at + state.lifetimeSeconds, jti: randomUUID(), ...claims }
    const jwt = new SignJWT(whole).setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'JWT' })
    const value = opaque ? `opaque-${randomUUID()}` : await jwt.sign(forged ? stranger.privateKey : privateKey)
    tokens.set(value, { claims: whole, gone: false })
    return value
  }

  async function session(username: keyof typeof people, scope: string, nonce?: string): Promise<Answer> {
    const refresh = `refresh-${randomUUID()}`
    refreshTokens.set(refresh, { username, scope })
    const sub = people[username]
    // Its default scope comes unasked.
    const granted = [...new Set([...scope.split(' '), 'email'])].join(' ')
    const about = { sub, azp: realmClient.id, preferred_username: username }
    return {
      access_token: await issued({
        ...about,
        aud: 'account',
        scope: granted,
        ...(state.delegates && { may_act: { client_id: realmClient.id } }),
      }),
      refresh_token: refresh,
      token_type: 'Bearer',
      expires_in: state.lifetimeSeconds,
      refresh_expires_in: 0,
      scope: granted,
      id_token: await issued({ sub, aud: realmClient.id, typ: 'ID', ...(nonce && { nonce }), name: username }),
    }
  }

  const no = (error: string, status = 400): [number, Answer] => [
    status,
    { error, error_description: 'What the server has to say about it.' },
  ]
  const alive = (token: string | null) => {
    const found = tokens.get(token ?? '')
    return found && !found.gone && (found.claims.exp ?? 0) * 1000 > now() ? found.claims : undefined
  }

  async function exchange(body: URLSearchParams): Promise<[number, Answer]> {
    if (state.refusal) return no(state.refusal.error, state.refusal.status)
    const wanted = body.get('requested_subject')
    const isLegacy = state.legacy && (!state.standard || wanted !== null)
    if (!isLegacy) {
      if (wanted !== null || body.has('requested_issuer') || body.has('subject_issuer')) return no('invalid_request')
      if (!state.standard) return no('invalid_request')
    }
    const subject = alive(body.get('subject_token'))
    if (body.get('subject_token_type') !== grants.accessToken || !subject) return no('invalid_request')
    const requested = body.get('requested_token_type') ?? (isLegacy ? grants.refreshToken : grants.accessToken)
    const mayBe = isLegacy ? [grants.accessToken, grants.refreshToken] : [grants.accessToken]
    if (!mayBe.includes(requested)) return no('invalid_request')
    const audience = body.getAll('audience').filter((name) => name in audiences || !state.heedless)
    if (audience.some((name) => !(name in audiences))) return no('invalid_client')
    if (subject.azp !== realmClient.id && ![subject.aud].flat().includes(realmClient.id))
      return no('access_denied', 403)
    const scopes = (body.get('scope') ?? '').split(' ').filter(Boolean)
    if (scopes.some((name) => !known.has(name))) return no('invalid_scope')
    if (scopes.includes('offline_access')) return no('invalid_request')
    if (scopes.includes('unconsented')) return no('invalid_scope')
    const got = Object.entries(audiences).flatMap(([name, its]) =>
      its.some((one) => scopes.includes(one)) ? [name] : [],
    )
    if (audience.some((name) => !got.includes(name)))
      return no(isLegacy ? 'access_denied' : 'invalid_request', isLegacy ? 403 : 400)
    let about = { sub: subject.sub, preferred_username: subject.preferred_username }
    if (wanted !== null) {
      const mayBecome = state.impersonates && subject.sub === accountSubject
      if (!mayBecome || !(wanted in people)) return no('access_denied', 403)
      about = { sub: people[wanted as keyof typeof people], preferred_username: wanted }
    }
    const actor = body.get('actor_token')
    if (actor !== null && (!state.delegates || !alive(actor) || !subject.may_act)) return no('invalid_request')
    const scope = [...scopes, 'email'].filter((name, index, all) => all.indexOf(name) === index).join(' ')
    const claims = state.claims({
      ...about,
      azp: realmClient.id,
      aud: audience.length > 0 ? got.filter((name) => audience.includes(name)) : got,
      scope,
      ...(actor !== null && { act: { sub: alive(actor)?.sub } }),
    })
    const value = await issued(claims, { forged: state.forges, opaque: state.opaque })
    await state.hold
    const wantsRefresh = requested === grants.refreshToken
    return [
      200,
      state.answer({
        access_token: value,
        expires_in: state.lifetimeSeconds,
        refresh_expires_in: 0,
        token_type: 'Bearer',
        scope: claims.scope,
        issued_token_type: requested,
        ...(wantsRefresh && { refresh_token: `refresh-${randomUUID()}` }),
      }),
    ]
  }

  async function token(body: URLSearchParams): Promise<[number, Answer]> {
    switch (body.get('grant_type')) {
      case 'authorization_code': {
        const known = codes.get(body.get('code') ?? '')
        codes.delete(body.get('code') ?? '')
        return known ? [200, await session('alice', known.scope, known.nonce)] : no('invalid_grant')
      }
      case 'refresh_token': {
        const given = body.get('refresh_token') ?? ''
        const known = refreshTokens.get(given)
        refreshTokens.delete(given)
        return known ? [200, await session(known.username, known.scope)] : no('invalid_grant')
      }
      case 'client_credentials': {
        if (!state.serviceAccount) return no('unauthorized_client', 401)
        const scope = [body.get('scope'), 'email'].filter(Boolean).join(' ')
        const value = await issued({ sub: accountSubject, azp: realmClient.id, aud: 'account', scope })
        ownTokens.push(value)
        return [200, { access_token: value, token_type: 'Bearer', expires_in: 300, scope }]
      }
      case grants.exchange:
        return state.announced ? exchange(body) : no('unsupported_grant_type')
      default:
        return no('unsupported_grant_type')
    }
  }

  const isClient = (authorization: string | undefined) =>
    Buffer.from(/^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '', 'base64').toString() ===
    `${realmClient.id}:${realmClient.secret}`

  /** An answer, or where a browser is sent. */
  async function answer(incoming: IncomingMessage, body: URLSearchParams): Promise<[number, Answer] | string> {
    const url = new URL(incoming.url ?? '', origin)
    const path = url.pathname.replace('/realms/acme', '').replace('/protocol/openid-connect', '')
    const { authorization } = incoming.headers
    if (path === '/.well-known/openid-configuration') return [200, metadata()]
    if (path === '/certs') return state.keysAway ? [500, {}] : [200, { keys }]
    if (path === '/api') return [200, {}]
    if (path === '/api/files') return alive(authorization?.slice(7) ?? null) ? [200, {}] : [401, {}]
    if (path === '/userinfo') {
      const claims = alive(authorization?.slice(7) ?? null)
      return claims ? [200, { sub: claims.sub, preferred_username: claims.preferred_username }] : [401, {}]
    }
    if (path === '/auth') {
      const query = url.searchParams
      const back = new URL(query.get('redirect_uri') ?? '')
      const scopes = query.get('scope') ?? ''
      back.searchParams.set('state', query.get('state') ?? '')
      const isTaken =
        (query.has('code_challenge') || !state.demandsPkce) &&
        (state.offlineAllowed || !scopes.includes('offline_access')) &&
        (state.delegates || !scopes.includes('delegation:'))
      if (!isTaken) {
        back.searchParams.set('error', 'invalid_request')
        return back.href
      }
      // Whoever comes with a browser allows it.
      if (!query.has('approve') && incoming.headers['sec-fetch-mode'] !== 'navigate') return [200, {}]
      const code = randomUUID()
      codes.set(code, { nonce: query.get('nonce') ?? '', scope: scopes })
      back.searchParams.set('code', code)
      return back.href
    }
    if (!isClient(authorization)) return no('unauthorized_client', 401)
    if (path === '/token') return token(body)
    if (path === '/token/introspect') {
      const found = alive(body.get('token'))
      const claims = state.tells || [found?.aud].flat().includes(realmClient.id) ? found : undefined
      return [200, state.introspection(claims ? { ...claims, active: true, client_id: claims.azp } : { active: false })]
    }
    if (path === '/revoke') {
      const value = body.get('token') ?? ''
      const known = tokens.get(value)
      if (known) known.gone = true
      refreshTokens.delete(value)
      return [200, {}]
    }
    return [404, {}]
  }

  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = new URLSearchParams(Buffer.concat(chunks).toString())
    const { pathname } = new URL(incoming.url ?? '', origin)
    requests.push({ path: pathname, authorization: incoming.headers.authorization, body })
    const sent = await answer(incoming, body)
    if (typeof sent === 'string') return void response.writeHead(302, { location: sent }).end()
    const [status, json] = sent
    const date = new Date(now()).toUTCString()
    response.sendDate = false
    response.writeHead(status, { 'content-type': 'application/json', date }).end(JSON.stringify(json))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = `${origin}/realms/acme`
  const at = (path: string) => `${issuer}/protocol/openid-connect/${path}`
  const metadata = () => ({
    issuer,
    authorization_endpoint: at('auth'),
    token_endpoint: at('token'),
    userinfo_endpoint: at('userinfo'),
    jwks_uri: at('certs'),
    revocation_endpoint: at('revoke'),
    introspection_endpoint: at('token/introspect'),
    grant_types_supported: ['authorization_code', 'refresh_token', ...(state.announced ? [grants.exchange] : [])],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256'],
    id_token_signing_alg_values_supported: ['ES256'],
    scopes_supported: ['openid', 'offline_access'],
    dpop_signing_alg_values_supported: ['ES256'],
  })

  return {
    origin,
    issuer,
    api: `${origin}/api`,
    requests,
    /** Tokens that the client got for itself. */
    ownTokens,
    /** Exchanges that came, and what each asked. */
    exchanges: () => requests.filter(({ body }) => body.get('grant_type') === grants.exchange).map(({ body }) => body),
    revoked: () => requests.filter(({ path }) => path.endsWith('/revoke')).map(({ body }) => body.get('token') ?? ''),
    works: (token: string) => alive(token) !== undefined,
    claimsOf: (token: string) => decodeJwt(token),
    /** Tokens that were made for an audience of an API and work, whoever has them. */
    working: () =>
      [...tokens]
        .filter(([value, { claims }]) => alive(value) && [claims.aud].flat().some((name) => name && name in audiences))
        .map(([value]) => value),
    /** Ends every token that is out, as the end of a session does. */
    endSessions: () => {
      for (const one of tokens.values()) one.gone = true
    },
    /** How it is from here on; what is not named is well. */
    is: (next: Partial<RealmState> = {}) => {
      state = { ...well(), ...next }
    },
    /** Plays the browser of a person who allows everything. */
    async approve(url: string): Promise<string> {
      const response = await fetch(`${url}&approve=1`, { redirect: 'manual' })
      return response.headers.get('location') ?? ''
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export type Realm = Awaited<ReturnType<typeof startRealm>>
