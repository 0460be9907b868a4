import { clientDocument } from '@/lib/broker/registrations.ts'
import { BrokerError } from '@/lib/errors.ts'
import { api } from '@/lib/http/api.ts'
import { readClientDocument } from '@/lib/http/wire/instance.ts'

export const GET = api(readClientDocument, async ({ ctx, params }) => {
  const document = await clientDocument(ctx, params.provider)
  if (!document) throw new BrokerError('not_found')
  return document
})
