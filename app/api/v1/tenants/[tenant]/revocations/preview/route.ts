import { previewSelection } from '@/lib/broker/read/selection.ts'
import { api } from '@/lib/http/api.ts'
import { previewRevocation } from '@/lib/http/wire/revocations.ts'
import { toFilter, toPreview } from '@/lib/http/wire/selections.ts'

export const POST = api(previewRevocation, async ({ ctx, actor, body }) =>
  toPreview(await previewSelection(ctx, actor, toFilter(body))),
)
