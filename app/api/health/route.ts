import { api } from '@/lib/http/api.ts'
import { health } from '@/lib/http/wire/instance.ts'

export const GET = api(health, async () => ({ status: 'ok' as const }))
