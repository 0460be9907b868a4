import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { cookieNames } from '../cookies.ts'
import type { Session } from '../session.ts'
import { SigninFailure } from './failure.ts'
import type { SignedIn } from './identity.ts'
import { openCookie, sealCookie, stateSeconds } from './next-auth.ts'

/** Times in ID tokens are whole seconds, and one of our processes may judge what another began. */
const leewaySeconds = 5

/** The Set-Cookie line by which the sign-in of this state is known to confirm somebody, and since when it is under way. */
export async function beginConfirmation(ctx: Context, state: string): Promise<string> {
  const value = await sealCookie(ctx, 'confirm', { state, startedAt: ctx.now().getTime() })
  return `${cookieNames.confirm}=${value}; Max-Age=${stateSeconds}; Path=/; HttpOnly; Secure; SameSite=Lax`
}

/** When the sign-in of this state began, if it is there to confirm somebody. */
export async function confirmationOf(
  ctx: Context,
  cookie: string | undefined,
  state: string,
): Promise<Date | undefined> {
  const opened = await openCookie(ctx, 'confirm', cookie)
  return opened?.state === state && typeof opened.startedAt === 'number' ? new Date(opened.startedAt) : undefined
}

/**
 * Only a sign-in at the issuer later than the request confirms the person who is signed in here. Two spans are compared, each
 * by one clock: how long before its ID token the issuer saw them sign in, and how long ago they left here. Anybody else who
 * comes back just signs in.
 * @throws BrokerError signin_not_confirmed
 */
export function requireConfirmation(
  { now }: Pick<Context, 'now'>,
  startedAt: Date,
  before: Session | undefined,
  { identity, agoSeconds }: SignedIn,
): void {
  if (before?.issuer !== identity.issuer || before.subject !== identity.subject) return
  const elapsedSeconds = (now().getTime() - startedAt.getTime()) / 1000
  if (agoSeconds !== undefined && agoSeconds < elapsedSeconds + leewaySeconds) return
  const reason = agoSeconds === undefined ? 'the ID token has no auth_time' : 'auth_time is earlier than the request'
  // Nobody at this issuer can confirm who they are.
  const cause = new SigninFailure({ stage: 'id_token', reason, alarm: true }, undefined)
  throw new BrokerError('signin_not_confirmed', { cause })
}
