import { backchannelLogout } from '@/lib/http/logout.ts'

export const POST = backchannelLogout()
