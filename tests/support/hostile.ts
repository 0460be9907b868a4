import type { z } from 'zod'
import { jsonSchema } from '../../lib/http/openapi.ts'

/** Where a value stands in a document: names of properties, 0 for the first item, `*` for the key of a record. */
export type Place = (string | 0)[]

export type Schema = {
  type?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: { required?: string[] }
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  maxProperties?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  propertyNames?: Schema
  additionalProperties?: Schema | false
}

/** What a schema of ours says of its input. */
export const schemaOf = (schema: z.ZodType): Schema => jsonSchema(schema, 'input') as Schema

/** A value that the schema takes, with everything in it that may be there at once. `known` are strings to choose from. */
export function sampleOf(schema: Schema, known: string[]): unknown {
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.anyOf && !schema.properties) return sampleOf(schema.anyOf[0] ?? {}, known)
  switch (schema.type) {
    case 'object': {
      const excluded = schema.anyOf?.[0]?.not?.required ?? []
      const named = Object.entries(schema.properties ?? {})
        .filter(([name]) => !excluded.includes(name))
        .slice(0, schema.maxProperties)
        .map(([name, inner]) => [name, sampleOf(inner, known)])
      if (!schema.propertyNames) return Object.fromEntries(named)
      return { [String(sampleOf(schema.propertyNames, known))]: sampleOf(schema.additionalProperties || {}, known) }
    }
    case 'array':
      return [sampleOf(schema.items ?? {}, known)]
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'string':
      return known.find((text) => new RegExp(schema.pattern ?? '', 'u').test(text)) ?? 'text'
    default:
      return {}
  }
}

/** Every place in documents of a schema at which something can stand. */
export function placesOf(schema: Schema, at: Place = []): Place[] {
  const inner = schema.anyOf && !schema.properties ? (schema.anyOf[0] ?? {}) : schema
  const below = Object.entries(inner.properties ?? {}).flatMap(([name, one]) => placesOf(one, [...at, name]))
  const items = inner.items ? placesOf(inner.items, [...at, 0]) : []
  const record = inner.propertyNames ? [[...at, '*'], ...placesOf(inner.additionalProperties || {}, [...at, 'x'])] : []
  return [at, ...below, ...items, ...record]
}

/** A copy of `document` with the text `json` at `place`, as JSON: what no value can be is written as it would be sent. */
export function withJsonAt(document: unknown, place: Place, json: string): string {
  const mark = `mark-${Math.random()}`
  return JSON.stringify(withAt(document, place, mark)).replace(JSON.stringify(mark), () => json)
}

function withAt(document: unknown, [head, ...rest]: Place, value: string): unknown {
  if (head === undefined) return value
  if (head === 0) return [withAt((document as unknown[] | undefined)?.[0], rest, value)]
  const own = { ...(document as Record<string, unknown> | undefined) }
  return head === '*' ? { [value]: Object.values(own)[0] } : { ...own, [head]: withAt(own[head], rest, value) }
}

const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`

/** Texts that broke something somewhere (IV-01, IV-05, IV-08, G-05): what no text may hold, and what reads as something else. */
export const hostileTexts: string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udc00',
  'a\udfffb',
  '\ud83d\ud83d\ude00',
  '\u0001\u001b[31m\u0007\u007f',
  '\r\nSet-Cookie: a=b',
  '\u202egnp.exe',
  '\u2066\u200f\u200b\ufeff\u2028\u2029',
  '\u{e0041}\u{1d173}',
  '😀'.repeat(80),
  'ﷺ'.repeat(80),
  'e\u0301\u0327'.repeat(100),
  '%00%ed%a0%80%',
  '..',
  '../../etc/passwd',
  "' OR 1=1; --",
  '__proto__',
  '{"contains":""}',
  'x'.repeat(5_000),
]

/** The same as JSON, with whatever else may stand there: 1 MiB, and nesting that a recursive reader does not survive. */
export const hostileJson: string[] = [
  ...[...hostileTexts, 'x'.repeat(1_048_576)].map((text) => JSON.stringify(text)),
  nested(30, '[', ']'),
  nested(20_000, '[', ']'),
  nested(30, '{"a":', '}'),
  nested(10_000, '{"a":', '}'),
  'null',
  'true',
  '0',
  '-1',
  '0.5',
  '1e308',
  '1e999',
  '9007199254740993',
  '[]',
  '[null]',
  '{}',
  '{"contains":""}',
  '{"not":null}',
  '{"\\u0000":"\\ud800"}',
  '{"__proto__":{"a":1},"constructor":{"prototype":1},"toString":1}',
]
