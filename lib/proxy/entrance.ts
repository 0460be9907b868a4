import type { Context } from '../context.ts'
import { type Entered, type Entering, enterProxy } from '../store/proxy.ts'

/** Statements under way at the same time; more requests than that wait for the next one together. */
const statementsMax = 2
/** Requests in one statement. */
const batchMax = 100
/** What an access token must still have to live, in seconds. */
const marginSeconds = 30

type Waiting = { asked: Entering; resolve: (entered: Entered) => void; reject: (error: unknown) => void }

/**
 * Asks for each request whether its token stands, and for all that came meanwhile in one statement: what is asked is always
 * asked after the request came, and a busy process wakes the database for many at a time.
 */
export class Entrance {
  readonly #ctx: Context
  #waiting: Waiting[] = []
  #statements = 0
  #isPlanned = false

  constructor(ctx: Context) {
    this.#ctx = ctx
  }

  enter(asked: Entering): Promise<Entered> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked, resolve, reject })
      this.#plan()
    })
  }

  /** After what else has arrived by now was read. */
  #plan(): void {
    if (this.#isPlanned || this.#statements >= statementsMax) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      void this.#ask()
    })
  }

  async #ask(): Promise<void> {
    const batch = this.#waiting.splice(0, batchMax)
    if (batch.length === 0) return
    this.#statements += 1
    if (this.#waiting.length > 0) this.#plan()
    try {
      const entered = await enterProxy(
        this.#ctx,
        batch.map(({ asked }) => asked),
        marginSeconds,
      )
      for (const [index, { resolve, reject }] of batch.entries()) {
        const one = entered[index]
        if (one) resolve(one)
        else reject(new Error('proxy_enter left out a request'))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      this.#statements -= 1
      if (this.#waiting.length > 0) this.#plan()
    }
  }
}
