import { z } from 'zod'
import { operation } from '../operation.ts'
import { id, object } from '../schemas.ts'
import { auditEvent } from '../views.ts'

export const listAuditEvents = operation({
  id: 'listAuditEvents',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/audit-events',
  summary: 'Events, newest first: everybody’s for who oversees the tenant, one’s own for members',
  permission: 'read',
  /** `next` of the page before. */
  query: object({ before: id.optional() }),
  answer: { status: 200, schema: object({ items: z.array(auditEvent), next: id.nullable() }) },
  limit: 'read',
})
