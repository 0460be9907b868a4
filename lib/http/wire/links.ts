import { z } from 'zod'
import { operation, upstreamErrors, vaultErrors } from '../operation.ts'
import { alias, id, idOf, instant, items, object, page, reason } from './schemas.ts'
import { attempt, connection, connectionDetail } from './views.ts'

export const listConnections = operation({
  id: 'listConnections',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/connections',
  summary: 'Lists connections, newest first: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  query: object({
    everybody: z.literal('1').optional(),
    /** `next` of the page before. */
    before: id.optional(),
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
  body: object({
    /** Null: the main branch. */
    branch: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, hyphens')
      .nullable(),
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
  answer: { status: 200, schema: connectionDetail },
  limit: 'read',
})

export const renewConnection = operation({
  id: 'renewConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/renewal',
  summary: 'Renews a connection now, without waiting for the next retry',
  permission: 'work',
  body: object({}),
  answer: { status: 200, schema: connectionDetail },
  errors: upstreamErrors,
  limit: 'renewal',
})

export const freezeConnection = operation({
  id: 'freezeConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/freeze',
  summary: 'Freezes a connection: nothing is issued or renewed from it until the freeze is lifted',
  permission: 'administer',
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
  answer: { status: 204 },
  errors: ['not_linked'],
  limit: 'write',
})

export const listAttempts = operation({
  id: 'listAttempts',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/attempts',
  summary: 'Lists the caller’s open link attempts',
  permission: 'work',
  answer: { status: 200, schema: items(attempt) },
  limit: 'read',
})

export const readAttempt = operation({
  id: 'readAttempt',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}',
  summary: 'Returns one of the caller’s link attempts',
  permission: 'work',
  answer: { status: 200, schema: attempt },
  limit: 'read',
})

export const startLink = operation({
  id: 'startLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts',
  summary: 'Starts linking a project; go to `url` in this browser within ten minutes',
  permission: 'work',
  body: object({
    provider: idOf('provider'),
    /** What scripts will call the project; made from its name where none is given. */
    alias: alias.optional(),
    /** Reconnect this one instead of linking anew. */
    connection: idOf('connection').optional(),
  }),
  answer: { status: 201, schema: object({ id, url: z.url(), expires_at: instant }) },
  errors: [...vaultErrors, 'client_not_registered', 'frozen'],
  limit: 'attempt',
})

export const resumeLink = operation({
  id: 'resumeLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/resume',
  summary: 'Returns the address of an open attempt again',
  permission: 'work',
  body: object({}),
  answer: { status: 200, schema: object({ url: z.url() }) },
  errors: [...vaultErrors, 'frozen', 'attempt_unknown', 'attempt_expired', 'attempt_used'],
  limit: 'attempt',
})

export const adoptLink = operation({
  id: 'adoptLink',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}/adopt',
  summary: 'Completes a failed attempt: as a new project, or with another alias',
  permission: 'work',
  body: object({ alias: alias.optional() }),
  answer: { status: 200, schema: object({ project: id }) },
  errors: [...vaultErrors, 'attempt_unknown', 'frozen', 'alias_taken', 'no_refresh_token', 'upstream_protocol'],
  limit: 'attempt',
})

export const cancelLink = operation({
  id: 'cancelLink',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/attempts/{attempt}',
  summary: 'Cancels an open attempt',
  permission: 'work',
  answer: { status: 204 },
  limit: 'write',
})
