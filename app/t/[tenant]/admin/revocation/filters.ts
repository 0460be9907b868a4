import { oneOf, type Query, single } from '@/app/_features/query.ts'
import type { RevocableFilter } from '@/app/_features/revoke.ts'
import type { FilterField } from '@/app/_ui/filter-bar.tsx'
import { searchText } from '@/lib/http/wire/selections.ts'
import { tokenKinds } from '@/lib/security/secrets.ts'
import { requestKinds } from '@/lib/store/requests.ts'

export const views = ['tokens', 'connections', 'devices', 'sessions', 'requests', 'unconfirmed'] as const
export type View = (typeof views)[number]
export const tokenStates = ['live', 'ended', 'revoked', 'failed', 'all'] as const
export const connectionStates = ['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen', 'revoked', 'all'] as const
export const grantStates = ['live', 'frozen', 'over', 'all'] as const
/** In days. */
const ages = ['1', '7', '30', '90'] as const
const uses = ['1', '7', '30', 'unknown'] as const
/** In hours: within them, or after them. */
const ends = ['in-1', 'in-24', 'in-168', 'after-1', 'after-24', 'after-168', 'unknown'] as const
const strategies = ['mint', 'exchange', 'narrow', 'proxy', 'sign'] as const
const programs = ['device', 'app'] as const
/** What each tab can be chosen by, beside a search and a person. */
const fields: Record<View, readonly (keyof Chosen)[]> = {
  tokens: ['project', 'provider', 'kind', 'client', 'strategy', 'age', 'used', 'ends', 'state', 'sort'],
  connections: ['project', 'provider', 'kind', 'age', 'used', 'ends', 'state', 'sort'],
  devices: ['project', 'provider', 'kind', 'client', 'age', 'used', 'ends', 'state', 'sort'],
  sessions: ['age', 'ends', 'sort'],
  requests: ['provider', 'kind', 'client'],
  unconfirmed: [],
}

/** What the page is asked for. Each is a parameter of its address. */
export type Chosen = {
  q?: string | undefined
  person?: string | undefined
  project?: string | undefined
  provider?: string | undefined
  client?: string | undefined
  /** Kind of the provider, of the program, or of the request. */
  kind?: string | undefined
  strategy?: string | undefined
  state?: string | undefined
  age?: string | undefined
  used?: string | undefined
  ends?: string | undefined
  sort?: 'ends' | 'used' | undefined
}

const kindsOf: Partial<Record<View, readonly string[]>> = { devices: programs, requests: requestKinds }
/** When a session was used is not for admins to see (docs/decisions/0091). */
const sortsOf = (view: View) => (view === 'sessions' ? (['ends'] as const) : (['ends', 'used'] as const))

/** As the address has it; what no field of this tab would say is left out. */
export function chosenIn(view: View, query: Query): Chosen {
  const state = single(query.state)
  const chosen: Chosen = {
    project: single(query.project),
    provider: single(query.provider),
    client: single(query.client),
    kind: kindsOf[view] ? oneOf(kindsOf[view], single(query.kind)) : single(query.kind),
    strategy: oneOf(strategies, single(query.strategy)),
    state,
    age: oneOf(ages, single(query.age)),
    used: oneOf(uses, single(query.used)),
    ends: oneOf(ends, single(query.ends)),
    sort: isSortable(view, state) ? oneOf(sortsOf(view), single(query.sort)) : undefined,
  }
  const asked = fields[view].map((name) => [name, chosen[name]])
  return { q: single(query.q)?.trim() || undefined, person: single(query.person), ...Object.fromEntries(asked) }
}

/** What still lives or stands comes in any order; what is over, newest first. */
export const isSortable = (view: View, state: string | undefined): boolean =>
  ({
    tokens: oneOf(tokenStates, state) === undefined || state === 'live',
    connections: state !== 'revoked' && state !== 'all',
    devices: state !== 'over' && state !== 'all',
    sessions: true,
    requests: false,
    unconfirmed: false,
  })[view]

const secret = new RegExp(`^vk_(${tokenKinds.join('|')})_`)
/** What has no place in an address, and is not searched for. */
export const isSecret = ({ q }: Chosen): boolean => q !== undefined && secret.test(q)

/** What the API would refuse finds nothing here. */
export const isSearchable = (chosen: Chosen): boolean =>
  !isSecret(chosen) && searchText.optional().safeParse(chosen.q).success

const hourMilliseconds = 3_600_000

/** The same as lists take it, whatever their tab, as of a moment. */
export function filterOf(view: View, chosen: Chosen, now: Date) {
  const at = (hours: number) => new Date(+now + hours * hourMilliseconds)
  const daysAgo = (days: string) => at(-24 * Number(days))
  const [side, hours] = chosen.ends?.split('-') ?? []
  return {
    search: chosen.q,
    userId: chosen.person,
    projectId: chosen.project,
    providerId: chosen.provider,
    clientId: chosen.client,
    providerKind: view === 'tokens' || view === 'connections' ? chosen.kind : undefined,
    madeBefore: chosen.age ? daysAgo(chosen.age) : undefined,
    usedBefore: chosen.used === 'unknown' ? chosen.used : chosen.used ? daysAgo(chosen.used) : undefined,
    endsBefore: side === 'unknown' ? side : side === 'in' ? at(Number(hours)) : undefined,
    endsAfter: side === 'after' ? at(Number(hours)) : undefined,
  } as const
}

type Filter = ReturnType<typeof filterOf>
const timeOf = (moment: Date | string | undefined) => (moment instanceof Date ? moment.toISOString() : moment)

/** The same as the API takes it: what an act on all that match carries. */
export const wireOf = (filter: Filter, { strategy, kind }: Chosen, view: View): Omit<RevocableFilter, 'kind'> => ({
  search: filter.search,
  owner: filter.userId,
  project: filter.projectId,
  provider: filter.providerId,
  client: filter.clientId,
  provider_kind: filter.providerKind as RevocableFilter['provider_kind'],
  strategy: strategy as RevocableFilter['strategy'],
  ...(view === 'devices' && { program: kind as RevocableFilter['program'] }),
  ...(view === 'requests' && { request: kind as RevocableFilter['request'] }),
  made_before: timeOf(filter.madeBefore),
  used_before: timeOf(filter.usedBefore),
  ends_before: timeOf(filter.endsBefore),
  ends_after: timeOf(filter.endsAfter),
})

type Named = { id: string; name: string }
const daysText = (days: string) => (days === '1' ? 'a day' : `${days} days`)
const hoursText: Record<string, string> = { '1': 'an hour', '24': 'a day', '168': 'a week' }

const endsText = (one: string, view: View) => {
  const [side = '', hours = ''] = one.split('-')
  if (side === 'unknown') return view === 'devices' ? 'Never' : 'End not known'
  return side === 'in' ? `Ends within ${hoursText[hours]}` : `Ends after ${hoursText[hours]} or later`
}

const stateText: Record<string, string> = {
  ended: 'expired',
  needs_relink: 'reconnect',
  all: 'Any state',
}
const grantStateText: Record<string, string> = { live: 'signed in', over: 'ended', all: 'Any state' }

/** The fields of a tab's filter bar. */
export function fieldsOf(
  view: View,
  chosen: Chosen,
  { projects, providers, clients, kinds }: Record<'projects' | 'providers' | 'clients' | 'kinds', Named[]>,
): FilterField[] {
  const pick = (name: keyof Chosen, unfiltered: string, list: Named[]): FilterField => ({
    name,
    label: unfiltered.replace('Any ', ''),
    value: chosen[name] ?? '',
    options: [{ value: '', label: unfiltered }, ...list.map(({ id, name }) => ({ value: id, label: name }))],
  })
  const named = (values: readonly string[], text: (value: string) => string) =>
    values.map((id) => ({ id, name: text(id) }))
  const states: Partial<Record<View, { unfiltered: string; list: Named[] }>> = {
    tokens: { unfiltered: 'Live', list: named(tokenStates.slice(1), (one) => stateText[one] ?? one) },
    connections: { unfiltered: 'Not revoked', list: named(connectionStates, (one) => stateText[one] ?? one) },
    devices: { unfiltered: 'Not ended', list: named(grantStates, (one) => grantStateText[one] ?? one) },
  }
  const ownKinds = kindsOf[view]
  // A token and a session end in any case.
  const endsHere = view === 'tokens' || view === 'sessions' ? ends.slice(0, -1) : ends
  const all: Partial<Record<keyof Chosen, FilterField>> = {
    project: pick('project', 'Any project', projects),
    provider: pick('provider', 'Any provider', providers),
    kind: pick('kind', 'Any kind', ownKinds ? named(ownKinds, (one) => kindText[one] ?? one) : kinds),
    client: pick('client', 'Any program', clients),
    strategy: pick(
      'strategy',
      'Any strategy',
      named(strategies, (one) => one),
    ),
    age: pick(
      'age',
      'Any age',
      named(ages, (days) => `Older than ${daysText(days)}`),
    ),
    used: pick(
      'used',
      'Any last use',
      named(uses, (days) => (days === 'unknown' ? 'No use reported' : `Last used ${daysText(days)} ago or more`)),
    ),
    ends: pick(
      'ends',
      'Any end',
      named(endsHere, (one) => endsText(one, view)),
    ),
    state: { ...pick('state', states[view]?.unfiltered ?? '', states[view]?.list ?? []), label: 'State' },
    ...(isSortable(view, chosen.state) && {
      sort: {
        ...pick(
          'sort',
          'Newest first',
          named(sortsOf(view), (one) => (one === 'ends' ? 'Ends soonest first' : 'Last used first')),
        ),
        label: 'Order',
      },
    }),
  }
  return fields[view].flatMap((name) => all[name] ?? [])
}

const kindText: Record<string, string> = { device: 'Device', app: 'App', link: 'Link', ask: 'Asked by a program' }
