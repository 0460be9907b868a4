import { toolPage } from '@/lib/broker/read/tools.ts'
import { api } from '@/lib/http/api.ts'
import { listTools } from '@/lib/http/wire/tools.ts'

export const GET = api(listTools, ({ ctx, actor, params, query }) =>
  toolPage(ctx, actor, { project: params.project, skip: query.skip }),
)
