import { api } from '@/lib/http/api.ts'
import { testWebhook as testWebhookOperation } from '@/lib/http/wire/webhooks.ts'
import { testWebhook } from '@/lib/webhooks/webhooks.ts'

export const POST = api(testWebhookOperation, ({ ctx, actor, params }) => testWebhook(ctx, actor, params.webhook))
