import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { kinds } from '../../providers/index.ts'
import { strategies } from '../../providers/kind.ts'
import { type IdKind, idPattern } from '../../security/ids.ts'
import { type Order, orders, placeOf } from '../../store/order.ts'
import { requestKinds } from '../../store/requests.ts'
import { type Chosen, choosable, type Given, type RevocableFilter, selectedKinds } from '../../store/selections.ts'
import { idOf, instantGiven, line, object } from './schemas.ts'
import type { Named } from './view.ts'

/** What is searched for: whatever somebody has at hand. */
export const searchText = line(80)

/** What most kinds alike can be chosen by, in a list and in an act. */
export const chosen = {
  search: searchText
    .optional()
    .describe(
      'How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions',
    ),
  owner: idOf('user').optional(),
  project: idOf('project').optional(),
  provider: idOf('provider').optional(),
  provider_kind: z
    .enum([...kinds.keys()] as [string, ...string[]])
    .optional()
    .describe('Kind of the provider'),
  made_before: instantGiven.optional().describe('Made, or linked last, at this moment or before'),
  used_before: instantGiven
    .or(z.literal('unknown'))
    .optional()
    .describe('Last used before this moment; `unknown`: nobody told of a use'),
  ends_before: instantGiven
    .or(z.literal('unknown'))
    .optional()
    .describe('Ends before this moment, if nothing renews it; `unknown`: no end is known'),
  ends_after: instantGiven.optional().describe('Ends at this moment or later, or no end is known'),
}
export const strategy = z.enum(strategies).describe('How a token was made')
export const program = z
  .enum(['device', 'app'])
  .describe("Of grants: `device`: the instance's own program; everything else is an app")
const whole = object(chosen)

/** In which order a list comes, and where its page goes on. */
export const placed = (kind: IdKind) => ({
  sort: z
    .enum(orders)
    .optional()
    .describe(
      'Left out: newest first. `ends`: what ends soonest first; `used`: what was used last first; both for a state in which things still live',
    ),
  before: z
    .string()
    .regex(new RegExp(`^(?:(?:[0-9]{13}|none)~)?${idPattern(kind).source.slice(1)}`), 'must be `next` of a page before')
    .optional()
    .describe('`next` of the page before, in the same order'),
})

/** @throws BrokerError bad_request for an order that the list does not have, or a place of another order */
export function orderOf(
  { sort: order = 'newest', before }: { sort?: Order | undefined; before?: string | undefined },
  isLiving: boolean,
): { order: Order; before: string | undefined } {
  if (order !== 'newest' && !isLiving)
    throw new BrokerError('bad_request', { fields: { sort: 'Only together with a state in which things still live.' } })
  if (before !== undefined && !placeOf(order, before))
    throw new BrokerError('bad_request', { fields: { before: 'Of a page in another order.' } })
  return { order, before }
}

export const toChosen = ({ owner, project, provider, ...rest }: Named<z.output<typeof whole>>): Given<Chosen> => ({
  userId: owner,
  projectId: project,
  providerId: provider,
  ...rest,
})

/** A program: one of the tenant, or the instance's own. */
export const clientId = z.string().regex(/^(?:cli_[0-9a-f]{32}|valetkey)$/, 'must be the id of a client')

export const request = z
  .enum(requestKinds)
  .describe(
    '`link`: a person has begun it; `ask`: a program asks a person to link; `device`, `app`: a program wants to be let in',
  )

/** Tokens that live, connections that are not revoked, grants that stand, sessions that the tenant accepts, requests that are open. */
export const revocable = {
  kind: z
    .enum(selectedKinds)
    .describe('`sessions` and `requests` for who administers: sessions of members, of which the one that asks is none'),
  status: z
    .enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen'])
    .optional()
    .describe('Of connections: those in this state alone; of grants: only `frozen`'),
  client: clientId.optional().describe('Of grants, of tokens that were issued through one, and of requests'),
  strategy: strategy.optional().describe('Of tokens: how they were made'),
  program: program.optional(),
  request: request.optional().describe('Of requests'),
  ...chosen,
}
const selected = object(revocable)

/** Fields that some kinds alone are chosen by, and what the code calls them. */
const particular = {
  project: 'projectId',
  provider: 'providerId',
  provider_kind: 'providerKind',
  used_before: 'usedBefore',
  ends_before: 'endsBefore',
  ends_after: 'endsAfter',
  client: 'clientId',
  status: 'status',
  strategy: 'strategy',
  program: 'program',
  request: 'request',
} as const satisfies Partial<Record<keyof typeof revocable, keyof RevocableFilter>>

/** @throws BrokerError bad_request for what a list of this kind is not chosen by: ignored, it would mean more than was said */
export function toRevocable(given: Named<z.output<typeof selected>>): RevocableFilter {
  const { kind, status, client, strategy, program, request, ...rest } = given
  const filter = { kind, status, clientId: client, strategy, program, request, ...toChosen(rest) }
  for (const [field, name] of Object.entries(particular))
    if (filter[name] !== undefined && !choosable[kind].includes(name))
      throw new BrokerError('bad_request', { fields: { [field]: `Nothing of the kind ${kind} is chosen by it.` } })
  if (kind === 'grants' && status !== undefined && status !== 'frozen')
    throw new BrokerError('bad_request', { fields: { status: 'Only frozen, for grants.' } })
  return filter
}

/** The same in a JSON Schema: what {@link toRevocable} refuses. */
export const selectable = (kinds: readonly RevocableFilter['kind'][]) => ({
  anyOf: kinds.map((kind) => {
    const not = Object.entries(particular).flatMap(([field, name]) => (choosable[kind].includes(name) ? [] : [field]))
    const status = kind === 'grants' && { status: { const: 'frozen' } }
    return { properties: { kind: { const: kind }, ...status }, not: anyOf(...not) }
  }),
})

/** In a JSON Schema: any of these fields. */
const anyOf = (...fields: string[]) => ({ anyOf: fields.map((field) => ({ required: [field] })) })
