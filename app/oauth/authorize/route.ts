import { authorizationEndpoint } from '@/lib/http/authserver.ts'

export const GET = authorizationEndpoint()
