// The data files of well-known servers, and what docs/presets.md says of them.
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { oauthServer } from '../../lib/providers/oauth/index.ts'
import { filledIn, groups, Preset } from '../../lib/providers/oauth/preset.ts'
import { presets } from '../../lib/providers/oauth/presets/index.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = join(root, 'lib/providers/oauth/presets')
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace('.json', ''))
const all = [...presets.values()]

test('every data file is in the list that is built (npm run presets:generate)', () => {
  expect([...presets.keys()].sort()).toEqual(names.sort())
})

test('the example of docs/presets.md is a preset', () => {
  const [example] = [
    ...readFileSync(join(root, 'docs/presets.md'), 'utf8').matchAll(/^```json\n(\{[\s\S]*?\n\})\n```$/gm),
  ]
  const preset = Preset.parse(JSON.parse(example?.[1] ?? ''))
  expect(filledIn(preset, { host: 'example.acme.com' }).server.issuer).toBe('https://example.acme.com')
})

describe.each(all.map((preset) => [preset.name, preset] as const))('%s', (_, preset) => {
  it('names where each group of its facts was read', () => {
    const stated = Object.keys(groups).filter((group) => preset[group as keyof typeof groups] !== undefined)
    expect(stated.filter((group) => !preset.sources[group as keyof typeof groups])).toEqual([])
  })

  it('has variables whose examples fit, and none that leaves its place in an address', () => {
    for (const { name, pattern, placeholder, default: otherwise } of preset.variables) {
      const fits = (value: string) => new RegExp(pattern, 'u').test(value)
      expect(fits(placeholder), `${name}: ${placeholder}`).toBe(true)
      if (otherwise !== undefined) expect(fits(otherwise), `${name}: ${otherwise}`).toBe(true)
      for (const evil of [
        'a.example/b',
        'a@b.example',
        'a.example?b',
        'a.example#b',
        'a b',
        'a.example\\b',
        'a.example:1@b',
      ])
        if (isInHost(preset, name)) expect(fits(evil), `${name}: ${evil}`).toBe(false)
    }
  })

  it('leaves no variable open in an address once it is filled in', () => {
    const entered = Object.fromEntries(preset.variables.map(({ name, placeholder }) => [name, placeholder]))
    const { sources: _, revocation, ...filled } = filledIn(preset, entered)
    const own = { ...revocation, url: revocation?.url.replaceAll(/\{(token|client_id)\}/g, '') }
    expect(JSON.stringify([filled.server, filled.account, filled.api, filled.registration.page, own])).not.toMatch(
      /\{[a-z_]+\}/,
    )
  })

  it('is shown with what it can do, in words', () => {
    const view = oauthServer.setup?.presets?.find(({ name }) => name === preset.name)
    expect(view?.limitedTokens.reason).toMatch(/\.$/)
    expect(view?.revocation.text).not.toBe('')
    expect(view?.scopes.known.map(({ name }) => name)).toEqual(preset.scopes.known.map(({ name }) => name))
  })
})

/** Whether a variable stands between `https://` and the path of an address that tokens are sent to. */
const isInHost = ({ server, api }: Preset, name: string) =>
  [server.issuer, server.token_endpoint, ...api.bases.map(({ url }) => url)].some((address) =>
    /^https:\/\/([^/]*)/.exec(address)?.[1]?.includes(`{${name}}`),
  )
