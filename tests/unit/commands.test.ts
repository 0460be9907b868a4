// Commands that the console shows: what a shell makes of them, and that they ask for what was asked for in the form.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { z } from 'zod'
import { commandLine, connectCommand, loginCommand, pickCommand, tokenCommands } from '../../app/_features/commands.ts'
import type { IssueWay } from '../../lib/broker/read/offer.ts'
import { readSeconds, spellSeconds } from '../../lib/client/durations.ts'
import { flagsOf, optionsOf, rightsOf, rulesOf, rulesOptions } from '../../lib/client/rights-flags.ts'
import { kinds } from '../../lib/providers/index.ts'

/** The words that a shell makes of a command. */
const wordsOf = (command: string) =>
  execFileSync('sh', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)

test('a command is read by a shell as the words that it is made of', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: 'grapheme' }).filter((word) => !word.includes('\0')),
        { minLength: 1, maxLength: 5 },
      ),
      (words) => {
        expect(wordsOf(commandLine(words))).toEqual(words)
      },
    ),
    { numRuns: 60 },
  )
  for (const odd of ["it's", '$(id)', '`id`', '~', '=ls', 'a b', '*', '!x', '#', '', '\\', 'x;y', 'in.c-crm=read'])
    expect(wordsOf(commandLine([odd]))).toEqual([odd])
})

test('those of the empty lists', () => {
  expect(loginCommand('https://valetkey.example.com')).toBe('valetkey login --server https://valetkey.example.com')
  expect(connectCommand).toBe('valetkey connect')
  expect(pickCommand('warehouse')).toBe('valetkey token warehouse')
})

const common = { tokenType: '', header: '', baseUrl: 'https://x.example', environment: { token: [], values: {} } }
const upstream = (kind: string, strategy: 'mint' | 'narrow' | 'exchange'): IssueWay => ({
  ...common,
  asks: 'rights',
  strategy,
  samples: [],
  endsTokens: true,
  endsWithGrant: false,
  longestSeconds: null,
  schema: { ...z.toJSONSchema(kinds.get(kind)?.rights ?? z.never(), { io: 'input' }) },
})
const proxy: IssueWay = { ...common, asks: 'rules', strategy: 'proxy', readOnly: true, named: [], never: [] }
const asked = { alias: 'warehouse', isUsual: true, seconds: 900, purpose: "the boss's export" }

describe('those of a token', () => {
  it('show it, or hand it to a program', () => {
    const rights = { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false }
    const flags = `warehouse --bucket in.c-crm=read --expires 15m --purpose 'the boss'\\''s export'`
    expect(tokenCommands({ ...asked, way: upstream('keboola', 'mint'), rights })).toEqual({
      token: `valetkey token ${flags}`,
      exec: `valetkey exec ${flags} -- CMD`,
    })
  })

  it('name the way only where another one would be taken, and begin no option with a purpose', () => {
    const rights = { scopes: ['a:read', '-x'], audience: ['files'] }
    const of = { ...asked, way: upstream('keycloak', 'exchange'), rights, purpose: '--help' }
    expect(tokenCommands({ ...of, isUsual: false }).token).toBe(
      'valetkey token warehouse --strategy exchange --scope a:read --scope=-x --audience files --expires 15m --purpose=--help',
    )
  })

  it('have the rules of one that works through Valetkey', () => {
    const rights = { access: 'paths', paths: ['GET /repos/*/issues', 'POST /x'] }
    expect(tokenCommands({ ...asked, way: proxy, rights, isUsual: false, purpose: 'x' }).token).toBe(
      `valetkey token warehouse --allow 'GET /repos/*/issues' --allow 'POST /x' --expires 15m --purpose x`,
    )
    const words = wordsOf(tokenCommands({ ...asked, way: proxy, rights: { access: 'read_only' } }).token)
    expect(words).toContain('--read-only')
  })

  it('point to a file where rights have no flags', () => {
    const way = { ...upstream('oauth', 'narrow'), schema: { properties: { nested: { type: 'object' } } } }
    expect(tokenCommands({ ...asked, way, rights: { nested: { a: 1 } } }).token).toContain('--rights rights.json')
  })

  it('are read back, through a shell, as what was asked for', () => {
    const text = fc.constantFrom('in.c-crm', "it's", '$HOME', '-x', 'a b', '日本', '*')
    const keboola = upstream('keboola', 'mint')
    fc.assert(
      fc.property(
        fc.uniqueArray(text, { minLength: 1 }),
        fc.integer({ min: 60, max: 86_400 }),
        (components, seconds) => {
          const { token } = tokenCommands({ ...asked, way: keboola, rights: { components }, seconds })
          const schema = keboola.strategy === 'proxy' ? {} : keboola.schema
          const options = {
            ...optionsOf(flagsOf(schema)),
            expires: { type: 'string' },
            purpose: { type: 'string' },
          } as const
          const { values } = parseArgs({ args: wordsOf(token).slice(3), options, strict: true })
          expect(rightsOf(schema, values)).toEqual({ components })
          expect(readSeconds(String(values.expires))).toBe(seconds)
          expect(values.purpose).toBe(asked.purpose)
        },
      ),
      { numRuns: 30 },
    )
    const paths = ['GET /a', '* /b/**']
    const words = wordsOf(tokenCommands({ ...asked, way: proxy, rights: { access: 'paths', paths } }).token).slice(3)
    const options = { ...rulesOptions, expires: { type: 'string' }, purpose: { type: 'string' } } as const
    const { values } = parseArgs({ args: words, options, strict: true })
    expect(rulesOf({ read_only: true, named_rules: [] }, values)).toEqual({ access: 'paths', paths })
  })
})

test('durations are spelled by their largest whole unit, and read in any', () => {
  expect([60, 900, 3600, 5400, 61, 86_400, 7200].map(spellSeconds)).toEqual([
    '1m',
    '15m',
    '1h',
    '90m',
    '61s',
    '1d',
    '2h',
  ])
  expect(['15m', '1h', '90', '45s', '1d'].map(readSeconds)).toEqual([900, 3600, 90, 45, 86_400])
  for (const text of ['', 'm', '1.5h', '-1m', '1w', '1 m', '99999999', '1m '])
    expect(readSeconds(text), text).toBe(undefined)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999 }), (n) => {
      expect(readSeconds(spellSeconds(n))).toBe(n)
    }),
  )
})
