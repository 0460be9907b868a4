import { reportEndpoint } from '@/lib/http/report.ts'

export const POST = reportEndpoint()
