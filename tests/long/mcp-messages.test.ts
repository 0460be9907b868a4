// Ten thousand messages that were made up: whatever reaches the server behind the gateway is within the token's rights, as the
// server's own ledger has it, and what the server reads is what was judged.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { notifications, requests } from '../../lib/mcp/methods.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import {
  type Behind,
  type GatewayProcess,
  type Got,
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
let bearer: string
let session: Awaited<ReturnType<GatewayProcess['session']>>
const unlimited = { perMinute: 10_000_000, open: 1_000 }
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  behind = await startBehind((_request, response, got) => {
    if (got.message?.id === undefined) return response.writeHead(202).end()
    if (got.message.method === 'initialize')
      return json(
        response,
        result(got, { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }),
        200,
        { 'mcp-session-id': 'theirs' },
      )
    return json(
      response,
      result(got, {
        tools: [],
        resources: [],
        resourceTemplates: [],
        prompts: [],
        supportedVersions: [],
        resultType: 'complete',
      }),
    )
  })
  linked = await linkedMcp(broker, owner, 'owner@acme.test', behind.url)
  gate = await startGateway(broker.ctx, { limits: { token: unlimited, person: unlimited, tenant: unlimited } })
  bearer = (
    await mcpToken(broker, owner, linked.project, {
      tools: ['echo'],
      resources: ['notes://all', 'notes://by/{id}'],
      prompts: ['summary'],
    })
  ).token
  session = await gate.session(linked.alias, bearer)
  expect(session.hello.status).toBe(200)
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await behind.stop()
  await broker.stop()
})

const tools = [
  'echo',
  'add_note',
  'Echo',
  'echo ',
  'ech\u043e',
  'echo\u0000',
  'echo\n',
  '',
  '__proto__',
  'read_only_tools',
]
const uris = [
  'notes://all',
  'notes://secret',
  'notes://by/7',
  'notes://by/..',
  'notes://by/7/secret',
  'notes://by/%2e%2e',
  'notes://by/{id}',
  'NOTES://all',
  'notes://all#x',
  'notes://all?x',
]
const prompts = ['summary', 'other', 'Summary', 'summary\u200b']
const methods = [
  ...Object.keys(requests),
  ...Object.keys(notifications),
  'tools/Call',
  'tools/call ',
  ' tools/call',
  'TOOLS/CALL',
  'tools//call',
  'rpc.discover',
  'notifications/evil',
  '',
]

const named = fc.constantFrom<unknown>(...tools, ...uris, ...prompts, 7, null, ['echo'], { name: 'echo' })
const ref = fc.record(
  { type: fc.constantFrom('ref/prompt', 'ref/resource', 'ref/tool'), name: named, uri: named },
  { requiredKeys: [] },
)
const params = fc.record(
  {
    name: named,
    uri: named,
    ref,
    cursor: fc.string(),
    arguments: fc.oneof(
      fc.constant({}),
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
      fc.constant({ name: 'add_note', uri: 'notes://secret' }),
    ),
    task: fc.constantFrom<unknown>({}, null),
    notifications: fc.record(
      { resourceSubscriptions: fc.oneof(fc.array(named), fc.constant('notes://secret')) },
      { requiredKeys: [] },
    ),
    requestState: fc.constantFrom('x', 'vk-link.x.y'),
    inputResponses: fc.constantFrom<unknown>({}, { valetkey_link: { action: 'accept' } }),
    requestId: fc.nat(),
    _meta: fc.record(
      {
        progressToken: fc.nat(),
        'io.modelcontextprotocol/protocolVersion': fc.constantFrom('2026-07-28', '2025-11-25'),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
)
const good = fc.record({
  jsonrpc: fc.constant('2.0'),
  id: fc.oneof(fc.nat(), fc.string()),
  method: fc.constantFrom(...methods, 'tools/call', 'resources/read', 'prompts/get', 'completion/complete'),
  params,
})
const odd = fc.record(
  {
    jsonrpc: fc.constantFrom<unknown>('2.0', '1.0', 2),
    id: fc.constantFrom<unknown>(null, 1.5, {}, -1),
    method: fc.constantFrom<unknown>(...methods, 7),
    params: fc.constantFrom<unknown>(null, [], 'x'),
    result: fc.constantFrom({}),
    error: fc.constantFrom({ code: 1, message: 'm' }),
    extra: fc.constant(1),
  },
  { requiredKeys: [], noNullPrototype: true },
)
const message = fc.oneof(
  { weight: 5, arbitrary: good },
  { weight: 1, arbitrary: good.map(({ id: _, ...one }) => one) },
  { weight: 1, arbitrary: fc.tuple(good, odd).map(([one, other]) => ({ ...one, ...other })) },
)
/** How often names are repeated, and messages put beside each other: what two readers would read in two ways. */
const spelled = fc.oneof(
  { weight: 12, arbitrary: message.map((one) => JSON.stringify(one)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(message, named)
      .map(([one, name]) => JSON.stringify(one).replace('"params":{', `"params":{"name":${JSON.stringify(name)},`)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(message, message)
      .map(([one, two]) => `${JSON.stringify(one).slice(0, -1)},${JSON.stringify(two).slice(1)}`),
  },
  { weight: 1, arbitrary: fc.tuple(message, message).map((both) => JSON.stringify(both)) },
  { weight: 1, arbitrary: fc.tuple(message, fc.nat(200)).map(([one, at]) => JSON.stringify(one).slice(0, at)) },
  {
    weight: 1,
    arbitrary: message.map((one) =>
      JSON.stringify(one).replaceAll('add_note', 'add\\u005fnote').replaceAll('echo', '\\u0065cho'),
    ),
  },
)
const manner = fc.constantFrom('session', 'session', 'modern', 'neither')
const sent = fc.record({
  text: spelled,
  manner,
  honest: fc.boolean(),
  header: fc.constantFrom('echo', 'add_note', 'notes://all'),
})

/** Whether the rights of the token reach what the server was asked. */
function isWithin({ message: got, body, headers }: Got): boolean {
  const { method, params = {} } = got as { method: string; params?: Record<string, unknown> }
  if (body !== JSON.stringify(JSON.parse(body))) return false
  if (Object.keys(got ?? {}).some((name) => !['jsonrpc', 'id', 'method', 'params', 'result', 'error'].includes(name)))
    return false
  const uri = (value: unknown) => ['notes://all', 'notes://by/7', 'notes://by/{id}'].includes(value as string)
  if (headers['mcp-method'] !== undefined && headers['mcp-method'] !== method) return false
  switch (method) {
    case 'tools/call':
      return params.name === 'echo' && params.task === undefined && headers['mcp-name'] !== 'add_note'
    case 'prompts/get':
      return params.name === 'summary'
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return uri(params.uri)
    case 'completion/complete': {
      const { type, ...of } = params.ref as { type: string; name: unknown; uri: unknown }
      return type === 'ref/prompt' ? of.name === 'summary' : type === 'ref/resource' && uri(of.uri)
    }
    case 'subscriptions/listen': {
      const wanted = (params.notifications as { resourceSubscriptions?: unknown[] } | undefined)?.resourceSubscriptions
      return wanted === undefined || (Array.isArray(wanted) && wanted.every(uri))
    }
    default: {
      const row = requests[method] ?? notifications[method]
      return row !== undefined && [row.sessions, row.modern].some((how) => how === 'pass' || how === 'filter')
    }
  }
}

const count = Number(process.env.VALETKEY_MESSAGES ?? 10_000)

describe('messages that were made up', () => {
  it('IV-01 IV-08: nothing outside the rights of a token reaches the server, and what it reads is what was judged', async () => {
    let reached = 0
    const batch = fc.array(sent, { minLength: 200, maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(batch, async (all) => {
        behind.ledger.length = 0
        const answers = await Promise.all(
          all.map(({ text, manner, honest, header }) => {
            const { method, params } = parsed(text)
            const modern = {
              'mcp-protocol-version': '2026-07-28',
              'mcp-method': honest ? String(method ?? 'x') : 'tools/call',
              'mcp-name': honest ? encoded(params?.[method === 'resources/read' ? 'uri' : 'name'] ?? header) : header,
            }
            const body = manner === 'modern' ? withMeta(text) : text
            const headers = manner === 'session' ? session.headers : manner === 'modern' ? modern : {}
            return gate.raw(linked.alias, { token: bearer, body, headers: safe(headers) })
          }),
        )
        for (const got of behind.ledger) expect(isWithin(got), got.body).toBe(true)
        reached += behind.ledger.length
        for (const { status } of answers) expect([200, 202, 400, 404, 406]).toContain(status)
      }),
      { numRuns: Math.ceil(count / 200), endOnFailure: true },
    )
    // Some are allowed: a gateway that lets nothing pass would do as well otherwise.
    expect(reached).toBeGreaterThan(count / 50)
  }, 600_000)
})

const parsed = (text: string): { method?: unknown; params?: Record<string, unknown> } => {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}
const withMeta = (text: string) =>
  text
    .replace(
      '"params":{',
      '"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},',
    )
    .replace(/,"_meta":\{[^{}]*\}(?=[,}])/, '')
const encoded = (value: unknown) => `=?base64?${Buffer.from(String(value)).toString('base64')}?=`
/** Of what no client could send at all there is nothing to see. */
const safe = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\t -~]/g, '?')]))
