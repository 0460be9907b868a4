import { readAttempt } from '@/lib/broker/link/attempt.ts'
import { cancelLink } from '@/lib/broker/link/start.ts'
import { api } from '@/lib/http/api.ts'
import { cancelLink as cancelLinkOperation, readAttempt as readAttemptOperation } from '@/lib/http/wire/attempts.ts'

export const GET = api(readAttemptOperation, ({ ctx, actor, params }) => readAttempt(ctx, actor, params.attempt))

export const DELETE = api(cancelLinkOperation, ({ ctx, actor, params }) => cancelLink(ctx, actor, params.attempt))
