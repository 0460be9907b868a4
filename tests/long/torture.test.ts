// App processes killed with SIGKILL at every moment of a rotation. `npm run torture` does it at length and prints the table.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { rowOf } from '../support/connection.ts'
import { seedConnections } from '../support/grants.ts'
import { checkInvariants, observe, seenIn, sendsByToken } from '../support/invariants.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import { demoOpponent, type Tally, torture, tortureTable } from '../support/torture.ts'

const long = process.env.TORTURE_REPETITIONS
const repetitions = Number(long ?? 3)
/** At length each interrupted rotation is a process of its own; in short one process dies with several. */
const perProcess = Number(process.env.TORTURE_PER_PROCESS ?? (long ? 1 : repetitions))
const timeout = 60_000 + repetitions * 60_000

let broker: Broker
let actor: BrowserActor
let processes: Processes
const tallies: Tally[] = []

beforeAll(async () => {
  processes = await bundleProcesses()
})
beforeEach(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
})
afterEach(() => broker.stop())
afterAll(async () => {
  await processes?.stop()
  if (long) process.stdout.write(`\n${tortureTable(tallies)}\n`)
})

describe('a process that is killed', () => {
  it.each([
    ['stack', 'strict', repetitions],
    ['stack', 'grace', repetitions],
    // In short once a moment: the engine is the same, the kind is another.
    ['tickets', 'strict', long ? repetitions : 1],
    ['tickets', 'grace', long ? repetitions : 1],
  ] as const)(
    'RR-05 H-05: at no moment of a rotation leaves a grant silently dead, or a token sent a third time (%s, %s)',
    async (upstream, rotation, times) => {
      const given = { repetitions: times, perProcess: Math.min(perProcess, times) }
      const made = await torture(broker, processes, demoOpponent(broker, actor, { upstream, rotation }), given)
      tallies.push(...made)
      expect(made.flatMap(({ broken }) => broken)).toEqual([])
      expect(made.every(({ kills }) => kills === times)).toBe(true)
    },
    timeout,
  )

  it('RR-05: with an upstream that forgives a spent token for half a minute, a process that boots then takes it up, though nobody calls', async () => {
    broker.demo.modes.set({ rotation: 'grace', replayRevokesFamily: true })
    const [seeded] = await seedConnections(broker, actor, 1)
    if (!seeded) throw new Error('nothing was seeded')
    const clock = () => ({ offsetMilliseconds: broker.ctx.now().getTime() - Date.now() })
    const dying = await processes.start(broker.ctx.config, clock())
    await dying.ask({ kind: 'hold', point: 'answered' })
    const asked = dying.ask({ kind: 'fresh', keys: [seeded], callers: 1 }).catch(() => undefined)
    await dying.reached()
    await dying.kill()
    await asked
    await broker.advance(16)
    const next = await processes.start(broker.ctx.config, clock())
    await next.ask({ kind: 'jobs' })
    const version = async () => (await rowOf(broker, seeded)).tokenVersion
    await vi.waitFor(async () => expect(await version()).toBe(2), 10_000)
    expect(sendsByToken(broker.demo.ledger).get(seeded.refreshToken)).toBe(2)
    expect(checkInvariants([await observe(broker, seeded, 1)], seenIn(broker.demo.ledger))).toEqual([])
    await next.kill()
  }, 60_000)
})
