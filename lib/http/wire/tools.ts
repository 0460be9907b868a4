import { z } from 'zod'
import { readingFailures } from '../../store/mcp.ts'
import { operation, refreshEvents, upstreamErrors } from '../operation.ts'
import { instant, instantOrNull, object } from './schemas.ts'

/** As its server said it: control and direction characters are out, and what is long is cut. */
const definition = {
  title: z.string().nullable(),
  description: z.string().nullable(),
  input_schema: z.unknown().describe('JSON Schema; null: it has none, or one that is too long to keep'),
  output_schema: z.unknown(),
  annotations: z.record(z.string(), z.unknown()),
  is_cut: z.boolean().describe('Something is left out of it'),
}

const tool = object({
  name: z.string(),
  hash: z.string().describe('SHA-256 in hex over title, description, schemas and annotations: what a review names'),
  ...definition,
  read_only: z.boolean().describe('The server’s own mark, which nobody checks'),
  destructive: z.boolean().describe('The server’s own mark; whoever says nothing may destroy'),
  is_plain: z.boolean().describe('Its name has nothing but letters of ASCII, digits, and . _ - /'),
  looks_like_another: z.boolean().describe('Another tool’s name can be taken for it'),
  first_seen_at: instant,
  changed_at: instant.describe('When it became as it is'),
  gone_at: instantOrNull.describe('Since then no list of the server has had it'),
  looked: z
    .enum(['never', 'changed', 'current'])
    .describe('Whether an admin has looked at it, and it has not changed since'),
  reviewed_by: z.string().nullable(),
  reviewed_at: instantOrNull,
  before: object(definition).nullable().describe('As it was when somebody looked, where it has changed since'),
  held_back: z.boolean().describe('It cannot be called until an admin has looked at it'),
  calls: z.int().min(0).describe('Through the gateway, in the latest 14 days'),
  refused: z.int().min(0).describe('Refused here; none of the calls'),
})

const tools = object({
  server: object({
    name: z.string(),
    title: z.string().nullable(),
    version: z.string(),
    revision: z.string().describe('Of the Model Context Protocol'),
    seen_at: instant,
  })
    .nullable()
    .describe('What it said of itself last; null: it was not asked, or gave no answer'),
  reading: object({
    read_at: instantOrNull.describe('When a whole list of its tools was read last; null: never'),
    failed: object({
      since: instant.describe('The first failure since then'),
      at: instant.describe('The last one'),
      why: z
        .enum(readingFailures)
        .describe(
          '`no_token`: none could be had from the connection that asked. `refused`: the server refused it. `no_revision`: it speaks none that Valetkey speaks. `no_list`: it names no tools. `too_long`: it has more than are kept',
        ),
    })
      .nullable()
      .describe('Null: the last reading was good'),
  })
    .nullable()
    .describe('How the last reading of its list went, also one in the background; null: nobody has tried'),
  holds_changed: z
    .boolean()
    .describe('Tools that are new, or changed, cannot be called until an admin has looked at them'),
  present: z.int().min(0),
  changed: z.int().min(0).describe('Of those that are present: changed since an admin looked'),
  unseen: z.int().min(0).describe('Of those that are present: no admin has looked at them'),
  gone: z.int().min(0),
  items: z.array(tool).describe('At most 50. First those that changed, then by name; those that are gone are last'),
  next: z.int().nullable().describe('What to `skip` for the next ones; null: these are the last'),
})

export const listTools = operation({
  id: 'listTools',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}/tools',
  summary:
    'Lists what the MCP server of a project offers, as it said last, with the calls of each tool in the latest 14 days: the caller’s own, or everybody’s for admins and auditors. Asks no upstream',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  query: object({
    skip: z.coerce.number().int().min(0).max(10_000).optional().describe('As many as `next` of the page before says'),
  }),
  answer: { status: 200, schema: tools },
  limit: 'read',
})

/** Whatever the server answers then counts for everybody who linked the project, so a program needs what issuing needs. */
export const refreshTools = operation({
  id: 'refreshTools',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/tools/refresh',
  summary: 'Asks the MCP server of a project what it offers, with the caller’s own connection',
  permission: 'work',
  scope: 'tokens:issue',
  audit: [...refreshEvents, 'access.read'],
  body: object({}),
  answer: { status: 200, schema: tools },
  errors: upstreamErrors,
  limit: 'check',
})

/** Names as rights have them (lib/providers/mcp/rights.ts). */
const reviewed = object({
  name: z.string().min(1).max(500),
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be the hash that the list of tools has'),
})

export const reviewTools = operation({
  id: 'reviewTools',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/tools/review',
  summary:
    'Says that tools were looked at, each in the form that its hash names; one that has changed since stays as it was',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'tools.reviewed',
  body: object({ tools: z.array(reviewed).min(1).max(200) }),
  answer: {
    status: 200,
    schema: object({
      reviewed: z.array(z.string()).describe('They count as looked at'),
      changed: z.array(z.string()).describe('They are no longer what was looked at: look once more'),
    }),
  },
  limit: 'write',
})
