import { handleAuth } from '@/lib/http/signin.ts'

export const GET = handleAuth
export const POST = handleAuth
