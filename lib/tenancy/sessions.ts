import type { Origin } from '../actor.ts'
import { instanceTenant, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { ErrorCode } from '../errors.ts'
import { newId } from '../security/ids.ts'
import type { Tx } from '../store/database.ts'
import { deleteSession, insertSession } from '../store/sessions.ts'
import { asSystem } from '../store/system.ts'
import { ensureUser, type Identity } from '../store/users.ts'

type NewSession = {
  identity: Identity
  authTime: Date
  tokenHash: Uint8Array
  /** Hashes of the session cookies that the browser came with, whoever they belong to. */
  presented: Uint8Array[]
}

/**
 * Signs a person in: finds or makes the user by (issuer, subject), ends what this browser was signed in with (S-05, S-06)
 * and starts a session, in one transaction with its events. Answers the moment at which the session ends in any case.
 */
export async function startSession(
  ctx: Context,
  origin: Omit<Origin, 'userId'>,
  { identity, authTime, tokenHash, presented }: NewSession,
): Promise<Date> {
  const now = ctx.now()
  return asSystem(ctx, instanceTenant, 'session', async (tx) => {
    const user = await ensureUser(tx, identity, now)
    await endEach(tx, now, origin, presented, 'signed in again')
    const id = newId('session')
    const expiresAt = await insertSession(tx, {
      id,
      tokenHash,
      userId: user.id,
      address: origin.address ?? null,
      agent: origin.agent ?? null,
      authTime,
      absoluteSeconds: ctx.config.session.absoluteSeconds,
    })
    await record(
      tx,
      instanceTenant,
      now,
      { ...origin, userId: user.id, credential: { kind: 'cookie', session: id } },
      { action: 'signin.succeeded', outcome: 'ok', target: { kind: 'session', id }, details: { issuer: user.issuer } },
    )
    return expiresAt
  })
}

/** Signs a browser out: its rows are gone when this returns; rows already gone are no error (S-09, S-11). */
export const endSessions = (ctx: Context, origin: Omit<Origin, 'userId'>, tokenHashes: Uint8Array[]) =>
  asSystem(ctx, instanceTenant, 'session', (tx) => endEach(tx, ctx.now(), origin, tokenHashes, 'signed out'))

async function endEach(
  tx: Tx,
  at: Date,
  origin: Omit<Origin, 'userId'>,
  tokenHashes: Uint8Array[],
  cause: string,
): Promise<void> {
  for (const tokenHash of tokenHashes) {
    const ended = await deleteSession(tx, tokenHash)
    if (!ended) continue
    const { id, userId } = ended
    await record(
      tx,
      instanceTenant,
      at,
      { ...origin, userId, credential: { kind: 'cookie', session: id } },
      { action: 'signin.ended', outcome: 'ok', target: { kind: 'session', id }, details: { cause } },
    )
  }
}

/** Notes a sign-in that this browser did start and that failed. */
export const recordFailedSignin = (ctx: Context, origin: Omit<Origin, 'userId'>, code: ErrorCode) =>
  asSystem(ctx, instanceTenant, 'session', (tx) =>
    record(
      tx,
      instanceTenant,
      ctx.now(),
      { ...origin, userId: null },
      { action: 'signin.failed', outcome: code === 'signin_denied' ? 'refused' : 'failed', details: { code } },
    ),
  )
