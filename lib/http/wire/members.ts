import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { id, instant, items, line, object, role } from './schemas.ts'

export const member = object({
  user_id: id,
  name: z.string(),
  email: z.string().nullable(),
  role,
  status: z.enum(['active', 'suspended']),
  joined_at: instant,
})

/** What suspending or removing somebody reaches. */
export const ending = object({
  sessions: z.int(),
  connections: z.int(),
  tokens: z.int(),
  grants: z.int().describe('Devices and apps'),
  invitations: z.int(),
  webhooks: z.int(),
})

export const listMembers = operation({
  id: 'listMembers',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/members',
  summary: 'Lists the members of the tenant',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(member) },
  limit: 'read',
})

export const changeMember = operation({
  id: 'changeMember',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/members/{user}',
  summary: 'Changes a member’s role, suspends them, or reinstates them',
  permission: 'administer',
  scope: 'cookie only',
  audit: ['member.changed', 'token.revoked', 'grant.ended'],
  body: object({
    role: role.optional(),
    status: z.enum(['active', 'suspended']).optional(),
    reason: line(200).optional(),
  })
    .refine((change) => change.role !== undefined || change.status !== undefined, 'Set a role or a status.')
    .meta({ anyOf: [{ required: ['role'] }, { required: ['status'] }] }),
  answer: { status: 204 },
  errors: [...vaultErrors, 'last_owner'],
  limit: 'write',
})

export const removeMember = operation({
  id: 'removeMember',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/members/{user}',
  summary: 'Removes a member and revokes their connections and tokens, or lets the caller leave',
  permission: 'read',
  scope: 'tenant:manage',
  audit: ['member.removed', 'member.left', 'connection.revoked', 'token.revoked', 'grant.ended'],
  body: object({ reason: line(200).optional() }),
  answer: { status: 204 },
  errors: [...vaultErrors, 'last_owner'],
  limit: 'write',
})

export const previewEnding = operation({
  id: 'previewEnding',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/members/{user}/ending',
  summary: 'Counts what suspending or removing a member would affect',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'access.read',
  answer: { status: 200, schema: ending },
  limit: 'read',
})
