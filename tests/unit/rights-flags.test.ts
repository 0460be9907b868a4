// Flags that stand for the rights of a kind: made of its schema, read back to the same rights.
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { z } from 'zod'
import {
  FlagError,
  flagsOf,
  optionsOf,
  type Rights,
  type RightsSchema,
  type Rules,
  rightsOf,
  rulesOf,
  rulesOptions,
  spell,
  spellRules,
} from '../../lib/client/rights-flags.ts'
import { kinds } from '../../lib/providers/index.ts'
import { Rules as RulesOnWire } from '../../lib/providers/rules.ts'

const schemaOf = (kind: string): RightsSchema => ({
  ...z.toJSONSchema(kinds.get(kind)?.rights ?? z.never(), { io: 'input' }),
})
const parse = (schema: RightsSchema, args: string[]) =>
  parseArgs({ args, options: optionsOf(flagsOf(schema)), strict: true }).values
const read = (schema: RightsSchema, ...args: string[]) => rightsOf(schema, parse(schema, args))

describe('the flags of each kind', () => {
  it.each([
    [
      'keboola',
      [
        'component list',
        'bucket map',
        'manage-buckets switch',
        'read-all-files switch',
        'manage-tokens switch',
        'read-project switch',
        'write-project switch',
      ],
    ],
    ['oauth', ['scope list']],
    ['own', ['scope list']],
    ['keycloak', ['scope list', 'audience list', 'delegate switch', 'impersonate value']],
    [
      'mcp',
      [
        'tool list',
        'read-only-tools switch',
        'all-tools switch',
        'resource list',
        'all-resources switch',
        'prompt list',
        'all-prompts switch',
      ],
    ],
  ])('of %s stand for all of its rights, each with what it means', (kind, expected) => {
    const flags = flagsOf(schemaOf(kind))
    expect(flags.map((flag) => `${flag.flag} ${flag.kind}`)).toEqual(expected)
    expect(flags.map(({ property }) => property)).toEqual(Object.keys(schemaOf(kind).properties as object))
    for (const { flag, description } of flags) expect(description, flag).toMatch(/^[A-Z].{5,}[^.]$/)
  })

  it('are known for every kind there is', () => {
    for (const name of kinds.keys()) expect(flagsOf(schemaOf(name)).length, name).toBeGreaterThan(0)
  })
})

describe('what is given by flags', () => {
  const keboola = schemaOf('keboola')

  it('is the rights of the wire', () => {
    expect(
      read(
        keboola,
        '--component',
        'a',
        '--component=b',
        '--bucket',
        'in.c-x=write',
        '--bucket',
        'in.c-y',
        '--read-all-files',
      ),
    ).toEqual({ components: ['a', 'b'], buckets: { 'in.c-x': 'write', 'in.c-y': 'read' }, read_all_files: true })
    expect(read(keboola)).toEqual({})
  })

  it.each([
    ['another right than there is', ['--bucket', 'x=manage']],
    ['no bucket at all', ['--bucket', '=read']],
  ])('is refused where it is %s, with what it can be', (_, args) => {
    expect(() => read(keboola, ...args)).toThrow(FlagError)
    expect(() => read(keboola, ...args)).toThrow(/--bucket is an id, or ID=read or ID=write/)
  })

  const odd = {
    properties: {
      slots: { type: 'array', items: { type: 'integer' } },
      coins: { type: 'integer' },
      mode: { type: 'string', enum: ['a', 'b'] },
      policies: { type: 'array', items: { type: 'string' } },
      access: { type: 'string' },
      nested: { type: 'object', properties: {} },
      on: { type: 'boolean', default: true },
      either: { anyOf: [] },
    },
  }

  it('may be numbers and one of several; what is no plain value has no flag', () => {
    expect(flagsOf(odd).map(({ flag }) => flag)).toEqual(['slot', 'coins', 'mode', 'policy', 'access'])
    expect(read(odd, '--slot', '3', '--slot', '4', '--coins', '50', '--mode', 'b')).toEqual({
      slots: [3, 4],
      coins: 50,
      mode: 'b',
    })
    for (const [flag, value] of [
      ['coins', 'many'],
      ['coins', ''],
      ['coins', 'Infinity'],
      ['mode', 'c'],
      ['slot', 'x'],
    ])
      expect(() => read(odd, `--${flag}=${value}`), `${flag} ${value}`).toThrow(FlagError)
    expect(spell(odd, { nested: { deep: 1 } })).toBe(undefined)
    expect(spell(odd, { unknown: 'x' })).toBe(undefined)
    expect(spell(odd, { mode: 'a', nested: {}, coins: 3 })).toEqual(['--mode', 'a', '--coins', '3'])
  })
})

/** Any text, also such as options look like, and names that objects are born with. */
const text = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.constantFrom('-x', '--scope', '--', '-', 'a=b', 'x=write', '=', '__proto__', 'constructor', 'in.c-x', "it's"),
)
const list = fc.array(text, { minLength: 1, maxLength: 4 })
const some = (name: string, values: fc.Arbitrary<unknown>) => fc.option(values.map((value) => [name, value] as const))
const rightsFor: Record<string, fc.Arbitrary<Rights>> = {
  keboola: made(
    some('components', list),
    some(
      'buckets',
      fc
        .array(fc.tuple(text, fc.constantFrom('read', 'write')), { minLength: 1 })
        .map((all) => Object.fromEntries(all)),
    ),
    some('manage_buckets', fc.constant(true)),
    some('read_all_files', fc.constant(true)),
  ),
  oauth: made(some('scopes', list)),
  own: made(some('scopes', list)),
  keycloak: made(
    some('scopes', list),
    some('audience', list),
    some('delegate', fc.constant(true)),
    some('impersonate', text),
  ),
}
function made(...parts: fc.Arbitrary<readonly [string, unknown] | null>[]): fc.Arbitrary<Rights> {
  return fc.tuple(...parts).map((all) => Object.fromEntries(all.filter((part) => part !== null)))
}

test.each(Object.keys(rightsFor))('rights of %s that are spelled as a command are read back as they were', (kind) => {
  const schema = schemaOf(kind)
  fc.assert(
    fc.property(rightsFor[kind] ?? fc.constant({}), (rights) => {
      const args = spell(schema, rights)
      expect(args).toBeDefined()
      expect(read(schema, ...(args ?? []))).toEqual(rights)
    }),
  )
})

test('what the wire fills in is not spelled, and comes to the same', () => {
  const { rights } = kinds.get('keboola') ?? {}
  const whole = rights?.parse({ buckets: { x: 'write' } }) as Rights
  expect(spell(schemaOf('keboola'), whole)).toEqual(['--bucket', 'x=write'])
  expect(rights?.parse(read(schemaOf('keboola'), '--bucket', 'x=write'))).toEqual(whole)
})

describe('rules of a token that works through Valetkey', () => {
  const offer = {
    read_only: true,
    named_rules: [
      { name: 'issues', title: 'Read issues', paths: ['GET /repos/{owner}/{repo}/issues/**'] },
      { name: 'jobs', title: 'See jobs', paths: ['GET /jobs/**', 'GET /queue'] },
    ],
  }
  const rules = (args: string[], of: Parameters<typeof rulesOf>[0] = offer) =>
    rulesOf(of, parseArgs({ args, options: rulesOptions, strict: true }).values)

  it('are given by flags, named ones with what stands for their braces', () => {
    expect(rules([])).toBe(undefined)
    expect(rules(['--read-only'])).toEqual({ access: 'read_only' })
    expect(rules(['--everything'])).toEqual({ access: 'everything' })
    expect(rules(['--allow', 'GET /a', '--rules', 'jobs', '--allow', 'GET /queue'])).toEqual({
      access: 'paths',
      paths: ['GET /a', 'GET /queue', 'GET /jobs/**'],
    })
    expect(rules(['--rules', 'issues', '--set', 'owner=acme', '--set', 'repo=a b'])).toEqual({
      access: 'paths',
      paths: ['GET /repos/acme/a%20b/issues/**'],
    })
    expect(rules(['--rules', 'issues', '--set', 'owner=*', '--set', 'repo=*'])).toEqual({
      access: 'paths',
      paths: ['GET /repos/*/*/issues/**'],
    })
  })

  it.each([
    [['--read-only', '--everything'], 'choose one'],
    [['--read-only', '--allow', 'GET /a'], 'choose one'],
    [['--everything', '--rules', 'jobs'], 'choose one'],
    [['--rules', 'nobody'], 'there are: issues, jobs'],
    [['--rules', 'issues', '--set', 'owner=acme'], 'needs --set repo=VALUE'],
    [['--rules', 'jobs', '--set', 'owner=acme'], 'belongs to none'],
    [['--set', 'owner'], 'is NAME=VALUE'],
  ])('%j is refused, and says what to do', (args, says) => {
    expect(() => rules(args)).toThrow(says)
    expect(() => rules(args)).toThrow(FlagError)
  })

  it('are never “read only” where methods do not say what only reads', () => {
    for (const read_only of [false, null])
      expect(() => rules(['--read-only'], { ...offer, read_only })).toThrow('--read-only is not offered here')
  })

  it('that are spelled as a command are read back as they were', () => {
    const pattern = fc.constantFrom('GET /**', '* /a/*/b', 'GET,POST /x', 'DELETE /', "GET /it's")
    const any = fc.oneof(
      fc.constantFrom<Rules>({ access: 'read_only' }, { access: 'everything' }),
      fc.uniqueArray(pattern, { minLength: 1 }).map((paths): Rules => ({ access: 'paths', paths })),
    )
    fc.assert(
      fc.property(any, (one) => {
        expect(RulesOnWire.parse(rules(spellRules(one)))).toEqual(one)
      }),
    )
  })
})
