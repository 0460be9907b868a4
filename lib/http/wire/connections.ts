import { z } from 'zod'
import { operation, refreshEvents, upstreamErrors } from '../operation.ts'
import { auditEvent } from './audit-events.ts'
import { frozen } from './freezes.ts'
import { flows, providerReference } from './providers.ts'
import { branch, id, instant, instantOrNull, object, page, reason } from './schemas.ts'
import { chosen, placed } from './selections.ts'

export const flow = z
  .string()
  .nullable()
  .describe('Which of the ways to link of the provider’s kind; null: the ordinary one')

export const connectionFacts = object({
  id,
  owner_id: id,
  account_name: z.string(),
  upstream_role: z.string().nullable().describe('As the upstream calls it'),
  status: z.enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'revoked']),
  cause: z.string().nullable(),
  frozen,
  status_since: instant,
  last_refresh_at: instantOrNull,
  next_try_at: instantOrNull.describe('While it rests after a failure'),
  next_renewal_at: instantOrNull.describe('When the background renews it by itself'),
  serves_until: instantOrNull.describe('Until when the stored access token works, whatever the upstream does'),
  grant_expires_at: instantOrNull.describe('When the grant ends unless it is renewed; null where nobody knows'),
  linked_at: instant,
  flow,
  moves_to: flows.describe('Ways to link that it can be moved to: it keeps its projects, aliases and history'),
  revocable: z.boolean().describe('Whether disconnecting ends the grant at the upstream'),
  branch: z.string().nullable(),
})

const projectReference = object({ id, name: z.string(), alias: z.string(), external_id: z.string() })

export const connection = object({
  ...connectionFacts.shape,
  provider: providerReference,
  project: projectReference.nullable().describe('The first of those that it reaches'),
  projects: z.array(projectReference),
})

export const connectionDetail = object({
  ...connection.shape,
  timeline: z.array(auditEvent).describe('What happened to it, newest first'),
})

export const listConnections = operation({
  id: 'listConnections',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/connections',
  summary: 'Lists connections, newest first: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  query: object({
    ...chosen,
    status: z
      .enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'revoked', 'standing', 'frozen'])
      .optional()
      .describe('`standing`: all but the revoked ones'),
    everybody: z.literal('1').optional(),
    ...placed('connection'),
  }),
  answer: { status: 200, schema: page(connection) },
  limit: 'read',
})

export const changeConnection = operation({
  id: 'changeConnection',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/connections/{connection}',
  summary: 'Sets the development branch of a connection',
  permission: 'work',
  scope: 'connections:manage',
  audit: 'connection.changed',
  body: object({
    /** Null: the main branch. */
    branch: branch.nullable(),
  }),
  answer: { status: 204 },
  limit: 'write',
})

export const readConnection = operation({
  id: 'readConnection',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/connections/{connection}',
  summary: 'Returns one connection with its timeline: the caller’s own, or any connection for admins and auditors',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: connectionDetail },
  limit: 'read',
})

export const renewConnection = operation({
  id: 'renewConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/renewal',
  summary: 'Renews a connection now, without waiting for the next retry',
  permission: 'work',
  scope: 'connections:manage',
  audit: refreshEvents,
  body: object({}),
  answer: { status: 200, schema: connectionDetail },
  errors: upstreamErrors,
  limit: 'renewal',
})

export const leaveProject = operation({
  id: 'leaveProject',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/projects/{project}',
  summary: 'Takes one of several projects off a connection, and revokes the tokens issued for it',
  permission: 'work',
  scope: 'cookie only',
  audit: ['connection.project_left', 'token.revoked'],
  answer: { status: 200, schema: object({ tokens: z.int().min(0).describe('How many tokens were revoked') }) },
  errors: ['not_linked', 'last_project'],
  limit: 'write',
})

export const freezeConnection = operation({
  id: 'freezeConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/freeze',
  summary: 'Freezes a connection: nothing is issued or renewed from it until the freeze is lifted',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.set',
  body: object({ reason: reason.optional() }),
  answer: { status: 200, schema: connectionDetail },
  errors: ['not_linked'],
  limit: 'write',
})

export const unfreezeConnection = operation({
  id: 'unfreezeConnection',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/freeze',
  summary: 'Lifts the freeze of a connection',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.lifted',
  answer: { status: 204 },
  errors: ['not_linked'],
  limit: 'write',
})
