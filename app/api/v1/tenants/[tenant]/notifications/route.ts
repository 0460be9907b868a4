import { notificationPage } from '@/lib/broker/notifications.ts'
import { api } from '@/lib/http/api.ts'
import { listNotifications } from '@/lib/http/wire/notifications.ts'
import { toNotification } from '@/lib/http/wire/views.ts'

export const GET = api(listNotifications, async ({ ctx, actor, query }) => {
  const { items, next, unread, unreadIsCapped } = await notificationPage(ctx, actor, {
    before: query.before,
    unread: query.unread === '1',
  })
  return { items: items.map(toNotification), next, unread, unread_is_capped: unreadIsCapped }
})
