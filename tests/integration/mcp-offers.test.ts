// Resources, templates of resources and prompts of an MCP server: read over real sockets, kept in a real database.
import { randomUUID } from 'node:crypto'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, ResourceTemplate } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { type ToolChoices, toolPage } from '../../lib/broker/read/tools.ts'
import { catalogueLimits, refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import { McpRights } from '../../lib/providers/mcp/rights.ts'
import { type KeptOffer, keepOffers, offersMax } from '../../lib/store/mcp.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Behind, json, linkedMcp, result, startBehind } from '../support/mcp-gateway.ts'
import { notesServer } from '../support/mcp-server.ts'

let broker: Broker
let owner: BrowserActor
let behind: Behind
let linked: Awaited<ReturnType<typeof linkedMcp>>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  behind = await startBehind()
  linked = await linkedMcp(broker, owner, 'owner@acme.test', behind.url)
})
afterAll(async () => {
  await behind.stop()
  await broker.stop()
})
beforeEach(async () => {
  behind.ledger.length = 0
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  for (const table of ['mcp_tool', 'mcp_server', 'mcp_offer']) await broker.owner.query(`DELETE FROM ${table}`)
})

const refresh = () => refreshCatalogue(broker.ctx, { tenantId: owner.tenantId, connectionId: linked.connection })
const choices = async () =>
  (await readScopeChoices(broker.ctx, owner, linked.project)).choices as unknown as ToolChoices
const offered = async () => {
  const { tools, resources, resource_templates, prompts } = await choices()
  const namesOf = (list: { name: string }[]) => list.map(({ name }) => name)
  return [tools, resources, resource_templates, prompts].map(namesOf)
}
const methods = () => behind.ledger.map(({ message, method }) => message?.method ?? method)

/** A server of the newest revision with these lists, each of pages; a number is the status that it refuses a list with. */
type Lists = Record<string, unknown[][] | number>
const lists = {
  'tools/list': 'tools',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'prompts/list': 'prompts',
} as const
const serves = (given: Lists, capabilities: object = { tools: {}, resources: {}, prompts: {} }) =>
  behind.answerWith((_request, response, got) => {
    const { method, params } = got.message as {
      method: keyof typeof lists | 'server/discover'
      params: { cursor?: string }
    }
    if (method === 'server/discover')
      return json(response, result(got, { supportedVersions: ['2026-07-28'], capabilities }))
    const pages = given[method] ?? [[]]
    if (typeof pages === 'number') return json(response, {}, pages)
    const page = Number(params.cursor ?? 0)
    const nextCursor = page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}
    return json(response, result(got, { [lists[method]]: pages[page] ?? [], ...nextCursor }))
  })
const tool = (name: string) => ({ name, inputSchema: { type: 'object' } })
const resource = (uri: string, more: object = {}) => ({ uri, name: 'of a resource', ...more })

const notes = () => {
  const server = notesServer()
  server.registerResource(
    'one',
    new ResourceTemplate('notes://by/{id}', { list: undefined }),
    { title: 'One note' },
    async ({ href }) => ({
      contents: [{ uri: href, text: 'a note' }],
    }),
  )
  return server
}
const official: [string, () => Parameters<Behind['answerWith']>[0]][] = [
  [
    'in the newest revision',
    () => {
      const handler = toNodeHandler(createMcpHandler(notes))
      return (request, response, got) => handler(request as never, response as never, got.message)
    },
  ],
  [
    'in a session',
    () => {
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
        await notes().connect(transport)
        await transport.handleRequest(request, response, got.message)
      }
    },
  ],
]

it.each(official)(
  'the official server %s is asked for all four lists, each request by an id of its own',
  async (_, answer) => {
    behind.answerWith(answer())
    await refresh()
    expect(await offered()).toEqual([['add_note', 'echo'], ['notes://all'], ['notes://by/{id}'], ['summary']])
    expect(await choices()).toMatchObject({
      resources: [{ title: 'notes', description: 'All notes', is_plain: true, looks_like_another: false }],
      resource_templates: [{ title: 'One note' }],
      prompts: [{ title: null, description: 'Asks for a summary' }],
    })
    const ids = behind.ledger.flatMap(({ message }) => (message?.id === undefined ? [] : [message.id]))
    const ofSession = ids.slice(ids.length - 4)
    expect(new Set(ofSession).size).toBe(4)
    // What a list has can be asked for as a right.
    const [tools, resources, templates, prompts] = await offered()
    const { success } = McpRights.safeParse({ tools, resources: [...(resources ?? []), ...(templates ?? [])], prompts })
    expect(success).toBe(true)
  },
)

it('R-11: the choices come from what was kept, without a call to the server', async () => {
  serves({ 'resources/list': [[resource('notes://all')]] })
  await refresh()
  behind.ledger.length = 0
  await offered()
  await toolPage(broker.ctx, owner, { project: linked.project })
  expect(methods()).toEqual([])
})

it('all pages are read; what a whole list does not have is gone at once, and without the capability there is nothing', async () => {
  serves({ 'resources/list': [[resource('a://1')], [resource('a://2')]], 'prompts/list': [[{ name: 'p' }]] })
  await refresh()
  expect(await offered()).toEqual([[], ['a://1', 'a://2'], [], ['p']])
  serves({ 'resources/list': [[resource('a://2')]], 'prompts/list': [[{ name: 'p' }]] }, { resources: {} })
  behind.ledger.length = 0
  await refresh()
  expect(await offered()).toEqual([[], ['a://2'], [], []])
  expect(methods()).toEqual(['server/discover', 'resources/list', 'resources/templates/list'])
})

it('a list that is not to be had leaves what was known of it, and takes nothing from the others', async () => {
  serves({ 'tools/list': [[tool('t')]], 'resources/list': [[resource('a://1')]], 'prompts/list': [[{ name: 'p' }]] })
  await refresh()
  for (const refused of [500, 200]) {
    serves({
      'tools/list': [[tool('t'), tool(`u${refused}`)]],
      'resources/list': refused,
      'prompts/list': [[{ name: 'q' }]],
    })
    await refresh()
    expect(await offered()).toEqual([['t', `u${refused}`], ['a://1'], [], ['q']])
  }
})

it('IV-01: what rights cannot name is no choice, of two with one name the first counts, and words are cleaned and cut', async () => {
  const hostile = [
    resource('a://1', { title: 'first\u202e\u0000', description: `<b>${'x'.repeat(5_000)}` }),
    resource('a://1', { title: 'second' }),
    resource('a://\u0000'),
    resource(`a://${'x'.repeat(600)}`),
    resource('a://\ud800'),
    resource('a://two\nlines'),
    { name: 'no address' },
    { uri: 7 },
    null,
    'text',
    resource('a://аll'),
    resource('a://all'),
  ]
  serves({
    'resources/list': [hostile],
    'prompts/list': [[{ name: 'toString' }, { name: '__proto__' }, { name: ' ' }]],
  })
  await refresh()
  const { resources, prompts } = await choices()
  expect(resources.map(({ name }) => name)).toEqual(['a://1', 'a://all', 'a://аll'])
  expect(resources[0]?.title).toBe('first')
  expect(resources[0]?.description).toHaveLength(601)
  expect(resources.map(({ is_plain, looks_like_another }) => [is_plain, looks_like_another])).toEqual([
    [true, false],
    [true, true],
    [false, true],
  ])
  expect(prompts.map(({ name }) => name).sort()).toEqual([' ', '__proto__', 'toString'])
})

it('a list without an end is read so far, and no more of it is kept than rights can name', async () => {
  let asked = 0
  behind.answerWith((_request, response, got) => {
    const { method } = got.message as { method: string }
    if (method === 'server/discover')
      return json(response, result(got, { supportedVersions: ['2026-07-28'], capabilities: { prompts: {} } }))
    asked += 1
    const prompts = Array.from({ length: 200 }, (_, index) => ({ name: `p${asked}-${index}` }))
    return json(response, result(got, { prompts, nextCursor: String(asked) }))
  })
  await refresh()
  expect(asked).toBeLessThanOrEqual(4)
  const [, , , prompts] = await offered()
  expect(prompts).toHaveLength(offersMax)
  expect(McpRights.safeParse({ prompts }).success).toBe(true)
  const { offers } = await toolPage(broker.ctx, owner, { project: linked.project })
  expect(offers.map(({ kind, total, items }) => [kind, total, items.length])).toEqual([
    ['resource', 0, 0],
    ['template', 0, 0],
    ['prompt', offersMax, 50],
  ])
  // One that leads back to itself, and one whose pages are empty.
  asked = 0
  behind.answerWith((_request, response, got) => {
    const { method } = got.message as { method: string }
    if (method === 'server/discover')
      return json(response, result(got, { supportedVersions: ['2026-07-28'], capabilities: { prompts: {} } }))
    asked += 1
    return json(response, result(got, { prompts: [], nextCursor: asked > 1_000 ? 'x' : String(asked) }))
  })
  await refresh()
  expect(asked).toBe(catalogueLimits.pages)
  expect((await offered())[3]).toHaveLength(offersMax)
})

it('any number of lists is kept at once', async () => {
  const place = { tenantId: owner.tenantId, projectId: linked.project }
  const list = (from: number): KeptOffer[] =>
    Array.from({ length: 50 }, (_, index) => ({
      name: `p${(from * 7 + index * 13) % 90}`,
      title: null,
      description: null,
    }))
  await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      keepOffers(broker.ctx, place, 'prompt', list(at), { now: broker.ctx.now(), isWhole: at % 2 === 0 }),
    ),
  )
  expect((await offered())[3]?.length).toBeGreaterThan(0)
})
