import { linkCallback } from '@/lib/http/callback.ts'

export const GET = linkCallback()
