import { operation } from '../operation.ts'
import { alias, name, object } from './schemas.ts'

export const createTenant = operation({
  id: 'createTenant',
  method: 'POST',
  path: '/api/v1/tenants',
  summary: 'Creates a tenant with the caller as its owner',
  permission: 'session',
  scope: 'cookie only',
  audit: 'tenant.created',
  body: object({ name, slug: alias }),
  answer: { status: 201, schema: object({ slug: alias }) },
  errors: ['forbidden', 'slug_taken'],
  limit: 'write',
})
