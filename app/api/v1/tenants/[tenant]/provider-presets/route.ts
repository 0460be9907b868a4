import { presetList } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import { listPresets } from '@/lib/http/wire/providers.ts'

export const GET = api(listPresets, async () => ({ items: presetList() }))
