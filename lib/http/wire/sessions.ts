import { z } from 'zod'
import { operation } from '../operation.ts'
import { id, instant, object, page } from './schemas.ts'
import { chosen, placed } from './selections.ts'

/** A session of a member that the tenant accepts. */
const session = object({
  id,
  owner_id: id,
  agent: z.string().nullable(),
  created_at: instant,
  expires_at: instant,
  current: z.boolean().describe('The one that asks'),
})

export const listSessions = operation({
  id: 'listSessions',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/sessions',
  summary: 'Lists the sessions of all members that this tenant accepts, newest first',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'access.read',
  query: object({
    search: chosen.search,
    owner: chosen.owner,
    made_before: chosen.made_before,
    ends_before: chosen.ends_before,
    ends_after: chosen.ends_after,
    ...placed('session'),
    sort: z.enum(['newest', 'ends']).optional().describe('Left out: newest first. `ends`: what ends soonest first'),
  }),
  answer: { status: 200, schema: page(session) },
  limit: 'read',
})
