import { api } from '@/lib/http/api.ts'
import { previewInvitation } from '@/lib/http/wire/invitations.ts'
import { invitationPreview } from '@/lib/tenancy/invitations.ts'

export const POST = api(previewInvitation, async ({ ctx, body }) => {
  const { tenantName, ...preview } = await invitationPreview(ctx, body.secret)
  return { ...preview, tenant: tenantName }
})
