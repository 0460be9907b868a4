import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isBrokerError } from '../../lib/errors.ts'
import { cookieValue } from '../../lib/http/cookies.ts'
import { refuseCrossSite } from '../../lib/http/csrf.ts'
import { contentSecurityPolicy, newNonce, securityHeaders } from '../../lib/http/headers.ts'
import { asBrokerError, problemResponse } from '../../lib/http/problem.ts'
import { addressKey, bodyCap, clientAddress, readBody, readQuery } from '../../lib/http/request.ts'
import { growth, linearGrowth } from '../support/linear.ts'

const origin = 'https://keys.example.com'
const outcome = (headers: Record<string, string>) => {
  try {
    refuseCrossSite(new Headers(headers), origin)
    return 'allowed'
  } catch (error) {
    return isBrokerError(error) ? error.code : error
  }
}

test('C-01: a change is refused unless the browser says same-origin', () => {
  expect(outcome({ 'sec-fetch-site': 'same-origin', origin, 'x-valetkey': '1' })).toBe('allowed')
  for (const site of ['cross-site', 'same-site', 'none', 'Same-Origin', 'same-origin, same-origin', 'x'])
    expect(outcome({ 'sec-fetch-site': site, origin, 'x-valetkey': '1' })).toBe('cross_site')
})

test('C-02: without fetch metadata only the exact origin passes', () => {
  expect(outcome({ origin, 'x-valetkey': '1' })).toBe('allowed')
  expect(outcome({ 'x-valetkey': '1' })).toBe('cross_site')
  expect(outcome({ 'x-valetkey': '1', referer: `${origin}/t/acme` })).toBe('cross_site')
  const lookAlikes = [
    'null',
    'http://keys.example.com',
    'https://keys.example.com:8443',
    'https://keys.example.com.',
    'https://keys.example.com/',
    'https://keys.example.com.evil.test',
    'https://evil-keys.example.com',
    'https://evilkeys.example.com',
    'https://example.com',
    'https://sub.keys.example.com',
    'https://keys.example.comx',
    'https://keys.example.com@evil.test',
    'https://KEYS.example.com',
    'https://keys.example.com, https://keys.example.com',
    'file://',
    'chrome-extension://abc',
    'https://',
    '*',
    'keys.example.com',
    '//keys.example.com',
  ]
  for (const claimed of lookAlikes) {
    expect(outcome({ origin: claimed, 'x-valetkey': '1' }), claimed).toBe('cross_site')
    expect(outcome({ origin: claimed, 'x-valetkey': '1', 'sec-fetch-site': 'same-origin' }), claimed).toBe('cross_site')
  }
})

test('C-03: a change needs the custom header', () => {
  expect(outcome({ origin, 'sec-fetch-site': 'same-origin' })).toBe('cross_site')
  expect(outcome({ origin, 'sec-fetch-site': 'same-origin', 'x-valetkey': '0' })).toBe('cross_site')
})

test('C-08: the policy allows scripts by nonce alone', () => {
  const policy = contentSecurityPolicy('abc')
  const directives = new Map(policy.split('; ').map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]))
  expect(directives.get('script-src')).toBe("'nonce-abc' 'strict-dynamic'")
  for (const name of ['object-src', 'base-uri', 'frame-ancestors']) expect(directives.get(name)).toBe("'none'")
  expect(directives.get('form-action')).toBe("'self'")
  expect(directives.get('report-uri')).toBe('/api/v1/csp-reports')
})

test('C-08: nonces are 128 random bits and never repeat', () => {
  const nonces = Array.from({ length: 1000 }, newNonce)
  expect(new Set(nonces).size).toBe(1000)
  expect(Buffer.from(nonces[0] ?? '', 'base64')).toHaveLength(16)
})

test('C-09: transport security lasts a year and covers subdomains', () => {
  const [, age] = securityHeaders['strict-transport-security'].match(/max-age=(\d+)/) ?? []
  expect(Number(age)).toBeGreaterThanOrEqual(31_536_000)
  expect(securityHeaders['strict-transport-security']).toContain('includeSubDomains')
})

test('B-02: the address comes from the trusted hop, whatever the client writes', () => {
  const peer = '203.0.113.9'
  const spoofs = ['1.2.3.4', '1.2.3.4, 5.6.7.8', '', ' , ,', 'unknown', '[::1]', '127.0.0.1:80', 'a'.repeat(5000)]
  for (const spoof of spoofs) expect(clientAddress(peer, spoof, 0)).toBe(peer)
  expect(clientAddress(peer, '6.6.6.6, 198.51.100.7', 1)).toBe('198.51.100.7')
  expect(clientAddress(peer, '6.6.6.6, 198.51.100.7, 10.0.0.1', 2)).toBe('198.51.100.7')
  expect(clientAddress(peer, 'nonsense', 1)).toBe(peer)
  expect(clientAddress('::ffff:203.0.113.9', undefined, 0)).toBe(peer)
})

test('B-02: an IPv6 address counts as its /64, in every spelling', () => {
  const spellings = ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:0db8::0001', '2001:db8::ffff:1', '2001:db8::1.2.3.4']
  expect(new Set(spellings.map(addressKey))).toEqual(new Set(['2001:db8:0:0::/64']))
  expect(addressKey('2001:db8:0:1::1')).not.toBe(addressKey('2001:db8::1'))
  expect(addressKey('::ffff:192.0.2.1')).toBe(addressKey('192.0.2.1'))
  expect(addressKey('::ffff:c000:201')).toBe('192.0.2.1')
  expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
})

test('B-02: every IPv6 address keeps its first four groups as its key', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const key = addressKey(address)
      expect(key).toMatch(/^([0-9a-f]{1,4}:){3}[0-9a-f]{1,4}::\/64$|^\d+\.\d+\.\d+\.\d+$/)
    }),
  )
})

test.each([
  ['a name', (blanks: string) => `a${blanks}b=c`],
  ['a value', (blanks: string) => `__Host-valetkey-session=a${blanks}b`],
])('S-13: blanks within %s of a cookie cost no more than other characters', async (_, cookieOf) => {
  const headers = (length: number) => new Headers({ cookie: cookieOf(' \t'.repeat(length / 2)) })
  // As many as a request may ask about its cookies, and some.
  const read = (given: Headers) => Array.from({ length: 20 }, () => cookieValue(given, 'session'))
  expect(await growth((length) => read(headers(length)), 16_000)).toBeLessThan(linearGrowth)
})

test('V-09: a token in a query is refused, and so is a repeated parameter', () => {
  for (const query of ['access_token=a', 'token=a', 'x=1&x=2', 'x=1&x=1'])
    expect(() => readQuery(`http://localhost/api?${query}`), query).toThrow()
  expect(readQuery('http://localhost/api?state=live&after=tok_1')).toEqual({ state: 'live', after: 'tok_1' })
})

test('IV-08: a NUL in a query is refused with the parameter that holds it, in its name as in its value', () => {
  for (const [query, field] of [
    ['before=a%00b', 'before'],
    ['x=1&%00=2', '\0'],
  ] as const) {
    const error = (() => {
      try {
        return readQuery(`http://localhost/api?${query}`)
      } catch (refusal) {
        return refusal
      }
    })()
    expect(error).toMatchObject({ code: 'bad_request', fields: { [field]: expect.any(String) } })
  }
})

const streamed = (bytes: number) =>
  new Request('http://localhost/', {
    method: 'POST',
    duplex: 'half',
    body: new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < bytes; sent += 1024) controller.enqueue(new Uint8Array(1024).fill(32))
        controller.close()
      },
    }),
  } as RequestInit)

test('a body is cut at the cap by what arrives, not by what is announced', async () => {
  await expect(readBody(streamed(bodyCap))).resolves.toHaveLength(bodyCap)
  await expect(readBody(streamed(bodyCap + 1024))).rejects.toMatchObject({ code: 'too_large' })
  const announced = new Request('http://localhost/', { method: 'POST', headers: { 'content-length': '999999' } })
  await expect(readBody(announced)).rejects.toMatchObject({ code: 'too_large' })
})

test('a body that is not UTF-8 is a bad request', async () => {
  const request = new Request('http://localhost/', { method: 'POST', body: new Uint8Array([0xff, 0xfe]) })
  await expect(readBody(request)).rejects.toMatchObject({ code: 'bad_request' })
})

test('E-01: an unexpected error tells its request id and nothing else', async () => {
  const error = asBrokerError(new Error('SELECT secret FROM "session" at /srv/app.js:1'))
  const response = problemResponse(error, 'req_1')
  expect(response.status).toBe(500)
  expect(await response.json()).toEqual({
    type: 'urn:valetkey:error:internal',
    title: 'Something went wrong in Valetkey',
    status: 500,
    code: 'internal',
    next: 'Try again. If it keeps failing, give the operator the request id.',
    request_id: 'req_1',
  })
})

test('an outage is 503, says when to come back and touches no cookie', () => {
  const response = problemResponse(asBrokerError(Object.assign(new Error('down'), { code: 'ECONNREFUSED' })), 'req_1')
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(response.headers.get('set-cookie')).toBeNull()
})
