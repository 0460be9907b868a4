import { BrokerError } from '@/lib/errors.ts'
import { api } from '@/lib/http/api.ts'
import { readClientKeys } from '@/lib/http/wire/instance.ts'
import { clientKeys } from '@/lib/store/lookups.ts'

export const GET = api(readClientKeys, async ({ ctx, params }) => {
  const keys = await clientKeys(ctx, params.provider)
  if (!keys) throw new BrokerError('not_found')
  return { keys }
})
