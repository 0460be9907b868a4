/** Requests in one statement. */
const batchMax = 100
/** What an access token must still have to live, in seconds. */
export const marginSeconds = 30

type Waiting<Asked, Entered> = { asked: Asked; resolve: (entered: Entered) => void; reject: (error: unknown) => void }

/**
 * Asks for each request whether its token stands: in one statement at a time, for all that came while the one before was
 * under way. What is asked is always asked after the request came, and a busy process wakes the database for many at once.
 */
export class Entrance<Asked, Entered> {
  readonly #enter: (asked: Asked[]) => Promise<Entered[]>
  #waiting: Waiting<Asked, Entered>[] = []
  #isAsking = false

  /** `enter` answers for each that it is asked about, in their order. */
  constructor(enter: (asked: Asked[]) => Promise<Entered[]>) {
    this.#enter = enter
  }

  enter(asked: Asked): Promise<Entered> {
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

  async #ask(batch: Waiting<Asked, Entered>[]): Promise<void> {
    try {
      const entered = await this.#enter(batch.map((one) => one.asked))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const one = entered[index]
        if (one) resolve(one)
        else reject(new Error('a request was left out'))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
