import type { Context } from '../../lib/context.ts'

/** Does `change` right before the first statement of `work` that holds this text is sent. */
export async function meanwhile<T>(
  { pool }: Pick<Context, 'pool'>,
  text: string,
  change: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>
  let changed: Promise<unknown> | undefined
  const watched = async (...args: unknown[]) => {
    const [statement] = args as [{ text?: string } | string]
    const sent = typeof statement === 'string' ? statement : (statement.text ?? '')
    if (sent.includes(text)) {
      changed ??= change()
      await changed
    }
    return query(...args)
  }
  Object.assign(pool, { query: watched })
  const done = await work().finally(() => Object.assign(pool, { query }))
  if (!changed) throw new Error(`nothing was sent that holds ${text}`)
  return done
}
