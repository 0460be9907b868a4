import { issueToken } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { issueToken as issueTokenOperation } from '@/lib/http/wire/tokens.ts'

export const POST = api(issueTokenOperation, async ({ ctx, actor, params, body }) => {
  const { components, buckets, manage_buckets, read_all_files } = body.scopes
  const { token, value } = await issueToken(ctx, actor, {
    project: params.project,
    scopes: { components, buckets, manageBuckets: manage_buckets, readAllFiles: read_all_files },
    lifetimeSeconds: body.expires_in,
    purpose: body.purpose,
  })
  return {
    token,
    value: value.reveal(),
    expiresIn: Math.max(0, Math.round((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    tokenType: 'storage' as const,
    baseUrl: token.provider.baseUrl,
  }
})
