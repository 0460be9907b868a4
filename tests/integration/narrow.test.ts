// Strategy `narrow` at the demo's ticket service: a real OpenID issuer on a real socket.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { probeNarrowing } from '../../lib/broker/probe.ts'
import { connectionPage } from '../../lib/broker/read/connection.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { freshTokens, renew } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { putLongestLife, putOverLife } from '../../lib/store/policies.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'

let broker: Broker
let owner: BrowserActor
let key: { tenantId: string; connectionId: string }
let project: string
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  const linked = await broker.link(owner, 'owner@acme.test', { provider: 'Demo tickets' })
  if (linked.kind !== 'linked') throw linked.error
  project = linked.projectId
  const { items } = await connectionPage(broker.ctx, owner, {})
  key = { tenantId: owner.tenantId, connectionId: items[0]?.id ?? '' }
})
afterAll(() => broker.stop())
beforeEach(async () => {
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await broker.owner.query(`UPDATE issued_token SET status = 'failed' WHERE status IN ('live', 'issuing')`)
  await broker.advance(120)
})

const route = 'POST /tickets/token'
const api = (path: string, token: string, method = 'GET') =>
  fetch(`${broker.demo.ticketsIssuer}/api/${path}`, { method, headers: { authorization: `Bearer ${token}` } })
const works = async (token: string) => (await api('me', token)).status === 200
const issue = (scopes: string[], lifetimeSeconds = 3600) =>
  issueToken(broker.ctx, owner, { project, scopes: { scopes }, lifetimeSeconds, purpose: 'a test' })
const row = () =>
  asSystem(broker.ctx, owner.tenantId, 'job', (tx) =>
    tx.connection.findUniqueOrThrow({ where: { tenantId_id: { tenantId: owner.tenantId, id: key.connectionId } } }),
  )
const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' })
const connectionToken = async () => (await freshTokens(broker.ctx, key)).accessToken.reveal()
const declare = (changes: Record<string, boolean | null>) =>
  broker.owner.query(
    `UPDATE provider SET settings = jsonb_set(settings, '{narrowing}', settings -> 'narrowing' || $1) WHERE kind = 'oauth'`,
    [JSON.stringify(changes)],
  )
const capAt = (seconds: number) =>
  asSystem(broker.ctx, owner.tenantId, 'job', async (tx) => {
    const { id } = await broker.providerOf(owner, 'Demo tickets')
    await putLongestLife(tx, owner.tenantId, { level: 'provider', targetId: id }, seconds)
  })

describe('a token with fewer scopes', () => {
  it('can do what was asked and nothing else, and the connection keeps the rest', async () => {
    const before = await connectionToken()
    const { value, token, baseUrl, tokenType } = await issue(['tickets:read'])
    expect(token).toMatchObject({
      strategy: 'narrow',
      granted: { scopes: ['tickets:read'] },
      notGranted: [],
      exclusive: false,
    })
    expect(token.rights.granted).toEqual([{ text: 'tickets:read: read tickets of your organisation', risk: 'low' }])
    expect([baseUrl, tokenType]).toEqual([`${broker.demo.ticketsIssuer}/api`, 'Bearer'])
    expect((await api('tickets', value.reveal())).status).toBe(200)
    expect((await api('tickets/none', value.reveal(), 'DELETE')).status).toBe(403)
    // What was handed out is nobody else's, and the connection goes on with its own.
    expect(await connectionToken()).toBe(before)
    expect(before).not.toBe(value.reveal())
    expect((await api('tickets/none', before, 'DELETE')).status).toBe(404)
    expect(await row()).toMatchObject({ status: 'linked', scopesGranted: expect.arrayContaining(['tickets:delete']) })
    await broker.advance(3700)
    expect((await api('tickets/none', await connectionToken(), 'DELETE')).status).toBe(404)
  })

  it('is one refresh of its own each, however many ask at once, and none is lost', async () => {
    const before = refreshes().length
    const issued = await Promise.all(Array.from({ length: 6 }, () => issue(['tickets:read'])))
    expect(new Set(issued.map(({ value }) => value.reveal())).size).toBe(6)
    expect(
      refreshes()
        .slice(before)
        .map(({ outcome }) => outcome),
    ).toEqual(Array(6).fill('ok'))
    for (const { value } of issued) expect(await works(value.reveal())).toBe(true)
    expect(await row()).toMatchObject({ status: 'linked', cause: null })
  })

  it('beside callers who need the connection: all are served', async () => {
    await broker.advance(3700)
    const [narrow, ...fresh] = await Promise.all([issue(['tickets:read']), connectionToken(), connectionToken()])
    expect((await api('tickets/none', narrow.value.reveal(), 'DELETE')).status).toBe(403)
    for (const token of fresh) expect((await api('tickets/none', token, 'DELETE')).status).toBe(404)
  })

  it('revoked: dead upstream, and the connection lives', async () => {
    const { value, token } = await issue(['tickets:read'])
    const [result] = await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
    expect(result).toMatchObject({ already: false, upstream: 'done' })
    expect(await works(value.reveal())).toBe(false)
    await broker.advance(3700)
    expect(await works(await connectionToken())).toBe(true)
  })

  it('where revoking it would end the connection, it is left to end by itself, and that is said', async () => {
    await declare({ revoke_keeps_grant: false })
    const { value, token } = await issue(['tickets:read'])
    const [result] = await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
    expect(result).toMatchObject({ upstream: 'impossible', latestMoment: token.expiresAt })
    expect(await works(value.reveal())).toBe(true)
    await declare({ revoke_keeps_grant: true })
  })
})

describe('a probe', () => {
  const facts = async () => {
    const { settings } = await broker.providerOf(owner, 'Demo tickets')
    return (settings as { narrowing: Record<string, boolean | null> }).narrowing
  }
  const probe = async () => probeNarrowing(broker.ctx, owner, (await broker.providerOf(owner, 'Demo tickets')).id)

  it('finds out what the upstream does with smaller tokens, keeps it, and the connection goes on', async () => {
    await declare({ offered: false, old_token_survives: null, revoke_keeps_grant: null, full_scope_remains: null })
    await expect(issue(['tickets:read'])).rejects.toMatchObject({ code: 'no_strategy' })
    expect(await probe()).toEqual({ offered: true, oldTokenStays: true, revokeKeepsGrant: true, scopesStay: true })
    expect(await facts()).toMatchObject({ offered: true, old_token_survives: true, full_scope_remains: true })
    expect((await issue(['tickets:read'])).token.strategy).toBe('narrow')
    expect(await row()).toMatchObject({ status: 'linked', scopesGranted: expect.arrayContaining(['tickets:delete']) })
    expect(
      broker.demo.ledger.tokens.filter(({ system, kind, live }) => system === 'tickets' && kind === 'refresh' && live),
    ).toHaveLength(1)
  })

  it('leaves none of its small tokens alive, where one can be ended alone', async () => {
    const before = new Set(broker.demo.ledger.tokens.map(({ value }) => value))
    await probe()
    const alive = () =>
      broker.demo.ledger.tokens.filter(
        ({ value, system, kind, live }) => !before.has(value) && system === 'tickets' && kind === 'access' && live,
      )
    const own = await connectionToken()
    await vi.waitFor(() => expect(alive().map(({ value }) => value)).toEqual([own]), 5_000)
  })

  it('that is cut short ends what it made, where that is known to be possible', async () => {
    const before = new Set(broker.demo.ledger.tokens.map(({ value }) => value))
    broker.demo.faults.push(route, {}, { reset: 'before' })
    await expect(probe()).rejects.toThrow()
    const made = () => broker.demo.ledger.tokens.filter(({ value, kind }) => !before.has(value) && kind === 'access')
    await vi.waitFor(() => expect(made().map(({ live }) => live)).toEqual([false]), 5_000)
    await broker.advance(900)
    await renew(broker.ctx, key, 'now')
  })

  it('of a server that names no scopes is that none can be made', async () => {
    broker.demo.modes.set({ missingFields: ['scope'] })
    expect(await probe()).toMatchObject({ offered: false })
    broker.demo.modes.set({ missingFields: [] })
    expect(await probe()).toMatchObject({ offered: true })
  })

  it('is an admin’s, at a connection of their own', async () => {
    const member = await broker.actorOf('member@acme.test')
    const { id } = await broker.providerOf(owner, 'Demo tickets')
    await expect(probeNarrowing(broker.ctx, member, id)).rejects.toMatchObject({ code: 'forbidden' })
    const { id: stack } = await broker.providerOf(owner)
    await expect(probeNarrowing(broker.ctx, owner, stack)).rejects.toMatchObject({ code: 'not_linked' })
  })
})

describe('its life', () => {
  it('longer at the upstream than was asked: both moments are told, and it is revoked at the asked one', async () => {
    const { value, token } = await issue(['tickets:read'], 600)
    const seconds = (at: Date | null) => Math.round(((at?.getTime() ?? 0) - token.createdAt.getTime()) / 10_000) * 10
    expect([seconds(token.revokeAt), seconds(token.expiresAt)]).toEqual([600, 3600])
    await broker.advance(590)
    await tick(broker.ctx)
    expect(await works(value.reveal())).toBe(true)
    await broker.advance(20)
    await Promise.all([tick(broker.ctx), tick(broker.ctx)])
    expect(await works(value.reveal())).toBe(false)
    expect(await readToken(broker.ctx, owner, token.id)).toMatchObject({
      state: 'revoked',
      revokedBy: null,
      revocation: { upstream: 'done' },
    })
  })

  describe('longer than policy allows', () => {
    beforeEach(() => capAt(1800))
    afterEach(async () => {
      await capAt(3600)
      await permit(null)
      await declare({ revoke_keeps_grant: true })
    })
    const permit = (overLife: 'revoke_at_end' | null) =>
      asSystem(broker.ctx, owner.tenantId, 'job', async (tx) => {
        const { id } = await broker.providerOf(owner, 'Demo tickets')
        await putOverLife(tx, owner.tenantId, { level: 'provider', targetId: id }, overLife)
      })

    it('is not handed out, and dead', async () => {
      await expect(issue(['tickets:read'], 600)).rejects.toMatchObject({
        code: 'excess_rights',
        detail: expect.stringContaining(
          'a longer life than the 1800 seconds set by the provider, and policy does not permit to revoke it earlier instead',
        ),
      })
      expect(
        broker.demo.ledger.tokens.findLast(({ system, kind }) => system === 'tickets' && kind === 'access')?.live,
      ).toBe(false)
    })

    it('is handed out where policy permits it, and revoked at the asked end', async () => {
      await permit('revoke_at_end')
      const { value, token } = await issue(['tickets:read'], 600)
      expect(token.revokeAt?.getTime()).toBe(token.createdAt.getTime() + 600_000)
      expect(token.expiresAt.getTime()).toBeGreaterThan(token.createdAt.getTime() + 3_500_000)
      await broker.advance(610)
      await tick(broker.ctx)
      expect(await works(value.reveal())).toBe(false)
      // The cap holds for what is asked as before.
      await expect(issue(['tickets:read'], 3600)).rejects.toMatchObject({ code: 'over_policy' })
    })

    it('is not handed out where it cannot be revoked alone, whatever policy permits', async () => {
      await permit('revoke_at_end')
      await declare({ revoke_keeps_grant: null })
      await expect(issue(['tickets:read'], 600)).rejects.toMatchObject({
        code: 'excess_rights',
        detail: expect.stringContaining('it cannot be revoked alone there'),
      })
    })
  })
})

describe('what an answer says counts, not what was sent', () => {
  it('K-20: an answer that names no scopes may mean any: it is ended and not handed out', async () => {
    broker.demo.modes.set({ missingFields: ['scope'] })
    await expect(issue(['tickets:read'])).rejects.toMatchObject({
      code: 'excess_rights',
      detail: expect.stringContaining('does not name'),
    })
    broker.demo.modes.set({ missingFields: [] })
    expect(
      broker.demo.ledger.tokens.findLast(({ system, kind }) => system === 'tickets' && kind === 'access')?.live,
    ).toBe(false)
  })
})

describe('an upstream that ends a token with the next refresh', () => {
  beforeEach(() => declare({ old_token_survives: false }))

  it('has one token out at a time; refreshes wait for it, and a revocation frees them', async () => {
    const before = refreshes().length
    const { value, token } = await issue(['tickets:read'])
    expect(token.exclusive).toBe(true)
    await expect(issue(['tickets:write'])).rejects.toMatchObject({ code: 'token_outstanding' })
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'token_outstanding' })
    await expect(renew(broker.ctx, key, 'now')).rejects.toMatchObject({ code: 'token_outstanding' })
    await renew(broker.ctx, key, 'due')
    expect(refreshes().length).toBe(before + 1)
    expect(await works(value.reveal())).toBe(true)
    await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
    expect(await works(await connectionToken())).toBe(true)
    expect((await issue(['tickets:write'])).token.state).toBe('live')
  })

  it('holds refreshes up also while it is being recorded, so that it is not handed out dead', async () => {
    const before = refreshes().length
    broker.demo.faults.push(route, { hold: { barrier: 'made', at: 'after' } })
    const asked = issue(['tickets:read'])
    await broker.demo.faults.barrier('made').arrived()
    // The row cannot be completed until this lets it go; the grant was stored before.
    const holder = new pg.Client({ connectionString: broker.database.ownerUrl })
    await holder.connect()
    await holder.query('BEGIN')
    await holder.query(`SELECT set_config('app.tenant_id', $1, true)`, [owner.tenantId])
    await holder.query(`UPDATE issued_token SET purpose = purpose WHERE status = 'issuing'`)
    broker.demo.faults.barrier('made').release()
    await vi.waitFor(async () => expect((await row()).claimUntil).toBeNull(), 5_000)
    const other = await freshTokens(broker.ctx, key).catch((error: unknown) => error)
    await holder.query('COMMIT')
    await holder.end()
    expect(other).toMatchObject({ code: 'token_outstanding' })
    expect(await works((await asked).value.reveal())).toBe(true)
    expect(refreshes().length).toBe(before + 1)
  })

  it('of two who ask at once one gets it, and the other is told', async () => {
    const asked = await Promise.allSettled([issue(['tickets:read']), issue(['tickets:read'])])
    expect(asked.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(asked.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'token_outstanding' } })
  })
})

it('only what the connection got can be chosen', async () => {
  const names = async () => {
    const { choices } = await readScopeChoices(broker.ctx, owner, project)
    return (choices.scopes as { name: string }[]).map(({ name }) => name)
  }
  expect(await names()).toEqual(['tickets:read', 'tickets:write', 'tickets:delete'])
  await broker.owner.query(`UPDATE connection SET scopes_granted = '{openid,offline_access,tickets:read}'`)
  expect(await names()).toEqual(['tickets:read'])
})

describe('an answer that nobody waits for any more', () => {
  const newest = async () => {
    const { rows } = await broker.owner.query(
      `SELECT id, status, failure, endless, upstream_id IS NULL AS unseen FROM issued_token ORDER BY id DESC LIMIT 1`,
    )
    return rows[0]
  }
  const lastMade = () =>
    broker.demo.ledger.tokens.findLast(({ system, kind }) => system === 'tickets' && kind === 'access')
  /** Its caller has gone, and the upstream has not answered yet. */
  async function left() {
    broker.demo.faults.push(route, { hold: { barrier: 'late', at: 'after' } })
    broker.ctx.patience.own = 200
    const failed = await issue(['tickets:read']).catch((error: unknown) => error)
    await broker.demo.faults.barrier('late').arrived()
    return failed
  }
  afterEach(() => {
    broker.ctx.patience.own = 20_000
  })

  it('is not said to be none: its token is recorded and ended when it comes', async () => {
    expect(await left()).toMatchObject({ code: 'issue_unconfirmed' })
    expect(await newest()).toMatchObject({ status: 'issuing', failure: 'upstream_unavailable', unseen: true })
    expect(lastMade()?.live).toBe(true)
    broker.demo.faults.barrier('late').release()
    await vi.waitFor(async () => {
      const { id, ...made } = await newest()
      expect(made).toEqual({ status: 'revoked', failure: 'issue_unconfirmed', endless: false, unseen: false })
      expect((await readToken(broker.ctx, owner, id)).revocation).toMatchObject({ upstream: 'done' })
    }, 5_000)
    expect(lastMade()?.live).toBe(false)
    expect(await row()).toMatchObject({ status: 'linked', claimUntil: null })
  })

  it('is ended also where its row was given up before', async () => {
    expect(await left()).toMatchObject({ code: 'issue_unconfirmed' })
    await broker.owner.query(
      `UPDATE issued_token SET created_at = created_at - interval '10 minutes' WHERE status = 'issuing'`,
    )
    await tick(broker.ctx)
    expect(await newest()).toMatchObject({ status: 'failed', failure: 'unseen', endless: true })
    broker.demo.faults.barrier('late').release()
    await vi.waitFor(() => expect(lastMade()?.live).toBe(false), 5_000)
    expect(await newest()).toMatchObject({ status: 'revoked', endless: false })
  })
})

it('an answer that is lost is not said to be none: nobody can look for its token, and its row says so', async () => {
  broker.demo.faults.push(route, { reset: 'before' })
  await expect(issue(['tickets:read'])).rejects.toMatchObject({ code: 'issue_unconfirmed' })
  await broker.advance(400)
  await tick(broker.ctx)
  const { rows } = await broker.owner.query(
    `SELECT status, failure, endless FROM issued_token ORDER BY id DESC LIMIT 1`,
  )
  expect(rows).toEqual([{ status: 'failed', failure: 'unseen', endless: true }])
})

it('scopes that the upstream turns down say nothing about the connection', async () => {
  await declare({ old_token_survives: true })
  await expect(issue(['tickets:everything'])).rejects.toMatchObject({ code: 'upstream_rejected' })
  expect(await row()).toMatchObject({ status: 'linked', cause: null, claimUntil: null })
})
