import { z } from 'zod'
import { freezeMost } from '../../broker/freeze-selection.ts'
import { freezeKinds } from '../../store/freezes.ts'
import { operation } from '../operation.ts'
import { id, idOf, instant, instantGiven, instantOrNull, items, object, reason } from './schemas.ts'
import { revocable, selectable } from './selections.ts'

/** A freeze that stands. */
export const freeze = object({
  kind: z.enum(freezeKinds),
  /** Of what is frozen. */
  id,
  by: id.nullable().describe('Who froze it; null where nobody knows'),
  at: instant,
  reason: z.string().nullable(),
  until: instantOrNull.describe('When it ends by itself; null: when somebody lifts it'),
})

/** What keeps something from being linked, issued or renewed, whatever its status; null: nothing does. */
export const frozen = object({
  kind: z.enum([...freezeKinds, 'membership']).describe('Of what is frozen; `membership`: the owner is suspended'),
  by: id.nullable().describe('Told to who oversees the tenant'),
  at: instantOrNull,
  reason: z.string().nullable(),
  until: instantOrNull,
}).nullable()

const frozenId = z
  .string()
  .regex(
    /^(?:(?:usr|prj|prv|con|cli|grt)_[0-9a-f]{32}|valetkey)$/,
    'must be the id of a user, project, provider, connection, client or grant',
  )

export const listFreezes = operation({
  id: 'listFreezes',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/freezes',
  summary: 'Lists active freezes, newest first',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(freeze) },
  limit: 'read',
})

export const createFreeze = operation({
  id: 'createFreeze',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/freezes',
  summary:
    'Freezes a member, project, provider, connection, client or grant: nothing is linked, issued or renewed until it is lifted',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.set',
  body: object({
    kind: z.enum(freezeKinds),
    /** Of a member: the id of the user. */
    id: frozenId,
    reason: reason.optional(),
    until: instantGiven.optional().describe('When it ends by itself; left out: when somebody lifts it'),
  }),
  /** `already`: it stood before, for as long or longer, and stays as it was. */
  answer: { status: 200, schema: object({ freeze, already: z.boolean() }) },
  limit: 'revoke',
})

export const freezeSelection = operation({
  id: 'freezeSelection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/freezes/selection',
  summary:
    'Freezes all connections, devices or apps that a selection matches, at most 1,000 and all of them at once; more are frozen by person, project, provider or client',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: ['selection.frozen', 'freeze.set'],
  body: object({
    ...revocable,
    kind: z.enum(['connections', 'grants']),
    ids: z
      .array(idOf('connection').or(idOf('grant')))
      .max(500)
      .optional()
      .describe('Of these alone'),
    as_of: instantGiven.describe('Of the preview: what was made since is not touched'),
    count: z.int().min(0).max(freezeMost).describe('How many the preview counted'),
    reason: reason.optional(),
    until: instantGiven.optional().describe('When the freezes end by themselves; left out: when somebody lifts them'),
  }).meta(selectable(['connections', 'grants'])),
  answer: {
    status: 200,
    schema: object({ frozen: z.int(), already: z.int().describe('Frozen before, for as long or longer') }),
  },
  errors: ['count_changed'],
  limit: 'revoke',
})

export const deleteFreeze = operation({
  id: 'deleteFreeze',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/freezes/{kind}/{id}',
  summary: 'Lifts the freeze of one item; other freezes that apply to it stay',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.lifted',
  params: { kind: z.enum(freezeKinds), id: frozenId },
  /** `already`: it was not frozen. */
  answer: { status: 200, schema: object({ already: z.boolean() }) },
  limit: 'revoke',
})
