import { z } from 'zod'
import { operation } from '../operation.ts'
import { alias, id, instant, line, object, role } from './schemas.ts'

export const invitation = object({ id, role, note: z.string().nullable(), created_by: id, expires_at: instant })

export const invitationPreview = object({
  tenant: z.string(),
  role,
  state: z.enum(['open', 'used', 'over']).describe('`over`: too old, or whoever made it can no longer give this role'),
  expires_at: instant,
})

const secret = z.string().regex(/^[!-~]{1,200}$/, 'must be the part after the # in the link')

/** A POST, because the secret belongs into no address. */
export const previewInvitation = operation({
  id: 'previewInvitation',
  method: 'POST',
  path: '/api/v1/invitations/preview',
  summary: 'Returns the tenant and role of an invitation, given its secret',
  permission: 'public',
  scope: 'none',
  audit: 'none',
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
  scope: 'cookie only',
  audit: 'member.added',
  body: object({ secret }),
  answer: { status: 200, schema: object({ slug: alias }) },
  errors: ['invitation_unknown'],
  limit: 'write',
})

export const listInvitations = operation({
  id: 'listInvitations',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/invitations',
  summary: 'Lists open invitations, newest first',
  permission: 'administer',
  scope: 'tenant:read',
  audit: 'none',
  query: object({ before: id.optional().describe('`next` of the page before') }),
  answer: { status: 200, schema: object({ items: z.array(invitation), next: id.nullable() }) },
  limit: 'read',
})

export const createInvitation = operation({
  id: 'createInvitation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/invitations',
  summary: 'Creates an invitation; only this response contains its link',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'invitation.created',
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
  scope: 'cookie only',
  audit: 'invitation.withdrawn',
  answer: { status: 204 },
  limit: 'write',
})
