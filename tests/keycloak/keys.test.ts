// A realm that signs with another key from one moment to the next, while people sign in and connections are renewed.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { makeRealm, type Realm } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { type SigninAtKeycloak, startSigninAtKeycloak } from '../support/keycloak-signin.ts'

let realm: Realm
let signin: SigninAtKeycloak
let at: AtKeycloak
beforeAll(async () => {
  realm = await makeRealm()
  signin = await startSigninAtKeycloak({ realm })
  at = await startAtKeycloak({ realm })
})
afterAll(async () => {
  await signin?.stop()
  await at?.stop()
  await realm?.remove()
})

const signingIn = 10
const connections = 4

it('L-05 N-18: once its keys are six seconds new nobody is turned away, at one request for keys, and before that a kid that is not known is refused', async () => {
  const person = realm.person('alice')
  const waiting = []
  for (let index = 0; index < signingIn + 2; index += 1) waiting.push(await signin.approach('alice', person))
  const [before, early] = waiting.splice(0, 2)
  if (!before || !early) throw new Error('nobody is on the way')
  // The real server takes its time; here none passes between the two.
  const seconds = Date.now() / 1000
  signin.ctx.now = () => new Date(seconds * 1000)
  expect(await signin.arrive(before)).toMatchObject({ location: '/' })
  await realm.newKeys('RS256')
  expect(await signin.arrive(early)).toMatchObject({ location: '/signin?error=signin_failed', session: undefined })
  expect(signin.failures().at(-1)).toMatchObject({
    stage: 'signature',
    reason: 'signed with a key that is not published',
  })
  signin.ctx.now = () => new Date((seconds + 6) * 1000)
  const arrived = await Promise.all(waiting.map(signin.arrive))
  expect(arrived.map(({ location }) => location)).toEqual(waiting.map(() => '/'))
})

it('N-18 RR-10: no connection is lost or delayed by it, whether its renewal comes before the keys were read or after', async () => {
  const linked: Awaited<ReturnType<AtKeycloak['linked']>>[] = []
  for (let index = 0; index < connections; index += 1) linked.push(await at.linked('alice'))
  await realm.newKeys('RS256')
  const renewAll = (version: number) =>
    Promise.all(
      linked.map(async ({ key }) => {
        await at.expire(key)
        expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version, degraded: false })
        expect(await rowOf(at.broker, key)).toMatchObject({ status: 'linked', cause: null })
      }),
    )
  await renewAll(2)
  await at.broker.advance(6)
  await renewAll(3)
})
