import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodings, formsOf, makeSearch, shortestPiece } from '../support/traces.ts'

const secrets: Record<string, string> = {
  'an opaque token': `880231-${randomBytes(30).toString('base64url')}`,
  'a token with every kind of character': `~!@#$%^&*()+={}[]|\\:;"'<>,.?/ -_${randomBytes(24).toString('base64')}`,
  'a signed token': [{ alg: 'RS256' }, { sub: 'acct-3001' }, randomBytes(64).toString('hex')]
    .map((part) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url'))
    .join('.'),
}
// In these every piece has what one spelling alone changes: the two characters in which base64 and base64url differ, what
// has to be escaped, and letters in the hexadecimal digits.
secrets['a token full of the last two characters of base64'] = '?>'.repeat(24)
secrets['a token full of what is escaped'] = '"/&\\'.repeat(12)
secrets['a token full of what a query escapes, between letters'] = 'A/b+'.repeat(12)
secrets['a token full of letters among its digits'] = 'jklmnoJKLMNO'.repeat(4)
const search = makeSearch(new Map(Object.entries(secrets).map(([name, secret]) => [secret, name])))

/** How others write a secret that stands among something else; nothing here is the searcher's. */
const writers: Record<string, (secret: string, before: string, after: string) => string> = {
  plain: (secret, before, after) => before + secret + after,
  'a query': (secret, before, after) => new URLSearchParams({ [before]: secret, x: after }).toString(),
  'a query with escapes in lower case': (secret) =>
    encodeURIComponent(secret).replace(/%../g, (one) => one.toLowerCase()),
  'every byte percent-encoded': (secret) => secret.replace(/./gs, (one) => `%${Buffer.from(one).toString('hex')}`),
  'every byte percent-encoded, upper case': (secret) =>
    secret.replace(/./gs, (one) => `%${Buffer.from(one).toString('hex').toUpperCase()}`),
  JSON: (secret, before, after) => JSON.stringify({ [before]: secret, after }),
  'JSON in JSON': (secret, before, after) => JSON.stringify({ body: JSON.stringify({ [before]: secret, after }) }),
  'JSON of PHP': (secret) => JSON.stringify({ secret }).replaceAll('/', '\\/'),
  'JSON in \\u escapes': (secret) =>
    secret.replace(/./gs, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`),
  hex: (secret, before, after) => Buffer.from(before + secret + after).toString('hex'),
  'hex in upper case': (secret, before, after) =>
    Buffer.from(before + secret + after)
      .toString('hex')
      .toUpperCase(),
  base64: (secret, before, after) => Buffer.from(before + secret + after).toString('base64'),
  base64url: (secret, before, after) => Buffer.from(before + secret + after).toString('base64url'),
}
const surroundings = ['', 'a', 'ab', 'abc', 'Bearer ', '{"access_token":"'].flatMap((before) =>
  ['', 'x', 'xy', 'xyz', '"}'].map((after) => [before, after] as const),
)

describe.each(Object.entries(secrets))('of %s', (name, secret) => {
  test.each(Object.entries(writers))('a trace as %s is found, whatever stands around it', (_, write) => {
    for (const [before, after] of surroundings) {
      const text = `${randomBytes(40).toString('latin1')}${write(secret, before, after)}\n`
      expect(
        search.in(text).map((trace) => trace.name),
        `between "${before}" and "${after}"`,
      ).toContain(name)
    }
  })

  test('a piece is found wherever it was cut, in each encoding', () => {
    for (const [encoding, spell] of Object.entries(encodings))
      for (const text of spell(secret))
        for (let at = 0; at + shortestPiece(secret, text) <= text.length; at += 7) {
          const piece = text.slice(at, at + shortestPiece(secret, text))
          expect(
            search.in(`…${piece}…`).map((trace) => trace.name),
            `${encoding} ${piece}`,
          ).toContain(name)
        }
  })

  test('what is not there is not found', () => {
    expect(search.in(randomBytes(2_000_000))).toEqual([])
    expect(search.in(randomBytes(500_000).toString('base64'))).toEqual([])
    expect(search.in(randomBytes(500_000).toString('hex'))).toEqual([])
  })
})

test('every encoding is looked for, and each in every alignment', () => {
  expect(Object.keys(encodings)).toEqual([
    'plain',
    'percent-encoded',
    'JSON escapes',
    'hex',
    'hex in upper case',
    ...['base64', 'base64url'].flatMap((name) => [0, 1, 2].map((bytes) => `${name}, ${bytes} bytes in`)),
  ])
  for (const secret of Object.values(secrets)) expect(new Set(formsOf(secret)).size).toBe(formsOf(secret).length)
})
