import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { type Held, issueToken, letGo, type Wanted } from '../issue/held.ts'
import type { Session } from '../session.ts'

/** One use of a token; it ends once. */
export type Use = { value: string; end: () => void }

/** A token that is there as long as somebody uses it: another takes its place before it ends. */
export type Renewing = {
  /** @throws Failure where the one before has ended and no other is to be had */
  use(): Promise<Use>
  /** Revokes what lives of it. @throws Failure */
  end(): Promise<void>
}

type Living = Held & { uses: number }

/** Seconds before its end at which a token is replaced: a fifth of its life, and at most a minute. */
const marginOf = ({ seconds }: Wanted) => Math.min(60, seconds / 5)

/** Issues the first one. @throws Failure */
export async function renewing(cli: Cli, session: Session, wanted: Wanted, purpose: string): Promise<Renewing> {
  const living = new Set<Living>()
  const isLeft = ({ endsAt }: Held, seconds: number) => endsAt - cli.monotonicSeconds() > seconds
  const issue = async (): Promise<Living> => {
    const made = { ...(await issueToken(cli, session, { ...wanted, purpose })), uses: 0 }
    living.add(made)
    return made
  }
  let current = await issue()
  let next: Promise<void> | undefined
  const renew = async () => {
    const before = current
    current = await issue()
    if (before.uses === 0) await retire(before)
  }
  /** The one before: once nobody uses it any more, because what runs with it is cut when it is revoked. */
  const retire = async (past: Living) => {
    living.delete(past)
    if (isLeft(past, 0)) await letGo(session, [past.id], 'proxy: another took its place').catch(failed)
  }
  const failed = (error: unknown) => {
    if (!(error instanceof Failure)) throw error
    cli.out.note({ text: `valetkey: ${error.message}`, style: 'yellow' })
  }
  const renewed = () => {
    next ??= renew().finally(() => {
      next = undefined
    })
    return next
  }
  return {
    async use() {
      if (!isLeft(current, 0)) await renewed()
      // It still lives: nobody waits for the other.
      else if (!isLeft(current, marginOf(wanted))) renewed().catch(failed)
      const used = current
      used.uses += 1
      return {
        value: used.value,
        end: () => {
          used.uses -= 1
          if (used.uses === 0 && used !== current) void retire(used)
        },
      }
    },
    async end() {
      await next?.catch(() => {})
      await letGo(
        session,
        [...living].filter((one) => isLeft(one, 0)).map(({ id }) => id),
        'proxy: it has ended',
      )
    },
  }
}
