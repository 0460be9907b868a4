// `valetkey proxy` as people run it: the bundled command between plain programs and the product on its own socket.
import { randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Cli } from '../../cli/src/cli.ts'
import { Failure } from '../../cli/src/failure.ts'
import type { Wanted } from '../../cli/src/issue/held.ts'
import { createOutput } from '../../cli/src/output.ts'
import { renewing } from '../../cli/src/proxy/renewing.ts'
import { sessionOf } from '../../cli/src/session.ts'
import { scopes } from '../../lib/actor.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { calledWith, type Machine, startMachine } from '../support/command.ts'
import { type Between, serve } from '../support/served.ts'
import { pointAt, startApi } from '../support/streaming.ts'

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let api: Awaited<ReturnType<typeof startApi>>
let machine: Machine
let mine: { access_token: string; refresh_token: string }
let between: Between = () => false
beforeAll(async () => {
  app = await startTestApp()
  api = await startApi()
  const browser = await app.signIn('owner@acme.test')
  const { id } = (await app.call<{ id: string }>(browser, 'GET', '/me')).body
  await pointAt(app, await app.actorOf('owner@acme.test'), '', `${api.url}/api`)
  const linked = { provider: 'Demo tickets', account: 'owner@acme.test', alias: 'tickets' } as const
  const project = await app.linkProject(browser, 'acme', linked)
  at = await serve(app, { between: (request, response) => between(request, response) })
  machine = await startMachine()
  mine = await machine.signIn(app, at.origin, {
    user: id,
    scopes,
    ceilings: { [project]: { rights: null, proxy: { access: 'everything' } } },
  })
}, 120_000)
afterAll(async () => {
  await machine?.stop()
  await at?.stop()
  await api?.stop()
  await app?.stop()
})
beforeEach(() => {
  api.seen.length = 0
  api.answerWith((_, response) => void response.end('[]'))
})
afterEach(async () => {
  between = () => false
  await app.forgetLimits()
})

const lives = async () =>
  (await app.rows('acme', 'SELECT id FROM issued_token WHERE revoked_at IS NULL AND expires_at > vk_now()')).length

/** The proxy while `work` runs; everything that it made is over when this ends. */
async function opened<T>(
  work: (url: string, running: ReturnType<Machine['start']>) => Promise<T>,
  args: string[] = ['--everything'],
): Promise<T> {
  const running = machine.start(['valetkey', 'proxy', 'tickets', ...args])
  const [url] = await running.says(/http:\/\/127\.0\.0\.1:\d+\/[\w-]+/)
  const result = await work(url, running).finally(() => running.child.kill('SIGINT'))
  expect(await running.ended).toMatchObject({ code: 0, signal: null })
  expect(await lives()).toBe(0)
  return result
}

/** A request of which everything is the test's to say; the path is sent as it is. */
function ask(
  base: string,
  { path, method = 'GET', headers = {} }: { path?: string; method?: string; headers?: http.OutgoingHttpHeaders } = {},
) {
  const { hostname, port, pathname } = new URL(base)
  const request = http.request({ hostname, port, method, path: path ?? `${pathname}/items`, headers, agent: false })
  const answer = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  answer.catch(() => {})
  return { request, answer }
}
async function get(base: string, options?: Parameters<typeof ask>[1]) {
  const { request, answer } = ask(base, options)
  request.end()
  const response = await answer
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(pieces).toString() }
}

describe('what passes', () => {
  it('a request without any token gets through with ours, and the answer comes back', () =>
    opened(async (url) => {
      api.answerWith((_, response) => {
        response
          .writeHead(203, { 'content-type': 'application/json', etag: '"7"', 'set-cookie': 'a=b' })
          .end('{"id":7}')
      })
      const answer = await get(url, { path: `${new URL(url).pathname}/items/7?expand=a%20b&x=%2B` })
      expect([answer.status, answer.text, answer.headers.etag]).toEqual([203, '{"id":7}', '"7"'])
      expect(answer.headers).not.toHaveProperty('set-cookie')
      expect(api.seen.map(({ url: path }) => path)).toEqual(['/api/items/7?expand=a%20b&x=%2B'])
      expect(api.seen[0]?.headers.authorization).toMatch(/^Bearer (?!vk_)/)
    }))

  it('what a program says of itself is left out: cookies, and whatever it takes for a token', () =>
    opened(async (url) => {
      const headers = { authorization: 'Bearer dummy', cookie: 'a=b', 'x-forwarded-for': '203.0.113.7', accept: 'a/b' }
      expect((await get(url, { headers })).status).toBe(200)
      expect(JSON.stringify(api.seen[0]?.headers)).not.toMatch(/dummy|a=b|203\.0\.113\.7/)
      expect(api.seen[0]?.headers.accept).toBe('a/b')
    }))

  it('bodies stream both ways, the first piece before the last is sent', () =>
    opened(async (url) => {
      api.answerWith(undefined)
      const { request, answer } = ask(url, { method: 'POST', headers: { 'content-type': 'text/plain' } })
      request.write('first ')
      const held = await api.next()
      const asked = held.request.setEncoding('utf8')
      expect(await new Promise((resolve) => asked.once('data', resolve))).toBe('first ')
      held.response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      const response = (await answer).setEncoding('utf8')
      held.response.write('data: 1\n\n')
      expect(await new Promise((resolve) => response.once('data', resolve))).toBe('data: 1\n\n')
      request.end('last')
      expect(await new Promise((resolve) => asked.once('data', resolve))).toBe('last')
      held.response.end()
      await new Promise((resolve) => response.once('end', resolve).resume())
    }))

  it('32 MiB come back as they were sent', () =>
    opened(async (url) => {
      const sent = randomBytes(32 * 1024 * 1024)
      api.answerWith((request, response) => {
        response.writeHead(200, { 'content-length': request.headers['content-length'] })
        request.pipe(response)
      })
      const { request, answer } = ask(url, { method: 'PUT', headers: { 'content-length': sent.length } })
      request.end(sent)
      const pieces: Buffer[] = []
      for await (const piece of await answer) pieces.push(piece as Buffer)
      expect(Buffer.concat(pieces).equals(sent)).toBe(true)
    }))

  it('whoever leaves is told to the other side', () =>
    opened(async (url) => {
      api.answerWith(undefined)
      const { request } = ask(url)
      request.end()
      request.on('error', () => {})
      const { closed } = await api.next()
      request.destroy()
      await closed
    }))

  it('addresses in the head of an answer lead through the proxy again', () =>
    opened(async (url) => {
      api.answerWith((_, response) => {
        const to = `${api.url}/api/items?page=2`
        response.writeHead(302, { location: '/api/items/8', link: `<${to}>; rel="next"` }).end()
      })
      const { headers } = await get(url)
      expect([headers.location, headers.link]).toEqual([`${url}/items/8`, `<${url}/items?page=2>; rel="next"`])
    }))

  it('rules are the ones that were given', () =>
    opened(
      async (url) => {
        expect((await get(url, { path: `${new URL(url).pathname}/items/7` })).status).toBe(200)
        const refused = await get(url, { path: `${new URL(url).pathname}/people` })
        expect([refused.status, JSON.parse(refused.text).code]).toEqual([403, 'rule_refused'])
      },
      ['--allow', 'GET /items/*'],
    ))
})

describe('who gets something', () => {
  it.each([
    ['no secret', () => '/items'],
    ['another secret', () => `/${randomBytes(32).toString('base64url')}/items`],
    ['all but the last letter of it', (secret: string) => `/${secret.slice(0, -1)}/items`],
    ['more than it', (secret: string) => `/${secret}a/items`],
    ['it at another place', (secret: string) => `/x/${secret}/items`],
    ['it behind a second slash', (secret: string) => `//${secret}/items`],
    ['it in the query', (secret: string) => `/?${secret}`],
    ['it in absolute form', (secret: string) => `http://127.0.0.1/${secret}/items`],
    ['its letters in the other case', (secret: string) => `/${secret.toUpperCase()}/items`],
  ])('%s: 404, and nobody is asked', (_, path) =>
    opened(async (url) => {
      const secret = new URL(url).pathname.slice(1)
      expect(secret).toMatch(/^[\w-]{43}$/)
      const answer = await get(url, { path: path(secret) })
      expect([answer.status, answer.text]).toEqual([404, 'Nothing is here.\n'])
      expect(api.seen).toEqual([])
    }),
  )

  it.each(['evil.example', 'evil.example:80', 'localhost', '[::1]'])(
    'a name of somebody else’s that leads to this machine (%s) is 404, with the secret too',
    (host) =>
      opened(async (url) => {
        expect((await get(url, { headers: { host } })).status).toBe(404)
        const named = host === 'evil.example' ? `evil.example:${new URL(url).port}` : host
        expect((await get(url, { headers: { host: named } })).status).toBe(404)
        expect(api.seen).toEqual([])
        expect((await get(url, { headers: { host: `localhost:${new URL(url).port}` } })).status).toBe(200)
      }),
  )

  it('no page of another origin can read an answer, whatever the upstream allows', () =>
    opened(async (url) => {
      api.answerWith((_, response) => {
        response.writeHead(200, { 'access-control-allow-origin': '*', 'timing-allow-origin': '*' }).end('secret')
      })
      const headers = { origin: 'https://evil.example', 'access-control-request-method': 'PUT' }
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await get(url, { method, headers })
        expect(Object.keys(answer.headers).filter((name) => /^access-control|^timing/.test(name))).toEqual([])
        expect(answer.headers['referrer-policy']).toBe('no-referrer')
      }
    }))

  it('upgrades, tunnels and requests without a Host are refused', () =>
    opened(async (url) => {
      const { port, pathname } = new URL(url)
      const said = (text: string) =>
        new Promise<string>((resolve, reject) => {
          let heard = ''
          const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(text))
          socket.setEncoding('utf8').on('data', (piece) => (heard += piece))
          socket.on('close', () => resolve(heard)).on('error', reject)
        })
      const upgrade = (path: string) =>
        `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`
      expect(await said(upgrade(`${pathname}/items`))).toMatch(/^HTTP\/1\.1 501 /)
      expect(await said(upgrade('/items'))).toMatch(/^HTTP\/1\.1 404 /)
      expect(await said(`CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 404 /,
      )
      expect(await said(`GET ${pathname}/items HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 404 /)
      expect(api.seen).toEqual([])
    }))

  it('it is there on the loopback alone, under another secret each time', async () => {
    const urls = [await opened(async (url) => url), await opened(async (url) => url)]
    expect(new Set(urls.map((url) => new URL(url).pathname)).size).toBe(2)
    await expect(get(urls[0] ?? '')).rejects.toThrow('ECONNREFUSED')
  })
})

describe('how it is run', () => {
  it('--json answers the address, on the port that was asked for', async () => {
    const probe = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => probe.once('listening', resolve))
    const { port } = probe.address() as net.AddressInfo
    const taken = await machine.valetkey(['proxy', 'tickets', '--everything', '--port', String(port)])
    expect([taken.code, taken.stdout]).toEqual([1, ''])
    expect(taken.stderr).toMatch(/Port \d+ of this machine cannot be used \(EADDRINUSE\)/)
    expect(await lives()).toBe(0)
    await new Promise((resolve) => probe.close(resolve))
    await opened(
      async (url, { says }) => {
        await says(/\}\n/)
        expect(new URL(url).port).toBe(String(port))
      },
      ['--everything', '--json', '--port', String(port)],
    )
  })

  it('a program after "--" finds the address in API_URL, and its exit code is ours', async () => {
    const file = join(machine.bin, 'asks')
    await writeFile(
      file,
      `#!${process.execPath}
fetch(process.env.API_URL + '/items').then(async (answer) => {
  console.log(answer.status, await answer.text(), Object.keys(process.env).filter((name) => /TOKEN/.test(name)).join())
  process.exitCode = 9
})`,
    )
    await chmod(file, 0o755)
    const env = { VALETKEY_TOKEN: mine.access_token, VALETKEY_SERVER: at.origin, VALETKEY_TENANT: 'acme' }
    const ran = await machine.valetkey(['proxy', 'tickets', '--read-only', '--', file], { env })
    expect(ran).toEqual({ code: 9, signal: null, stdout: '200 [] \n', stderr: '' })
    expect(await lives()).toBe(0)
  })

  it('without rules nothing is opened', async () => {
    const ran = await machine.valetkey(['proxy', 'tickets'])
    expect([ran.code, ran.stdout]).toEqual([2, ''])
    expect(ran.stderr).toMatch(/Say so by --rights FILE.*\n {4}--read-only .*\n {4}--allow /)
  })

  it('neither the token nor the secret is in a file or a list of arguments', () =>
    opened(async (url) => {
      const secret = new URL(url).pathname.slice(1)
      const [sent = ''] = await new Promise<string[]>((resolve) => {
        between = ({ headers, url: path }) => {
          if (path?.includes('/proxy/')) resolve([headers.authorization?.replace('Bearer ', '') ?? ''])
          return false
        }
        void get(url)
      })
      expect(sent).toMatch(/^vk_px_/)
      for (const text of [secret, sent]) expect([await machine.holding(text), await calledWith(text)]).toEqual([[], []])
    }))

  it.each(['SIGTERM', 'SIGHUP'] as const)('%s ends it, with what runs, and its token is revoked', async (name) => {
    api.answerWith(undefined)
    const running = machine.start(['valetkey', 'proxy', 'tickets', '--everything'])
    const [url] = await running.says(/http:\S+/)
    const { request, answer } = ask(url)
    request.end()
    await api.next()
    running.child.kill(name)
    expect(await running.ended).toMatchObject({ code: 0 })
    await expect(answer).rejects.toThrow()
    expect(await lives()).toBe(0)
  })
})

describe('a token that comes to its end', () => {
  /** The part that keeps a token, before the real server, on a clock of the test's. */
  async function kept(seconds: number) {
    let passed = 0
    const noted: string[] = []
    const sink = { write: (text: string) => noted.push(text) }
    const cli = {
      out: createOutput({ stdout: sink, stderr: sink, stdin: {} }, { json: false, color: false, env: {} }),
      now: () => new Date(app.ctx.now().getTime() + passed * 1000),
      monotonicSeconds: () => passed,
      http: (request: Request) => fetch(request),
    } as Partial<Cli> as Cli
    const session = sessionOf(cli, at.origin, 'acme', () => mine.access_token)
    const { data: offer } = await session.client.GET('/api/v1/tenants/{tenant}/projects/{project}/offer', {
      params: { path: { tenant: 'acme', project: 'tickets' } },
    })
    const way = offer?.ways.find(({ strategy }) => strategy === 'proxy')
    if (!way) throw new Error('no way')
    const wanted: Wanted = { project: 'tickets', way, rights: { access: 'everything' }, seconds }
    const tokens = await renewing(cli, session, wanted, 'proxy')
    /** What one would be sent with now. */
    const valueNow = async () => {
      const { value, end } = await tokens.use()
      end()
      return value
    }
    return { tokens, noted, valueNow, pass: (more: number) => (passed += more) }
  }
  const states = async () =>
    (
      await app.rows(
        'acme',
        `SELECT revoked_at IS NULL AS lives FROM issued_token ORDER BY created_at DESC, id LIMIT 2`,
      )
    ).map(({ lives: one }) => one)

  it('is replaced before that, once for all who ask, and nobody waits for the other', async () => {
    const { tokens, pass, valueNow } = await kept(600)
    const first = await valueNow()
    pass(500)
    expect(await valueNow()).toBe(first)
    pass(50)
    expect(new Set(await Promise.all([valueNow(), valueNow(), valueNow()]))).toEqual(new Set([first]))
    await expect.poll(valueNow).not.toBe(first)
    expect((await states()).slice(0, 1)).toEqual([true])
    await tokens.end()
    expect(await states()).toEqual([false, false])
  })

  it('the one before is revoked once nobody uses it any more', async () => {
    const { tokens, pass, valueNow } = await kept(600)
    const long = await tokens.use()
    pass(590)
    await expect.poll(valueNow).not.toBe(long.value)
    expect(await states()).toEqual([true, true])
    long.end()
    await expect.poll(states).toEqual([true, false])
    await tokens.end()
  })

  it('where another is not to be had, the present one is used to its end, and then it is told', async () => {
    const { tokens, pass, noted, valueNow } = await kept(600)
    const value = await valueNow()
    between = ({ url }, response) => {
      if (!url?.endsWith('/tokens')) return false
      response
        .writeHead(403, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ type: '', title: 'no', status: 403, code: 'over_policy', next: '', request_id: '' }))
      return true
    }
    pass(550)
    expect(await valueNow()).toBe(value)
    await expect.poll(() => noted.join('')).toMatch(/valetkey: no/)
    pass(60)
    await expect(tokens.use()).rejects.toThrow(Failure)
    between = () => false
    expect(await valueNow()).not.toBe(value)
    await tokens.end()
  })
})
