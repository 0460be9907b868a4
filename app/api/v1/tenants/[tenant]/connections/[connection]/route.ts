import { setBranch } from '@/lib/broker/inventory.ts'
import { api } from '@/lib/http/api.ts'
import { changeConnection } from '@/lib/http/operations/links.ts'

export const PATCH = api(changeConnection, async ({ ctx, actor, params, body }) => {
  await setBranch(ctx, actor, { connectionId: params.connection, branchId: body.branch })
  return undefined
})
