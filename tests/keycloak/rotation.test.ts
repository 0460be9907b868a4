// What a realm says of refresh tokens that come twice, and what becomes of a connection.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'

let at: AtKeycloak
beforeAll(async () => {
  at = await startAtKeycloak()
})
afterAll(() => at?.stop())

const renewal = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token })

describe('a realm that allows no reuse', () => {
  beforeAll(() => at.realm.change({ revokeRefreshToken: true, refreshTokenMaxReuse: 0 }))

  it('RR-07: a token that somebody else has spent is refused, and the connection asks to be linked again', async () => {
    const { key, of } = await at.linked('alice')
    const stolen = renewal(await at.refreshToken(key))
    const { status, body } = await at.realm.token(of, stolen)
    expect(status).toBe(200)
    await at.expire(key)
    await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await rowOf(at.broker, key)).toMatchObject({ status: 'needs_relink', cause: 'refused' })
    // And the thief's is worth nothing any more: Keycloak ends the session that a spent token came from.
    expect(await at.realm.token(of, renewal(String(body.refresh_token)))).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
  })
})

describe('a realm that does not rotate', () => {
  beforeAll(() => at.realm.change({ revokeRefreshToken: false }))
  afterAll(() => at.realm.change({ revokeRefreshToken: true }))

  it('N-27: each renewal brings a token all the same, and the one before goes on', async () => {
    const { key, of } = await at.linked('alice')
    const first = await at.refreshToken(key)
    for (const version of [2, 3]) {
      await at.expire(key)
      expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version, degraded: false })
    }
    expect((await at.realm.token(of, renewal(first))).status).toBe(200)
  })
})
