import { api } from '@/lib/http/api.ts'
import { reportCsp } from '@/lib/http/wire/instance.ts'

export const POST = api(reportCsp, async ({ ctx, body, requestId }) => {
  const report = body['csp-report']
  ctx.log.warn(
    {
      request: requestId,
      directive: report['effective-directive'] ?? report['violated-directive']?.split(' ')[0],
      // Origin and path alone: a query may hold what no log may (V-08).
      document: withoutQuery(report['document-uri']),
      blocked: withoutQuery(report['blocked-uri']),
      line: report['line-number'],
    },
    'blocked by content security policy',
  )
})

const withoutQuery = (text: string | undefined) => text?.split(/[?#]/)[0]?.slice(0, 200)
