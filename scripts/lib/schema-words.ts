// JSON Schema in words, for docs/api.md.

export type Schema = Record<string, unknown>
type Field = { name: string; required: boolean; words: string; description: string }

const choices = (schema: Schema) => (schema.anyOf ?? schema.oneOf) as Schema[] | undefined
const propertiesOf = (schema: Schema) => Object.entries((schema.properties ?? {}) as Record<string, Schema>)
const isRequired = (schema: Schema, name: string) => ((schema.required ?? []) as string[]).includes(name)

/** Forms of text that say more than their pattern does. */
function formOf(pattern: string): string {
  const prefix = /^\^([a-z]{3})_\[0-9a-f\]\{32\}\$$/.exec(pattern)?.[1]
  if (prefix) return `an id \`${prefix}_…\``
  if (pattern.includes('-02-29')) return 'a time in UTC'
  if (pattern.startsWith('^https?:')) return 'an http or https address'
  if (pattern.includes('\\u0000')) return 'one line of text'
  return pattern.length <= 60 ? `text like \`${pattern}\`` : 'text'
}

const boundsOf = (least: unknown, most: unknown, unit = ''): string => {
  const [low, high] = [least, most].map((bound) =>
    Math.abs(Number(bound)) === Number.MAX_SAFE_INTEGER ? undefined : bound,
  )
  if (low !== undefined && high !== undefined) return `, ${low} to ${high}${unit}`
  if (high !== undefined) return `, at most ${high}${unit}`
  return low === undefined || low === 0 ? '' : `, at least ${low}${unit}`
}

/** What a value may be, in a line. */
export function typeOf(schema: Schema): string {
  const { type, format, pattern } = schema
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => `\`${JSON.stringify(one)}\``).join(' or ')
  const several = choices(schema)
  if (several && !schema.properties) return [...new Set(several.map(typeOf))].join(' or ')
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(' or ')
  if (type === 'null') return '`null`'
  if (type === 'string') {
    const form =
      format === 'date-time'
        ? 'a time in UTC'
        : format === 'uri'
          ? 'an address'
          : pattern
            ? formOf(String(pattern))
            : 'text'
    return `${form}${boundsOf(schema.minLength, schema.maxLength, ' characters')}`
  }
  if (type === 'integer' || type === 'number') return `a number${boundsOf(schema.minimum, schema.maximum)}`
  if (type === 'boolean') return '`true` or `false`'
  if (type === 'array')
    return `a list${boundsOf(schema.minItems, schema.maxItems)}, of ${typeOf((schema.items ?? {}) as Schema)}`
  if (type === 'object' && schema.properties) {
    const fields = propertiesOf(schema).map(
      ([name, one]) => `\`${name}\`${isRequired(schema, name) ? '' : ' (optional)'}: ${typeOf(one)}`,
    )
    return fields.length > 0 ? `an object (${fields.join('; ')})` : 'an empty object'
  }
  if (type === 'object') {
    const values = schema.additionalProperties
    return typeof values === 'object' && values !== null && Object.keys(values as Schema).length > 0
      ? `an object, each value ${typeOf(values as Schema)}`
      : 'an object'
  }
  return 'anything'
}

/** The fields of a body, with those of objects inside it by their paths. */
export function fieldsOf(schema: Schema, path = ''): Field[] {
  return propertiesOf(schema).flatMap(([key, one]) => {
    const name = path ? `${path}.${key}` : key
    const isOpen = one.type === 'object' && propertiesOf(one).length > 0
    const fallback = one.default === undefined ? '' : ` Left out: \`${JSON.stringify(one.default)}\`.`
    const field = {
      name,
      required: isRequired(schema, key),
      words: isOpen ? 'an object' : typeOf(one),
      description: `${String(one.description ?? '')}${fallback}`.trim(),
    }
    return isOpen ? [field, ...fieldsOf(one, name)] : [field]
  })
}

/** What an answer looks like, as a type. */
export function sketch(schema: Schema, indent = ''): string {
  const inner = `${indent}  `
  if ('const' in schema) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => JSON.stringify(one)).join(' | ')
  const several = choices(schema)
  if (several && !schema.properties) return [...new Set(several.map((one) => sketch(one, indent)))].join(' | ')
  if (Array.isArray(schema.type)) return schema.type.map((one) => sketch({ ...schema, type: one }, indent)).join(' | ')
  if (schema.type === 'array') {
    const items = sketch((schema.items ?? {}) as Schema, indent)
    return / \| /.test(items) && !items.startsWith('{') ? `(${items})[]` : `${items}[]`
  }
  if (schema.type === 'object' && schema.properties) {
    const lines = propertiesOf(schema).map(([name, one]) => {
      const comment = one.description ? `${inner}// ${String(one.description)}\n` : ''
      return `${comment}${inner}${name}${isRequired(schema, name) ? '' : '?'}: ${sketch(one, inner)}`
    })
    return lines.length > 0 ? `{\n${lines.join('\n')}\n${indent}}` : '{}'
  }
  if (schema.type === 'object') {
    const values = schema.additionalProperties
    const isTold = typeof values === 'object' && values !== null && Object.keys(values as Schema).length > 0
    return `Record<string, ${isTold ? sketch(values as Schema, indent) : 'unknown'}>`
  }
  if (schema.type === 'string') return schema.format === 'date-time' ? 'Time' : 'string'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  return typeof schema.type === 'string' ? schema.type : 'unknown'
}
