import { revocationEndpoint } from '@/lib/http/authserver.ts'

export const POST = revocationEndpoint()
