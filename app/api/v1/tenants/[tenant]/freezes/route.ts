import { freeze, freezeList } from '@/lib/broker/freezes.ts'
import { api } from '@/lib/http/api.ts'
import { createFreeze, listFreezes } from '@/lib/http/wire/freezes.ts'

export const GET = api(listFreezes, async ({ ctx, actor }) => ({
  items: await freezeList(ctx, actor),
}))

export const POST = api(createFreeze, ({ ctx, actor, body }) => freeze(ctx, actor, body))
