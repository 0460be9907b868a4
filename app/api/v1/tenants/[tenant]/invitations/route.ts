import { api } from '@/lib/http/api.ts'
import { createInvitation, listInvitations } from '@/lib/http/wire/invitations.ts'
import { invitationPage, invite } from '@/lib/tenancy/invitations.ts'

export const GET = api(listInvitations, ({ ctx, actor, query }) => invitationPage(ctx, actor, query))

export const POST = api(createInvitation, async ({ ctx, actor, body }) => {
  const { invitation, secret } = await invite(ctx, actor, body)
  return { ...invitation, url: `${ctx.config.origin}/invitation#${secret.reveal()}` }
})
