import { api } from '@/lib/http/api.ts'
import { deleteInvitation } from '@/lib/http/wire/tenants.ts'
import { withdrawInvitation } from '@/lib/tenancy/invitations.ts'

export const DELETE = api(deleteInvitation, async ({ ctx, actor, params }) => {
  await withdrawInvitation(ctx, actor, params.invitation)
  return undefined
})
