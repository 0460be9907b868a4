import { z } from 'zod'
import type { Chosen } from '../../store/selections.ts'
import { idOf, instantGiven, object } from './schemas.ts'
import type { Named } from './view.ts'

/** What tokens and connections alike can be chosen by, in a list and in an act. */
export const chosen = {
  owner: idOf('user').optional(),
  project: idOf('project').optional(),
  provider: idOf('provider').optional(),
  /** Made, or linked last, at this moment or before. */
  made_before: instantGiven.optional(),
  /** Last used before this moment; `unknown`: nobody told of a use. */
  used_before: instantGiven.or(z.literal('unknown')).optional(),
}
const whole = object(chosen)

export const toChosen = ({ owner, project, provider, ...times }: Named<z.output<typeof whole>>): Chosen => ({
  userId: owner,
  projectId: project,
  providerId: provider,
  ...times,
})

/** Tokens that live, or connections that are not revoked. */
export const revocable = {
  kind: z.enum(['tokens', 'connections']),
  /** Of connections: those in this state alone. */
  status: z.enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen']).optional(),
  ...chosen,
}
