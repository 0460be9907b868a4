import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical, JsonError, parseStrict, parseStrictBytes, serialised } from '../../lib/security/strict-json.ts'

const kindOf = (text: string) => {
  try {
    parseStrict(text)
    return 'taken'
  } catch (error) {
    return error instanceof JsonError ? error.kind : 'another error'
  }
}
const again = (text: string) => {
  const { value, hasNumerals } = parseStrict(text)
  return serialised(value, hasNumerals)
}

describe('JSON that only one reading has', () => {
  test('reads what JSON.parse reads, for any document', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.nat(4), (text, indent) => {
        const spelled = JSON.stringify(JSON.parse(text), null, indent)
        expect(parseStrict(spelled).value).toEqual(JSON.parse(spelled))
        expect(JSON.parse(again(spelled))).toEqual(JSON.parse(spelled))
      }),
      { numRuns: 1_000 },
    )
  })

  test('takes no text that JSON.parse refuses, and refuses only what it names beside', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'a',
      '0',
      '-',
      '.',
      'e',
      '1',
      ' ',
      '\n',
      '\t',
      '\0',
      '\u00a0',
    ]
    const words = ['true', 'null', '"a":', '"\\u0061":', '"b"', '\\u', '\ufeff', '/*', "'", 'NaN', '01', '1.', '.5']
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...words), { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        let isJson = true
        try {
          JSON.parse(text)
        } catch {
          isJson = false
        }
        const kind = kindOf(text)
        expect(isJson ? ['taken', 'duplicate'] : ['syntax', 'duplicate']).toContain(kind)
        if (!isJson) expect(kind).not.toBe('taken')
      }),
      { numRuns: 6_000 },
    )
  })

  test.each([
    ['{"a":1,"a":1}', 'duplicate'],
    ['{"a":1,"\\u0061":2}', 'duplicate'],
    ['{"a":{"b":[{"c":1,"d":2,"c":3}]}}', 'duplicate'],
    ['{"__proto__":1,"__proto__":2}', 'duplicate'],
    ['{"constructor":1}', 'taken'],
    [`${'['.repeat(64)}${']'.repeat(64)}`, 'taken'],
    [`${'['.repeat(65)}${']'.repeat(65)}`, 'depth'],
    [`${'{"a":'.repeat(100_000)}`, 'depth'],
    ['', 'syntax'],
    ['\ufeff{}', 'syntax'],
    ['{} {}', 'syntax'],
    ['"\t"', 'syntax'],
    ['"\\x"', 'syntax'],
    ['[1,]', 'syntax'],
  ])('%j is %s', (text, kind) => expect(kindOf(text)).toBe(kind))

  test('a number goes on as it was spelled where a double does not hold it', () => {
    const text = '{"id":12345678901234567890,"ratio":0.1234567890123456789,"far":1e999,"near":[1.5,2]}'
    expect(again(text)).toBe(text)
  })

  test('a name that JavaScript knows is a name like any other', () => {
    const text = '{"__proto__":{"admin":true},"toString":1}'
    expect(again(text)).toBe(text)
    expect(Object.getPrototypeOf(parseStrict(text).value)).toBe(Object.prototype)
  })

  test('what is no UTF-8 is no JSON', () => {
    expect(() => parseStrictBytes(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22))).toThrow(JsonError)
  })

  test('the canonical text is the same for the same things in another order, and no other', () => {
    const of = (text: string) => canonical(parseStrict(text).value)
    expect(of('{"b":[1,{"d":1,"c":2}],"a":"x"}')).toBe(of('{ "a":"\\u0078", "b":[1,{"c":2,"d":1}]}'))
    expect(of('{"b":[1,2]}')).not.toBe(of('{"b":[2,1]}'))
  })
})
