import { randomUUID } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { request as send } from 'undici'
import { issueToken } from '../../lib/broker/issue.ts'
import type { Context } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { createGatewayEdge } from '../../lib/http/mcp.ts'
import { createProxyEdge } from '../../lib/http/proxy.ts'
import { metaNames } from '../../lib/mcp/revisions.ts'
import { McpRights } from '../../lib/providers/mcp/rights.ts'
import { newId } from '../../lib/security/ids.ts'
import { hash, newToken } from '../../lib/security/secrets.ts'
import { type Broker, type BrowserActor, type Email, origin } from './broker.ts'

/** A request as the server behind the gateway got it. */
export type Got = {
  method: string
  headers: IncomingHttpHeaders
  body: string
  message: Record<string, unknown> | undefined
}
type Handler = (request: IncomingMessage, response: ServerResponse, got: Got) => unknown

/** A server behind the gateway that does what a test says, and keeps a ledger of all that reached it. */
export async function startBehind(initial?: Handler) {
  const ledger: Got[] = []
  let handler = initial
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    request.on('error', () => {})
    response.on('error', () => {})
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString()
      let message: Got['message']
      try {
        message = body === '' ? undefined : JSON.parse(body)
      } catch {
        message = undefined
      }
      const got = { method: request.method ?? '', headers: request.headers, body, message }
      ledger.push(got)
      void handler?.(request, response, got)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  return {
    url,
    ledger,
    answerWith(next: Handler) {
      handler = next
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
export type Behind = Awaited<ReturnType<typeof startBehind>>

export const json = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
export const result = (got: Got, more: object) => ({ jsonrpc: '2.0', id: got.message?.id, result: more })

/**
 * Makes the tickets service of the demo an MCP server's authorization server: links it, then turns its row into one of kind `mcp`
 * whose server stands at `url`. Renewals, rotation and revocation are the demo's own.
 */
export async function linkedMcp(
  broker: Broker,
  actor: BrowserActor,
  email: Email,
  url: string,
  settings: { holdChangedTools?: boolean } = {},
) {
  const linked = await broker.link(actor, email, { provider: 'Demo tickets' }).catch(() => undefined)
  if (linked && linked.kind !== 'linked') throw linked.error
  const { owner } = broker
  await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await owner.query(
    `UPDATE provider SET kind = 'mcp', settings = jsonb_build_object('url', $1::text,
       'authorization', jsonb_build_object('by', 'oauth', 'registration', 'given', 'oauth', settings), 'holdChangedTools', $2::boolean)
     WHERE name = 'Demo tickets' AND kind = 'oauth'`,
    [url, settings.holdChangedTools ?? false],
  )
  const { rows } = await owner.query<{ project: string; provider: string; alias: string; connection: string }>(
    `UPDATE project p SET external_id = $1 FROM provider r, connection_project l
     WHERE r.id = p.provider_id AND r.name = 'Demo tickets' AND l.project_id = p.id AND l.user_id = $2
     RETURNING p.id AS project, r.id AS provider, p.alias, l.connection_id AS connection`,
    [url, actor.userId],
  )
  const [found] = rows
  if (!found) throw new Error('nothing was linked')
  return found
}

export const rights = (some: Partial<McpRights>) => McpRights.parse(some)

export async function mcpToken(
  broker: Pick<Broker, 'ctx'>,
  actor: BrowserActor,
  project: string,
  some: Partial<McpRights>,
  { lifetimeSeconds = 3_600 }: { lifetimeSeconds?: number } = {},
) {
  const wanted = { project, scopes: rights(some), lifetimeSeconds, purpose: 'a test' }
  const issued = await issueToken(broker.ctx, actor, { ...wanted, strategy: 'proxy' })
  return { id: issued.token.id, token: issued.value.reveal() }
}

/** A grant for the gateway of a project, and an access token of it, as the token endpoint leaves them. */
export async function gatewayGrant(
  broker: Pick<Broker, 'owner'>,
  actor: BrowserActor,
  {
    project,
    alias,
    ceiling,
    resource,
  }: { project: string; alias: string; ceiling?: Partial<McpRights> | null; resource?: string },
) {
  const id = newId('grant')
  const access = newToken('at').reveal()
  const { owner } = broker
  const audience = resource ?? `${origin}/mcp/${actor.slug}/${alias}`
  const ceilings = ceiling === undefined ? {} : { [project]: { proxy: ceiling && rights(ceiling) } }
  await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await owner.query(
    `INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, via, scopes, resource, ceilings, generations, created_at, expires_at)
     VALUES ($1, $2, $3, 'valetkey', 'code', '{}', $4, $5, vk.grant_generations($1, $3, 'valetkey', NULL), vk_now(), vk_now() + interval '30 days')`,
    [actor.tenantId, id, actor.userId, audience, ceilings],
  )
  await owner.query(
    `INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
     SELECT $1, tenant_id, id, scopes, resource, generations, vk_now(), vk_now() + interval '1 hour' FROM oauth_grant WHERE id = $2`,
    [Buffer.from(hash(access)), id],
  )
  return { id, access }
}

export type Answer = {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The messages of it, of a stream or alone. */
  messages: {
    id?: unknown
    result?: Record<string, unknown>
    error?: { code: number; message: string; data?: Record<string, unknown> }
  }[]
}

/** A process with the gateway and the proxy, on a socket of its own: the server's edge as it is in production. */
export async function startGateway(ctx: Context, options: Parameters<typeof createGatewayEdge>[1] = {}) {
  const gateway = createGatewayEdge(ctx, { timers: false, ...options })
  const proxy = createProxyEdge(ctx, { timers: false })
  const server = createEdge({
    config: { ...ctx.config, production: true },
    machineRoutes: [],
    declared: [],
    gateway,
    proxy,
    next: async (_request, response) => void response.writeHead(404).end(),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { host } = new URL(ctx.config.origin)
  const address = (project: string, slug = 'acme') => `http://127.0.0.1:${port}/mcp/${slug}/${project}`

  type Asking = Omit<Parameters<typeof send>[1] & object, 'headers' | 'body'> & {
    token?: string
    slug?: string
    headers?: Record<string, string | undefined>
    body?: string | Buffer
  }
  /** Anything, as it is. */
  async function raw(project: string, { token, slug, headers = {}, ...rest }: Asking = {}): Promise<Answer> {
    const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const answer = await send(address(project, slug), {
      method: 'POST',
      ...rest,
      headers: {
        host,
        accept: 'application/json, text/event-stream',
        ...(rest.body !== undefined && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...Object.fromEntries(given),
      },
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, headers: answer.headers, text, messages: messagesIn(answer.headers, text) }
  }

  /** A request of the newest revision, its headers as they have to be. */
  const modern = (
    project: string,
    method: string,
    params: Record<string, unknown> = {},
    { token, id = 1, capabilities = {}, headers = {}, ...rest }: Asking & { id?: unknown; capabilities?: object } = {},
  ) => {
    const name = method === 'resources/read' ? params.uri : params.name
    const isNamed = ['tools/call', 'prompts/get', 'resources/read'].includes(method) && typeof name === 'string'
    const body = {
      jsonrpc: '2.0',
      id,
      method,
      params: { ...params, _meta: { [metaNames.version]: '2026-07-28', [metaNames.capabilities]: capabilities } },
    }
    return raw(project, {
      ...rest,
      ...(token && { token }),
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(isNamed && {
          'mcp-name': /^[!-~]+$/.test(name) ? name : `=?base64?${Buffer.from(name).toString('base64')}?=`,
        }),
        ...headers,
      },
      body: JSON.stringify(body),
    })
  }

  /** A session of a revision before: its id, and what to send in it. */
  async function session(
    project: string,
    token: string,
    { revision = '2025-11-25', capabilities = {} }: { revision?: string; capabilities?: object } = {},
  ) {
    const params = { protocolVersion: revision, capabilities, clientInfo: { name: 'a test', version: '1' } }
    const body = JSON.stringify({ jsonrpc: '2.0', id: randomUUID(), method: 'initialize', params })
    const hello = await raw(project, { token, body })
    const id = String(hello.headers['mcp-session-id'])
    const headers = { 'mcp-session-id': id, 'mcp-protocol-version': revision }
    return {
      id,
      hello,
      headers,
      say: (method: string, params: object = {}, more: { id?: unknown; token?: string } = {}) =>
        raw(project, {
          token: more.token ?? token,
          headers,
          body: JSON.stringify({ jsonrpc: '2.0', id: more.id ?? 7, method, params }),
        }),
    }
  }

  return {
    gateway,
    port,
    host,
    address,
    raw,
    modern,
    session,
    /** For clients of others, which cannot say which host they mean: fetch with the host that the gateway has. */
    async fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
      const { statusCode, headers, body } = await send(String(input), {
        method: (init.method ?? 'GET') as 'GET',
        headers: { ...Object.fromEntries(new Headers(init.headers)), host },
        body: (init.body ?? null) as string | null,
        signal: init.signal ?? null,
      })
      const given = new Headers()
      for (const [name, value] of Object.entries(headers)) given.set(name, String(value))
      const isEmpty = statusCode === 202 || statusCode === 204
      if (isEmpty) body.resume()
      else body.on('error', () => {})
      return new Response(isEmpty ? null : (Readable.toWeb(body) as ReadableStream), {
        status: statusCode,
        headers: given,
      })
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await gateway.stop()
      await proxy.stop()
    },
  }
}
export type GatewayProcess = Awaited<ReturnType<typeof startGateway>>

function messagesIn(headers: IncomingHttpHeaders, text: string): Answer['messages'] {
  if (/^text\/event-stream/.test(String(headers['content-type'])))
    return [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data ?? ''))
  try {
    return [JSON.parse(text)]
  } catch {
    return []
  }
}
