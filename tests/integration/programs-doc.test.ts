// The lines of docs/programs.md, as somebody would paste them into a terminal.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { serve } from '../support/served.ts'
import { personOf } from '../support/strangers.ts'

const isThere = (program: string) => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const hasAll = ['bash', 'curl', 'jq'].every(isThere)

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let user: string
beforeAll(async () => {
  app = await startTestApp()
  const browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  at = await serve(app)
})
afterAll(async () => {
  await at.stop()
  await app.stop()
})

it.skipIf(!hasAll)('the walk-through for curl gets in, refreshes and takes everything back', async () => {
  const text = await readFile(new URL('../../docs/programs.md', import.meta.url), 'utf8')
  const lines = /```sh\n(.*?)```/s.exec(text)?.[1]?.replace('https://valetkey.example.com', at.origin) ?? ''
  // Instead of waiting it tells us, and goes on when we say so.
  const script = `sleep() { echo "waits $1 $device"; read -r _ <&3; }\n${lines}`
  const env = { ...process.env, NO_PROXY: 'localhost', no_proxy: 'localhost' }
  const child = spawn('bash', ['-eu', '-c', script], { env, stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
  const answers = child.stdio[3] as NodeJS.WritableStream
  const person = personOf({ app, ctx: at.ctx, user, scopes: ['projects:read', 'tenant:read'] })
  const ended = once(child, 'exit')
  const pauses: number[] = []
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [, pause, device] = /^waits (\d+) (\S+)$/.exec(line) ?? []
    if (device === undefined) {
      said.push(line)
      continue
    }
    pauses.push(Number(pause))
    // The first question finds nobody, the second comes too early, and then somebody has answered.
    if (pauses.length === 3) await person.allowDevice(device)
    answers.write('\n')
  }
  expect(await ended).toEqual([0, null])
  expect(pauses).toEqual([5, 5, 10])
  expect(said[0]).toMatch(new RegExp(`^Open ${at.origin}/device and type [A-Z2-9]{4}-[A-Z2-9]{4}$`))
  const people = said
    .slice(1)
    .join('')
    .match(/"id":"usr_\w+"/g)
  expect(people, said.join('\n')).toEqual([`"id":"${user}"`, `"id":"${user}"`])
  const [grant] = await app.rows('acme', 'SELECT end_cause, scopes FROM oauth_grant WHERE user_id = $1', [user])
  expect(grant).toEqual({ end_cause: 'signed_out', scopes: ['projects:read', 'tenant:read'] })
})
