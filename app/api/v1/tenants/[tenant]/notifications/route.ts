import { notificationPage } from '@/lib/broker/notifications.ts'
import { api } from '@/lib/http/api.ts'
import { listNotifications } from '@/lib/http/wire/notifications.ts'

export const GET = api(listNotifications, ({ ctx, actor, query: { before, unread } }) =>
  notificationPage(ctx, actor, { before, unread: unread === '1' }),
)
