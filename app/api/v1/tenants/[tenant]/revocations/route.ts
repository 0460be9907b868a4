import { requireScope } from '@/lib/actor.ts'
import { unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { revoke, revokeSelected, type SelectedResult } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { listRevocations, revoke as revokeOperation } from '@/lib/http/wire/revocations.ts'
import { toRevocable } from '@/lib/http/wire/selections.ts'

export const GET = api(listRevocations, async ({ ctx, actor }) => ({
  items: await unconfirmedRevocations(ctx, actor),
}))

export const POST = api(revokeOperation, async ({ ctx, actor, body: { selection, reason, ...names } }) => {
  if (names.connections.length > 0 || selection?.kind === 'connections') requireScope(actor, 'connections:manage')
  if (!selection) return told({ items: await revoke(ctx, actor, { ...names, reason }), remaining: 0, next: null })
  const { asOf, count, after, ...chosen } = selection
  const filter = toRevocable(chosen)
  return told(await revokeSelected(ctx, actor, { selection: { filter, asOf }, count, after, reason }))
})

const told = ({ items, ...rest }: SelectedResult) => ({
  items: items.map((one) => ({ ...one, blockedHere: true as const })),
  ...rest,
})
