import { metricsRoute } from '@/lib/http/metrics.ts'

export const GET = metricsRoute()
