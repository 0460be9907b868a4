import { z } from 'zod'
import type { Kind, ProxyFacts, RightLine, Sort, Strategy, StrategyOffer } from './kind.ts'
import { hasPlainPath, methods, patternMax, patternShape } from './patterns.ts'
import type { Rights } from './provider.ts'

/**
 * `GET /repos/*\/issues`: methods, or `*` for all, and a path below the project's API. `*` is one segment, `/**` at the
 * end any number of them. GET allows HEAD.
 */
export const Pattern = z
  .string()
  .max(patternMax)
  .regex(patternShape, 'methods and a path, such as "GET /repos/*/issues"')
  .refine(hasPlainPath, 'a path that begins with /, without dots')

/** What a token may do that works through us: rules for what passes. */
export const Rules = z.discriminatedUnion('access', [
  z.strictObject({ access: z.literal('read_only') }),
  z.strictObject({
    access: z.literal('paths'),
    paths: z.array(Pattern).min(1).max(50).describe('Methods and a path each'),
  }),
  z.strictObject({ access: z.literal('everything') }),
])
export type Rules = z.infer<typeof Rules>

const patternsOf = (rules: Rules): string[] =>
  rules.access === 'paths' ? rules.paths : rules.access === 'read_only' ? ['GET /**'] : ['* /**']

type Compiled = { methods: ReadonlySet<string>; segments: string[]; open: boolean }

function compile(pattern: string): Compiled {
  const [named = '', path = ''] = pattern.split(' ', 2)
  const listed = named === '*' ? methods : named.split(',')
  const open = path.endsWith('/**')
  const segments = (open ? path.slice(0, -3) : path).split('/').slice(1)
  return { methods: new Set(listed.includes('GET') ? [...listed, 'HEAD'] : listed), segments, open }
}

const fits = (wanted: string, given: string | undefined) => (wanted === '*' ? Boolean(given) : wanted === given)

/** Whether a path, as it is sent and without its query, is one of those that a pattern means. */
function matches({ segments, open }: Pick<Compiled, 'segments' | 'open'>, path: readonly string[]): boolean {
  if (open ? path.length < segments.length : path.length !== segments.length) return false
  return segments.every((segment, index) => fits(segment, path[index]))
}

/**
 * A path as the most lenient of servers reads it: decoded, in any case, without parameters of segments and a slash at the
 * end. What is allowed is spelled exactly; what is never allowed is so however it is spelled.
 */
const lenient = (segments: readonly string[]): string[] =>
  segments
    .map((segment) => (decoded(segment).normalize('NFKC').toLowerCase().split(/[;?#]/, 1)[0] ?? '').trim())
    .filter((segment, index) => segment !== '' || index < segments.length - 1)

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** Whether such a path is meant; Rails, Grape and others take `keys.json` for `keys`, and Windows `keys.`. */
function means({ segments, open }: Compiled, path: readonly string[]): boolean {
  const bare = path.map((segment) => segment.replace(/\.[a-z0-9]{0,8}$/, ''))
  return [path, bare].some((read) => matches({ segments, open }, read))
}

export type Matcher = (method: string, path: string) => boolean

/** Rules, read once: whether a request passes. `path` begins with a slash and is exactly what is sent. */
export function matcherOf(rules: Rules, never: readonly string[] = []): Matcher {
  const allowed = patternsOf(rules).map(compile)
  const refused = never.map(compile).map((one) => ({ ...one, segments: lenient(one.segments) }))
  return (method, path) => {
    const segments = path.split('/').slice(1)
    if (!allowed.some((one) => one.methods.has(method) && matches(one, segments))) return false
    const concerned = refused.filter((one) => one.methods.has(method))
    if (concerned.length === 0) return true
    const read = lenient(segments)
    return !concerned.some((one) => means(one, read))
  }
}

/** Whether everything that passes by `asked` passes by `limit` as well. */
function covers(limit: Compiled, asked: Compiled): boolean {
  if (![...asked.methods].every((method) => limit.methods.has(method))) return false
  const { segments, open } = limit
  if (asked.open && !open) return false
  if (open ? asked.segments.length < segments.length : asked.segments.length !== segments.length) return false
  return segments.every((segment, index) => {
    const other = asked.segments[index]
    return segment === '*' ? other !== '' : segment === other
  })
}

/** What is asked beyond a limit, as patterns. */
function beyond(asked: Rules, limit: Rules): string[] {
  const limits = patternsOf(limit).map(compile)
  return patternsOf(asked).filter((pattern) => {
    const { methods, ...path } = compile(pattern)
    // A method each: two limits may share them out.
    return ![...methods].every((method) => limits.some((one) => covers(one, { ...path, methods: new Set([method]) })))
  })
}

function describe(rules: Rules): RightLine[] {
  if (rules.access === 'everything') return [{ text: 'everything that your connection can do', risk: 'high' }]
  if (rules.access === 'read_only') return [{ text: 'read only: GET and HEAD, on every path', risk: 'medium' }]
  return rules.paths.map((pattern) => {
    const { methods, open, segments } = compile(pattern)
    const reads = [...methods].every((method) => method === 'GET' || method === 'HEAD')
    return {
      text: pattern,
      risk: open && segments.length === 0 ? (reads ? 'medium' : 'high') : reads ? 'low' : 'medium',
    }
  })
}

function summary(rules: Rules): string[] {
  if (rules.access !== 'paths') return [rules.access === 'everything' ? 'everything' : 'read only']
  return rules.paths.length > 2 ? [...rules.paths.slice(0, 2), `${rules.paths.length - 2} more`] : rules.paths
}

/** What rights mean: a kind's own words, or the rules of the proxy. */
export type Language = Pick<
  Kind,
  'rights' | 'upgrade' | 'describe' | 'summary' | 'narrows' | 'missing' | 'forbids' | 'impersonates'
>

/** The rules as {@link Language}; where methods carry no meaning, "read only" would promise what nobody keeps. */
export const rulesLanguage = ({ methodsCarryMeaning }: Pick<ProxyFacts, 'methodsCarryMeaning'>): Language => ({
  rights: Rules.refine(({ access }) => methodsCarryMeaning || access !== 'read_only', {
    path: ['access'],
    message: 'cannot be read_only here: this API changes things by GET, or reads them by POST',
  }) as z.ZodType<Rights>,
  describe: (rights) => describe(Rules.parse(rights)),
  summary: (rights) => summary(Rules.parse(rights)),
  narrows: (asked, limit) => missing(asked, limit).length === 0,
  missing,
})

/**
 * A limit that somebody stated, in today's form and with its defaults. Undefined: it cannot be read, so that it allows
 * nothing.
 */
export const readLimit = ({ rights, upgrade }: Language, limit: unknown): Rights | undefined =>
  rights.safeParse(upgrade?.(limit as Rights) ?? limit).data

/** A limit of a policy is in the kind's words; what it says of the proxy stands in it as `proxy`. Nothing said: nothing allowed. */
function missing(asked: Rights, limit: Rights): string[] {
  const stated = Rules.safeParse('access' in limit ? limit : limit.proxy)
  const rules = Rules.parse(asked)
  return stated.success ? beyond(rules, stated.data) : patternsOf(rules)
}

/** In which words the rights of a token are, by how it was made. */
export function languageOf(kind: Kind, strategy: string, settings: unknown): Language {
  if (strategy !== 'proxy' || kind.gateway) return kind
  return rulesLanguage(kind.proxy?.(settings) ?? { methodsCarryMeaning: true })
}

/** A kind as it is for the tokens of one strategy. */
export function sortOf(kind: Kind, strategy: string): Kind & Partial<Sort> {
  return { ...kind, ...kind.sorts?.[strategy as Strategy] }
}

/** The strategies as they are for a connection; `flow`: the way in which it came about. */
export const offersFor = ({ kind, offers }: { kind: Kind; offers: StrategyOffer[] }, flow: string | null) =>
  offers.map((offer): StrategyOffer => {
    const { ofFlow } = sortOf(kind, offer.strategy)
    return !offer.offered || !ofFlow || ofFlow.name === flow
      ? offer
      : { ...offer, offered: false, reason: ofFlow.reason }
  })
