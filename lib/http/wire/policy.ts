import { z } from 'zod'
import { clientDocuments, deviceFlows } from '../../store/policies.ts'
import { operation } from '../operation.ts'
import { object } from './schemas.ts'

/** What a tenant says for itself as a whole. */
const policy = object({
  device_flow: z
    .enum(deviceFlows)
    .describe('How members let devices in: by typing the code, also by a link that brings it, or not at all'),
  client_documents: z
    .enum(clientDocuments)
    .describe(
      'Which programs that nobody registered members may let in at gateways of MCP servers: none, those whose answers stay at the member’s own computer, or any',
    ),
})

export const readPolicy = operation({
  id: 'readPolicy',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/policy',
  summary: 'Returns what the tenant allows as a whole',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: policy },
  limit: 'read',
})

export const changePolicy = operation({
  id: 'changePolicy',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/policy',
  summary: 'Changes what the tenant allows as a whole',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'policy.changed',
  body: policy.partial(),
  answer: { status: 200, schema: policy },
  limit: 'write',
})
