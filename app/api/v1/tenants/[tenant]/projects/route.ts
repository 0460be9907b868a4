import { projectCards } from '@/lib/broker/inventory.ts'
import { api } from '@/lib/http/api.ts'
import { listProjects } from '@/lib/http/operations/projects.ts'
import { toProject } from '@/lib/http/views.ts'

export const GET = api(listProjects, async ({ ctx, actor }) => ({
  items: (await projectCards(ctx, actor)).map(toProject),
}))
