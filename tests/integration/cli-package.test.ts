// The command as a package: packed, installed far from this tree without a network, run by what npm puts there.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
let scratch: string
let installed: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'valetkey-package-'))
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', scratch], { cwd: join(root, 'cli') })
  await run('npm', [
    'install',
    '--offline',
    '--no-audit',
    '--no-fund',
    '--prefix',
    scratch,
    join(scratch, stdout.trim()),
  ])
  installed = join(scratch, 'node_modules/valetkey')
}, 120_000)
afterAll(() => rm(scratch, { recursive: true, force: true }))

it('it installs with nothing beside it, and runs', async () => {
  const { dependencies, version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))
  expect(dependencies).toBeUndefined()
  const { stdout } = await run(join(scratch, 'node_modules/.bin/valetkey'), ['--version'], { cwd: scratch })
  expect(stdout.trim()).toBe(version)
})

it('packages in it bring their licences', async () => {
  const text = await readFile(join(installed, 'dist/third-party-licences.txt'), 'utf8')
  const named = [...text.matchAll(/^(\S+) \d+\.\d+\.\d+\S*: \S+\n\n(.{40})/gms)].map(([, name]) => name)
  expect(named).toEqual(expect.arrayContaining(['commander', 'oauth4webapi', 'openapi-fetch', 'undici', 'zod']))
})
