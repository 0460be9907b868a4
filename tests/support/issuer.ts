import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { keyPairOf } from './key-pairs.ts'

/** What a bare OpenID issuer answers next. Everything may be wrong: it is there to be refused. */
export type IssuerAnswers = {
  /** Merged over claims that are right. */
  claims: JWTPayload
  alg: string
  metadata: Record<string, unknown>
  userinfo: Record<string, unknown> | undefined
  tokenStatus: number
  /** Number of the ES256 key that signs; another number is another key with another id. */
  key: number
  /** Number of the one that is published; undefined: the same. */
  published: number | undefined
  /** The key id that a token names; undefined: the one of its key. */
  kid: (() => string) | undefined
  /** Signed with a key that is not published, under the id of one that is. */
  forged: boolean
  jwksStatus: number
  /**
   * The client that the token endpoint takes; undefined: any. `decodes` says whether it decodes what came by HTTP Basic
   * (RFC 6749 2.3.1), or compares it as it came, as Glewlwyd does.
   */
  client: { id: string; secret: string; method: 'basic' | 'post'; decodes: boolean } | undefined
  /** Takes connections and answers nothing. */
  silent: boolean
  /** What tokens are granted; undefined: it does not say. */
  scope: string | undefined
  /** What happens while a code is redeemed, before its answer. */
  meanwhile: (() => Promise<unknown>) | undefined
  /** What it says of an access token that somebody asks about (RFC 7662). */
  introspection: (token: string) => Promise<[body: unknown, status?: number]>
  /** What the token endpoint refuses with. */
  refusal: { status: number; body: Record<string, unknown>; headers?: Record<string, string> } | undefined
}

const right = (): IssuerAnswers => ({
  claims: {},
  alg: 'ES256',
  metadata: {},
  userinfo: undefined,
  tokenStatus: 200,
  key: 0,
  published: undefined,
  kid: undefined,
  forged: false,
  jwksStatus: 200,
  client: undefined,
  silent: false,
  scope: undefined,
  meanwhile: undefined,
  introspection: async () => [{ active: false }],
  refusal: undefined,
})

/** What is different in a logout token. */
export type LogoutChange = {
  header?: Record<string, string | undefined>
  forged?: boolean
  alg?: string
  [claim: string]: unknown
}

type Request = { method: string; path: string; body: URLSearchParams; authorization: string | undefined }

/** An OpenID issuer of scripted answers over a real socket: discovery, keys, token, userinfo; any code will do. */
export async function startIssuer(
  clientId: string,
  now: () => number,
  { tls }: { tls?: { key: string; cert: string } } = {},
) {
  // Each has keys of its own, but for RSA, of which one takes a fifth of a second.
  const own = randomUUID()
  const pairOf = (name: string, alg: string) => keyPairOf(/^[RP]S/.test(alg) ? name : `${own} ${name}`, alg)
  const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'RS512']
  // Before the first answer: nobody waits for keys as long as they take to make.
  for (const alg of algorithms) await keyPairOf(alg, alg)
  const requests: Request[] = []
  let answers = right()

  async function answer(request: IncomingMessage, chunks: Buffer[]): Promise<[body: unknown, status?: number]> {
    const { url: path = '', method = '', headers } = request
    const body = new URLSearchParams(Buffer.concat(chunks).toString())
    requests.push({ method, path, body, authorization: headers.authorization })
    if (path === '/.well-known/openid-configuration') return [metadata()]
    if (path === '/jwks') return [{ keys: await keys() }, answers.jwksStatus]
    if (path === '/introspect') return answers.introspection(body.get('token') ?? '')
    if (path === '/userinfo') return [answers.userinfo ?? {}, answers.userinfo ? 200 : 403]
    if (path !== '/token') return [{}, 404]
    const { meanwhile, scope } = answers
    // What is sent was true before.
    const made = await idToken(body)
    await meanwhile?.()
    if (answers.tokenStatus !== 200) return [{ error: 'invalid_grant' }, answers.tokenStatus]
    const tokens = { access_token: 'an-access-token', refresh_token: 'a-refresh-token', token_type: 'Bearer' }
    return [{ ...tokens, ...(scope && { scope }), expires_in: 60, id_token: made }]
  }

  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    if (answers.silent) return
    const send = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    const [body, status] = await answer(request, chunks)
    if (request.url === '/moved') return send({}, 303, { location: '/elsewhere' })
    if (request.url !== '/token') return send(body, status)
    const { refusal, client } = answers
    if (refusal) return send(refusal.body, refusal.status, refusal.headers)
    if (client && !isClient(client, requests.at(-1)))
      return send({ error: 'invalid_client' }, 401, { 'www-authenticate': 'Basic realm="issuer"' })
    send(body, status)
  }
  const server = tls ? createSecureServer(tls, listener) : createServer(listener)
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const url = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`

  const metadata = () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    userinfo_endpoint: `${url}/userinfo`,
    introspection_endpoint: `${url}/introspect`,
    jwks_uri: `${url}/jwks`,
    id_token_signing_alg_values_supported: algorithms,
    ...answers.metadata,
  })
  const nameOf = (alg: string, number = answers.key) => (alg === 'ES256' && number > 0 ? `ES256-${number}` : alg)
  const keys = () =>
    Promise.all(
      algorithms.map(async (alg) => {
        const kid = nameOf(alg, answers.published)
        return { ...(await exportJWK((await pairOf(kid, alg)).publicKey)), alg, kid, use: 'sig' }
      }),
    )

  async function idToken(request: URLSearchParams): Promise<string> {
    const { alg, claims, forged, kid } = answers
    const seconds = Math.floor(now() / 1000)
    // A test that gives no nonce gives it as the code.
    const nonce = request.get('code') ?? undefined
    const all = { nonce, iss: url, aud: clientId, sub: 'somebody', iat: seconds, exp: seconds + 300, ...claims }
    const { privateKey } = await pairOf(forged ? `forged-${alg}` : nameOf(alg), alg)
    return new SignJWT(all).setProtectedHeader({ alg, kid: kid?.() ?? nameOf(alg) }).sign(privateKey)
  }

  /** A logout token (OIDC Back-Channel Logout 2.4) that is right but for what is given. Undefined takes a claim out. */
  async function logoutToken({ header, forged = false, alg = 'ES256', ...claims }: LogoutChange = {}): Promise<string> {
    const seconds = Math.floor(now() / 1000)
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const times = { iat: seconds, exp: seconds + 120 }
    const all = { iss: url, aud: clientId, jti: randomUUID(), events, ...times, ...claims }
    const { privateKey } = await pairOf(forged ? `forged-${alg}` : nameOf(alg), alg)
    const protectedHeader = { alg, kid: nameOf(alg), typ: 'logout+jwt', ...header }
    return new SignJWT(JSON.parse(JSON.stringify(all))).setProtectedHeader(protectedHeader).sign(privateKey)
  }

  /** An access token as it would make one; header and claims are merged over right ones, undefined leaves one out. */
  async function accessToken(
    claims: Record<string, unknown> = {},
    { alg = 'ES256', key = 0, forged = false, header = {} }: AccessTokenOptions = {},
  ): Promise<string> {
    const seconds = Math.floor(now() / 1000)
    const all = { iss: url, sub: 'somebody', iat: seconds, exp: seconds + 300, typ: 'Bearer', ...claims }
    const { privateKey } = await pairOf(forged ? `forged-${alg}` : nameOf(alg, key), alg)
    return new SignJWT(all).setProtectedHeader({ alg, kid: nameOf(alg, key), typ: 'JWT', ...header }).sign(privateKey)
  }

  const calls = (path: string) => requests.filter((request) => request.path === path).length
  return {
    url,
    requests,
    logoutToken,
    /** Scripts what comes next, from here on; what is not named is right. */
    answer: (next: Partial<IssuerAnswers>) => {
      answers = { ...right(), ...next }
    },
    accessToken,
    askedCalls: () => calls('/introspect'),
    tokenCalls: () => calls('/token'),
    keyCalls: () => calls('/jwks'),
    discoveryCalls: () => calls('/.well-known/openid-configuration'),
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    /** Listens again at the address it had. */
    restart: () => listen(port),
  }
}

type AccessTokenOptions = { alg?: string; key?: number; forged?: boolean; header?: Record<string, unknown> }

export type Issuer = Awaited<ReturnType<typeof startIssuer>>

/** Whether a token request came from the client, as strictly as the issuer is. */
function isClient(
  { id, secret, method, decodes }: NonNullable<IssuerAnswers['client']>,
  request: Request | undefined,
): boolean {
  const { authorization, body } = request ?? {}
  if (method === 'post') return !authorization && body?.get('client_id') === id && body.get('client_secret') === secret
  const given = Buffer.from(/^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '', 'base64').toString()
  const read = (text: string) => (decodes ? (new URLSearchParams(`text=${text}`).get('text') ?? '') : text)
  const at = given.indexOf(':')
  return read(given.slice(0, at)) === id && read(given.slice(at + 1)) === secret && !body?.has('client_secret')
}
