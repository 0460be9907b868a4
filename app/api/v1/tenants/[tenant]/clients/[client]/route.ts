import { changeClient, removeClient } from '@/lib/broker/clients.ts'
import { api } from '@/lib/http/api.ts'
import {
  changeClient as changeClientOperation,
  removeClient as removeClientOperation,
  showClient,
} from '@/lib/http/wire/clients.ts'
import { clientOf } from '@/lib/tenancy/clients.ts'

export const GET = api(showClient, ({ ctx, actor, params }) => clientOf(ctx, actor, params.client))

export const PATCH = api(changeClientOperation, ({ ctx, actor, params, body }) =>
  changeClient(ctx, actor, { clientId: params.client, ...body }),
)

export const DELETE = api(removeClientOperation, ({ ctx, actor, params, body }) =>
  removeClient(ctx, actor, { clientId: params.client, ...body }),
)
