import { operation, vaultErrors } from '../operation.ts'
import { whereTo } from './attempts.ts'
import { id, instant, object } from './schemas.ts'

export const startLinkRequest = operation({
  id: 'startLinkRequest',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/link-requests/{link_request}/start',
  summary: 'Starts the link that a program asked the caller for; go to `url` in this browser within ten minutes',
  permission: 'work',
  scope: 'cookie only',
  audit: ['link.started', 'connection.worked_again'],
  body: object({}),
  answer: { status: 201, schema: object({ id, url: whereTo, expires_at: instant }) },
  errors: [
    ...vaultErrors,
    'client_not_registered',
    'provider_misconfigured',
    'frozen',
    'over_policy',
    'attempt_expired',
    'attempt_used',
  ],
  limit: 'attempt',
})

export const declineLinkRequest = operation({
  id: 'declineLinkRequest',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/link-requests/{link_request}/decline',
  summary: 'Declines what a program asked the caller for',
  permission: 'work',
  scope: 'cookie only',
  audit: 'link.declined',
  body: object({}),
  answer: { status: 204 },
  errors: ['attempt_expired', 'attempt_used'],
  limit: 'write',
})
