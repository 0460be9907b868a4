import { issueToken } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { issueToken as issueTokenOperation } from '@/lib/http/wire/tokens.ts'
import { toToken } from '@/lib/http/wire/views.ts'

export const POST = api(issueTokenOperation, async ({ ctx, actor, params, body }) => {
  const { token, value, tokenType, baseUrl } = await issueToken(ctx, actor, {
    project: params.project,
    scopes: body.scopes,
    lifetimeSeconds: body.expires_in,
    purpose: body.purpose,
  })
  return {
    token: toToken(token),
    value: value.reveal(),
    expires_in: Math.max(0, Math.round((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    token_type: tokenType,
    base_url: baseUrl,
  }
})
