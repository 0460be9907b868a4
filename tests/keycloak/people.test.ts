// What an administrator of the realm does to a person, and what a connection makes of it.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'

let at: AtKeycloak
beforeAll(async () => {
  at = await startAtKeycloak()
})
afterAll(() => at?.stop())

it('RR-07: who was disabled is refused at the next renewal, and may link again once enabled', async () => {
  const { made, key } = await at.linked('bob')
  await at.realm.changeUser('bob', { enabled: false })
  await at.expire(key)
  await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
  expect(await rowOf(at.broker, key)).toMatchObject({ status: 'needs_relink', cause: 'refused' })
  await expect(at.link(made, 'bob')).rejects.toThrow(/disabled/i)
  await at.realm.changeUser('bob', { enabled: true })
  expect((await at.link(made, 'bob')).kind).toBe('linked')
})

it('RR-07: who withdraws the offline access of our client in their account ends the grant, and the connection says so', async () => {
  const { key, of } = await at.linked('alice')
  const { id } = await at.realm.user('alice')
  await at.realm.admin(`/users/${id}/consents/${of.client_id}`, { method: 'DELETE' })
  await at.expire(key)
  await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
  expect(await rowOf(at.broker, key)).toMatchObject({ status: 'needs_relink', cause: 'refused' })
})

it('RR-07: the end of a session at the server leaves offline access alone; an administrator who revokes what came before ends it', async () => {
  const { key } = await at.linked('alice')
  const { id } = await at.realm.user('alice')
  for (const session of await at.realm.admin<{ id: string }[]>(`/users/${id}/sessions`))
    await at.realm.admin(`/sessions/${session.id}`, { method: 'DELETE' })
  await at.expire(key)
  expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version: 2, degraded: false })
  await at.realm.change({ notBefore: Math.floor(Date.now() / 1000) + 1 })
  await at.expire(key)
  await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
})
