import type { Context } from '../context.ts'
import { withInstance } from './system.ts'

/** A sum over all tenants; `oldest`: since when the oldest of them waits. Names: lookup.gauges in the migrations. */
export type GaugeRow = {
  gauge:
    | 'connections'
    | 'cooldowns'
    | 'refreshes_due'
    | 'revocations'
    | 'issues_unfinished'
    | 'audit_unsealed'
    | 'audit_outbox'
  kind: string | null
  /** A status or state. */
  label: string | null
  amount: number
  oldest: Date | null
}

/** Reads every gauge in one statement, which the database itself ends after `milliseconds`. */
export const readGauges = (ctx: Pick<Context, 'db'>, now: Date, milliseconds: number): Promise<GaugeRow[]> =>
  withInstance(ctx, async (tx) => {
    await tx.$executeRaw`SELECT set_config('statement_timeout', ${`${milliseconds}ms`}, true)`
    return tx.$queryRaw<GaugeRow[]>`
      SELECT gauge, kind, label, amount::double precision AS amount, oldest FROM lookup.gauges(${now})`
  })
