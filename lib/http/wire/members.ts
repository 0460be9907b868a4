import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { id, instant, instantOrNull, items, line, object, role } from './schemas.ts'

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
  webhooks: z.int().describe('That they made: these go on, and another admin must take them over'),
  webhook_hosts: z.array(z.string()).describe('Where those tell, for who administers'),
  used_lately: z.int().describe('Of the tokens: known to have been used within the last hour'),
})

const memberSession = object({
  id,
  agent: z.string().nullable(),
  created_at: instant,
  expires_at: instant,
  address: z.string().nullable().describe('Of the sign-in; of your own sessions alone'),
  last_active_at: instantOrNull.describe('Of your own sessions alone: it tells of other tenants, too'),
  current: z.boolean().describe('The one that asks'),
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
  audit: 'member.changed',
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
  audit: ['member.removed', 'member.left'],
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

export const revokeEverything = operation({
  id: 'revokeEverything',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/members/{user}/revocation',
  summary:
    'Revokes everything that one person holds here: sessions, connections, tokens, devices, apps and open invitations; and blocks their sign-in',
  permission: 'read',
  scope: 'tenant:manage',
  audit: 'member.revoked',
  body: object({
    block: z
      .boolean()
      .optional()
      .describe('Suspends them as well, so that a new sign-in does not let them in. True unless you revoke your own'),
    reason: line(200).optional(),
  }),
  answer: {
    status: 200,
    schema: object({
      act: id.describe('How it goes on: readRevocationAct'),
      sessions: z.int(),
      connections: z.int(),
      tokens: z.int(),
      grants: z.int(),
      invitations: z.int(),
      blocked: z.boolean(),
      already: z.boolean().describe('Nothing was left to end'),
    }),
  },
  limit: 'revoke',
})

export const listMemberSessions = operation({
  id: 'listMemberSessions',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/members/{user}/sessions',
  summary: 'Lists the sessions of a member that this tenant accepts: the newest 100',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'access.read',
  answer: { status: 200, schema: items(memberSession) },
  limit: 'read',
})

export const endMemberSession = operation({
  id: 'endMemberSession',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/members/{user}/sessions/{session}',
  summary: 'Ends a session of a member for this tenant; one of your own everywhere',
  permission: 'read',
  scope: 'tenant:manage',
  audit: 'member.session_ended',
  body: object({}),
  answer: { status: 204 },
  limit: 'revoke',
})
