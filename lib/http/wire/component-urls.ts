import { z } from 'zod'
import { operation, refreshEvents } from '../operation.ts'
import { object } from './schemas.ts'
import { issueErrors, issueOnce, token } from './tokens.ts'

const upstreamName = (max: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_.-]{1,${max}}$`), 'letters, digits, dots, hyphens')

export const makeComponentUrl = operation({
  id: 'makeComponentUrl',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/component-urls',
  summary: 'Makes the address where one component’s configuration is authorized; only this response contains it',
  permission: 'work',
  scope: 'tokens:issue',
  audit: ['token.requested', 'token.issued', 'token.failed', ...refreshEvents],
  body: object({
    component: upstreamName(100),
    configuration: upstreamName(64).describe('Its id'),
    expires_in: z
      .int()
      .min(60)
      .max(3_600)
      .default(3_600)
      .describe('Seconds that the address works; less where policy says so'),
    anyway: z
      .boolean()
      .default(false)
      .describe('Also where the component does not say that it is authorized by somebody'),
  }),
  answer: {
    status: 201,
    schema: object({
      token: token.describe('What the address holds. Revoking it ends the address'),
      url: z.url().describe('As secret as the token that it holds'),
      expires_in: z.int().describe('Seconds from now'),
    }),
  },
  errors: ['no_component_page', 'missing_master_token', 'component_refused', ...issueErrors],
  idempotent: issueOnce,
  limit: 'issue',
})
