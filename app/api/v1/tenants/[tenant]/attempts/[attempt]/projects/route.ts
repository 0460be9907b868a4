import { chooseProjects, readChoices } from '@/lib/broker/link/complete.ts'
import { api } from '@/lib/http/api.ts'
import { linkBrowser } from '@/lib/http/browser.ts'
import { chooseProjects as choose, readChoices as read } from '@/lib/http/wire/attempts.ts'

export const GET = api(read, ({ ctx, actor, params, request }) =>
  readChoices(ctx, actor, { attemptId: params.attempt, browser: linkBrowser(request.headers) ?? '' }),
)

export const POST = api(choose, async ({ ctx, actor, params, body, request }) => {
  const browser = linkBrowser(request.headers) ?? ''
  const made = await chooseProjects(ctx, actor, { attemptId: params.attempt, browser, projects: body.projects })
  return { project: made.projectId, connection: made.connectionId }
})
