import { previewProvider } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import { previewProvider as previewProviderOperation } from '@/lib/http/wire/providers.ts'

export const POST = api(previewProviderOperation, ({ ctx, actor, body }) => previewProvider(ctx, actor, body))
