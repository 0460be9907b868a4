import type { Origin, Person } from '../actor.ts'
import { instanceTenant, record, recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { ErrorCode } from '../errors.ts'
import { newId } from '../security/ids.ts'
import type { Logout, Vouched } from '../security/logout-token.ts'
import type { Tx } from '../store/database.ts'
import { isSignedOut, noteLogout, sessionHash } from '../store/logouts.ts'
import { deleteIssuerSessions, deleteSession, deleteSessionOf, insertSession } from '../store/sessions.ts'
import { asSystem } from '../store/system.ts'
import { ensureUser, type Identity } from '../store/users.ts'

type NewSession = {
  identity: Identity
  authTime: Date
  vouched: Vouched
  tokenHash: Uint8Array
  /** Hashes of the session cookies that the browser came with, whoever they belong to. */
  presented: Uint8Array[]
}

/**
 * Signs a person in: finds or makes the user by (issuer, subject), ends what this browser was signed in with (S-05, S-06)
 * and starts a session, in one transaction with its events. Answers the moment at which the session ends in any case; nothing
 * where the issuer has ended its own meanwhile, and then nothing was done.
 */
export async function startSession(
  ctx: Context,
  origin: Omit<Origin, 'userId'>,
  { identity, authTime, vouched, tokenHash, presented }: NewSession,
): Promise<Date | undefined> {
  const now = ctx.now()
  return asSystem(ctx, instanceTenant, 'session', async (tx) => {
    if (await isSignedOut(tx, signinRegistration, vouched)) return undefined
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
      issuerSession: sessionHash(vouched.session),
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

const signinRegistration = { tenantId: instanceTenant, registration: 'signin' }

/**
 * Ends what the sign-in issuer says is over, in one transaction with its events. How many sessions that were; undefined where
 * the token was used before, and then nothing was done.
 */
export const endIssuerSessions = (
  ctx: Context,
  origin: Omit<Origin, 'userId'>,
  issuer: string,
  logout: Logout,
): Promise<number | undefined> =>
  asSystem(ctx, instanceTenant, 'session', async (tx) => {
    if (!(await noteLogout(tx, signinRegistration, logout))) return undefined
    const ended = await deleteIssuerSessions(tx, issuer, logout)
    const events = ended.map(({ id, userId: owner }) => {
      const details = { cause: 'ended by the identity provider', owner }
      return { action: 'signin.ended', outcome: 'ok', target: { kind: 'session', id }, details } as const
    })
    // Ended with or without its event, as everything that is revoked.
    await recordAllAnyway(ctx, tx, instanceTenant, ctx.now(), { ...origin, userId: null }, events)
    return ended.length
  })

/** Signs a browser out: its rows are gone when this returns; rows already gone are no error (S-09, S-11). */
export const endSessions = (ctx: Context, origin: Omit<Origin, 'userId'>, tokenHashes: Uint8Array[]) =>
  asSystem(ctx, instanceTenant, 'session', (tx) => endEach(tx, ctx.now(), origin, tokenHashes, 'signed out'))

/** Ends one of a person's own sessions by its id, wherever it is. One that is gone already is no error (S-11). */
export const endOwnSession = (ctx: Context, person: Person, sessionId: string): Promise<void> =>
  asSystem(ctx, instanceTenant, 'session', async (tx) => {
    if (!(await deleteSessionOf(tx, person.userId, sessionId))) return
    const details = { cause: 'ended by its person' }
    const event = {
      action: 'signin.ended',
      outcome: 'ok',
      target: { kind: 'session', id: sessionId },
      details,
    } as const
    await recordAllAnyway(ctx, tx, instanceTenant, ctx.now(), person, [event])
  })

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
