import { pushedRequestEndpoint } from '@/lib/http/authserver.ts'

export const POST = pushedRequestEndpoint()
