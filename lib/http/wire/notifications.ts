import { z } from 'zod'
import { operation } from '../operation.ts'
import { counted, id, idOf, instant, instantOrNull, isCapped, object } from './schemas.ts'

export const notification = object({
  id,
  kind: z.string().describe('What happened; new kinds may appear'),
  connection_id: id.nullable(),
  provider_id: id.nullable(),
  for_admins: z.boolean().describe('Addressed to everybody who administers: whoever reads it first reads it for all'),
  cause: z.string().nullable(),
  ends_at: instantOrNull.describe('When the grant ends, for `grant.ending`'),
  reason: z.string().nullable().describe('Why, for a freeze and for what an admin ended; of a freeze until when, too'),
  until: instantOrNull,
  projects: z.array(object({ id, alias: z.string() })),
  about: object({ kind: z.enum(['token', 'grant', 'client']), id, name: z.string() })
    .nullable()
    .describe('What it is about where that is no connection and no provider'),
  ended: object({
    by: id,
    act: id.nullable().describe('Of many things at once: readRevocationAct'),
    blocked: z.boolean(),
    connections: z.int(),
    tokens: z.int(),
    grants: z.int(),
    sessions: z.int(),
    requests: z.int(),
  })
    .nullable()
    .describe('What somebody else ended, for `access.revoked`'),
  created_at: instant,
  read_at: instantOrNull,
})

export const listNotifications = operation({
  id: 'listNotifications',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/notifications',
  summary: 'Lists the caller’s notifications, newest first; admins also get those for all admins',
  permission: 'read',
  scope: 'projects:read',
  audit: 'none',
  query: object({
    before: idOf('notification').optional().describe('`next` of the page before'),
    unread: z.literal('1').optional(),
  }),
  answer: {
    status: 200,
    schema: object({
      items: z.array(notification),
      next: id.nullable(),
      unread: counted,
      unread_is_capped: isCapped,
    }),
  },
  limit: 'read',
})

export const markNotificationsRead = operation({
  id: 'markNotificationsRead',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/notifications/read',
  summary: 'Marks notifications as read: the given ones, or all up to one of them',
  // Auditors change nothing (K-18), and link nothing that they could be told of.
  permission: 'work',
  scope: 'connections:manage',
  audit: 'none',
  body: object({
    ids: z.array(idOf('notification')).min(1).max(500).optional(),
    through: idOf('notification').optional(),
  })
    .refine((which) => (which.ids === undefined) !== (which.through === undefined), 'Set either ids or through.')
    .meta({ minProperties: 1, maxProperties: 1 }),
  /** How many were unread before. */
  answer: { status: 200, schema: object({ marked: z.int() }) },
  limit: 'write',
})
