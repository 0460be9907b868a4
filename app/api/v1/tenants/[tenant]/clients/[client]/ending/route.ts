import { clientEnding } from '@/lib/broker/clients.ts'
import { api } from '@/lib/http/api.ts'
import { previewClientEnding } from '@/lib/http/wire/clients.ts'

export const GET = api(previewClientEnding, ({ ctx, actor, params }) => clientEnding(ctx, actor, params.client))
