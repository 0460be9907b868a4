import { randomUUID } from 'node:crypto'
import type { Choice } from '../choice.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import type { Session } from '../session.ts'
import { endTokens } from '../tokens.ts'
import { givenRights, secondsOf } from './ask.ts'
import { issue } from './make.ts'
import { flagLines, type Offer, type Way } from './offer.ts'

/** What is asked for, in the end. */
export type Wanted = { project: string; way: Way; rights: Choice['rights']; seconds: number }

/** A token in our hands. `endsAt`: on the clock that does not jump, in seconds. */
export type Held = { id: string; value: string; project: string; way: Way; endsAt: number; expiresAt: Date }

/** Of which nobody says how long it lives, or less where policy says so: it is revoked when the work ends. */
const usualSeconds = 3600

type Given = {
  project: string
  /** What was chosen before, where flags say nothing. */
  choice?: Choice | undefined
  strategy?: string | undefined
  expires?: string | undefined
  flags: readonly string[]
}

/** What is asked for: `flags` as they were typed, or what was chosen before. @throws Failure usage */
export async function wanted(offer: Offer, { project, choice, ...given }: Given): Promise<Wanted> {
  const strategy = given.strategy ?? choice?.strategy
  const said = await givenRights(offer, project, { strategy, rights: undefined }, [...given.flags])
  const rights = said.rights ?? choice?.rights
  if (rights === undefined)
    throw new Failure('usage', `What may the token for ${project} do?`, {
      code: 'no_rights',
      next: `Say so by --rights FILE, or by flags of ${project}:\n${flagLines(offer, strategy)}`,
    })
  const asked = given.expires ?? choice?.expires
  const seconds = asked === undefined ? Math.min(usualSeconds, offer.cap.seconds) : secondsOf(asked)
  return { project, way: said.way, rights, seconds }
}

/** Issues it. Whoever is interrupted meanwhile waits for the answer: a token that nobody knows of could not be revoked. */
export async function issueToken(
  cli: Pick<Cli, 'now' | 'monotonicSeconds'>,
  session: Session,
  { purpose, ...wanted }: Wanted & { purpose: string },
): Promise<Held> {
  const asked = cli.monotonicSeconds()
  const key = randomUUID()
  const { token, value, expires_in } = await issue(session, { ...wanted, purpose, key }, key)
  const expiresAt = new Date(cli.now().getTime() + expires_in * 1000)
  return { id: token.id, value, project: wanted.project, way: wanted.way, endsAt: asked + expires_in, expiresAt }
}

/** Milliseconds that a server has for it, where somebody waits for us to end. */
const patience = 20_000

/** Revokes tokens of ours. Those that are over already are so. @throws Failure */
export async function letGo(session: Session, tokens: readonly string[], reason: string): Promise<void> {
  if (tokens.length > 0) await endTokens(session, [...tokens], reason, AbortSignal.timeout(patience))
}
