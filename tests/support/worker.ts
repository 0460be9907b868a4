// Entry of a process of its own: one Context on the given database, told over IPC what to do. Where a rotation can be cut
// off is reached from outside: `ctx.fetch` and `pool.query` are wrapped, product code has no hooks.

import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Actor } from '../../lib/actor.ts'
import { authorizationCode } from '../../lib/authserver/grants/authorization-code.ts'
import { deviceCode } from '../../lib/authserver/grants/device-code.ts'
import { refreshToken } from '../../lib/authserver/grants/refresh-token.ts'
import type { TokenAnswer } from '../../lib/authserver/tokens.ts'
import { revokeSelection } from '../../lib/broker/acts.ts'
import { revokeEverything } from '../../lib/broker/end.ts'
import { type IssueInput, issueToken } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { connectionDetail } from '../../lib/broker/read/connection.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Config } from '../../lib/config.ts'
import { type Context, createContext } from '../../lib/context.ts'
import { startJobs } from '../../lib/jobs/tick.ts'
import { createLog } from '../../lib/log.ts'
import { createOutbound, outboundLimits } from '../../lib/security/outbound.ts'
import { checkInstanceKeys } from '../../lib/vault/keys.ts'
import type { BrowserActor } from './broker.ts'
import type { Key } from './connection.ts'
import { startPassing } from './passing.ts'

/**
 * Where a process holds: in a statement that has run and is not committed, after one that is, or right before a request
 * to the upstream, or between its answer and whatever follows. What lies between request and answer is held at the
 * upstream's own barriers. `completing` and `completed`: an issue's row, before and after its commit. `consuming` and
 * `consumed`: what a program brings to the token endpoint. `step`: right before the statement, or request to an upstream, of that number.
 */
export type Point =
  | 'claiming'
  | 'claimed'
  | 'beginning'
  | 'begun'
  | 'asking'
  | 'answered'
  | 'storing'
  | 'stored'
  | 'completing'
  | 'completed'
  | 'consuming'
  | 'consumed'
  | 'step'

/** What a program sends to the token endpoint. */
export type Exchange =
  | { with: 'device_code'; code: string }
  | { with: 'authorization_code'; code: string; redirectUri: string; verifier: string }
  | { with: 'refresh_token'; token: string }

export type Command =
  | { kind: 'start'; config: Config; realWaits: boolean }
  | { kind: 'clock'; offsetMilliseconds: number }
  /** Arms a point for all who come by, of requests only those to `path`; `reached` is told for each. */
  | { kind: 'hold'; point: Point; path?: string }
  | { kind: 'resume' }
  /** Counts statements and requests from here on, and holds for ever before this one. */
  | { kind: 'steps'; until: number }
  | { kind: 'revoke'; actor: Actor; act: BulkRevocation }
  | { kind: 'fresh'; keys: Key[]; callers: number; staleVersion?: number }
  | { kind: 'read'; actor: Actor; connectionId: string; times: number }
  | { kind: 'issue'; actor: Actor; input: IssueInput }
  /** As the public client of the instance. */
  | { kind: 'exchange'; exchange: Exchange }
  /** Passes requests through on a port of its own. */
  | { kind: 'pass' }
  | { kind: 'jobs' }
  | { kind: 'load'; load: Load }
  | { kind: 'delays' }

/** What ends many things. */
export type BulkRevocation =
  | ({ of: 'selection' } & Parameters<typeof revokeSelection>[2])
  | ({ of: 'person' } & Parameters<typeof revokeEverything>[2])

/** How one caller fared; the token only as a digest. */
export type Fresh =
  | { ok: true; version: number; degraded: boolean; digest: string }
  | { ok: false; error: string; detail: string | undefined }

/** Work that a process does over and over until it ends. */
export type Load = {
  actor: BrowserActor
  /** Each is renewed again and again. */
  keys: Key[]
  /** A token is issued from it and revoked, again and again. */
  input: IssueInput
  /** Addresses with which consents came back; each is delivered twice at once. */
  locations: string[]
}

export type Replies = {
  start: null
  clock: null
  hold: null
  resume: null
  steps: null
  /** The act. */
  revoke: string
  /** By key, then by caller. */
  fresh: Fresh[][]
  /** Milliseconds of each read. */
  read: number[]
  /** Id of the token. */
  issue: string
  /** What the program reads: tokens, or the code of the error. */
  exchange: TokenAnswer | { error: string }
  /** Its port. */
  pass: number
  jobs: null
  /** At once; the work goes on. */
  load: null
  /** Event loop delay since the last time, in milliseconds. */
  delays: { p50: number; p99: number; max: number }
}

export type ToWorker = { id: number; command: Command }
export type FromWorker = { id: number; value: unknown } | { id: number; failure: string } | { reached: Point }

const delays = monitorEventLoopDelay({ resolution: 10 })
let ctx: Context
let offsetMilliseconds = 0
let armed: Point | undefined
let armedPath: string | undefined
let resume: () => void = () => undefined
let resumed = new Promise<void>((resolve) => {
  resume = resolve
})

const say = (message: FromWorker) => process.send?.(message)
const isPoint = (point: Point) => armed === point

/** Tells the parent and waits until it says so, or for ever when it kills us. */
async function holdAt(point: Point): Promise<void> {
  say({ reached: point })
  await resumed
}

const never = new Promise<never>(() => undefined)
let stepsLeft = Number.POSITIVE_INFINITY

/** Whether the next step may be taken. From the one that is held on none is, as if all of it had ended there. */
function step(): boolean {
  stepsLeft -= 1
  if (stepsLeft === 0) say({ reached: 'step' })
  return stepsLeft > 0
}

/** Whoever is held at a barrier must not give up by the real clock: only the tests' own clock moves here. */
const patientFetch = ({ loopback, internalHosts }: Config) =>
  createOutbound({ loopback, internalHosts, limits: { ...outboundLimits, headersMs: 60_000 } }).fetch

async function start(config: Config, realWaits: boolean): Promise<null> {
  ctx = await createContext(config, {
    ...(realWaits ? {} : { fetch: patientFetch(config) }),
    now: () => new Date(Date.now() + offsetMilliseconds),
    // Short pauses wait for others and are real; long ones are only those of retries.
    sleep: (milliseconds) =>
      new Promise((resolve) => setTimeout(resolve, realWaits || milliseconds <= 60 ? milliseconds : 0)),
    log: createLog(config, { write: () => undefined }),
  })
  const { fetch } = ctx
  ctx.pool.on('connect', (client) => {
    const { query } = client
    // pg takes what it is to tell by a callback as well: whoever waits for it waits for ever.
    client.query = ((...args: unknown[]) => (step() ? Reflect.apply(query, client, args) : never)) as typeof query
  })
  ctx.fetch = async (input, init) => {
    if (!step()) return never
    const path = new URL(input instanceof Request ? input.url : input).pathname
    const isPath = armedPath === undefined || armedPath === path
    if (isPoint('asking') && isPath) await holdAt('asking')
    const response = await fetch(input, init)
    if (isPoint('answered') && isPath) await holdAt('answered')
    return response
  }
  interceptQueries(ctx)
  // As at boot; and the first connection and query are no part of what is timed.
  await checkInstanceKeys(ctx)
  delays.enable()
  return null
}

/** Lets claim, last look, write-back and the end of an issue be held before or after their commit. */
function interceptQueries({ pool }: Context): void {
  const query = pool.query.bind(pool)
  const pointsOf = (text: string): { inside: Point; after: Point } | undefined => {
    if (text.includes('vk.refresh_claim(')) return { inside: 'claiming', after: 'claimed' }
    if (text.includes('vk.refresh_begin(')) return { inside: 'beginning', after: 'begun' }
    if (/vk\.(device_poll|code_redeem|grant_refresh)\(/.test(text)) return { inside: 'consuming', after: 'consumed' }
    if (text.includes('vk.refresh_store(')) return { inside: 'storing', after: 'stored' }
    if (text.includes('vk.issue_complete(')) return { inside: 'completing', after: 'completed' }
    return undefined
  }
  const intercepted = async (...args: Parameters<typeof query>) => {
    const points = pointsOf(textOf(args[0]))
    if (points && isPoint(points.inside)) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        const result = await client.query(...args)
        await holdAt(points.inside)
        await client.query('COMMIT')
        return result
      } finally {
        client.release()
      }
    }
    const result = await query(...args)
    if (points && isPoint(points.after)) await holdAt(points.after)
    return result
  }
  Object.assign(pool, { query: intercepted })
}

const textOf = (statement: unknown): string =>
  typeof statement === 'string'
    ? statement
    : typeof statement === 'object' && statement !== null && 'text' in statement
      ? String(statement.text)
      : ''

async function freshOf(key: Key, staleVersion: number | undefined): Promise<Fresh> {
  try {
    const stale = staleVersion === undefined ? {} : { staleVersion }
    const { accessToken, version, degraded } = await freshTokens(ctx, { ...key, ...stale })
    return { ok: true, version, degraded, digest: createHash('sha256').update(accessToken.reveal()).digest('hex') }
  } catch (error) {
    const named = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return { ok: false, error: named, detail: error instanceof Error ? error.message : undefined }
  }
}

async function exchanged(exchange: Exchange): Promise<Replies['exchange']> {
  const who = { id: 'valetkey', secret: null, asserted: null }
  const origin = { requestId: 'req_kill' }
  const common = { proof: undefined, scope: undefined, resource: undefined }
  try {
    if (exchange.with === 'device_code') return await deviceCode(ctx, who, { ...common, ...exchange }, origin)
    if (exchange.with === 'refresh_token') return await refreshToken(ctx, who, { ...common, ...exchange }, origin)
    return await authorizationCode(ctx, who, { ...common, ...exchange }, origin)
  } catch (error) {
    return { error: error instanceof Error && 'code' in error ? String(error.code) : String(error) }
  }
}

const milliseconds = (nanoseconds: number) => Math.round(nanoseconds / 1e4) / 100

async function obey(command: Command): Promise<unknown> {
  switch (command.kind) {
    case 'start':
      return start(command.config, command.realWaits)
    case 'clock':
      offsetMilliseconds = command.offsetMilliseconds
      return null
    case 'hold':
      armed = command.point
      armedPath = command.path
      resumed = new Promise((resolve) => {
        resume = resolve
      })
      return null
    case 'resume':
      armed = undefined
      resume()
      return null
    case 'steps':
      stepsLeft = command.until
      return null
    case 'revoke': {
      const { act } = command
      if (act.of === 'selection') return (await revokeSelection(ctx, command.actor, act)).act
      return (await revokeEverything(ctx, command.actor, act)).act
    }
    case 'fresh':
      return Promise.all(
        command.keys.map((key) =>
          Promise.all(Array.from({ length: command.callers }, () => freshOf(key, command.staleVersion))),
        ),
      )
    case 'read':
      return Promise.all(
        Array.from({ length: command.times }, async () => {
          const began = performance.now()
          await connectionDetail(ctx, command.actor, command.connectionId)
          return performance.now() - began
        }),
      )
    case 'issue':
      return (await issueToken(ctx, command.actor, command.input)).token.id
    case 'exchange':
      return exchanged(command.exchange)
    case 'pass':
      return (await startPassing(ctx, { timers: true })).port
    case 'jobs':
      stopJobs = startJobs(ctx)
      return null
    case 'load':
      for (const work of loadOf(command.load)) underLoad.add(work)
      return null
    case 'delays': {
      const seen = {
        p50: milliseconds(delays.percentile(50)),
        p99: milliseconds(delays.percentile(99)),
        max: milliseconds(delays.max),
      }
      delays.reset()
      return seen
    }
  }
}

const underLoad = new Set<Promise<void>>()
let stopJobs: (() => Promise<void>) | undefined
let stopping = false

/** Repeats work until the process is told to stop. What fails is another's business: the rows are looked at afterwards. */
async function repeatedly(work: () => Promise<unknown>): Promise<void> {
  while (!stopping) await work().catch(() => new Promise((resolve) => setTimeout(resolve, 20)))
}

function loadOf({ actor, keys, input, locations }: Load): Promise<void>[] {
  const renewing = keys.map((key) => {
    let staleVersion = 0
    return repeatedly(async () => {
      const { version } = await freshTokens(ctx, { ...key, staleVersion })
      staleVersion = version
    })
  })
  const issuing = repeatedly(async () => {
    const { token } = await issueToken(ctx, actor, input)
    await revoke(ctx, actor, { tokens: [token.id], connections: [] })
  })
  const linking = locations.map(async (location) => {
    const url = new URL(location)
    const callback = {
      key: url.pathname.split('/').at(-1) ?? '',
      parameters: url.searchParams,
      browser: actor.browser,
      session: { id: actor.credential.session, userId: actor.userId },
      origin: {},
    }
    await Promise.allSettled([completeLink(ctx, callback), completeLink(ctx, callback)])
  })
  return [...renewing, issuing, ...linking]
}

/** As the server does: nothing new is begun, what runs is finished, then the end. */
async function stop(): Promise<void> {
  stopping = true
  await stopJobs?.()
  await Promise.all(underLoad)
  await ctx.close()
  process.exit(0)
}
process.once('SIGTERM', () => void stop())

process.on('message', ({ id, command }: ToWorker) => {
  obey(command).then(
    (value) => say({ id, value }),
    (error: unknown) => say({ id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
// A parent that is gone leaves nobody behind.
process.once('disconnect', () => process.exit(0))
