import type { Faults } from '../../demo/faults.ts'
import type { Broker, BrowserActor } from './broker.ts'
import { type Seeded, seedConnections, type Upstream, upstreams } from './grants.ts'
import { checkInvariants, type Observed, observe, type Seen, seenIn } from './invariants.ts'
import type { Processes, Worker } from './processes.ts'
import type { Fresh, Point } from './worker.ts'

/** What becomes of a connection: its grant goes on, or is said to be lost in rotation. */
type Outcome = 'linked' | 'lost'
type Rotation = 'strict' | 'grace'

/**
 * Where a process is killed, in the order of a rotation, and what must come of it. An upstream that rotates strictly ends
 * the family when the one recovery try brings a spent token; one with a grace answers it.
 */
const moments = {
  'before the claim commits': { point: 'claiming', strict: 'linked', grace: 'linked' },
  'claimed, not begun': { point: 'claimed', sends: 1, strict: 'linked', grace: 'linked' },
  'claimed, not begun, twice in a row': {
    point: 'claimed',
    again: 'claimed',
    sends: 1,
    strict: 'linked',
    grace: 'linked',
  },
  'begun, before the call': { point: 'begun', sends: 1, strict: 'linked', grace: 'linked' },
  'request sent, never applied': { at: 'before', reset: true, strict: 'linked', grace: 'linked' },
  'request sent, applied later': { at: 'before', strict: 'lost', grace: 'linked' },
  'applied, before the answer': { at: 'after', strict: 'lost', grace: 'linked' },
  'after the answer, before the write-back': { point: 'answered', strict: 'lost', grace: 'linked' },
  'before the write-back commits': { point: 'storing', strict: 'lost', grace: 'linked' },
  'after the write-back, before the caller': { point: 'stored', strict: 'linked', grace: 'linked' },
  /** The recovery try itself is only claimed: it still has its turn. */
  'never applied, then claimed, not begun': {
    at: 'before',
    reset: true,
    again: 'claimed',
    strict: 'linked',
    grace: 'linked',
  },
  /** Killed at the first try, and again at the recovery try: no third. */
  'during the recovery try': { at: 'after', again: 'sent', strict: 'lost', grace: 'lost' },
} as const satisfies Record<
  string,
  { [of in Rotation]: Outcome } & { again?: Point | 'sent'; sends?: number } & (
      | { point: Point }
      | { at: 'before' | 'after'; reset?: true }
    )
>
type Moments = typeof moments
export type Moment = keyof Moments
const names = Object.keys(moments) as Moment[]

/** Who rotates while processes are killed, and how. */
export type Opponent = {
  /** For the table. */
  name: string
  rotation: Rotation
  /** What becomes of requests to its token endpoint. */
  faults: Faults
  tokenRoute: string
  seed(count: number): Promise<Seeded[]>
  /** What it saw, and takes of the refresh tokens that are kept. */
  seen(kept: readonly string[]): Promise<Seen>
  /** Lets access tokens end, and the notes of who was at them. */
  outlast(seeded: readonly Seeded[]): Promise<void>
}

/** The demo's upstreams, which end the family of a token that comes back too late. */
export function demoOpponent(
  broker: Broker,
  actor: BrowserActor,
  { upstream, rotation }: { upstream: Upstream; rotation: Rotation },
): Opponent {
  const { demo } = broker
  demo.modes.set({ rotation, replayRevokesFamily: true })
  return {
    name: upstream,
    rotation,
    faults: demo.faults,
    tokenRoute: upstreams[upstream].tokenRoute,
    seed: (count) => seedConnections(broker, actor, count, upstream),
    seen: async () => seenIn(demo.ledger),
    outlast: () => broker.advance(3700),
  }
}

/** One line of the table. */
export type Tally = {
  upstream: string
  moment: Moment
  rotation: Rotation
  /** Rotations that a kill interrupted. */
  kills: number
  linked: number
  lost: number
  /** Refresh tokens that the upstream saw twice: the recovery tries. */
  sentTwice: number
  /** Whatever should not be, in words. */
  broken: string[]
}

type Case = { moment: Moment; seeded: Seeded; kills: number }
/** Rotations of one moment that a process has under way when it is killed. */
type Group = { moment: Moment; cases: Case[] }
type Where = { point: Point } | { at: 'before' | 'after'; reset?: true }

const callersAfterwards = 3
/** Past the lease of 15 s, and with what a batch takes within the upstream's grace of 30 s. */
const leaseSeconds = 16

/**
 * Kills app processes with SIGKILL at every moment of a rotation, so that each interrupts `repetitions` of them,
 * `perProcess` at a time, then lets two others go on as if nothing had happened: several callers at once, and again after
 * the access token's life.
 */
export async function torture(
  broker: Broker,
  processes: Processes,
  opponent: Opponent,
  { repetitions, perProcess }: { repetitions: number; perProcess: number },
): Promise<Tally[]> {
  const { ctx } = broker
  const { faults, rotation } = opponent
  const clock = () => ({ offsetMilliseconds: ctx.now().getTime() - Date.now() })
  const start = () => processes.start({ ...ctx.config, poolSize: perProcess + 4 }, clock())
  const survivors = await Promise.all([start(), start()])
  const callers = { all: [] as Case[], first: new Map<Case, Fresh[]>() }

  const fresh = (worker: Worker, cases: Case[], each: number): Promise<Fresh[][]> =>
    worker.ask({ kind: 'fresh', keys: cases.map(({ seeded }) => keyOf(seeded)), callers: each })
  /** What callers of both surviving processes get, by case. */
  const goOn = async (cases: Case[]): Promise<Fresh[][]> => {
    const [one = [], other = []] = await Promise.all(survivors.map((worker) => fresh(worker, cases, callersAfterwards)))
    return cases.map((_, index) => [...(one[index] ?? []), ...(other[index] ?? [])])
  }
  const goOnFirst = async (cases: Case[]) => {
    const results = await goOn(cases)
    cases.forEach((one, index) => {
      callers.first.set(one, results[index] ?? [])
    })
  }

  /** Lets a process come to the moment with all of `cases`, and kills it there. */
  async function killAt(worker: Worker, cases: Case[], where: Where) {
    const barrier = `${cases[0]?.seeded.connectionId}:${cases[0]?.kills}`
    if ('at' in where)
      for (const { seeded } of cases)
        faults.push(opponent.tokenRoute, {
          when: { refresh_token: seeded.refreshToken },
          hold: { barrier, at: where.at },
          ...(where.reset ? { reset: 'before' } : {}),
        })
    else await worker.ask({ kind: 'hold', point: where.point })
    const asked = fresh(worker, cases, 1)
    const arrived = 'at' in where ? faults.barrier(barrier).arrived(cases.length) : worker.reached(cases.length)
    const missed = asked.then((results) => {
      throw new Error(`nothing was held at ${JSON.stringify(where)}: ${JSON.stringify(results)}`)
    })
    await Promise.race([arrived, missed])
    await worker.kill()
    await missed.catch(() => undefined)
    // What the upstream was at goes on without whoever asked.
    faults.barrier(barrier).release()
    for (const one of cases) one.kills += 1
  }

  async function killAll(groups: Group[], where: (group: Group, index: number) => Where) {
    const workers: Worker[] = []
    for (const _ of groups) workers.push(await start())
    await Promise.all(
      workers.map((worker, index) => {
        const group = groups[index]
        return group && killAt(worker, group.cases, where(group, index))
      }),
    )
    await broker.advance(leaseSeconds)
  }

  let rounds = 0
  for (let done = 0; done < repetitions; done += perProcess, rounds += 1) {
    const size = Math.min(perProcess, repetitions - done)
    const seeded = await opponent.seed(names.length * size)
    const groups = names.map((moment, index) => ({
      moment,
      cases: seeded.slice(index * size, (index + 1) * size).map((one) => ({ moment, seeded: one, kills: 0 })),
    }))
    callers.all.push(...groups.flatMap(({ cases }) => cases))
    const again = groups.filter(({ moment }) => 'again' in moments[moment])
    await killAll(groups, ({ moment }) => moments[moment])
    await goOnFirst(groups.filter((group) => !again.includes(group)).flatMap(({ cases }) => cases))
    await killAll(again, ({ moment }) => {
      const { again: point } = moments[moment] as { again: Point | 'sent' }
      // By turns before and after the upstream took the token.
      return point === 'sent' ? { at: rounds % 2 === 0 ? 'after' : 'before' } : { point }
    })
    await goOnFirst(again.flatMap(({ cases }) => cases))
  }

  const { all, first } = callers
  const look = () => Promise.all(all.map((one) => observe(broker, one.seeded, one.kills)))
  const rows = new Map((await look()).map((row) => [row.connectionId, row]))
  const rowOf = (one: Case) => rows.get(one.seeded.connectionId)
  const broken = new Map(all.map((one) => [one, wrongs(one, rotation, first.get(one) ?? [], rowOf(one))]))
  const seen = (of: Iterable<Observed>) => opponent.seen([...of].flatMap(({ refreshToken }) => refreshToken ?? []))
  const before = await seen(rows.values())
  const { sends } = before
  for (const one of all) {
    const spec: Moments[Moment] = moments[one.moment]
    const times = sends.get(one.seeded.refreshToken)
    if ('sends' in spec && times !== spec.sends)
      broken.get(one)?.push(`${one.seeded.connectionId}: sent ${times} times, ${spec.sends} expected`)
  }
  const invariants = checkInvariants([...rows.values()], before)

  // A grant that only looks alive is found out at its next use, and a lost one is not asked about again.
  await opponent.outlast(all.map(({ seeded }) => seeded))
  await Promise.all(survivors.map((worker) => worker.ask({ kind: 'clock', ...clock() })))
  const second = await goOn(all)
  const rowsLater = await look()
  const later = await seen(rowsLater)
  all.forEach((one, index) => {
    const { connectionId, refreshToken } = one.seeded
    const isLost = rowOf(one)?.status === 'needs_relink'
    const wrong = (second[index] ?? []).filter((result) => (isLost ? result.ok : !result.ok || result.degraded))
    if (wrong.length > 0) broken.get(one)?.push(`${connectionId}: at its next use ${JSON.stringify(wrong[0])}`)
    if (later.sends.get(refreshToken) !== sends.get(refreshToken))
      broken.get(one)?.push(`${connectionId}: the spent token was sent again later`)
  })
  invariants.push(...checkInvariants(rowsLater, later))
  await Promise.all(survivors.map((worker) => worker.kill()))

  return names.map((moment, index) => {
    const own = all.filter((one) => one.moment === moment)
    const statuses = own.map((one) => rowOf(one)?.status)
    return {
      upstream: opponent.name,
      moment,
      rotation,
      kills: own.length,
      linked: statuses.filter((status) => status === 'linked').length,
      lost: statuses.filter((status) => status === 'needs_relink').length,
      sentTwice: own.filter((one) => sends.get(one.seeded.refreshToken) === 2).length,
      // The invariants are about all of them; told once.
      broken: [...own.flatMap((one) => broken.get(one) ?? []), ...(index === 0 ? invariants : [])],
    }
  })
}

const keyOf = ({ tenantId, connectionId }: Seeded) => ({ tenantId, connectionId })

/** What the callers after a kill, and the row, should not have said. */
function wrongs({ moment, seeded }: Case, rotation: Rotation, results: Fresh[], row: Observed | undefined): string[] {
  const expected = moments[moment][rotation]
  const said = (result: Fresh) =>
    expected === 'linked' ? result.ok && !result.degraded : !result.ok && result.error === 'needs_relink'
  const broken = results.filter((result) => !said(result)).map((result) => `a caller got ${JSON.stringify(result)}`)
  const status = expected === 'linked' ? 'linked' : 'needs_relink'
  if (row?.status !== status) broken.push(`it is ${row?.status} (${row?.cause}), ${status} expected`)
  return broken.map((text) => `${moment}, ${rotation}, ${seeded.connectionId}: ${text}`)
}

/** The table for people, in Markdown. */
export function tortureTable(tallies: readonly Tally[]): string {
  const lines = tallies.map(
    ({ upstream, moment, rotation, kills, linked, lost, sentTwice, broken }) =>
      `| ${moment} | ${upstream}, ${rotation} | ${kills} | ${linked} | ${lost} | ${sentTwice} | ${broken.length} |`,
  )
  const head = ['| Killed | Upstream | Kills | Goes on | Lost in rotation | Token sent twice | Broken |']
  return [...head, '|---|---|---|---|---|---|---|', ...lines].join('\n')
}
