import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'

import { revoke } from '../../lib/broker/revoke.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { rowOf } from '../support/connection.ts'
import { linkMany, signInForMany, turnOn } from '../support/session-flow.ts'

describe('one sign-in for several projects', () => {
  let broker: Broker
  let owner: BrowserActor

  beforeAll(async () => {
    broker = await startBroker()
    owner = await broker.actorOf('owner@acme.test')
  })
  beforeEach(async () => {
    broker.demo.reset()
    await turnOn(broker, owner)
    const rows = await broker.owner.query("SELECT id FROM connection WHERE status <> 'revoked'")
    await revoke(broker.ctx, owner, { tokens: [], connections: rows.rows.map(({ id }) => id) })
    await broker.settled()
    broker.demo.reset()
  })
  afterAll(async () => broker.stop())
  afterEach(({ task }) => { if (task.result?.state === 'fail') console.info(broker.logged.filter((l) => /"level":(40|50)|alarm/.test(l)).slice(-5).join('').slice(0, 3000)) })

  const live = (kind: string) =>
    broker.demo.ledger.tokens.filter((one) => one.system === 'sessions' && one.kind === kind && one.live)

  it('ASK-08: one session, the projects that its person chose, a token of each, and an end of all of it', async () => {
    const key = await linkMany(broker, owner, 'owner@acme.test', ['10231', '10232'])
    const row = await rowOf(broker, key)
    expect(row).toMatchObject({ status: 'linked', flow: 'session', accountName: 'Acme Owner' })
    expect(row.projects.map(({ project }) => project.externalId).sort()).toEqual(['10231', '10232'])
    expect(live('refresh')).toHaveLength(1)

    for (const { project } of row.projects) {
      const { value } = await issueToken(broker.ctx, owner, {
        project: project.id,
        scopes: { components: ['keboola.snowflake-transformation'] },
        lifetimeSeconds: 600,
        purpose: 'a test',
      })
      expect(value.reveal()).toMatch(new RegExp(`^${project.externalId}-`))
    }
    const [done] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    expect(done).toMatchObject({ kind: 'connection', upstream: 'confirmed' })
    expect(live('refresh')).toHaveLength(0)
    expect(live('access')).toHaveLength(0)
  })
})
