import { z } from 'zod'
import { operation, upstreamErrors } from '../operation.ts'
import { alias, items, object } from './schemas.ts'
import { cap, project, projectDetail } from './views.ts'

const choice = object({ id: z.string(), name: z.string() })

export const listProjects = operation({
  id: 'listProjects',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects',
  summary: 'Lists projects: those the caller linked, or all for admins and auditors',
  permission: 'read',
  answer: { status: 200, schema: items(project) },
  limit: 'read',
})

export const readProject = operation({
  id: 'readProject',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'Returns one project, by id or by any current or former alias',
  permission: 'read',
  answer: { status: 200, schema: projectDetail },
  limit: 'read',
})

export const changeProject = operation({
  id: 'changeProject',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'Changes the alias of a project; former aliases keep working',
  permission: 'work',
  body: object({ alias }),
  answer: { status: 200, schema: projectDetail },
  errors: ['alias_taken'],
  limit: 'write',
})

/** A POST, because asking the upstream may rotate a token, and a GET changes nothing (C-12). */
export const readScopes = operation({
  id: 'readScopes',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/scopes',
  summary: 'Lists the rights that a token of this project can have, as the upstream reports them',
  permission: 'work',
  body: object({}),
  answer: {
    status: 200,
    schema: object({
      components: z.array(choice),
      buckets: z.array(choice),
      /** The caller's, as the upstream calls it. */
      role: z.string().nullable(),
      cap,
    }),
  },
  errors: upstreamErrors,
  limit: 'write',
})
