// The documents against what they describe: settings, requirements, decisions, commands and links.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { environment } from '../../cli/src/environment.ts'
import { Environment } from '../../lib/config.ts'
import { newToken, type TokenKind, tokenKinds } from '../../lib/security/secrets.ts'
import { apiPage } from '../../scripts/api-page.ts'
import { cliPages } from '../../scripts/cli-pages.ts'
import { carriers, idsOf, pages, readPromises, requirementsOf } from '../../scripts/lib/requirements.mjs'
import { gatewayPage } from '../../scripts/mcp-gateway.mjs'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const filesIn = (folder: string, pattern: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name) && !entry.parentPath.includes('generated'))
    .map((entry) => join(folder, entry.parentPath.slice(join(root, folder).length), entry.name))
const sources = [
  'server.ts',
  ...['app', 'cli/src', 'lib', 'scripts', 'tests', 'prisma', 'demo', 'bench'].flatMap((folder) =>
    filesIn(folder, /\.(tsx?|mjs|sql|prisma)$/),
  ),
]
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...filesIn('docs', /\.md$/)]

test('the manual of the command names every variable that it reads, and no other', () => {
  const files = filesIn('cli/src', /\.ts$/).filter((file) => !file.endsWith('environment.ts'))
  const asked = files.flatMap((file) =>
    [...read(file).matchAll(/\benv\.([A-Za-z_]+)|'((?:HTTPS?|NO)_PROXY)'/g)].map(
      ([, one, other]) => one ?? other ?? '',
    ),
  )
  const ofSystem = [
    'APPDATA',
    'HOME',
    'LOCALAPPDATA',
    'USERPROFILE',
    'CI',
    'DBUS_SESSION_BUS_ADDRESS',
    'DISPLAY',
    'SSH_CONNECTION',
    'SSH_TTY',
    'TERM',
    'WAYLAND_DISPLAY',
    'WSL_DISTRO_NAME',
  ]
  const named = environment.flatMap(([names]) => names.split(', '))
  expect([...new Set([...asked.map((name) => name.toUpperCase()), ...ofSystem])].sort()).toEqual(
    [...named, ...ofSystem].sort(),
  )
})

/** Read by scripts alone, so the schema of the server does not know them. */
const ofScripts = ['DATABASE_MIGRATE_URL', 'VALETKEY_DATA_DIR']

test('docs/configuration.md has every setting once, with the default that the code has', () => {
  const rows = [
    ...read('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \| (required|none|`[^`]*`) \| \S.* \|$/gm),
  ].map(([, name = '', fallback = '']) => ({ name, fallback }))
  expect(rows.map(({ name }) => name).sort()).toEqual([...Object.keys(Environment.shape), ...ofScripts].sort())
  for (const { name, fallback } of rows.filter(({ name }) => !ofScripts.includes(name))) {
    const form = Environment.shape[name as keyof typeof Environment.shape]
    const missing = form.safeParse(undefined)
    if (fallback === 'required') expect(missing.success, name).toBe(false)
    else if (fallback === 'none') expect(Object.values(missing.data ?? []), name).toEqual([])
    else expect(missing.data, name).toEqual(form.parse(fallback.slice(1, -1)))
  }
})

test('scripts and server read no setting that docs/configuration.md does not name', () => {
  const named = new Set(read('docs/configuration.md').match(/[A-Z_]{4,}/g))
  const own = sources.filter((file) => /^(lib|app|scripts|server)/.test(file))
  const asked = own.flatMap((file) =>
    [...read(file).matchAll(/\benv\.((?:VALETKEY|DATABASE)_(?!TEST_)[A-Z_]+)/g)].map(([, name = '']) => name),
  )
  expect([...new Set(asked)].filter((name) => !named.has(name))).toEqual([])
})

test('the pages that are made are what `npm run docs:generate` writes', async () => {
  for (const [path, text] of Object.entries({ ...(await pages()), 'docs/api.md': apiPage(), ...cliPages() }))
    expect(read(path) === text, `${path} is stale`).toBe(true)
})

test('each feature of kbagent is a requirement, or the manual says why it has no test', async () => {
  const [, list = ''] = read('docs/keboola.md').split('## What of kbagent')
  const excused = [...list.matchAll(/^\| (K-\d\d) \|/gm)].map(([, id]) => String(id))
  const all = Array.from({ length: 40 }, (_, index) => `K-${String(index + 1).padStart(2, '0')}`)
  const required = requirementsOf(await readPromises()).map(({ id }) => id)
  expect(excused).toEqual(all.filter((id) => !required.includes(id)))
})

test('every id that a test carries is a requirement, and every requirement is carried by a test', async () => {
  const carried = new Set((await carriers()).flatMap(({ ids }) => ids))
  const required = requirementsOf(await readPromises()).map(({ id }) => id)
  expect([...carried].filter((id) => !required.includes(id))).toEqual([])
  expect(required.filter((id) => !carried.has(id))).toEqual([])
  expect(required.filter((id, index) => required.indexOf(id) !== index)).toEqual([])
})

test('the tests that a promise names are there', async () => {
  const named = (await readPromises()).flatMap(({ tests = [] }) => tests)
  expect(named.filter((file) => !existsSync(join(root, 'tests', file)))).toEqual([])
})

test('ids are read from the beginning of a title', () => {
  const [one, other] = ['RR-05', 'H-05'] as const
  expect(idsOf(`${one} ${other}: ends well`)).toEqual([one, other])
  expect(idsOf(`${one} %s: ends well`)).toEqual([one])
  expect(idsOf(`what ${one} says`)).toEqual([])
})

test('every decision has a number, a context, a choice and a consequence, and no reference to one leads nowhere', () => {
  const files = readdirSync(join(root, 'docs/decisions')).filter((file) => file !== 'README.md')
  const numbers = files.map((file) => Number(file.match(/^(\d{4})-[a-z0-9-]+\.md$/)?.[1]))
  expect(new Set(numbers).size).toBe(files.length)
  for (const [index, file] of files.entries())
    expect(read(`docs/decisions/${file}`), file).toMatch(
      new RegExp(
        `^# ${numbers[index]}\\. .+\n\n\\*\\*Context\\.\\*\\* [^]+\n\n\\*\\*Choice\\.\\*\\* [^]+\n\n\\*\\*Consequence\\.\\*\\* `,
      ),
    )
  const lost = [...sources, ...documents].flatMap((file) =>
    [...read(file).matchAll(/docs\/decisions\/(\d{4})\b/g)]
      .filter(([, number]) => !numbers.includes(Number(number)))
      .map(([text]) => `${file}: ${text}`),
  )
  expect(lost).toEqual([])
})

test('links between documents lead somewhere, and the files and commands that they name exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const broken = documents.flatMap((file) => {
    const text = read(file)
    const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(([, path = '', anchor]) => {
      const target = path ? join(dirname(file), path) : file
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && !anchors(read(target)).includes(anchor)
    })
    const commands = [...text.matchAll(/npm run ([a-z][\w:-]*)/g)].filter(
      ([, name = '']) => scripts[name] === undefined,
    )
    // Paths as code, but for those that stand for many: `lib/http/wire/<noun>.ts`.
    const paths = [...text.matchAll(/`((?:app|cli|demo|docs|lib|prisma|scripts|tests)\/[^`\s<{…]*)`/g)].filter(
      ([, path = '']) => !existsSync(join(root, path)),
    )
    return [...links, ...commands, ...(file.startsWith('docs/decisions') ? [] : paths)].map(
      ([found]) => `${file}: ${found}`,
    )
  })
  expect(broken).toEqual([])
})

/** As GitHub makes them of headings. */
const anchors = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  )

test('the page of the gateway has the table that the gateway decides by', () => {
  const page = read('docs/mcp-gateway.md')
  expect(page).toBe(gatewayPage(page))
  expect(page).toContain('| `tools/call` | judge | judge |')
})

test('LD-01: the patterns and the checksum that docs/leaks.md gives to scanners fit our tokens and no others', () => {
  const page = read('docs/leaks.md')
  const rows = [...page.matchAll(/^\| `vk_(..)_` \| .+? \| (\d+) \| `(.+?)` \|$/gm)]
  expect(rows.map(([, kind]) => kind).sort()).toEqual([...tokenKinds].sort())
  const [, gitleaks = ''] = /regex = '''(.+)'''/.exec(page) ?? []
  for (const [, kind, length, pattern = ''] of rows) {
    const value = newToken(kind as TokenKind).reveal()
    expect(value).toHaveLength(Number(length))
    for (const one of [pattern, gitleaks]) expect(new RegExp(one).exec(`"${value}"`)?.[0]).toBe(value)
    // As the page says it, by none of our own code.
    const checksum = Buffer.alloc(4)
    checksum.writeUInt32BE(crc32(value.slice(0, -6)))
    expect(checksum.toString('base64url')).toBe(value.slice(-6))
  }
})
