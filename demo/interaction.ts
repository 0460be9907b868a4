import type { Provider } from 'oidc-provider'
import type { Clock } from './clock.ts'
import { errorPage } from './pages.ts'
import { type Answer, type Engine, type Incoming, redirect } from './wire.ts'
import type { Account } from './world.ts'

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>
type Result = Parameters<Provider['interactionResult']>[2]

/** The waiting authorization request this browser belongs to, or a page saying there is none. */
export async function findInteraction(
  provider: Provider,
  engine: Engine,
  incoming: Incoming,
): Promise<Interaction | Answer> {
  try {
    return await provider.interactionDetails(...engine.pair(incoming))
  } catch {
    return errorPage(400, 'This page has expired', 'Go back to the application and start again.')
  }
}

export const isAnswer = (value: Interaction | Answer): value is Answer => 'body' in value

/** Hands the outcome to oidc-provider and sends the browser on. */
export async function resume(
  provider: Provider,
  engine: Engine,
  incoming: Incoming,
  result: Result,
): Promise<{ returnTo: string; answer: Answer }> {
  const returnTo = await provider.interactionResult(...engine.pair(incoming), result)
  return { returnTo, answer: redirect(returnTo) }
}

/** As `resume`, and this account is signed in as of now. A session of somebody else becomes theirs. */
export async function resumeSignedIn(
  provider: Provider,
  engine: Engine,
  incoming: Incoming,
  interaction: Interaction,
  account: Account,
  { clock, more = {} }: { clock: Clock; more?: Result },
): Promise<{ returnTo: string; answer: Answer }> {
  const login = { accountId: account.sub, ts: clock.seconds() }
  const resumed = await resume(provider, engine, incoming, { ...more, login })
  const uid = interaction.session?.uid
  const session = uid && interaction.session?.accountId !== account.sub && (await provider.Session.findByUid(uid))
  if (session) {
    session.accountId = account.sub
    session.authorizations = {}
    await session.persist()
  }
  return resumed
}
