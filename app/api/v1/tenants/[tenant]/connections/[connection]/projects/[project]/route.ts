import { leaveProject } from '@/lib/broker/leave-project.ts'
import { api } from '@/lib/http/api.ts'
import { leaveProject as operation } from '@/lib/http/wire/connections.ts'

export const DELETE = api(operation, ({ ctx, actor, params }) =>
  leaveProject(ctx, actor, { connectionId: params.connection, projectId: params.project }),
)
