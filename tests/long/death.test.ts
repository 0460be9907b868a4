// Two app processes under load, one of which dies or is stopped at whatever moment it happens to be.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { tokenPage } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { fingerprint } from '../../lib/security/secrets.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Seeded, seedConnections, type Upstream, upstreams } from '../support/grants.ts'
import { observe, sendsByToken } from '../support/invariants.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import { makeSearch } from '../support/traces.ts'

const rounds = Number(process.env.DEATH_ROUNDS ?? 2)

let processes: Processes
let broker: Broker
let actor: BrowserActor
beforeAll(async () => {
  processes = await bundleProcesses()
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
}, 60_000)
afterAll(async () => {
  await broker?.stop()
  await processes?.stop()
})

type Token = Broker['demo']['ledger']['tokens'][number]
/** What is asked for at each upstream, and which of all tokens are issued ones. */
const asked = {
  stack: {
    scopes: { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false },
    isIssued: ({ kind }: Token) => kind === 'storage',
  },
  tickets: {
    scopes: { scopes: ['tickets:read'] },
    isIssued: ({ system, kind, scope }: Token) => system === 'tickets' && kind === 'access' && scope === 'tickets:read',
  },
}
const rows = async (text: string, values: unknown[] = []) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  return (await broker.owner.query(text, values)).rows
}

/** A consent that came back and that nobody has taken yet. */
async function consented(upstream: Upstream): Promise<string> {
  const { id } = await broker.providerOf(actor, upstreams[upstream].provider)
  const started = await startLink(broker.ctx, actor, { providerId: id, browser: actor.browser })
  return approve(started.url, { account: 'owner@acme.test', project: '10232' })
}

/** No secret is in any table, in any spelling. */
async function plaintext(): Promise<unknown[]> {
  const tables = await rows(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  )
  const stored: string[] = []
  for (const { name } of tables)
    for (const { row } of await rows(`SELECT t::text AS row FROM "${name}" t`)) stored.push(row)
  const { tokens } = broker.demo.ledger
  expect(tokens.length).toBeGreaterThan(20)
  const search = makeSearch(new Map(tokens.map(({ value, kind }) => [value, kind])))
  return search.in(stored.join('\n'))
}

/** Claims that would last longer than any lease: nobody could take over from who is dead. */
const stuck = () =>
  rows(`SELECT 'connection' AS what, id FROM connection WHERE claim_until > vk_now() + interval '15 seconds'
    UNION ALL SELECT 'revocation', id FROM upstream_revocation WHERE claim_until > vk_now() + interval '60 seconds'
    UNION ALL SELECT 'delivery', id FROM webhook_delivery WHERE claim_until > vk_now() + interval '60 seconds'`)

/** Codes that the upstream redeemed, or was asked to redeem, more than once. */
function redeemedTwice(route: string): string[] {
  const times = new Map<string, number>()
  for (const { body } of broker.demo.ledger.find(route, { grant_type: 'authorization_code' }))
    times.set(String(body.code), (times.get(String(body.code)) ?? 0) + 1)
  expect(times.size).toBeGreaterThan(0)
  return [...times].filter(([, count]) => count > 1).map(([code]) => code)
}

describe('two processes under load', () => {
  it.each([
    ['SIGTERM', 'stack', 1, rounds],
    ['SIGKILL', 'stack', 2, rounds],
    // In short half as often: the engine is the same, the kind is another, and it is a kill that loses tokens there.
    ['SIGKILL', 'tickets', 2, Math.ceil(rounds / 2)],
  ] as const)(
    'H-05: whichever is ended by %s, whenever (%s): nothing in plain, no claim for ever, nothing redeemed twice, nothing alive that nobody knows of',
    async (signal, upstream, sends, rounds) => {
      const { provider, tokenRoute } = upstreams[upstream]
      const { scopes, isIssued } = asked[upstream]
      const linked = await broker.link(actor, 'owner@acme.test', { provider, project: '10231' })
      if (linked.kind === 'failed') throw linked.error
      const input = { project: linked.projectId, scopes, lifetimeSeconds: 900, purpose: 'load' }
      const seeded: Seeded[] = []
      for (let round = 0; round < rounds; round += 1) {
        const some = await seedConnections(broker, actor, 4, upstream)
        seeded.push(...some)
        const locations = await Promise.all(Array.from({ length: 4 }, () => consented(upstream)))
        const offsetMilliseconds = broker.ctx.now().getTime() - Date.now()
        const both = await Promise.all([1, 2].map(() => processes.start(broker.ctx.config, { offsetMilliseconds })))
        await Promise.all(
          both.map(async (worker) => {
            await worker.ask({ kind: 'jobs' })
            await worker.ask({ kind: 'load', load: { actor, keys: some, input, locations } })
          }),
        )
        const [dying, surviving] = both
        const before = broker.demo.ledger.requests.length
        // Whenever: after so many requests as chance has it.
        const moment = before + 20 + Math.floor(Math.random() * 60)
        await expect.poll(() => broker.demo.ledger.requests.length, { timeout: 30_000 }).toBeGreaterThan(moment)
        if (signal === 'SIGTERM') expect(await dying?.stop()).toBe(0)
        else await dying?.kill()
        expect(await stuck()).toEqual([])
        await surviving?.stop()
        // Past every lease, and what was cut off is found.
        await broker.advance(130)
        for (let time = 0; time < 4; time += 1) await tick(broker.ctx)
        expect(await stuck()).toEqual([])
        expect(redeemedTwice(tokenRoute)).toEqual([])
      }

      for (const [token, count] of sendsByToken(broker.demo.ledger))
        expect([token, count <= sends]).toEqual([token, true])
      for (const key of seeded) {
        const fresh = await freshTokens(broker.ctx, key).catch((error: { code?: string }) => error.code)
        const { status, cause } = await observe(broker, key)
        // A stop costs nobody anything; a kill may cost a grant, and then says so.
        if (signal === 'SIGTERM' || status !== 'needs_relink')
          expect([status, typeof fresh]).toEqual(['linked', 'object'])
        else expect(cause).toBe('lost_in_rotation')
      }
      expect(await plaintext()).toEqual([])
      // Whatever lives upstream is known here, and lives here too.
      await broker.advance(130)
      for (let time = 0; time < 8; time += 1) await tick(broker.ctx)
      const known = new Set(
        (await rows(`SELECT fingerprint FROM issued_token WHERE status = 'live'`)).map((row) => row.fingerprint),
      )
      const living = broker.demo.ledger.tokens.filter((token) => isIssued(token) && token.live)
      const unknown = living.filter(({ value }) => !known.has(fingerprint(broker.ctx.secrets.fingerprint, value)))
      // Where nobody can look for them, a row for each says that it may live until an end that nobody knows.
      const [unseen] = await rows(
        `SELECT count(*)::int AS count FROM issued_token WHERE failure = 'unseen' AND endless`,
      )
      expect(unknown.length).toBeLessThanOrEqual(upstream === 'stack' ? 0 : unseen.count)
      const { items } = await tokenPage(broker.ctx, actor, {})
      expect(items.filter(({ state }) => state === 'issuing')).toEqual([])
    },
    60_000 + rounds * 40_000,
  )
})
