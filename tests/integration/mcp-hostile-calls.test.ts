// A server behind the gateway that does everything wrong: what its clients get is a message that the protocol has, and nothing of
// its text that the protocol does not carry.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
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
beforeAll(async () => {
  broker = await startBroker()
  // Short enough for a test, and no other rule.
  const ctx = await broker.makeContext({}, { limits: { streamHeadMs: 700, streamSilenceMs: 700 } })
  owner = await broker.actorOf('owner@acme.test')
  behind = await startBehind()
  linked = await linkedMcp(broker, owner, 'owner@acme.test', behind.url)
  gate = await startGateway(ctx)
  bearer = (await mcpToken(broker, owner, linked.project, { all_tools: true, all_resources: true, all_prompts: true }))
    .token
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await behind.stop()
  await broker.stop()
})

const evil = 'SENTINEL <script>https://evil.example</script>'
const fine = (got: Got) => result(got, { content: [{ type: 'text', text: 'fine' }], resultType: 'complete' })
const sse = (response: ServerResponse, ...events: unknown[]) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const one of events) response.write(typeof one === 'string' ? one : `data: ${JSON.stringify(one)}\n\n`)
  return response
}
const call = () => gate.modern(linked.alias, 'tools/call', { name: 'echo', arguments: {} }, { token: bearer })

type Row = [
  what: string,
  answer: (response: ServerResponse, got: Got, request: IncomingMessage) => unknown,
  code: number | 'fine',
]
const rows: Row[] = [
  ['HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(evil), 502],
  ['no type', (response) => response.writeHead(200).end('{}'), 502],
  [
    'a type that only begins like JSON',
    (response, got) => response.writeHead(200, { 'content-type': 'application/jsonp' }).end(JSON.stringify(fine(got))),
    502,
  ],
  [
    'compressed',
    (response, got) =>
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(JSON.stringify(fine(got))),
    502,
  ],
  ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/steal' }).end(), 502],
  ['a redirect that keeps the method', (response) => response.writeHead(308, { location: behind.url }).end(), 502],
  ['204', (response) => response.writeHead(204).end(), 502],
  ['202 for a request', (response) => response.writeHead(202).end(), 502],
  ['500 with its text', (response) => response.writeHead(500, { 'content-type': 'text/plain' }).end(evil), 503],
  ['429', (response) => response.writeHead(429, { 'content-type': 'text/plain' }).end(evil), 502],
  ['403 without a challenge', (response) => response.writeHead(403).end(evil), 502],
  ['400 with HTML', (response) => response.writeHead(400, { 'content-type': 'text/html' }).end(evil), -32022],
  ['no JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc"'), 502],
  [
    'JSON with a name twice',
    (response, got) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"jsonrpc":"2.0","id":${got.message?.id},"result":{},"result":{"tools":[]}}`),
    502,
  ],
  [
    'JSON that is deep',
    (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('['.repeat(100_000)),
    502,
  ],
  ['a batch', (response, got) => json(response, [fine(got)]), 502],
  ['null', (response) => json(response, null), 502],
  ['an answer to another id', (response) => json(response, { jsonrpc: '2.0', id: 999, result: {} }), 502],
  [
    'an id of another type',
    (response, got) => json(response, { jsonrpc: '2.0', id: String(got.message?.id), result: {} }),
    502,
  ],
  [
    'a request in place of an answer',
    (response) => json(response, { jsonrpc: '2.0', id: 1, method: 'sampling/createMessage', params: {} }),
    502,
  ],
  [
    'a result and an error',
    (response, got) => json(response, { ...fine(got), error: { code: 1, message: evil } }),
    502,
  ],
  [
    'a result that is a list',
    (response, got) => json(response, { jsonrpc: '2.0', id: got.message?.id, result: [] }),
    502,
  ],
  ['members beside the known', (response, got) => json(response, { ...fine(got), debug: evil }), 502],
  [
    'a kind of result that nobody knows',
    (response, got) => json(response, result(got, { resultType: 'task', taskId: 'x' })),
    502,
  ],
  [
    'a question that the protocol does not have',
    (response, got) =>
      json(response, result(got, { resultType: 'input_required', inputRequests: { a: { method: 'tools/call' } } })),
    502,
  ],
  [
    'bytes without an end',
    (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = () =>
        response.destroyed || (response.write('[['.repeat(50_000)) ? setImmediate(more) : response.once('drain', more))
      more()
    },
    502,
  ],
  [
    'a line without an end',
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const more = () =>
        response.destroyed ||
        (response.write('data:x'.repeat(20_000)) ? setImmediate(more) : response.once('drain', more))
      more()
    },
    502,
  ],
  [
    'a flood of messages',
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const note = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: '' } })}\n\n`
      const more = () =>
        response.destroyed || (response.write(note.repeat(200)) ? setImmediate(more) : response.once('drain', more))
      more()
    },
    502,
  ],
  ['nothing at all', () => {}, 503],
  [
    'silence after the head',
    (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    503,
  ],
  [
    'silence in the middle',
    (response) => sse(response, { jsonrpc: '2.0', method: 'notifications/message', params: {} }, 'data: {"json'),
    503,
  ],
  ['a stream that ends before it answers', (response) => sse(response, ': hello\n\n').end(), 502],
  ['a stream that is cut off', (response) => sse(response, 'data: {"jsonrpc":"2.0","id":1,').end(), 502],
  [
    'a connection that breaks',
    (response) =>
      sse(response, ': hello\n\n', { jsonrpc: '2.0', method: 'notifications/message' }).write(':', () =>
        response.destroy(),
      ),
    503,
  ],
  ['what is no HTTP', (response) => response.socket?.end('SSH-2.0-OpenSSH\r\n'), 503],
  ['events that are no JSON', (response) => sse(response, 'data: hello\n\n').end(), 502],
  [
    'its own requests on the stream, then its answer',
    (response, got) =>
      sse(response, { jsonrpc: '2.0', id: 5, method: 'sampling/createMessage', params: {} }, fine(got)).end(),
    'fine',
  ],
  [
    'reused and foreign ids before its answer',
    (response, got) =>
      sse(
        response,
        { jsonrpc: '2.0', id: 0, result: { stolen: 1 } },
        { jsonrpc: '2.0', id: 'x', error: { code: 1, message: evil } },
        fine(got),
        fine(got),
      ).end(),
    'fine',
  ],
  [
    'what comes after its answer',
    (response, got) =>
      sse(response, fine(got), { jsonrpc: '2.0', method: 'notifications/message', params: { data: evil } }).end(),
    'fine',
  ],
  [
    'notifications that the protocol does not have',
    (response, got) =>
      sse(
        response,
        { jsonrpc: '2.0', method: 'notifications/evil', params: { data: evil } },
        {
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: 'foreign', progress: 1, message: evil },
        },
        fine(got),
      ).end(),
    'fine',
  ],
  [
    'an event in any pieces and line ends',
    (response, got) => {
      const text = `\ufeff:c\r\rid: 1\r\nevent: message\rdata: ${JSON.stringify(fine(got)).slice(0, 20)}`
      const rest = JSON.stringify(fine(got)).slice(20)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const bytes = Buffer.from(
        text.replace(/data: .*/s, `data: ${JSON.stringify(fine(got))}\r\n\r\n`) + (rest ? '' : ''),
      )
      const next = (at: number): unknown =>
        at >= bytes.length ? response.end() : response.write(bytes.subarray(at, at + 1), () => next(at + 1))
      next(0)
    },
    'fine',
  ],
  [
    'headers of its own',
    (response, got) =>
      json(response, fine(got), 200, {
        'set-cookie': 'a=b',
        'access-control-allow-origin': '*',
        'mcp-session-id': 'theirs',
        location: 'https://evil.example',
        'www-authenticate': 'Basic',
        refresh: '0;url=https://evil.example',
      }),
    'fine',
  ],
]

describe('a server that does everything wrong', () => {
  it.each(rows)(
    'F-05 F-06 F-10: %s',
    async (_what, answer, code) => {
      behind.answerWith((request, response, got) => answer(response, got, request))
      behind.ledger.length = 0
      const answered = await call()
      expect(behind.ledger).toHaveLength(1)
      const last = answered.messages.at(-1)
      if (code === 'fine') expect(last?.result?.content).toEqual([{ type: 'text', text: 'fine' }])
      else expect(last).toMatchObject({ id: 1, error: { code } })
      expect(answered.text).not.toContain('SENTINEL')
      expect(answered.text).not.toContain('stolen')
      expect(answered.text).not.toContain('sampling')
      expect(Object.keys(answered.headers)).not.toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^(set-cookie|access-control-allow-origin|mcp-session-id|location|www-authenticate|refresh)$/,
          ),
        ]),
      )
      for (const name of [
        'set-cookie',
        'access-control-allow-origin',
        'mcp-session-id',
        'location',
        'www-authenticate',
        'refresh',
      ])
        expect(answered.headers[name], name).toBeUndefined()
    },
    20_000,
  )

  it('an error of the protocol is passed on, cut where it is long', async () => {
    behind.answerWith((_request, response, got) =>
      json(response, {
        jsonrpc: '2.0',
        id: got.message?.id,
        error: { code: -32602, message: 'm'.repeat(100_000), data: { why: 1 } },
      }),
    )
    const { error } = (await call()).messages[0] ?? {}
    expect([error?.code, error?.message.length, error?.data]).toEqual([-32602, 4_000, { why: 1 }])
  })

  it('tools with names that nobody could allow, or that are there twice, are none', async () => {
    const tools = ['fine', 'fine', 'a\nb', '', 'x'.repeat(501), 'ok\u0000', 'look\u202ealike'].map((name, at) => ({
      name,
      description: String(at),
      inputSchema: { type: 'object' },
    }))
    behind.answerWith((_request, response, got) =>
      json(response, result(got, { tools: [...tools, null, 7, { name: 'no schema' }] })),
    )
    const answer = await gate.modern(linked.alias, 'tools/list', {}, { token: bearer })
    expect(
      (answer.messages[0]?.result?.tools as object[] | undefined)?.map((tool) => Object.values(tool).slice(0, 2)),
    ).toEqual([
      ['fine', '0'],
      ['look\u202ealike', '6'],
    ])
  })

  it.each([
    ['no list', { tools: 'all' }],
    ['no list at all', {}],
  ])('%s where a list is asked for', async (_what, body) => {
    behind.answerWith((_request, response, got) => json(response, result(got, body)))
    expect((await gate.modern(linked.alias, 'tools/list', {}, { token: bearer })).messages[0]?.error?.code).toBe(502)
  })

  it.each([
    ['the newest in a session', '2026-07-28'],
    ['one of long ago', '2024-11-05'],
    ['none', undefined],
    ['something else', 7],
  ])('a session in a revision that nobody asked for: %s', async (_what, protocolVersion) => {
    behind.answerWith((_request, response, got) =>
      json(response, result(got, { protocolVersion, capabilities: {}, serverInfo: {} })),
    )
    const { hello } = await gate.session(linked.alias, bearer)
    expect(hello.messages[0]?.error?.code).toBe(-32602)
    expect(hello.headers['mcp-session-id']).toBeUndefined()
  })

  it.each([
    ['too long', 'x'.repeat(2_000)],
    ['with a space', 'a b'],
  ])('a session id that is none: %s', async (_what, id) => {
    behind.answerWith((_request, response, got) =>
      json(
        response,
        result(got, { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }),
        200,
        { 'mcp-session-id': id },
      ),
    )
    expect((await gate.session(linked.alias, bearer)).hello.messages[0]?.error?.code).toBe(502)
  })

  it('a client that reads slowly holds back the server, and nothing piles up', async () => {
    let written = 0
    const stalled = new Promise<void>((resolve) =>
      behind.answerWith((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const note = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(60_000) } })}\n\n`
        const more = (): unknown => {
          if (response.destroyed) return resolve()
          written += note.length
          if (written > 60_000_000) return resolve()
          return response.write(note) ? setImmediate(more) : response.once('drain', more)
        }
        response.once('close', () => resolve())
        more()
      }),
    )
    const { request } = await import('node:http')
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'echo',
        arguments: {},
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    })
    const asking = request(gate.address(linked.alias), {
      method: 'POST',
      headers: {
        host: gate.host,
        authorization: `Bearer ${bearer}`,
        accept: '*/*',
        'content-type': 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'echo',
        'content-length': body.length,
      },
    })
    const answer = await new Promise<IncomingMessage>((resolve) => asking.on('response', resolve).end(body))
    answer.pause()
    // Until the server is held back: it has written nothing between two looks.
    let before = -1
    await vi.waitFor(
      () => {
        const since = before
        before = written
        expect(written).toBe(since)
      },
      { interval: 150, timeout: 10_000 },
    )
    expect(written).toBeLessThan(30_000_000)
    answer.destroy()
    await stalled
  }, 20_000)
})
