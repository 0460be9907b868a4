// What bench/fast.ts measures beside the product, each in a process of its own: a bare Node server, a Next route that does
// nothing, oidc-provider with its state in memory, and a prepared statement through `pg` without any HTTP.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import next from 'next'
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'
import pg from 'pg'
import type { Loaded } from './load.ts'

export type Statement = {
  databaseUrl: string
  connections: number
  milliseconds: number
  text: string
  values: string[][]
}

const client = { id: 'bench', secret: 'bench-secret' }

/** Everything for ever: the one that comes with oidc-provider forgets what is older than a thousand entries. */
class Memory implements Adapter {
  static readonly stored = new Map<string, AdapterPayload>()
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
  #key = (id: string) => `${this.name}:${id}`
  async upsert(id: string, payload: AdapterPayload) {
    Memory.stored.set(this.#key(id), payload)
    if (payload.userCode) Memory.stored.set(`code:${payload.userCode}`, payload)
  }
  find = async (id: string) => Memory.stored.get(this.#key(id))
  findByUserCode = async (code: string) => Memory.stored.get(`code:${code}`)
  findByUid = async () => undefined
  async consume(id: string) {
    const found = Memory.stored.get(this.#key(id))
    if (found) found.consumed = Math.floor(Date.now() / 1000)
  }
  async destroy(id: string) {
    Memory.stored.delete(this.#key(id))
  }
  async revokeByGrantId(grantId: string) {
    for (const [key, value] of Memory.stored) if (value.grantId === grantId) Memory.stored.delete(key)
  }
}

/** Opaque access tokens, and for the resource `urn:bench:signed` signed ones. */
async function oidc(): Promise<{ handle: RequestListener; token: string }> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const provider = new Provider('http://127.0.0.1', {
    adapter: Memory,
    jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig' }] },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        id_token_signed_response_alg: 'ES256',
        grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    cookies: { keys: ['bench'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: 'A person', email: 'person@bench.test' }),
    }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:bench:opaque',
        getResourceServerInfo: (_, resource) => ({
          scope: 'read',
          accessTokenTTL: 3600,
          accessTokenFormat: resource.endsWith('signed') ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  const grant = new provider.Grant({ accountId: 'person', clientId: client.id })
  grant.addOIDCScope('openid')
  const known = await provider.Client.find(client.id)
  if (!known) throw new Error('the client is not there')
  const access = new provider.AccessToken({
    accountId: 'person',
    client: known,
    grantId: await grant.save(),
    scope: 'openid',
    gty: 'authorization_code',
  } as ConstructorParameters<typeof provider.AccessToken>[0])
  return { handle: provider.callback(), token: await access.save() }
}

const listen = (handle: RequestListener, told: object = {}) => {
  const server = createServer(handle)
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port, ...told }))
  return server
}

const roles: Record<string, () => Promise<unknown>> = {
  bare: async () =>
    listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 15 })
      response.end('{"status":"ok"}')
    }),
  async next() {
    const app = next({ dir: join(import.meta.dirname, '../../dist/nothing') })
    await app.prepare()
    const handle = app.getRequestHandler()
    listen((request, response) => void handle(request, response))
  },
  async oidc() {
    const { handle, token } = await oidc()
    listen(handle, { token })
  },
  /** An upstream that mints what is asked for, as a stack does. Its CPU is nobody's. */
  upstream: async () =>
    listen(async (request, response) => {
      let text = ''
      for await (const piece of request) text += piece
      // Nothing else is asked of it but to end what nobody took.
      const { expiresIn = 60, canManageBuckets = false } = JSON.parse(text || '{}') as Record<string, unknown>
      const now = Date.now()
      const created = new Date(now).toISOString()
      const expires = new Date(now + Number(expiresIn) * 1000).toISOString()
      const body = { id: String(now), token: randomUUID(), created, expires, canManageBuckets, owner: { id: '1' } }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }),
  statement: async () => listen((_request, response) => void response.end()),
}

let pool: pg.Pool | undefined

/** As many as can be, `connections` at a time. */
async function state({ databaseUrl, connections, milliseconds, text, values }: Statement): Promise<Loaded> {
  pool ??= new pg.Pool({ connectionString: databaseUrl, max: 10 })
  const one = pool
  const times: number[] = []
  const began = performance.now()
  let sent = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() - began < milliseconds) {
        const at = performance.now()
        const { rowCount } = await one.query({ name: 'bench', text, values: values[sent++ % values.length] ?? [] })
        if (rowCount !== 1) throw new Error('the statement found nothing')
        times.push(performance.now() - at)
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
  return { count: times.length, seconds, p50: at(0.5), p99: at(0.99), bodies: [] }
}

process.on('message', (statement: Statement) => {
  state(statement).then(
    (loaded) => process.send?.(loaded),
    (error: Error) => process.send?.({ failed: error.message }),
  )
})
process.once('disconnect', () => process.exit(0))
await roles[process.argv[2] ?? '']?.()
