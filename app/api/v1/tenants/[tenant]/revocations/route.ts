import { requireScope } from '@/lib/actor.ts'
import { unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { revoke } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { listRevocations, revoke as revokeOperation } from '@/lib/http/wire/revocations.ts'

export const GET = api(listRevocations, async ({ ctx, actor }) => ({
  items: await unconfirmedRevocations(ctx, actor),
}))

export const POST = api(revokeOperation, async ({ ctx, actor, body }) => {
  if (body.connections.length > 0) requireScope(actor, 'connections:manage')
  const items = await revoke(ctx, actor, body)
  return { items: items.map((one) => ({ ...one, blockedHere: true as const })) }
})
