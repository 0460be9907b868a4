// Named statements behind a real pgbouncer in transaction mode, whose version here keeps none, and without one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot } from '../../lib/boot.ts'
import { type Context, createContext } from '../../lib/context.ts'
import { query, tryNamedStatements } from '../../lib/store/database.ts'
import { tenantBySlug } from '../../lib/store/lookups.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { type Pooler, pgbouncer, startPgbouncer } from '../support/pgbouncer.ts'

let broker: Broker
let pooler: Pooler | undefined
beforeAll(async () => {
  broker = await startBroker()
  pooler = pgbouncer ? await startPgbouncer(broker.ctx.config.databaseUrl) : undefined
})
afterAll(async () => {
  await pooler?.stop()
  await broker?.stop()
})

/** Another process, by the pooler or straight to the database. */
async function process<T>(
  { databaseUrl = broker.ctx.config.databaseUrl, namedStatements = true },
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const config = { ...broker.ctx.config, databaseUrl, namedStatements }
  const ctx = await createContext(config, { now: () => broker.ctx.now(), sleep: broker.ctx.sleep, log: broker.ctx.log })
  try {
    return await work(ctx)
  } finally {
    await ctx.close()
  }
}

const warnings = () => broker.logged.filter((line) => line.includes('named statements are off')).length
/** Named statements that this process' connections have prepared. */
const kept = (ctx: Context) =>
  query<{ name: string }>(
    ctx,
    'what_is_kept',
    `SELECT name FROM pg_prepared_statements WHERE name <> 'what_is_kept'`,
    [],
  )
/** As many look-ups at once as make the pooler share its connections out; how many failed. */
async function failures(ctx: Context): Promise<number> {
  const all = await Promise.allSettled(Array.from({ length: 400 }, () => tenantBySlug(ctx, 'acme')))
  return all.filter(({ status }) => status === 'rejected').length
}

describe.skipIf(!pgbouncer)('behind a pooler that keeps no named statements', () => {
  const byPooler = () => ({ databaseUrl: pooler?.url ?? '' })

  it('trying finds it out, says so once, and nothing fails from then on', () =>
    process(byPooler(), async (ctx) => {
      const before = warnings()
      await tryNamedStatements(ctx)
      expect(warnings()).toBe(before + 1)
      expect(await failures(ctx)).toBe(0)
      await tryNamedStatements(ctx)
      expect(warnings()).toBe(before + 1)
    }))

  it('a start tries it', () =>
    process(byPooler(), async (ctx) => {
      const before = warnings()
      const stop = await boot(ctx)
      await stop()
      expect(warnings()).toBe(before + 1)
    }))

  it('without having tried, the first refusal switches them off, and each refused statement runs without a name', () =>
    process(byPooler(), async (ctx) => {
      const before = warnings()
      for (let round = 0; round < 3; round += 1) expect(await failures(ctx)).toBe(0)
      expect(warnings()).toBe(before + 1)
    }))

  it('where the setting says 0 nothing is tried and nothing is said', () =>
    process({ ...byPooler(), namedStatements: false }, async (ctx) => {
      const before = warnings()
      await tryNamedStatements(ctx)
      expect(await failures(ctx)).toBe(0)
      expect(warnings()).toBe(before)
    }))
})

it('straight to Postgres they are kept, and used', () =>
  process({}, async (ctx) => {
    const before = warnings()
    await tryNamedStatements(ctx)
    expect(await failures(ctx)).toBe(0)
    expect(warnings()).toBe(before)
    expect((await kept(ctx)).map(({ name }) => name)).toContain('tenant_by_slug')
  }))
