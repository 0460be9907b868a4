import { readOffer } from '@/lib/broker/read/offer.ts'
import { api } from '@/lib/http/api.ts'
import { readIssueOffer } from '@/lib/http/wire/projects.ts'

export const GET = api(readIssueOffer, ({ ctx, actor, params, query }) =>
  readOffer(ctx, actor, params.project, query.branch),
)
