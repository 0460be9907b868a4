// Strategy `proxy` at both demo upstreams: real sockets on both sides, the server's own edge in between.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Rules } from '../../lib/providers/rules.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { startPassing } from '../support/passing.ts'

let broker: Broker
let owner: BrowserActor
let passing: Awaited<ReturnType<typeof startPassing>>
let tickets: string
let stack: string
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  const linked = await broker.link(owner, 'owner@acme.test', { provider: 'Demo tickets' })
  if (linked.kind !== 'linked') throw linked.error
  tickets = linked.projectId
  const other = await broker.link(owner, 'owner@acme.test')
  if (other.kind !== 'linked') throw other.error
  stack = other.projectId
  passing = await startPassing(broker.ctx)
})
afterAll(async () => {
  await passing.stop()
  await broker.stop()
})

const issue = async (scopes: Rules, { project = tickets, lifetimeSeconds = 3600 } = {}) => {
  const issued = await issueToken(broker.ctx, owner, {
    project,
    scopes,
    strategy: 'proxy',
    lifetimeSeconds,
    purpose: 'a test',
  })
  return { ...issued, token: issued.value.reveal(), view: issued.token, base: issued.baseUrl }
}

describe('a token that works through us', () => {
  it('reads within its rules, and nothing else', async () => {
    const { token, base, view } = await issue({ access: 'read_only' })
    expect(token).toMatch(/^vk_px_[\w-]{49}$/)
    expect(view).toMatchObject({ strategy: 'proxy', state: 'live', granted: { access: 'read_only' } })
    const read = await passing.ask(base, '/tickets', { token })
    expect([read.status, read.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    const refused = await passing.ask(base, '/tickets', { token, method: 'POST', body: '{}' })
    expect(refused.status).toBe(403)
    expect(refused.json()).toMatchObject({ code: 'rule_refused', detail: expect.stringContaining('read only') })
  })
  it('is dead at once when it is revoked', async () => {
    const { token, base, view } = await issue({ access: 'everything' })
    expect((await passing.ask(base, '/tickets', { token })).status).toBe(200)
    const [result] = await revoke(broker.ctx, owner, { tokens: [view.id], connections: [] })
    expect(result).toMatchObject({ upstream: 'none', latestMoment: null, already: false, over: false })
    expect((await passing.ask(base, '/tickets', { token })).json()).toMatchObject({ code: 'token_ended' })
    expect(await readToken(broker.ctx, owner, view.id)).toMatchObject({
      state: 'revoked',
      revocation: { upstream: 'none' },
    })
  })
  it('works at the stack as well', async () => {
    const { token, base } = await issue({ access: 'read_only' }, { project: stack })
    const read = await passing.ask(base, '/v2/storage/buckets', { token })
    expect(read.status).toBe(200)
  })
})
