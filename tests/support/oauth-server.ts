import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, exportJWK, generateKeyPair, type JSONWebKeySet, jwtVerify } from 'jose'

/** How a small OAuth server is at the moment. Everything may be wrong with it. */
export type ServerState = {
  /** Merged over metadata that is right; undefined values leave a field out. */
  metadata: Record<string, unknown>
  metadataStatus: number
  /** Secrets by which the client is known; empty: it is not known at all. */
  secrets: string[]
  /** What a client is refused with that proves itself by none of them. */
  wrongSecret: 'invalid_client' | 'unauthorized_client'
  /** Of a client that signs: its public keys, as the server has read them. */
  clientKeys: (() => Promise<JSONWebKeySet>) | undefined
  /** Instead of the usual ones. */
  keys: unknown[] | undefined
  /** How far its clock is ahead. */
  aheadSeconds: number
  revocationStatus: number
  redirectUris: string[]
  /** What the token endpoint answers to everybody. */
  refusal: { status: number; body: Record<string, unknown> } | undefined
  /** Refreshes wait for it before they are judged. */
  hold: Promise<void> | undefined
}

const well = (): ServerState => ({
  metadata: {},
  metadataStatus: 200,
  secrets: ['the-secret'],
  wrongSecret: 'invalid_client',
  clientKeys: undefined,
  keys: undefined,
  aheadSeconds: 0,
  revocationStatus: 200,
  redirectUris: [],
  refusal: undefined,
  hold: undefined,
})

export const serverClientId = 'valetkey-client'

/** An OAuth server over a real socket, with metadata, keys, pushed requests, rotation and revocation; any code will do. */
export async function startOauthServer({ now = () => Date.now(), tls }: Options = {}) {
  const requests: { path: string; body: URLSearchParams; secret: string | undefined }[] = []
  const { publicKey } = await generateKeyPair('ES256', { extractable: true })
  const usual = [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k', use: 'sig' }]
  const grants = new Set<string>()
  let state = well()
  let made = 0

  async function isClient(authorization: string | undefined, body: URLSearchParams): Promise<boolean> {
    const assertion = body.get('client_assertion')
    if (!assertion) return state.secrets.includes(secretOf(authorization) ?? '')
    const keys = await state.clientKeys?.()
    const verified =
      keys &&
      (await jwtVerify(assertion, createLocalJWKSet(keys), { currentDate: new Date(now()) }).catch(() => undefined))
    return verified?.payload.sub === serverClientId
  }

  const tokens = () => {
    const refresh = `refresh-${made++}`
    grants.add(refresh)
    return {
      access_token: `access-${made}`,
      refresh_token: refresh,
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'read',
    }
  }

  async function answer(path: string, incoming: IncomingMessage, body: URLSearchParams): Promise<[number, unknown]> {
    if (path.startsWith('/.well-known/')) return [state.metadataStatus, metadata()]
    if (path === '/jwks') return [200, { keys: state.keys ?? usual }]
    if (path === '/userinfo') return [200, { sub: 'somebody', name: 'Some Body' }]
    if (path === '/authorize') {
      const redirect = new URL(incoming.url ?? '', url()).searchParams.get('redirect_uri') ?? ''
      return [state.redirectUris.includes(redirect) ? 200 : 400, {}]
    }
    if (!['/token', '/par', '/revoke'].includes(path)) return [404, {}]
    if (path === '/revoke' && state.revocationStatus !== 200) return [state.revocationStatus, {}]
    if (path === '/token' && state.refusal) return [state.refusal.status, state.refusal.body]
    if (body.get('grant_type') === 'refresh_token' && grants.has(body.get('refresh_token') ?? '')) await state.hold
    if (!(await isClient(incoming.headers.authorization, body))) return [401, { error: state.wrongSecret }]
    if (path === '/par')
      return state.redirectUris.includes(body.get('redirect_uri') ?? '')
        ? [201, { request_uri: 'urn:one', expires_in: 60 }]
        : [400, { error: 'invalid_request' }]
    if (path === '/revoke') return [200, {}]
    if (body.get('code') === 'a-code') return [200, tokens()]
    return grants.delete(body.get('refresh_token') ?? '') ? [200, tokens()] : [400, { error: 'invalid_grant' }]
  }

  const listener: RequestListener = async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const [path = ''] = (incoming.url ?? '').split('?')
    const body = new URLSearchParams(Buffer.concat(chunks).toString())
    requests.push({ path, body, secret: secretOf(incoming.headers.authorization) })
    const [status, sent] = await answer(path, incoming, body)
    response.sendDate = false
    const date = new Date(now() + state.aheadSeconds * 1000).toUTCString()
    response.writeHead(status, { 'content-type': 'application/json', date }).end(JSON.stringify(sent))
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = () => (tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`)

  const metadata = () => ({
    issuer: url(),
    authorization_endpoint: `${url()}/authorize`,
    token_endpoint: `${url()}/token`,
    userinfo_endpoint: `${url()}/userinfo`,
    jwks_uri: `${url()}/jwks`,
    revocation_endpoint: `${url()}/revoke`,
    pushed_authorization_request_endpoint: `${url()}/par`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: ['ES256'],
    code_challenge_methods_supported: ['S256'],
    ...state.metadata,
  })
  return {
    url: url(),
    requests,
    /** How it is from here on; what is not named is well. */
    is: (next: Partial<ServerState> = {}) => {
      state = { ...well(), ...next }
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

type Options = { now?: () => number; tls?: { key: string; cert: string } }

/** The secret of HTTP Basic, decoded (RFC 6749 2.3.1). */
function secretOf(authorization: string | undefined): string | undefined {
  const given = Buffer.from(/^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '', 'base64').toString()
  const at = given.indexOf(':')
  return at < 0 ? undefined : decodeURIComponent(given.slice(at + 1))
}

export type OauthServer = Awaited<ReturnType<typeof startOauthServer>>
