import { readScopeChoices } from '@/lib/broker/choices.ts'
import { api } from '@/lib/http/api.ts'
import { readScopes } from '@/lib/http/wire/projects.ts'

export const POST = api(readScopes, async ({ ctx, actor, params }) => {
  const { choices, cap } = await readScopeChoices(ctx, actor, params.project)
  return { ...choices, cap }
})
