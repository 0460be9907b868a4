import { setBranch } from '@/lib/broker/projects.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { changeConnection, readConnection } from '@/lib/http/wire/links.ts'
import { toConnectionDetail } from '@/lib/http/wire/views.ts'

export const GET = api(readConnection, async ({ ctx, actor, params }) =>
  toConnectionDetail(await connectionDetail(ctx, actor, params.connection)),
)

export const PATCH = api(changeConnection, async ({ ctx, actor, params, body }) => {
  await setBranch(ctx, actor, { connectionId: params.connection, branchId: body.branch })
  return undefined
})
