// npm run presets:generate: lists the data files of presets for the bundlers, which cannot read a folder.
import { readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('../lib/providers/oauth/presets/', import.meta.url)

export function presetsIndex() {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort()
  const variable = (name) => name.replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase())
  return [
    '// Written by `npm run presets:generate`.',
    "import { Preset } from '../preset.ts'",
    ...names.map((name) => `import ${variable(name)} from './${name}.json' with { type: 'json' }`),
    '',
    '/** What is known of famous servers, by name. */',
    'export const presets: ReadonlyMap<string, Preset> = new Map(',
    `  [${names.length ? `\n${names.map((name) => `    ${variable(name)},`).join('\n')}\n  ` : ''}]`,
    '    .map((file: unknown) => Preset.parse(file))',
    '    .map((preset) => [preset.name, preset]),',
    ')',
    '',
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(new URL('index.ts', folder), presetsIndex())
