// The command, killed at each step of what it does to files and to the network.
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allScopes, type CliWorld, startCliWorld } from '../support/cli.ts'

let world: CliWorld
beforeAll(async () => {
  world = await startCliWorld()
})
afterAll(() => world.stop())

const node = ['--import', resolve(import.meta.dirname, '../support/dies-at.mjs')]
const dying = (at: number) => ({ DIES_AT: String(at) })

/** Everything that is kept is whole. */
async function filesAreWhole() {
  for (const name of ['accounts.json', 'credentials.json']) {
    const text = await readFile(join(world.machine, '.config/valetkey', name), 'utf8').catch(() => '{}')
    expect(() => JSON.parse(text), text).not.toThrow()
  }
}
const living = () => world.app.rows('acme', 'SELECT id FROM oauth_grant WHERE end_cause IS NULL')

it('K-10 a refresh that is killed at any step loses no sign-in', async () => {
  expect((await world.login()).code).toBe(0)
  const [grant] = await living()
  let at = 0
  for (let survived = false; !survived; ) {
    at += 1
    await world.app.rows(
      'acme',
      `UPDATE access_token SET expires_at = vk_now() - interval '1 second' WHERE expires_at > vk_now()`,
    )
    const { signal } = await world.run(['whoami'], { env: dying(at), node })
    survived = signal === null
    await filesAreWhole()
    const after = await world.run(['whoami', '--json'])
    expect([at, after.code, after.stderr]).toEqual([at, 0, ''])
  }
  expect(await living()).toEqual([grant])
  // Two moments for each of: a lock taken and given back, a refresh, a file put in place.
  expect(at).toBeGreaterThan(20)
}, 180_000)

it('a login that is killed at any step leaves whole files, and the next one works', async () => {
  let at = 0
  for (let survived = false; !survived; ) {
    at += 1
    const running = world.start(['login', world.at.origin], { env: dying(at), node })
    const url = await Promise.race([world.sentTo(), running.ended.then(() => undefined)])
    if (url) {
      const back = await world.person(allScopes).allow(url)
      await fetch(back).catch(() => undefined)
    }
    survived = (await running.ended).signal === null
    await filesAreWhole()
    // What was kept before is there, or what has come since.
    const after = await world.run(['whoami', '--json'])
    expect([at, after.code, after.stderr]).toEqual([at, 0, ''])
  }
  expect((await world.login()).code).toBe(0)
  expect(at).toBeGreaterThan(20)
  // What a killed one left beside the file holds secrets as well.
  const names = await readdir(join(world.machine, '.config/valetkey'))
  expect(names.filter((name) => name.startsWith('credentials'))).toEqual(['credentials.json'])
}, 180_000)
