import { z } from 'zod'
import type { SelectionPreview } from '../../broker/read/selection.ts'
import type { SelectedResult } from '../../broker/revoke.ts'
import type { RevocableFilter } from '../../store/selections.ts'
import { id, idOf, instant, instantGiven, object } from './schemas.ts'
import { revoked, toRevoked } from './views.ts'

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

export const toChosen = ({
  owner,
  project,
  provider,
  made_before,
  used_before,
}: z.output<z.ZodObject<typeof chosen>>) => ({
  userId: owner,
  projectId: project,
  providerId: provider,
  madeBefore: made_before === undefined ? undefined : new Date(made_before),
  usedBefore:
    used_before === 'unknown' ? ('unknown' as const) : used_before === undefined ? undefined : new Date(used_before),
})

/** Tokens that live, or connections that are not revoked. */
export const filter = {
  kind: z.enum(['tokens', 'connections']),
  /** Of connections: those in this state alone. */
  status: z.enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen']).optional(),
  ...chosen,
}

export const toFilter = ({ kind, status, ...rest }: z.output<z.ZodObject<typeof filter>>): RevocableFilter => ({
  kind,
  status,
  ...toChosen(rest),
})

export const selection = object({
  ...filter,
  /** Of the preview: what was made since is not touched. */
  as_of: instantGiven,
  /** How many the preview counted, or `remaining` of the call before. */
  count: z.int().min(0).max(1_000_000),
  /** `next` of the call before. */
  after: idOf('token').or(idOf('connection')).optional(),
})

/** What a revocation came to. */
export const selected = object({
  items: z.array(revoked),
  /** How many of the selection are not revoked yet; call again, with `next` as `after`. */
  remaining: z.int(),
  next: id.nullable(),
})

export const toSelected = ({ items, remaining, next }: SelectedResult) => ({
  items: items.map(toRevoked),
  remaining,
  next,
})

/** What a revocation would reach. */
export const preview = object({
  as_of: instant,
  count: z.int(),
  /** Living tokens: those that match, or that were made from the connections that do. */
  tokens: z.int(),
  /** How many of those that match are known to have been used within the last day. */
  used_lately: z.int(),
  /** The twenty who own most, and how many people own any. */
  owners: z.array(object({ owner_id: id, count: z.int() })),
  owner_count: z.int(),
})

export const toPreview = (view: SelectionPreview) => ({
  as_of: view.asOf.toISOString(),
  count: view.count,
  tokens: view.tokens,
  used_lately: view.usedLately,
  owners: view.owners.map(({ userId, count }) => ({ owner_id: userId, count })),
  owner_count: view.ownerCount,
})
