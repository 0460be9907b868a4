import { liftFreeze } from '@/lib/broker/freezes.ts'
import { BrokerError } from '@/lib/errors.ts'
import { api } from '@/lib/http/api.ts'
import { deleteFreeze } from '@/lib/http/wire/freezes.ts'
import { freezeKinds } from '@/lib/store/freezes.ts'

export const DELETE = api(deleteFreeze, ({ ctx, actor, params }) => {
  const kind = freezeKinds.find((one) => one === params.kind)
  if (!kind) throw new BrokerError('not_found')
  return liftFreeze(ctx, actor, { kind, id: params.id })
})
