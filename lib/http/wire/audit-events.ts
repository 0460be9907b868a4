import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { id, idOf, instant, object, textStream } from './schemas.ts'

export const auditEvent = object({
  id,
  at: instant,
  action: z.string(),
  outcome: z.enum(['ok', 'refused', 'failed']),
  actor_id: id.nullable().describe('Null: the product itself'),
  target: object({ kind: z.string(), id: z.string() }).nullable(),
  address: z.string().nullable(),
  agent: z.string().nullable(),
  request_id: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
})

export const listAuditEvents = operation({
  id: 'listAuditEvents',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/audit-events',
  summary: 'Lists events, newest first: all events for admins and auditors, own events for members',
  permission: 'read',
  scope: 'audit:read',
  audit: 'access.read',
  query: object({ before: idOf('event').optional().describe('`next` of the page before') }),
  answer: { status: 200, schema: object({ items: z.array(auditEvent), next: id.nullable() }) },
  limit: 'read',
})

/** A change, because the trail tells who took a copy of it. */
export const exportEvents = operation({
  id: 'exportEvents',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/audit-events/exports',
  summary: 'Exports the whole chain of events as lines of JSON with signed heads, for `valetkey audit verify`',
  permission: 'oversee',
  scope: 'audit:read',
  audit: 'audit.exported',
  answer: { status: 200, schema: textStream, stream: 'application/x-ndjson' },
  errors: vaultErrors,
  limit: 'export',
})
