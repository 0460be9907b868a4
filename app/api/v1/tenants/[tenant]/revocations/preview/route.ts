import { previewSelection } from '@/lib/broker/read/selection.ts'
import { api } from '@/lib/http/api.ts'
import { previewRevocation } from '@/lib/http/wire/revocations.ts'
import { toRevocable } from '@/lib/http/wire/selections.ts'

export const GET = api(previewRevocation, ({ ctx, actor, query }) => previewSelection(ctx, actor, toRevocable(query)))
