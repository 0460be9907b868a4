import { BrokerError } from '../errors.ts'
import { answerLimits } from './upstream.ts'

/** Of a stream that has no end: messages in a minute. */
const perMinute = 1_200

/** Counts what comes on a stream: an answer has a size, and a stream without an end has a pace. */
export class Flood {
  readonly #isEndless: boolean
  readonly #now: () => number
  #messages = 0
  #bytes = 0
  #since: number

  constructor(isEndless: boolean, now: () => number) {
    this.#isEndless = isEndless
    this.#now = now
    this.#since = now()
  }

  /** @throws BrokerError upstream_protocol */
  count(bytes: number): void {
    if (this.#isEndless && this.#now() - this.#since >= 60_000) {
      this.#since = this.#now()
      this.#messages = 0
      this.#bytes = 0
    }
    this.#messages += 1
    this.#bytes += bytes
    const most = this.#isEndless ? perMinute : answerLimits.streamMessages
    if (this.#messages > most || this.#bytes > answerLimits.streamBytes)
      throw new BrokerError('upstream_protocol', { cause: new Error('a flood of messages') })
  }
}
