import { tallyMilliseconds, tellAccess } from '../audit/access.ts'
import { runAct } from '../broker/acts.ts'
import { checkDaily } from '../broker/check.ts'
import { reconcileIssuing } from '../broker/issue.ts'
import { settleReport } from '../broker/leaks.ts'
import { cutOffMilliseconds } from '../broker/read/token.ts'
import { settleRegistration } from '../broker/registrations.ts'
import { endAsAsked } from '../broker/revoke.ts'
import { settleRevocation } from '../broker/upstream-revocation.ts'
import type { Context } from '../context.ts'
import { longestGraceSeconds } from '../providers/provider.ts'
import { tellAfterMilliseconds, tellUses } from '../proxy/tally.ts'
import { openActs } from '../store/acts.ts'
import { drainOutbox } from '../store/audit.ts'
import { dueReports } from '../store/leaks.ts'
import {
  dueChecks,
  dueDeliveries,
  dueEnds,
  dueRegistrations,
  dueRevocations,
  dueUpstreams,
  type Interrupted,
  interruptedRotations,
  outboxTenants,
  staleIssuing,
  tallyTenants,
} from '../store/lookups.ts'
import { tenantsOfUses } from '../store/proxy.ts'
import { asSystem } from '../store/system.ts'
import { recoverAll, renewDue } from './renewals.ts'
import { runJob } from './run.ts'
import { sweep } from './sweep.ts'
import { deliverWebhook } from './webhooks.ts'

const batch = 50

type Place = { tenantId: string; id: string }

/**
 * Works on what is due: tenants (or whatever `laneOf` names) beside each other, the entries of each one after another,
 * so that one tenant's slow upstream does not delay others. One entry's failure is logged and never stops the rest.
 */
async function fairly<T extends { tenantId: string }>(
  ctx: Context,
  work: string,
  underWay: Set<string>,
  due: Promise<T[]>,
  handle: (item: T) => Promise<unknown>,
  laneOf: (item: T) => string = (item) => item.tenantId,
): Promise<void> {
  const lanes = new Map<string, T[]>()
  for (const item of await due) lanes.set(laneOf(item), [...(lanes.get(laneOf(item)) ?? []), item])
  await Promise.all(
    [...lanes].map(async ([lane, items]) => {
      const slot = `${work}:${lane}`
      if (underWay.has(slot)) return
      underWay.add(slot)
      for (const item of items) await runJob(ctx, work, () => handle(item))
      underWay.delete(slot)
    }),
  )
}

const inTenant = async (tenantIds: Promise<string[]>) => (await tenantIds).map((tenantId) => ({ tenantId }))

/** Every upstream beside the others, each once at a time in this process. */
async function renewals(ctx: Context, underWay: Set<string>, signal?: AbortSignal): Promise<void> {
  const due = await dueUpstreams(ctx)
  await Promise.all(
    due.map(async (upstream) => {
      const slot = `renewals:${upstream.tenantId}:${upstream.providerId}`
      if (underWay.has(slot)) return
      underWay.add(slot)
      await runJob(ctx, 'renewals', () => renewDue(ctx, upstream, signal))
      underWay.delete(slot)
    }),
  )
}

/** Rotations that were cut off, those of every upstream beside the others'. */
async function recoveries(ctx: Context, underWay: Set<string>, signal?: AbortSignal): Promise<void> {
  const upstreams = new Map<string, Interrupted[]>()
  for (const one of await interruptedRotations(ctx, longestGraceSeconds, 4 * batch)) {
    const slot = `recoveries:${one.tenantId}:${one.providerId}`
    upstreams.set(slot, [...(upstreams.get(slot) ?? []), one])
  }
  await Promise.all(
    [...upstreams].map(async ([slot, interrupted]) => {
      if (underWay.has(slot)) return
      underWay.add(slot)
      await runJob(ctx, 'recoveries', () => recoverAll(ctx, interrupted, signal))
      underWay.delete(slot)
    }),
  )
}

/** Reports of leaks that the process which took them did not finish. Of no tenant yet, so one after another. */
async function leakReports(ctx: Context, underWay: Set<string>, now: Date): Promise<void> {
  const slot = 'leak reports'
  if (underWay.has(slot)) return
  underWay.add(slot)
  try {
    for (const id of await dueReports(ctx, now, batch)) await runJob(ctx, slot, () => settleReport(ctx, id))
  } finally {
    underWay.delete(slot)
  }
}

/** Work that is due now, taken from the rows themselves. Safe on any number of instances at once. */
export async function tick(ctx: Context, underWay = new Set<string>(), signal?: AbortSignal): Promise<void> {
  const now = ctx.now()
  const over = new Date(now.getTime() - tallyMilliseconds)
  const used = new Date(now.getTime() - tellAfterMilliseconds)
  const stale = new Date(now.getTime() - cutOffMilliseconds)
  await Promise.all([
    recoveries(ctx, underWay, signal),
    renewals(ctx, underWay, signal),
    fairly<Place>(ctx, 'revocations', underWay, dueRevocations(ctx, now, batch), (place) =>
      settleRevocation(ctx, place),
    ),
    // Each by itself: a slow upstream of one keeps none of the others from being blocked here.
    fairly<Place>(
      ctx,
      'acts',
      underWay,
      openActs(ctx, batch),
      (place) => runAct(ctx, place, signal),
      ({ id }) => id,
    ),
    fairly<Place>(ctx, 'issuing', underWay, staleIssuing(ctx, stale, now, batch), (place) =>
      reconcileIssuing(ctx, place),
    ),
    fairly<Place>(ctx, 'registrations', underWay, dueRegistrations(ctx, now, batch), (place) =>
      settleRegistration(ctx, place),
    ),
    leakReports(ctx, underWay, now),
    fairly<Place>(ctx, 'ends', underWay, dueEnds(ctx, now, batch), (place) => endAsAsked(ctx, place)),
    fairly(
      ctx,
      'webhooks',
      underWay,
      dueDeliveries(ctx, now, batch),
      (place) => deliverWebhook(ctx, place),
      ({ webhookId }) => webhookId,
    ),
    fairly(ctx, 'outbox', underWay, inTenant(outboxTenants(ctx)), ({ tenantId }) =>
      asSystem(ctx, tenantId, 'job', (tx) => drainOutbox(tx, tenantId)),
    ),
    fairly(ctx, 'uses', underWay, inTenant(tenantsOfUses(ctx, used)), ({ tenantId }) => tellUses(ctx, tenantId, used)),
    fairly(ctx, 'tallies', underWay, inTenant(tallyTenants(ctx, over)), ({ tenantId }) =>
      tellAccess(ctx, tenantId, over),
    ),
  ])
}

/** The daily checks of providers that are due. Apart from the tick, because a silent upstream takes its time. */
export const checkDue = (ctx: Context, underWay = new Set<string>()): Promise<void> =>
  fairly<Place>(ctx, 'checks', underWay, dueChecks(ctx, ctx.now(), batch), (place) => checkDaily(ctx, place))

const tickMilliseconds = 2_000
const ticksPerSweep = 150

/**
 * Runs {@link tick} at once and then every two seconds, and {@link sweep} and {@link checkDue} at every 150th of them, until
 * stopped. At once, because a process that was killed may have left a rotation whose upstream forgives it for seconds only.
 */
export function startJobs(ctx: Context, { everyMilliseconds = tickMilliseconds } = {}): () => Promise<void> {
  const stopping = new AbortController()
  const underWay = new Set<string>()
  const running = new Set<Promise<void>>()
  let ticks = 0
  let reported = false
  const run = async (sweeps: boolean) => {
    try {
      await tick(ctx, underWay, stopping.signal)
      if (sweeps) await Promise.all([sweep(ctx, stopping.signal), checkDue(ctx, underWay)])
      reported = false
    } catch (error) {
      if (!reported) ctx.log.warn({ err: error }, 'background work is paused: the database does not answer')
      reported = true
    }
  }
  const start = (sweeps: boolean) => {
    const work: Promise<void> = run(sweeps).finally(() => running.delete(work))
    running.add(work)
  }
  start(false)
  const timer = setInterval(() => start(ticks++ % ticksPerSweep === 0), everyMilliseconds)
  return async () => {
    clearInterval(timer)
    stopping.abort()
    await Promise.allSettled(running)
  }
}
