import { expect, test } from 'vitest'
import type { z } from 'zod'
import { jsonSchema } from '../../lib/http/openapi.ts'
import { paramNames, paramsSchema } from '../../lib/http/operation.ts'
import { address, instantGiven, line, name, secret, text } from '../../lib/http/wire/schemas.ts'
import { operations } from '../../lib/http/wire.ts'

const patternOf = (schema: z.ZodType) => String(jsonSchema(schema, 'input').pattern)

test('IV-05: a line of text takes no control and no format character of the Unicode that Node knows, and every other one', () => {
  const [written, unprintable] = [new RegExp(patternOf(line(80)), 'u'), /[\p{Cc}\p{Cf}\u2028\u2029]/u]
  const wrong: string[] = []
  for (let point = 0; point <= 0x10ffff; point += 1) {
    const one = String.fromCodePoint(point)
    // What this Node does not know yet may be refused.
    const expected = unprintable.test(one) || (/\p{Cn}/u.test(one) ? undefined : false)
    if (one.isWellFormed() && written.test(`a${one}b`) === expected) wrong.push(point.toString(16))
  }
  expect(wrong).toEqual([])
})

test('IV-05: what trim() leaves nothing of is no line of text', () => {
  const written = new RegExp(patternOf(line(80)), 'u')
  for (let point = 0; point <= 0xffff; point += 1) {
    const one = String.fromCharCode(point)
    if (one.trim() === '') expect(written.test(one.repeat(3)), point.toString(16)).toBe(false)
  }
  expect(written.test('')).toBe(false)
  expect(line(80).parse('  two words ')).toBe('two words')
})

test.each([
  ['line', line],
  ['secret', secret],
  ['text', text],
] as const)('the longest %s is what its schema says, in the characters that JSON Schema counts', (_, make) => {
  const schema = make(80)
  expect(jsonSchema(schema, 'input').maxLength).toBe(80)
  for (const one of ['x', 'é', '😀']) {
    expect(schema.safeParse(one.repeat(80)).success).toBe(true)
    expect(schema.safeParse(one.repeat(81)).success).toBe(false)
  }
})

test('IV-05: a name has 80 characters, as it is sent and as it is kept, and its schema says so', () => {
  expect(jsonSchema(name, 'input').maxLength).toBe(80)
  expect(name.parse('😀'.repeat(80))).toHaveLength(160)
  for (const long of ['x'.repeat(81), 'ﷺ'.repeat(5), 'ﬃ'.repeat(27)]) expect(name.safeParse(long).success).toBe(false)
  expect(name.parse('ﬁne')).toBe('fine')
})

test('an address is one of another server', () => {
  for (const given of ['https://connection.example.com', 'http://127.0.0.1:8080/a?b', 'https://bücher.example'])
    expect(address(300).safeParse(given).success, given).toBe(true)
  for (const given of [
    '',
    'connection.example.com',
    'javascript:alert(1)',
    'https://a b',
    'https://a\u202eb',
    'ftp://a',
  ])
    expect(address(300).safeParse(given).success, given).toBe(false)
})

/** Every pattern in a schema. */
function patternsIn(schema: unknown): string[] {
  if (schema === null || typeof schema !== 'object') return []
  const own = 'pattern' in schema && typeof schema.pattern === 'string' ? [schema.pattern] : []
  return [...own, ...Object.values(schema).flatMap(patternsIn)]
}

test('what comes in is described by patterns that every validator reads alike', () => {
  const schemas = operations.flatMap((one) => [paramsSchema(one), one.query, one.body])
  const patterns = schemas.flatMap((schema) => (schema ? patternsIn(jsonSchema(schema, 'input')) : []))
  expect(patterns.length).toBeGreaterThan(50)
  // Languages differ in what \w, \d, \s, \b and \p mean, and in lookaround (JSON Schema 6.4).
  expect(patterns.filter((pattern) => /\\[wWdDsSbBpPkuU](?![\da-f]{4})|\(\?[=!<]/.test(pattern))).toEqual([])
})

test('Z-04: every parameter of a path has a form of its own, and an id is of its kind', () => {
  for (const { path, id, params = {} } of operations) {
    const schema = paramsSchema({ path, params })
    for (const name of paramNames(path)) {
      const given = Object.fromEntries(paramNames(path).map((one) => [one, one === name ? 'con_X' : undefined]))
      const issues = schema.safeParse(given).error?.issues.filter((issue) => issue.path[0] === name) ?? []
      expect(issues.length, `${id} ${name}`).toBeGreaterThan(0)
    }
  }
})

test('IV-01: a time is one that Postgres knows: there is no year 0', () => {
  const takes = (text: string) => instantGiven.safeParse(text).success
  expect(['0000-01-01T00:00:00Z', '0000-02-29T00:00:00Z', '2026-02-29T00:00:00Z', '2030-01-31'].filter(takes)).toEqual(
    [],
  )
  const known = ['0001-01-01T00:00:00Z', '0400-02-29T00:00:00Z', '2000-02-29T00:00:00Z', '9999-12-31T23:59:59.999Z']
  expect(known.filter(takes)).toEqual(known)
})
