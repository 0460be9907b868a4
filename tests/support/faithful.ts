import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, SignJWT } from 'jose'
import { isRfc7009, type Preset } from '../../lib/providers/oauth/preset.ts'
import { type AccessToken, type Pair, type Person, Refusal, type Request, startGrants } from './faithful-grants.ts'
import {
  type Came,
  type Client,
  everyScopeOf,
  everything,
  isOfType,
  once,
  type Parameters,
  parametersOf,
  secretNames,
  startJudge,
} from './faithful-requests.ts'
import { keyPairOf } from './key-pairs.ts'

/** What came. Values of secrets are left out; `refused` says why, for who reads a failed test. */
export type Call = { endpoint: string; method: string; parameters: Parameters; status?: number; refused?: string }

/** What the person does with the request; the first person signs in unless it is said who. */
export type Choice = { deny?: boolean; person?: Person; untick?: string[] }

type Answer = { status: number; body?: unknown; headers?: Record<string, string> }
type Handler = (came: Came) => Answer | Promise<Answer>
type Route = { endpoint: string; method?: string | undefined; fits: (came: Came) => boolean; handle: Handler }

const pushedSeconds = 60
const somebody: [Person, ...Person[]] = [
  { id: 'p-1', name: 'The first' },
  { id: 2, name: 'The second' },
]
const authenticationMethods = {
  none: 'none',
  basic: 'client_secret_basic',
  post: 'client_secret_post',
  private_key_jwt: 'private_key_jwt',
}

/**
 * A server that behaves as a preset says; what the preset leaves open is as in the RFCs, strictly. Its addresses are those
 * of the preset, as paths below its own origin (`local`). Variables of the preset have to be filled in.
 */
export async function faithful(
  preset: Preset,
  options: Client & { people?: [Person, ...Person[]]; now?: () => number },
) {
  const { clientId, redirectUri, people = somebody, now = Date.now } = options
  const { quirks, scopes } = preset
  refuseImpossible(preset)

  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', headers, url } = request
    const body = Buffer.concat(chunks).toString()
    const given = await answer({ method, headers, body, url: new URL(`${origin}${url}`) })
    const [text, type] =
      typeof given.body === 'string'
        ? [given.body, 'application/x-www-form-urlencoded']
        : [JSON.stringify(given.body), 'application/json']
    response.writeHead(given.status, { 'content-type': type, 'cache-control': 'no-store', ...given.headers }).end(text)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`

  const { server, revocation, account, api, tokens: facts } = movedTo(origin, preset)
  const grants = startGrants(preset, now)
  const judge = startJudge(preset, server, options, now)
  const calls: Call[] = []
  const pushed = new Map<string, { request: Request; at: number }>()
  const algorithm = server.id_token_signing_alg_values_supported?.[0] ?? 'RS256'
  const signing = server.jwks_uri ? await keyPairOf(`faithful-${algorithm}`, algorithm) : undefined
  let tokenAnswers = 0

  async function answer(came: Came): Promise<Answer> {
    const found = routes.find(({ method = came.method, fits }) => method === came.method && fits(came))
    const { endpoint, handle } = found ?? nowhere
    const call: Call = { endpoint, method: came.method, parameters: withoutSecrets(everything(came)) }
    calls.push(call)
    const given = await (async () => handle(came))().catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error
      call.refused = error.message
      return refusalOf(error, came, endpoint)
    })
    call.status = given.status
    return given
  }

  function withoutSecrets(parameters: Parameters): Parameters {
    const names = [...secretNames, revocation?.body?.name]
    const isSecret = (name: string, value: string) => names.includes(name) || grants.issued.includes(value)
    return Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, isSecret(name, value) ? '…' : value]),
    )
  }

  // Authorization: RFC 6749 4.1, RFC 9126, RFC 9207.

  /** The request that an address stands for, itself or by what was pushed before. */
  function requestAt(url: URL): Request {
    if (!isAt(server.authorization_endpoint, url) || url.hash)
      throw new Refusal('invalid_request', `${url.origin}${url.pathname} is not the authorization endpoint`)
    const sent = once(url.searchParams)
    if (sent.request_uri === undefined) return judge.authorizationRequest(sent)
    const kept = pushed.get(sent.request_uri)
    pushed.delete(sent.request_uri)
    if (sent.client_id !== clientId) throw new Refusal('unauthorized_client', 'another client_id')
    if (!kept || now() >= kept.at + pushedSeconds * 1000)
      throw new Refusal('invalid_request', 'request_uri is unknown, used or too old')
    return kept.request
  }

  function decided(url: URL, { deny, person = people[0], untick = [] }: Choice): URL {
    const request = requestAt(url)
    const { state } = request
    if (deny) return callback({ error: 'access_denied', state })
    const allowed = request.scopes.filter((scope) => !untick.includes(scope))
    return callback({ code: grants.newCode(request, person, allowed), state })
  }

  function callback(parameters: Record<string, string | undefined>): URL {
    const url = new URL(redirectUri)
    const iss = server.authorization_response_iss_parameter_supported ? server.issuer : undefined
    for (const [name, value] of Object.entries({ ...parameters, iss }))
      if (value !== undefined) url.searchParams.set(name, value)
    return url
  }

  function authorize({ url }: Came): Answer {
    const redirect = (to: URL) => ({ status: 302, headers: { location: to.href } })
    try {
      return redirect(decided(url, {}))
    } catch (error) {
      const { client_id, redirect_uri, state } = Object.fromEntries(url.searchParams)
      // RFC 6749 4.1.2.1: nobody is sent to an address that is not the client's.
      if (!(error instanceof Refusal) || client_id !== clientId || redirect_uri !== redirectUri) throw error
      return redirect(callback({ error: error.code, state }))
    }
  }

  async function push(came: Came): Promise<Answer> {
    const sent = parametersOf(came, 'form')
    await judge.authenticate(came, sent)
    if (sent.request_uri !== undefined) throw new Refusal('invalid_request', 'request_uri cannot be pushed')
    const { client_secret: _, client_assertion: __, client_assertion_type: ___, ...request } = sent
    const uri = `urn:ietf:params:oauth:request_uri:${grants.make('request')}`
    pushed.set(uri, { request: judge.authorizationRequest({ client_id: clientId, ...request }), at: now() })
    return { status: 201, body: { request_uri: uri, expires_in: pushedSeconds } }
  }

  // Tokens: RFC 6749 4.1.3, 5 and 6, OpenID Connect Core 3.1.3.3 and 12.2.

  async function token(came: Came): Promise<Answer> {
    for (const [name, value] of Object.entries(quirks?.headers ?? {}))
      if (came.headers[name.toLowerCase()] !== value) throw new Refusal('invalid_request', `${name} has to be ${value}`)
    const sent = parametersOf(came, quirks?.jsonRequests ? 'json' : 'form')
    await judge.authenticate(came, sent)
    if (facts.refresh_endpoint && isAt(facts.refresh_endpoint, came.url) !== (sent.grant_type === 'refresh_token'))
      throw new Refusal('unsupported_grant_type', `${sent.grant_type} belongs to another endpoint`)
    if (sent.grant_type === 'authorization_code') {
      const { nonce, ...pair } = grants.exchange(needed(sent, 'code'), (request) => compare(request, sent))
      return tokenAnswer(pair, nonce, quirks?.tokensAt)
    }
    if (sent.grant_type !== 'refresh_token' || preset.tokens.refresh === 'none')
      throw new Refusal('unsupported_grant_type', `grant_type is ${sent.grant_type}`)
    // A refresh answers one token, which stands where RFC 6749 has it.
    return tokenAnswer(grants.refresh(needed(sent, 'refresh_token'), sent.scope?.split(scopes.separator)))
  }

  function needed(sent: Parameters, name: string): string {
    const value = sent[name]
    if (!value) throw new Refusal('invalid_request', `${name} is missing`)
    return value
  }

  function compare({ challenge }: Request, { redirect_uri, code_verifier: verifier }: Parameters): void {
    if (redirect_uri !== redirectUri) throw new Refusal('invalid_grant', 'redirect_uri is another', 'redirect')
    if (challenge === undefined && verifier === undefined) return
    // A verifier without a challenge is a downgrade (RFC 9700 4.8.2).
    if (challenge === undefined || verifier === undefined || !/^[\w.~-]{43,128}$/.test(verifier))
      throw new Refusal('invalid_grant', 'challenge or verifier is missing or malformed', 'code')
    if (createHash('sha256').update(verifier).digest('base64url') !== challenge)
      throw new Refusal('invalid_grant', 'code_verifier does not fit', 'code')
  }

  async function tokenAnswer({ access, refresh }: Pair, nonce?: string, tokensAt = ''): Promise<Answer> {
    const number = tokenAnswers++
    const types = quirks?.oddTokenType ? [undefined, 'user', 'Bearer '] : ['Bearer', 'bearer']
    const namesLifetime = access.expiresAt !== null && quirks?.unnamedLifetimeSeconds === undefined
    const separator = quirks?.scopesAnswered ?? scopes.separator
    const tokens = {
      access_token: access.token,
      token_type: types[number % types.length],
      expires_in: namesLifetime ? Math.ceil(((access.expiresAt ?? 0) - now()) / 1000) : undefined,
      refresh_token: refresh,
      scope: separator === 'array' ? access.scopes : access.scopes.join(separator) || undefined,
      id_token: await idToken(access, nonce),
    }
    const another = tokensAt && { access_token: grants.make('another'), token_type: 'bot', scope: 'another' }
    let body: unknown = { ...another, trace: `answer-${number}`, hints: '' }
    if (!account?.url) body = describing(access.grant.person, body)
    for (const [name, value] of Object.entries(tokens))
      if (value !== undefined) body = withAt(body, `${tokensAt}/${name}`, value)
    return worded(200, body)
  }

  async function idToken({ grant: { person }, scopes }: AccessToken, nonce?: string): Promise<string | undefined> {
    if (!signing || !scopes.includes('openid')) return undefined
    const seconds = Math.floor(now() / 1000)
    const claims = { sub: String(person.id), name: person.name, ...(nonce !== undefined && { nonce }) }
    const jwt = await new SignJWT({ ...claims, iss: server.issuer, aud: clientId, iat: seconds, exp: seconds + 300 })
      .setProtectedHeader({ alg: algorithm, kid: 'signing' })
      .sign(signing.privateKey)
    grants.issued.push(jwt)
    return jwt
  }

  const worded = (status: number, body: unknown): Answer => ({
    status,
    body: quirks?.formEncodedAnswers ? new URLSearchParams(body as Record<string, string>).toString() : body,
  })

  /** At the token endpoint in the server's own words; elsewhere in those of the RFCs. */
  function refusalOf({ code, about, message }: Refusal, { headers }: Came, endpoint: string): Answer {
    const isClient = code === 'invalid_client'
    const status = isClient ? 401 : 400
    const challenge = { ...(isClient && headers.authorization && { 'www-authenticate': 'Basic realm="faithful"' }) }
    if (endpoint !== 'token') return { status, headers: challenge, body: { error: code, error_description: message } }
    const own = Object.entries(quirks?.errors ?? {}).flatMap(([word, meaning]) => (meaning === code ? word : []))
    const error = own.find((word) => about && word.includes(about)) ?? own[0] ?? code
    const answer = worded(status, { error, error_description: message, hints: '' })
    return quirks?.errorsWithStatus200 ? { ...answer, status: 200 } : { ...answer, headers: challenge }
  }

  // Revocation: RFC 7009, or the server's own.

  async function revoke(came: Came): Promise<Answer> {
    const { authenticated, takes, body } = revocation ?? { authenticated: 'rfc7009', takes: 'refresh_token' }
    const inAddress = addressOfRevocation?.exec(came.url.href)?.groups?.token
    const isForm = authenticated === 'rfc7009' && !body
    const sent = isForm || body ? parametersOf(came, body?.as ?? 'form') : {}
    const bearer = bearerOf(came)
    if (authenticated === 'rfc7009') await judge.authenticate(came, sent)
    // Outside of RFC 6749 HTTP Basic may come as it is (RFC 7617).
    if (authenticated === 'basic' && ![true, false].some((way) => judge.isBasic(came.headers.authorization, way)))
      throw new Refusal('invalid_client', 'HTTP Basic is missing or wrong')
    if (authenticated === 'bearer' && !grants.use(bearer)) return unauthorized

    const given = inAddress ?? (body || isForm ? sent[body?.name ?? 'token'] : bearer)
    if (!given) throw new Refusal('invalid_request', 'no token was sent')
    if (authenticated === 'bearer' && grants.grantOf(given) !== grants.grantOf(bearer))
      throw new Refusal('invalid_request', 'the token is of another grant')
    const outcome = grants.revoke(given)
    if (outcome === 'unsupported') throw new Refusal('unsupported_token_type', `it takes ${takes}`)
    // RFC 7009 2.2: a token that is none is as good as revoked. Others tell.
    if (outcome === 'unknown' && authenticated !== 'rfc7009') return { status: 404, body: { message: 'no such token' } }
    return came.method === 'DELETE' ? { status: 204 } : { status: 200, body: {} }
  }

  // Who it is, and the API: RFC 6750.

  const withToken =
    (handle: (access: AccessToken, came: Came) => Answer): Handler =>
    (came) => {
      const access = grants.use(bearerOf(came))
      return access ? handle(access, came) : unauthorized
    }

  function describing({ id, name }: Person, document: unknown): unknown {
    if (!account) return document
    const withId = withAt(document, account.id, id)
    return account.name ? withAt(withId, account.name, name) : withId
  }

  const describe = withToken(({ grant: { person } }, came) => {
    if (account?.body !== undefined && !isOfType(came, 'application/json'))
      return { status: 400, body: { message: 'JSON is wanted' } }
    const claims = account?.url === server.userinfo_endpoint ? { sub: String(person.id) } : {}
    return { status: 200, body: describing(person, { ...claims, trace: 'account' }) }
  })

  const userinfo = withToken(({ grant: { person }, scopes }) =>
    scopes.includes('openid')
      ? { status: 200, body: { sub: String(person.id), name: person.name, trace: 'userinfo' } }
      : { status: 403, body: { error: 'insufficient_scope' } },
  )

  async function keys(): Promise<Answer> {
    const key = signing && { ...(await exportJWK(signing.publicKey)), alg: algorithm, kid: 'signing', use: 'sig' }
    return { status: 200, body: { keys: [key] } }
  }

  /** RFC 8414 2, OpenID Connect Discovery 3. */
  function metadata(): Answer {
    const { discovery: _, ...endpoints } = server
    const openid = { subject_types_supported: ['public'], id_token_signing_alg_values_supported: [algorithm] }
    const body = {
      ...endpoints,
      ...(isRfc7009(revocation) && { revocation_endpoint: revocation?.url }),
      ...(signing && openid),
      ...(preset.client.pkce === 'checked' && { code_challenge_methods_supported: ['S256'] }),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', ...(preset.tokens.refresh === 'none' ? [] : ['refresh_token'])],
      token_endpoint_auth_methods_supported: [authenticationMethods[preset.client.authentication]],
      scopes_supported: everyScopeOf(preset),
    }
    return { status: 200, body }
  }

  const addressOfRevocation = revocation && patternOf(revocation.url, clientId)
  const at = (address: string | undefined, route: Omit<Route, 'fits'>): Route[] =>
    address ? [{ ...route, fits: ({ url }) => isAt(address, url) }] : []
  // Where an API has one address, the account is a question like any other, so its body tells.
  const isAccount = (came: Came) =>
    isAt(account?.url ?? '', came.url) && (account?.body === undefined || account.body === came.body)
  /** The first that fits: APIs stand last, for what is below an address of theirs may be anything. */
  const routes: Route[] = [
    ...at(server.authorization_endpoint, { endpoint: 'authorization', method: 'GET', handle: authorize }),
    ...at(server.pushed_authorization_request_endpoint, { endpoint: 'push', method: 'POST', handle: push }),
    ...at(server.token_endpoint, { endpoint: 'token', method: 'POST', handle: token }),
    ...at(facts.refresh_endpoint, { endpoint: 'token', method: 'POST', handle: token }),
    ...at(server.jwks_uri, { endpoint: 'keys', method: 'GET', handle: keys }),
    ...at(placeOfMetadata(server), { endpoint: 'metadata', method: 'GET', handle: metadata }),
    {
      endpoint: 'revocation',
      method: revocation?.method,
      fits: ({ url }) => addressOfRevocation?.test(url.href) ?? false,
      handle: revoke,
    },
    { endpoint: 'account', method: account?.method, fits: isAccount, handle: describe },
    ...at(server.userinfo_endpoint, { endpoint: 'userinfo', handle: userinfo }),
    {
      endpoint: 'api',
      fits: ({ url }) => api.bases.some((base) => isBelow(base.url, url)),
      handle: withToken(({ scopes }) => ({ status: 200, body: { scopes } })),
    },
  ]

  return {
    origin,
    people,
    calls,
    /** Every code and token ever made, to be searched for where none may be. */
    issued: grants.issued,
    grants: grants.grants,
    /** A preset with its addresses moved onto this server. Names that look like addresses, such as of scopes, stay. */
    local: (moved: Preset) => movedTo(origin, moved),
    /** Plays the browser: the callback address that an authorization request ends at. @throws Refusal */
    approve(authorizationUrl: string | URL, choice: Choice = {}): URL {
      const url = new URL(authorizationUrl)
      const call: Call = { endpoint: 'authorization', method: 'GET', parameters: Object.fromEntries(url.searchParams) }
      calls.push({ ...call, parameters: withoutSecrets(call.parameters) })
      return decided(url, choice)
    },
    accessTokenWorks: grants.works,
    close: () =>
      new Promise<void>((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}

export type Faithful = Awaited<ReturnType<typeof faithful>>

const nowhere: Pick<Route, 'endpoint' | 'handle'> = {
  endpoint: 'nowhere',
  handle: () => ({ status: 404, body: { message: 'there is nothing here' } }),
}
const unauthorized: Answer = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  body: { message: 'no living access token as Bearer' },
}

const bearerOf = ({ headers }: Came) => /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''

/** What no server can do. */
function refuseImpossible(preset: Preset): void {
  const { variables, quirks, server, authorization, tokens, revocation, account, api } = preset
  const text = JSON.stringify({ server, authorization, tokens, revocation, account, api })
  const open = variables.find(({ name }) => text.includes(`{${name}}`))
  if (open) throw new Error(`the variable ${open.name} is not filled in`)
  const isNested = (pointer = '') => namesOf(pointer).length > 1
  const inAnswer = account && !account.url && (isNested(account.id) || isNested(account.name))
  if (quirks?.formEncodedAnswers && (quirks.tokensAt || quirks.scopesAnswered === 'array' || inAnswer))
    throw new Error('a form cannot hold what the preset puts into an answer')
}

function movedTo(origin: string, preset: Preset): Preset {
  const moved = (url: string) => url.replace(/^https:\//, origin)
  const { server, revocation, account, api, tokens } = preset
  const addresses = Object.entries(server).map(([name, value]) => [
    name,
    typeof value === 'string' ? moved(value) : value,
  ])
  return {
    ...preset,
    tokens: { ...tokens, ...(tokens.refresh_endpoint && { refresh_endpoint: moved(tokens.refresh_endpoint) }) },
    server: Object.fromEntries(addresses),
    revocation: revocation && { ...revocation, url: moved(revocation.url) },
    ...(account && { account: { ...account, ...(account.url && { url: moved(account.url) }) } }),
    api: { ...api, bases: api.bases.map((base) => ({ ...base, url: moved(base.url) })) },
  }
}

/** Whether it is the address, whose own query has to be kept (RFC 6749 3.1). */
function isAt(address: string, url: URL): boolean {
  if (!URL.canParse(address)) return false
  const { origin, pathname, searchParams } = new URL(address)
  const isKept = [...searchParams].every(([name, value]) => url.searchParams.get(name) === value)
  return url.origin === origin && url.pathname === pathname && isKept
}

function isBelow(base: string, { origin, pathname }: URL): boolean {
  const address = `${origin}${pathname}`
  return address === base || address.startsWith(base.endsWith('/') ? base : `${base}/`)
}

/** OpenID Connect Discovery 4: after the issuer; RFC 8414 3.1: between its host and its path. Either way without a last slash. */
function placeOfMetadata({ issuer, discovery }: Preset['server']): string | undefined {
  const base = issuer.replace(/\/$/, '')
  if (discovery === 'oidc') return `${base}/.well-known/openid-configuration`
  const { origin } = new URL(base)
  return discovery && `${origin}/.well-known/oauth-authorization-server${base.slice(origin.length)}`
}

/** The address of a revocation, with whatever stands for the token. Tokens of this server need no encoding there. */
function patternOf(address: string, clientId: string): RegExp {
  const parts = address.split(/(\{token\}|\{client_id\})/).map((part) => {
    if (part === '{token}') return '(?<token>[^/?&]+)'
    return (part === '{client_id}' ? encodeURIComponent(clientId) : part).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}

/** The names in a JSON Pointer (RFC 6901 4). */
const namesOf = (pointer: string) =>
  pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))

/** A copy of `document` with `value` where `pointer` says. A number is a place in a list. */
function withAt(document: unknown, pointer: string, value: unknown): unknown {
  const set = (within: unknown, [name, ...rest]: string[]): unknown => {
    if (name === undefined) return value
    if (!/^\d+$/.test(name)) {
      const own = within as Record<string, unknown> | undefined
      return { ...own, [name]: set(own?.[name], rest) }
    }
    const list = Array.isArray(within) ? [...within] : []
    list[Number(name)] = set(list[Number(name)], rest)
    return list
  }
  return set(document, namesOf(pointer))
}
