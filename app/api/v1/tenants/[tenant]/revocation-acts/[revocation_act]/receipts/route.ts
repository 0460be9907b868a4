import { signReceipt } from '@/lib/broker/receipts.ts'
import { api } from '@/lib/http/api.ts'
import { signRevocationReceipt } from '@/lib/http/wire/revocations.ts'

export const POST = api(signRevocationReceipt, async ({ ctx, actor, params, headers }) => {
  const receipt = await signReceipt(ctx, actor, params.revocation_act)
  headers.set('content-disposition', `attachment; filename="receipt-${params.revocation_act}.jws"`)
  return (async function* () {
    yield receipt
  })()
})
