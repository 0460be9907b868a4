import { describe, expect, it } from 'vitest'
import { scan } from '../../lib/security/scan.ts'
import { newToken, tokenKinds } from '../../lib/security/secrets.ts'
import { growth, linearGrowth } from '../support/linear.ts'

const others = (text: string) => [...scan(text).others.keys()]

describe('tokens of ours are found by prefix, length and checksum', () => {
  it.each(tokenKinds)('LD-01 %s, whatever stands around it', (kind) => {
    const value = newToken(kind).reveal()
    for (const text of [
      value,
      `"${value}"`,
      `?a=${value}&b`,
      `${value}${value}`,
      `x${value}-_x`,
      `a\n\nb ${value}, c`,
    ]) {
      const seen = scan(text)
      expect([...seen.own.keys()], text.slice(0, 4)).toEqual([value])
      expect(seen.damaged).toBe(0)
    }
    expect(scan(`a\r\nb\n${value}`).own.get(value)?.places).toEqual(new Set(['line 3']))
  })

  it('LD-01: one that is cut off or mistyped is counted and not looked up', () => {
    const value = newToken('px').reveal()
    const wrong = `${value.slice(0, -1)}${value.endsWith('A') ? 'B' : 'A'}`
    const seen = scan(`${value.slice(0, 30)} ${wrong}`)
    expect([seen.own.size, seen.damaged, seen.others.size]).toEqual([0, 2, 0])
  })
})

describe('what may be a token of an upstream', () => {
  const token = '10231-88-a8Xb2kQ0pLmN4rT6vWz'
  it.each([
    token,
    `Authorization: Bearer ${token}`,
    `KBC_TOKEN=${token}`,
    `X-StorageApi-Token: ${token}\r\n`,
    `https://host.example/path?token=${token}&x=1`,
    `{"token":"${token}"`,
    `the token ${token}.`,
    `user:${token}@host`,
  ])('LD-02 is found in %s', (text) => {
    expect(others(text)).toContain(token)
  })

  it('LD-02: words and paths are not looked up', () => {
    expect(others('a-rather-long-word-in-a-log /usr/share/somewhere/else incomprehensibilities')).toEqual([])
  })
})

describe('reports of scanners', () => {
  const value = newToken('at').reveal()
  it('LD-03: SARIF tells its own places', () => {
    const sarif = {
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'a scanner' } },
          results: [
            {
              message: { text: `found ${value}` },
              locations: [{ physicalLocation: { artifactLocation: { uri: 'src/app.py' }, region: { startLine: 12 } } }],
            },
          ],
        },
      ],
    }
    const seen = scan(JSON.stringify(sarif, null, 2))
    expect(seen.format).toBe('sarif')
    expect(seen.own.get(value)?.places).toEqual(new Set(['src/app.py:12']))
  })

  it('LD-03: so does JSON of Gitleaks, with escapes undone, and each line of TruffleHog', () => {
    const escaped = value.replace('v', '\\u0076')
    const gitleaks = `[{"RuleID":"valetkey","StartLine":3,"File":"deploy.sh","Secret":"${escaped}"}]`
    expect(scan(gitleaks).own.get(value)?.places).toEqual(new Set(['deploy.sh:3']))
    const trufflehog = `{"SourceMetadata":{"Data":{"Git":{"file":"a.env","line":7}}},"Raw":"${escaped}"}\n`
    const seen = scan(`starting\n${trufflehog}`)
    expect([seen.format, seen.own.get(value)?.places]).toEqual(['text', new Set(['a.env:7'])])
  })

  it('LD-03: what looks like JSON and is none, or is too deep, is read as text', () => {
    for (const text of [`{"a": ${value}`, `${'['.repeat(100_000)}"${value}"`])
      expect(scan(text).own.has(value)).toBe(true)
  })
})

describe('bounds', () => {
  it('LD-04: more values than are looked at are told of', () => {
    const many = Array.from({ length: 10_050 }, (_, n) => `abcdefghijklmnop${n}`).join(' ')
    const seen = scan(many)
    expect([seen.others.size, seen.isCut]).toEqual([10_000, true])
    const own = scan(Array.from({ length: 1_001 }, () => newToken('px').reveal()).join('\n'))
    expect([own.own.size, own.isCut]).toEqual([1_000, true])
  })

  it.each([
    ['prefixes', 'vk_px_'],
    ['one run', 'aB1'],
    ['equals signs', 'aB1='],
    ['slashes', '/'],
    ['dots', 'a.'],
    ['short runs', 'abcdefghijklmn1 '],
    ['brackets', '['],
    ['JSON', '{"a":"b"}\n'],
    ['quotes', '"'],
  ])(
    'LD-04: a megabyte of %s takes linear time',
    async (_, piece) => {
      const textOf = (length: number) => piece.repeat(Math.ceil(length / piece.length))
      expect(await growth((length) => scan(textOf(length)), 1_000_000)).toBeLessThan(linearGrowth)
    },
    30_000,
  )

  it('LD-04: so does a place that is as long as the text, beside thousands of values', async () => {
    const textOf = (length: number) => {
      const values = Array.from({ length: length / 100 }, (_, n) => `abcdefghijklmnop${n}`)
      return JSON.stringify({ file: 'a b'.repeat(length / 6), values })
    }
    expect(await growth((length) => scan(textOf(length)), 600_000)).toBeLessThan(linearGrowth)
  })

  it('LD-04: places are plain, short and few', () => {
    const value = newToken('px').reveal()
    const file = `${'x'.repeat(500)}\u202e\n`
    const seen = scan(
      JSON.stringify([
        { File: file, Secret: value },
        ...Array.from({ length: 50 }, (_, n) => ({ File: `f${n}`, Secret: value })),
      ]),
    )
    const places = [...(seen.own.get(value)?.places ?? [])]
    expect(places).toHaveLength(20)
    expect(places[0]).toBe('x'.repeat(200))
    expect(seen.own.get(value)?.times).toBe(51)
  })
})
