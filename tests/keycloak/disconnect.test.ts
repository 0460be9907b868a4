// A connection that is ended here is ended there, also when the server is away.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Key, rowOf } from '../support/connection.ts'
import { makeRealm } from '../support/keycloak.ts'
import { type Between, startBetween } from '../support/keycloak-between.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'

let between: Between
let at: AtKeycloak
beforeAll(async () => {
  between = await startBetween()
  at = await startAtKeycloak({ realm: await makeRealm({ origin: between.origin }) })
})
afterAll(async () => {
  await at?.stop()
  await at?.realm.remove()
  await between?.stop()
})

const disconnect = async ({ connectionId }: Key) =>
  (await revoke(at.broker.ctx, at.owner, { tokens: [], connections: [connectionId] }))[0]
const revocations = async (clientId: string) =>
  (await at.realm.events('REVOKE_GRANT')).filter((event) => event.clientId === clientId).length
const renewal = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token })

it('N-21: by RFC 7009, and its offline token counts no more', async () => {
  const { key, of } = await at.linked('alice')
  const token = await at.refreshToken(key)
  // Confirmed where the realm was asked in time, which this is not about.
  expect(await disconnect(key)).toMatchObject({ upstream: expect.stringMatching(/^(done|confirmed)$/) })
  expect(await revocations(of.client_id)).toBe(1)
  expect(await at.realm.token(of, renewal(token))).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
})

it('N-21: while the server is away it ends here at once, and there once it is back', async () => {
  const { key, of } = await at.linked('alice')
  const token = await at.refreshToken(key)
  await between.away(async () => {
    expect(await disconnect(key)).toMatchObject({ upstream: 'pending' })
    expect(await rowOf(at.broker, key)).toMatchObject({ status: 'revoked', refreshToken: null, accessToken: null })
  })
  expect(await revocations(of.client_id)).toBe(0)
  await at.broker.advance(60)
  await tick(at.broker.ctx)
  expect(await revocations(of.client_id)).toBe(1)
  expect(await at.realm.token(of, renewal(token))).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
})

it('K-15: who links again in the browser that is signed in there keeps what they got, though the grant before is ended', async () => {
  const made = await at.provider()
  const who = at.realm.person('bob')
  for (const _ of [1, 2]) expect((await at.link(made, 'bob', who)).kind).toBe('linked')
  await tick(at.broker.ctx)
  for (const { id: connectionId, status } of await at.connectionsOf(made)) {
    if (status !== 'linked') continue
    const key = { tenantId: at.owner.tenantId, connectionId }
    await at.expire(key)
    expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ degraded: false })
  }
})
