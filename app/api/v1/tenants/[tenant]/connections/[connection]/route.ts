import { setBranch } from '@/lib/broker/projects.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { changeConnection, readConnection } from '@/lib/http/wire/connections.ts'

export const GET = api(readConnection, ({ ctx, actor, params }) => connectionDetail(ctx, actor, params.connection))

export const PATCH = api(changeConnection, ({ ctx, actor, params, body }) =>
  setBranch(ctx, actor, { connectionId: params.connection, branchId: body.branch }),
)
