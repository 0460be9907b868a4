import { issueToken } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { issueToken as issueTokenOperation } from '@/lib/http/wire/tokens.ts'

export const POST = api(issueTokenOperation, async ({ ctx, actor, params, body: { expiresIn, ...body } }) => {
  const { token, value, tokenType, baseUrl } = await issueToken(ctx, actor, {
    ...body,
    project: params.project,
    lifetimeSeconds: expiresIn,
  })
  return {
    token,
    value: value.reveal(),
    expiresIn: Math.max(0, Math.round((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    tokenType,
    baseUrl,
  }
})
