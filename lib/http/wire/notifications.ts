import { z } from 'zod'
import { operation } from '../operation.ts'
import { counted, id, idOf, isCapped, object } from './schemas.ts'
import { notification } from './views.ts'

export const listNotifications = operation({
  id: 'listNotifications',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/notifications',
  summary: 'Lists the caller’s notifications, newest first; admins also get those for all admins',
  permission: 'read',
  /** `next` of the page before. */
  query: object({ before: idOf('notification').optional(), unread: z.literal('1').optional() }),
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
