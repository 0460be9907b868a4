import { type FreezableFilter, freezeSelection } from '@/lib/broker/freeze-selection.ts'
import { api } from '@/lib/http/api.ts'
import { freezeSelection as operation } from '@/lib/http/wire/freezes.ts'
import { toRevocable } from '@/lib/http/wire/selections.ts'

export const POST = api(operation, ({ ctx, actor, body: { asOf, count, reason, until, ids, ...chosen } }) => {
  const filter = { ...toRevocable(chosen), kind: chosen.kind, ids } satisfies FreezableFilter
  return freezeSelection(ctx, actor, { selection: { filter, asOf }, count, reason, until })
})
