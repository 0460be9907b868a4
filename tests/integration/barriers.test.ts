// Every act that ends or stops, met by everything that can be under way, each held where the two truly meet.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { revokeSelection } from '../../lib/broker/acts.ts'
import { changeMember, removeMember, revokeEverything } from '../../lib/broker/end.ts'
import { freeze } from '../../lib/broker/freezes.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { claimed, type Device, pollDevice } from '../support/authorization.ts'
import { type Broker, type BrowserActor, origin, startBroker } from '../support/broker.ts'
import { storedRefreshToken } from '../support/connection.ts'
import { refreshTokenIn } from '../support/grants.ts'
import { gatewayGrant, linkedMcp, mcpToken, startBehind, startGateway } from '../support/mcp-gateway.ts'
import { type Realm, realmClient, startRealm } from '../support/realm.ts'

vi.setConfig({ testTimeout: 60_000 })

describe('A-03: an upstream is at it', () => {
  let broker: Broker
  let realm: Realm
  let owner: BrowserActor
  let member: BrowserActor
  let project: string
  let connection: string

  const rows = async (text: string, values: unknown[] = []) => {
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
    return (await broker.owner.query(text, values)).rows
  }
  beforeAll(async () => {
    broker = await startBroker()
    realm = await startRealm({ now: () => broker.ctx.now().getTime() })
    owner = await broker.actorOf('owner@acme.test')
    const { id: clientId, secret: clientSecret } = realmClient
    await createProvider(broker.ctx, owner, {
      ...{ kind: 'keycloak', name: 'Acme realm', clientId, clientSecret },
      setup: {
        issuer: realm.issuer,
        scopes: ['files:read'],
        api_bases: [{ name: 'Files', url: realm.api, audience: 'files-api' }],
        audiences: [],
      },
    })
  })
  afterAll(async () => {
    await broker.stop()
    await realm.stop()
  })
  beforeEach(async () => {
    broker.demo.faults.clear()
    realm.is()
    const id = (
      await rows(`SELECT user_id FROM member m JOIN "user" u ON u.id = m.user_id WHERE u.email = 'member@acme.test'`)
    )[0]?.user_id
    await rows(`UPDATE member SET status = 'active' WHERE user_id = $1`, [id])
    await rows('DELETE FROM freeze_fact')
    await rows(`UPDATE issued_token SET status = 'failed' WHERE status IN ('live', 'issuing')`)
    member = await broker.actorOf('member@acme.test')
  })

  async function linked(provider: string): Promise<void> {
    // An earlier test's, so that each has a grant of its own.
    await revokeEverything(broker.ctx, owner, { userId: member.userId, block: false })
    member = await broker.actorOf('member@acme.test')
    const options = { provider, ...(provider === 'Acme realm' && { approve: realm.approve }) }
    const outcome = await broker.link(member, 'member@acme.test', options)
    if (outcome.kind === 'failed') throw outcome.error
    const found = await rows(
      `SELECT c.id, j.project_id FROM connection c JOIN connection_project j ON j.connection_id = c.id JOIN provider p ON p.id = c.provider_id
       WHERE c.user_id = $1 AND c.status = 'linked' AND p.name = $2`,
      [member.userId, provider],
    )
    ;[{ id: connection, project_id: project }] = found
  }

  const acts: [string, () => Promise<unknown>, 'ended' | 'kept'][] = [
    ['its connection is revoked', () => revoke(broker.ctx, owner, { tokens: [], connections: [connection] }), 'ended'],
    [
      'a selection of connections is revoked',
      () => {
        const filter = { kind: 'connections', userId: member.userId } as const
        return revokeSelection(broker.ctx, owner, { selection: { filter, asOf: broker.ctx.now() }, count: 1 })
      },
      'ended',
    ],
    [
      'everything of its person is revoked',
      () => revokeEverything(broker.ctx, owner, { userId: member.userId, block: false }),
      'ended',
    ],
    [
      'its person is frozen',
      () => freeze(broker.ctx, owner, { kind: 'member', id: member.userId, reason: undefined }),
      'kept',
    ],
    [
      'its person is suspended',
      () => changeMember(broker.ctx, owner, { userId: member.userId, status: 'suspended' }),
      'kept',
    ],
    ['its person is removed', () => removeMember(broker.ctx, owner, { userId: member.userId }), 'ended'],
  ]

  const buckets = { buckets: { 'in.c-crm': 'read' } }
  const issue = (scopes: Record<string, unknown>) =>
    issueToken(broker.ctx, member, { project, scopes, lifetimeSeconds: 300, purpose: 'a barrier' })
  /** What lives at an upstream, by value. */
  const living = (kind: string) =>
    broker.demo.ledger.tokens.filter((one) => one.kind === kind && one.live).map(({ value }) => value)
  const expire = () => rows('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connection])

  /** How each is begun, held by the upstream when it has acted, and let go; what it made that still lives. */
  const flights: Record<
    string,
    { provider: string; route?: string; begin: () => Promise<unknown>; made: () => string[] }
  > = {
    'a mint': {
      provider: 'Demo stack',
      route: 'POST /v2/storage/tokens',
      begin: () => issue(buckets),
      made: () => living('storage'),
    },
    'a refresh that rotates': {
      provider: 'Demo stack',
      route: 'POST /oauth/token',
      begin: async () => {
        await expire()
        return freshTokens(broker.ctx, { tenantId: owner.tenantId, connectionId: connection })
      },
      made: () => [],
    },
    'a refresh for an issue': {
      provider: 'Demo stack',
      route: 'POST /oauth/token',
      begin: async () => {
        await expire()
        return issue(buckets)
      },
      made: () => living('storage'),
    },
    'a narrowing refresh': {
      provider: 'Demo tickets',
      route: 'POST /tickets/token',
      begin: () => issue({ scopes: ['tickets:read'] }),
      made: () => {
        const narrow = broker.demo.ledger.tokens.filter(
          ({ kind, live, scope }) => kind === 'access' && live && scope === 'tickets:read',
        )
        return narrow.map(({ value }) => value)
      },
    },
    'an exchange': {
      provider: 'Acme realm',
      begin: () => issue({ scopes: ['files:read'], audience: ['files-api'] }),
      made: () => realm.working(),
    },
  }

  describe.each(Object.entries(flights))('%s', (name, { provider, route, begin, made }) => {
    it.each(acts)('when %s: nobody is handed anything, and nothing that lives is unknown', async (_, act, grant) => {
      const others = new Set(living('refresh'))
      await linked(provider)
      if (name === 'an exchange') await freshTokens(broker.ctx, { tenantId: owner.tenantId, connectionId: connection })
      const before = new Set(made())
      let release = () => {}
      if (route) broker.demo.faults.push(route, { hold: { barrier: name, at: 'after' } })
      else realm.is({ hold: new Promise<void>((resolve) => (release = resolve)) })
      const racing = begin().then(
        () => 'handed out',
        () => 'refused',
      )
      if (route) {
        release = () => broker.demo.faults.barrier(name).release()
        await broker.demo.faults.barrier(name).arrived()
      } else await expect.poll(() => made().filter((token) => !before.has(token)).length, { timeout: 30_000 }).toBe(1)
      await act()
      release()
      // One in the background hands nothing out: it only must not lose the token that it was given.
      if (grant === 'ended' || name !== 'a refresh that rotates') expect(await racing).toBe('refused')
      else await racing
      await vi.waitFor(
        async () => {
          await tick(broker.ctx)
          expect(made().filter((token) => !before.has(token))).toEqual([])
        },
        { timeout: 20_000, interval: 20 },
      )
      const standing = `SELECT status FROM issued_token WHERE user_id = $1 AND purpose = 'a barrier' AND status = 'live' AND generation = 0`
      expect(await rows(standing, [member.userId])).toEqual([])
      const [row] = await rows('SELECT status, refresh_token, access_token FROM connection WHERE id = $1', [connection])
      if (grant === 'ended') {
        expect(row).toEqual({ status: 'revoked', refresh_token: null, access_token: null })
        // Of each grant that there was, the one that came late among them, it is known how its end went.
        const work = await rows(`SELECT state FROM upstream_revocation WHERE connection_id = $1 AND kind = 'grant'`, [
          connection,
        ])
        expect(work.length).toBeGreaterThan(0)
        if (provider === 'Demo tickets') expect(living('refresh').filter((token) => !others.has(token))).toEqual([])
      } else if (route) {
        const place = { tenantId: owner.tenantId, connectionId: connection }
        const stored = await storedRefreshToken(broker, place as never)
        expect(living('refresh')).toContain(refreshTokenIn(stored))
      }
    })
  })
})

describe('A-03: a program waits for its person', () => {
  let app: TestApp
  let owner: Jar
  let member: Jar
  let userId: string
  let acme: string
  beforeAll(async () => {
    app = await startTestApp()
    acme = (await app.tenantId('acme')) ?? ''
    owner = await app.signIn('owner@acme.test')
    member = await app.signIn('member@acme.test')
    userId = (await app.call<{ id: string }>(member, 'GET', '/me')).body.id
  })
  afterAll(() => app.stop())
  beforeEach(async () => {
    await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [userId])
    await app.rows('acme', 'DELETE FROM freeze_fact')
    member = await app.signIn('member@acme.test')
  })
  afterEach(() => app.forgetLimits())

  const path = () => `/tenants/acme/members/${userId}`
  const acts: [string, () => Promise<{ status: number }>][] = [
    ['everything of them is revoked', () => app.call(owner, 'POST', `${path()}/revocation`, { block: false })],
    ['they are blocked', () => app.call(owner, 'POST', `${path()}/revocation`, { block: true })],
    ['they are frozen', () => app.call(owner, 'POST', '/tenants/acme/freezes', { kind: 'member', id: userId })],
    ['they are suspended', () => app.call(owner, 'PATCH', path(), { status: 'suspended' })],
    ['they are removed', () => app.call(owner, 'DELETE', path())],
  ]
  const approve = ({ id }: { id: string }) =>
    app.call(member, 'POST', `/authorizations/${id}/approval`, {
      tenant: 'acme',
      scopes: ['projects:read'],
      ceilings: {},
    })
  /** What a device gets, and whether what it got opens anything. */
  async function polled(device: Device & { id: string }): Promise<string> {
    await app.rows('acme', 'UPDATE authorization_request SET polled_at = NULL WHERE id = $1', [device.id])
    const { status, body } = await pollDevice(app, device)
    if (status !== 200) return body.error
    const headers = { authorization: `Bearer ${body.access_token}` }
    const used = await app.send(new Map(), new Request(`${origin}/api/v1/tenants/acme/projects`, { headers }))
    return used.status === 200 ? 'works' : 'refused'
  }

  /** Starts both while the member's row is locked, each when the one before waits for it, and lets them go in that order. */
  async function queued(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: app.database.appUrl })
    await client.connect()
    try {
      await client.query('BEGIN')
      await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [acme])
      await client.query('SELECT FROM member WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE', [acme, userId])
      const running: Promise<unknown>[] = []
      let over = 0
      for (const [index, begin] of [first, second].entries()) {
        running.push(begin().finally(() => (over += 1)))
        const waiting =
          'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted'
        while ((await app.owner.query(waiting)).rows.length + over <= index);
      }
      await client.query('COMMIT')
      await Promise.all(running)
    } finally {
      await client.end()
    }
  }

  describe.each(acts)('when %s', (name, act) => {
    it('while they approve it, whichever comes first: the program gets nothing that works', async () => {
      for (const order of ['approved first', 'act first'] as const) {
        const device = await claimed(app, member)
        const one = () => approve(device)
        const other = async () => expect((await act()).status).toBeLessThan(300)
        await (order === 'approved first' ? queued(one, other) : queued(other, one))
        expect([order, await polled(device)]).toEqual([order, expect.toSatisfy((got) => got !== 'works')])
        await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [userId])
        await app.rows('acme', 'DELETE FROM freeze_fact')
        member = await app.signIn('member@acme.test')
        // Not even once they may again, unless a freeze alone was in the way.
        if (name !== 'they are frozen')
          expect(await polled(device)).toBe(order === 'approved first' ? 'access_denied' : 'authorization_pending')
        await app.forgetLimits()
      }
    })

    it('while it takes what they approved, whichever comes first: what it took is refused', async () => {
      for (const order of ['taken first', 'act first'] as const) {
        const device = await claimed(app, member)
        expect((await approve(device)).status).toBe(200)
        let got = ''
        const one = async () => {
          const { status, body } = await pollDevice(app, device)
          got = status === 200 ? body.access_token : ''
        }
        const other = async () => expect((await act()).status).toBeLessThan(300)
        await (order === 'taken first' ? queued(one, other) : queued(other, one))
        if (got) {
          const headers = { authorization: `Bearer ${got}` }
          const used = await app.send(new Map(), new Request(`${origin}/api/v1/tenants/acme/projects`, { headers }))
          expect([order, used.status]).toEqual([order, expect.toSatisfy((status) => status >= 401)])
        }
        await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [userId])
        await app.rows('acme', 'DELETE FROM freeze_fact')
        member = await app.signIn('member@acme.test')
        await app.forgetLimits()
      }
    })
  })
})

describe('A-03: an agent listens at the gateway', () => {
  type Acts = [string, (broker: Broker, owner: BrowserActor, userId: string) => Promise<unknown>][]
  const acts: Acts = [
    [
      'everything of its person is revoked',
      ({ ctx }, owner, userId) => revokeEverything(ctx, owner, { userId, block: false }),
    ],
    ['its person is frozen', ({ ctx }, owner, id) => freeze(ctx, owner, { kind: 'member', id, reason: undefined })],
    ['its person is suspended', ({ ctx }, owner, userId) => changeMember(ctx, owner, { userId, status: 'suspended' })],
    ['its person is removed', ({ ctx }, owner, userId) => removeMember(ctx, owner, { userId })],
  ]
  // Each of a database of its own: what is ended stays so.
  it.each(acts)('when %s: it is cut at the next look, and the next call is refused', async (_, act) => {
    const broker = await startBroker()
    const behind = await startBehind()
    const owner = await broker.actorOf('owner@acme.test')
    const member = await broker.actorOf('member@acme.test')
    const { project, alias } = await linkedMcp(broker, member, 'member@acme.test', behind.url)
    const gate = await startGateway(await broker.makeContext())
    const { access } = await gatewayGrant(broker, member, { project, alias, ceiling: { all_tools: true } })
    const { token } = await mcpToken(broker, member, project, { all_tools: true })
    try {
      let opened = 0
      behind.answerWith((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n')
        opened += 1
      })
      const listen = (held: string) =>
        gate.modern(alias, 'subscriptions/listen', { notifications: {} }, { token: held })
      let cut = 0
      const running = [access, token].map((held) =>
        expect(listen(held))
          .rejects.toThrow(/terminated|closed|aborted/i)
          .finally(() => (cut += 1)),
      )
      await vi.waitFor(() => expect(opened).toBe(2), { timeout: 20_000 })
      await act(broker, owner, member.userId)
      await vi.waitFor(
        async () => {
          await gate.gateway.look()
          expect(cut).toBe(2)
        },
        { timeout: 20_000 },
      )
      await Promise.all(running)
      for (const held of [access, token])
        expect((await gate.modern(alias, 'ping', {}, { token: held })).status).toBeGreaterThanOrEqual(400)
    } finally {
      await gate.stop()
      await behind.stop()
      await broker.stop()
    }
  })
})
