import { endingPreview } from '@/lib/broker/end.ts'
import { api } from '@/lib/http/api.ts'
import { previewEnding } from '@/lib/http/wire/members.ts'

export const GET = api(previewEnding, ({ ctx, actor, params }) => endingPreview(ctx, actor, params.user))
