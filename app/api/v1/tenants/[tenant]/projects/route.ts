import { projectCards } from '@/lib/broker/read/project.ts'
import { api } from '@/lib/http/api.ts'
import { listProjects } from '@/lib/http/wire/projects.ts'

export const GET = api(listProjects, async ({ ctx, actor }) => ({
  items: await projectCards(ctx, actor),
}))
