// A realm that is away for a while, and a server that is stopped and started again. It is this file's own.
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { makeRealm } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { type KeycloakServer, startKeycloak } from '../support/keycloak-server.ts'

let server: KeycloakServer
let at: AtKeycloak
beforeAll(async () => {
  server = await startKeycloak({ name: 'restart', tls: inject('keycloak').tls })
  at = await startAtKeycloak({ realm: await makeRealm({ server }) })
})
afterAll(async () => {
  await at?.broker.stop()
  await server?.stop()
})

it('RR-07: while a realm is switched off its connections are degraded, and go on once it is back', async () => {
  const { key } = await at.linked('alice')
  await at.realm.change({ enabled: false })
  await at.expire(key)
  await expect(freshTokens(at.broker.ctx, key)).rejects.toThrow()
  expect(await rowOf(at.broker, key)).toMatchObject({ status: 'degraded' })
  await at.realm.change({ enabled: true })
  await at.recover(key)
  expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version: 2, degraded: false })
})

it('RR-07: a restart costs no connection: what comes meanwhile is degraded, and goes on', async () => {
  const { key } = await at.linked('alice')
  await server.end()
  await at.expire(key)
  await expect(freshTokens(at.broker.ctx, key)).rejects.toMatchObject({ code: 'upstream_unavailable' })
  await server.start()
  await at.recover(key)
  expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version: 2, degraded: false })
  expect(await rowOf(at.broker, key)).toMatchObject({ status: 'linked', cause: null })
})
