import { z } from 'zod'
import { idPattern } from '../../security/ids.ts'
import { requestKinds } from '../../store/requests.ts'
import { operation } from '../operation.ts'
import { id, instant, object, page } from './schemas.ts'
import { chosen, clientId, request } from './selections.ts'

const named = object({ id, name: z.string() }).nullable()
const anyId = (['attempt', 'link_request', 'authorization'] as const).map((kind) => idPattern(kind).source.slice(1, -1))

/** What is open and would let somebody or something in once it is answered. */
const openRequest = object({
  id,
  kind: z.enum(requestKinds).describe(request.description ?? ''),
  owner_id: id.nullable().describe('Whom it waits for, or who began it; null: nobody has typed its code yet'),
  provider: named.describe('Of a link'),
  project: named.describe('That a program asks its person to link'),
  client: named.describe('The program that asks, or is to be let in'),
  approved: z.boolean().describe('A person has allowed it, and its program has not fetched what it got'),
  address: z.string().nullable().describe('Of the program, as it began'),
  created_at: instant,
  expires_at: instant,
})

export const listRequests = operation({
  id: 'listRequests',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/requests',
  summary: 'Lists what is open in the tenant and would let somebody or something in, what ends soonest first',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'access.read',
  query: object({
    search: chosen.search,
    owner: chosen.owner,
    provider: chosen.provider,
    client: clientId.optional(),
    request: request.optional(),
    before: z
      .string()
      .regex(new RegExp(`^[0-9]{13}~(?:${anyId.join('|')})$`), 'must be `next` of a page before')
      .optional()
      .describe('`next` of the page before'),
  }),
  answer: { status: 200, schema: page(openRequest) },
  limit: 'read',
})
