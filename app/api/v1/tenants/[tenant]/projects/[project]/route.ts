import { changeAlias } from '@/lib/broker/projects.ts'
import { projectDetail } from '@/lib/broker/read/project.ts'
import { api } from '@/lib/http/api.ts'
import { changeProject, readProject } from '@/lib/http/wire/projects.ts'

export const GET = api(readProject, ({ ctx, actor, params }) => projectDetail(ctx, actor, params.project))

export const PATCH = api(changeProject, async ({ ctx, actor, params, body }) => {
  const { id } = await projectDetail(ctx, actor, params.project)
  await changeAlias(ctx, actor, { projectId: id, alias: body.alias })
  return projectDetail(ctx, actor, id)
})
