import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { reachOf } from '../../lib/security/addresses.ts'
import { isJson, isModestJson, isStorable, isStorableJson, unstorablePath } from '../../lib/security/json.ts'
import { assertOutboundUrl, isOutboundError, type OutboundPolicy, outboundLimits } from '../../lib/security/outbound.ts'
import { ipv4Rows, ipv6Rows } from '../../lib/security/special-purpose.ts'

const closed: OutboundPolicy = { loopback: false, internalHosts: [] }
const onLoopback: OutboundPolicy = { loopback: true, internalHosts: [] }
const withInternal: OutboundPolicy = {
  loopback: false,
  internalHosts: ['keycloak', 'idp.corp.internal', '10.1.0.0/16', 'fd12:3456::/32', '0.0.0.0/1', '::ffff:0:0/96'],
}

/** Whether a URL passes; a refusal has one form, whatever its reason. */
function passes(url: string, policy = closed): boolean {
  try {
    assertOutboundUrl(url, policy)
    return true
  } catch (error) {
    if (!isOutboundError(error)) throw error
    expect(error).toMatchObject({ message: 'No connection', reached: false })
    return false
  }
}

// Arithmetic of its own, so that a slip in the library or in how it is called shows.
const bitsOf = (address: string) => (address.includes(':') ? 128n : 32n)
function toNumber(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => text.split(':').filter(Boolean)
  const zeros = Array<string>(8 - groups(head).length - groups(tail).length).fill('0')
  const all = address.includes('::') ? [...groups(head), ...zeros, ...groups(tail)] : groups(address)
  return all.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n)
}
function toAddress(value: bigint, bits: bigint): string {
  const size = bits === 32n ? 8n : 16n
  const parts = Array.from({ length: Number(bits / size) }, (_, at) => {
    const part = (value >> (bits - size * BigInt(at + 1))) & ((1n << size) - 1n)
    return part.toString(bits === 32n ? 10 : 16)
  })
  return parts.join(bits === 32n ? '.' : ':')
}
function rangeOf(block: string): { bits: bigint; first: bigint; last: bigint } {
  const [start = '', length = ''] = block.split('/')
  const bits = bitsOf(start)
  const free = bits - BigInt(length)
  const first = (toNumber(start) >> free) << free
  return { bits, first, last: first + (1n << free) - 1n }
}

/**
 * What must be refused, as first and last address, beside the reach of the neighbours below and above: `+` global,
 * `-` refused, `.` no such address. Written out, not derived from the rows: a row that disappears is missed here.
 */
const refused: [block: string, below: string, above: string][] = [
  ['0.0.0.0/8', '.', '+'],
  ['0.0.0.0/32', '.', '-'],
  ['10.0.0.0/8', '+', '+'],
  ['100.64.0.0/10', '+', '+'],
  ['100.100.100.200/32', '-', '-'],
  ['127.0.0.0/8', '+', '+'],
  ['168.63.129.16/32', '+', '+'],
  ['169.254.0.0/16', '+', '+'],
  ['172.16.0.0/12', '+', '+'],
  ['192.0.0.0/24', '+', '+'],
  ['192.0.0.0/29', '+', '-'],
  ['192.0.0.8/32', '-', '-'],
  ['192.0.0.9/32', '-', '-'],
  ['192.0.0.10/32', '-', '-'],
  ['192.0.0.170/31', '-', '-'],
  ['192.0.0.192/32', '-', '-'],
  ['192.0.2.0/24', '+', '+'],
  ['192.88.99.0/24', '+', '+'],
  ['192.88.99.2/32', '-', '-'],
  ['192.168.0.0/16', '+', '+'],
  ['198.18.0.0/15', '+', '+'],
  ['198.51.100.0/24', '+', '+'],
  ['203.0.113.0/24', '+', '+'],
  ['224.0.0.0/4', '+', '-'],
  ['240.0.0.0/4', '-', '.'],
  ['255.255.255.255/32', '-', '.'],
  ['::/128', '.', '-'],
  ['::1/128', '-', '-'],
  ['::/96', '.', '-'],
  ['::ffff:0:0/96', '-', '-'],
  ['::ffff:0:0:0/96', '-', '-'],
  ['64:ff9b::/96', '-', '-'],
  ['64:ff9b:1::/48', '-', '-'],
  ['100::/64', '-', '-'],
  ['100:0:0:1::/64', '-', '-'],
  ['::/3', '.', '+'],
  ['2001::/23', '+', '+'],
  ['2001::/32', '+', '-'],
  ['2001:1::1/128', '-', '-'],
  ['2001:1::2/128', '-', '-'],
  ['2001:1::3/128', '-', '-'],
  ['2001:2::/48', '-', '-'],
  ['2001:10::/28', '-', '+'],
  ['2001:db8::/32', '+', '+'],
  ['2002::/16', '+', '+'],
  ['3fff::/20', '+', '+'],
  ['4000::/2', '+', '-'],
  ['5f00::/16', '-', '-'],
  ['8000::/1', '-', '.'],
  ['fc00::/7', '-', '-'],
  ['fd00:ec2::/32', '-', '-'],
  ['fd20:ce::254/128', '-', '-'],
  ['fe80::/10', '-', '-'],
  ['fec0::/10', '-', '-'],
  ['ff00::/8', '-', '.'],
]
/** Blocks of the registries that are reachable globally, most of them inside a larger one that is not. */
const reachable = [
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.175.48.0/24',
  '2001:3::/32',
  '2001:4:112::/48',
  '2001:20::/28',
  '2001:30::/28',
  '2620:4f:8000::/48',
]
/** Where no setting helps. */
const never = [
  '0.0.0.0',
  '169.254.169.254',
  '169.254.170.2',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::ffff:10.1.0.1',
  '::10.1.0.1',
  '64:ff9b::a01:1',
  '64:ff9b:1::a01:1',
  '2002:a01:1::',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fe80::1',
  'ff02::1',
]

const isGlobal = (address: string) => reachOf(address) === 'global'
const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address)

describe('addresses', () => {
  it.each(refused)(
    'F-02 F-03: %s is refused from its first to its last address, its neighbours as they are',
    (...row) => {
      const [block, below, above] = row
      const { bits, first, last } = rangeOf(block)
      for (const address of [first, first + (last - first) / 3n, last].map((value) => toAddress(value, bits))) {
        expect(isGlobal(address), address).toBe(false)
        expect(passes(`https://${bracketed(address)}/`), address).toBe(false)
      }
      for (const [mark, value] of [
        [below, first - 1n],
        [above, last + 1n],
      ] as const)
        if (mark !== '.') expect(isGlobal(toAddress(value, bits)), toAddress(value, bits)).toBe(mark === '+')
    },
  )

  it.each(reachable)('F-02 F-03: %s is reachable, as the registry says', (block) => {
    const { bits, first, last } = rangeOf(block)
    expect([first, last].map((value) => reachOf(toAddress(value, bits)))).toEqual(['global', 'global'])
  })

  it('every row of the tables is one of those above', () => {
    const known = new Set([...refused.map(([block]) => block), ...reachable, '0.0.0.0/0', '::/0', '2000::/3'])
    expect([...ipv4Rows, ...ipv6Rows].map(({ block }) => block).filter((block) => !known.has(block))).toEqual([])
  })

  it('F-02 F-03: of several blocks the longest decides, for any address', () => {
    const rows = [...ipv4Rows, ...ipv6Rows].map((row) => ({ ...row, ...rangeOf(row.block) }))
    const anyIn = fc
      .constantFrom(...rows)
      .chain(({ bits, first, last }) => fc.bigInt({ min: first, max: last }).map((value) => ({ bits, value })))
    fc.assert(
      fc.property(anyIn, ({ bits, value }) => {
        const holding = rows.filter((row) => row.bits === bits && row.first <= value && value <= row.last)
        const [longest] = holding.sort((a, b) => Number(a.last - a.first - (b.last - b.first) > 0n) || -1)
        expect(reachOf(toAddress(value, bits))).toBe(longest?.reach)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each(never)('F-02 F-03: no setting opens %s', (address) => {
    expect(reachOf(address)).toBe('never')
    expect(passes(`https://${bracketed(address)}/`, withInternal)).toBe(false)
    expect(passes(`https://${bracketed(address)}/`, onLoopback)).toBe(false)
  })

  it.each(['', 'localhost', '1.2.3', '0x7f.1', 'fe80::1%eth0', '1.2.3.4.5', 'example.com'])(
    'F-03: %j is no address, or one with a zone, and not reached',
    (text) => expect(reachOf(text)).toBe('never'),
  )
})

describe('URLs', () => {
  it.each([
    'https://example.com',
    'https://example.com:443/token',
    'https://EXAMPLE.com:8443/a?b=c',
    'https://example.com:65535/',
    'https://xn--bcher-kva.example/',
    'https://bücher.example/',
    'https://1.1.1.1/',
    'https://[2606:4700::1111]/',
    'https://a-b.c1.example/',
  ])('F-01: %s may be called', (url) => expect(passes(url)).toBe(true))

  it.each([
    ['another scheme', 'http://example.com/'],
    ['another scheme', 'file:///etc/passwd'],
    ['another scheme', 'gopher://example.com/'],
    ['another scheme', 'ftp://example.com/'],
    ['another scheme', 'data:application/json,{}'],
    ['another scheme', 'blob:https://example.com/1'],
    ['another scheme', 'javascript:alert(1)'],
    ['another scheme', 'ws://example.com/'],
    ['another port', 'https://example.com:22/'],
    ['another port', 'https://example.com:80/'],
    ['another port', 'https://example.com:0/'],
    ['another port', 'https://example.com:1023/'],
    ['another port', 'https://example.com:5432/'],
    ['another port', 'https://example.com:6379/'],
    ['another port', 'https://example.com:6667/'],
    ['another port', 'https://example.com:27017/'],
    ['no port', 'https://example.com:65536/'],
    ['no port', 'https://example.com:-1/'],
    ['userinfo', 'https://a@example.com/'],
    ['userinfo', 'https://a:b@example.com/'],
    ['userinfo', 'https://example.com@evil.example/'],
    ['a fragment', 'https://example.com/#a'],
    ['a fragment', 'https://example.com/#'],
    ['no host', 'https://'],
    ['no host', 'https:///'],
    ['no host', ''],
    ['no host', '/token'],
    ['an odd host', 'https://exa mple.com/'],
    ['an odd host', 'https://example..com/'],
    ['an odd host', 'https://.example.com/'],
    ['an odd host', 'https://-a.example/'],
    ['an odd host', 'https://a-.example/'],
    ['an odd host', 'https://*.example/'],
    ['an odd host', 'https://a_b.example/'],
    ['an odd host', "https://a'b.example/"],
    ['an odd host', `https://${'a'.repeat(64)}.example/`],
    ['an odd host', `https://${'a.'.repeat(130)}example/`],
    ['an odd host', 'https://exam%00ple.com/'],
  ])('F-01: %s is refused: %s', (_, url) => {
    expect(passes(url)).toBe(false)
    expect(passes(url, onLoopback)).toBe(false)
  })

  const local = [
    'localhost',
    'LOCALHOST',
    'localhost.',
    'app.localhost',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    'loc%61lhost',
    'metadata',
    'instance-data',
    'metadata.google.internal',
    'metadata.google.internal.',
    'Metadata.Google.Internal',
    'metadata。google。internal',
    'instance-data.ec2.internal',
    'printer.local',
    'box.localdomain',
    'nas.home.arpa',
    'router.lan',
    'hidden.onion',
    'example.com.',
    'postgres',
  ]
  it.each(local)('F-02: the name %s is local and refused', (host) => expect(passes(`https://${host}/`)).toBe(false))

  it.each([
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0x7F.1',
    '017700000001',
    '0177.0.0.01',
    '127.1',
    '127.0.1',
    '127.0.0.1.',
    '１２７.０.０.１',
    '127。0。0。1',
    '0',
    '0x0',
    '10.1',
    '0xa9fea9fe',
    '169.254.43518',
    '0251.0376.0251.0376',
    '2852039166',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:8.8.8.8]',
    '[::127.0.0.1]',
    '[::7f00:1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b:1::a9fe:a9fe]',
    '[2002:7f00:1::]',
    '[2001:0:7f00:1::]',
    '[fe80::1]',
    '[fe80::1%25eth0]',
    '[fec0::1]',
    '[fd00::1]',
  ])('F-02 F-03: the spelling %s of an address is refused', (host) => {
    expect(passes(`https://${host}/`)).toBe(false)
    expect(passes(`http://${host}/`)).toBe(false)
  })

  it('loopback is open to a loopback instance, by any scheme of the web and any port, and nothing else is', () => {
    for (const host of ['localhost', '127.0.0.1', '127.0.0.2', '[::1]'])
      for (const url of [`http://${host}:5432/a`, `https://${host}/`]) {
        expect(passes(url, onLoopback), url).toBe(true)
        expect(passes(url), url).toBe(false)
      }
    for (const url of ['http://example.com/', 'https://10.0.0.1/', 'https://app.localhost/', 'ftp://localhost/'])
      expect(passes(url, onLoopback), url).toBe(false)
  })

  it('what the operator names inside their network may be called, by https and on ports of web servers', () => {
    for (const url of [
      'https://keycloak:8443/',
      'https://idp.corp.internal/',
      'https://10.1.2.3/',
      'https://[fd12:3456::1]/',
    ])
      expect([passes(url, withInternal), passes(url)], url).toEqual([true, false])
    for (const url of ['http://keycloak/', 'https://keycloak:5432/', 'https://other/'])
      expect(passes(url, withInternal), url).toBe(false)
    expect(passes('https://[fd12:3457::1]/', withInternal)).toBe(false)
    expect(passes('https://192.168.1.1/', withInternal)).toBe(false)
  })
})

describe('limits', () => {
  it('F-06: nothing is waited for longer than 6 s, and a whole call stays under the lease of a refresh', () => {
    const { connectMs, headersMs, bodyMs, headerBytes, bodyBytes } = outboundLimits
    expect(Math.max(connectMs, headersMs, bodyMs)).toBeLessThan(6_000)
    expect(connectMs).toBeLessThan(headersMs)
    expect(headersMs + bodyMs).toBeLessThanOrEqual(10_000)
    expect([headerBytes, bodyBytes]).toEqual([16_384, 1_048_576])
  })

  const modest = (text: string) => isModestJson(new TextEncoder().encode(text))
  const nested = (depth: number, open = '[', shut = ']') => open.repeat(depth) + shut.repeat(depth)
  const wide = (keys: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: keys }, (_, at) => [`k${at}`, {}])))

  it('F-06: JSON is 32 deep at most, with 1,000 keys in an object', () => {
    expect([modest(nested(32)), modest(nested(33))]).toEqual([true, false])
    expect([modest(nested(32, '{"a":', '}')), modest(nested(33, '{"a":', '}'))]).toEqual([true, false])
    expect([modest(wide(1_000)), modest(wide(1_001))]).toEqual([true, false])
    expect(modest(nested(500_000))).toBe(false)
  })

  it('F-06: what stands in strings does not count, and lists may be long', () => {
    expect(modest(JSON.stringify({ a: '{['.repeat(100), b: '"\\":'.repeat(2_000) }))).toBe(true)
    expect(modest(JSON.stringify(Array.from({ length: 5_000 }, (_, id) => ({ id, name: 'a' }))))).toBe(true)
  })

  it('F-06: any honest document passes, whatever its strings hold', () => {
    fc.assert(fc.property(fc.json({ maxDepth: 8 }), (text) => modest(text)))
  })

  it('F-06: what no text can hold is found wherever it stands, and nothing else is', () => {
    const units = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 0xd83d, 0xde00))
    const text = fc.array(units, { maxLength: 6 }).map((codes) => String.fromCharCode(...codes))
    const document = fc.letrec((tie) => ({
      any: fc.oneof(text, fc.array(tie('any'), { maxLength: 3 }), fc.dictionary(text, tie('any'), { maxKeys: 3 })),
    })).any
    /** Every text of a document, by a way of its own. */
    const textsIn = (value: unknown): string[] =>
      typeof value === 'string' ? [value] : Object.entries(value as object).flatMap(([k, v]) => [k, ...textsIn(v)])
    fc.assert(
      fc.property(document, (value) => {
        const json = JSON.stringify(value)
        const isGood = textsIn(JSON.parse(json)).every((one) => isStorable(one))
        expect(unstorablePath(json, JSON.parse(json)) === undefined).toBe(isGood)
        expect(isStorableJson(new TextEncoder().encode(json))).toBe(isGood)
      }),
    )
    expect(unstorablePath('{"a":[1,{"b":"\\u0000"}]}', { a: [1, { b: '\0' }] })).toBe('a.1.b')
    expect(unstorablePath('"\\ud83d\\ude00 \\\\u0000"', '😀 \\u0000')).toBeUndefined()
  })

  it.each([
    ['application/json', true],
    ['application/json; charset=utf-8', true],
    ['Application/JSON', true],
    ['application/problem+json', true],
    ['text/json', false],
    ['text/html', false],
    ['application/jsonp', false],
    ['text/plain; application/json', false],
    [undefined, false],
  ])('F-06: a body of type %s is read as JSON: %s', (type, expected) => {
    expect(isJson(new Headers(type === undefined ? {} : { 'content-type': type }))).toBe(expected)
  })
})
