import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose'

/**
 * An API as most are: it takes a token that its issuer signed for its audience, and asks nobody else. Every token that it
 * is shown is kept.
 */
export async function startResourceServer({ audience }: { audience: string }) {
  const shown: JWTPayload[] = []
  let issuer = ''
  const server = createServer(async (request, response) => {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    try {
      shown.push(decodeJwt(token))
      const keys = createRemoteJWKSet(new URL(`${issuer}/protocol/openid-connect/certs`))
      const { payload } = await jwtVerify(token, keys, { issuer, audience })
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ sub: payload.sub }))
    } catch {
      response.writeHead(401).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${audience}`
  return {
    url,
    shown,
    trust: (realm: string) => {
      issuer = realm
    },
    /** What it answers to whoever brings a token: about whom it takes it to be, or 401. */
    async call(token: string): Promise<string | number> {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
      return answer.ok ? ((await answer.json()) as { sub: string }).sub : answer.status
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export type ResourceServer = Awaited<ReturnType<typeof startResourceServer>>
