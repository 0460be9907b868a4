import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { oauthServer } from '../../lib/providers/oauth/index.ts'
import { filledIn, groups, Preset, VariableError } from '../../lib/providers/oauth/preset.ts'
import { presets } from '../../lib/providers/oauth/presets/index.ts'
import { filledPaths, isPattern, placeholdersIn } from '../../lib/providers/patterns.ts'
import { matcherOf, Rules } from '../../lib/providers/rules.ts'
import { presetsIndex } from '../../scripts/presets.mjs'

const all = [...presets].map(([name, preset]): [string, Preset] => [name, preset])

it('the list of presets is up to date (npm run presets:generate), and long', () => {
  const file = new URL('../../lib/providers/oauth/presets/index.ts', import.meta.url)
  expect(readFileSync(file, 'utf8')).toBe(presetsIndex())
  expect(all.length).toBeGreaterThanOrEqual(24)
})

test('the example of docs/presets.md is a preset', () => {
  const text = readFileSync(new URL('../../docs/presets.md', import.meta.url), 'utf8')
  const [example] = [...text.matchAll(/^```json\n(\{[\s\S]*?\n\})\n```$/gm)]
  const preset = Preset.parse(JSON.parse(example?.[1] ?? ''))
  expect(filledIn(preset, { host: 'example.acme.com' }).server.issuer).toBe('https://example.acme.com')
})

describe.each(all)('%s', (_, preset) => {
  it('names the documentation of every group of facts that it has', () => {
    const there = Object.keys(groups).filter((name) => preset[name as keyof typeof groups] !== undefined)
    expect(Object.keys(preset.sources)).toEqual(expect.arrayContaining(there))
  })

  it('leaves no gap that an admin is not asked for, and takes no value that leaves its place in an address', () => {
    const { variables, registration: _, ...others } = preset
    const { rules: __, ...api } = others.api
    const facts = { ...others, api }
    const named = new Set([...JSON.stringify(facts).matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name))
    const known = new Set([...variables.map(({ name }) => name), 'token', 'client_id', 'api_host'])
    expect([...named].filter((name) => name && !known.has(name))).toEqual([])
    const right = Object.fromEntries(
      variables.map(({ name, placeholder, default: text }) => [name, text || placeholder]),
    )
    expect(() => filledIn(preset, right)).not.toThrow()
    const inAddress = ({ name }: { name: string }) =>
      new RegExp(`https://[^"]*\\{${name}\\}`).test(JSON.stringify(facts))
    for (const { name } of variables.filter(inAddress))
      for (const value of ['a/b', 'a@b', 'a:80', 'a?b', 'a#b', 'a b', '..', 'a\\b', 'a%2fb', 'x\n'])
        expect(() => filledIn(preset, { ...right, [name]: value }), `${name}: ${value}`).toThrow(VariableError)
  })

  it('has named rules that are rules once they are filled in, and let pass what they name and nothing that never passes', () => {
    const { rules, never } = preset.api
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length)
    for (const { paths, title } of rules) {
      const open = placeholdersIn(paths)
      // What an admin enters is not asked for again.
      expect(open.filter((name) => preset.variables.some((one) => one.name === name))).toEqual([])
      const filled = filledPaths(paths, Object.fromEntries(open.map((name) => [name, 'a b'])))
      expect(filled.filter((path) => !isPattern(path))).toEqual([])
      const allows = matcherOf(Rules.parse({ access: 'paths', paths: filled }), never)
      for (const path of filled) {
        const [methods = '', address = ''] = path.split(' ')
        expect(allows(methods.split(',')[0] ?? '', address.replace(/\/\*\*$/, '')), `${title}: ${path}`).toBe(true)
      }
    }
    const all = matcherOf(Rules.parse({ access: 'everything' }), never)
    for (const pattern of never) {
      const [methods = '', address = ''] = pattern.split(' ')
      const path = address.replace(/\/\*\*$/, '').replaceAll('*', 'x')
      for (const method of methods.split(',')) expect(all(method, path), pattern).toBe(false)
    }
  })

  it('suggests only scopes that it describes, and each once', () => {
    const names = preset.scopes.known.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect([...names, ...preset.scopes.always].filter((name) => /[\s,]/.test(name))).toEqual([])
  })

  it('is shown with what it can do, in words', () => {
    const view = oauthServer.setup?.presets?.find(({ name }) => name === preset.name)
    expect(view?.limitedTokens.reason).toMatch(/\.$/)
    expect(view?.revocation.text).not.toBe('')
    expect(view?.scopes.known.map(({ name }) => name)).toEqual(preset.scopes.known.map(({ name }) => name))
  })
})
