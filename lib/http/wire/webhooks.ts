import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { address, id, idOf, instant, instantOrNull, items, object } from './schemas.ts'

export const webhook = object({
  id,
  url: z.string(),
  enabled: z.boolean(),
  disabled_cause: z.enum(['gone', 'failing']).nullable().describe('Why it was switched off automatically'),
  created_by: id,
  orphaned: z.boolean().describe('Whoever made it administers no more: an admin should take it over'),
  created_at: instant,
  last_success_at: instantOrNull,
  last_failure_at: instantOrNull,
  failing_since: instantOrNull.describe('Of the first failure since the last success'),
  previous_until: instantOrNull.describe(
    'Until when messages carry a second signature, by the key before the last rotation',
  ),
})

export const delivery = object({
  /** What the receiver tells repeats by: the `webhook-id` header. */
  id,
  kind: z.string(),
  state: z.enum(['pending', 'delivered', 'failed']),
  tries: z.int(),
  next_try_at: instantOrNull,
  last_status: z.int().nullable().describe('HTTP status of the last answer'),
  last_error: z
    .string()
    .nullable()
    .describe('not_reached, no_answer, unreadable, http_<status>, webhook_off, interrupted'),
  created_at: instant,
  finished_at: instantOrNull,
})

const url = address(2000)
/** The signing key, `whsec_…` as Standard Webhooks writes it: in this answer alone. */
const withSecret = object({ webhook, secret: z.string() })

export const listWebhooks = operation({
  id: 'listWebhooks',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/webhooks',
  summary: 'Lists webhooks; each receives every notification of the tenant',
  permission: 'administer',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(webhook) },
  limit: 'read',
})

export const createWebhook = operation({
  id: 'createWebhook',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/webhooks',
  summary: 'Adds a webhook (five at most); only this response contains its signing key',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.created',
  body: object({ url }),
  answer: { status: 201, schema: withSecret },
  errors: [...vaultErrors, 'too_many_webhooks'],
  limit: 'write',
})

export const changeWebhook = operation({
  id: 'changeWebhook',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}',
  summary: 'Changes the address of a webhook, switches it on or off, or makes the caller its owner',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.changed',
  body: object({ url: url.optional(), enabled: z.boolean().optional(), owner: z.literal('me').optional() })
    .refine(
      (change) => Object.values(change).some((value) => value !== undefined),
      'Set an address, a state or an owner.',
    )
    .meta({ minProperties: 1 }),
  answer: { status: 200, schema: webhook },
  limit: 'write',
})

export const deleteWebhook = operation({
  id: 'deleteWebhook',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}',
  summary: 'Deletes a webhook and its waiting messages',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.deleted',
  answer: { status: 204 },
  limit: 'write',
})

export const rotateWebhookSecret = operation({
  id: 'rotateWebhookSecret',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}/secret',
  summary:
    'Rotates the signing key; only this response contains the new one. For one day messages are signed with both keys',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.changed',
  body: object({}),
  answer: { status: 200, schema: withSecret },
  errors: vaultErrors,
  limit: 'write',
})

export const testWebhook = operation({
  id: 'testWebhook',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}/test',
  summary: 'Sends one webhook.test message now and returns the result',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.tested',
  body: object({}),
  answer: { status: 200, schema: delivery },
  errors: vaultErrors,
  limit: 'write',
})

export const listDeliveries = operation({
  id: 'listDeliveries',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries',
  summary: 'Lists the messages to a webhook of the last 30 days, newest first',
  permission: 'administer',
  scope: 'tenant:read',
  audit: 'none',
  query: object({ before: idOf('message').optional().describe('`next` of the page before') }),
  answer: { status: 200, schema: object({ items: z.array(delivery), next: id.nullable() }) },
  limit: 'read',
})

export const retryDelivery = operation({
  id: 'retryDelivery',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{delivery}/retry',
  summary: 'Sends a message again with the same id and new retries',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'webhook.changed',
  body: object({}),
  answer: { status: 204 },
  errors: ['webhook_off'],
  limit: 'write',
})
