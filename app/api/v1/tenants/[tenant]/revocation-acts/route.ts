import { requireScope } from '@/lib/actor.ts'
import { revokeSelection } from '@/lib/broker/acts.ts'
import { api } from '@/lib/http/api.ts'
import { revokeSelection as operation } from '@/lib/http/wire/revocations.ts'
import { toRevocable } from '@/lib/http/wire/selections.ts'

export const POST = api(operation, ({ ctx, actor, body: { asOf, count, reason, ...chosen } }) => {
  if (chosen.kind === 'connections') requireScope(actor, 'connections:manage')
  return revokeSelection(ctx, actor, { selection: { filter: toRevocable(chosen), asOf }, count, reason })
})
