import { readScopeChoices } from '@/lib/broker/issue.ts'
import { api } from '@/lib/http/api.ts'
import { readScopes } from '@/lib/http/wire/projects.ts'

export const POST = api(readScopes, async ({ ctx, actor, params }) => {
  const { components, buckets, role, cap } = await readScopeChoices(ctx, actor, params.project)
  return { components, buckets, role: role ?? null, cap }
})
