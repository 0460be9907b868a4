import { projectCards } from '@/lib/broker/read/project.ts'
import { api } from '@/lib/http/api.ts'
import { listProjects } from '@/lib/http/wire/projects.ts'
import { toProject } from '@/lib/http/wire/views.ts'

export const GET = api(listProjects, async ({ ctx, actor }) => ({
  items: (await projectCards(ctx, actor)).map(toProject),
}))
