import { probeNarrowing } from '@/lib/broker/probe.ts'
import { api } from '@/lib/http/api.ts'
import { probeProvider } from '@/lib/http/wire/providers.ts'

export const POST = api(probeProvider, ({ ctx, actor, params }) => probeNarrowing(ctx, actor, params.provider))
