import { unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { revoke, revokeSelected } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { listRevocations, revoke as revokeOperation } from '@/lib/http/wire/revocations.ts'
import { toFilter, toSelected } from '@/lib/http/wire/selections.ts'
import { toUnconfirmed } from '@/lib/http/wire/views.ts'

export const GET = api(listRevocations, async ({ ctx, actor }) => ({
  items: (await unconfirmedRevocations(ctx, actor)).map(toUnconfirmed),
}))

export const POST = api(revokeOperation, async ({ ctx, actor, body: { selection, reason, ...names } }) => {
  if (!selection) return toSelected({ items: await revoke(ctx, actor, { ...names, reason }), remaining: 0, next: null })
  const { as_of, count, after, ...filter } = selection
  const chosen = { filter: toFilter(filter), asOf: new Date(as_of) }
  return toSelected(await revokeSelected(ctx, actor, { selection: chosen, count, after, reason }))
})
