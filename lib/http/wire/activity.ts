import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { id, idOf, object, textStream } from './schemas.ts'
import { auditEvent } from './views.ts'

export const listAuditEvents = operation({
  id: 'listAuditEvents',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/audit-events',
  summary: 'Lists events, newest first: all events for admins and auditors, own events for members',
  permission: 'read',
  /** `next` of the page before. */
  query: object({ before: idOf('event').optional() }),
  answer: { status: 200, schema: object({ items: z.array(auditEvent), next: id.nullable() }) },
  limit: 'read',
})

/** A change, because the trail tells who took a copy of it. */
export const exportEvents = operation({
  id: 'exportEvents',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/audit-events/exports',
  summary: 'Exports the whole chain of events as lines of JSON with signed heads, for npm run audit:verify',
  permission: 'oversee',
  answer: { status: 200, schema: textStream, stream: 'application/x-ndjson' },
  errors: vaultErrors,
  limit: 'export',
})
