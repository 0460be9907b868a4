// App processes that are killed while the real server rotates. The table and what must come of each moment are those of
// tests/support/torture.ts.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seedConnections } from '../support/grants.ts'
import type { Seen } from '../support/invariants.ts'
import { clients, makeRealm } from '../support/keycloak.ts'
import { type Between, startBetween } from '../support/keycloak-between.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import { type Opponent, torture } from '../support/torture.ts'

const repetitions = 1

let between: Between
let at: AtKeycloak
let processes: Processes
beforeAll(async () => {
  between = await startBetween()
  at = await startAtKeycloak({ realm: await makeRealm({ origin: between.origin }) })
  processes = await bundleProcesses()
})
afterAll(async () => {
  await processes?.stop()
  await at?.stop()
  await at?.realm.remove()
  await between?.stop()
})

/** The realm allows no reuse: a token that comes twice ends what it belongs to. */
async function opponent(): Promise<Opponent> {
  const { realm, broker, owner } = at
  const { clientId, name } = await at.provider()
  const client = { ...clients.valetkey, client_id: clientId }
  const path = `/realms/${realm.name}/protocol/openid-connect/token`
  return {
    name,
    rotation: 'strict',
    faults: between.faults,
    tokenRoute: `POST ${path}`,
    seed: (count) =>
      seedConnections(broker, owner, count, {
        provider: name,
        // Each in a browser of its own: grants of one session at Keycloak live and end together.
        approve: (url) => realm.person('alice').approve(url),
      }),
    async seen(kept): Promise<Seen> {
      const sends = new Map<string, number>()
      for (const { body } of between.requests) {
        const token = body.get('grant_type') === 'refresh_token' && body.get('refresh_token')
        if (token) sends.set(token, (sends.get(token) ?? 0) + 1)
      }
      const states = await Promise.all(kept.map((token) => realm.introspect(client, token, 'refresh_token')))
      return { sends, live: new Set(kept.filter((_, index) => states[index]?.active)) }
    },
    async outlast(seeded) {
      for (const key of seeded) await at.expire(key)
    },
  }
}

it('RR-05 H-05: at no moment of a rotation that allows no reuse does a kill leave a grant silently dead, or a token sent a third time', async () => {
  const made = await torture(at.broker, processes, await opponent(), { repetitions, perProcess: 1 })
  expect(made.flatMap(({ broken }) => broken)).toEqual([])
  expect(made.every(({ kills }) => kills === repetitions)).toBe(true)
}, 180_000)
