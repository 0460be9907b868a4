import { type IssuedToken, issueToken } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { issueToken as issueTokenOperation } from '@/lib/http/wire/tokens.ts'

export const POST = api(issueTokenOperation, async ({ ctx, actor, params, body: { expiresIn, ...body }, once }) => {
  const told = ({ value, ...issued }: IssuedToken) => ({
    ...issued,
    value: value.reveal(),
    expiresIn: Math.max(0, Math.round((issued.token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
  })
  const input = { ...body, project: params.project, lifetimeSeconds: expiresIn, once: once(told) }
  return told(await issueToken(ctx, actor, input))
})
