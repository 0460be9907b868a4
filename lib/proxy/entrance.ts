import type { Context } from '../context.ts'
import { type Entered, type Entering, enterProxy } from '../store/proxy.ts'

/** Requests in one statement. */
const batchMax = 100
/** What an access token must still have to live, in seconds. */
const marginSeconds = 30

type Waiting = { asked: Entering; resolve: (entered: Entered) => void; reject: (error: unknown) => void }

/**
 * Asks for each request whether its token stands: in one statement at a time, for all that came while the one before was
 * under way. What is asked is always asked after the request came, and a busy process wakes the database for many at once.
 */
export class Entrance {
  readonly #ctx: Context
  #waiting: Waiting[] = []
  #isAsking = false

  constructor(ctx: Context) {
    this.#ctx = ctx
  }

  enter(asked: Entering): Promise<Entered> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked, resolve, reject })
      if (this.#isAsking) return
      this.#isAsking = true
      // After what else has arrived by now was read.
      setImmediate(() => void this.#askForAll())
    })
  }

  async #askForAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#ask(this.#waiting.splice(0, batchMax))
    this.#isAsking = false
  }

  async #ask(batch: Waiting[]): Promise<void> {
    try {
      const asked = batch.map((one) => one.asked)
      const entered = await enterProxy(this.#ctx, asked, marginSeconds)
      for (const [index, { resolve, reject }] of batch.entries()) {
        const one = entered[index]
        if (one) resolve(one)
        else reject(new Error('proxy_enter left out a request'))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
