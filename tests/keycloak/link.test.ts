// Linking, renewing and revoking at the real server.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { clients } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'

let at: AtKeycloak
beforeAll(async () => {
  at = await startAtKeycloak()
})
afterAll(() => at?.stop())

it('N-05: is known by its discovery alone and linked with offline access; who linked is the subject of its ID token', async () => {
  const { key, connection, of } = await at.linked('alice')
  expect(connection).toMatchObject({ accountName: 'Alice Manager', status: 'linked' })
  const row = await rowOf(at.broker, key)
  expect(row.accountId).toContain((await at.realm.user('alice')).id)
  expect(row.scopesGranted).toContain('offline_access')
  // RFC 6749 5.1 has no name for it: an offline token does not end by time, and Keycloak says 0.
  const { accessToken } = await freshTokens(at.broker.ctx, key)
  expect(await at.realm.introspect(clients.ordersApi, accessToken.reveal())).toMatchObject({ active: true })
  const token = await at.refreshToken(key)
  expect(await at.realm.introspect(of, token, 'refresh_token')).toMatchObject({ active: true, typ: 'Offline' })
})

it('RR-01 RR-03: twenty callers at once are one renewal, and no refresh token is sent twice where that ends the session', async () => {
  const { key } = await at.linked('alice')
  for (const version of [2, 3]) {
    const spent = await at.refreshToken(key)
    await at.expire(key)
    const all = await Promise.all(Array.from({ length: 20 }, () => freshTokens(at.broker.ctx, key)))
    expect(new Set(all.map(({ accessToken }) => accessToken.reveal())).size).toBe(1)
    expect(all[0]).toMatchObject({ version, degraded: false })
    expect(await at.refreshToken(key)).not.toBe(spent)
  }
  expect(await at.realm.events('REFRESH_TOKEN_ERROR')).toEqual([])
})
