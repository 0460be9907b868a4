import { parseArgs } from 'node:util'
import {
  FlagError,
  flagsOf,
  optionsOf,
  type Parsed,
  readSeconds,
  rightsOf,
  rulesOf,
  rulesOptions,
} from '../../lib/client/index.ts'
import type { Choice } from './choice.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { type Offer, ruleFlags, type Way, wayOf } from './issue/offer.ts'
import type { Session } from './session.ts'

export { readOffer, type Way } from './issue/offer.ts'

const tokensPath = '/api/v1/tenants/{tenant}/projects/{project}/tokens'

/** What is asked for, in the end. */
export type Wanted = { project: string; way: Way; rights: Choice['rights']; seconds: number }

/** A token in our hands. `endsAt`: on the clock that does not jump, in seconds. */
export type Held = { id: string; value: string; project: string; way: Way; endsAt: number; expiresAt: Date }

/** Seconds that a token is asked for where nobody says how long, or less where policy says so. */
const usualSeconds = 3600

/**
 * What is asked for: `flags` as they were typed, or what was chosen before.
 * @throws Failure usage, refused
 */
export function wanted(offer: Offer, { project, choice, strategy, expires, flags }: Given): Wanted {
  const hasRules = flags.some((word) => ruleFlags.includes(word.replace(/^--/, '').split('=')[0] ?? ''))
  const way = wayOf(offer, { strategy: strategy ?? choice?.strategy, hasRules })
  const rights = flags.length > 0 ? rightsIn(way, project, flags) : choice?.rights
  if (rights === undefined)
    throw new Failure('usage', `What may the token for ${project} do?`, {
      code: 'which_rights',
      next: `Say so by ${flagsFor(way).join(', ')}, or --rights FILE.`,
    })
  const asked = expires ?? choice?.expires
  return {
    project,
    way,
    rights,
    seconds: asked === undefined ? Math.min(usualSeconds, offer.cap.seconds) : secondsOf(asked),
  }
}

export type Given = {
  project: string
  choice?: Choice | undefined
  strategy?: string | undefined
  expires?: string | undefined
  flags: readonly string[]
}

const flagsFor = ({ rights_schema: schema }: Way): string[] =>
  schema === null
    ? Object.keys(rulesOptions).map((name) => `--${name}`)
    : flagsOf(schema).map(({ flag }) => `--${flag}`)

function rightsIn(way: Way, project: string, words: readonly string[]): Choice['rights'] | undefined {
  const { rights_schema: schema, read_only, named_rules } = way
  try {
    const options = schema === null ? rulesOptions : optionsOf(flagsOf(schema))
    const { values } = parseArgs({ args: [...words], options, strict: true })
    return schema === null ? rulesOf({ read_only, named_rules }, values as Parsed) : rightsOf(schema, values as Parsed)
  } catch (error) {
    const isOurs = error instanceof FlagError || (error instanceof TypeError && 'code' in error)
    if (!isOurs) throw error
    throw new Failure('usage', error.message, {
      cause: error,
      next: `For ${project} there are ${flagsFor(way).join(', ')}.`,
    })
  }
}

/** @throws Failure usage */
function secondsOf(text: string): number {
  const seconds = readSeconds(text)
  if (seconds !== undefined) return seconds
  throw new Failure('usage', `How long is ${text}?`, { next: 'Such as 15m, 1h, or 90s.' })
}

/** Issues it. Whoever is interrupted meanwhile waits for the answer: a token that nobody knows of could not be revoked. */
export async function issueToken(
  cli: Pick<Cli, 'now' | 'monotonicSeconds'>,
  { client, ask, tenant }: Session,
  { project, way, rights, seconds, purpose }: Wanted & { purpose: string },
): Promise<Held> {
  const { strategy } = way
  const asked = cli.monotonicSeconds()
  const { token, value, expires_in } = await ask(
    client.POST(tokensPath, {
      params: { path: { tenant, project } },
      body: { scopes: rights, strategy, expires_in: seconds, purpose },
    }),
  )
  const expiresAt = new Date(cli.now().getTime() + expires_in * 1000)
  return { id: token.id, value, project, way, endsAt: asked + expires_in, expiresAt }
}

/** Seconds that a server has for it, where somebody waits for us to end. */
const patienceSeconds = 20

/** Revokes tokens of ours. Those that are over already are so. @throws Failure */
export async function revokeTokens(
  { client, ask, tenant }: Session,
  tokens: readonly string[],
  reason: string,
): Promise<void> {
  if (tokens.length === 0) return
  const body = { tokens: [...tokens], reason }
  const signal = AbortSignal.timeout(patienceSeconds * 1000)
  await ask(client.POST('/api/v1/tenants/{tenant}/revocations', { params: { path: { tenant } }, body, signal }))
}
