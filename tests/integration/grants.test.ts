// What a person gave a program: seen, ended, and what ends with it.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { endGrant } from '../../lib/broker/end-grants.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Programs, startPrograms } from '../support/grants-of-programs.ts'

let app: TestApp
let programs: Programs
let owner: Jar
let ownerId: string
let project: string
beforeAll(async () => {
  app = await startTestApp()
  programs = startPrograms(app)
  owner = await app.signIn('owner@acme.test')
  ownerId = String((await app.call(owner, 'GET', '/me')).body.id)
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

const eventsOf = async (id: string) =>
  (await app.rows('acme', `SELECT body FROM audit_event WHERE body -> 'target' ->> 'id' = $1 ORDER BY id`, [id])).map(
    ({ body }) => body as { action: string; details: object },
  )

describe('ending a grant', () => {
  it('D-12: raises its generation, ends its access tokens and what was issued through it, also upstream; once', async () => {
    const id = await programs.grant({ userId: ownerId })
    const { token, value } = (await app.issue(owner, 'acme', project)).body
    await app.rows(
      'acme',
      `UPDATE issued_token SET client_id = 'valetkey', grant_id = $2,
      generations = vk.generations(tenant_id, user_id, project_id, provider_id, connection_id, 'valetkey', $2) WHERE id = $1`,
      [token.id, id],
    )
    const tenantId = String(await app.tenantId('acme'))
    const end = () =>
      endGrant(app.ctx, { tenantId, grantId: id, cause: 'reuse', origin: { userId: null, address: '203.0.113.9' } })
    expect(await end()).toEqual({ already: false })
    expect(await programs.stateOf(id)).toEqual({ state: 'revoked', generation: 1, by: null, cause: 'reuse', tokens: 0 })
    expect(await app.useToken(value)).toBe(401)
    expect(await end()).toEqual({ already: true })
    expect((await programs.stateOf(id)).generation).toBe(1)
    expect((await eventsOf(id)).map(({ action, details }) => [action, details])).toEqual([
      ['grant.ended', { owner: ownerId, client: 'valetkey', cause: 'reuse', tokens: 1, reason: null }],
    ])
    expect((await eventsOf(token.id)).map(({ action }) => action)).toContain('token.revoked')
  })
})
