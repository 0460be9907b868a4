import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import type { Chosen, RevocableFilter } from '../../store/selections.ts'
import { idOf, instantGiven, object } from './schemas.ts'
import type { Named } from './view.ts'

/** What tokens, connections and grants alike can be chosen by, in a list and in an act. */
export const chosen = {
  owner: idOf('user').optional(),
  project: idOf('project').optional(),
  provider: idOf('provider').optional(),
  made_before: instantGiven.optional().describe('Made, or linked last, at this moment or before'),
  used_before: instantGiven
    .or(z.literal('unknown'))
    .optional()
    .describe('Last used before this moment; `unknown`: nobody told of a use'),
}
const whole = object(chosen)

export const toChosen = ({ owner, project, provider, ...times }: Named<z.output<typeof whole>>): Chosen => ({
  userId: owner,
  projectId: project,
  providerId: provider,
  ...times,
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
  ...chosen,
}
const selected = object(revocable)

/** @throws BrokerError bad_request for what a list of this kind is not chosen by: ignored, it would mean more than was said */
export function toRevocable({ kind, status, client, ...rest }: Named<z.output<typeof selected>>): RevocableFilter {
  if (kind === 'connections' && client !== undefined)
    throw new BrokerError('bad_request', { fields: { client: 'No connection has one.' } })
  if (kind === 'tokens' && status !== undefined)
    throw new BrokerError('bad_request', { fields: { status: 'No token is chosen by one.' } })
  if (kind === 'grants' && status !== undefined && status !== 'frozen')
    throw new BrokerError('bad_request', { fields: { status: 'Only frozen, for grants.' } })
  return { kind, status, clientId: client, ...toChosen(rest) }
}
