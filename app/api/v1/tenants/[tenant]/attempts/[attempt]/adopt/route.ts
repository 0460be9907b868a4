import { adoptLink } from '@/lib/broker/link/complete.ts'
import { api } from '@/lib/http/api.ts'
import { linkBrowser } from '@/lib/http/browser.ts'
import { adoptLink as adoptLinkOperation } from '@/lib/http/wire/attempts.ts'

export const POST = api(adoptLinkOperation, async ({ ctx, actor, params, body, request }) => {
  const browser = linkBrowser(request.headers) ?? ''
  const { projectId } = await adoptLink(ctx, actor, { attemptId: params.attempt, alias: body.alias, browser })
  return { project: projectId }
})
