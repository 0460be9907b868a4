// What MCP servers say of themselves: read over real sockets, kept in a real database.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolPage } from '../../lib/broker/read/tools.ts'
import { catalogueLimits, refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import { toolOf } from '../../lib/mcp/tools.ts'
import { isPlain } from '../../lib/providers/mcp/names.ts'
import { act } from '../../lib/store/authority.ts'
import { readTenant } from '../../lib/store/database.ts'
import {
  findServer,
  keepTools,
  noteFailedReading,
  noteToolUses,
  reviewTools,
  toolsOf,
  usesByTool,
} from '../../lib/store/mcp.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { setFrozen } from '../support/connection.ts'
import { type Behind, json, linkedMcp, result, startBehind } from '../support/mcp-gateway.ts'

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
  await broker.owner.query('DELETE FROM mcp_tool')
  await broker.owner.query('DELETE FROM mcp_server')
  await broker.owner.query('DELETE FROM mcp_reading')
})

type Listed = { name: string; description?: string; [more: string]: unknown }
const listed = (name: string, more: object = {}): Listed => ({ name, inputSchema: { type: 'object' }, ...more })
const place = () => ({ tenantId: owner.tenantId, projectId: linked.project })
const refresh = () => refreshCatalogue(broker.ctx, { tenantId: owner.tenantId, connectionId: linked.connection })
const kept = () => readTenant(broker.ctx, owner.tenantId, (tx) => toolsOf(tx, owner.tenantId, linked.project))
const names = async () => (await kept()).filter(({ goneAt }) => !goneAt).map(({ name }) => name)

/** A server of the newest revision with these pages of tools. */
const serves = (...pages: Listed[][]) =>
  behind.answerWith((_request, response, got) => {
    const { method, params } = got.message as { method: string; params: { cursor?: string } }
    const serverInfo = { name: 'Notes\u202e', version: '2', title: 'The\u0000 notes' }
    if (method === 'server/discover')
      return json(
        response,
        result(got, {
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
        }),
      )
    const page = Number(params.cursor ?? 0)
    const nextCursor = page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}
    return json(response, result(got, { tools: pages[page], ...nextCursor }))
  })

describe('the catalogue of a server', () => {
  it('reads all pages of a server of the newest revision with the token of the connection, and keeps who it is', async () => {
    serves([listed('a', { annotations: { readOnlyHint: true } })], [listed('b')], [listed('c')])
    await refresh()
    expect(await names()).toEqual(['a', 'b', 'c'])
    expect(behind.ledger.map(({ headers }) => headers['mcp-method'])).toEqual([
      'server/discover',
      ...Array(3).fill('tools/list'),
    ])
    expect(new Set(behind.ledger.map(({ headers }) => headers.authorization?.slice(0, 7)))).toEqual(
      new Set(['Bearer ']),
    )
    const server = await readTenant(broker.ctx, owner.tenantId, (tx) => findServer(tx, owner.tenantId, linked.project))
    expect(server).toMatchObject({ name: 'Notes', title: 'The notes', version: '2', revision: '2026-07-28' })
    expect((await kept()).map(({ readOnly, destructive }) => [readOnly, destructive])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ])
  })

  it('reads a server of a revision with sessions, whose answers are streams, and ends the session', async () => {
    behind.answerWith((_request, response, got) => {
      if (got.method === 'DELETE') return response.writeHead(200).end()
      const { method } = got.message as { method: string }
      if (method === 'server/discover')
        return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no session' } }, 400)
      if (method === 'notifications/initialized') return response.writeHead(202).end()
      const body =
        method === 'initialize'
          ? { protocolVersion: '2025-06-18', serverInfo: { name: 'old', version: '1' }, capabilities: { tools: {} } }
          : { tools: [listed('x')] }
      response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': 'theirs' })
      response.end(
        `: hello\r\n\r\nid: 1\r\ndata:\r\n\r\nevent: message\r\ndata: ${JSON.stringify(result(got, body))}\r\n\r\n`,
      )
    })
    await refresh()
    expect(await names()).toEqual(['x'])
    expect(
      behind.ledger.map(({ method, message, headers }) => [
        message?.method ?? method,
        headers['mcp-session-id'],
        headers['mcp-protocol-version'],
      ]),
    ).toEqual([
      ['server/discover', undefined, '2026-07-28'],
      ['initialize', undefined, undefined],
      ['notifications/initialized', 'theirs', '2025-06-18'],
      ['tools/list', 'theirs', '2025-06-18'],
      ['DELETE', 'theirs', '2025-06-18'],
    ])
  })

  it('knows a changed tool by its hash, whatever changed of what a person looks at, and one that is gone', async () => {
    serves([listed('a'), listed('b'), listed('c', { _meta: { at: 1 } })])
    await refresh()
    const before = await kept()
    await broker.advance(60)
    serves([listed('a', { description: 'Now it does more' }), listed('c', { _meta: { at: 2 } })])
    await refresh()
    const after = await kept()
    const of = (rows: typeof before, name: string) => rows.find((row) => row.name === name)
    expect(of(after, 'a')?.hash).not.toBe(of(before, 'a')?.hash)
    expect(of(after, 'a')?.changedAt).not.toEqual(of(before, 'a')?.changedAt)
    expect(of(after, 'a')?.firstSeenAt).toEqual(of(before, 'a')?.firstSeenAt)
    expect(of(after, 'b')?.goneAt).not.toBeNull()
    expect([of(after, 'c')?.hash, of(after, 'c')?.changedAt]).toEqual([
      of(before, 'c')?.hash,
      of(before, 'c')?.changedAt,
    ])
    serves([listed('b')])
    await refresh()
    expect(await names()).toEqual(['b'])
  })

  it('a review counts for what was looked at, and for nothing that came since', async () => {
    serves([listed('a'), listed('b')])
    await refresh()
    const looked = (await kept()).map(({ name, hash }) => ({ name, hash }))
    serves([listed('a'), listed('b', { description: 'other' })])
    await refresh()
    const now = broker.ctx.now()
    const review = () =>
      act(broker.ctx, owner, 'administer', (tx) => reviewTools(tx, place(), looked, owner.userId, now))
    expect(await review()).toEqual(['a'])
    const found = await kept()
    expect(found.map((row) => row.reviewedHash === row.hash)).toEqual([true, false])
    expect(found[0]?.reviewedBy).toBe(owner.userId)
  })

  it.each([
    ['a cycle of cursors', (_page: number) => ({ tools: [listed('a')], nextCursor: 'again' })],
    ['pages without an end', (page: number) => ({ tools: [listed(`t${page}`)], nextCursor: String(page) })],
    [
      'bytes without an end',
      (page: number) => ({
        tools: [listed(`t${page}`, { description: 'x'.repeat(2 ** 20) })],
        nextCursor: String(page),
      }),
    ],
  ])('reads so far and says of nothing that it is gone: %s', async (_what, answer) => {
    serves([listed('before')])
    await refresh()
    behind.ledger.length = 0
    let page = 0
    behind.answerWith((_request, response, got) => {
      if (got.message?.method === 'server/discover')
        return json(response, result(got, { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }))
      page += 1
      return json(response, result(got, answer(page)))
    })
    await refresh()
    expect(behind.ledger.length).toBeLessThanOrEqual(catalogueLimits.pages + 1)
    expect(await names()).toContain('before')
  })

  it('keeps two thousand tools of a server at most, those seen last', async () => {
    const now = broker.ctx.now()
    const tools = (from: number, count: number) =>
      Array.from(
        { length: count },
        (_, index) => toolOf(listed(`t${String(from + index).padStart(5, '0')}`)) ?? expect.fail(),
      )
    await keepTools(broker.ctx, place(), tools(0, 1_500), { now, isWhole: false })
    await keepTools(broker.ctx, place(), tools(1_500, 1_500), { now: new Date(now.getTime() + 60_000), isWhole: false })
    const found = await kept()
    expect([found.length, found.some(({ name }) => name === 't02999')]).toEqual([2_000, true])
  })

  it('any number of lists is kept at once', async () => {
    const lists = Array.from({ length: 12 }, (_, at) =>
      ['a', 'b', 'c', 'd'].map((name) => toolOf(listed(name, { title: `${at}` })) ?? expect.fail()),
    )
    const turned = lists.map((tools, at) => (at % 2 ? tools.toReversed() : tools))
    await Promise.all(
      turned.map((tools) => keepTools(broker.ctx, place(), tools, { now: broker.ctx.now(), isWhole: true })),
    )
    expect(await names()).toEqual(['a', 'b', 'c', 'd'])
    // Of a server that shows each person others: what one list has, another says is gone.
    const each = Array.from({ length: 24 }, (_, at) =>
      Array.from({ length: 40 }, (_, index) => toolOf(listed(`t${(at * 7 + index * 13) % 90}`)) ?? expect.fail()),
    )
    await Promise.all(
      each.map((tools) => keepTools(broker.ctx, place(), tools, { now: broker.ctx.now(), isWhole: true })),
    )
    expect((await names()).length).toBe(40)
  })

  it('calls are counted by tool and day; names that no list has are one, without a name', async () => {
    serves([listed('a')])
    await refresh()
    const use = { holderId: 'tok_1', projectId: linked.project }
    const uses = [
      { ...use, tool: 'a', calls: 2, refused: 0 },
      { ...use, tool: 'made up', calls: 0, refused: 3 },
      { ...use, tool: 'another', calls: 0, refused: 1 },
    ]
    await noteToolUses(broker.ctx, owner.tenantId, uses, broker.ctx.now())
    await noteToolUses(broker.ctx, owner.tenantId, uses.slice(0, 1), broker.ctx.now())
    const found = await readTenant(broker.ctx, owner.tenantId, (tx) =>
      usesByTool(tx, owner.tenantId, { projectId: linked.project }, new Date(0)),
    )
    expect(found).toEqual([
      { tool: 'a', calls: 4, refused: 0 },
      { tool: '', calls: 0, refused: 4 },
    ])
  })
})

describe('TL-03: a list that could not be read', () => {
  const reading = async () => (await toolPage(broker.ctx, owner, { project: linked.project })).reading
  const status = (code: number) => behind.answerWith((_request, response) => response.writeHead(code).end())
  const failing = () => refresh().catch(() => undefined)

  it('TL-03: leaves what was read before, and says since when that is old, since when it fails and why', async () => {
    serves([listed('a')])
    await refresh()
    const good = broker.ctx.now()
    expect(await reading()).toEqual({ readAt: expect.any(Date), failed: null })
    await broker.advance(3_600)
    status(503)
    await failing()
    const first = (await reading())?.failed
    expect(first).toMatchObject({ why: 'upstream_unavailable' })
    await broker.advance(3_600)
    status(401)
    await failing()
    const { readAt, failed } = (await reading()) ?? {}
    expect(Math.abs((readAt?.getTime() ?? 0) - good.getTime())).toBeLessThan(60_000)
    expect(failed).toMatchObject({ why: 'refused', since: first?.at })
    expect((failed?.at.getTime() ?? 0) - (failed?.since.getTime() ?? 0)).toBeGreaterThan(3_000_000)
    expect(await names()).toEqual(['a'])
    serves([listed('a')])
    await refresh()
    expect((await reading())?.failed).toBeNull()
  })

  const hello = { protocolVersion: '2025-11-25', serverInfo: { name: 'n', version: '1' }, capabilities: { tools: {} } }
  it.each([
    [
      'no_revision',
      () =>
        behind.answerWith((_request, response) =>
          response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>I am a web page</h1>'),
        ),
    ],
    [
      'no_list',
      () =>
        behind.answerWith((_request, response, got) =>
          json(response, result(got, got.message?.method === 'initialize' ? hello : { things: [] })),
        ),
    ],
    ['upstream_protocol', () => behind.answerWith((_request, response) => json(response, '{{{'))],
    ['upstream_unavailable', () => behind.answerWith((_request, response) => response.destroy())],
  ])('TL-03: says %s in one word, whatever the server answers', async (why, play) => {
    play()
    await failing()
    expect((await reading())?.failed).toMatchObject({ why })
  })

  it('TL-03: a connection that gives no token is no fault of the server', async () => {
    await setFrozen(broker.ctx, owner, { connectionId: linked.connection, frozen: true })
    await failing()
    expect((await reading())?.failed).toMatchObject({ why: 'no_token' })
    await setFrozen(broker.ctx, owner, { connectionId: linked.connection, frozen: false })
    expect(behind.ledger).toHaveLength(0)
  })

  it('TL-03: a slow failure says nothing after a good reading that came meanwhile', async () => {
    const began = broker.ctx.now()
    await broker.advance(5)
    serves([listed('a')])
    await refresh()
    await broker.advance(5)
    const late = { began, now: broker.ctx.now(), failure: 'upstream_unavailable' as const }
    await noteFailedReading(broker.ctx, place(), late)
    expect((await reading())?.failed).toBeNull()
  })
})

describe('what a server says of a tool', () => {
  it('is shown without what a reader does not see, and hashed as it was said', () => {
    const hidden = 'Reads\u202e notes\u0007\u200b\u{e0041}\nand says so'
    const tool = toolOf(listed('t', { title: hidden, inputSchema: { type: 'object', description: hidden } }))
    expect(tool?.definition).toMatchObject({
      title: 'Reads notes\nand says so',
      inputSchema: { description: 'Reads notes\nand says so' },
    })
    expect(tool?.hash).not.toBe(toolOf(listed('t', { title: 'Reads notes\nand says so' }))?.hash)
  })

  it('is cut where it is long, and says so', () => {
    const long = toolOf(
      listed('t', { description: 'x'.repeat(100_000), inputSchema: { type: 'object', x: 'y'.repeat(100_000) } }),
    )
    expect(long?.definition.isCut).toBe(true)
    expect(JSON.stringify(long?.definition).length).toBeLessThan(70_000)
  })

  it.each([
    ['get_weather', true],
    ['repos/get.one-2', true],
    ['get_we\u0430ther', false],
    ['get weather', false],
    ['get\u202eweather', false],
    ['a'.repeat(129), false],
  ])('the name %j is plain: %s', (name, plain) => expect(isPlain(name)).toBe(plain))

  it.each([
    ['a line break', 'a\nb'],
    ['a NUL', 'a\0b'],
    ['half a surrogate pair', 'a\ud800'],
    ['nothing', ''],
    ['too much', 'a'.repeat(501)],
  ])('a name of %s is none', (_what, name) => expect(toolOf(listed(name))).toBeUndefined())
})
