import { markReviewed } from '@/lib/broker/tools.ts'
import { api } from '@/lib/http/api.ts'
import { reviewTools } from '@/lib/http/wire/tools.ts'

export const POST = api(reviewTools, ({ ctx, actor, params, body }) =>
  markReviewed(ctx, actor, { project: params.project, tools: body.tools }),
)
