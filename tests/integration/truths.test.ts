import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { changeMember } from '../../lib/broker/end.ts'
import { issueToken, reconcileIssuing } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { changeProvider, createProvider, providerList } from '../../lib/broker/providers.ts'
import { unconfirmedRevocations } from '../../lib/broker/read/revocation.ts'
import { tokenPage } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { settleRevocation } from '../../lib/broker/upstream-revocation.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { dueRevocations } from '../../lib/store/lookups.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'

let broker: Broker
let actor: BrowserActor
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

const scopes = {
  components: [],
  buckets: { 'in.c-crm': 'read' as const },
  manage_buckets: false,
  read_all_files: false,
}
const issue = () => issueToken(broker.ctx, actor, { project, scopes, lifetimeSeconds: 900, purpose: 'truths' })
type Body = { action: string; outcome: string; target: { id: string } | null; details: Record<string, unknown> }
/** Events of one kind, newest first. */
async function auditBodies(action: string): Promise<Body[]> {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  const text = `SELECT body FROM audit_event WHERE body ->> 'action' = $1 ORDER BY id DESC LIMIT 10`
  return (await broker.owner.query<{ body: Body }>(text, [action])).rows.map(({ body }) => body)
}
/** Whatever is due in the queue, however much. */
const settleDue = async () => {
  for (let due = await look(); due.length > 0; due = await look())
    for (const place of due) await settleRevocation(broker.ctx, place)
}
const look = () => dueRevocations(broker.ctx, broker.ctx.now(), 50)
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

describe('what was not revoked is not called so', () => {
  it('`already` is said of what was revoked before, never of what merely ended or never came to be', async () => {
    const { token: ended } = await issue()
    const { token: revoked } = await issue()
    const forbidden = { status: 403, body: { kind: 'json', value: { error: 'no' } } } as const
    broker.demo.faults.push('POST /v2/storage/tokens', forbidden)
    await expect(issue()).rejects.toMatchObject({ code: 'upstream_forbidden' })
    const failed = (await tokenPage(broker.ctx, actor, {})).items[0]
    await revoke(broker.ctx, actor, { tokens: [revoked.id], connections: [] })
    await broker.advance(1000)
    const tokens = [ended.id, revoked.id, failed?.id ?? '']
    const outcome = await revoke(broker.ctx, actor, { tokens, connections: [] })
    const said = new Map(
      outcome.map(({ id, already, over, upstream, latestMoment }) => [id, { already, over, upstream, latestMoment }]),
    )
    expect(tokens.map((id) => said.get(id))).toEqual([
      { already: false, over: true, upstream: null, latestMoment: null },
      { already: true, over: false, upstream: 'confirmed', latestMoment: null },
      { already: false, over: true, upstream: null, latestMoment: null },
    ])
    const events = await auditBodies('token.revoked')
    expect(events.map(({ target }) => target?.id)).toContain(revoked.id)
    expect(events.map(({ target }) => target?.id)).not.toContain(ended.id)
  })
})

describe('a grant that a person ended upstream', () => {
  const key = async () => {
    const [connection] = await connectionList(broker.ctx, actor)
    return { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
  }
  const doubts: [string, () => void][] = [
    [
      'an answer that failed after it had taken effect',
      () => {
        broker.demo.modes.set({ rotation: 'grace' })
        broker.demo.faults.push('POST /oauth/token', { status: 500, effect: 'applied', body: { kind: 'empty' } })
        broker.demo.faults.push('POST /oauth/token', { status: 500, effect: 'applied', body: { kind: 'empty' } })
      },
    ],
    ['answers that failed', () => broker.demo.faults.push('POST /oauth/token', { status: 500 }, { status: 500 })],
    [
      'an answer that was cut off',
      () => broker.demo.faults.push('POST /oauth/token', { reset: 'before' }, { reset: 'before' }),
    ],
  ]
  afterEach(() => broker.demo.modes.set({ rotation: 'strict' }))

  it.each(doubts)(
    'RR-07: is called refused, not lost in rotation, although %s before: that was healed',
    async (_, doubt) => {
      await broker.advance(3700)
      doubt()
      await expect(freshTokens(broker.ctx, await key())).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await broker.advance(20)
      await freshTokens(broker.ctx, await key())
      await broker.demo.endGrants('owner@acme.test')
      await broker.advance(3700)
      await expect(freshTokens(broker.ctx, await key())).rejects.toMatchObject({ code: 'needs_relink' })
      expect((await connectionList(broker.ctx, actor))[0]).toMatchObject({ status: 'needs_relink', cause: 'refused' })
    },
  )
})

describe('a token is no more than what was asked', () => {
  type Excess = NonNullable<Parameters<Broker['demo']['modes']['set']>[0]['mintExcess']>
  const hour = 3600
  /** In what, what the upstream adds, what the refusal and the event call it. */
  const excesses: [string, Excess, string][] = [
    ['reads a bucket more', { buckets: { 'out.c-reporting': 'read' } }, 'read out.c-reporting'],
    ['writes where reading was asked', { buckets: { 'in.c-crm': 'write' } }, 'write in.c-crm'],
    ['manages a bucket where reading was asked', { buckets: { 'in.c-crm': 'manage' } }, 'manage in.c-crm'],
    ['manages buckets', { flags: { canManageBuckets: true } }, 'manage buckets'],
    ['reads all files', { flags: { canReadAllFileUploads: true } }, 'read all files'],
    ['reaches a component more', { components: ['keboola.ex-salesforce'] }, 'component keboola.ex-salesforce'],
    ['manages tokens', { flags: { canManageTokens: true } }, 'manage tokens'],
    ['purges the trash', { flags: { canPurgeTrash: true } }, 'canPurgeTrash'],
    ['reads all events', { flags: { canReadAllProjectEvents: true } }, 'canReadAllProjectEvents'],
    ['manages branches', { flags: { canManageDevBranches: true } }, 'canManageDevBranches'],
    [
      'changes the protected branch',
      { flags: { canManageProtectedDefaultBranch: true } },
      'canManageProtectedDefaultBranch',
    ],
    ['creates jobs', { flags: { canCreateJobs: true } }, 'canCreateJobs'],
    ['lives for ever', { expiresIn: null }, 'no end'],
    ['lives longer', { expiresIn: 3 * hour }, 'a longer life'],
    [
      'hides its long life behind a clock that is ahead',
      { expiresIn: 3 * hour, claims: { created: 'ahead' } },
      'a longer life',
    ],
    ['says that it is a master token', { claims: { isMasterToken: true } }, 'isMasterToken'],
    ['says that it is an admin’s', { claims: { admin: { id: 1, role: 'admin' } } }, 'admin'],
    ['says that it is for another project', { claims: { owner: { id: 10232 } } }, 'another project'],
    ['has a flag that we do not know', { claims: { canUseDirectAccess: true } }, 'canUseDirectAccess'],
    ['has a list that we do not know', { claims: { sharedWith: ['everybody'] } }, 'sharedWith'],
    [
      'has a right that we do not know',
      { claims: { bucketPermissions: { 'in.c-crm': 'own' } } },
      'an unknown right on in.c-crm',
    ],
    [
      'has rights that cannot be read',
      { claims: { bucketPermissions: 'everything' } },
      'an unreadable bucketPermissions',
    ],
    ['has a flag that cannot be read', { claims: { canManageBuckets: 'yes' } }, 'an unreadable canManageBuckets'],
    // Ours to keep out of the log and the audit trail: it may be anything.
    ['reaches something with an odd name', { components: ['a b\u202e<c>'] }, 'component something with an odd name'],
  ]
  const upstreamTokens = () => broker.demo.ledger.tokens.filter(({ kind }) => kind === 'storage')
  const lie = (excess: Excess) => {
    const ahead = new Date(broker.ctx.now().getTime() + (3 * hour - 900) * 1000).toISOString()
    const claims = excess.claims?.created ? { claims: { ...excess.claims, created: ahead } } : {}
    broker.demo.modes.set({ mintExcess: { ...excess, ...claims } })
  }
  afterEach(() => broker.demo.modes.set({ mintExcess: null }))

  it.each(excesses)(
    'K-20 K-21 K-22: one that %s is refused, ended at once, and recorded by name',
    async (_, excess, named) => {
      lie(excess)
      const before = upstreamTokens().length
      const refused = await issue().catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'excess_rights', detail: `More than requested: ${named}.` })
      // It was really made, and is really dead.
      expect(upstreamTokens().length - before).toBe(1)
      expect(upstreamTokens().at(-1)?.live).toBe(false)
      expect((await tokenPage(broker.ctx, actor, {})).items[0]).toMatchObject({
        state: 'revoked',
        failure: 'excess_rights',
        fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
        revocation: { upstream: 'confirmed', latestMoment: null },
      })
      const [failed] = await auditBodies('token.failed')
      expect(failed).toMatchObject({ outcome: 'refused', details: { code: 'excess_rights', exceeded: [named] } })
      const value = upstreamTokens().at(-1)?.value ?? 'nothing'
      expect(JSON.stringify([refused, failed, broker.logged])).not.toContain(value)
    },
  )

  it('K-20: what nobody can end at once stays in the queue until it is dead, and its end is said to be unknown', async () => {
    // What earlier tests left in the queue would take the faults that are meant for this token.
    await broker.advance(2000)
    await settleDue()
    lie({ expiresIn: null, flags: { canManageTokens: true } })
    const down = { status: 503, body: { kind: 'empty' } } as const
    broker.demo.faults.push('DELETE /v2/storage/tokens/*', down, down, down)
    await expect(issue()).rejects.toMatchObject({ code: 'excess_rights' })
    expect(upstreamTokens().at(-1)?.live).toBe(true)
    const newest = async () => (await tokenPage(broker.ctx, actor, {})).items[0]
    expect(await newest()).toMatchObject({
      state: 'revoked',
      revocation: { upstream: 'pending', tries: 1, nextTryAt: expect.any(Date), latestMoment: 'unknown' },
    })
    // Past the end that was asked: it has none, so it is not given up.
    broker.demo.faults.push('DELETE /v2/storage/tokens/*', down, down, down)
    await broker.advance(2000)
    await settleDue()
    expect(await newest()).toMatchObject({ revocation: { upstream: 'pending', tries: 2, latestMoment: 'unknown' } })
    await broker.advance(2000)
    await settleDue()
    expect(upstreamTokens().at(-1)?.live).toBe(false)
    expect(await newest()).toMatchObject({ revocation: { upstream: 'confirmed', latestMoment: null } })
  })

  it('what grants nothing is no excess: fewer rights, empty fields that we do not know, every bucket where managing was asked', async () => {
    broker.demo.modes.set({
      mintExcess: { claims: { canUseDirectAccess: false, later: null, list: [], map: {}, text: '' } },
    })
    const narrow = await issue()
    expect(narrow.token.state).toBe('live')
    broker.demo.modes.set({ mintExcess: null })
    const wide = { ...scopes, manage_buckets: true }
    const input = { project, scopes: wide, lifetimeSeconds: 900, purpose: 'truths' }
    const { token } = await issueToken(broker.ctx, actor, input)
    expect(token.granted).toMatchObject({ manage_buckets: true })
    await revoke(broker.ctx, actor, { tokens: [narrow.token.id, token.id], connections: [] })
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
