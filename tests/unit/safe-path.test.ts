import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { safePath } from '../../lib/http/safe-path.ts'

const origin = 'http://localhost:3000'
const hosts = [
  'evil.example',
  'localhost:3001',
  '[::1]',
  '127.1',
  'xn--vlkey-cua.example',
  'ｅｖｉｌ.example',
  'evil。example',
]
const spaces = ['', ' ', '\t', '\n', '\r', '\0', '\u00a0', '\u2028', '\ufeff', '%09', '%0a', '%0d%0a', '%00']

/** What would leave this origin, or might in some browser, proxy or framework. */
const payloads: Record<string, string[]> = {
  'other schemes': [
    'http',
    'https',
    'HTTPS',
    'javascript',
    'JaVaScRiPt',
    'data',
    'vbscript',
    'file',
    'blob',
    'ftp',
    'ws',
    'about',
  ].flatMap((scheme) =>
    spaces.map((space) => `${space}${scheme}:${scheme === 'javascript' ? 'alert(1)' : '//evil.example/'}`),
  ),
  'scheme-relative': hosts.flatMap((host) => spaces.map((space) => `${space}//${host}/t/acme`)),
  backslashes: hosts.flatMap((host) =>
    ['\\\\', '/\\', '\\/', '/\\/', '/\\\\', '\\', '/t\\..\\'].map((lead) => `${lead}${host}/`),
  ),
  'encoded slashes': hosts.flatMap((host) =>
    ['/%2f', '/%2F', '/%5c', '/%5C', '/%252f', '/%255c', '/t/%2f', '/%2e%2e//', '/.%2e//'].map(
      (lead) => `${lead}${host}/`,
    ),
  ),
  'user info': hosts.flatMap((host) => [
    `//a@${host}`,
    `http://localhost:3000@${host}/`,
    `https:${host}`,
    `//${host}\\@localhost:3000`,
    `@${host}`,
  ]),
  'white space and controls': hosts.flatMap((host) => spaces.slice(1).map((space) => `/${space}/${host}`)),
  'controls behind a path': spaces
    .slice(1)
    .flatMap((space) => [`/t/acme${space}`, `/t/${space}acme`, `/t/acme?a=${space}`]),
  'doubled slashes': hosts.flatMap((host) => [
    `/t//${host}`,
    `///${host}`,
    `////${host}`,
    `/.//${host}`,
    `/..//${host}`,
    `/t/..//${host}`,
  ]),
  'dot segments': ['/..', '/../', '/./', '/t/../signin', '/t/.', '/t/..', '/%2e', '/t/%2e%2e/x', '/t/%2E./x'],
  'not a path': [
    '',
    't/acme',
    '.',
    '?x=1',
    '#x',
    '*',
    '/#x',
    '/t/acme#//evil.example',
    '/t/acme<script>',
    '/t/"onload="',
    '/t/`x`',
    '/t/{x}',
    '/t/a|b',
    '/t/a^b',
  ],
  'not decodable': ['/%', '/%zz', '/t/%c0%ae', '/t/%ff', '/t/%ed%a0%80', '/t?x=%', '/t?x=%c0%80'],
  'not ASCII': ['/t/ａcme', '/／evil.example', '/\u2215evil.example', '/t/acme\u202e', '/t/\ud800'],
  'the API': ['/api', '/api/', '/api/auth/signout', '/API/auth/signout', '/api/v1/me', '/api?x=1'],
  'very long': [
    `/${'a'.repeat(3072)}`,
    `/t?x=${'&'.repeat(1500)}`,
    `/t?x=${'a'.repeat(5000)}`,
    `/${'%20'.repeat(100_000)}`,
  ],
}
const generated = Object.entries(payloads).flatMap(([category, list]) =>
  list.flatMap((payload) =>
    [payload, `${payload}?next=/t/acme`, `${payload}&x=//evil.example`].map((one) => [category, one] as const),
  ),
)

describe('L-12: a way back stays on this origin', () => {
  test('L-12: there are at least 800 payloads', () => {
    expect(new Set(generated.map(([, payload]) => payload)).size).toBeGreaterThanOrEqual(800)
  })

  test.each(Object.keys(payloads))('L-12: %s are refused', (category) => {
    const accepted = generated.filter(([one, payload]) => one === category && safePath(payload) !== undefined)
    expect(accepted).toEqual([])
  })

  test('L-12: what is no string is refused: arrays, objects, numbers, nothing', () => {
    for (const value of [['/t/acme'], ['/t', '/x'], { toString: () => '/t/acme' }, 1, null, undefined, true])
      expect(safePath(value)).toBeUndefined()
  })

  test('L-12 N-25: whatever is accepted resolves to this origin, as it is written', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('/', '\\', '//', '%2f', '..', '?', '#', '@', ':', 'http:', '\t', '\n'),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const value = `/${pieces.join('')}`
        const path = safePath(value)
        if (path === undefined) return
        const url = new URL(path, origin)
        expect(url.origin).toBe(origin)
        expect(url.pathname + url.search).toBe(value)
      }),
      { numRuns: 5000 },
    )
  })

  test('pages of the product are accepted, queries and encoded words included', () => {
    for (const path of [
      '/',
      '/t/acme/projects',
      '/t/acme/tokens?state=live&project=sales%20warehouse',
      '/connect/att_1',
      '/t/acme/x?u=a%2Fb',
    ])
      expect(safePath(path)).toBe(path)
  })
})
