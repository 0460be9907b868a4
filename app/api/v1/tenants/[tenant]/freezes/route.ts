import { freeze, freezeList } from '@/lib/broker/freezes.ts'
import { api } from '@/lib/http/api.ts'
import { createFreeze, listFreezes } from '@/lib/http/wire/freezes.ts'
import { toFreeze } from '@/lib/http/wire/views.ts'

export const GET = api(listFreezes, async ({ ctx, actor }) => ({
  items: (await freezeList(ctx, actor)).map(toFreeze),
}))

export const POST = api(createFreeze, async ({ ctx, actor, body: { until, ...body } }) => {
  const { freeze: made, already } = await freeze(ctx, actor, { ...body, until: until ? new Date(until) : undefined })
  return { freeze: toFreeze(made), already }
})
