import { introspectionEndpoint } from '@/lib/http/authserver.ts'

export const POST = introspectionEndpoint()
