import { issueToken } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { issueToken as issueTokenOperation } from '@/lib/http/wire/tokens.ts'
import { toToken } from '@/lib/http/wire/views.ts'

export const POST = api(issueTokenOperation, async ({ ctx, actor, params, body }) => {
  const { components, buckets, manage_buckets, read_all_files } = body.scopes
  const { token, value } = await issueToken(ctx, actor, {
    project: params.project,
    scopes: { components, buckets, manageBuckets: manage_buckets, readAllFiles: read_all_files },
    lifetimeSeconds: body.expires_in,
    purpose: body.purpose,
  })
  return {
    token: toToken(token),
    value: value.reveal(),
    expires_in: Math.max(0, Math.round((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    token_type: 'storage' as const,
    base_url: token.provider.baseUrl,
  }
})
