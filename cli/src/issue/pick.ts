import { isCancel, multiselect, select, text } from '@clack/prompts'
import { flagsOf, placeholdersIn, type RightsFlag, rightsOf, rulesOf, spellSeconds } from '../../../lib/client/index.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { plain } from '../output.ts'
import type { Session } from '../session.ts'
import type { Offer, Way } from './offer.ts'

type Wanted = {
  project: string
  offer: Offer
  /** Undefined: nobody said how it is made. */
  way: Way | undefined
  rights: Record<string, unknown> | undefined
  seconds: number | undefined
  usualSeconds: number
  purpose: string | undefined
}
/** Where prompts are shown and answered. */
type Common = Pick<Parameters<typeof text>[0], 'input' | 'output' | 'signal'>
type Picked = { way: Way; rights: Record<string, unknown>; seconds: number; purpose: string }

/** What a person chose; a prompt that they left ends the command. */
async function answered<T>(asking: Promise<T>): Promise<Exclude<T, symbol>> {
  const answer = await asking
  if (isCancel(answer)) throw new Failure('interrupted', 'Nothing was issued.', { code: 'cancelled' })
  return answer as Exclude<T, symbol>
}

/** Asks for what was not said. @throws Failure */
export async function pick(cli: Cli, session: Session, wanted: Wanted): Promise<Picked> {
  const { project, offer, usualSeconds } = wanted
  const common: Common = { ...cli.person, signal: cli.signal }
  const way = wanted.way ?? (await wayPicked(offer, common))
  const rights =
    wanted.rights ??
    (way.rights_schema === null ? await rulesPicked(way, common) : await rightsPicked(session, project, way, common))
  const purpose =
    wanted.purpose ??
    (
      await answered(
        text({
          message: 'What is it for?',
          placeholder: 'nightly export',
          validate: (said) => (said?.trim() ? undefined : 'A few words.'),
          ...common,
        }),
      )
    ).trim()
  const seconds =
    wanted.seconds ??
    (await secondsPicked(Math.min(offer.cap.seconds, way.longest_seconds ?? Infinity), usualSeconds, common))
  return { way, rights, seconds, purpose }
}

async function wayPicked({ ways }: Offer, common: Common): Promise<Way> {
  const [only, ...others] = ways
  if (!only) throw new Failure('usage', 'No limited token can be made there.')
  if (others.length === 0) return only
  const words: Record<Way['strategy'], string> = {
    mint: 'by its upstream',
    exchange: 'exchanged at its upstream',
    narrow: 'with fewer scopes, by its upstream',
    sign: 'signed by Valetkey',
    proxy: 'through Valetkey',
  }
  const options = ways.map((way) => ({ value: way.strategy, label: words[way.strategy] }))
  const strategy = await answered(select({ message: 'How is it made?', options, ...common }))
  return ways.find((way) => way.strategy === strategy) ?? only
}

/** Something to choose: an id or a name, with what it means where that is said. */
type Choice = { value: string; label: string; hint?: string }

/** What an upstream offers for a property: `components`, or `audiences` for `audience`. */
function choicesFor(offered: Record<string, unknown>, property: string): Choice[] {
  const list = offered[property] ?? offered[`${property}s`]
  return (Array.isArray(list) ? list : []).flatMap((one: unknown): Choice[] => {
    if (typeof one !== 'object' || one === null) return []
    const { id, name, text } = one as Record<string, unknown>
    const value = typeof id === 'string' ? id : typeof name === 'string' ? name : undefined
    if (value === undefined) return []
    const label = plain(typeof name === 'string' && name !== value ? `${name} (${value})` : value)
    return [{ value, label, ...(typeof text === 'string' && { hint: plain(text) }) }]
  })
}

async function rightsPicked(
  session: Session,
  project: string,
  way: Way,
  common: Common,
): Promise<Record<string, unknown>> {
  const { client, ask, tenant } = session
  const schema = way.rights_schema ?? {}
  const flags = flagsOf(schema)
  const offered: Record<string, unknown> = await ask(
    client.POST('/api/v1/tenants/{tenant}/projects/{project}/scopes', {
      params: { path: { tenant, project } },
      body: {},
    }),
  )
  const { refused, unavailable, unaffected } = offered
  const isRefused = !flags.some(({ property }) => Array.isArray(unaffected) && unaffected.includes(property))
  if (typeof refused === 'string' && isRefused)
    throw new Failure('refused', plain(refused), {
      code: 'no_rights',
      next: `Make one that works through Valetkey: valetkey token ${project} --read-only`,
    })
  const reasons = new Map<string, unknown>(Object.entries(unavailable ?? {}))
  for (;;) {
    const given: Record<string, string[] | boolean> = {}
    for (const flag of flags.filter(({ kind }) => kind === 'list' || kind === 'map'))
      given[flag.flag] = await several(flag, choicesFor(offered, flag.property), common)
    const switches = flags.filter(({ kind }) => kind === 'switch')
    if (switches.some(({ property }) => !reasons.has(property))) {
      const options = switches.map(({ flag, property, description }) => {
        const reason = reasons.get(property)
        if (reason === undefined) return { value: flag, label: description }
        return { value: flag, label: plain(`${description}: ${reason}`), disabled: true }
      })
      const on = await answered(multiselect({ message: 'Beside that', options, required: false, ...common }))
      for (const flag of on) given[flag] = true
    }
    const parsed = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value === true || (Array.isArray(value) && value.length > 0)),
    )
    const rights = rightsOf(schema, parsed)
    if (Object.keys(rights).length > 0) return rights
  }
}

/** Entries of a list, or of a map by what each may be. */
async function several(
  { property, description, kind, values = [] }: RightsFlag,
  choices: Choice[],
  common: Common,
): Promise<string[]> {
  const message = (more: string) => `${property.replaceAll('_', ' ')}${more}: ${description}`
  if (choices.length === 0) {
    const typed = await answered(
      text({
        message: message(''),
        placeholder: 'separated by spaces; none: leave it empty',
        defaultValue: '',
        ...common,
      }),
    )
    return typed.split(/\s+/).filter(Boolean)
  }
  const choose = async (options: Choice[], more = '') =>
    options.length === 0
      ? []
      : answered(multiselect({ message: message(more), options, required: false, maxItems: 12, ...common }))
  if (kind === 'list') return choose(choices)
  const entries: string[] = []
  const taken = new Set<string>()
  for (const value of values.toReversed()) {
    const chosen = await choose(
      choices.filter((one) => !taken.has(one.value)),
      `, ${value}`,
    )
    for (const id of chosen) {
      taken.add(id)
      entries.push(`${id}=${value}`)
    }
  }
  return entries
}

async function rulesPicked(way: Way, common: Common): Promise<Record<string, unknown>> {
  const named = way.named_rules.map(({ name, title }) => ({ value: `rules ${name}`, label: plain(title) }))
  const access = await answered(
    select({
      message: 'What may it do?',
      options: [
        ...(way.read_only ? [{ value: 'read-only', label: 'Read only: GET and HEAD, on every path' }] : []),
        ...named,
        { value: 'allow', label: 'Chosen paths' },
        { value: 'everything', label: 'Everything that your connection can do' },
      ],
      ...common,
    }),
  )
  if (access === 'read-only' || access === 'everything') return { ...rulesOf(way, { [access]: true }) }
  if (access === 'allow') {
    const path = await answered(text({ message: 'Methods and a path', placeholder: 'GET /items/*', ...common }))
    return { ...rulesOf(way, { allow: [path.trim()] }) }
  }
  const name = access.slice('rules '.length)
  const { paths = [] } = way.named_rules.find((one) => one.name === name) ?? {}
  const set: string[] = []
  for (const part of placeholdersIn(paths))
    set.push(`${part}=${await answered(text({ message: `${part.replaceAll('_', ' ')}, or * for any`, ...common }))}`)
  return { ...rulesOf(way, { rules: [name], set }) }
}

async function secondsPicked(most: number, usual: number, common: Common): Promise<number> {
  const lives = [300, usual, 3600, 4 * 3600, most].filter((seconds) => seconds <= most)
  const options = [...new Set(lives)].toSorted((a, b) => a - b).map((value) => ({ value, label: spellSeconds(value) }))
  return answered(select({ message: 'How long does it live?', options, initialValue: usual, ...common }))
}
