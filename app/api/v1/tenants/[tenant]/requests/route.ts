import { requestPage } from '@/lib/broker/read/requests.ts'
import { api } from '@/lib/http/api.ts'
import { listRequests } from '@/lib/http/wire/requests.ts'

export const GET = api(listRequests, ({ ctx, actor, query: { owner, provider, client, ...filter } }) =>
  requestPage(ctx, actor, { ...filter, userId: owner, providerId: provider, clientId: client }),
)
