import type { Context } from '../context.ts'
import { type Tx, transaction } from './database.ts'

/**
 * What may be written without a person's authority read in the same transaction, and why. Everything else goes through
 * authority.ts. A test names the files that may use each.
 */
export type SystemAct =
  /** The background's own work on rows that are due, and sweeps. */
  | 'job'
  /** How a refresh ended, recorded until it is recorded: whoever asked may be gone by then. */
  | 'end of a refresh'
  /** How an issue, a link or the end of a session upstream came out: the authority that began it may be what is missing. */
  | 'end of an attempt'
  /** A program asks its person for a link: nothing is done with anybody's rights until that person answers. */
  | 'request of a program'
  /** What a program that nobody registered says of itself, read for a person who is asked whether to let it in. */
  | 'document of a program'
  /** Sign-in and sign-out, which make and end sessions; refusals, which have no authority by their nature. */
  | 'session'
  | 'refusal'
  /** A program signed out, or brought what only a thief could: it proved itself by what it holds. */
  | 'end of a grant'
  /** Somebody showed a credential at the leak desk's public door: possession revokes. */
  | 'report of a leak'
  /** An upstream forgot a client that had registered itself, so another one takes its place. */
  | 'registration'
  /** An upstream ended the session in which something was linked. */
  | 'upstream logout'
  /** An MCP server refused the token of a connection. */
  | 'refused by a server'
  /** The operator's commands at the machine, and what every process keeps: keys, chain heads. */
  | 'keys'
  | 'audit chain'
  /** That a token of our own is used, by whom nobody can tell: it says for whom. */
  | 'use of a token'
  /** What an MCP server says of itself and its tools, and how often they were called. */
  | 'what a server says'
  | 'demo'

/** One transaction in a tenant on the product's own behalf. `why` says which of the few reasons applies. */
export const asSystem = <T>(
  ctx: Pick<Context, 'db'>,
  tenantId: string,
  _why: SystemAct,
  work: (tx: Tx) => Promise<T>,
): Promise<T> =>
  transaction(ctx, async (tx) => {
    await tx.$executeRaw`SELECT set_config('app.tenant_id', ${tenantId}, true)`
    return work(tx)
  })

/** The same on tables without a tenant: users, sessions, instance keys. */
export const withInstance = <T>(ctx: Pick<Context, 'db'>, work: (tx: Tx) => Promise<T>): Promise<T> =>
  transaction(ctx, work)
