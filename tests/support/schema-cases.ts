import fc from 'fast-check'
import type { Schema } from './hostile.ts'

/** Longer ones are another test's: here many are sent. */
const longest = 200

/**
 * Values of a schema, all that it says of them kept; what it cannot say, such as which fields go together, is left to chance.
 * `known` are strings of what is really there.
 */
export function valuesOf(schema: Schema, known: readonly string[]): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const either = schema.anyOf ?? schema.oneOf
  if (either && !schema.properties) return fc.oneof(...either.map((one) => valuesOf(one, known)))
  const { minimum: min = -1_000_000, maximum: max = 1_000_000 } = schema
  switch (schema.type) {
    case 'object':
      return schema.propertyNames ? recordsOf(schema, known) : objectsOf(schema, known)
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}, known), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, Math.max(4, schema.minItems ?? 0)),
      })
    case 'integer':
      return fc.integer({ min, max })
    case 'number':
      return fc.double({ min, max, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'string':
      return textsOf(schema, known)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function objectsOf({ properties = {}, required = [] }: Schema, known: readonly string[]): fc.Arbitrary<unknown> {
  const values = Object.entries(properties).map(([name, inner]) => [name, valuesOf(inner, known)] as const)
  const given = required.filter((name) => Object.hasOwn(properties, name))
  return fc.record(Object.fromEntries(values), { requiredKeys: given })
}

const recordsOf = ({ propertyNames = {}, additionalProperties }: Schema, known: readonly string[]) =>
  fc.dictionary(textsOf(propertyNames, known), valuesOf(additionalProperties || {}, known), { maxKeys: 4 })

function textsOf({ pattern = '', minLength = 0, maxLength = longest }: Schema, known: readonly string[]) {
  const form = new RegExp(pattern, 'u')
  const there = known.filter((text) => form.test(text))
  const free = fc.string({ unit: 'binary', minLength, maxLength: Math.min(maxLength, longest) })
  const formed = pattern ? fc.stringMatching(form).map((text) => text.slice(0, maxLength)) : free
  return there.length > 0
    ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...there) }, { weight: 1, arbitrary: formed })
    : formed
}
