import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { checkLastUse } from '../../lib/broker/last-use.ts'
import { projectDetail } from '../../lib/broker/read/project.ts'
import { tokenPage } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'

let broker: Broker
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker.stop())

const scopes = {
  components: [],
  buckets: { 'in.c-crm': 'read' as const },
  manage_buckets: false,
  read_all_files: false,
}
const use = (token: string, path = '/v2/storage/tokens/verify') =>
  fetch(broker.demo.url + path, { headers: { 'x-storageapi-token': token } })

describe('the main job', () => {
  it('links a project, issues a token that works, revokes it, and it is dead', async () => {
    const actor = await broker.actorOf('owner@acme.test')
    const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
    if (linked.kind === 'failed') throw linked.error
    expect(linked).toMatchObject({ kind: 'linked' })
    if (linked.kind !== 'linked') return

    const { choices, cap } = await readScopeChoices(broker.ctx, actor, linked.projectId)
    expect(choices.buckets).toContainEqual(expect.objectContaining({ id: 'in.c-crm' }))
    expect(cap).toEqual({ seconds: 7200, setBy: 'provider' })

    const { token, value } = await issueToken(broker.ctx, actor, {
      project: linked.projectId,
      scopes,
      lifetimeSeconds: 900,
      purpose: 'nightly export',
    })
    expect(token).toMatchObject({ state: 'live', strategy: 'mint', notGranted: [] })
    expect((await use(value.reveal())).status).toBe(200)
    expect(await checkLastUse(broker.ctx, actor, token.id)).toBeInstanceOf(Date)

    const [result] = await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
    expect(result).toMatchObject({ kind: 'token', already: false, upstream: 'confirmed', latestMoment: null })
    expect((await use(value.reveal())).status).toBe(401)
    expect(await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })).toMatchObject([{ already: true }])
    expect((await tokenPage(broker.ctx, actor, {})).items[0]).toMatchObject({
      state: 'revoked',
      revocation: { upstream: 'confirmed' },
    })
  })

  it('RR-01: 50 callers on one expired connection cause one refresh, and all get the newest token', async () => {
    const actor = await broker.actorOf('owner@acme.test')
    const [connection] = await connectionList(broker.ctx, actor)
    if (!connection) throw new Error('not linked')
    await broker.advance(3700)
    const before = broker.demo.ledger.requests.filter((entry) => entry.path === '/oauth/token').length
    const second = await broker.makeContext()
    const key = { tenantId: actor.tenantId, connectionId: connection.id }
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) => freshTokens(index % 2 ? second : broker.ctx, key)),
    )
    await second.close()
    expect(new Set(all.map((tokens) => tokens.accessToken.reveal())).size).toBe(1)
    expect(broker.demo.ledger.requests.filter((entry) => entry.path === '/oauth/token').length - before).toBe(1)
    expect(all.every((tokens) => !tokens.degraded)).toBe(true)
  })

  it('disconnecting ends every living token and wipes what was stored', async () => {
    const actor = await broker.actorOf('owner@acme.test')
    const [connection] = await connectionList(broker.ctx, actor)
    if (!connection?.project) throw new Error('not linked')
    const { value } = await issueToken(broker.ctx, actor, {
      project: connection.project.alias,
      scopes,
      lifetimeSeconds: 900,
      purpose: 'ci',
    })
    const results = await revoke(broker.ctx, actor, { tokens: [], connections: [connection.id] })
    expect(results.map((result) => [result.kind, result.upstream])).toEqual([
      ['connection', 'impossible'],
      ['token', 'confirmed'],
    ])
    expect((await use(value.reveal())).status).toBe(401)
    await expect(
      freshTokens(broker.ctx, { tenantId: actor.tenantId, connectionId: connection.id }),
    ).rejects.toMatchObject({ code: 'not_linked' })
    const detail = await projectDetail(broker.ctx, actor, connection.project.alias)
    expect(detail.connection?.status).toBe('revoked')
    expect(detail.timeline.map((event) => event.action)).toContain('connection.revoked')
  })
})
