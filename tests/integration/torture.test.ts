// App processes killed with SIGKILL at every moment of a rotation. `npm run torture` does it at length and prints the table.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import { type Tally, torture, tortureTable } from '../support/torture.ts'

const long = process.env.TORTURE_REPETITIONS
const repetitions = Number(long ?? 3)
/** At length each interrupted rotation is a process of its own; in short one process dies with several. */
const perProcess = Number(process.env.TORTURE_PER_PROCESS ?? (long ? 1 : repetitions))
const timeout = 60_000 + repetitions * 60_000

let broker: Broker
let actor: Actor & { browser: string }
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
  it.each(['strict', 'grace'] as const)(
    'RR-05 H-05: at no moment of a rotation leaves a grant silently dead, or a token sent a third time (%s)',
    async (rotation) => {
      const made = await torture(broker, processes, actor, { rotation, repetitions, perProcess })
      tallies.push(...made)
      expect(made.flatMap(({ broken }) => broken)).toEqual([])
      expect(made.every(({ kills }) => kills === repetitions)).toBe(true)
    },
    timeout,
  )
})
