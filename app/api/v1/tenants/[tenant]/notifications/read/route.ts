import { markNotificationsRead } from '@/lib/broker/notifications.ts'
import { api } from '@/lib/http/api.ts'
import { markNotificationsRead as markNotificationsReadOperation } from '@/lib/http/wire/notifications.ts'

export const POST = api(markNotificationsReadOperation, async ({ ctx, actor, body: { ids = [], through } }) => ({
  marked: await markNotificationsRead(ctx, actor, through === undefined ? { ids } : { through }),
}))
