// An app process killed with SIGKILL at every moment of an issue, and the connection disconnected at once.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { issueToken } from '../../lib/broker/issue.ts'
import { unconfirmedRevocations } from '../../lib/broker/read/revocation.ts'
import { tokenPage } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { unconfirmed } from '../../lib/http/wire/revocations.ts'
import { wireOf } from '../../lib/http/wire/view.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { grantPlace } from '../../lib/vault/places.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'
import { bundleProcesses, type Processes, type Worker } from '../support/processes.ts'
import type { Point } from '../support/worker.ts'

// Each starts a process or two.
vi.setConfig({ testTimeout: 60_000 })

let processes: Processes
let broker: Broker
let actor: BrowserActor
let project: string
beforeAll(async () => {
  processes = await bundleProcesses()
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
}, 60_000)
beforeEach(async () => {
  broker.demo.faults.clear()
  // What the test before could not find has ended by now.
  await broker.advance(lifetimeSeconds + 200)
  await runQueue()
  project = await link()
})
afterAll(async () => {
  await broker?.stop()
  await processes?.stop()
})

const lifetimeSeconds = 7200
const mintPath = '/v2/storage/tokens'
type Token = Broker['demo']['ledger']['tokens'][number]
/** The demo's upstreams: how tokens are issued there, and which of all tokens are issued ones. */
const upstreams = {
  stack: {
    provider: 'Demo stack',
    path: mintPath,
    lifetimeSeconds,
    scopes: { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false },
    isIssued: ({ kind }: Token) => kind === 'storage',
  },
  // A token is made by a refresh, and lives there for an hour, whatever is asked.
  tickets: {
    provider: 'Demo tickets',
    path: '/tickets/token',
    lifetimeSeconds: 900,
    scopes: { scopes: ['tickets:read'] },
    isIssued: ({ system, kind, scope }: Token) => system === 'tickets' && kind === 'access' && scope === 'tickets:read',
  },
}
let upstream: (typeof upstreams)[keyof typeof upstreams] = upstreams.stack

const input = () => {
  const { scopes, lifetimeSeconds } = upstream
  return { project, scopes, lifetimeSeconds, purpose: 'cut off' }
}
const issued = () => broker.demo.ledger.tokens.filter(upstream.isIssued)
const living = () => issued().filter(({ live }) => live).length
const newest = async () => (await tokenPage(broker.ctx, actor, {})).items[0]
const connected = async () =>
  (await connectionList(broker.ctx, actor)).find(({ provider }) => provider.name === upstream.provider)
const disconnect = async () => revoke(broker.ctx, actor, { tokens: [], connections: [(await connected())?.id ?? ''] })
async function link() {
  const linked = await broker.link(actor, 'owner@acme.test', { provider: upstream.provider, project: '10231' })
  if (linked.kind === 'failed') throw linked.error
  return linked.projectId
}
/** A token that exists upstream, made by a process that died before it could tell anybody. */
const cutOff = () => killAt({ route: mint, at: 'after' }).then((goOn) => goOn())
const work = (kind: string) =>
  rows(
    `SELECT id, state, last_error, handle FROM upstream_revocation WHERE kind = '${kind}' ORDER BY id DESC LIMIT 1`,
  ).then(([row]) => row)
const refreshes = () => broker.demo.ledger.find('POST /oauth/token', { grant_type: 'refresh_token' }).length
const list = `GET ${mintPath}`
const down = { status: 503, body: { kind: 'empty' } } as const
const downFor = (route: string, tries: number) =>
  broker.demo.faults.push(route, ...Array.from({ length: tries }, () => down))
/** Whatever the queue can do by now. */
async function runQueue() {
  for (let round = 0; round < 4; round += 1) await tick(broker.ctx)
}
const rows = async (text: string) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  return (await broker.owner.query(text)).rows
}
/** Sealed values that are left of upstream work: for nothing that is over. */
const handles = () => rows('SELECT kind, state FROM upstream_revocation WHERE handle IS NOT NULL')

type Where = { point: Point; path?: string } | { route: string; at: 'before' | 'after' }
/** What is out when the process dies: whether a token exists upstream by then, or comes to exist afterwards. */
type Moment = { where: Where; makes: 'nothing' | 'a token' | 'a token later' }
const mint = `POST ${mintPath}`
const momentsAt = (path: string): Record<string, Moment> => ({
  'before the upstream is asked': { where: { point: 'asking', path }, makes: 'nothing' },
  'asked, made later': { where: { route: `POST ${path}`, at: 'before' }, makes: 'a token later' },
  'made, not answered': { where: { route: `POST ${path}`, at: 'after' }, makes: 'a token' },
  'answered, not recorded': { where: { point: 'answered', path }, makes: 'a token' },
  'recorded, not committed': { where: { point: 'completing' }, makes: 'a token' },
  'committed, not handed out': { where: { point: 'completed' }, makes: 'a token' },
})

let kills = 0
/** Lets a process of its own issue, and kills it at the moment. Answers what lets a held request go on. */
async function killAt(where: Where): Promise<() => void> {
  const offsetMilliseconds = broker.ctx.now().getTime() - Date.now()
  const worker: Worker = await processes.start(broker.ctx.config, { offsetMilliseconds })
  kills += 1
  const name = `killed ${kills}`
  const barrier = broker.demo.faults.barrier(name)
  if ('route' in where) broker.demo.faults.push(where.route, { hold: { barrier: name, at: where.at } })
  else await worker.ask({ kind: 'hold', ...where })
  const asked = worker.ask({ kind: 'issue', actor, input: input() })
  const missed = asked.then((id) => {
    throw new Error(`${id} was issued, nothing was held at ${JSON.stringify(where)}`)
  })
  await Promise.race(['route' in where ? barrier.arrived() : worker.reached(), missed])
  await worker.kill()
  await missed.catch(() => undefined)
  return () => barrier.release()
}

/** Nothing is pending, nothing is kept, and no page says otherwise. */
async function expectOver() {
  expect(await rows(`SELECT id FROM upstream_revocation WHERE state = 'pending'`)).toEqual([])
  expect(await handles()).toEqual([])
  const waiting = (await unconfirmedRevocations(broker.ctx, actor)).filter(({ state }) => state === 'pending')
  expect(waiting).toEqual([])
  expect((await newest())?.revocation?.upstream).not.toBe('pending')
}

describe('an issue that was cut off, and the connection disconnected at once', () => {
  describe.each(['with', 'without'] as const)('%s a living access token', (access) => {
    it.each(Object.entries(momentsAt(mintPath)))(
      'A-03 K-35: %s: nothing it made lives once the queue has run',
      async (_, { where, makes }) => {
        const before = issued().length
        const goOn = await killAt(where)
        const made = () => issued().length - before
        expect(made()).toBe(makes === 'a token' ? 1 : 0)
        if (access === 'without') await broker.advance(3700)
        const outcome = await disconnect()
        expect(outcome.every(({ already }) => !already)).toBe(true)
        // What the upstream was at goes on without whoever asked.
        goOn()
        // By then the access token may have ended, and with it the request.
        await expect.poll(made).toBe(makes === 'nothing' || (makes === 'a token later' && access === 'without') ? 0 : 1)
        await runQueue()
        await broker.advance(130)
        await runQueue()
        await broker.advance(60)
        await runQueue()
        expect(living()).toBe(0)
        expect(await newest()).toMatchObject({
          state: 'revoked',
          revocation: { upstream: 'confirmed', latestMoment: null },
        })
        await expectOver()
      },
    )

    it.each(['before', 'after'] as const)(
      'RR-05: killed %s the renewal that it began with, it made nothing, and says so',
      async (at) => {
        await broker.advance(3700)
        const before = issued().length
        const goOn = await killAt({ route: 'POST /oauth/token', at })
        if (access === 'without') await broker.advance(3700)
        await disconnect()
        goOn()
        await runQueue()
        await broker.advance(200)
        await runQueue()
        await broker.advance(60)
        await runQueue()
        expect(issued().length).toBe(before)
        // With the token that was lost nobody can look, and then that is what is said.
        expect(['confirmed', 'impossible']).toContain((await newest())?.revocation?.upstream)
        await expectOver()
      },
    )
  })
})

describe('an issue at an upstream that nobody can ask for its tokens, cut off, and the connection disconnected at once', () => {
  beforeAll(() => {
    upstream = upstreams.tickets
  })
  afterAll(() => {
    upstream = upstreams.stack
  })

  it.each(Object.entries(momentsAt(upstreams.tickets.path)))(
    'A-03 K-35: %s: nothing it made lives once the grant is ended, and of what nobody saw no end is told',
    async (moment, { where, makes }) => {
      const before = issued().length
      const goOn = await killAt(where)
      const made = () => issued().length - before
      expect(made()).toBe(makes === 'a token' ? 1 : 0)
      await disconnect()
      const told = moment.startsWith('committed')
        ? { upstream: 'done', latestMoment: expect.any(Date) }
        : { upstream: 'impossible', latestMoment: 'unknown' }
      expect(await newest()).toMatchObject({ state: 'revoked', revocation: told })
      // What the upstream was at goes on without whoever asked; the grant is ended after that, and its tokens with it.
      goOn()
      await expect.poll(made).toBe(makes === 'nothing' ? 0 : 1)
      await runQueue()
      await broker.advance(130)
      await runQueue()
      await broker.advance(60)
      await runQueue()
      expect(living()).toBe(0)
      expect(await work('grant')).toMatchObject({ state: 'done', handle: null })
      expect(await newest()).toMatchObject({ state: 'revoked', revocation: told })
      await expectOver()
    },
  )
})

describe('what looking for orphans needs', () => {
  const tried = () =>
    rows(`SELECT tries, last_error AS error FROM upstream_revocation WHERE kind = 'orphans' ORDER BY id DESC LIMIT 2`)
  const twice = <T>(one: T): T[] => [one, one]

  it('K-35: is kept, bound to its work, until the upstream answers: the access token while it lives, then one last one', async () => {
    await cutOff()
    await cutOff()
    expect(living()).toBe(2)
    downFor(list, 6)
    const outcome = await disconnect()
    // Both looks have ended, however slow this machine is.
    await expect
      .poll(async () => (await tried()).map(({ tries, error }) => [tries, error]))
      .toEqual(twice([1, 'ambiguous']))
    expect(outcome.find(({ kind }) => kind === 'connection')).toMatchObject({
      upstream: 'pending',
      latestMoment: 'unknown',
    })
    expect((await work('orphans'))?.handle).toEqual(expect.any(String))
    // The grant is not ended while it may be needed.
    expect(await work('grant')).toMatchObject({
      state: 'pending',
      last_error: 'cut_off_issue',
      handle: expect.any(String),
    })
    // Past the access token's life: one renewal serves both, and its successor is kept before anything else is asked.
    await broker.advance(3700)
    const before = refreshes()
    downFor(`DELETE ${mintPath}/*`, 6)
    await tick(broker.ctx)
    expect(refreshes() - before).toBe(1)
    expect(living()).toBe(2)
    const row = await work('grant')
    const vault = await vaultOf(broker.ctx, actor.tenantId)
    const place = grantPlace({ id: String(row?.id), userId: actor.userId })
    const newestGrant = broker.demo.ledger.tokens.filter(({ kind }) => kind === 'refresh').at(-1)
    expect((await vault.open(place, String(row?.handle))).reveal()).toBe(newestGrant?.value)
    await broker.advance(60)
    await runQueue()
    expect(refreshes() - before).toBe(1)
    expect(living()).toBe(0)
    await runQueue()
    expect(await work('grant')).toMatchObject({ state: 'impossible', handle: null })
    await expectOver()
  })

  it('K-35: a renewal that was under way at the disconnect brings the grant that it is looked with', async () => {
    await cutOff()
    await broker.advance(3700)
    broker.demo.faults.push('POST /oauth/token', { hold: { barrier: 'renewal', at: 'after' } })
    const connection = await connected()
    const key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
    const renewing = freshTokens(broker.ctx, key).catch((error: unknown) => error)
    await broker.demo.faults.barrier('renewal').arrived()
    await disconnect()
    broker.demo.faults.barrier('renewal').release()
    await renewing
    await broker.advance(130)
    await runQueue()
    expect(living()).toBe(0)
    await runQueue()
    await expectOver()
  })

  it('K-35: a token revoked while it was made, then cut off, then disconnected, is looked for like any other', async () => {
    await cutOff()
    const token = await newest()
    expect(await revoke(broker.ctx, actor, { tokens: [token?.id ?? ''], connections: [] })).toMatchObject([
      { already: false, upstream: 'pending' },
    ])
    await disconnect()
    expect(living()).toBe(0)
    await broker.advance(130)
    await runQueue()
    expect(await newest()).toMatchObject({ state: 'revoked', revocation: { upstream: 'confirmed' } })
    await runQueue()
    await expectOver()
  })

  it('a token revoked while it was made, then cut off, is pending while it is looked for, and no longer', async () => {
    await cutOff()
    const token = await newest()
    await revoke(broker.ctx, actor, { tokens: [token?.id ?? ''], connections: [] })
    expect(await newest()).toMatchObject({ state: 'revoked', revocation: { upstream: 'pending' } })
    await broker.advance(130)
    await runQueue()
    expect(living()).toBe(0)
    expect(await newest()).toMatchObject({
      state: 'revoked',
      failure: 'cut_off',
      revocation: { upstream: 'confirmed' },
    })
    await expectOver()
  })

  it('V-01: what a failed revocation kept for a retry by hand is wiped once the token has ended by itself', async () => {
    const { token } = await issueToken(broker.ctx, actor, input())
    downFor(`DELETE ${mintPath}/*`, 300)
    await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
    // As after many tries.
    await rows(`UPDATE upstream_revocation SET tries = 20 WHERE token_id = '${token.id}'`)
    await broker.advance(60)
    await runQueue()
    const handle = async () => (await rows(`SELECT handle FROM issued_token WHERE id = '${token.id}'`))[0]?.handle
    expect(await work('token')).toMatchObject({ state: 'failed' })
    await sweep(broker.ctx)
    expect(await handle()).toEqual(expect.any(String))
    await broker.advance(lifetimeSeconds)
    await sweep(broker.ctx)
    expect(await handle()).toBe(null)
  })

  it('an admin sees what is being looked for', async () => {
    await cutOff()
    downFor(list, 3)
    await disconnect()
    const waiting = await unconfirmedRevocations(broker.ctx, actor)
    expect(waiting.find(({ kind }) => kind === 'orphans')).toMatchObject({ state: 'pending', lastError: 'ambiguous' })
    expect(z.array(unconfirmed).safeParse(wireOf(z.array(unconfirmed))(waiting)).success).toBe(true)
    await broker.advance(200)
    await runQueue()
    await runQueue()
    await expectOver()
  })
})

describe('where nobody can look', () => {
  const latest = async () => (await newest())?.revocation
  const end = (seconds: number) => new Date(broker.ctx.now().getTime() + seconds * 1000)

  it('K-35: because the grant is over upstream, that is said, with the moment at which it ends by itself', async () => {
    await cutOff()
    await broker.advance(3700)
    await broker.demo.endGrants('owner@acme.test')
    await disconnect()
    expect(await latest()).toMatchObject({ upstream: 'pending', lastError: 'no_grant' })
    await broker.advance(130)
    await runQueue()
    expect(await latest()).toMatchObject({ upstream: 'impossible', lastError: 'no_grant' })
    expect((await latest())?.latestMoment).toBeInstanceOf(Date)
    await runQueue()
    expect(await rows(`SELECT id FROM upstream_revocation WHERE state = 'pending'`)).toEqual([])
    expect(await handles()).toEqual([])
    // The refused token was sent once, and never again.
    const before = refreshes()
    await broker.advance(600)
    await runQueue()
    expect(refreshes()).toBe(before)
    await broker.advance(7200)
    await runQueue()
    expect(living()).toBe(0)
    expect(await newest()).toMatchObject({ state: 'revoked', failure: 'ended_by_itself' })
  })

  it('K-35: because the role may not, that is said, and it is not asked again', async () => {
    await cutOff()
    broker.demo.modes.set({ role: 'guest' })
    await disconnect()
    broker.demo.modes.set({ role: null })
    expect(await latest()).toMatchObject({ upstream: 'impossible', lastError: 'forbidden' })
    await broker.advance(lifetimeSeconds + 200)
    await runQueue()
    await expectOver()
  })

  it('K-35: because nothing is left to ask with, that is said at once', async () => {
    await cutOff()
    await broker.advance(3700)
    broker.demo.faults.push('POST /oauth/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    const connection = await connected()
    const key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    const before = broker.demo.ledger.requests.length
    await disconnect()
    expect(await latest()).toMatchObject({ upstream: 'impossible', lastError: 'no_grant' })
    expect(broker.demo.ledger.requests.length).toBe(before)
    expect(await rows(`SELECT id FROM upstream_revocation WHERE state = 'pending'`)).toEqual([])
    await broker.advance(lifetimeSeconds)
    await runQueue()
    await expectOver()
  })

  it('K-35: because the upstream is down until the token has ended, the work ends with it, and what it kept is wiped', async () => {
    await cutOff()
    const stop = end(lifetimeSeconds + 130)
    downFor(list, 300)
    downFor('POST /oauth/token', 300)
    await disconnect()
    while (broker.ctx.now() < stop) {
      await broker.advance(900)
      await runQueue()
    }
    expect(await work('orphans')).toMatchObject({ state: 'failed', handle: null })
    broker.demo.faults.clear()
    await broker.advance(60)
    await runQueue()
    expect(living()).toBe(0)
    expect(await handles()).toEqual([])
    expect(await rows(`SELECT id FROM upstream_revocation WHERE state = 'pending'`)).toEqual([])
  })

  it('K-35: the connection linked again is asked instead', async () => {
    await cutOff()
    await broker.advance(3700)
    downFor('POST /oauth/token', 2)
    await disconnect()
    broker.demo.faults.clear()
    await link()
    await broker.advance(130)
    await runQueue()
    expect(living()).toBe(0)
    await broker.advance(600)
    await runQueue()
    await runQueue()
    expect(await newest()).toMatchObject({
      state: 'revoked',
      failure: 'cut_off',
      revocation: { upstream: 'confirmed' },
    })
    await expectOver()
  })
})

describe('a renewal that was cut off and healed', () => {
  const key = async () => {
    const connection = await connected()
    return { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
  }
  const start = () =>
    processes.start(broker.ctx.config, { offsetMilliseconds: broker.ctx.now().getTime() - Date.now() })
  const stateOf = connected
  /** Each leaves the connection in doubt, and then linked again. */
  const healed: [string, () => Promise<void>][] = [
    [
      'killed before it had sent anything',
      async () => {
        const worker = await start()
        await worker.ask({ kind: 'hold', point: 'claimed' })
        const asked = worker.ask({ kind: 'fresh', keys: [await key()], callers: 1 }).catch(() => undefined)
        await worker.reached()
        await worker.kill()
        await asked
        await broker.advance(16)
        await freshTokens(broker.ctx, await key())
      },
    ],
    [
      'killed while the upstream did not take it',
      async () => {
        const worker = await start()
        const hold = { barrier: 'never taken', at: 'before' } as const
        broker.demo.faults.push('POST /oauth/token', { hold, reset: 'before' })
        const asked = worker.ask({ kind: 'fresh', keys: [await key()], callers: 1 }).catch(() => undefined)
        await broker.demo.faults.barrier('never taken').arrived()
        await worker.kill()
        await asked
        broker.demo.faults.barrier('never taken').release()
        await broker.advance(16)
        await freshTokens(broker.ctx, await key())
      },
    ],
    [
      'held up so long that another gave it up as lost',
      async () => {
        const worker = await start()
        await worker.ask({ kind: 'hold', point: 'answered' })
        const asked = worker.ask({ kind: 'fresh', keys: [await key()], callers: 1 })
        await worker.reached()
        await broker.advance(16)
        await expect(freshTokens(broker.ctx, await key())).rejects.toMatchObject({ code: 'needs_relink' })
        expect(await stateOf()).toMatchObject({ cause: 'lost_in_rotation' })
        await worker.ask({ kind: 'resume' })
        await asked
        await worker.kill()
      },
    ],
  ]
  it.each(healed)(
    'RR-05 RR-07: %s: a grant that a person ends afterwards is called refused, not lost in rotation',
    async (_, heal) => {
      await broker.advance(3700)
      await heal()
      expect(await stateOf()).toMatchObject({ status: 'linked', cause: null })
      await broker.demo.endGrants('owner@acme.test')
      await broker.advance(3700)
      await expect(freshTokens(broker.ctx, await key())).rejects.toMatchObject({ code: 'needs_relink' })
      expect(await stateOf()).toMatchObject({ status: 'needs_relink', cause: 'refused' })
    },
  )
})
