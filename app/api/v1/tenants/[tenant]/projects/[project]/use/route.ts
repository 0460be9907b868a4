import { projectUse } from '@/lib/broker/read/use.ts'
import { api } from '@/lib/http/api.ts'
import { readProjectUse } from '@/lib/http/wire/projects.ts'

export const GET = api(readProjectUse, ({ ctx, actor, params }) => projectUse(ctx, actor, params.project))
