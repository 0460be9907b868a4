import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

/** What a bare OpenID issuer answers next. Everything may be wrong: it is there to be refused. */
export type IssuerAnswers = {
  /** Merged over claims that are right. */
  claims: JWTPayload
  alg: string
  metadata: Record<string, unknown>
  userinfo: Record<string, unknown> | undefined
  tokenStatus: number
}

/** An OpenID issuer of scripted answers over a real socket: discovery, keys, token, userinfo; any code will do. */
export async function startIssuer(clientId: string, now: () => number) {
  const pairs = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>()
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'RS512'])
    pairs.set(alg, await generateKeyPair(alg, { extractable: true }))
  const requests: { path: string; body: URLSearchParams }[] = []
  const right = (): IssuerAnswers => ({ claims: {}, alg: 'ES256', metadata: {}, userinfo: undefined, tokenStatus: 200 })
  let answers = right()

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const path = request.url ?? ''
    requests.push({ path, body: new URLSearchParams(Buffer.concat(chunks).toString()) })
    const send = (body: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (path === '/.well-known/openid-configuration') return send(metadata())
    if (path === '/jwks') return send({ keys: await keys() })
    if (path === '/userinfo') return send(answers.userinfo ?? {}, answers.userinfo ? 200 : 403)
    if (path !== '/token') return send({}, 404)
    if (answers.tokenStatus !== 200) return send({ error: 'invalid_grant' }, answers.tokenStatus)
    return send({ access_token: 'an-access-token', token_type: 'Bearer', expires_in: 60, id_token: await idToken() })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const metadata = () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    userinfo_endpoint: `${url}/userinfo`,
    jwks_uri: `${url}/jwks`,
    id_token_signing_alg_values_supported: [...pairs.keys()],
    ...answers.metadata,
  })
  const keys = () =>
    Promise.all(
      [...pairs].map(async ([alg, pair]) => ({ ...(await exportJWK(pair.publicKey)), alg, kid: alg, use: 'sig' })),
    )

  async function idToken(): Promise<string> {
    const seconds = Math.floor(now() / 1000)
    const claims = { iss: url, aud: clientId, sub: 'somebody', iat: seconds, exp: seconds + 300, ...answers.claims }
    const pair = pairs.get(answers.alg)
    if (!pair) throw new Error(`no key for ${answers.alg}`)
    return new SignJWT(claims).setProtectedHeader({ alg: answers.alg, kid: answers.alg }).sign(pair.privateKey)
  }

  return {
    url,
    requests,
    /** Scripts what comes next, from here on; what is not named is right. */
    answer: (next: Partial<IssuerAnswers>) => {
      answers = { ...right(), ...next }
    },
    tokenCalls: () => requests.filter(({ path }) => path === '/token').length,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
