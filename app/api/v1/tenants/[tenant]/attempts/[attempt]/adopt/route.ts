import { adoptLink } from '@/lib/broker/link.ts'
import { api } from '@/lib/http/api.ts'
import { adoptLink as adoptLinkOperation } from '@/lib/http/operations/links.ts'

export const POST = api(adoptLinkOperation, async ({ ctx, actor, params, body }) => {
  const { projectId } = await adoptLink(ctx, actor, { attemptId: params.attempt, alias: body.alias })
  return { project: projectId }
})
