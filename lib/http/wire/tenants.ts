import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { alias, id, items, line, name, object, role } from './schemas.ts'
import { ending, invitation, invitationPreview, member } from './views.ts'

export const createTenant = operation({
  id: 'createTenant',
  method: 'POST',
  path: '/api/v1/tenants',
  summary: 'Creates a tenant with the caller as its owner',
  permission: 'session',
  body: object({ name, slug: alias }),
  answer: { status: 201, schema: object({ slug: alias }) },
  errors: ['forbidden', 'slug_taken'],
  limit: 'write',
})

const secret = z.string().regex(/^[!-~]{1,200}$/, 'must be the part after the # in the link')

/** A POST, because the secret belongs into no address. */
export const previewInvitation = operation({
  id: 'previewInvitation',
  method: 'POST',
  path: '/api/v1/invitations/preview',
  summary: 'Returns the tenant and role of an invitation, given its secret',
  permission: 'public',
  body: object({ secret }),
  answer: { status: 200, schema: invitationPreview },
  errors: ['invitation_unknown'],
  limit: 'invitation',
})

export const acceptInvitation = operation({
  id: 'acceptInvitation',
  method: 'POST',
  path: '/api/v1/invitations/accept',
  summary: 'Accepts an invitation and makes the caller a member',
  permission: 'session',
  body: object({ secret }),
  answer: { status: 200, schema: object({ slug: alias }) },
  errors: ['invitation_unknown'],
  limit: 'write',
})

export const listMembers = operation({
  id: 'listMembers',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/members',
  summary: 'Lists the members of the tenant',
  permission: 'read',
  answer: { status: 200, schema: items(member) },
  limit: 'read',
})

export const changeMember = operation({
  id: 'changeMember',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/members/{user}',
  summary: 'Changes a member’s role, suspends them, or reinstates them',
  permission: 'administer',
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
  answer: { status: 200, schema: ending },
  limit: 'read',
})

export const listInvitations = operation({
  id: 'listInvitations',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/invitations',
  summary: 'Lists open invitations, newest first',
  permission: 'administer',
  /** `next` of the page before. */
  query: object({ before: id.optional() }),
  answer: { status: 200, schema: object({ items: z.array(invitation), next: id.nullable() }) },
  limit: 'read',
})

export const createInvitation = operation({
  id: 'createInvitation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/invitations',
  summary: 'Creates an invitation; only this response contains its link',
  permission: 'administer',
  body: object({ role, note: line(200).optional() }),
  answer: {
    status: 201,
    // The secret stands in the fragment, which no server and no log ever sees.
    schema: object({ ...invitation.pick({ id: true, role: true, expires_at: true }).shape, url: z.url() }),
  },
  errors: ['too_many_invitations'],
  limit: 'write',
})

export const deleteInvitation = operation({
  id: 'deleteInvitation',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/invitations/{invitation}',
  summary: 'Withdraws an invitation',
  permission: 'administer',
  answer: { status: 204 },
  limit: 'write',
})
