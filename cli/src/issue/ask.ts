import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  FlagError,
  flagsOf,
  optionsOf,
  readSeconds,
  rightsOf,
  rulesOf,
  rulesOptions,
} from '../../../lib/client/index.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { readText } from '../files.ts'
import type { Session } from '../session.ts'
import {
  flagFailure,
  flagLines,
  isFlagOf,
  isParseError,
  type Offer,
  readOffer,
  ruleFlags,
  type Way,
  wayOf,
} from './offer.ts'

/** What a command line says of a token: the project first, then flags of its kind, and what every kind has. */
export type Said = {
  words: string[]
  expires: string | undefined
  purpose: string | undefined
  strategy: string | undefined
  rights: string | undefined
  branch: string | undefined
  idempotencyKey: string | undefined
}

/** A token as it is asked for. */
export type Asked = {
  project: string
  way: Way
  rights: Record<string, unknown>
  seconds: number
  purpose: string
  /** Undefined: one is chosen. */
  key: string | undefined
}

const usualSeconds = 900

/** Reads what was said; what is missing is asked of who sits there. @throws Failure usage where nobody does */
export async function asked(cli: Cli, session: Session, said: Said, command: string): Promise<Asked> {
  const [project, ...flags] = said.words
  if (project === undefined || project.startsWith('-'))
    throw new Failure('usage', 'Name the project before its flags.', { next: `valetkey ${command} PROJECT --…` })
  const offer = await readOffer(session, project, said.branch)
  const given = await givenRights(offer, project, said, flags)
  const expires = said.expires === undefined ? undefined : secondsOf(said.expires)
  const usual = Math.min(usualSeconds, offer.cap.seconds)
  if (given.rights && said.purpose !== undefined)
    return {
      project,
      way: given.way,
      rights: given.rights,
      seconds: expires ?? usual,
      purpose: said.purpose,
      key: said.idempotencyKey,
    }
  if (!cli.person) throw missing(offer, project, given.rights !== undefined, command)
  const { pick } = await import('./pick.ts')
  const picked = await pick(cli, session, {
    project,
    offer,
    ...given,
    way: given.rights || said.strategy ? given.way : undefined,
    seconds: expires,
    usualSeconds: usual,
    purpose: said.purpose,
  })
  return { project, ...picked, key: said.idempotencyKey }
}

const missing = (offer: Offer, project: string, hasRights: boolean, command: string): Failure =>
  hasRights
    ? new Failure('usage', 'What is it for?', { next: `valetkey ${command} ${project} … --purpose "nightly export"` })
    : new Failure('usage', 'What may it do? Nothing was said, and nobody is here to be asked.', {
        code: 'no_rights',
        next: `Flags of ${project}:\n${flagLines(offer)}`,
      })

/** `15m`, `1h`, or seconds. @throws Failure usage */
export function secondsOf(text: string): number {
  const seconds = readSeconds(text)
  if (seconds !== undefined) return seconds
  throw new Failure('usage', `--expires is a time such as 15m or 1h, not ${JSON.stringify(text)}.`)
}

/** Rights of flags or of a file, and the way that makes such a token; no rights: none was given. */
export async function givenRights(
  offer: Offer,
  project: string,
  { strategy, rights: file }: Pick<Said, 'strategy' | 'rights'>,
  flags: string[],
): Promise<{ way: Way; rights: Record<string, unknown> | undefined }> {
  const schema = (way: Way) => way.rights_schema ?? {}
  const all = offer.ways.flatMap((way) => flagsOf(schema(way)))
  try {
    const { values, positionals } = parseArgs({
      args: flags,
      options: { ...optionsOf(all), ...rulesOptions },
      strict: true,
      allowPositionals: true,
    })
    if (positionals.length > 0) throw new FlagError(`What is ${JSON.stringify(positionals[0])}?`)
    const hasRules = ruleFlags.some((name) => name in values)
    const way = wayOf(offer, { strategy, hasRules, flags: hasRules ? [] : Object.keys(values) })
    if (file !== undefined) {
      if (Object.keys(values).length > 0) throw new FlagError('Rights are given by flags or by --rights, not both')
      return { way, rights: await rightsIn(file) }
    }
    if (way.rights_schema === null) {
      if (Object.keys(values).some((name) => !ruleFlags.includes(name)))
        throw new FlagError('A token through Valetkey has rules alone: no flags of rights')
      return { way, rights: rulesOf(way, values) }
    }
    if (hasRules)
      throw new FlagError('Rules are for requests through the proxy, and this project has rights of its own')
    const other = Object.keys(values).find((flag) => !isFlagOf(way, flag))
    if (other !== undefined) throw new FlagError(`--${other} says nothing of a token that is made by ${way.strategy}`)
    const rights = rightsOf(schema(way), values)
    return { way, rights: Object.keys(rights).length > 0 ? rights : undefined }
  } catch (error) {
    if (error instanceof FlagError || isParseError(error)) throw flagFailure(offer, project, error)
    throw error
  }
}

async function rightsIn(file: string): Promise<Record<string, unknown>> {
  const text = file === '-' ? readFileSync(0, 'utf8') : await readText(file)
  if (text === undefined) throw new Failure('not_found', `There is no file ${file}.`, { next: 'Check --rights.' })
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch (cause) {
    throw new Failure('usage', `${file} is not JSON.`, { cause, next: 'Check --rights.' })
  }
  throw new Failure('usage', `${file} holds no JSON object.`, { next: 'Check --rights.' })
}
