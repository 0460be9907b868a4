import { z } from 'zod'
import { operation, upstreamErrors } from '../operation.ts'
import { alias, items, object } from './schemas.ts'
import { cap, project, projectDetail } from './views.ts'

export const listProjects = operation({
  id: 'listProjects',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects',
  summary: 'Projects that the caller linked; every project for who oversees the tenant',
  permission: 'read',
  answer: { status: 200, schema: items(project) },
  limit: 'read',
})

export const readProject = operation({
  id: 'readProject',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'One project, by id or by any alias it ever had',
  permission: 'read',
  answer: { status: 200, schema: projectDetail },
  limit: 'read',
})

export const changeProject = operation({
  id: 'changeProject',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'Gives a project another alias; old ones keep resolving',
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
  summary: 'What can be chosen for a token of this project, asked at the upstream',
  permission: 'work',
  body: object({}),
  answer: {
    status: 200,
    /** Beside the cap, whatever the kind of the provider offers. */
    schema: z.looseObject({ cap }),
  },
  errors: upstreamErrors,
  limit: 'write',
})
