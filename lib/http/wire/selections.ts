import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { kinds } from '../../providers/index.ts'
import { strategies } from '../../providers/kind.ts'
import { type IdKind, idPattern } from '../../security/ids.ts'
import { type Order, orders, placeOf } from '../../store/order.ts'
import type { Chosen, Given, RevocableFilter } from '../../store/selections.ts'
import { idOf, instantGiven, line, object } from './schemas.ts'
import type { Named } from './view.ts'

/** What is searched for: whatever somebody has at hand. */
export const searchText = line(80)

/** What tokens, connections and grants alike can be chosen by, in a list and in an act. */
export const chosen = {
  search: searchText
    .optional()
    .describe(
      'How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants',
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

/** Tokens that live, connections that are not revoked, or grants that stand. */
export const revocable = {
  kind: z.enum(['tokens', 'connections', 'grants']),
  status: z
    .enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen'])
    .optional()
    .describe('Of connections: those in this state alone; of grants: only `frozen`'),
  client: clientId.optional().describe('Of grants, and of tokens that were issued through one'),
  strategy: strategy.optional().describe('Of tokens: how they were made'),
  program: program.optional(),
  ...chosen,
}
const selected = object(revocable)

/** @throws BrokerError bad_request for what a list of this kind is not chosen by: ignored, it would mean more than was said */
export function toRevocable(given: Named<z.output<typeof selected>>): RevocableFilter {
  const { kind, status, client, strategy, program, ...rest } = given
  if (kind === 'connections' && client !== undefined)
    throw new BrokerError('bad_request', { fields: { client: 'No connection has one.' } })
  if (kind === 'tokens' && status !== undefined)
    throw new BrokerError('bad_request', { fields: { status: 'No token is chosen by one.' } })
  if (kind === 'grants' && status !== undefined && status !== 'frozen')
    throw new BrokerError('bad_request', { fields: { status: 'Only frozen, for grants.' } })
  if (kind !== 'tokens' && strategy !== undefined)
    throw new BrokerError('bad_request', { fields: { strategy: 'Only a token has one.' } })
  if (kind !== 'grants' && program !== undefined)
    throw new BrokerError('bad_request', { fields: { program: 'Only of grants.' } })
  return { kind, status, clientId: client, strategy, program, ...toChosen(rest) }
}

/** In a JSON Schema: any of these fields. */
export const anyOf = (...fields: string[]) => ({ anyOf: fields.map((field) => ({ required: [field] })) })
