// The address of a component by the command: one line, printed once, opened where that is asked.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

let world: CliWorld
let project: string
beforeAll(async () => {
  world = await startCliWorld()
  const { ctx, actorOf, providerOf, callbackOf } = world.app
  const actor = await actorOf('owner@acme.test')
  const { id } = await providerOf(actor)
  const { url } = await startLink(ctx, actor, { providerId: id, browser: actor.browser })
  const done = await completeLink(
    ctx,
    callbackOf(await approve(url, { account: 'owner@acme.test', project: '10231' }), actor),
  )
  if (!('projectId' in done)) throw new Error(`not linked: ${JSON.stringify(done)}`)
  project = String(done.projectId)
  await world.console('PATCH', `/tenants/acme/projects/${project}`, { alias: 'sales' })
}, 60_000)
afterAll(() => world.stop())
afterEach(async () => {
  world.app.demo.modes.set({ master: true })
  await world.app.forgetLimits()
})

const words = ['component-url', 'sales', 'keboola.ex-salesforce', '901']
const run = (...args: string[]) => world.run([...words, ...args])
const issued = async () => (await world.app.rows('acme', 'SELECT id FROM issued_token')).length

it('a person signs the terminal in, and lets it issue for the project', async () => {
  expect((await world.login()).code).toBe(0)
  await world.app.rows('acme', 'UPDATE oauth_grant SET ceilings = $1 RETURNING id', [
    JSON.stringify({ [project]: { rights: null, proxy: null } }),
  ])
})

describe('valetkey component-url', () => {
  it('K-30 K-34 ASK-04: prints the address alone, as one line, and what it is beside it', async () => {
    const { code, stdout, stderr } = await world.run(words, { env: { COLUMNS: '40' } })
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\S{150,}\n$/)])
    const url = new URL(stdout.trim())
    expect(url.hash).toBe('#/keboola.ex-salesforce/901')
    const token = url.searchParams.get('token') ?? ''
    expect(await world.app.useToken(token)).toBe(200)
    expect(stderr).toMatch(/works in (1 h|\d+ min), fingerprint [0-9a-f]{12}\n$/)
    expect(stderr).not.toContain(token)
  })

  it('K-30: opens it in the browser where that is asked, and prints it all the same', async () => {
    const { code, stdout } = await run('--open')
    expect(code).toBe(0)
    expect(String(await world.sentTo())).toBe(stdout.trim())
    expect((await run()).code).toBe(0)
    expect(await world.opened()).toBe('')
  })

  it('where no browser can be opened, nothing is made', async () => {
    const before = await issued()
    const { code, stdout, stderr } = await world.run([...words, '--open'], { env: { BROWSER: '', CI: '1' } })
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining('this is a build')])
    expect(await issued()).toBe(before)
  })

  it('answers in JSON, and its token is in the list and can be revoked', async () => {
    const { stdout } = await run('--json', '--expires', '10m')
    const { url, id, ...rest } = JSON.parse(stdout)
    expect(Object.keys(rest)).toEqual(['fingerprint', 'project', 'expires_at'])
    const token = new URL(url).searchParams.get('token') ?? ''
    expect((await world.run(['tokens'])).stdout).toContain('Authorize keboola.ex-salesforce/901')
    expect((await world.run(['revoke', id])).code).toBe(0)
    expect(await world.app.useToken(token)).toBe(401)
  })

  it('K-31: a connection without a master token is refused by name, and nothing is made', async () => {
    world.app.demo.modes.set({ master: false })
    const before = await issued()
    const { code, stdout, stderr } = await run('--json')
    expect([code === 0, stdout, JSON.parse(stderr).error.code]).toEqual([false, '', 'missing_master_token'])
    expect(await issued()).toBe(before)
  })

  it('K-31: what is not there is said in words', async () => {
    const { code, stderr } = await world.run(['component-url', 'sales', 'keboola.ex-salesforce', '999'])
    expect([code === 0, stderr]).toEqual([
      false,
      expect.stringContaining('keboola.ex-salesforce has no configuration 999'),
    ])
    expect((await world.run(['component-url', 'sales', 'keboola.ex-salesforce'])).code).toBe(2)
  })
})
