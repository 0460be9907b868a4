import { FlagError, flagsOf, rulesOptions } from '../../../lib/client/index.ts'
import { Failure } from '../failure.ts'
import type { Session } from '../session.ts'

/** How tokens of a project are made, as the server says. `branch`: that its tools are told of. @throws Failure */
export const readOffer = ({ client, ask, tenant }: Session, project: string, branch?: string) =>
  ask(
    client.GET('/api/v1/tenants/{tenant}/projects/{project}/offer', {
      params: { path: { tenant, project }, query: branch === undefined ? {} : { branch } },
    }),
  )
export type Offer = Awaited<ReturnType<typeof readOffer>>
export type Way = Offer['ways'][number]

type Hints = { strategy: string | undefined; hasRules: boolean; flags?: readonly string[] }

/**
 * The way that is asked for: by its name, by flags that are rules, or the first that makes a token of the upstream's and knows the
 * flags that were given.
 */
export function wayOf(offer: Offer, { strategy, hasRules, flags = [] }: Hints): Way {
  const wanted = strategy ?? (hasRules ? 'proxy' : undefined)
  const withRights = offer.ways.filter((one) => one.rights_schema !== null)
  const way = wanted
    ? offer.ways.find((one) => one.strategy === wanted)
    : (withRights.find((one) => flags.every((flag) => isFlagOf(one, flag))) ?? withRights[0] ?? offer.ways[0])
  if (way) return way
  const why = offer.strategies.find((one) => one.strategy === wanted)?.reason
  const others = offer.ways.map((one) => one.strategy).join(', ')
  throw new Failure(
    'usage',
    wanted ? `Not by ${wanted}: ${why ?? 'it is not known there.'}` : 'No limited token can be made there.',
    {
      code: 'no_strategy',
      next: others === '' ? 'Its reasons: the project’s page in the console' : `There is: --strategy ${others}`,
    },
  )
}

/** Whether a flag says something of the rights of such a token. */
export const isFlagOf = ({ rights_schema }: Way, flag: string) =>
  flagsOf(rights_schema ?? {}).some((one) => one.flag === flag)

/** Names of flags that are rules: they tell that a token is to work through Valetkey. */
export const ruleFlags = Object.keys(rulesOptions)

const valueWords = { switch: '', list: ' <id>', map: ' <id>', value: ' <value>' }

/** The flags of a project, or of one way there, for whoever has given none, or a wrong one. */
export function flagLines({ ways: all }: Offer, strategy?: string): string {
  const ways = all.filter((way) => strategy === undefined || way.strategy === strategy)
  const known = new Map(ways.flatMap((way) => flagsOf(way.rights_schema ?? {})).map((one) => [one.flag, one]))
  const flags = [...known.values()].map(({ flag, kind, description, values }) => [
    `--${flag}${kind === 'map' ? `${valueWords.map}[=${values?.join('|')}]` : kind === 'value' && values ? ` <${values.join('|')}>` : valueWords[kind]}`,
    `${description}${kind === 'list' || kind === 'map' ? '; may be repeated' : ''}`,
  ])
  const proxy = ways.find((way) => way.rights_schema === null)
  const rules = proxy
    ? [
        ...(proxy.read_only ? [['--read-only', 'through Valetkey: GET and HEAD, on every path']] : []),
        ['--allow <"GET /path/*">', 'through Valetkey: these methods, on these paths; may be repeated'],
        ...proxy.named_rules.map(({ name, title }) => [`--rules ${name}`, `through Valetkey: ${title}`]),
        ['--everything', 'through Valetkey: all that your connection can do'],
      ]
    : []
  const lines = [...flags, ...rules]
  const width = Math.max(0, ...lines.map(([flag = '']) => flag.length))
  return lines.map(([flag = '', what]) => `  ${flag.padEnd(width)}  ${what}`).join('\n')
}

/** What a command line says wrongly, with the flags that there are. */
export const flagFailure = (offer: Offer, project: string, error: unknown): Failure =>
  new Failure('usage', error instanceof FlagError || isParseError(error) ? sentence(error.message) : String(error), {
    cause: error,
    next: `Flags of ${project}:\n${flagLines(offer)}`,
  })

export const isParseError = (error: unknown): error is Error =>
  error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')

const sentence = (text: string) => (text.endsWith('.') ? text : `${text}.`)
