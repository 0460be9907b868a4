import { randomUUID } from 'node:crypto'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { openSession, type Session } from '../session.ts'
import { endTokens } from '../tokens.ts'
import type { Asked } from './ask.ts'

/** Issues it. The same key makes no second one. @throws Failure */
export const issue = (
  { client, ask, tenant }: Session,
  { project, way, rights, seconds, purpose }: Asked,
  key: string,
) =>
  ask(
    client.POST('/api/v1/tenants/{tenant}/projects/{project}/tokens', {
      params: { path: { tenant, project }, header: { 'Idempotency-Key': key } },
      // The client's type names the kinds that it was generated with.
      body: { scopes: rights as never, strategy: way.strategy, expires_in: seconds, purpose },
    }),
  )
export type Made = Awaited<ReturnType<typeof issue>>

/** A session whose requests go on to their end at Ctrl-C: a token that was asked for has to be known, so that it can be ended. */
export const openSteadySession = (cli: Cli): Promise<Session> =>
  openSession({ ...cli, http: (request) => cli.http(request, { steady: true }) })

/** After these nobody here knows whether it was made. */
const unsure: ReadonlySet<string> = new Set(['no_answer', 'not_valetkey', 'internal'])

/** Makes a token and gives it to `use`, as {@link withMade}. @throws Failure */
export const withToken = <T>(cli: Cli, session: Session, asked: Asked, use: (made: Made) => Promise<T>): Promise<T> =>
  withMade(cli, session, { key: asked.key, make: (key) => issue(session, asked, key) }, use)

/**
 * Makes what holds a token and gives it to `use`. Where that fails, or Ctrl-C came meanwhile, nobody will ever have it: it is
 * revoked. The same key makes no second one, whatever answer is lost. @throws Failure
 */
export async function withMade<M extends Pick<Made, 'token'>, T>(
  cli: Cli,
  session: Session,
  { key = randomUUID(), make }: { key: string | undefined; make: (key: string) => Promise<M> },
  use: (made: M) => Promise<T>,
): Promise<T> {
  cli.out.progress('Issuing …')
  const patience = () => cli.out.note('Finishing first, so that no token is left behind …')
  cli.signal.addEventListener('abort', patience, { once: true })
  const made = await make(key).catch((error: unknown) => {
    if (!(error instanceof Failure && unsure.has(error.code))) throw error
    throw new Failure(error.exit, error.message, {
      code: error.code,
      requestId: error.requestId,
      cause: error,
      next: `It may have been made. Within a minute the same command gets it with --idempotency-key ${key}; afterwards see: valetkey tokens`,
    })
  })
  try {
    cli.signal.throwIfAborted()
    return await use(made)
  } catch (error) {
    throw await takenBack(cli, session, made, error)
  } finally {
    cli.signal.removeEventListener('abort', patience)
  }
}

async function takenBack(
  { out, signal }: Cli,
  session: Session,
  { token }: Pick<Made, 'token'>,
  cause: unknown,
): Promise<unknown> {
  try {
    await endTokens(session, [token.id], 'not handed over')
    if (signal.aborted) out.note('Interrupted: the token was revoked.')
  } catch (failed) {
    return new Failure('unconfirmed', `The token could not be handed over, and was not revoked: ${textOf(failed)}`, {
      code: 'not_delivered',
      cause: failed,
      next: `valetkey revoke ${token.id}`,
    })
  }
  if (cause instanceof Failure) return cause
  return new Failure('failed', `The token could not be handed over (${textOf(cause)}), so it was revoked.`, {
    code: 'not_delivered',
    cause,
    next: 'Give the output a reader, then ask again.',
  })
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
