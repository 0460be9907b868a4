import { api } from '@/lib/http/api.ts'
import { previewInvitation } from '@/lib/http/operations/tenants.ts'
import { toInvitationPreview } from '@/lib/http/views.ts'
import { invitationPreview } from '@/lib/tenancy/members.ts'

export const POST = api(previewInvitation, async ({ ctx, body }) =>
  toInvitationPreview(await invitationPreview(ctx, body.secret)),
)
