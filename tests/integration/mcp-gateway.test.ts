// The gateway to MCP servers end to end: the official clients of both versions, a server built with the official package, the
// server's own edge in between, and a ledger of what reached the server.
import { randomUUID } from 'node:crypto'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { createMcpHandler, McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { recogniseAccess } from '../../lib/http/access.ts'
import { refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import type { McpRights } from '../../lib/providers/mcp/rights.ts'
import { newToken } from '../../lib/security/secrets.ts'
import { act } from '../../lib/store/authority.ts'
import { readTenant } from '../../lib/store/database.ts'
import { reviewTools, toolsOf, usesByTool } from '../../lib/store/mcp.ts'
import { type Broker, type BrowserActor, origin, startBroker } from '../support/broker.ts'
import {
  type Answer,
  type Behind,
  type GatewayProcess,
  gatewayGrant,
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
const toolsIn = ({ messages }: Answer) =>
  (messages[0]?.result?.tools as { name: string }[] | undefined)?.map(({ name }) => name)
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
  it('IV-01: a name that no list can hold is refused as every other, and nothing is looked up by it', async () => {
    for (const rights of [{ tools: ['echo'] }, { read_only_tools: true }]) {
      const bearer = await token(rights)
      behind.ledger.length = 0
      for (const name of ['echo\u0000', 'ech\ud800', 'a'.repeat(100_000)]) {
        const session = await gate.session(linked.alias, bearer)
        behind.ledger.length = 0
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } })
        const answer = await gate.raw(linked.alias, { token: bearer, body, headers: session.headers })
        expect(answer.messages[0]?.error).toMatchObject({ code: 403, data: { reason: 'right_missing' } })
        expect(reached()).toEqual([])
      }
    }
  })

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
  ])('IV-01: %s is refused', async (_what, body, code) => {
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
    const other = await broker.link(owner, 'owner@acme.test')
    if (other.kind !== 'linked') throw other.error
    const { rows } = await broker.owner.query('SELECT alias FROM project WHERE id = $1', [other.projectId])
    for (const alias of ['something', rows[0].alias, other.projectId])
      expect((await gate.modern(alias, 'tools/list', {}, { token: bearer })).status).toBe(404)
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
    await revoke(broker.ctx, owner, { tokens: [held.id], connections: [], grants: [] })
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

describe('a program with a grant for the gateway', () => {
  const list = (bearer: string, alias = linked.alias) => gate.modern(alias, 'tools/list', {}, { token: bearer })

  it('may do what its ceiling for the project says, and nothing where it says nothing', async () => {
    const of = { project: linked.project, alias: linked.alias }
    const some = await gatewayGrant(broker, owner, { ...of, ceiling: { tools: ['echo'] } })
    const answer = await list(some.access)
    expect(toolsIn(answer)).toEqual(['echo'])
    const beyond = await gate.modern(
      linked.alias,
      'tools/call',
      { name: 'add_note', arguments: { text: 'x' } },
      { token: some.access },
    )
    expect(beyond.messages[0]?.error).toMatchObject({
      code: 403,
      message: expect.stringContaining('Sign in again with this program'),
    })
    const none = await gatewayGrant(broker, owner, { ...of, ceiling: {} })
    expect((await list(none.access)).messages[0]?.result?.tools).toEqual([])
    // The project is named, and nothing is said of the gateway.
    await broker.owner.query('UPDATE oauth_grant SET ceilings = $1 WHERE id = $2', [{ [linked.project]: {} }, none.id])
    expect((await list(none.access)).messages[0]?.result?.tools).toEqual([])
    const other = await gatewayGrant(broker, owner, of)
    expect((await list(other.access)).status).toBe(404)
  })

  const policy = (level: string, target: string, said: Record<string, unknown>) =>
    broker.owner.query(
      `INSERT INTO policy (tenant_id, level, target_id, rights, issue_roles, strategies)
       SELECT $1, $2, $3, r.rights, r.issue_roles, r.strategies FROM jsonb_to_record($4) AS r (rights jsonb, issue_roles text[], strategies text[])
       ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET rights = excluded.rights, issue_roles = excluded.issue_roles,
         strategies = excluded.strategies`,
      [owner.tenantId, level, target, JSON.stringify(said)],
    )
  const callTool = (bearer: string, name: string) =>
    gate
      .modern(linked.alias, 'tools/call', { name, arguments: { text: 'x' } }, { token: bearer })
      .then(({ messages }) => messages[0])

  it('PG-01: a policy that becomes stricter counts at the next call of a grant that stands, and one that becomes wider as well', async () => {
    const of = { project: linked.project, alias: linked.alias }
    const stated = await gatewayGrant(broker, owner, { ...of, ceiling: { tools: ['echo', 'add_note'] } })
    const open = await gatewayGrant(broker, owner, { ...of, ceiling: null })
    const both = async () => [toolsIn(await list(stated.access)), toolsIn(await list(open.access))]
    expect(await both()).toEqual([
      ['echo', 'add_note'],
      ['echo', 'add_note'],
    ])
    await policy('project', linked.project, { rights: { read_only_tools: true } })
    behind.ledger.length = 0
    for (const { access } of [stated, open])
      expect((await callTool(access, 'add_note'))?.error).toMatchObject({
        code: 403,
        message: expect.stringContaining('Policy does not let it call this tool. This token allows'),
      })
    expect(reached()).toEqual([])
    expect(textOf((await callTool(stated.access, 'echo'))?.result)).toBe('x')
    expect(await both()).toEqual([['echo'], ['echo']])
    // Of several limits each counts.
    await policy('provider', linked.provider, { rights: { tools: ['add_note'] } })
    expect(await both()).toEqual([[], []])
    for (const said of [{ issue_roles: ['admin'] }, { strategies: ['mint'] }, { rights: { buckets: 'all' } }]) {
      await policy('project', linked.project, {})
      await policy('provider', linked.provider, said)
      expect(await both(), JSON.stringify(said)).toEqual([[], []])
    }
    await policy('provider', linked.provider, {})
    expect(await both()).toEqual([
      ['echo', 'add_note'],
      ['echo', 'add_note'],
    ])
    await broker.owner.query('DELETE FROM policy')
  })

  it('PG-01: a change of its person’s role counts where policy names roles', async () => {
    const grant = await gatewayGrant(broker, owner, { project: linked.project, alias: linked.alias, ceiling: null })
    await policy('provider', linked.provider, { issue_roles: ['owner'] })
    expect(toolsIn(await list(grant.access))).toEqual(['echo', 'add_note'])
    const role = (to: string) =>
      broker.owner.query('UPDATE member SET role = $2 WHERE user_id = $1', [owner.userId, to])
    await role('member')
    expect(toolsIn(await list(grant.access))).toEqual([])
    await role('owner')
    expect(toolsIn(await list(grant.access))).toEqual(['echo', 'add_note'])
    await broker.owner.query('DELETE FROM policy')
  })

  it('J-10: counts at its own address alone, and not at our API; a token of our API does not count here', async () => {
    const of = { project: linked.project, alias: linked.alias, ceiling: { all_tools: true } }
    const own = await gatewayGrant(broker, owner, of)
    for (const resource of [
      origin,
      `${origin}/mcp/acme/other`,
      `${origin}/mcp/acme/${linked.alias}/`,
      `${origin}/mcp/globex/${linked.alias}`,
    ]) {
      const wrong = await gatewayGrant(broker, owner, { ...of, resource })
      const answer = await list(wrong.access)
      expect([answer.status, answer.headers['www-authenticate']], resource).toEqual([
        401,
        expect.stringContaining('error="invalid_token", resource_metadata='),
      ])
    }
    expect((await list(own.access)).status).toBe(200)
    const call = (token: string) =>
      recogniseAccess({ ctx: broker.ctx, request: new Request(origin), address: '127.0.0.1' }, 'bearer', token)
    expect(await call(own.access)).toBeUndefined()
    const ours = await gatewayGrant(broker, owner, { ...of, resource: origin })
    expect(await call(ours.access)).toMatchObject({ userId: owner.userId })
    await broker.owner.query(`UPDATE oauth_grant SET proof_key = 'a key' WHERE id = $1`, [own.id])
    expect((await list(own.access)).status).toBe(401)
    const bound = await mcpToken(broker, owner, linked.project, { all_tools: true })
    expect((await list(bound.token)).status).toBe(200)
    await broker.owner.query(`UPDATE issued_token SET proof_key = 'a key' WHERE id = $1`, [bound.id])
    expect((await list(bound.token)).status).toBe(401)
  })

  it('A-03: ended, frozen, suspended or disconnected, its next call is refused', async () => {
    const of = { project: linked.project, alias: linked.alias, ceiling: { all_tools: true } }
    const { id, access } = await gatewayGrant(broker, owner, of)
    const status = async () => (await list(access)).status
    expect(await status()).toBe(200)
    await freeze(broker.ctx, owner, { kind: 'project', id: linked.project, reason: 'a look' })
    expect(await status()).toBe(409)
    await liftFreeze(broker.ctx, owner, { kind: 'project', id: linked.project })
    await broker.owner.query(`UPDATE member SET status = 'suspended' WHERE user_id = $1`, [owner.userId])
    expect(await status()).toBe(401)
    await broker.owner.query(`UPDATE member SET status = 'active' WHERE user_id = $1`, [owner.userId])
    expect(await status()).toBe(200)
    await revoke(broker.ctx, owner, { tokens: [], connections: [], grants: [id] })
    expect(await status()).toBe(401)
    expect(
      (
        await broker.owner.query(
          `SELECT 1 FROM audit_event WHERE body->>'action' = 'token.used' AND body->'target'->>'id' = $1`,
          [id],
        )
      ).rowCount,
    ).toBe(1)
  })
})

describe('tools that changed', () => {
  const hold = (on: boolean) =>
    broker.owner.query(
      `UPDATE provider SET settings = jsonb_set(settings, '{holdChangedTools}', to_jsonb($1::boolean)) WHERE kind = 'mcp'`,
      [on],
    )
  const echo = (bearer: string) =>
    gate.modern(linked.alias, 'tools/call', { name: 'echo', arguments: { text: 'hi' } }, { token: bearer })
  const review = async () => {
    const looked = await readTenant(broker.ctx, owner.tenantId, (tx) => toolsOf(tx, owner.tenantId, linked.project))
    await act(broker.ctx, owner, 'administer', (tx) =>
      reviewTools(tx, { tenantId: owner.tenantId, projectId: linked.project }, looked, owner.userId, broker.ctx.now()),
    )
  }
  const names = async (bearer: string) => toolsIn(await gate.modern(linked.alias, 'tools/list', {}, { token: bearer }))

  it('are held back until an admin has looked at them, where the provider says so', async () => {
    const bearer = await token({ all_tools: true })
    await hold(true)
    expect(await names(bearer)).toEqual([])
    behind.ledger.length = 0
    expect((await echo(bearer)).messages[0]?.error?.message).toContain('an admin has not looked at it yet')
    expect(reached()).toEqual([])
    await review()
    expect(await names(bearer)).toEqual(['echo', 'add_note'])
    expect((await echo(bearer)).messages[0]?.result).toBeDefined()
    behind.answerWith(
      official(() => {
        const server = new McpServer({ name: 'notes', version: '2' })
        server.registerTool(
          'echo',
          { description: 'Says it to somebody else', inputSchema: z.object({ text: z.string() }) },
          async () => ({ content: [] }),
        )
        return server
      }),
    )
    expect(await names(bearer)).toEqual([])
    expect((await echo(bearer)).messages[0]?.error?.code).toBe(403)
    await hold(false)
    expect(await names(bearer)).toEqual(['echo'])
  })

  it('read-only is the server’s word of now: a tool that loses its mark is not called any more', async () => {
    const bearer = await token({ read_only_tools: true })
    expect((await echo(bearer)).messages[0]?.error?.message).toContain('List the tools first')
    await refreshCatalogue(broker.ctx, { tenantId: owner.tenantId, connectionId: linked.connection })
    expect((await echo(bearer)).messages[0]?.result).toBeDefined()
    behind.answerWith(
      official(() => {
        const server = new McpServer({ name: 'notes', version: '2' })
        server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, async () => ({ content: [] }))
        return server
      }),
    )
    expect(await names(bearer)).toEqual([])
    expect((await echo(bearer)).messages[0]?.error?.code).toBe(403)
  })
})

describe('the protocol of each revision', () => {
  it('a list is for one token alone: nobody else may be given it from a cache', async () => {
    for (const method of ['tools/list', 'resources/list', 'prompts/list', 'server/discover'])
      expect(
        (await gate.modern(linked.alias, method, {}, { token: await token({ all_tools: true }) })).messages[0]?.result
          ?.cacheScope,
        method,
      ).toBe('private')
  })

  it('a version that is not spoken is told with those that are', async () => {
    const bearer = await token({ all_tools: true })
    const unknown = await gate.modern(
      linked.alias,
      'tools/list',
      {},
      { token: bearer, headers: { 'mcp-protocol-version': '2031-01-01' } },
    )
    expect([unknown.status, unknown.messages[0]?.error]).toMatchObject([
      400,
      { code: -32022, data: { supported: ['2026-07-28', '2025-11-25', '2025-06-18'] } },
    ])
    behind.answerWith(withSessions())
    const old = await gate.modern(linked.alias, 'tools/list', {}, { token: bearer })
    expect([old.status, old.messages[0]?.error]).toMatchObject([
      400,
      { code: -32022, data: { supported: ['2025-11-25', '2025-06-18'] } },
    ])
  })

  it.each([
    ['another method', { 'mcp-method': 'tools/list' }, -32020],
    ['another name', { 'mcp-name': 'echo' }, -32020],
    ['no name', { 'mcp-name': undefined }, -32020],
    ['another version', { 'mcp-protocol-version': '2025-11-25' }, -32020],
    ['no version', { 'mcp-protocol-version': undefined }, -32020],
  ])('IV-08: headers that say something else than the message are refused: %s', async (_what, headers, code) => {
    const answer = await gate.modern(
      linked.alias,
      'tools/call',
      { name: 'add_note', arguments: {} },
      { token: await token({ tools: ['echo'] }), headers: headers as never },
    )
    expect([answer.status, answer.messages[0]?.error?.code]).toEqual([400, code])
    expect(reached()).toEqual([])
  })

  it('what the table does not have is refused by name, and a task is none', async () => {
    const bearer = await token({ all_tools: true, all_resources: true, all_prompts: true })
    for (const method of [
      'tasks/get',
      'tasks/list',
      'resources/subscribe',
      'ping',
      'initialize2',
      'admin/shutdown',
      'tools/call2',
      '__proto__',
      'constructor',
    ]) {
      const answer = await gate.modern(linked.alias, method, {}, { token: bearer })
      expect([answer.status, answer.messages[0]?.error?.code], method).toEqual(
        method === '__proto__' ? [400, -32600] : [404, -32601],
      )
    }
    const task = await gate.modern(
      linked.alias,
      'tools/call',
      { name: 'echo', arguments: { text: 'x' }, task: { ttl: 1 } },
      { token: bearer },
    )
    expect(task.messages[0]?.error?.code).toBe(-32602)
    expect(reached()).toEqual([])
  })

  it('a session is for the token that began it, and for nobody else', async () => {
    behind.answerWith(withSessions())
    const mine = await token({ all_tools: true })
    const session = await gate.session(linked.alias, mine)
    expect(session.hello.status).toBe(200)
    expect((await session.say('tools/list')).messages[0]?.result?.tools).toHaveLength(2)
    const theirs = String(behind.ledger.at(-1)?.headers['mcp-session-id'])
    behind.ledger.length = 0
    expect((await session.say('tools/list', {}, { token: await token({ all_tools: true }) })).status).toBe(404)
    const plain = await gate.raw(linked.alias, {
      token: mine,
      headers: { 'mcp-session-id': theirs },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    })
    expect(plain.status).toBe(404)
    const changed = await gate.raw(linked.alias, {
      token: mine,
      headers: { ...session.headers, 'mcp-protocol-version': '2025-06-18' },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    })
    expect(changed.status).toBe(400)
    expect(reached()).toEqual([])
    const over = await gate.raw(linked.alias, { method: 'DELETE', token: mine, headers: session.headers })
    expect([over.status, reached()]).toEqual([204, ['DELETE']])
    expect((await gate.raw(linked.alias, { method: 'GET', token: mine })).status).toBe(405)
  })

  it('a stream that is taken up again is cut to what the token allows as well', async () => {
    behind.answerWith((request, response, got) => {
      if (got.message?.method === 'initialize')
        return json(
          response,
          result(got, { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }),
          200,
          { 'mcp-session-id': 'theirs' },
        )
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const tools = ['echo', 'add_note'].map((name) => ({ name, inputSchema: { type: 'object' } }))
      response.write(`id: 8\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: 3, result: { tools } })}\n\n`)
      response.end(
        `id: 9\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'notes://secret' } })}\n\n`,
      )
      expect(request.headers['last-event-id']).toBe('7')
    })
    const bearer = await token({ tools: ['echo'] })
    const session = await gate.session(linked.alias, bearer)
    const answer = await gate.raw(linked.alias, {
      method: 'GET',
      token: bearer,
      headers: { ...session.headers, 'last-event-id': '7' },
    })
    expect(answer.messages).toEqual([
      { jsonrpc: '2.0', id: 3, result: { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] } },
    ])
  })

  it('subscriptions are cut to resources that the token may read', async () => {
    behind.answerWith((_request, response, got) => {
      const note = (uri: string, id: unknown = got.message?.id) =>
        `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, _meta: { 'io.modelcontextprotocol/subscriptionId': id } } })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(
        note('notes://all') +
          note('notes://secret') +
          note('notes://all', 'another') +
          `data: ${JSON.stringify(result(got, { resultType: 'complete' }))}\n\n`,
      )
    })
    const wanted = {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['notes://all', 'notes://secret', 7] },
    }
    const answer = await gate.modern(linked.alias, 'subscriptions/listen', wanted, {
      token: await token({ resources: ['notes://all'] }),
    })
    expect(behind.ledger[0]?.message?.params).toMatchObject({
      notifications: {
        toolsListChanged: true,
        resourceSubscriptions: ['notes://all'],
      },
    })
    expect(answer.messages.map((one) => (one as { params?: { uri: string } }).params?.uri ?? 'answer')).toEqual([
      'notes://all',
      'answer',
    ])
  })
})

describe('R-09 R-15 R-27: what the server says of the connection', () => {
  const echo = (bearer: string, more = {}) =>
    gate.modern(linked.alias, 'tools/call', { name: 'echo', arguments: { text: 'hi' } }, { token: bearer, ...more })
  const later = () => broker.advance(60)
  const page = expect.stringMatching(/^http:\/\/localhost:3000\/connect\/lrq_[0-9a-f]{32}$/)
  const relink = () =>
    broker.owner.query(`UPDATE connection SET status = 'linked', cause = NULL, refresh_due_at = NULL WHERE id = $1`, [
      linked.connection,
    ])

  it('401: the token is renewed once, and the call is sent again', async () => {
    await later()
    const inner = official()
    let refused = 0
    behind.answerWith((request, response, got) => {
      if (refused++ === 0)
        return response
          .writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' })
          .end('expired at https://evil.example')
      return inner(request, response, got)
    })
    const answer = await echo(await token({ all_tools: true }))
    expect(textOf(answer.messages[0]?.result)).toBe('hi')
    const [first, second] = behind.ledger.map(({ headers }) => headers.authorization)
    expect([behind.ledger.length, first === second]).toEqual([2, false])
  })

  it('401 again: the connection needs its person, who is told why; every further call says so at once', async () => {
    await later()
    behind.answerWith((_request, response) => response.writeHead(401).end())
    const bearer = await token({ all_tools: true })
    const { rows: before } = await broker.owner.query<{ tokens: object }>(
      `SELECT to_jsonb(c) AS tokens FROM connection c WHERE id = $1`,
      [linked.connection],
    )
    const answer = await echo(bearer)
    expect(answer.messages[0]?.error).toMatchObject({ code: 403, data: { cause: 'reconnect', url: page } })
    expect(behind.ledger).toHaveLength(2)
    const { rows } = await broker.owner.query('SELECT status, cause FROM connection WHERE id = $1', [linked.connection])
    expect(rows).toEqual([{ status: 'needs_relink', cause: 'turned_away' }])
    const told = await broker.owner.query(
      `SELECT body->>'action' AS action FROM audit_event WHERE body->'target'->>'id' = $1 AND body->>'action' = 'connection.turned_away'`,
      [linked.connection],
    )
    expect(told.rows).toHaveLength(1)
    behind.ledger.length = 0
    expect((await echo(bearer)).messages[0]?.error?.data).toMatchObject({ cause: 'reconnect' })
    expect(reached()).toEqual([])
    // As if it had been linked again.
    await broker.owner.query(
      `UPDATE connection c SET refresh_token = b.refresh_token, access_token = b.access_token,
         access_expires_at = b.access_expires_at, token_version = b.token_version
       FROM jsonb_populate_record(NULL::connection, $2) b WHERE c.id = $1`,
      [linked.connection, before[0]?.tokens],
    )
    await relink()
  })

  it('ASK-23: 403 insufficient_scope: the person is asked for all scopes together', async () => {
    behind.answerWith((_request, response) =>
      response
        .writeHead(403, {
          'www-authenticate': 'Bearer error="insufficient_scope", scope="notes:write notes:\u00e9 tickets:read"',
        })
        .end(),
    )
    const asked: unknown[] = []
    const bearer = await token({ all_tools: true })
    const answer = await echo(bearer)
    asked.push(answer.messages[0]?.error?.data)
    expect(asked).toEqual([{ cause: 'step_up', url: page }])
    expect(behind.ledger).toHaveLength(1)
  })

  it('N-14 N-15: a person is asked in the way of the client’s revision, and their answer counts', async () => {
    await broker.owner.query(`UPDATE connection SET status = 'needs_relink' WHERE id = $1`, [linked.connection])
    const bearer = await token({ all_tools: true }).catch(() => undefined)
    await relink()
    const held = bearer ?? (await token({ all_tools: true }))
    behind.answerWith(withSessions())
    const knows = await gate.session(linked.alias, held, { capabilities: { elicitation: { url: {} } } })
    const former = await gate.session(linked.alias, held, {
      revision: '2025-06-18',
      capabilities: { elicitation: { url: {} } },
    })
    const none = await gate.session(linked.alias, held)
    await broker.owner.query(`UPDATE connection SET status = 'needs_relink' WHERE id = $1`, [linked.connection])
    behind.ledger.length = 0
    const call = { name: 'echo', arguments: { text: 'hi' } }
    expect((await knows.say('tools/call', call)).messages[0]?.error).toMatchObject({
      code: -32042,
      data: {
        elicitations: [{ mode: 'url', elicitationId: expect.any(String), url: page, message: expect.any(String) }],
      },
    })
    for (const session of [former, none])
      expect((await session.say('tools/call', call)).messages[0]?.error).toMatchObject({
        code: 403,
        message: expect.stringMatching(/Open http:\/\/localhost:3000\/connect\//),
      })
    const capabilities = { elicitation: { url: {} } }
    const asked = (await echo(held, { capabilities })).messages[0]?.result as {
      resultType: string
      inputRequests: object
      requestState: string
    }
    expect(asked).toMatchObject({
      resultType: 'input_required',
      inputRequests: { valetkey_link: { method: 'elicitation/create', params: { mode: 'url', url: page } } },
    })
    expect(reached()).toEqual([])
    await relink()
    behind.answerWith(official())
    const again = (action: string, requestState = asked.requestState, name = 'echo') =>
      gate.modern(
        linked.alias,
        'tools/call',
        { ...call, name, requestState, inputResponses: { valetkey_link: { action } } },
        { token: held, capabilities },
      )
    expect((await again('decline')).messages[0]?.error).toMatchObject({
      code: 403,
      message: expect.stringContaining('declined'),
    })
    expect((await again('cancel')).messages[0]?.error).toMatchObject({ code: 403 })
    expect((await again('accept', `${asked.requestState}x`)).messages[0]?.error?.code).toBe(-32602)
    const others = await gate.modern(
      linked.alias,
      'prompts/get',
      { name: 'summary', requestState: asked.requestState },
      { token: await token({ all_prompts: true }) },
    )
    expect(others.messages[0]?.error?.code).toBe(-32602)
    expect(reached()).toEqual([])
    expect(textOf((await again('accept')).messages[0]?.result)).toBe('hi')
    expect(behind.ledger[0]?.body).not.toMatch(/requestState|inputResponses/)
  })

  it('N-14: a program that calls again and again makes one request for its person', async () => {
    behind.answerWith((_request, response) =>
      response.writeHead(403, { 'www-authenticate': 'Bearer error=insufficient_scope, scope=more' }).end(),
    )
    const bearer = await token({ all_tools: true })
    const urls = new Set<unknown>()
    for (let count = 0; count < 5; count += 1) urls.add((await echo(bearer)).messages[0]?.error?.data?.url)
    expect([...urls]).toEqual([page])
  })
})

describe('what is counted', () => {
  it('calls by tool, and no argument of any in a log or a table', async () => {
    const held = await mcpToken(broker, owner, linked.project, { tools: ['echo'] })
    await gate.modern(linked.alias, 'tools/list', {}, { token: held.token })
    const secret = `sentinel-${randomUUID()}`
    for (const name of ['echo', 'echo', 'add_note', `made-up-${secret}`])
      await gate.modern(linked.alias, 'tools/call', { name, arguments: { text: secret } }, { token: held.token })
    await gate.gateway.tell()
    const found = await readTenant(broker.ctx, owner.tenantId, (tx) =>
      usesByTool(tx, owner.tenantId, { projectId: linked.project, holderId: held.id }, new Date(0)),
    )
    expect(found).toEqual([
      { tool: 'echo', calls: 2, refused: 0 },
      { tool: '', calls: 0, refused: 1 },
      { tool: 'add_note', calls: 0, refused: 1 },
    ])
    const uses = await broker.owner.query('SELECT requests::int, refused::int FROM token_use WHERE token_id = $1', [
      held.id,
    ])
    expect(uses.rows).toEqual([{ requests: 3, refused: 2 }])
    expect(broker.logged.join('')).not.toContain(secret)
    const tables = await broker.owner.query(`SELECT string_agg(body::text, '') AS text FROM audit_event`)
    expect(tables.rows[0].text).not.toContain(secret)
  })

  it('B-03: limits of a token hold here as at the proxy', async () => {
    const small = await startGateway(broker.ctx, {
      limits: {
        token: { perMinute: 50, open: 5 },
        person: { perMinute: 5_000, open: 500 },
        tenant: { perMinute: 50_000, open: 500 },
      },
    })
    const bearer = await token({ all_tools: true })
    const codes: number[] = []
    for (let count = 0; count < 60; count += 1)
      codes.push((await small.modern(linked.alias, 'ping', {}, { token: bearer })).status)
    expect(codes.filter((code) => code !== 429).length).toBeLessThanOrEqual(50)
    expect(codes.at(-1)).toBe(429)
    await small.stop()
  })
})

describe('what runs', () => {
  it('A-03: is cut within a look when its token ends elsewhere, whatever process it runs in', async () => {
    const other = await startGateway(await broker.makeContext())
    for (const kind of ['an issued token', 'a grant', 'a grant that is frozen'] as const) {
      const held =
        kind !== 'an issued token'
          ? await gatewayGrant(broker, owner, {
              project: linked.project,
              alias: linked.alias,
              ceiling: { all_tools: true },
            }).then(({ id, access }) => ({ id, token: access }))
          : await mcpToken(broker, owner, linked.project, { all_tools: true })
      const opened = new Promise<void>((resolve) =>
        behind.answerWith((_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n')
          resolve()
        }),
      )
      const running = other.modern(linked.alias, 'subscriptions/listen', { notifications: {} }, { token: held.token })
      let isCut = false
      const cut = expect(running, kind).rejects.toThrow(/terminated|closed|aborted/i)
      void cut.finally(() => {
        isCut = true
      })
      await opened
      if (kind === 'a grant that is frozen')
        await freeze(broker.ctx, owner, { kind: 'grant', id: held.id, reason: 'a look' })
      else if (kind === 'a grant') await revoke(broker.ctx, owner, { tokens: [], connections: [], grants: [held.id] })
      else await revoke(broker.ctx, owner, { tokens: [held.id], connections: [], grants: [] })
      await vi.waitFor(
        async () => {
          await other.gateway.look()
          expect(isCut).toBe(true)
        },
        { timeout: 5_000 },
      )
      await cut
    }
    await other.stop()
  })

  it('H-02: a client that goes away ends what runs for it at the server', async () => {
    const gone = new Promise<void>((resolve) =>
      behind.answerWith((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n')
        response.once('close', () => resolve())
        leaving.abort()
      }),
    )
    const leaving = new AbortController()
    await expect(
      gate.modern(
        linked.alias,
        'subscriptions/listen',
        { notifications: {} },
        { token: await token({ all_tools: true }), signal: leaving.signal },
      ),
    ).rejects.toThrow()
    await gone
  })

  it('R-15: disconnected, a program is told where to link again, and a token that was issued for it is over', async () => {
    const of = { project: linked.project, alias: linked.alias, ceiling: { all_tools: true } }
    const { access } = await gatewayGrant(broker, owner, of)
    const bearer = await token({ all_tools: true })
    await revoke(broker.ctx, owner, { tokens: [], connections: [linked.connection], grants: [] })
    const call = (held: string) =>
      gate.modern(linked.alias, 'tools/call', { name: 'echo', arguments: { text: 'x' } }, { token: held })
    expect((await call(access)).messages[0]?.error?.data).toMatchObject({ cause: 'link' })
    expect((await call(bearer)).status).toBe(401)
    // Also where the server is told nothing about who calls.
    await broker.owner.query(
      `UPDATE provider SET settings = jsonb_set(settings, '{authorization}', '{"by":"nothing"}') WHERE kind = 'mcp'`,
    )
    expect((await call(access)).messages[0]?.error?.data).toMatchObject({ cause: 'link' })
    expect(reached()).toEqual([])
  })
})
