import { api } from '@/lib/http/api.ts'
import { deleteInvitation } from '@/lib/http/wire/invitations.ts'
import { withdrawInvitation } from '@/lib/tenancy/invitations.ts'

export const DELETE = api(deleteInvitation, ({ ctx, actor, params }) =>
  withdrawInvitation(ctx, actor, params.invitation),
)
