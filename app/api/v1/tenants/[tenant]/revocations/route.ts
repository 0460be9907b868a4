import { unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { revoke } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { listRevocations, revoke as revokeOperation } from '@/lib/http/wire/revocations.ts'
import { toRevoked, toUnconfirmed } from '@/lib/http/wire/views.ts'

export const GET = api(listRevocations, async ({ ctx, actor }) => ({
  items: (await unconfirmedRevocations(ctx, actor)).map(toUnconfirmed),
}))

export const POST = api(revokeOperation, async ({ ctx, actor, body }) => ({
  items: (await revoke(ctx, actor, body)).map(toRevoked),
}))
