import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { flow } from './connections.ts'
import { alias, id, idOf, instant, items, object } from './schemas.ts'

export const attempt = object({
  id,
  provider_id: id,
  purpose: z.enum(['link', 'relink']),
  status: z
    .enum(['pending', 'going_on', 'choosing', 'expired', 'done', 'failed'])
    .describe(
      '`going_on`: its person came back from the upstream, and the link is being finished; `choosing`: they choose the projects that it is for',
    ),
  outcome: z
    .string()
    .nullable()
    .describe('Why it failed: an error code, `cancelled` by its person, or `withdrawn` by an admin'),
  detail: z.string().nullable(),
  can_adopt: z
    .boolean()
    .describe('What came back is kept until `expires_at`: it can be linked as new, or under another alias'),
  connection_id: id.nullable(),
  project_id: id.nullable(),
  flow,
  created_at: instant,
  expires_at: instant,
})

export const listAttempts = operation({
  id: 'listAttempts',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/attempts',
  summary: 'Lists the caller’s open link attempts',
  permission: 'work',
  scope: 'cookie only',
  audit: 'none',
  answer: { status: 200, schema: items(attempt) },
  limit: 'read',
})

export const readAttempt = operation({
  id: 'readAttempt',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}',
  summary: 'Returns one of the caller’s link attempts',
  permission: 'work',
  scope: 'cookie only',
  audit: 'none',
  answer: { status: 200, schema: attempt },
  limit: 'read',
})

export const whereTo = z
  .url()
  .describe(
    'At the upstream; or at Valetkey, where the connection works again by a silent refresh and nothing is to be done',
  )

export const startLink = operation({
  id: 'startLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts',
  summary: 'Starts linking a project; go to `url` in this browser within ten minutes',
  permission: 'work',
  scope: 'cookie only',
  audit: ['link.started', 'connection.worked_again'],
  body: object({
    provider: idOf('provider'),
    alias: alias.optional().describe('What scripts will call the project; made from its name where none is given'),
    connection: idOf('connection').optional().describe('Reconnect this one instead of linking anew'),
    flow: z
      .string()
      .max(40)
      .optional()
      .describe(
        'One of the ways to link of the provider (`flows`), or `ordinary`; left out: that of the connection, else the ordinary one',
      ),
    popup: z.boolean().optional().describe('It goes on in a pop-up, whose last page tells its opener and closes'),
  }),
  answer: { status: 201, schema: object({ id, url: whereTo, expires_at: instant }) },
  errors: [
    ...vaultErrors,
    'client_not_registered',
    'provider_misconfigured',
    'flow_not_offered',
    'frozen',
    'over_policy',
  ],
  limit: 'attempt',
})

export const resumeLink = operation({
  id: 'resumeLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/resume',
  summary: 'Returns the address of an open attempt again',
  permission: 'work',
  scope: 'cookie only',
  audit: 'none',
  body: object({}),
  answer: { status: 200, schema: object({ url: z.url() }) },
  errors: [...vaultErrors, 'provider_misconfigured', 'frozen', 'attempt_unknown', 'attempt_expired', 'attempt_used'],
  limit: 'attempt',
})

export const adoptLink = operation({
  id: 'adoptLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/adopt',
  summary: 'Completes a failed attempt: as a new project, or with another alias',
  permission: 'work',
  scope: 'cookie only',
  audit: 'link.completed',
  body: object({ alias: alias.optional() }),
  answer: { status: 200, schema: object({ project: id }) },
  errors: [
    ...vaultErrors,
    'attempt_unknown',
    'frozen',
    'over_policy',
    'alias_taken',
    'no_refresh_token',
    'upstream_protocol',
    'upstream_signed_out',
  ],
  limit: 'attempt',
})

export const readChoices = operation({
  id: 'readProjectChoices',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/projects',
  summary: 'Returns the projects among which the caller chooses what the connection is for',
  permission: 'work',
  scope: 'cookie only',
  audit: 'none',
  answer: {
    status: 200,
    schema: object({
      account: z.string(),
      projects: z.array(
        object({
          external_id: z.string(),
          name: z.string(),
          role: z.string().nullable().describe('The caller’s, as the upstream calls it'),
          linked_by: id.nullable().describe('The connection that has it already'),
        }),
      ),
    }),
  },
  errors: [...vaultErrors, 'attempt_unknown'],
  limit: 'read',
})

export const chooseProjects = operation({
  id: 'chooseProjects',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/projects',
  summary: 'Links the projects that the caller chose, with one connection for all of them',
  permission: 'work',
  scope: 'cookie only',
  audit: 'link.completed',
  body: object({
    projects: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(500)
      .describe('By their ids at the upstream (`external_id`)'),
  }),
  answer: { status: 200, schema: object({ project: id, connection: id }) },
  errors: [
    ...vaultErrors,
    'attempt_unknown',
    'frozen',
    'over_policy',
    'already_linked',
    'projects_not_chosen',
    'no_refresh_token',
    'upstream_protocol',
    'upstream_signed_out',
  ],
  limit: 'attempt',
})

export const cancelLink = operation({
  id: 'cancelLink',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}',
  summary: 'Cancels an open attempt',
  permission: 'work',
  scope: 'cookie only',
  audit: 'link.failed',
  answer: { status: 204 },
  limit: 'write',
})
