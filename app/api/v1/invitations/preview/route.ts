import { api } from '@/lib/http/api.ts'
import { previewInvitation } from '@/lib/http/wire/tenants.ts'
import { toInvitationPreview } from '@/lib/http/wire/views.ts'
import { invitationPreview } from '@/lib/tenancy/invitations.ts'

export const POST = api(previewInvitation, async ({ ctx, body }) =>
  toInvitationPreview(await invitationPreview(ctx, body.secret)),
)
