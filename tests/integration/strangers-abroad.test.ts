// Clients in other languages, by the libraries that their programs use, over a real socket. Skipped where one cannot be had.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findPython } from '../../scripts/lib/python.mjs'
import { startTestApp, type TestApp } from '../support/app.ts'
import { insertClient } from '../support/programs.ts'
import { serve } from '../support/served.ts'
import { personOf } from '../support/strangers.ts'

const support = resolve(import.meta.dirname, '../support')
const python = await findPython('authlib')
/** Its standard library is compiled first, which takes a minute: on demand (VALETKEY_TEST_GO=1). */
const go = ['go', '/usr/local/go/bin/go'].find((path) => {
  if (process.env.VALETKEY_TEST_GO !== '1') return false
  try {
    execFileSync(path, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let user: string
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-stranger-'))
  app = await startTestApp()
  const browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  at = await serve(app)
})
afterAll(async () => {
  await at.stop()
  await app.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Runs a client to its end, as its person; whom our API says it works for, each time that it asked. */
async function run(command: string, args: string[]): Promise<unknown> {
  const redirect = 'https://app.example/callback'
  const { id, secret } = await insertClient(app, 'acme', { redirectUris: [redirect] })
  const person = personOf({ app, ctx: at.ctx, user, scopes: ['projects:read', 'tenant:read'] })
  const env = { ...process.env, NO_PROXY: 'localhost', no_proxy: 'localhost', AUTHLIB_INSECURE_TRANSPORT: '1' }
  const child = spawn(command, [...args, at.origin, id, secret, redirect], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data) => {
    said += data
  })
  const ended = once(child, 'exit')
  let done: unknown
  for await (const line of createInterface({ input: child.stdout })) {
    const asked = JSON.parse(line) as { device?: string; browser?: string; done?: unknown }
    if (asked.device) await person.allowDevice(asked.device)
    const back = asked.browser ? (await person.allow(new URL(asked.browser))).href : ''
    done = asked.done
    child.stdin.write(`${back}\n`)
  }
  const [code] = await ended
  expect([code, said]).toEqual([0, ''])
  return done
}

it.skipIf(!python)('J-09: Authlib (Python) gets in, refreshes, asks and takes back', { timeout: 60_000 }, async () => {
  expect(await run(python ?? '', [join(support, 'stranger.py')])).toEqual(Array(5).fill(user))
})

it.skipIf(!go)('J-09: golang.org/x/oauth2 does the same', { timeout: 300_000 }, async () => {
  const binary = join(folder, 'stranger')
  execFileSync(go ?? '', ['build', '-o', binary, '.'], { cwd: join(support, 'stranger'), stdio: 'pipe' })
  expect(await run(binary, [])).toEqual(Array(5).fill(user))
})
