import { api } from '@/lib/http/api.ts'
import { createInvitation, listInvitations } from '@/lib/http/wire/tenants.ts'
import { toInvitation } from '@/lib/http/wire/views.ts'
import { invitationPage, invite } from '@/lib/tenancy/invitations.ts'

export const GET = api(listInvitations, async ({ ctx, actor, query }) => {
  const { items, next } = await invitationPage(ctx, actor, query)
  return { items: items.map(toInvitation), next }
})

export const POST = api(createInvitation, async ({ ctx, actor, body }) => {
  const { invitation, secret } = await invite(ctx, actor, body)
  const { id, role, expires_at } = toInvitation(invitation)
  return { id, role, expires_at, url: `${ctx.config.origin}/invitation#${secret.reveal()}` }
})
