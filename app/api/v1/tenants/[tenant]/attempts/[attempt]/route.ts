import { readAttempt } from '@/lib/broker/link/attempt.ts'
import { cancelLink } from '@/lib/broker/link/start.ts'
import { api } from '@/lib/http/api.ts'
import { cancelLink as cancelLinkOperation, readAttempt as readAttemptOperation } from '@/lib/http/wire/links.ts'
import { toAttempt } from '@/lib/http/wire/views.ts'

export const GET = api(readAttemptOperation, async ({ ctx, actor, params }) =>
  toAttempt(await readAttempt(ctx, actor, params.attempt)),
)

export const DELETE = api(cancelLinkOperation, async ({ ctx, actor, params }) => {
  await cancelLink(ctx, actor, params.attempt)
  return undefined
})
