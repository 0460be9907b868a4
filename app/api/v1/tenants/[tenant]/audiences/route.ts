import { addAudience, audienceList } from '@/lib/broker/audiences.ts'
import { api } from '@/lib/http/api.ts'
import * as wire from '@/lib/http/wire/audiences.ts'

export const GET = api(wire.listAudiences, async ({ ctx, actor }) => ({ items: await audienceList(ctx, actor) }))

export const POST = api(wire.addAudience, ({ ctx, actor, body }) => addAudience(ctx, actor, body))
