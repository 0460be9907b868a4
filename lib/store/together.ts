import type pg from 'pg'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { query } from './database.ts'

/** Requests in one statement. */
const batchMax = 100

type Waiting<Asked, Answered> = {
  asked: Asked
  resolve: (answered: Answered) => void
  reject: (error: unknown) => void
}

/**
 * Asks for all that came while the question before was under way, in one statement at a time. What is asked is always asked
 * after its request came, and a busy process wakes the database for many at once.
 */
export class Together<Asked, Answered> {
  readonly #ask: (asked: Asked[]) => Promise<Answered[]>
  #waiting: Waiting<Asked, Answered>[] = []
  #isAsking = false

  /** `ask` answers for each that it is asked about, in their order. */
  constructor(ask: (asked: Asked[]) => Promise<Answered[]>) {
    this.#ask = ask
  }

  ask(asked: Asked): Promise<Answered> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ asked, resolve, reject })
      if (this.#isAsking) return
      this.#isAsking = true
      // After what else has arrived by now was read.
      setImmediate(() => void this.#askForAll())
    })
  }

  async #askForAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#askFor(this.#waiting.splice(0, batchMax))
    this.#isAsking = false
  }

  async #askFor(batch: Waiting<Asked, Answered>[]): Promise<void> {
    try {
      const answers = await this.#ask(batch.map((one) => one.asked))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const one = answers[index]
        if (one) resolve(one)
        else reject(new Error('a request was left out'))
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}

type Store = Pick<Context, 'pool' | 'config'>
type Answer = { rows: object[] } | { error: unknown }
const underWay = new WeakMap<pg.Pool, Map<string, Together<unknown[], Answer>>>()

/**
 * {@link query} for many that ask the same at once: `text` reads what each asks from `unnest($1, …) WITH ORDINALITY`, one column for
 * each of `values`, and tells by `n` who a row is for. For what only reads: one that waits would keep the others waiting. Should one
 * of them be refused, each is asked for by itself.
 * @throws BrokerError unavailable when the database is away
 */
export async function queryTogether<Row extends pg.QueryResultRow>(
  { pool, config }: Store,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const acts = underWay.get(pool) ?? new Map<string, Together<unknown[], Answer>>()
  underWay.set(pool, acts)
  const act = acts.get(name) ?? new Together((asked) => askAll({ pool, config }, name, text, asked))
  acts.set(name, act)
  const answer = await act.ask(values)
  if ('error' in answer) throw answer.error
  return answer.rows as Row[]
}

async function askAll(ctx: Store, name: string, text: string, asked: unknown[][]): Promise<Answer[]> {
  const columns = (asked[0] ?? []).map((_, at) => asked.map((values) => values[at]))
  try {
    const answers = asked.map(() => ({ rows: [] as object[] }))
    for (const { n, ...row } of await query<{ n: number }>(ctx, name, text, columns)) answers[n - 1]?.rows.push(row)
    return answers
  } catch (error) {
    if (asked.length === 1 || isBrokerError(error, 'unavailable')) return asked.map(() => ({ error }))
    return (await Promise.all(asked.map((values) => askAll(ctx, name, text, [values])))).flat()
  }
}
