import { startAsked } from '@/lib/broker/link/ask.ts'
import { api } from '@/lib/http/api.ts'
import { ensureLinkBrowser } from '@/lib/http/browser.ts'
import { startLinkRequest } from '@/lib/http/wire/link-requests.ts'

export const POST = api(startLinkRequest, async ({ ctx, actor, params, request, headers }) => {
  const { attemptId, url, expiresAt } = await startAsked(ctx, actor, {
    requestId: params.link_request,
    browser: ensureLinkBrowser(request.headers, headers),
  })
  return { id: attemptId, url, expiresAt }
})
