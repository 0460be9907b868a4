import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { GET as alive } from '../../app/api/health/route.ts'
import { GET as ready } from '../../app/api/ready/route.ts'
import { boot } from '../../lib/boot.ts'
import { freshTokens, tokenPlace } from '../../lib/broker/refresh/refresh.ts'
import { type Context, createContext, putContext } from '../../lib/context.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { startJobs, tick } from '../../lib/jobs/tick.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { claimRefresh } from '../../lib/store/connections.ts'
import { isOutage } from '../../lib/store/database.ts'
import { tenantIds } from '../../lib/store/lookups.ts'
import { sweepSingly } from '../../lib/store/sweep.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList, type Key, rowOf, storedRefreshToken } from '../support/connection.ts'
import { startProxy } from '../support/proxy.ts'

let broker: Broker
let actor: BrowserActor
let key: Key
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())

beforeEach(async () => {
  broker.demo.faults.clear()
  broker.demo.clock.setOffset(0)
  broker.demo.modes.set({ rotation: 'strict', replayRevokesFamily: true })
  key = await linked(broker.ctx)
  await inTenant()
})

async function linked(ctx: Context): Promise<Key> {
  const result = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (result.kind === 'failed') throw result.error
  const [connection] = await connectionList(ctx, actor)
  if (!connection) throw new Error('not linked')
  return { tenantId: actor.tenantId, connectionId: connection.id }
}

const inTenant = () => broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
const route = 'POST /oauth/token'
const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' }).length
const sharing = () => ({ now: () => broker.ctx.now(), sleep: broker.ctx.sleep, log: broker.ctx.log })

/** Another process that reaches the database by a way that can be cut. */
async function throughProxy<T>(
  work: (ctx: Context, proxy: Awaited<ReturnType<typeof startProxy>>) => Promise<T>,
): Promise<T> {
  const proxy = await startProxy(broker.database.appUrl)
  const ctx = await createContext({ ...broker.ctx.config, databaseUrl: proxy.url }, sharing())
  try {
    return await work(ctx, proxy)
  } finally {
    proxy.mend()
    await ctx.close()
    await proxy.stop()
  }
}

const until = async (happened: () => boolean) => {
  for (let tries = 0; !happened(); tries += 1) {
    if (tries > 500) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe('the database away for a while', () => {
  it('H-02 RR-05: between the upstream’s answer and the write-back: the rotated token waits in memory and is stored', () =>
    throughProxy(async (ctx, proxy) => {
      await broker.advance(3700)
      broker.demo.faults.push(route, { hold: { barrier: 'answered', at: 'after' } })
      const before = refreshes()
      const running = freshTokens(ctx, key)
      await broker.demo.faults.barrier('answered').arrived()
      proxy.cut()
      broker.demo.faults.barrier('answered').release()
      await until(() =>
        broker.logged.some(
          (line) => line.includes('the result of a refresh waits in memory') && line.includes('"alarm":true'),
        ),
      )
      proxy.mend()
      expect((await running).degraded).toBe(false)
      expect(refreshes()).toBe(before + 1)
      const stored = await storedRefreshToken(broker, key)
      expect(broker.demo.ledger.tokens.some(({ value, live }) => value === stored && live)).toBe(true)
      expect((await rowOf(broker, key)).status).toBe('linked')
    }))

  it('H-02 RR-05: between a failed call and its record: the failure waits in memory, and is no kill', () =>
    throughProxy(async (ctx, proxy) => {
      await broker.advance(3700)
      broker.demo.faults.push(route, {
        effect: 'skipped',
        status: 429,
        headers: { 'retry-after': '30' },
        hold: { barrier: 'refused', at: 'before' },
      })
      const waits = () =>
        broker.logged.filter((line) => line.includes('the result of a refresh waits in memory')).length
      const [before, said] = [refreshes(), waits()]
      const running = freshTokens(ctx, key).catch((error: unknown) => error)
      await broker.demo.faults.barrier('refused').arrived()
      proxy.cut()
      broker.demo.faults.barrier('refused').release()
      await until(() => waits() > said)
      proxy.mend()
      expect(await running).toMatchObject({ code: 'upstream_unavailable' })
      expect(refreshes()).toBe(before + 1)
      expect(await rowOf(broker, key)).toMatchObject({
        status: 'degraded',
        intentAt: null,
        recoveries: 0,
        doubt: false,
      })
    }))

  it('H-02: a lock that outlasts the statement’s time costs no rotated token', async () => {
    const databaseUrl = `${broker.database.appUrl}&options=-c%20statement_timeout%3D300`
    const ctx = await createContext({ ...broker.ctx.config, databaseUrl }, sharing())
    await broker.advance(3700)
    broker.demo.faults.push(route, { hold: { barrier: 'locked', at: 'after' } })
    const waits = () => broker.logged.filter((line) => line.includes('the result of a refresh waits in memory')).length
    const said = waits()
    const running = freshTokens(ctx, key)
    await broker.demo.faults.barrier('locked').arrived()
    await broker.owner.query('BEGIN')
    await broker.owner.query('SELECT 1 FROM connection WHERE id = $1 FOR UPDATE', [key.connectionId])
    broker.demo.faults.barrier('locked').release()
    await until(() => waits() > said)
    await broker.owner.query('COMMIT')
    expect((await running).degraded).toBe(false)
    expect((await rowOf(broker, key)).status).toBe('linked')
    await ctx.close()
  })

  it('H-02: nothing is asked upstream without a claim, and the same call works afterwards', () =>
    throughProxy(async (ctx, proxy) => {
      await broker.advance(3700)
      const before = refreshes()
      proxy.cut()
      await expect(freshTokens(ctx, key)).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 5 })
      expect(refreshes()).toBe(before)
      proxy.mend()
      expect((await freshTokens(ctx, key)).degraded).toBe(false)
    }))

  it('H-02: a connection that is lost while somebody holds it, between two statements, is no uncaught exception', async () => {
    const ctx = await createContext(broker.ctx.config, sharing())
    const uncaught: unknown[] = []
    const listen = (error: unknown) => void uncaught.push(error)
    process.prependListener('uncaughtException', listen)
    const client = await ctx.pool.connect()
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    const ended = new Promise((resolve) => client.once('end', resolve))
    await broker.ctx.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await ended
    const error = await client.query('SELECT 1').catch((thrown: unknown) => thrown)
    expect(isOutage(error)).toBe(true)
    client.release()
    expect((await connectionList(ctx, actor)).length).toBe(1)
    process.off('uncaughtException', listen)
    expect(uncaught).toEqual([])
    await ctx.close()
  })

  it('H-02: background work waits, says so once, and goes on', () =>
    throughProxy(async (ctx, proxy) => {
      const said = () => broker.logged.filter((line) => line.includes('background work is paused')).length
      const before = said()
      proxy.cut()
      await expect(tick(ctx)).rejects.toMatchObject({ code: 'unavailable' })
      const stop = startJobs(ctx, { everyMilliseconds: 10 })
      await until(() => said() > before)
      await new Promise((resolve) => setTimeout(resolve, 60))
      expect(said()).toBe(before + 1)
      proxy.mend()
      await stop()
      await tick(ctx)
    }))
})

describe('probes', () => {
  it('H-01: alive needs nothing; ready needs the database, comes back by itself, and neither tells a thing', () =>
    throughProxy(async (ctx, proxy) => {
      putContext(ctx)
      const ask = async (probe: typeof alive) => {
        const answer = await probe(new Request('http://localhost:3000/api/ready'), { params: Promise.resolve({}) })
        return [answer.status, await answer.text()] as const
      }
      expect(await ask(ready)).toEqual([200, '{"status":"ready"}'])
      proxy.cut()
      expect((await ask(alive))[0]).toBe(200)
      const [status, body] = await ask(ready)
      expect(status).toBe(503)
      expect(body).not.toMatch(/postgres|ECONN|localhost|127\.0|secret/i)
      proxy.mend()
      expect((await ask(ready))[0]).toBe(200)
    }))
})

describe('a start', () => {
  const said = (text: string) => broker.logged.filter((line) => line.includes(text)).length

  it('H-01 H-02: without the database waits in pauses that grow, differ and have a limit, says so once, and goes on by itself', () =>
    throughProxy(async (ctx, proxy) => {
      const [waits, goesOn, begun] = [said('waiting for the database'), said('start continues'), broker.waits.length]
      proxy.cut()
      const booting = boot(ctx)
      await until(() => broker.waits.length >= begun + 12)
      const pauses = broker.waits.slice(begun)
      expect(pauses[0]).toBeLessThanOrEqual(250)
      expect(Math.max(...pauses)).toBeLessThanOrEqual(5_000)
      for (const pause of pauses.slice(6)) expect(pause).toBeGreaterThanOrEqual(2_500)
      expect(new Set(pauses.slice(6)).size).toBe(pauses.slice(6).length)
      expect(said('start continues')).toBe(goesOn)
      proxy.mend()
      const stop = await booting
      await stop()
      expect([said('waiting for the database'), said('start continues')]).toEqual([waits + 1, goesOn + 1])
    }))

  it('H-05: that waits ends when the process is told to stop, and begins no work', () =>
    throughProxy(async (ctx, proxy) => {
      const begun = broker.waits.length
      proxy.cut()
      const booting = boot(ctx)
      await until(() => broker.waits.length >= begun + 2)
      const repeated = vi.spyOn(globalThis, 'setInterval')
      ctx.life.phase = 'stopping'
      await (await booting)()
      expect(repeated).not.toHaveBeenCalled()
    }))

  it('does not wait for a login or a database that is not there: one sentence says what is refused', async () => {
    for (const [change, state] of [
      [(url: URL) => (url.password = 'wrong'), '28P01'],
      [(url: URL) => (url.pathname = '/nowhere'), '3D000'],
    ] as const) {
      const url = new URL(broker.database.appUrl)
      change(url)
      const ctx = await createContext({ ...broker.ctx.config, databaseUrl: url.href }, sharing())
      await expect(boot(ctx)).rejects.toMatchObject({ name: 'BootError', message: expect.stringContaining(state) })
      await ctx.close()
    }
  })
})

describe('an upstream that does not answer', () => {
  it('H-04: two hundred callers are answered, by a handful of calls upstream, while everything else goes on; then it heals', async () => {
    const outbound = createOutbound({ ...broker.ctx.config, limits: { headersMs: 400 } })
    const ctx = await createContext(broker.ctx.config, { ...sharing(), fetch: outbound.fetch })
    await broker.advance(3700)
    const before = refreshes()
    // Held longer than anybody waits; the first of them may be repeated once (K-24).
    broker.demo.faults.push(
      route,
      ...Array.from({ length: 20 }, () => ({
        hold: { barrier: 'silent', at: 'before' as const },
        reset: 'before' as const,
      })),
    )
    const callers = Array.from({ length: 200 }, () => freshTokens(ctx, key).catch((error: unknown) => error))
    await broker.demo.faults.barrier('silent').arrived()
    expect((await connectionList(ctx, actor)).length).toBe(1)
    for (const answer of await Promise.all(callers)) expect(answer).toMatchObject({ code: 'upstream_unavailable' })
    // One claim and its repeat; with full jitter the rest after it may be over before everybody has looked.
    expect(refreshes() - before).toBeLessThanOrEqual(6)
    broker.demo.faults.clear()
    await broker.advance(400)
    expect((await freshTokens(ctx, key)).degraded).toBe(false)
    await ctx.close()
    await outbound.close()
    expect((await rowOf(broker, key)).status).toBe('linked')
  })
})

describe('versions beside each other', () => {
  /** What a process of the version before this one calls. */
  const former = async (text: string, values: unknown[]) => (await broker.ctx.pool.query(text, values)).rows[0]

  it('H-06: a process of the version before claims and stores beside ours; neither refreshes twice', async () => {
    await broker.advance(3700)
    const claim = await former(`SELECT * FROM vk.refresh_claim($1, $2, 0, interval '30 s', interval '15 s', 'need')`, [
      key.tenantId,
      key.connectionId,
    ])
    expect(claim.outcome).toBe('claimed')
    const before = refreshes()
    const ours = await claimRefresh(broker.ctx, key, { leaseSeconds: 15 })
    expect(ours.outcome).toBe('busy')
    const row = await rowOf(broker, key)
    const vault = await vaultOf(broker.ctx, key.tenantId)
    const seal = (column: 'access_token' | 'refresh_token', text: string) =>
      vault.seal(tokenPlace(row, column, row.tokenVersion + 1), text)
    const stored = await former(
      `SELECT outcome FROM vk.refresh_store($1, $2, $3, $4, $5, $6, interval '1 hour', NULL, NULL, interval '7 days', false, NULL)`,
      [
        key.tenantId,
        key.connectionId,
        claim.token_version,
        claim.fence,
        await seal('refresh_token', await storedRefreshToken(broker, key)),
        await seal('access_token', 'from-the-former-version'),
      ],
    )
    expect(stored.outcome).toBe('stored')
    expect((await freshTokens(broker.ctx, key)).accessToken.reveal()).toBe('from-the-former-version')
    expect(refreshes()).toBe(before)
  })

  it('H-06: what a newer version sealed is not taken for broken: nothing is marked, nothing is sent, nothing is lost', async () => {
    await broker.advance(3700)
    const row = await rowOf(broker, key)
    const [head = '', ...rest] = (row.refreshToken ?? '').split('.')
    const header = JSON.parse(Buffer.from(head, 'base64url').toString())
    const newer = [Buffer.from(JSON.stringify({ ...header, typ: 'vk2' })).toString('base64url'), ...rest].join('.')
    await inTenant()
    await broker.owner.query('UPDATE connection SET refresh_token = $1 WHERE id = $2', [newer, key.connectionId])
    const before = refreshes()
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'keys_unavailable' })
    expect(refreshes()).toBe(before)
    expect(await rowOf(broker, key)).toMatchObject({
      status: 'linked',
      intentAt: null,
      recoveries: 0,
      claimUntil: null,
    })
    await broker.owner.query('UPDATE connection SET refresh_token = $1 WHERE id = $2', [
      row.refreshToken,
      key.connectionId,
    ])
    await broker.advance(5)
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
  })
})

describe('clocks that differ by five minutes', () => {
  it.each([-300, 300])(
    'H-07: a process whose clock is %i s off serves no dead token and does not loop',
    async (skew) => {
      const ctx = await createContext(broker.ctx.config, {
        ...sharing(),
        now: () => new Date(broker.ctx.now().getTime() + skew * 1000),
      })
      const first = await freshTokens(ctx, key)
      await broker.advance(3590)
      const before = refreshes()
      const answers = []
      for (let round = 0; round < 10; round += 1) answers.push(await freshTokens(round % 2 ? ctx : broker.ctx, key))
      expect(refreshes()).toBe(before + 1)
      expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([first.version + 1]))
      const left = ((await rowOf(broker, key)).accessExpiresAt?.getTime() ?? 0) - broker.ctx.now().getTime()
      expect(Math.abs(left / 1000 - 3600)).toBeLessThan(30)
      await tick(ctx)
      expect((await rowOf(broker, key)).status).toBe('linked')
      await ctx.close()
    },
  )

  it.each([-300, 300])('H-07: an upstream whose clock is %i s off costs at most an early refresh', async (skew) => {
    broker.demo.clock.setOffset(skew)
    key = await linked(broker.ctx)
    await broker.advance(3700)
    const before = refreshes()
    for (let round = 0; round < 5; round += 1) expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
    expect(refreshes()).toBe(before + 1)
    expect((await rowOf(broker, key)).status).toBe('linked')
  })
})

describe('what is over', () => {
  /** Rows long over beside living ones, as many tables as the sweep knows. */
  async function seed(count: number): Promise<void> {
    await broker.owner.query(`DELETE FROM issued_token WHERE id LIKE 'tok_over%'`)
    const [{ provider_id: provider, user_id: user, project_id: project }] = (
      await broker.owner.query(
        `SELECT c.provider_id, c.user_id, p.project_id FROM connection c JOIN connection_project p ON p.connection_id = c.id
         WHERE c.id = $1`,
        [key.connectionId],
      )
    ).rows
    const series = `generate_series(1, ${count}) n`
    await broker.owner.query(`INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
      SELECT 'ses_over' || n, sha256(('over' || n)::bytea), '${user}', now(), now(), vk_now(), vk_now() - interval '1 hour' FROM ${series}`)
    await broker.owner.query(`INSERT INTO attempt (tenant_id, id, state_hash, browser_hash, session_id, user_id, provider_id, purpose,
        callback_key, issuer, redirect_uri, secrets, created_at, expires_at)
      SELECT '${actor.tenantId}', 'att_over' || n, sha256(('over' || n)::bytea), '', 's', '${user}', '${provider}', 'link', 'k', 'i', 'r',
        'sealed', vk_now(), vk_now() - interval '2 days' FROM ${series}`)
    await broker.owner.query(`INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status,
        nonce, purpose, scopes_asked, generations, handle, expires_at, created_at)
      SELECT '${actor.tenantId}', 'tok_over' || n, '${user}', '${project}', '${key.connectionId}', '${provider}', 'mint', 'live',
        'n', 'p', '{}', '{}', 'sealed', vk_now() - make_interval(days => CASE WHEN n % 2 = 0 THEN 100 ELSE 1 END), vk_now() FROM ${series}`)
    await broker.owner.query(`INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, token_id, state, created_at, finished_at)
      SELECT '${actor.tenantId}', 'rev_over' || n, 'token', '${provider}', '${key.connectionId}', 'tok_over' || n, 'confirmed', vk_now(),
        vk_now() - interval '100 days' FROM generate_series(2, ${count}, 2) n`)
  }
  const count = async (sql: string) => Number((await broker.owner.query(`SELECT count(*) AS n FROM ${sql}`)).rows[0].n)

  it('H-09: two instances sweep at once: all of it goes, nothing that lives is touched', async () => {
    await seed(5_000)
    const other = await broker.makeContext()
    // What somebody is at work on is not waited for.
    await broker.owner.query('BEGIN')
    await broker.owner.query(`SELECT 1 FROM attempt WHERE id = 'att_over1' FOR UPDATE`)
    await Promise.all([sweep(broker.ctx), sweep(other)])
    await broker.owner.query('COMMIT')
    expect(await count(`attempt WHERE id LIKE 'att_over%'`)).toBe(1)
    await Promise.all([sweep(broker.ctx), sweep(other)])
    await other.close()
    expect(await count(`session WHERE id LIKE 'ses_over%'`)).toBe(0)
    expect(await count(`attempt WHERE id LIKE 'att_over%'`)).toBe(0)
    expect(await count(`upstream_revocation WHERE id LIKE 'rev_over%'`)).toBe(0)
    expect(await count(`issued_token WHERE id LIKE 'tok_over%'`)).toBe(2_500)
    expect(await count(`issued_token WHERE id LIKE 'tok_over%' AND handle IS NOT NULL`)).toBe(0)
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
    expect((await tenantIds(broker.ctx)).length).toBeGreaterThan(1)
  })

  it('H-09: one entry that cannot go is told and left; the rest goes', async () => {
    await seed(50)
    await broker.owner.query(`CREATE FUNCTION public.keep_one() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF OLD.id = 'att_over7' THEN RAISE 'this one stays'; END IF; RETURN OLD; END $$`)
    await broker.owner.query(
      'CREATE TRIGGER keep_one BEFORE DELETE ON attempt FOR EACH ROW EXECUTE FUNCTION public.keep_one()',
    )
    await sweep(broker.ctx)
    await broker.owner.query('DROP TRIGGER keep_one ON attempt')
    expect(await count(`attempt WHERE id LIKE 'att_over%'`)).toBe(1)
    expect(await count(`session WHERE id LIKE 'ses_over%'`)).toBe(0)
    expect(broker.logged.some((line) => line.includes('att_over7'))).toBe(true)
  })

  it('H-09: what is over no more, because somebody froze it again meanwhile, is not swept beside an entry that cannot go', async () => {
    const [stuck, again] = ['con_sweep1', 'con_sweep2']
    const freeze = `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_by, frozen_at, reason, until)
      VALUES ($1, 'connection', $2, $3, vk_now(), '', vk_now() + make_interval(days => $4))
      ON CONFLICT (tenant_id, kind, target_id) DO UPDATE SET until = EXCLUDED.until`
    for (const id of [stuck, again]) await broker.owner.query(freeze, [actor.tenantId, id, actor.userId, -40])
    await broker.owner.query(`CREATE FUNCTION public.hold_one() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF OLD.target_id = 'con_sweep1' THEN PERFORM pg_advisory_xact_lock(7); RAISE 'this one stays'; END IF; RETURN OLD; END $$`)
    await broker.owner.query(
      'CREATE TRIGGER hold_one BEFORE DELETE ON freeze_fact FOR EACH ROW EXECUTE FUNCTION public.hold_one()',
    )
    const [gate, person] = [1, 2].map(() => new pg.Client({ connectionString: broker.database.ownerUrl }))
    if (!gate || !person) throw new Error('two connections are needed')
    for (const client of [gate, person]) {
      await client.connect()
      await client.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
    }
    const told: string[] = []
    try {
      await gate.query('SELECT pg_advisory_lock(7)')
      const sweeping = sweepSingly(broker.ctx, actor.tenantId, 'freezes', 10, (id) => told.push(id))
      const waits = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`
      await expect.poll(async () => (await gate.query(waits)).rowCount, { timeout: 8_000 }).toBe(1)
      const freezing = person.query(freeze, [actor.tenantId, again, actor.userId, 1])
      // Either it waits for the sweep, or it is done before that goes on.
      const over = `SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted
        UNION ALL SELECT FROM freeze_fact WHERE target_id = '${again}' AND until > vk_now()`
      await expect.poll(async () => (await gate.query(over)).rowCount, { timeout: 8_000 }).toBe(1)
      await gate.query('SELECT pg_advisory_unlock(7)')
      await Promise.all([sweeping, freezing])
    } finally {
      await Promise.all([gate.end(), person.end()])
      await broker.owner.query('DROP TRIGGER hold_one ON freeze_fact; DROP FUNCTION public.hold_one()')
    }
    expect(told).toEqual([`connection ${stuck}`])
    expect(await count(`freeze_fact WHERE target_id = '${again}' AND until > vk_now()`)).toBe(1)
    await broker.owner.query(`DELETE FROM freeze_fact WHERE target_id LIKE 'con_sweep%'`)
  })
})
