import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { exportJWK, generateKeyPair } from 'jose'
import type { Adapter, AdapterPayload, Configuration } from 'oidc-provider'
import { Agent, fetch as visited } from 'undici'
import { z } from 'zod'
import { Provider } from '../../demo/engine.ts'

/** A request as one of the two servers saw it; `body` as it came. */
export type Seen = {
  at: 'mcp' | 'as'
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: string
}

/** An answer instead of the usual one. `never`: none at all; a stream is sent piece by piece. */
export type Instead =
  | 'never'
  | { status?: number; headers?: Record<string, string | string[]>; body?: string | object | Readable }

/** How the server is at the moment; everything may be wrong with it. */
export type McpState = {
  /** Fields of WWW-Authenticate of a 401; `metadata`: where it says what it is. */
  challenges: (metadata: string) => string[]
  /** Where its metadata is (RFC 9728 3.1). */
  resourceMetadataAt: readonly ('path' | 'root')[]
  /** Merged over metadata that is right; undefined values leave a field out. */
  resourceMetadata: Record<string, unknown>
  /** Where the metadata of the authorization server is: `oauth` and `oidc` before its path, `append` behind it, or at the root. */
  serverMetadataAt: readonly ('oauth' | 'oidc' | 'append' | 'root')[]
  serverMetadata: Record<string, unknown>
  /** It asks nobody who they are. */
  open: boolean
  /** It is told who calls by this header instead. */
  header: { name: string; value: string } | undefined
  /** Which scope a tool needs. */
  scopeOf: Record<string, string>
  /** Answers in its place, at either server. */
  instead: (seen: Seen) => Instead | undefined | Promise<Instead | undefined>
}

const well = (): McpState => ({
  challenges: (metadata) => [`Bearer resource_metadata="${metadata}"`],
  resourceMetadataAt: ['path'],
  resourceMetadata: {},
  serverMetadataAt: ['oauth', 'oidc', 'append'],
  serverMetadata: {},
  open: false,
  header: undefined,
  scopeOf: {},
  instead: () => undefined,
})

type Options = {
  /** Path of the issuer; empty: none. */
  issuerPath?: string
  /** Path of the MCP endpoint. */
  path?: string
  /** Clients that are known from the start. */
  clients?: Configuration['clients']
  /** Reads the document that a client id is the address of; left out: it knows no such clients. */
  readDocument?: (url: string) => Promise<Response>
  configuration?: Configuration
  /** Both servers by https, with this certificate for `localhost`. */
  tls?: { key: string; cert: string } | undefined
  /** Tools, resources and prompts; left out: two tools, one resource and one prompt. */
  make?: Parameters<typeof createMcpHandler>[0]
}

export const mcpScopes = ['notes:read', 'notes:write', 'notes:admin']

/** A tool that only reads and says who calls, one that writes, a resource and a prompt. */
export function notesServer(): McpServer {
  const server = new McpServer({ name: 'notes', title: 'Notes', version: '1.0.0' })
  server.registerTool(
    'echo',
    { description: 'Says it again', inputSchema: z.object({ text: z.string() }), annotations: { readOnlyHint: true } },
    async ({ text }) => ({ content: [{ type: 'text', text }] }),
  )
  server.registerTool(
    'add_note',
    { description: 'Keeps a note', inputSchema: z.object({ text: z.string() }), annotations: { readOnlyHint: false } },
    async ({ text }) => ({ content: [{ type: 'text', text: `kept: ${text}` }] }),
  )
  server.registerResource('notes', 'notes://all', { description: 'All notes' }, async ({ href }) => ({
    contents: [{ uri: href, text: 'no notes' }],
  }))
  server.registerPrompt('summary', { description: 'Asks for a summary' }, () => ({
    messages: [{ role: 'user', content: { type: 'text', text: 'Sum up my notes.' } }],
  }))
  return server
}

/**
 * An MCP server and its authorization server, each on a socket of its own: the official server package behind oidc-provider,
 * with dynamic registration (RFC 7591, 7592), client-id metadata documents, resource indicators and rotation. One person,
 * who allows what is asked.
 */
export async function startMcpServer({
  issuerPath = '',
  path = '/mcp',
  clients = [],
  readDocument,
  configuration = {},
  tls,
  make = notesServer,
}: Options = {}) {
  let state = well()
  const seen: Seen[] = []
  const kept = new Map<string, unknown>()

  const mcp = await listen(async (request, response) => {
    const one = await read('mcp', request)
    if (await answered(one, response)) return
    await serve(one, request, response)
  }, tls)
  const as = await listen(async (request, response) => {
    const one = await read('as', request)
    if (await answered(one, response)) return
    await authorize(one, request, response)
  }, tls)
  const dispatcher = tls && new Agent({ connect: { ca: tls.cert } })
  const visit = (address: string, init: object) => visited(address, { ...init, ...(dispatcher && { dispatcher }) })
  const issuer = `${as.origin}${issuerPath}`
  const url = `${mcp.origin}${path}`
  const metadataUrl = `${mcp.origin}/.well-known/oauth-protected-resource${path}`

  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const provider = new Provider(issuer, {
    adapter: (name: string) => storeOf(name, kept),
    clients,
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'signing', alg: 'ES256', use: 'sig' }] },
    scopes: ['openid', 'offline_access', ...mcpScopes],
    claims: { openid: ['sub'], profile: ['name'] },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    cookies: { keys: ['a key of the MCP server'] },
    interactions: { url: (_ctx, { uid }) => `${issuerPath}/interaction/${uid}` },
    findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, name: 'Somebody' }) }),
    rotateRefreshToken: () => true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    pkce: { required: () => true },
    ...(readDocument && { fetch: (address: string | URL | Request) => readDocument(String(address)) }),
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
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      ...(readDocument && { clientIdMetadataDocument: { enabled: true, ack: 'draft-02' } }),
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => url,
        useGrantedResource: async () => false,
        getResourceServerInfo: async (_ctx, resource) => {
          if (resource !== url) throw Object.assign(new Error('invalid_target'), { expose: true })
          return { scope: mcpScopes.join(' '), audience: url, accessTokenTTL: 3600, accessTokenFormat: 'opaque' }
        },
      },
      ...configuration.features,
    },
  } as Configuration)
  const callback = provider.callback()
  const handler = toNodeHandler(createMcpHandler(make))

  async function read(at: Seen['at'], request: IncomingMessage): Promise<Seen> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://server')
    const body = Buffer.concat(chunks).toString()
    const one = {
      at,
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body,
    }
    seen.push(one)
    return one
  }

  async function answered(one: Seen, response: ServerResponse): Promise<boolean> {
    const instead = await state.instead(one)
    if (instead === undefined) return false
    if (instead === 'never') return true
    send(response, instead)
    return true
  }

  /** The MCP server: its metadata, who calls, and what the official package makes of the message. */
  async function serve(one: Seen, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const metadataPaths = {
      path: `/.well-known/oauth-protected-resource${path}`,
      root: '/.well-known/oauth-protected-resource',
    }
    if (state.resourceMetadataAt.some((where) => metadataPaths[where] === one.path)) {
      const body = { resource: url, authorization_servers: [issuer], scopes_supported: mcpScopes.slice(0, 2) }
      return send(response, { body: { ...body, ...state.resourceMetadata } })
    }
    if (one.path !== path) return send(response, { status: 404, body: {} })
    const refusal = await refusalOf(one)
    if (refusal) return send(response, refusal)
    const parsed: unknown = one.body === '' ? undefined : JSON.parse(one.body)
    await handler(request as never, response as never, parsed)
  }

  async function refusalOf({ headers, body }: Seen): Promise<Exclude<Instead, 'never'> | undefined> {
    if (state.open) return undefined
    if (state.header)
      return headers[state.header.name.toLowerCase()] === state.header.value ? undefined : { status: 401, body: {} }
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    const found = token && (await provider.AccessToken.find(token))
    if (!found || found.aud !== url)
      return {
        status: 401,
        headers: { 'www-authenticate': state.challenges(metadataUrl) },
        body: { error: token ? 'invalid_token' : 'unauthorized' },
      }
    const { method, params } = (JSON.parse(body || '{}') ?? {}) as { method?: string; params?: { name?: string } }
    const needed = method === 'tools/call' ? state.scopeOf[params?.name ?? ''] : undefined
    if (
      !needed ||
      String(found.scope ?? '')
        .split(' ')
        .includes(needed)
    )
      return undefined
    const challenge = `Bearer error="insufficient_scope", scope="${needed}", resource_metadata="${metadataUrl}"`
    return { status: 403, headers: { 'www-authenticate': challenge }, body: { error: 'insufficient_scope' } }
  }

  /** The authorization server: oidc-provider below its path, and its metadata where it is to be found. */
  async function authorize(one: Seen, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const places: Record<McpState['serverMetadataAt'][number], string[]> = {
      oauth: [`/.well-known/oauth-authorization-server${issuerPath}`],
      oidc: [`/.well-known/openid-configuration${issuerPath}`],
      append: [`${issuerPath}/.well-known/openid-configuration`],
      root: ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'],
    }
    const isMetadata = one.path.includes('/.well-known/')
    if (isMetadata && one.headers['x-own'] !== 'yes') {
      const isThere = state.serverMetadataAt.some((where) => places[where].includes(one.path))
      if (!isThere) return send(response, { status: 404, body: {} })
      const own = await visit(`${issuer}/.well-known/openid-configuration`, { headers: { 'x-own': 'yes' } })
      return send(response, { body: { ...((await own.json()) as object), ...state.serverMetadata } })
    }
    if (isMetadata) seen.splice(seen.indexOf(one), 1)
    const below = asRead(request, one.body, (request.url ?? '').slice(issuerPath.length) || '/')
    if (!one.path.startsWith(`${issuerPath}/interaction/`)) return void callback(below, response)
    const { prompt, params, grantId } = await provider.interactionDetails(below, response)
    if (prompt.name === 'login')
      return provider.interactionFinished(below, response, { login: { accountId: 'somebody' } })
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: 'somebody', clientId: String(params.client_id) })
    if (!grant) throw new Error('the grant is gone')
    grant.addOIDCScope(String(params.scope ?? ''))
    grant.addResourceScope(url, String(params.scope ?? ''))
    return provider.interactionFinished(below, response, { consent: { grantId: await grant.save() } })
  }

  /** Clients that registered themselves and are still there. */
  const registered = () =>
    [...kept].filter(([key]) => key.startsWith('Client:')).map(([, client]) => client as AdapterPayload)

  return {
    /** The MCP endpoint. */
    url,
    issuer,
    origin: mcp.origin,
    metadataUrl,
    provider,
    /** Every request that came, in order. */
    seen,
    requests: (at: Seen['at'], path: string) => seen.filter((one) => one.at === at && one.path === path),
    registered,
    /** Drops what registered, as servers do that keep no client for long. */
    forgetClients: () => {
      for (const key of kept.keys()) if (key.startsWith('Client:')) kept.delete(key)
    },
    /** How it is from here on; what is not named is well. */
    is: (next: Partial<McpState> = {}) => {
      state = { ...well(), ...next }
    },
    /** Plays the browser until it is sent back to the client. */
    async approve(address: string): Promise<string> {
      const cookies = new Map<string, string>()
      for (let at = address, hop = 0; hop < 12; hop += 1) {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
        const answer = await visit(at, { headers: { cookie }, redirect: 'manual' })
        for (const line of answer.headers.getSetCookie()) {
          const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
          cookies.set(name, value)
        }
        const location = answer.headers.get('location')
        if (!location) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 500)}`)
        const next = new URL(location, at)
        if (next.origin !== as.origin) return next.href
        at = next.href
      }
      throw new Error('too many redirects')
    },
    stop: async () => {
      await mcp.stop()
      await as.stop()
      await dispatcher?.close()
    },
  }
}

export type TestMcpServer = Awaited<ReturnType<typeof startMcpServer>>

async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  tls: Options['tls'],
) {
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    })
  }
  const server = tls ? createSecureServer(tls, handle) : createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `${tls ? 'https' : 'http'}://localhost:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A request whose body has been read, as it was before. */
const asRead = (
  { method, headers, socket, httpVersion, url: originalUrl }: IncomingMessage,
  body: string,
  url: string,
) =>
  Object.assign(Readable.from(body === '' ? [] : [Buffer.from(body)]), {
    method,
    headers,
    socket,
    httpVersion,
    originalUrl,
    url,
  }) as unknown as IncomingMessage

function send(response: ServerResponse, { status = 200, headers = {}, body = '' }: Exclude<Instead, 'never'>): void {
  const isText = typeof body === 'string' || body instanceof Readable
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  if (body instanceof Readable) body.on('error', () => response.destroy()).pipe(response)
  else response.end(isText ? body : JSON.stringify(body))
}

/** Models of oidc-provider in memory, clients that registered among them. */
function storeOf(name: string, kept: Map<string, unknown>): Adapter {
  const at = (id: string) => `${name}:${id}`
  const all = () => [...kept].filter(([key]) => key.startsWith(`${name}:`)) as [string, AdapterPayload][]
  return {
    upsert: async (id: string, payload: object) => void kept.set(at(id), payload),
    find: async (id: string) => kept.get(at(id)) as AdapterPayload | undefined,
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
