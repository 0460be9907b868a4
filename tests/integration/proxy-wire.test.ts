// The proxy on the wire: bytes that no client library would send, to it and back from a hostile upstream.
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import type { Broker } from '../support/broker.ts'
import { okAnswer, rawExchange, startRawProxy, statusesIn } from '../support/raw.ts'

let raw: Awaited<ReturnType<typeof startRawProxy>>
let broker: Broker
let upstream: typeof raw.upstream
let passing: typeof raw.passing
let token: string
let path: string
let base: string
beforeAll(async () => {
  raw = await startRawProxy({ access: 'paths', paths: ['GET,POST /public/**', 'GET /repos/*/issues'] })
  ;({ broker, upstream, passing, token, path, base } = raw)
})
afterAll(() => raw.stop())
beforeEach(() => {
  upstream.forget()
  upstream.answerWith(okAnswer)
})

const head = (target: string, ...more: string[]) =>
  [`${target} HTTP/1.1`, `Host: ${passing.host}`, `Authorization: Bearer ${token}`, ...more].join('\r\n')
const upstreamTokens = () =>
  broker.demo.ledger.tokens.filter(({ kind }) => kind === 'access' || kind === 'refresh').map(({ value }) => value)
/** No answer and no line of the log holds what the upstream knows us by. */
function expectNoSecret(answer: string) {
  const said = answer + broker.logged.join('')
  for (const secret of upstreamTokens()) expect(said.includes(secret)).toBe(false)
}

/** What reached the upstream, but for what the tests before posted, which may be late. */
const arrived = () => upstream.received.filter((one) => one !== '' && !one.startsWith('POST '))

describe('P-05: a request that could be two, or names another server, is none', () => {
  const smuggled = `GET ${'/api/admin'} HTTP/1.1\r\nHost: x\r\n\r\n`
  const shapes: [string, string[], string][] = [
    ['a length and chunks', ['Content-Length: 6', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], `1\r\nZ\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', ['Content-Length: 0', 'Content-Length: 44'], smuggled],
    ['two lengths that are the same', ['Content-Length: 2', 'Content-Length: 2'], 'ok'],
    ['a list of lengths', ['Content-Length: 0, 44'], smuggled],
    ['a signed length', ['Content-Length: +2'], 'ok'],
    ['a negative length', ['Content-Length: -1'], 'ok'],
    ['a length in hex', ['Content-Length: 0x2'], 'ok'],
    ['a length with a unit', ['Content-Length: 2b'], 'ok'],
    ['an empty length', ['Content-Length:'], smuggled],
    ['an endless length', ['Content-Length: 99999999999999999999999'], 'ok'],
    ['chunks spelled with a tab', ['Transfer-Encoding:\tchunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['chunks with something before', ['Transfer-Encoding: x, chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['chunks with something after', ['Transfer-Encoding: chunked, x'], `0\r\n\r\n${smuggled}`],
    ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0\r\n\r\n${smuggled}`],
    ['another coding', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
    ['a name with a space', ['Transfer-Encoding : chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['a folded line', ['Transfer-Encoding:', ' chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['a line that begins with a space', [' Transfer-Encoding: chunked'], smuggled],
    ['a line without a colon', ['Content-Length 4'], smuggled],
    ['a NUL in a name', ['X\0: a'], ''],
    ['a NUL in a value', ['Accept: a\0b'], ''],
    ['a bare CR in a value', ['Accept: a\rX-Smuggled: b'], ''],
    ['a bare LF between lines', ['Accept: a\nTransfer-Encoding: chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['a chunk whose size is signed', ['Transfer-Encoding: chunked'], `+2\r\nok\r\n0\r\n\r\n${smuggled}`],
    ['a chunk whose size is in hex with a prefix', ['Transfer-Encoding: chunked'], `0x2\r\nok\r\n0\r\n\r\n${smuggled}`],
    ['a chunk that is longer than it says', ['Transfer-Encoding: chunked'], `1\r\nokokok\r\n0\r\n\r\n${smuggled}`],
    ['a chunk that ends with a bare LF', ['Transfer-Encoding: chunked'], `2\nok\n0\n\n${smuggled}`],
    ['a chunk extension without end', ['Transfer-Encoding: chunked'], `2;${'a'.repeat(40_000)}\r\nok\r\n0\r\n\r\n`],
    ['HTTP/1.0 with chunks', [], ''],
  ]
  test.each(shapes)('%s', async (name, headers, body) => {
    const first = head(`POST ${path}/public/a`, ...headers)
    const request = name.startsWith('HTTP/1.0')
      ? `${first.replace('HTTP/1.1', 'HTTP/1.0')}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`
      : `${first}\r\n\r\n${body}`
    const answer = await rawExchange(passing.port, request)
    // Whatever is made of it: the upstream saw at most this one request, framed in one way, and nothing of the other.
    const seen = upstream.received.join('')
    expect(seen).not.toContain('/admin')
    expect(seen).not.toMatch(/smuggled/i)
    for (const one of upstream.received.filter(Boolean)) {
      expect(one).toMatch(/^POST \/api\/public\/a HTTP\/1\.1\r\n/)
      const framing = one.split('\r\n\r\n')[0]?.match(/^(content-length|transfer-encoding):.*$/gim) ?? []
      expect([name, framing.length <= 1]).toEqual([name, true])
    }
    if (seen === '') for (const status of statusesIn(answer)) expect(status).toBeGreaterThanOrEqual(400)
    expectNoSecret(answer)
  })

  const refused: [string, () => string][] = [
    ['absolute form', () => head(`GET http://127.0.0.1:1${path}/public/a`)],
    ['absolute form of ourselves', () => head(`GET http://${passing.host}${path}/public/a`)],
    ['authority form', () => head('CONNECT 127.0.0.1:1')],
    ['asterisk form', () => head('OPTIONS *')],
    ['TRACE', () => head(`TRACE ${path}/public/a`)],
    ['an unknown method', () => head(`PROPFIND ${path}/public/a`)],
    ['a method in small letters', () => head(`get ${path}/public/a`)],
    ['no host', () => `GET ${path}/public/a HTTP/1.1\r\nAuthorization: Bearer ${token}`],
    ['two hosts', () => head(`GET ${path}/public/a`, 'Host: other')],
    ['another host', () => head(`GET ${path}/public/a`).replace(passing.host, 'evil.example')],
    ['a space in the path', () => head(`GET ${path}/public/a b`)],
    ['two tokens', () => head(`GET ${path}/public/a`, `Authorization: Bearer ${token}`)],
    ['a path outside its rules', () => head(`GET ${path}/admin`)],
    ['a dot segment', () => head(`GET ${path}/public/../admin`)],
    ['dot segments out of the proxy', () => head(`GET ${path}/../../../../../api/v1/me`)],
    ['an encoded dot segment', () => head(`GET ${path}/public/%2e%2e/admin`)],
    ['a fragment', () => head(`GET ${path}/public/a#b`)],
    [
      'an upgrade to HTTP/2',
      () =>
        head(
          `GET ${path}/public/a`,
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAAQAAP__',
        ),
    ],
    ['a connection that drops our header', () => head(`GET ${path}/public/a`, 'Connection: close, authorization')],
    ['an expectation that nobody knows', () => head(`GET ${path}/public/a`, 'Expect: 200-maybe')],
  ]
  // All at once: a connection that could go on is read until it has been silent for a while.
  let exchanged: Promise<{ answers: string[]; reached: string[] }> | undefined
  const exchange = async () => {
    const answers = await Promise.all(refused.map(([, request]) => rawExchange(passing.port, `${request()}\r\n\r\n`)))
    return { answers, reached: arrived() }
  }
  test.each(refused.map(([name], at) => [name, at] as const))('%s reaches nobody', async (_name, at) => {
    exchanged ??= exchange()
    const { answers, reached } = await exchanged
    expect(reached).toEqual([])
    const statuses = statusesIn(answers[at] ?? '')
    for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400)
    expect(statuses.length).toBeLessThanOrEqual(1)
  })

  it('IV-03: a head that never ends, or is too large, is refused', async () => {
    expect(
      statusesIn(
        await rawExchange(passing.port, `${head(`GET ${path}/public/a`)}\r\nX-Large: ${'a'.repeat(20_000)}\r\n\r\n`),
      ),
    ).toEqual([431])
    expect(
      statusesIn(await rawExchange(passing.port, `${head(`GET ${path}/public/${'a'.repeat(9_000)}`)}\r\n\r\n`)),
    ).toEqual([414])
    expect(arrived()).toEqual([])
  })

  const many = Array.from({ length: 2_100 }, () => 'a:b')
  it.each([
    ['a second token', `Authorization: Bearer x`, [401]],
    ['a second host', 'Host: other', [400]],
    ['a header that is refused', 'X-HTTP-Method-Override: DELETE', [400, 403]],
  ])('IV-03: %s is not hidden behind thousands of other headers', async (_name, hidden, statuses) => {
    const request = head(`GET ${path}/public/a`, ...many, hidden, 'Connection: close')
    expect(statuses).toContain(statusesIn(await rawExchange(passing.port, `${request}\r\n\r\n`))[0])
    expect(arrived()).toEqual([])
  })
  it('IV-03: nor is the length of a body', async () => {
    const request = head(`POST ${path}/public/a`, ...many, 'Content-Length: 4', 'Connection: close')
    expect(statusesIn(await rawExchange(passing.port, `${request}\r\n\r\nbody`))).toEqual([200])
    expect(upstream.received.join('')).toMatch(/content-length: 4\r\n\r\nbody$/)
  })

  it('trailers of a request stay behind', async () => {
    const request = head(`POST ${path}/public/a`, 'Transfer-Encoding: chunked', 'Connection: close')
    const chunks = '4;ext=1\r\nbody\r\n0\r\nAuthorization: Bearer evil\r\nX-Evil: a\r\n\r\n'
    expect(statusesIn(await rawExchange(passing.port, `${request}\r\n\r\n${chunks}`))).toEqual([200])
    expect(upstream.received.join('')).not.toMatch(/evil|ext=/i)
  })

  test.each([
    ['a form that names another method', 'application/x-www-form-urlencoded', '_method=DELETE'],
    ['a form as Rack reads it', 'application/x-www-form-urlencoded', '[_method]=DELETE'],
    ['JSON that names another method', 'application/json', '{"_method":"DELETE"}'],
  ])('%s is cut off before it is whole', async (_name, type, body) => {
    const request = head(
      `POST ${path}/public/a`,
      `Content-Type: ${type}`,
      `Content-Length: ${body.length}`,
      'Connection: close',
    )
    const [first, last] = [body.slice(0, 5), body.slice(5)]
    const answer = await rawExchange(passing.port, `${request}\r\n\r\n${first}`, last)
    expect(statusesIn(answer)).toEqual([400])
    expect(answer).toContain('"header_refused"')
    for (const one of upstream.received.filter(Boolean)) expect(one).not.toContain(last)
  })
  it('a form that is compressed is refused', async () => {
    const request = head(
      `POST ${path}/public/a`,
      'Content-Type: application/x-www-form-urlencoded',
      'Content-Encoding: gzip',
      'Content-Length: 4',
      'Connection: close',
    )
    const answer = await rawExchange(passing.port, `${request}\r\n\r\nbody`)
    expect(answer).toContain('"header_refused"')
  })

  it('two requests on one connection are two, each judged by itself', async () => {
    const answer = await rawExchange(
      passing.port,
      `${head(`GET ${path}/public/a`)}\r\n\r\n${head(`GET ${path}/admin`, 'Connection: close')}\r\n\r\n`,
    )
    expect(statusesIn(answer)).toEqual([200, 403])
    expect(upstream.received.join('')).not.toContain('admin')
  })
})

it('what goes on is sent byte for byte, with our header and a list of theirs', async () => {
  await rawExchange(
    passing.port,
    `${head(`POST ${path}/public/caf%C3%A9/a;b?q=%2e%2e&x[]=1`, 'accept: text/x', 'X-Smuggled: 1', 'Cookie: a=b', 'Content-Type: text/plain', 'Content-Length: 4', 'Connection: close', 'Via: 1.1 x', 'X-Forwarded-For: 6.6.6.6')}\r\n\r\nbody`,
  )
  const [seen = ''] = upstream.received.filter(Boolean)
  const [, authorization = ''] = /^authorization: (Bearer .*)$/im.exec(seen) ?? []
  expect(upstreamTokens()).toContain(authorization.slice(7))
  expect(seen.replace(authorization, '*')).toBe(
    [
      'POST /api/public/caf%C3%A9/a;b?q=%2e%2e&x[]=1 HTTP/1.1',
      `host: ${new URL(upstream.url).host}`,
      'connection: keep-alive',
      'accept: text/x',
      'content-type: text/plain',
      'authorization: *',
      'content-length: 4',
      '',
      'body',
    ].join('\r\n'),
  )
})

describe('a hostile upstream', () => {
  const ask = () => passing.ask(base, '/public/a', { token })

  it('C-10: its headers reach no further than the answer', async () => {
    upstream.answerWith(
      [
        'HTTP/1.1 200 OK',
        'Content-Type: text/html',
        'Set-Cookie: __Host-valetkey.session=evil; Path=/; Secure',
        'Service-Worker-Allowed: /',
        'Content-Security-Policy: default-src *',
        'Access-Control-Allow-Origin: *',
        'Access-Control-Allow-Credentials: true',
        'Strict-Transport-Security: max-age=0',
        'Clear-Site-Data: "*"',
        'Alt-Svc: h2="evil.example:443"',
        'Refresh: 0;url=https://evil.example',
        'WWW-Authenticate: Basic realm="your Valetkey password"',
        'X-Content-Type-Options: none',
        'Content-Length: 31',
        '',
        '<script>alert(document.cookie)</script>'.slice(0, 31),
      ].join('\r\n'),
    )
    const { status, headers } = await ask()
    expect(status).toBe(200)
    const { date, 'x-request-id': _, ...said } = headers
    expect(said).toEqual({
      'content-type': 'text/html',
      'content-length': '31',
      'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'strict-transport-security': expect.stringContaining('max-age=63072000'),
      vary: 'Authorization',
      'proxy-status': 'valetkey; received-status=200',
      connection: 'keep-alive',
      'keep-alive': expect.any(String),
    })
  })

  test.each<[string, string[]]>([
    ['a head that is too large', [`HTTP/1.1 200 OK\r\nX-Large: ${'a'.repeat(200_000)}\r\n\r\n`]],
    ['a head that never ends', [`HTTP/1.1 200 OK\r\n${'X-More: a\r\n'.repeat(40_000)}`]],
    ['no HTTP', ['SSH-2.0-OpenSSH\r\n']],
    ['HTTP/0.9', ['<html>']],
    ['nothing', ['']],
    ['a status that is none', ['HTTP/1.1 999999 Odd\r\n\r\n']],
    ['a status in words', ['HTTP/1.1 OK\r\n\r\n']],
    ['two lengths', ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok']],
    ['a length and chunks', ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n']],
    [
      'an upgrade that nobody asked for',
      ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nframes'],
    ],
    ['a 100 that nobody asked for', ['HTTP/1.1 100 Continue\r\n\r\n', okAnswer]],
    ['a NUL in a header', ['HTTP/1.1 200 OK\r\nContent-Type: a\0b\r\nContent-Length: 0\r\n\r\n']],
    [
      'two addresses of one redirect',
      ['HTTP/1.1 302 Found\r\nLocation: /api/a\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n'],
    ],
    ['a status below all', ['HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok']],
    [
      'a folded line',
      ['HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n Set-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok'],
    ],
    ['a bare CR in a header', ['HTTP/1.1 200 OK\r\nContent-Type: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n']],
    ['a redirect to elsewhere', ['HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n']],
    [
      'a redirect into our own pages',
      ['HTTP/1.1 302 Found\r\nLocation: http://localhost:3000/t/acme\r\nContent-Length: 0\r\n\r\n'],
    ],
  ])('F-10: %s is 502 or 503, and nothing of it is told', async (_name, parts) => {
    upstream.answerWith(...parts)
    const { status, text, headers } = await ask()
    expect([502, 503]).toContain(status)
    expect(text).not.toMatch(/HPE|UND_|ECONN|127\.0\.0\.1|Parse/)
    expect(JSON.parse(text)).toMatchObject({
      code: expect.stringMatching(/^(upstream_unavailable|upstream_protocol|redirect_refused)$/),
    })
    expect(headers['set-cookie']).toBe(undefined)
    expectNoSecret(text + JSON.stringify(headers))
  })

  test.each<[string, string[]]>([
    ['fewer bytes than it said', ['HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nok']],
    ['a chunk that is cut off', ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok']],
    ['a chunk that is none', ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n']],
  ])('%s is no whole answer to the caller either', async (_name, parts) => {
    upstream.answerWith(...parts)
    await expect(
      ask().then(({ status }) => (status >= 500 ? Promise.reject(new Error('refused')) : status)),
    ).rejects.toThrow()
  })

  it('more bytes than it said are nobody’s answer', async () => {
    upstream.answerWith(`${okAnswer}HTTP/1.1 200 OK\r\nContent-Length: 4\r\nSet-Cookie: a=b\r\n\r\nevil`)
    expect((await ask()).text).toBe('ok')
    upstream.answerWith(okAnswer)
    expect((await ask()).text).toBe('ok')
  })

  it('its own token in an answer is its own doing, but none of ours', async () => {
    upstream.answerBy((socket, request) => {
      const body = request
        .split('\r\n')
        .filter((line) => !line.startsWith('authorization'))
        .join('\n')
      socket.end(`HTTP/1.1 500 Oops\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    })
    const { status, text } = await ask()
    expect(status).toBe(500)
    expect(text).not.toContain(token)
    expectNoSecret('')
  })

  test.each<[string, string, RegExp]>([
    [
      'a 304 with the length that a 200 would have',
      '304 Not Modified\r\nETag: "a"\r\nContent-Length: 40',
      /^content-length: 40\r$/im,
    ],
    ['a 304 without', '304 Not Modified\r\nETag: "a"', /^etag: "a"\r$/im],
    ['a 304 in chunks', '304 Not Modified\r\nETag: "a"\r\nTransfer-Encoding: chunked', /^etag: "a"\r$/im],
    ['a 204 with a length, which it may not have', '204 No Content\r\nContent-Length: 40', /^(?!.*content-length)/is],
  ])('%s is an answer without a body', async (_name, said, expected) => {
    upstream.answerWith(`HTTP/1.1 ${said}\r\n\r\n`)
    const request = head(`GET ${path}/public/a`, 'If-None-Match: "a"', 'Connection: close')
    const answer = await rawExchange(passing.port, `${request}\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([Number(said.slice(0, 3))])
    expect(answer).toMatch(expected)
    expect(answer.split('\r\n\r\n')[1]).toBe('')
    expect(answer).not.toMatch(/transfer-encoding/i)
    // The next one on its connection is another.
    upstream.answerWith(okAnswer)
    expect((await ask()).text).toBe('ok')
  })

  it('its trailers stay behind', async () => {
    upstream.answerWith(
      'HTTP/1.1 200 OK\r\nTrailer: Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSet-Cookie: evil=b\r\n\r\n',
    )
    const answer = await rawExchange(passing.port, `${head(`GET ${path}/public/a`, 'Connection: close')}\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([200])
    expect(answer).not.toMatch(/evil|trailer/i)
  })

  it('names in other scripts are passed as the same bytes', async () => {
    const name = Buffer.from('日本.txt').toString('latin1')
    upstream.answerWith(
      `HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="${name}"\r\nContent-Length: 2\r\n\r\nok`,
    )
    const answer = await rawExchange(passing.port, `${head(`GET ${path}/public/a`, 'Connection: close')}\r\n\r\n`)
    expect(answer).toContain(`content-disposition: attachment; filename="${name}"`)
  })

  it('a flood of 1xx is between the two of us', async () => {
    upstream.answerWith('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(50), okAnswer)
    const answer = await rawExchange(passing.port, `${head(`GET ${path}/public/a`, 'Connection: close')}\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([200])
  })
})
