import { z } from 'zod'
import { grantScopes as scopes } from '../../actor.ts'
import { deviceFlows } from '../../store/policies.ts'
import { operation } from '../operation.ts'
import { alias, id, idOf, instant, object, role, text } from './schemas.ts'

const scope = z.enum(scopes)

/** The wire's word for both ways in which a program comes: a device (RFC 8628), or a browser that it sent here. */
export const claimAuthorization = operation({
  id: 'claimAuthorization',
  method: 'POST',
  path: '/api/v1/authorizations/claim',
  summary: 'Makes the caller the one who answers the device with this code',
  permission: 'session',
  scope: 'cookie only',
  audit: 'authorization.claimed',
  /** As it was typed: in any case, with blanks and hyphens. */
  body: object({ user_code: text(64) }),
  answer: { status: 200, schema: object({ id }) },
  errors: ['user_code_unknown'],
  limit: 'write',
})

export const readAuthorization = operation({
  id: 'readAuthorization',
  method: 'GET',
  path: '/api/v1/authorizations/{authorization}',
  summary: 'Returns what a program asks of the caller',
  permission: 'session',
  scope: 'cookie only',
  audit: 'none',
  query: object({
    tenant: alias.optional().describe('For which the caller would answer'),
  }),
  answer: {
    status: 200,
    schema: object({
      id,
      kind: z.enum(['device', 'code']),
      state: z.enum(['open', 'approved', 'denied', 'expired']),
      client: object({ id, name: z.string(), tenant: z.string().nullable(), document: z.string().nullable() }).describe(
        '`tenant`: whose it is, by name; null: it belongs to the instance. `document`: where it says itself what it is, and nobody has registered it; null: an admin did',
      ),
      tenants: z.array(object({ slug: alias, name: z.string(), role, device_flow: z.enum(deviceFlows) })),
      /** What can be given for one of them; null: there is none. */
      chosen: object({
        slug: alias,
        frozen: z.boolean(),
        scopes: z.array(scope),
        withheld: z
          .array(object({ scope, because: z.enum(['device', 'client', 'role']) }))
          .describe('Asked for, and not to be given: never to a device, no longer to this client, or beyond the role'),
        projects: z.array(
          object({
            id,
            name: z.string(),
            alias: z.string(),
            provider: z.string(),
            upstream: z.boolean(),
            proxy: z.boolean(),
          }),
        ),
      }).nullable(),
      gateway: object({
        url: z.string(),
        server: object({
          id,
          name: z.string(),
          provider: z.string(),
          host: z.string(),
        }).nullable(),
      })
        .nullable()
        .describe(
          'Of a request for the gateway of an MCP server: which one; its ceiling is then said as `proxy` of its project. `server` null: the caller cannot use it',
        ),
      redirect_host: z.string().nullable(),
      address: z.string().nullable().describe('Of the program that began it'),
      agent: z.string().nullable(),
      same_network: z
        .boolean()
        .nullable()
        .describe('Whether it came from the network that the caller is in; null: not known'),
      sign_in_again: z.boolean().describe('The program wants them to have signed in more lately'),
      created_at: instant,
      expires_at: instant,
    }),
  },
  errors: ['not_found'],
  limit: 'read',
})

/** As the kind of the project's provider has them, or rules of the proxy; null: whatever policy allows. */
const limit = z.record(z.string(), z.unknown()).nullable().optional()
const projectsMax = 200
const answered = object({
  redirect_to: z.string().nullable().describe('Where the browser goes with the answer; null: a device asks for it'),
})

export const approveAuthorization = operation({
  id: 'approveAuthorization',
  method: 'POST',
  path: '/api/v1/authorizations/{authorization}/approval',
  summary: 'Gives a program what it asked for, or less of it',
  permission: 'session',
  scope: 'cookie only',
  fresh: true,
  audit: 'authorization.approved',
  body: object({
    tenant: alias,
    scopes: z.array(scope).max(scopes.length),
    /** By project, what it may issue tokens for at most; left out: nothing. */
    ceilings: z
      .record(idOf('project'), object({ rights: limit, proxy: limit }))
      .refine((given) => Object.keys(given).length <= projectsMax, `must be at most ${projectsMax} projects`)
      .meta({ maxProperties: projectsMax }),
  }),
  answer: { status: 200, schema: answered },
  errors: ['not_found', 'session_refused', 'request_over', 'over_policy', 'frozen'],
  limit: 'write',
})

export const denyAuthorization = operation({
  id: 'denyAuthorization',
  method: 'POST',
  path: '/api/v1/authorizations/{authorization}/denial',
  summary: 'Turns a program down; its next question tells it so',
  permission: 'session',
  scope: 'cookie only',
  audit: ['authorization.denied', 'authorization.reported'],
  body: object({
    not_me: z.boolean().describe('The caller did not begin it: somebody else did'),
  }),
  answer: { status: 200, schema: answered },
  errors: ['not_found', 'request_over'],
  limit: 'revoke',
})

export const releaseAuthorization = operation({
  id: 'releaseAuthorization',
  method: 'POST',
  path: '/api/v1/authorizations/{authorization}/release',
  summary: 'Gives a device back: its code can be typed again, by anybody',
  permission: 'session',
  scope: 'cookie only',
  audit: 'authorization.released',
  answer: { status: 204 },
  errors: ['not_found', 'request_over'],
  limit: 'write',
})
