import type { Actor } from '../../lib/tenancy/actor.ts'
import type { Broker } from './broker.ts'
import { type Seeded, seedConnections } from './grants.ts'
import { checkInvariants, type Observed, observe, sendsByToken } from './invariants.ts'
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
  'after the claim, before the call': { point: 'claimed', strict: 'linked', grace: 'linked' },
  'request sent, never applied': { at: 'before', reset: true, strict: 'linked', grace: 'linked' },
  'request sent, applied later': { at: 'before', strict: 'lost', grace: 'linked' },
  'applied, before the answer': { at: 'after', strict: 'lost', grace: 'linked' },
  'after the answer, before the write-back': { point: 'answered', strict: 'lost', grace: 'linked' },
  'before the write-back commits': { point: 'storing', strict: 'lost', grace: 'linked' },
  'after the write-back, before the caller': { point: 'stored', strict: 'linked', grace: 'linked' },
  /** Killed at the first try, and again at the recovery try: no third. */
  'during the recovery try': { point: 'claimed', again: true, strict: 'lost', grace: 'lost' },
} as const satisfies Record<
  string,
  { [of in Rotation]: Outcome } & ({ point: Point; again?: true } | { at: 'before' | 'after'; reset?: true })
>
export type Moment = keyof typeof moments
const names = Object.keys(moments) as Moment[]

/** One line of the table. */
export type Tally = {
  moment: Moment
  rotation: Rotation
  kills: number
  linked: number
  lost: number
  /** Refresh tokens that the upstream saw twice: the recovery tries. */
  sentTwice: number
  /** Whatever should not be, in words. */
  broken: string[]
}

type Case = { moment: Moment; seeded: Seeded; kills: number }
const casesAtOnce = 2
const callersAfterwards = 3
const leaseSeconds = 16

/**
 * Kills app processes with SIGKILL at every moment of a rotation, `repetitions` times each, then lets two others go on as
 * if nothing had happened: several callers at once, again after the access token's life. The upstream ends the family of
 * a token that it sees twice where `rotation` is strict.
 */
export async function torture(
  broker: Broker,
  processes: Processes,
  actor: Actor & { browser: string },
  { rotation, repetitions }: { rotation: Rotation; repetitions: number },
): Promise<Tally[]> {
  const { demo, ctx } = broker
  demo.modes.set({ rotation, replayRevokesFamily: true })
  const offsetMilliseconds = () => ctx.now().getTime() - Date.now()
  const start = () => processes.start({ ...ctx.config, poolSize: 4 }, { offsetMilliseconds: offsetMilliseconds() })
  const seeded = await seedConnections(broker, actor, names.length * repetitions)
  const cases: Case[] = seeded.map((one, index) => ({ moment: moment(index), seeded: one, kills: 0 }))

  const fresh = async (worker: Worker, key: Seeded, callers: number): Promise<Fresh[]> => {
    const { tenantId, connectionId } = key
    const results = await worker.ask({ kind: 'fresh', keys: [{ tenantId, connectionId }], callers })
    return results.flat()
  }
  /** Starts a process, lets it come to the moment and kills it there. */
  async function killAt(one: Case, where: { point: Point } | { at: 'before' | 'after'; reset?: true }) {
    const worker = await start()
    const barrier = `${one.seeded.connectionId}:${one.kills}`
    if ('at' in where)
      demo.faults.push('POST /oauth/token', {
        when: { refresh_token: one.seeded.refreshToken },
        hold: { barrier, at: where.at },
        ...(where.reset ? { reset: 'before' } : {}),
      })
    else await worker.ask({ kind: 'hold', point: where.point })
    const cutOff = fresh(worker, one.seeded, 1).catch(() => undefined)
    await ('at' in where ? demo.faults.barrier(barrier).arrived() : worker.reached(where.point))
    await worker.kill()
    await cutOff
    // What the upstream was at goes on without whoever asked.
    demo.faults.barrier(barrier).release()
    one.kills += 1
  }

  await inTurn(cases, (one) => killAt(one, moments[one.moment]))
  await broker.advance(leaseSeconds)
  const again = cases.filter(({ moment }) => 'again' in moments[moment])
  // Half of them after the token was spent, half of them before.
  await inTurn(again, (one) => killAt(one, { at: again.indexOf(one) % 2 === 0 ? 'after' : 'before' }))
  if (again.length > 0) await broker.advance(leaseSeconds)

  const survivors = await Promise.all([start(), start()])
  const goOn = async (one: Case) =>
    (await Promise.all(survivors.map((worker) => fresh(worker, one.seeded, callersAfterwards)))).flat()
  const first = await Promise.all(cases.map(goOn))
  const rows = await Promise.all(cases.map((one) => observe(broker, one.seeded, one.kills)))
  const broken = new Map(cases.map((one, index) => [one, wrongs(one, rotation, first[index] ?? [], rows[index])]))
  const sends = sendsByToken(demo.ledger)
  const invariants = checkInvariants(rows, demo.ledger)

  // A grant that only looks alive is found out at its next use, and a lost one is not asked about again.
  await broker.advance(3700)
  await Promise.all(survivors.map((worker) => worker.ask({ kind: 'clock', offsetMilliseconds: offsetMilliseconds() })))
  const lost = new Set(rows.filter(({ status }) => status === 'needs_relink').map(({ connectionId }) => connectionId))
  const second = await Promise.all(cases.map(goOn))
  const asked = sendsByToken(demo.ledger)
  cases.forEach((one, index) => {
    const { connectionId, refreshToken } = one.seeded
    const isLost = lost.has(connectionId)
    const wrong = (second[index] ?? []).filter((result) => (isLost ? result.ok : !result.ok || result.degraded))
    if (wrong.length > 0) broken.get(one)?.push(`${connectionId}: at its next use ${JSON.stringify(wrong[0])}`)
    if (asked.get(refreshToken) !== sends.get(refreshToken))
      broken.get(one)?.push(`${connectionId}: the spent token was sent again later`)
  })
  invariants.push(
    ...checkInvariants(await Promise.all(cases.map((one) => observe(broker, one.seeded, one.kills))), demo.ledger),
  )
  await Promise.all(survivors.map((worker) => worker.kill()))

  return names.map((moment, index) => {
    const own = cases.filter((one) => one.moment === moment)
    const statuses = own.map((one) => rows[cases.indexOf(one)]?.status)
    return {
      moment,
      rotation,
      kills: own.reduce((sum, one) => sum + one.kills, 0),
      linked: statuses.filter((status) => status === 'linked').length,
      lost: statuses.filter((status) => status === 'needs_relink').length,
      sentTwice: own.filter((one) => sends.get(one.seeded.refreshToken) === 2).length,
      // The invariants are about all of them; told once.
      broken: [...own.flatMap((one) => broken.get(one) ?? []), ...(index === 0 ? invariants : [])],
    }
  })
}

const moment = (index: number): Moment => names[index % names.length] ?? 'during the recovery try'

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

async function inTurn(cases: Case[], work: (one: Case) => Promise<void>): Promise<void> {
  const left = [...cases]
  const next = async () => {
    for (let one = left.shift(); one; one = left.shift()) await work(one)
  }
  await Promise.all(Array.from({ length: casesAtOnce }, next))
}

/** The table for people, in Markdown. */
export function tortureTable(tallies: readonly Tally[]): string {
  const lines = tallies.map(
    ({ moment, rotation, kills, linked, lost, sentTwice, broken }) =>
      `| ${moment} | ${rotation} | ${kills} | ${linked} | ${lost} | ${sentTwice} | ${broken.length} |`,
  )
  const head = ['| Killed | Upstream | Kills | Goes on | Lost in rotation | Token sent twice | Broken |']
  return [...head, '|---|---|---|---|---|---|---|', ...lines].join('\n')
}
