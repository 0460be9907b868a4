import { declineAsked } from '@/lib/broker/link/ask.ts'
import { api } from '@/lib/http/api.ts'
import { declineLinkRequest } from '@/lib/http/wire/link-requests.ts'

export const POST = api(declineLinkRequest, ({ ctx, actor, params }) => declineAsked(ctx, actor, params.link_request))
