import type { Provider } from 'oidc-provider'
import type { Clock } from './clock.ts'
import { errorPage, signInPage } from './pages.ts'
import { note, type World } from './part.ts'
import type { System } from './store.ts'
import { type Answer, type Engine, field, type Incoming, redirect } from './wire.ts'
import { ACCOUNTS, type Account, accountByEmail, accountBySub } from './world.ts'

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

export const isAnswer = (value: object): value is Answer => 'body' in value

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

type SignedIn = { returnTo: string; before: Account | undefined }

/**
 * Who is to say yes or no to a client, or the answer that comes first: the page to sign in at or to change the account,
 * the way on from there, a denial. `onSignIn` hears of each sign-in and of who had been there before.
 */
export async function whoDecides(
  { clock, modes }: World,
  { system, provider, engine }: { system: System; provider: Provider; engine: Engine },
  incoming: Incoming,
  onSignIn: (signedIn: SignedIn) => void = () => {},
): Promise<{ interaction: Interaction; account: Account; client: string } | Answer> {
  const interaction = await findInteraction(provider, engine, incoming)
  if (isAnswer(interaction)) return interaction
  const account = accountBySub(interaction.session?.accountId)
  const again = interaction.prompt.name === 'login'
  const client = 'Valetkey'
  note(incoming, { account: account?.email, client: String(interaction.params.client_id) })
  const picked = accountByEmail(field(incoming, 'account'))
  if (picked) {
    note(incoming, { account: picked.email })
    const { returnTo, answer } = await resumeSignedIn(provider, engine, incoming, interaction, picked, { clock })
    onSignIn({ returnTo, before: account })
    return answer
  }
  if (!account || again || field(incoming, 'switch')) {
    return signInPage({ system, client, accounts: ACCOUNTS, current: account, again })
  }
  if (field(incoming, 'deny') || modes.current.consent === 'denied') {
    const denial = { error: 'access_denied', error_description: 'denied' }
    return (await resume(provider, engine, incoming, denial)).answer
  }
  return { interaction, account, client }
}
