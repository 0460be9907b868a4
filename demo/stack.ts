import { createHash, timingSafeEqual } from 'node:crypto'
import { decodeJwt } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { Check, Prompt, Provider } from './engine.ts'
import { isAnswer, resume, whoDecides } from './interaction.ts'
import { cookiesOf } from './issuer.ts'
import { engineKey, sign } from './keys.ts'
import { componentPage, consentPage, errorPage, homePage } from './pages.ts'
import { expiresInField, isInGrace, note, type Part, type World, withoutFields } from './part.ts'
import { sha256, type TokenRecord } from './store.ts'
import { type Answer, field, type Incoming, json, makeEngine } from './wire.ts'
import { accountBySub, PROJECTS, projectsOf } from './world.ts'

const CODE_SECONDS = 600
const SCOPES = ['email']
const PKCE_TEXT = /^[A-Za-z0-9\-._~]{43,128}$/
const NO_STORE = { 'cache-control': 'no-store', pragma: 'no-cache' }
const RESOURCE = 'urn:demo:storage'

/**
 * The project stack's OAuth server, with the wire behaviour of League's oauth2-server: its checks stand before
 * oidc-provider, which runs the protocol; its shapes are put on what comes out.
 */
export async function makeStack(world: World): Promise<Part> {
  const { url, clock, store, modes, stackClient } = world
  const accessTokenSeconds = () => modes.current.accessTokenSeconds
  const refreshTokenSeconds = () => modes.current.refreshTokenSeconds
  /** Interactions whose sign-in forgets the authorize request behind it. */
  const dropped = new Set<string>()
  const provider = new Provider(url, {
    adapter: store.adapter('stack'),
    clients: [
      {
        client_id: stackClient.id,
        client_secret: stackClient.secret,
        redirect_uris: stackClient.redirectUris,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'ES256',
        scope: SCOPES.join(' '),
      },
    ],
    jwks: { keys: [await engineKey()] },
    cookies: cookiesOf('stack'),
    clientBasedCORS: () => false,
    extraParams: ['redirect_implied'],
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, _resource, client) => ({
          scope: SCOPES.join(' '),
          audience: client.clientId,
          accessTokenFormat: 'jwt',
          accessTokenTTL: modes.current.accessTokenSeconds,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    findAccount: (_ctx, sub) => (accountBySub(sub) ? { accountId: sub, claims: () => ({ sub }) } : undefined),
    formats: {
      // League's codes are encrypted payloads of several hundred characters.
      bitsOfOpaqueRandomness: (_ctx, token) => (token.kind === 'AuthorizationCode' ? 3600 : 2400),
      customizers: {
        jwt(_ctx, token, parts) {
          const now = clock.seconds()
          const lifetime = modes.current.accessTokenSeconds
          const { aud, jti, sub } = parts.payload
          parts.payload = { aud, jti, sub, iat: now, nbf: now, exp: now + lifetime, scopes: [...token.scopes] }
        },
      },
    },
    interactions: { policy: projectPolicy(), url: (_ctx, interaction) => `/oauth/approve/${interaction.uid}` },
    // Every approval is a grant of its own, for the project chosen in it.
    loadExistingGrant: async (ctx) => {
      const grantId = ctx.oidc.result?.consent?.grantId
      return grantId ? await ctx.oidc.provider.Grant.find(grantId) : undefined
    },
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    pkce: { required: () => false },
    renderError(ctx, out) {
      ctx.type = 'json'
      ctx.body = out
    },
    rotateRefreshToken: () => modes.current.rotation !== 'none' && modes.current.refreshReturnsToken,
    routes: { authorization: '/oauth/authorize', token: '/oauth/token', jwks: '/oauth/keys' },
    scopes: SCOPES,
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: CODE_SECONDS,
      // Outlives every refresh token made under it; each rotation starts a new term.
      Grant: 10 * 365 * 86_400,
      Interaction: 3600,
      RefreshToken: refreshTokenSeconds,
      Session: 86_400,
    },
  })
  provider.Client.prototype.redirectUriAllowed = (candidate: string) => redirectAllowed(candidate)

  const engine = makeEngine(provider, '', async (ctx, incoming) => {
    if (ctx.oidc?.route === 'authorization' || ctx.oidc?.route === 'resume') leagueRedirect(ctx, incoming)
  })

  // --- the authorize endpoint

  /** Byte for byte; of a loopback IP the port is free (RFC 8252 section 7.3), of localhost it is not. */
  function redirectAllowed(candidate: string): boolean {
    if (stackClient.redirectUris.includes(candidate)) return true
    if (!modes.current.loopbackPortIgnored) return false
    const portless = (uri: string) =>
      /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::\d+)?(\/.*)?$/.exec(uri)?.slice(1).join('')
    const wanted = portless(candidate)
    return wanted !== undefined && stackClient.redirectUris.some((uri) => portless(uri) === wanted)
  }

  async function authorize(incoming: Incoming): Promise<Answer> {
    const asked = incoming.url.searchParams
    const responseType = asked.get('response_type')
    const clientId = asked.get('client_id')
    const challenge = asked.get('code_challenge')
    const method = asked.get('code_challenge_method') ?? 'plain'
    const state = asked.get('state')
    if (!responseType) return leagueError(400, 'invalid_request', 'Check the `response_type` parameter')
    if (responseType !== 'code') return leagueError(400, 'unsupported_grant_type')
    if (!clientId) return leagueError(400, 'invalid_request', 'Check the `client_id` parameter')
    note(incoming, { client: clientId })
    if (clientId !== stackClient.id || !modes.current.clientKnown) return leagueError(401, 'invalid_client')
    const only = stackClient.redirectUris.length === 1 ? stackClient.redirectUris[0] : undefined
    const redirectUri = asked.get('redirect_uri') ?? only
    if (redirectUri === undefined || !redirectAllowed(redirectUri)) return leagueError(401, 'invalid_client')
    const scope = (asked.get('scope') ?? '').split(' ').filter(Boolean)
    const unknown = scope.find((name) => !SCOPES.includes(name))
    if (unknown !== undefined) {
      const target = new URL(redirectUri)
      for (const [name, value] of Object.entries(leagueBody('invalid_scope', `Check the \`${unknown}\` scope`))) {
        target.searchParams.set(name, value)
      }
      if (state !== null) target.searchParams.set('state', state)
      return { status: 302, headers: { location: target.href }, body: '' }
    }
    if (challenge === null && modes.current.clientType === 'public') {
      return leagueError(400, 'invalid_request', 'Code challenge must be provided for public clients')
    }
    if (challenge !== null && (!['plain', 'S256'].includes(method) || !PKCE_TEXT.test(challenge))) {
      return leagueError(400, 'invalid_request', 'Check the `code_challenge` and `code_challenge_method` parameters')
    }
    const query = new URLSearchParams({ response_type: 'code', client_id: clientId, redirect_uri: redirectUri })
    if (!asked.has('redirect_uri')) query.set('redirect_implied', 'yes')
    // Absent means the server's default (League), and the engine grants nothing where nothing is asked.
    query.set('scope', (scope.length > 0 ? scope : SCOPES).join(' '))
    if (state !== null) query.set('state', state)
    if (challenge !== null) {
      // The engine knows S256 only. A plain verifier equals its challenge, so hashing here changes nothing outside.
      query.set('code_challenge', method === 'S256' ? challenge : sha256(challenge))
      query.set('code_challenge_method', 'S256')
    }
    return engine.answer(incoming, { path: `/oauth/authorize?${query}` })
  }

  /** Puts League's shape on the redirect to the client, and forgets the request where the mode says so. */
  function leagueRedirect(ctx: KoaContextWithOIDC, incoming: Incoming) {
    const account = accountBySub(ctx.oidc.session?.accountId)
    const client = ctx.oidc.client?.clientId
    note(incoming, { account: account?.email, client })
    if (dropped.delete(incoming.url.pathname)) return ctx.redirect('/?signed-in')
    const target = new URL(ctx.response.get('location') || url, url)
    const code = target.searchParams.get('code')
    const error = target.searchParams.get('error')
    if (code === null && error === null) return
    target.searchParams.delete('iss')
    if (modes.current.stackIss !== 'off') {
      target.searchParams.set('iss', modes.current.stackIss === 'on' ? url : 'https://somebody-else.example')
    }
    if (error === 'access_denied') {
      for (const [name, value] of Object.entries(leagueBody(error, 'The user denied the request'))) {
        target.searchParams.set(name, value)
      }
    }
    ctx.status = 302
    ctx.set('location', target.href)
    if (code === null || !account) return
    const grant = ctx.oidc.result?.consent?.grantId
    const project = store.grantProject(grant)
    note(incoming, { project })
    const record = store.addToken(code, {
      kind: 'code',
      system: 'stack',
      sub: account.sub,
      client,
      project,
      grant,
      redirectImplied: ctx.oidc.params?.redirect_implied === 'yes',
      expiresAt: clock.now() + CODE_SECONDS * 1000,
    })
    world.ledger.issue(code, record)
  }

  async function approve(incoming: Incoming): Promise<Answer> {
    const decided = await whoDecides(world, { system: 'stack', provider, engine }, incoming, ({ returnTo, before }) => {
      if (!before && modes.current.loggedOutDropsRequest) dropped.add(new URL(returnTo).pathname)
    })
    if (isAnswer(decided)) return decided
    const { interaction, account, client } = decided
    const projects = projectsOf(account)
    if (incoming.method !== 'POST') {
      const role = (id: string) => modes.current.role ?? account.memberships[id] ?? ''
      return consentPage({
        client,
        account,
        projects: projects.map((project) => ({ project, role: role(project.id) })),
      })
    }
    const chosen = modes.current.consentProject ?? field(incoming, 'project')
    const project = projects.find(({ id }) => id === chosen)
    if (!project) return errorPage(400, 'No such project', 'Go back and choose one of the list.')
    note(incoming, { project: project.id })
    const grant = new provider.Grant({ accountId: account.sub, clientId: String(interaction.params.client_id) })
    grant.addOIDCScope(SCOPES.join(' '))
    grant.addResourceScope(RESOURCE, SCOPES.join(' '))
    const grantId = await grant.save()
    store.setGrantProject(grantId, project.id)
    return (await resume(provider, engine, incoming, { consent: { grantId } })).answer
  }

  // --- the token endpoint

  async function token(incoming: Incoming): Promise<Answer> {
    const grantType = field(incoming, 'grant_type')
    if (grantType !== 'authorization_code' && grantType !== 'refresh_token') {
      return leagueError(400, 'unsupported_grant_type', 'Check that all required parameters have been provided')
    }
    const refused = checkClient(incoming)
    if (refused) return refused
    return grantType === 'authorization_code' ? exchangeCode(incoming) : refresh(incoming)
  }

  function checkClient(incoming: Incoming): Answer | undefined {
    const basic = /^Basic (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    const [, basicId, basicSecret] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic ?? '', 'base64').toString()) ?? []
    const clientId = field(incoming, 'client_id') ?? (basicId && decode(basicId))
    const secret = field(incoming, 'client_secret') ?? (basicSecret && decode(basicSecret))
    if (!clientId) return leagueError(400, 'invalid_request', 'Check the `client_id` parameter')
    note(incoming, { client: clientId })
    const challenge = incoming.headers.authorization && { 'www-authenticate': 'Basic realm="OAuth"' }
    const known = clientId === stackClient.id && modes.current.clientKnown
    if (!known) return leagueError(401, 'invalid_client', undefined, challenge || {})
    // Of a client that is registered without one, none is looked at.
    if (modes.current.clientType === 'public') return undefined
    if (!secret) return leagueError(400, 'invalid_request', 'Check the `client_secret` parameter')
    if (!sameText(secret, stackClient.secret)) return leagueError(401, 'invalid_client', undefined, challenge || {})
    return undefined
  }

  async function exchangeCode(incoming: Incoming): Promise<Answer> {
    const code = field(incoming, 'code')
    const record = code === undefined ? undefined : store.token(code)
    if (!code || !record || record.kind !== 'code' || record.system !== 'stack') {
      return leagueError(
        400,
        'invalid_request',
        code ? 'Cannot decrypt the authorization code' : 'Check the `code` parameter',
      )
    }
    note(incoming, { account: accountBySub(record.sub)?.email, project: record.project })
    if (record.client !== stackClient.id) {
      return leagueError(400, 'invalid_request', 'Authorization code was not issued to this client')
    }
    // A second use only fails; what the first one earned stays.
    if (record.endedAt !== null) return leagueError(400, 'invalid_grant', 'Authorization code has been revoked')
    const stored = await provider.AuthorizationCode.find(code, { ignoreExpiration: true })
    if (!stored || !store.isLive(record)) return leagueError(400, 'invalid_grant', 'Authorization code has expired')
    const redirectUri = field(incoming, 'redirect_uri') ?? (record.redirectImplied ? stored.redirectUri : undefined)
    if (redirectUri !== stored.redirectUri) return leagueError(400, 'invalid_request', 'Invalid redirect URI')
    const verifier = field(incoming, 'code_verifier')
    if (!stored.codeChallenge && verifier) {
      return leagueError(400, 'invalid_request', 'code_challenge not present but code_verifier was')
    }
    if (stored.codeChallenge && (!verifier || !PKCE_TEXT.test(verifier))) {
      return leagueError(400, 'invalid_request', 'Check the `code_verifier` parameter')
    }
    if (stored.codeChallenge && verifier && sha256(verifier) !== stored.codeChallenge) {
      return leagueError(400, 'invalid_grant', 'Failed to verify `code_verifier`.')
    }
    const answer = await engine.answer(incoming, {
      path: '/oauth/token',
      form: {
        ...clientForm(stackClient),
        grant_type: 'authorization_code',
        code,
        redirect_uri: String(redirectUri),
        ...(verifier && { code_verifier: verifier }),
      },
    })
    return issueTokens(answer, record)
  }

  async function refresh(incoming: Incoming): Promise<Answer> {
    const value = field(incoming, 'refresh_token')
    if (value === undefined) return leagueError(400, 'invalid_request', 'Check the `refresh_token` parameter')
    const record = store.token(value)
    if (record?.kind !== 'refresh' || record.system !== 'stack') {
      return refreshRefused('Cannot decrypt the refresh token')
    }
    note(incoming, { account: accountBySub(record.sub)?.email, project: record.project })
    if (record.client !== stackClient.id) return refreshRefused('Token is not linked to client')
    if (!store.isLive({ ...record, endedAt: null })) return refreshRefused('Token has expired')
    if (record.endedAt !== null) {
      if (!isInGrace(world, record)) {
        if (modes.current.replayRevokesFamily && record.grant) {
          store.endGrant(record.grant)
          await store.adapter('stack')('RefreshToken').revokeByGrantId(record.grant)
        }
        return refreshRefused('Token has been revoked')
      }
      store.unconsume('stack', 'RefreshToken', value)
    }
    const scope = (field(incoming, 'scope') ?? '').split(' ').filter(Boolean)
    const stored = await provider.RefreshToken.find(value)
    if (!stored) return refreshRefused('Token has been revoked')
    if (scope.some((name) => !stored.scopes.has(name))) {
      return leagueError(400, 'invalid_scope', `Check the \`${scope.find((name) => !stored.scopes.has(name))}\` scope`)
    }
    const answer = await engine.answer(incoming, {
      path: '/oauth/token',
      form: {
        ...clientForm(stackClient),
        grant_type: 'refresh_token',
        refresh_token: value,
        ...(scope.length > 0 && { scope: scope.join(' ') }),
      },
    })
    // League's order: old access token, old refresh token, then the new pair.
    if (answer.status === 200 && modes.current.rotation === 'strict' && modes.current.refreshReturnsToken) {
      store.endToken(record.partner)
    }
    return issueTokens(answer, record)
  }

  /** Writes what the engine issued into the books and answers as League does: no `scope`. */
  async function issueTokens(answer: Answer, origin: TokenRecord): Promise<Answer> {
    const body: Record<string, unknown> = JSON.parse(answer.body)
    const { access_token: made, refresh_token: refreshToken } = body
    if (answer.status !== 200 || typeof made !== 'string') {
      return leagueError(answer.status, String(body.error ?? 'server_error'))
    }
    const access = await sign(decodeJwt(made), await world.keys.key('RS256', 0))
    const { sub, client, project, grant } = origin
    const about = { system: 'stack' as const, sub, client, project, grant }
    const { accessTokenSeconds, refreshTokenSeconds, refreshReturnsToken } = modes.current
    const accessRecord = store.addToken(access, {
      ...about,
      kind: 'access',
      expiresAt: clock.now() + accessTokenSeconds * 1000,
    })
    world.ledger.issue(access, accessRecord)
    if (typeof refreshToken === 'string' && store.token(refreshToken) === undefined) {
      const record = store.addToken(refreshToken, {
        ...about,
        kind: 'refresh',
        partner: accessRecord.hash,
        expiresAt: clock.now() + refreshTokenSeconds * 1000,
      })
      world.ledger.issue(refreshToken, record)
    }
    const answered = refreshReturnsToken || origin.kind === 'code'
    return json(
      200,
      withoutFields(world, {
        token_type: 'Bearer',
        ...expiresInField(world, accessTokenSeconds),
        access_token: access,
        ...(answered && { refresh_token: refreshToken }),
      }),
      NO_STORE,
    )
  }

  // --- League's errors

  function leagueBody(error: string, hint?: string): Record<string, string> {
    const description = DESCRIPTIONS[error] ?? 'The request could not be completed.'
    return {
      error,
      error_description: description,
      ...(hint !== undefined && { hint }),
      ...(modes.current.league === 8 && { message: description }),
    }
  }

  function leagueError(status: number, error: string, hint?: string, headers: Record<string, string> = {}): Answer {
    return json(status, leagueBody(error, hint), { ...NO_STORE, ...headers })
  }

  function refreshRefused(hint: string): Answer {
    const old = modes.current.league === 8
    const error = old ? 'invalid_request' : 'invalid_grant'
    const description = 'The refresh token is invalid.'
    const body = { ...leagueBody(error, hint), error_description: description, ...(old && { message: description }) }
    return json(old ? 401 : 400, body, NO_STORE)
  }

  return async (incoming) => {
    const { pathname, searchParams } = incoming.url
    const { method } = incoming
    if (pathname === '/' && method === 'GET') {
      return homePage({ signedIn: searchParams.has('signed-in'), appUrl: world.appUrl, projects: PROJECTS })
    }
    if (pathname === modes.current.authorizePath && method === 'GET') return authorize(incoming)
    // In the field a host of its own, one for all stacks.
    if (pathname === '/external/oauth/index.html' && method === 'GET') return componentPage()
    if (pathname.startsWith('/oauth/authorize/') && method === 'GET') return engine.answer(incoming)
    if (pathname.startsWith('/oauth/approve/')) return approve(incoming)
    if (pathname === modes.current.tokenPath && method === 'POST') return token(incoming)
    return undefined
  }
}

/** Sign in if nobody is, then always ask for the project. */
function projectPolicy() {
  return [
    new Prompt(
      { name: 'login', requestable: false },
      new Check('no_session', 'somebody has to sign in', ({ oidc }) =>
        oidc.session?.accountId ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
      ),
    ),
    new Prompt(
      { name: 'consent', requestable: false },
      new Check('project_not_chosen', 'a project has to be chosen', ({ oidc }) =>
        oidc.result?.consent ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
      ),
    ),
  ]
}

const DESCRIPTIONS: Record<string, string> = {
  access_denied: 'The resource owner or the server denied the request.',
  invalid_client: 'Client authentication failed.',
  invalid_grant: 'The grant or token is invalid, expired, revoked or was made for another client.',
  invalid_request: 'A required parameter is missing or has an invalid value.',
  invalid_scope: 'The requested scope is invalid, unknown or malformed.',
  unsupported_grant_type: 'This grant type is not supported here.',
}

const clientForm = ({ id, secret }: { id: string; secret: string }) => ({ client_id: id, client_secret: secret })

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
