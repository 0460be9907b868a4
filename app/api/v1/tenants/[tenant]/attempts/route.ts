import { openAttempts } from '@/lib/broker/link/attempt.ts'
import { startLink } from '@/lib/broker/link/start.ts'
import { api } from '@/lib/http/api.ts'
import { ensureLinkBrowser } from '@/lib/http/browser.ts'
import { listAttempts, startLink as startLinkOperation } from '@/lib/http/wire/attempts.ts'

export const GET = api(listAttempts, async ({ ctx, actor }) => ({
  items: await openAttempts(ctx, actor),
}))

export const POST = api(startLinkOperation, async ({ ctx, actor, body, request, headers }) => {
  const { attemptId, url, expiresAt } = await startLink(ctx, actor, {
    providerId: body.provider,
    alias: body.alias,
    connectionId: body.connection,
    flow: body.flow,
    popup: body.popup,
    browser: ensureLinkBrowser(request.headers, headers),
  })
  return { id: attemptId, url, expiresAt }
})
