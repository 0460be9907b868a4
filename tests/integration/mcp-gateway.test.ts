// The gateway to MCP servers end to end: the official clients of both versions, a server built with the official package, the
// server's own edge in between, and a ledger of what reached the server.
import { randomUUID } from 'node:crypto'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createMcpHandler, McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { changeMember } from '../../lib/broker/end.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import type { McpRights } from '../../lib/providers/mcp/rights.ts'
import { newToken } from '../../lib/security/secrets.ts'
import { act } from '../../lib/store/authority.ts'
import { readTenant } from '../../lib/store/database.ts'
import { reviewTools, toolsOf, usesByTool } from '../../lib/store/mcp.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import {
  type Behind,
  type GatewayProcess,
  json,
  linkedMcp,
  mcpToken,
  result,
  startBehind,
  startGateway,
} from '../support/mcp-gateway.ts'

let broker: Broker
let owner: BrowserActor
let behind: Behind
let gate: GatewayProcess
let linked: Awaited<ReturnType<typeof linkedMcp>>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  behind = await startBehind()
  linked = await linkedMcp(broker, owner, 'owner@acme.test', behind.url)
  gate = await startGateway(broker.ctx)
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await behind.stop()
  await broker.stop()
})
beforeEach(async () => {
  behind.ledger.length = 0
  behind.answerWith(official())
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await broker.owner.query('DELETE FROM mcp_tool')
})

/** A server with two tools, a resource, a template and a prompt. */
function notes(): McpServer {
  const server = new McpServer({ name: 'notes', title: 'Notes', version: '1.0.0' })
  const schema = z.object({ text: z.string() })
  server.registerTool(
    'echo',
    { description: 'Says it again', inputSchema: schema, annotations: { readOnlyHint: true } },
    async ({ text }) => ({ content: [{ type: 'text', text }] }),
  )
  server.registerTool('add_note', { description: 'Keeps a note', inputSchema: schema }, async ({ text }) => ({
    content: [{ type: 'text', text: `kept: ${text}` }],
  }))
  server.registerResource('notes', 'notes://all', { description: 'All notes' }, async ({ href }) => ({
    contents: [{ uri: href, text: 'no notes' }],
  }))
  server.registerResource('secret', 'notes://secret', {}, async ({ href }) => ({
    contents: [{ uri: href, text: 'secret' }],
  }))
  server.registerResource(
    'note',
    new ResourceTemplate('notes://by/{id}', { list: undefined }),
    {},
    async ({ href }) => ({
      contents: [{ uri: href, text: 'one note' }],
    }),
  )
  server.registerPrompt('summary', { description: 'Asks for a summary' }, () => ({
    messages: [{ role: 'user', content: { type: 'text', text: 'Sum up my notes.' } }],
  }))
  return server
}

/** The official handler, which speaks the newest revision and those before without sessions. */
function official(make = notes): Parameters<Behind['answerWith']>[0] {
  const handler = toNodeHandler(createMcpHandler(make))
  return (request, response, got) => handler(request as never, response as never, got.message)
}

/** The official transport of revisions with sessions. */
function withSessions(make = notes): Parameters<Behind['answerWith']>[0] {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>()
  return async (request, response, got) => {
    const known = sessions.get(String(request.headers['mcp-session-id']))
    if (known) return known.handleRequest(request, response, got.message)
    if (got.message?.method !== 'initialize')
      return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } }, 404)
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    await make().connect(transport)
    await transport.handleRequest(request, response, got.message)
  }
}

const token = async (some: Partial<McpRights>, more = {}) =>
  (await mcpToken(broker, owner, linked.project, some, more)).token
const reached = () => behind.ledger.map(({ message, method }) => message?.method ?? method)
const textOf = (answer: unknown) => (answer as { content?: { text?: string }[] }).content?.[0]?.text

async function connect(bearer: string, { pin, capabilities = {} }: { pin?: string; capabilities?: object } = {}) {
  const options = pin ? { versionNegotiation: { mode: { pin } } } : {}
  const client = new Client({ name: 'a test', version: '1' }, { capabilities, ...options } as never)
  const transport = new StreamableHTTPClientTransport(new URL(gate.address(linked.alias)), {
    fetch: gate.fetch as never,
    requestInit: { headers: { authorization: `Bearer ${bearer}` } },
  })
  await client.connect(transport)
  return client
}

async function connectFormer(bearer: string, capabilities = {}) {
  const client = new FormerClient({ name: 'a test', version: '1' }, { capabilities })
  const transport = new FormerTransport(new URL(gate.address(linked.alias)), {
    fetch: gate.fetch as never,
    requestInit: { headers: { authorization: `Bearer ${bearer}` } },
  })
  await client.connect(transport as never)
  return client
}

describe('the official clients through the gateway', () => {
  it('of version 2 in the newest revision: lists are cut, what is allowed is called, and the rest does not reach the server', async () => {
    const client = await connect(await token({ tools: ['echo'], resources: ['notes://all'], all_prompts: true }), {
      pin: '2026-07-28',
    })
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['echo'])
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual(['notes://all'])
    expect((await client.listResourceTemplates()).resourceTemplates).toEqual([])
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['summary'])
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toBe('hello')
    expect((await client.readResource({ uri: 'notes://all' })).contents).toHaveLength(1)
    expect((await client.getPrompt({ name: 'summary' })).messages).toHaveLength(1)
    behind.ledger.length = 0
    await expect(client.callTool({ name: 'add_note', arguments: { text: 'x' } })).rejects.toThrow(
      /It may not call this tool/,
    )
    await expect(client.readResource({ uri: 'notes://secret' })).rejects.toThrow(/It may not read this resource/)
    expect(reached()).toEqual([])
    await client.close()
  })

  it.each(['of version 2', 'of version 1'])('%s in a session: the same', async (which) => {
    behind.answerWith(withSessions())
    const bearer = await token({ read_only_tools: true, resources: ['notes://by/{id}'] })
    const client = which === 'of version 2' ? await connect(bearer) : await connectFormer(bearer)
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo'])
    expect(textOf(await client.callTool({ name: 'echo', arguments: { text: 'hello' } }))).toBe('hello')
    expect((await client.readResource({ uri: 'notes://by/7' })).contents).toHaveLength(1)
    behind.ledger.length = 0
    await expect(client.callTool({ name: 'add_note', arguments: { text: 'x' } })).rejects.toThrow(
      /It may not call this tool/,
    )
    await expect(client.readResource({ uri: 'notes://by/..' })).rejects.toThrow(/It may not read/)
    expect(reached()).toEqual([])
    await client.close()
  })

  it('a client that speaks the newest revision is served in an older one where the server speaks no other', async () => {
    behind.answerWith(withSessions())
    const client = new Client({ name: 'a test', version: '1' }, { versionNegotiation: { mode: 'auto' } } as never)
    const bearer = await token({ all_tools: true })
    const transport = new StreamableHTTPClientTransport(new URL(gate.address(linked.alias)), {
      fetch: gate.fetch as never,
      requestInit: { headers: { authorization: `Bearer ${bearer}` } },
    })
    await client.connect(transport)
    expect((await client.listTools()).tools).toHaveLength(2)
    expect(behind.ledger[0]?.headers['mcp-method']).toBe('server/discover')
    await client.close()
  })

  it('a server asks its client, and gets the answer to its own question alone', async () => {
    const make = () => {
      const server = notes()
      server.registerTool('ask', { inputSchema: z.object({}) }, async (_args, ctx) => {
        const answer = await ctx.mcpReq.requestSampling({
          messages: [{ role: 'user', content: { type: 'text', text: '?' } }],
          maxTokens: 5,
        } as never)
        return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
      })
      return server
    }
    behind.answerWith(withSessions(make))
    const client = await connectFormer(await token({ all_tools: true }), { sampling: {} })
    const { CreateMessageRequestSchema } = await import('@modelcontextprotocol/sdk/types.js')
    client.setRequestHandler(CreateMessageRequestSchema, async () => ({
      role: 'assistant' as const,
      model: 'm',
      content: { type: 'text' as const, text: 'forty-two' },
    }))
    expect(textOf(await client.callTool({ name: 'ask', arguments: {} }))).toContain('forty-two')
    await client.close()
    const session = await gate.session(linked.alias, await token({ all_tools: true }))
    behind.ledger.length = 0
    const forged = await gate.raw(linked.alias, {
      token: await token({ all_tools: true }),
      headers: session.headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 0, result: {} }),
    })
    expect(forged.status).toBe(404)
    expect(reached()).toEqual([])
  })
})

describe('what is sent', () => {
  it('IV-08: is written anew: other headers, other spellings and what the protocol does not know stay here', async () => {
    const bearer = await token({ all_tools: true })
    const body =
      '{ "method":"tools/call","id" : 1, "jsonrpc":"2.0", "params":{"name":"\\u0065cho","arguments":{"text":"hi"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}} }'
    const answer = await gate.raw(linked.alias, {
      token: bearer,
      body,
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': '=?base64?ZWNobw==?=',
        'mcp-session-id': 'mine',
        cookie: 'a=b',
        'x-forwarded-user': 'admin',
        'x-api-key': 'k',
        'last-event-id': '1',
      },
    })
    expect(textOf(answer.messages[0]?.result)).toBe('hi')
    const [got] = behind.ledger
    expect(got?.body).toBe(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{}}}}}',
    )
    expect(Object.keys(got?.headers ?? {}).sort()).toEqual([
      'accept',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'mcp-method',
      'mcp-name',
      'mcp-protocol-version',
    ])
    expect(got?.headers).toMatchObject({ 'mcp-name': 'echo', 'mcp-method': 'tools/call' })
    expect(got?.headers.authorization).not.toContain('vk_')
  })

  it('headers from arguments are compared with them, and written anew', async () => {
    const bearer = await token({ all_tools: true })
    const call = (headers: Record<string, string>) =>
      gate.modern(
        linked.alias,
        'tools/call',
        { name: 'echo', arguments: { text: 'hi', at: { region: 'us', count: 3 } } },
        { token: bearer, headers },
      )
    expect((await call({ 'mcp-param-region': '=?base64?dXM=?=', 'mcp-param-count': '3' })).status).toBe(200)
    expect(behind.ledger[0]?.headers).toMatchObject({ 'mcp-param-region': 'us', 'mcp-param-count': '3' })
    behind.ledger.length = 0
    const other = await call({ 'mcp-param-region': 'eu' })
    expect([other.status, other.messages[0]?.error?.code, reached()]).toEqual([400, -32020, []])
  })

  it.each([
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
    ['no JSON', '{', -32700],
    ['a name twice', '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}', -32600],
    [
      'a name twice, deep',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":{"b":1,"\\u0062":2}}}}',
      -32600,
    ],
    ['a member beside the known', '{"jsonrpc":"2.0","id":1,"method":"ping","auth":"x"}', -32600],
    ['another version of JSON-RPC', '{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600],
    ['no id but null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ['an id that is no whole number', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600],
    ['parameters in a list', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32600],
    ['a request that is an answer', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', -32600],
    ['depth', `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'{"a":'.repeat(80)}1${'}'.repeat(80)}}`, -32600],
    ['no object', '"ping"', -32600],
  ])('IV-04: %s is refused', async (_what, body, code) => {
    const answer = await gate.raw(linked.alias, { token: await token({ all_tools: true }), body })
    expect([answer.status, answer.messages[0]?.error?.code]).toEqual([400, code])
    expect(reached()).toEqual([])
  })

  it('a body beyond 4 MiB, another type or another coding is refused', async () => {
    const bearer = await token({ all_tools: true })
    const of = async (body: string, headers = {}) =>
      (await gate.raw(linked.alias, { token: bearer, body, headers })).status
    expect(await of(`"${'x'.repeat(4 * 1024 * 1024)}"`)).toBe(413)
    expect(await of('{}', { 'content-type': 'text/plain' })).toBe(415)
    expect(await of('{}', { 'content-encoding': 'gzip' })).toBe(415)
    expect(await of('{}', { accept: 'application/json' })).toBe(406)
    expect(reached()).toEqual([])
  })
})

describe('who may call', () => {
  const challenge = () =>
    `resource_metadata="http://localhost:3000/.well-known/oauth-protected-resource/mcp/acme/${linked.alias}"`
  const list = (bearer?: string, more = {}) =>
    gate.modern(linked.alias, 'tools/list', {}, { ...(bearer && { token: bearer }), ...more })

  it('R-09: nobody without a token, whom the answer tells where to get one', async () => {
    const none = await list()
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, `Bearer ${challenge()}`])
    const unknown = await list(newToken('px').reveal())
    expect([unknown.status, unknown.headers['www-authenticate']]).toEqual([
      401,
      `Bearer error="invalid_token", ${challenge()}`,
    ])
    expect((await list(newToken('rt').reveal())).status).toBe(401)
    const basic = `Basic ${Buffer.from(`x:${await token({ all_tools: true })}`).toString('base64')}`
    expect((await list(undefined, { headers: { authorization: basic } })).status).toBe(401)
    expect(reached()).toEqual([])
  })

  it('Z-02: a token of another project, or another tenant’s address, finds nothing', async () => {
    const bearer = await token({ all_tools: true })
    expect((await gate.modern('something', 'tools/list', {}, { token: bearer })).status).toBe(404)
    expect((await gate.modern(linked.alias, 'tools/list', {}, { token: bearer, slug: 'globex' })).status).toBe(404)
    expect(reached()).toEqual([])
  })

  it('C-07: no page of another site, no cookie, no query', async () => {
    const bearer = await token({ all_tools: true })
    expect((await list(bearer, { headers: { origin: 'https://evil.example' } })).status).toBe(403)
    expect((await list(bearer, { headers: { origin: 'null' } })).status).toBe(403)
    expect((await list(bearer, { headers: { host: 'evil.example' } })).status).toBe(421)
    const query = await gate.raw(`${linked.alias}?access_token=${bearer}`, { body: '{}' })
    expect(query.status).toBe(400)
    const preflight = await gate.raw(linked.alias, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([405, undefined])
    expect(reached()).toEqual([])
  })

  it('A-03: revoked, frozen or suspended, the next call is refused, and lifted it works again', async () => {
    const held = await mcpToken(broker, owner, linked.project, { all_tools: true })
    expect((await list(held.token)).status).toBe(200)
    await freeze(broker.ctx, owner, { kind: 'connection', id: linked.connection, reason: 'a look' })
    expect((await list(held.token)).status).toBe(409)
    await liftFreeze(broker.ctx, owner, { kind: 'connection', id: linked.connection })
    expect((await list(held.token)).status).toBe(200)
    await revoke(broker.ctx, owner, { tokens: [held.id], connections: [], reason: 'over' } as never)
    const dead = await list(held.token)
    expect([dead.status, dead.headers['www-authenticate']]).toEqual([
      401,
      `Bearer error="invalid_token", ${challenge()}`,
    ])
  })

  it('the proxy refuses an MCP server and names its gateway', async () => {
    const bearer = await token({ all_tools: true })
    const answer = await gate.raw(`../../api/v1/tenants/acme/projects/${linked.alias}/proxy/x`, {
      token: bearer,
      body: '{}',
    })
    expect(answer.status).toBe(403)
    expect(answer.text).toContain(`http://localhost:3000/mcp/acme/${linked.alias}`)
    expect(reached()).toEqual([])
  })
})
void [changeMember, refreshCatalogue, act, readTenant, reviewTools, toolsOf, usesByTool, result]
