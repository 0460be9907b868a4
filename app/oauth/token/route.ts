import { tokenEndpoint } from '@/lib/http/authserver.ts'

export const POST = tokenEndpoint()
