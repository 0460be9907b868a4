import { resumeLink } from '@/lib/broker/link/start.ts'
import { api } from '@/lib/http/api.ts'
import { linkBrowser } from '@/lib/http/browser.ts'
import { resumeLink as resumeLinkOperation } from '@/lib/http/wire/attempts.ts'

export const POST = api(resumeLinkOperation, ({ ctx, actor, params, request }) =>
  resumeLink(ctx, actor, { attemptId: params.attempt, browser: linkBrowser(request.headers) ?? '' }),
)
