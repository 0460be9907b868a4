import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { id, idOf, instant, instantGiven, object, textStream } from './schemas.ts'

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

/** What events are searched by, in a list, on the page and in what is downloaded. */
const filter = {
  person: idOf('user').optional().describe('Who did it, whose it was done to, or to whom'),
  project: idOf('project').optional(),
  action: z
    .string()
    .regex(/^[a-z_]{1,40}(\.[a-z_]{1,40})?$/, 'must be an action, or what stands before its dot')
    .optional()
    .describe('`token.revoked`, or `token` for all that begin with it'),
  outcome: z.enum(['ok', 'refused', 'failed']).optional(),
  from: instantGiven.optional().describe('At this moment or later'),
  until: instantGiven.optional().describe('Before this moment'),
  address: z
    .string()
    .regex(/^[0-9a-fA-F.:]{2,45}$/, 'must be an IP address')
    .optional(),
  client: z
    .string()
    .regex(/^[A-Za-z0-9._~-]{1,128}$/, 'must be the id of a client')
    .optional()
    .describe('Through which program, or about which'),
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{12}$/, 'must be the fingerprint of a token')
    .optional(),
  request: idOf('request').optional(),
  about: z
    .string()
    .regex(/^[A-Za-z0-9._~-]{1,128}$/, 'must be an id')
    .optional()
    .describe('The id of what it was done to'),
}

/** The same of a list, a page at a time. */
export const eventQuery = object({
  ...filter,
  before: idOf('event').optional().describe('`next` of the page before'),
})

export const listAuditEvents = operation({
  id: 'listAuditEvents',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/audit-events',
  summary: 'Lists events, newest first: all events for admins and auditors, own events for members',
  permission: 'read',
  scope: 'audit:read',
  audit: 'access.read',
  query: eventQuery,
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

export const readAuditEvent = operation({
  id: 'readAuditEvent',
  method: 'GET',
  // Not the bare id: Next would answer GET for the words beside it, which are POST alone.
  path: '/api/v1/tenants/{tenant}/audit-events/{event}/related',
  summary: 'Reads one event, with the rest of what its request did and what else happened to the same thing',
  permission: 'read',
  scope: 'audit:read',
  audit: 'access.read',
  answer: {
    status: 200,
    schema: object({
      event: auditEvent,
      act: z.array(auditEvent).describe('What else the same request did, newest first; a hundred at most'),
      act_is_cut: z.boolean().describe('There is more of it: ask the list for its `request`'),
      about: z.array(auditEvent).describe('What else happened to the same thing, newest first; twenty at most'),
      names: z.record(z.string(), z.string()).describe('What the people in all of that are called, by id'),
    }),
  },
  limit: 'read',
})

const download = {
  method: 'POST',
  permission: 'read',
  scope: 'audit:read',
  audit: 'audit.downloaded',
  body: object(filter),
  limit: 'export',
} as const

/** Changes, as the export of the chain is one. */
export const downloadEventsAsCsv = operation({
  ...download,
  id: 'downloadEventsAsCsv',
  path: '/api/v1/tenants/{tenant}/audit-events/csv',
  summary:
    'Downloads what a filter finds as CSV, newest first, 50,000 events at most; the last line says where it was cut',
  answer: { status: 200, schema: textStream, stream: 'text/csv' },
})

export const downloadEventsAsNdjson = operation({
  ...download,
  id: 'downloadEventsAsNdjson',
  path: '/api/v1/tenants/{tenant}/audit-events/ndjson',
  summary:
    'Downloads what a filter finds as lines of JSON, newest first, 50,000 events at most; the last line tells the count and whether it was cut',
  answer: { status: 200, schema: textStream, stream: 'application/x-ndjson' },
})
