import { createServer, type IncomingMessage } from 'node:http'
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
  refusal: undefined,
})

type Request = { method: string; path: string; body: URLSearchParams; authorization: string | undefined }

/** An OpenID issuer of scripted answers over a real socket: discovery, keys, token, userinfo; any code will do. */
export async function startIssuer(clientId: string, now: () => number) {
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
    if (path === '/userinfo') return [answers.userinfo ?? {}, answers.userinfo ? 200 : 403]
    if (path !== '/token') return [{}, 404]
    if (answers.tokenStatus !== 200) return [{ error: 'invalid_grant' }, answers.tokenStatus]
    const tokens = { access_token: 'an-access-token', refresh_token: 'a-refresh-token', token_type: 'Bearer' }
    return [{ ...tokens, expires_in: 60, id_token: await idToken(body) }]
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
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
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const metadata = () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    userinfo_endpoint: `${url}/userinfo`,
    jwks_uri: `${url}/jwks`,
    id_token_signing_alg_values_supported: algorithms,
    ...answers.metadata,
  })
  const nameOf = (alg: string, number = answers.key) => (alg === 'ES256' && number > 0 ? `ES256-${number}` : alg)
  const keys = () =>
    Promise.all(
      algorithms.map(async (alg) => {
        const kid = nameOf(alg, answers.published)
        return { ...(await exportJWK((await keyPairOf(kid, alg)).publicKey)), alg, kid, use: 'sig' }
      }),
    )

  async function idToken(request: URLSearchParams): Promise<string> {
    const { alg, claims, forged, kid } = answers
    const seconds = Math.floor(now() / 1000)
    // A test that gives no nonce gives it as the code.
    const nonce = request.get('code') ?? undefined
    const all = { nonce, iss: url, aud: clientId, sub: 'somebody', iat: seconds, exp: seconds + 300, ...claims }
    const { privateKey } = await keyPairOf(forged ? `forged-${alg}` : nameOf(alg), alg)
    return new SignJWT(all).setProtectedHeader({ alg, kid: kid?.() ?? nameOf(alg) }).sign(privateKey)
  }

  const calls = (path: string) => requests.filter((request) => request.path === path).length
  return {
    url,
    requests,
    /** Scripts what comes next, from here on; what is not named is right. */
    answer: (next: Partial<IssuerAnswers>) => {
      answers = { ...right(), ...next }
    },
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
