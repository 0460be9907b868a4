import { filledPaths, placeholdersIn } from './patterns.ts'

/** JSON Schema of the rights of a kind, as an offer has it: `rights_schema`. */
export type RightsSchema = Record<string, unknown>
export type Rights = Record<string, unknown>

/** A flag of a command that stands for one property of rights. */
export type RightsFlag = {
  /** Without the dashes. */
  flag: string
  /** `switch`: it is there or not. `list`: once for each item. `map`: once for each entry, as `KEY=VALUE`. */
  kind: 'switch' | 'value' | 'list' | 'map'
  property: string
  description: string
  /** What its value may be, of a map that of an entry; the first is meant where an entry names none. */
  values?: string[]
  isNumber: boolean
}

/** What was given on a command line, by flag: what `parseArgs` of node:util answers for {@link optionsOf}. */
export type Parsed = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>

/** A flag that says what it cannot say, and what to do. */
export class FlagError extends Error {
  override readonly name = 'FlagError'
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textsOf = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined
const isNumeric = (type: unknown) => type === 'integer' || type === 'number'
const isPlain = ({ type }: Record<string, unknown>) => type === 'string' || isNumeric(type)

/** `components` -> `component`, `policies` -> `policy`, `audience` as it is. */
const singular = (name: string) =>
  name
    .replace(/ies$/, 'y')
    .replace(/(ss|x|z|ch|sh)es$/, '$1')
    .replace(/(?<![su])s$/, '')

/** The flags of rights, in the order of their schema. What is no plain value, list or map of words has none. */
export const flagsOf = (schema: RightsSchema): RightsFlag[] =>
  Object.entries(isObject(schema.properties) ? schema.properties : {}).flatMap(([property, of]) =>
    isObject(of) ? flagOf(property, of) : [],
  )

function flagOf(property: string, of: Record<string, unknown>): RightsFlag[] {
  const { description, type, items, additionalProperties: entries } = of
  const make = (kind: RightsFlag['kind'], each: Record<string, unknown>): RightsFlag[] => {
    const values = textsOf(each.enum)
    const name = kind === 'list' || kind === 'map' ? singular(property) : property
    const flag = name.replaceAll('_', '-')
    const text = typeof description === 'string' ? description : ''
    return [{ flag, kind, property, description: text, isNumber: isNumeric(each.type), ...(values && { values }) }]
  }
  // One that is so unless somebody says otherwise would need a word for "not".
  if (type === 'boolean') return of.default === true ? [] : make('switch', of)
  if (type === 'array') return isObject(items) && isPlain(items) ? make('list', items) : []
  if (type === 'object') return isObject(entries) && textsOf(entries.enum)?.length ? make('map', entries) : []
  return isPlain(of) ? make('value', of) : []
}

/** For `parseArgs` of node:util. */
export const optionsOf = (
  flags: readonly RightsFlag[],
): Record<string, { type: 'boolean' | 'string'; multiple: boolean }> =>
  Object.fromEntries(
    flags.map(({ flag, kind }) => [
      flag,
      { type: kind === 'switch' ? 'boolean' : 'string', multiple: kind === 'list' || kind === 'map' },
    ]),
  )

/** The rights that were given by their flags; nothing where none was. @throws FlagError */
export const rightsOf = (schema: RightsSchema, parsed: Parsed): Rights =>
  Object.fromEntries(
    flagsOf(schema).flatMap((flag): [string, unknown][] => {
      const given = Object.hasOwn(parsed, flag.flag) ? parsed[flag.flag] : undefined
      if (given === undefined || given === false) return []
      return [[flag.property, readFlag(flag, given)]]
    }),
  )

function readFlag(flag: RightsFlag, given: NonNullable<Parsed[string]>): unknown {
  if (flag.kind === 'switch') return true
  const texts = (Array.isArray(given) ? given : [given]).map(String)
  if (flag.kind === 'list') return texts.map((text) => single(flag, text))
  if (flag.kind === 'map') return Object.fromEntries(texts.map((text) => entry(flag, text)))
  return single(flag, texts.at(-1) ?? '')
}

function single({ flag, values, isNumber }: RightsFlag, text: string): string | number {
  if (values && !values.includes(text)) throw new FlagError(`--${flag} is one of: ${values.join(', ')}`)
  if (!isNumber) return text
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number)) throw new FlagError(`--${flag} is a number`)
  return number
}

/** `ID=write`; `ID` alone is the first value. */
function entry({ flag, values = [] }: RightsFlag, text: string): [string, string] {
  const at = text.lastIndexOf('=')
  const [id, value] = at < 0 ? [text, values[0] ?? ''] : [text.slice(0, at), text.slice(at + 1)]
  if (id === '' || !values.includes(value))
    throw new FlagError(`--${flag} is an id, or ID=${values.join(` or ID=`)}, not ${JSON.stringify(text)}`)
  return [id, value]
}

/** One option of a command line as its words. What begins with a dash would be read as an option of its own. */
const words = (flag: string, value: string) => (value.startsWith('-') ? [`--${flag}=${value}`] : [`--${flag}`, value])

/**
 * Rights as words of a command line, which {@link rightsOf} reads back. Empty lists and what is not granted say nothing.
 * Undefined: something in them has no flag, so that they have to be given as a file.
 */
export function spell(schema: RightsSchema, rights: Rights): string[] | undefined {
  const flags = new Map(flagsOf(schema).map((flag) => [flag.property, flag]))
  const parts = Object.entries(rights).map(([property, value]) => {
    if (value === undefined || isNothing(value)) return []
    const flag = flags.get(property)
    return flag && spelled(flag, value)
  })
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined
}

const isNothing = (value: unknown) =>
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0)

function spelled({ flag, kind, values = [], isNumber }: RightsFlag, value: unknown): string[] | undefined {
  if (kind === 'switch') return value === true ? [`--${flag}`] : undefined
  if (kind === 'map') {
    if (!isObject(value)) return undefined
    const entries = Object.entries(value)
    const isReadBack = entries.every(([id, right]) => id !== '' && typeof right === 'string' && values.includes(right))
    return isReadBack ? entries.flatMap(([id, right]) => words(flag, `${id}=${right}`)) : undefined
  }
  const all = kind === 'list' ? value : [value]
  if (!Array.isArray(all)) return undefined
  return all.every((one) => (isNumber ? Number.isFinite(one) : typeof one === 'string'))
    ? all.flatMap((one) => words(flag, String(one)))
    : undefined
}

/** Rules of a token that works through Valetkey, as the wire takes them. */
export type Rules = { access: 'read_only' } | { access: 'paths'; paths: string[] } | { access: 'everything' }
export type RulesOffer = {
  read_only: boolean | null
  named_rules: readonly { name: string; title: string; paths: readonly string[] }[]
}

/** The flags of rules. `set`: what stands for a name in braces of a named rule. */
export const rulesOptions = {
  'read-only': { type: 'boolean', multiple: false },
  everything: { type: 'boolean', multiple: false },
  allow: { type: 'string', multiple: true },
  rules: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
} as const

const listOf = (given: Parsed[string]): string[] =>
  given === undefined || typeof given === 'boolean' ? [] : (typeof given === 'string' ? [given] : given).map(String)

/** The rules that were given by their flags; undefined: none was. @throws FlagError */
export function rulesOf({ read_only, named_rules }: RulesOffer, parsed: Parsed): Rules | undefined {
  const named = listOf(parsed.rules).map((name) => {
    const found = named_rules.find((one) => one.name === name)
    const known = named_rules.map((one) => one.name).join(', ')
    if (!found) throw new FlagError(`--rules ${name} is not known here${known && `; there are: ${known}`}`)
    return found
  })
  const values = Object.fromEntries(listOf(parsed.set).map(assignment))
  const asked = named.flatMap(({ paths }) => paths)
  const open = placeholdersIn(asked)
  const missing = open.find((name) => !values[name]?.trim())
  if (missing)
    throw new FlagError(
      `--rules ${listOf(parsed.rules).join(', ')} needs --set ${missing}=VALUE, or ${missing}=* for any`,
    )
  const unknown = Object.keys(values).find((name) => !open.includes(name))
  if (unknown !== undefined) throw new FlagError(`--set ${unknown}=… belongs to none of the rules that are named`)
  const paths = [...new Set([...listOf(parsed.allow), ...filledPaths(asked, values)])]
  const choices = [parsed['read-only'] === true, parsed.everything === true, paths.length > 0]
  if (choices.filter(Boolean).length > 1)
    throw new FlagError('choose one: --read-only, --everything, or paths by --allow and --rules')
  if (parsed['read-only'] === true) {
    if (read_only !== true)
      throw new FlagError('--read-only is not offered here: methods do not say what only reads. Name paths by --allow')
    return { access: 'read_only' }
  }
  if (parsed.everything === true) return { access: 'everything' }
  return paths.length > 0 ? { access: 'paths', paths } : undefined
}

function assignment(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new FlagError(`--set is NAME=VALUE, not ${JSON.stringify(text)}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Rules as words of a command line, which {@link rulesOf} reads back. */
export const spellRules = (rules: Rules): string[] =>
  rules.access === 'paths'
    ? rules.paths.flatMap((pattern) => words('allow', pattern))
    : [rules.access === 'everything' ? '--everything' : '--read-only']
