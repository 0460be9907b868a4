import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Adapter, AdapterPayload, ClientMetadata, Configuration } from 'oidc-provider'
import { Agent, fetch as undiciFetch } from 'undici'
import { Provider } from '../../demo/engine.ts'

/**
 * A certified authorization server on a real socket, as strict as it can be set: PAR, `iss`, DPoP with nonces, clients that
 * sign, rotation that ends the family. One person, who allows what is asked. `tls`: over https with this certificate.
 */
export async function startOpponent({
  tls,
  configuration = {},
}: {
  tls?: { key: string; cert: string }
  configuration?: Configuration
} = {}) {
  const answer = (request: IncomingMessage, response: ServerResponse) => void handle(request, response)
  const server = tls ? createSecureServer(tls, answer) : createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `${tls ? 'https' : 'http'}://localhost:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key: JWK = { ...(await exportJWK(privateKey)), kid: 'signing', alg: 'ES256', use: 'sig' }
  const requests: { path: string; host: string | undefined; status: number }[] = []
  const clients = new Map<string, ClientMetadata>()
  const kept = new Map<string, unknown>()
  const provider = new Provider(origin, {
    adapter: (name: string) => storeOf(name, kept, clients),
    jwks: { keys: [key] },
    scopes: ['openid', 'offline_access', 'items:read', 'items:write'],
    claims: { openid: ['sub'], profile: ['name'] },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    cookies: { keys: ['a key of the opponent'] },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, name: 'Somebody' }) }),
    rotateRefreshToken: () => true,
    issueRefreshToken: async () => true,
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 300,
      Interaction: 300,
      RefreshToken: 86_400,
      Session: 300,
    },
    ...configuration,
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: false },
      ...configuration.features,
    },
  })
  const callback = provider.callback()

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '', origin).pathname
    response.on('finish', () => requests.push({ path, host: request.headers.host, status: response.statusCode }))
    if (!path.startsWith('/interaction/')) return void callback(request, response)
    const { prompt, params, grantId } = await provider.interactionDetails(request, response)
    if (prompt.name === 'login')
      return provider.interactionFinished(request, response, { login: { accountId: 'somebody' } })
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: 'somebody', clientId: String(params.client_id) })
    if (!grant) throw new Error('the grant is gone')
    grant.addOIDCScope(String(params.scope))
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
  }

  const dispatcher = new Agent(tls ? { connect: { ca: tls.cert } } : {})
  return {
    origin,
    requests,
    provider,
    register: (client: ClientMetadata) => void clients.set(client.client_id, client),
    /** Plays the browser until it is sent back to the client. */
    async approve(url: string): Promise<string> {
      const cookies = new Map<string, string>()
      for (let at = url, hop = 0; hop < 12; hop += 1) {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
        const answer = await undiciFetch(at, { headers: { cookie }, redirect: 'manual', dispatcher })
        for (const line of answer.headers.getSetCookie()) {
          const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
          cookies.set(name, value)
        }
        const location = answer.headers.get('location')
        if (!location) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 500)}`)
        const next = new URL(location, at)
        if (next.origin !== origin) return next.href
        at = next.href
      }
      throw new Error('too many redirects')
    },
    async close() {
      await dispatcher.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Its models in memory, and the clients that a test registered. */
function storeOf(name: string, kept: Map<string, unknown>, clients: Map<string, ClientMetadata>): Adapter {
  const at = (id: string) => `${name}:${id}`
  const all = () => [...kept].filter(([key]) => key.startsWith(`${name}:`)) as [string, AdapterPayload][]
  return {
    upsert: async (id: string, payload: object) => void kept.set(at(id), payload),
    find: async (id: string) =>
      name === 'Client' ? clients.get(id) : (kept.get(at(id)) as AdapterPayload | undefined),
    findByUid: async (uid: string) => all().find(([, payload]) => payload.uid === uid)?.[1],
    findByUserCode: async () => undefined,
    consume: async (id: string) =>
      void kept.set(at(id), { ...(kept.get(at(id)) as object), consumed: Math.floor(Date.now() / 1000) }),
    destroy: async (id: string) => void kept.delete(at(id)),
    revokeByGrantId: async (grantId: string) => {
      for (const [key, payload] of all()) if (payload.grantId === grantId) kept.delete(key)
    },
  }
}
