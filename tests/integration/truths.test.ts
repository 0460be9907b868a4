import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import type { Actor } from '../../lib/actor.ts'
import { changeMember } from '../../lib/broker/end.ts'
import { connectionList, tokenPage, unconfirmedRevocations } from '../../lib/broker/inventory.ts'
import { issueToken, reconcileIssuing } from '../../lib/broker/issue.ts'
import { completeLink, startLink } from '../../lib/broker/link.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { changeProvider, createProvider, providerList } from '../../lib/tenancy/providers.ts'
import { type Broker, startBroker } from '../support/broker.ts'

let broker: Broker
let actor: Actor & { browser: string }
let project: string
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())
beforeEach(async () => {
  broker.demo.faults.clear()
  broker.demo.modes.set({ missingFields: [] })
  const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (linked.kind === 'failed') throw linked.error
  project = linked.projectId
})

const scopes = { components: [], buckets: { 'in.c-crm': 'read' as const }, manageBuckets: false, readAllFiles: false }
const issue = () => issueToken(broker.ctx, actor, { project, scopes, lifetimeSeconds: 900, purpose: 'truths' })
const liveStorageTokens = () =>
  broker.demo.ledger.tokens.filter((token) => token.kind === 'storage' && token.live).length
const lost = { effect: 'skipped' as const, status: 404, body: { kind: 'html' as const } }

describe('the three truths', () => {
  it('K-35: a 404 in front of the upstream is no proof of death: the token stays pending, and is ended later', async () => {
    const { token, value } = await issue()
    broker.demo.faults.push('DELETE /v2/storage/tokens/*', lost, lost, lost)
    const [first] = await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
    expect(first).toMatchObject({ already: false, upstream: 'pending', latestMoment: expect.any(Date) })
    const [second] = await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
    expect(second).toMatchObject({ already: true, upstream: 'pending', latestMoment: expect.any(Date) })
    broker.demo.faults.clear()
    await broker.advance(30)
    await tick(broker.ctx)
    const answer = await fetch(`${broker.demo.url}/v2/storage/tokens/verify`, {
      headers: { 'x-storageapi-token': value.reveal() },
    })
    expect(answer.status).toBe(401)
    expect((await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] }))[0]).toMatchObject({
      already: true,
      upstream: 'confirmed',
      latestMoment: null,
    })
  })

  it('what an upstream has not confirmed names its token, owner and project, and leaves the list when its token has ended', async () => {
    const { token } = await issue()
    broker.demo.faults.push('DELETE /v2/storage/tokens/*', lost, lost, lost)
    await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
    const ofToken = async () =>
      (await unconfirmedRevocations(broker.ctx, actor)).filter(({ tokenId }) => tokenId === token.id)
    expect(await ofToken()).toEqual([
      expect.objectContaining({
        kind: 'token',
        fingerprint: token.fingerprint,
        ownerId: actor.userId,
        project: 'Acme Sales Reporting',
        state: 'pending',
      }),
    ])
    await broker.advance(901)
    expect(await ofToken()).toEqual([])
  })

  it('K-35: disconnecting an idle connection does not call its grant over: how long a copy would work is unknown', async () => {
    await broker.advance(7200)
    const [connection] = await connectionList(broker.ctx, actor)
    const disconnect = () => revoke(broker.ctx, actor, { tokens: [], connections: [connection?.id ?? ''] })
    expect(await disconnect()).toMatchObject([
      { kind: 'connection', already: false, upstream: 'impossible', latestMoment: 'unknown' },
    ])
    expect(await disconnect()).toMatchObject([
      { kind: 'connection', already: true, upstream: 'impossible', latestMoment: 'unknown' },
    ])
  })
})

describe('a token is no more than what was asked', () => {
  it.each([
    ['lives for ever', { expires: null }],
    ['outlives what was asked', { expires: '2099-01-01T00:00:00+0100' }],
    ['manages tokens', { canManageTokens: true }],
  ])('K-20: one that %s is not handed out', async (_, excess) => {
    const now = new Date(broker.ctx.now()).toISOString()
    const token = {
      id: '77',
      token: '77-made-up-value',
      description: '',
      created: now,
      expires: new Date(broker.ctx.now().getTime() + 900_000).toISOString(),
    }
    broker.demo.faults.push('POST /v2/storage/tokens', {
      effect: 'skipped',
      status: 201,
      body: { kind: 'json', value: { ...token, ...excess } },
    })
    await expect(issue()).rejects.toMatchObject({ name: 'BrokerError' })
    expect((await tokenPage(broker.ctx, actor, {})).items[0]?.state).not.toBe('live')
  })
})

describe('nothing lives on unseen', () => {
  it('A-03: a mint that comes back after it was given up is revoked, not dropped', async () => {
    const before = liveStorageTokens()
    broker.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'late', at: 'before' } })
    const slow = issue()
    await broker.demo.faults.barrier('late').arrived()
    const [row] = (await tokenPage(broker.ctx, actor, {})).items
    await reconcileIssuing(broker.ctx, { tenantId: actor.tenantId, id: row?.id ?? '' })
    broker.demo.faults.barrier('late').release()
    await expect(slow).rejects.toMatchObject({ code: 'revoked_meanwhile' })
    expect(liveStorageTokens()).toBe(before)
  })

  it('A-03: disconnecting during a mint leaves nothing alive', async () => {
    const before = liveStorageTokens()
    broker.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'disconnect', at: 'after' } })
    const slow = issue()
    await broker.demo.faults.barrier('disconnect').arrived()
    const [connection] = await connectionList(broker.ctx, actor)
    await revoke(broker.ctx, actor, { tokens: [], connections: [connection?.id ?? ''] })
    expect(liveStorageTokens()).toBe(before)
    broker.demo.faults.barrier('disconnect').release()
    await expect(slow).rejects.toMatchObject({ code: 'revoked_meanwhile' })
    expect(liveStorageTokens()).toBe(before)
  })
})

describe('rights are asked at the moment they count', () => {
  it('LK-04: who became an auditor meanwhile does not complete a link', async () => {
    const member = await broker.actorOf('member@acme.test')
    const provider = await broker.providerOf(member)
    const started = await startLink(broker.ctx, member, { providerId: provider.id, browser: member.browser })
    const location = await approve(started.url, { account: 'member@acme.test', project: '10231' })
    await changeMember(broker.ctx, actor, { userId: member.userId, role: 'auditor' })
    expect(await completeLink(broker.ctx, broker.callbackOf(location, member))).toMatchObject({
      kind: 'failed',
      error: { code: 'forbidden' },
    })
    expect(await connectionList(broker.ctx, member)).toEqual([])
    await changeMember(broker.ctx, actor, { userId: member.userId, role: 'member' })
  })

  it('LK-03: a project that only others linked does not exist for a member', async () => {
    const member = await broker.actorOf('member@acme.test')
    for (const name of [project, 'acme-sales-reporting', 'no-such-project'])
      await expect(
        issueToken(broker.ctx, member, { project: name, scopes, lifetimeSeconds: 900, purpose: 'guess' }),
      ).rejects.toMatchObject({ code: 'not_found' })
  })

  it('a client id is not exchanged under living connections', async () => {
    const [provider] = await providerList(broker.ctx, actor)
    const change = changeProvider(broker.ctx, actor, { providerId: provider?.id ?? '', clientId: 'another-client' })
    await expect(change).rejects.toMatchObject({ code: 'provider_in_use' })
  })

  it('a client id that another row of the same upstream has is refused, not an unknown error', async () => {
    const stack = { kind: 'keboola', issuer: 'https://connection.example.com', clientSecret: 'a-secret' } as const
    await createProvider(broker.ctx, actor, { ...stack, name: 'One', clientId: 'one' })
    const two = await createProvider(broker.ctx, actor, { ...stack, name: 'Two', clientId: 'two' })
    const change = changeProvider(broker.ctx, actor, { providerId: two.id, clientId: 'one' })
    await expect(change).rejects.toMatchObject({ code: 'provider_exists' })
  })
})
