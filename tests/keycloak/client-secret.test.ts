// A client secret that is changed at a realm where two count at a time, and where only one does.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { changeProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'

let at: AtKeycloak
beforeAll(async () => {
  at = await startAtKeycloak()
})
afterAll(() => at?.stop())

/** The secret that Keycloak makes for a client. */
async function newSecret(clientId: string): Promise<string> {
  const { id } = await at.realm.client(clientId)
  return (await at.realm.admin<{ value: string }>(`/clients/${id}/client-secret`, { method: 'POST' })).value
}
const change = (providerId: string, rest: object) => changeProvider(at.broker.ctx, at.owner, { providerId, ...rest })
const statesOf = async (providerId: string) => {
  const { lines } = await checkProvider(at.broker.ctx, at.owner, providerId)
  return Object.fromEntries(lines.map(({ id, state }) => [id, state]))
}

describe('where the realm keeps the secret before for a while', () => {
  beforeAll(async () => {
    const executor = {
      executor: 'secret-rotation',
      configuration: {
        'expiration-period': 3600,
        'rotated-expiration-period': 1800,
        'remaining-rotation-period': 900,
      },
    }
    const profile = { name: 'two secrets', executors: [executor] }
    await at.realm.admin('/client-policies/profiles', { method: 'PUT', json: { profiles: [profile] } })
    const conditions = [{ condition: 'any-client', configuration: {} }]
    const policy = { name: 'everybody', enabled: true, conditions, profiles: [profile.name] }
    await at.realm.admin('/client-policies/policies', { method: 'PUT', json: { policies: [policy] } })
  })

  it('no renewal fails while it is changed: the one before counts until ours is, and afterwards until the realm drops it', async () => {
    const { made, key } = await at.linked('alice')
    const renewed = async () => {
      await at.expire(key)
      return freshTokens(at.broker.ctx, key)
    }
    const clientSecret = await newSecret(made.clientId)
    expect(await renewed()).toMatchObject({ degraded: false })
    expect(await change(made.id, { clientSecret })).toMatchObject({ secretTrial: 'known', hasPreviousSecret: true })
    expect(await statesOf(made.id)).toMatchObject({ client: 'ok', client_before: 'ok' })
    expect(await renewed()).toMatchObject({ degraded: false })
    const { id } = await at.realm.client(made.clientId)
    await at.realm.admin(`/clients/${id}/client-secret/rotated`, { method: 'DELETE' })
    expect(await statesOf(made.id)).toMatchObject({ client: 'ok', client_before: 'attention' })
    expect(await change(made.id, { dropPreviousSecret: true })).toMatchObject({ hasPreviousSecret: false })
    expect(await renewed()).toMatchObject({ degraded: false })
  })
})

describe('where the realm knows one at a time', () => {
  beforeAll(() => at.realm.admin('/client-policies/policies', { method: 'PUT', json: { policies: [] } }))

  it('renewals wait between both changes, no grant is lost, and a secret that the realm does not know changes nothing', async () => {
    const { made, key } = await at.linked('alice')
    await expect(change(made.id, { clientSecret: 'mistyped' })).rejects.toMatchObject({ code: 'bad_request' })
    const clientSecret = await newSecret(made.clientId)
    await at.expire(key)
    await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'client_not_registered' })
    expect(await rowOf(at.broker, key)).toMatchObject({ status: 'degraded' })
    expect(await statesOf(made.id)).toMatchObject({ client: 'failed' })
    expect(await change(made.id, { clientSecret })).toMatchObject({ secretTrial: 'known' })
    await at.recover(key)
    expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ degraded: false })
    expect(await rowOf(at.broker, key)).toMatchObject({ status: 'linked', cause: null })
  })
})
