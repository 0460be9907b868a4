import { inspectLeak as inspect } from '@/lib/broker/leaks.ts'
import { api } from '@/lib/http/api.ts'
import { inspectLeak } from '@/lib/http/wire/leaks.ts'

export const POST = api(inspectLeak, ({ ctx, actor, body }) => inspect(ctx, actor, body))
