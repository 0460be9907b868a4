import { deviceAuthorizationEndpoint } from '@/lib/http/authserver.ts'

export const POST = deviceAuthorizationEndpoint()
