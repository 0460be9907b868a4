import { z } from 'zod'
import { operation } from '../operation.ts'
import { frozen } from './freezes.ts'
import { id, instant, instantOrNull, object, page, rightLine } from './schemas.ts'
import { chosen, clientId, placed, program } from './selections.ts'

/** What may be issued at most. Null: whatever policy allows; empty: nothing. */
const limit = z.array(rightLine).nullable()

/** What a person gave a program. */
export const grant = object({
  id,
  owner_id: id,
  client: object({ id, name: z.string(), frozen: z.boolean() }).describe('`frozen`: for everybody in this tenant'),
  kind: z
    .enum(['device', 'app'])
    .describe("`device`: the instance's own program, which runs there; everything else is an app"),
  via: z
    .enum(['device', 'code'])
    .describe('How its person let it in: by a code on another device, or in the browser beside it'),
  scopes: z.array(z.string()),
  gateway: z.string().nullable().describe('Of the gateway of an MCP server, where alone it counts; null: at this API'),
  /** By project; what is not here it may not issue for. */
  ceilings: z.array(
    object({
      project: object({ id, name: z.string(), alias: z.string() }),
      rights: limit.describe('Of tokens of the upstream, and of those that work through the proxy'),
      proxy: limit,
    }),
  ),
  address: z.string().nullable().describe('Of the program, when it began; as it told them'),
  agent: z.string().nullable(),
  created_at: instant,
  last_used_at: instantOrNull.describe('In steps of a minute; null: never'),
  last_address: z.string().nullable(),
  expires_at: instantOrNull,
  unused_until: instantOrNull.describe('When it ends by itself unless it is used before; null: it cannot renew'),
  state: z.enum(['live', 'frozen', 'ended']),
  frozen,
  frozen_itself: z.boolean().describe('Itself, whatever else applies to it'),
  cause: z
    .enum(['revoked', 'reuse', 'signed_out', 'expired', 'withdrawn'])
    .nullable()
    .describe(
      'Why it ended. `reuse`: a refresh token came twice; `withdrawn`: its program was removed or changed, or the membership ended',
    ),
  ended_at: instantOrNull,
  ended_by: id.nullable(),
  tokens: z.int().describe('How many living tokens were issued through it'),
})

export const listGrants = operation({
  id: 'listGrants',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/grants',
  summary: 'Lists devices and apps, newest first: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  query: object({
    ...chosen,
    client: clientId.optional(),
    program: program.optional(),
    state: z.enum(['live', 'frozen', 'ended']).optional(),
    everybody: z.literal('1').optional(),
    ...placed('grant'),
  }),
  answer: { status: 200, schema: page(grant) },
  limit: 'read',
})

export const readGrant = operation({
  id: 'readGrant',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/grants/{grant}',
  summary: 'Returns one device or app',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: grant },
  limit: 'read',
})
