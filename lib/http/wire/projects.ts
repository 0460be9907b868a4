import { z } from 'zod'
import { mayBeSet } from '../../client/environment.ts'
import { strategies } from '../../providers/kind.ts'
import { overLives } from '../../store/policies.ts'
import { operation, refreshEvents, upstreamErrors } from '../operation.ts'
import { connectionFacts } from './connections.ts'
import { frozen } from './freezes.ts'
import { providerReference } from './providers.ts'
import { alias, branch, id, items, object } from './schemas.ts'
import { use } from './use.ts'

export const project = object({
  id,
  name: z.string(),
  alias: z.string(),
  external_id: z.string(),
  region: z.string().nullable(),
  provider: object({ ...providerReference.shape, host: z.string(), strategy: z.enum(strategies).nullable() }).describe(
    '`strategy`: how its limited tokens are made; null: it makes none',
  ),
  connection: connectionFacts.nullable().describe("The caller's own; null where they have not linked it"),
  audience: object({ offline: z.boolean() })
    .nullable()
    .describe(
      "The tenant's own, which needs no connection; null: it is linked. `offline`: its tokens are verified without Valetkey",
    ),
  /** Of the strongest freeze that keeps the caller from it. */
  frozen,
  tokens_out: z.int().describe("The caller's own living tokens"),
})

/** The longest life of a token, and whose policy says so. */
export const cap = object({ seconds: z.int(), set_by: z.enum(['project', 'provider', 'tenant', 'person']) })

/** What becomes of a token that its upstream lets live longer, and whose policy says so. */
const overLife = object({ value: z.enum(overLives), set_by: cap.shape.set_by })

export const projectDetail = object({
  ...project.shape,
  aliases: z.array(z.string()).describe('Present and former; all of them resolve'),
  cap,
  over_life: overLife,
})

export const listProjects = operation({
  id: 'listProjects',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects',
  summary: 'Lists projects: those the caller linked, or all for admins and auditors',
  permission: 'read',
  scope: 'projects:read',
  audit: 'none',
  answer: { status: 200, schema: items(project) },
  limit: 'read',
})

export const readProject = operation({
  id: 'readProject',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'Returns one project, by id or by any current or former alias',
  permission: 'read',
  scope: 'projects:read',
  audit: 'none',
  answer: { status: 200, schema: projectDetail },
  limit: 'read',
})

export const readProjectUse = operation({
  id: 'readProjectUse',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}/use',
  summary:
    'Returns how tokens of a project were used through Valetkey in the last 14 days: the caller’s own, or everybody’s for admins and auditors',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: use },
  limit: 'read',
})

export const changeProject = operation({
  id: 'changeProject',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/projects/{project}',
  summary: 'Changes the alias of a project; former aliases keep working',
  permission: 'work',
  scope: 'connections:manage',
  audit: 'project.renamed',
  body: object({ alias }),
  answer: { status: 200, schema: projectDetail },
  errors: ['alias_taken'],
  limit: 'write',
})

/** A variable that a program may be given (lib/client/environment.ts). */
const variable = z.string().refine(mayBeSet, 'a variable that may be set for a program')

export const readIssueOffer = operation({
  id: 'readIssueOffer',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/projects/{project}/offer',
  summary: 'Tells how tokens of this project are made, asked for and used; asks no upstream',
  permission: 'work',
  scope: 'tokens:issue',
  audit: 'none',
  query: object({
    branch: branch
      .optional()
      .describe('The development branch that `environment` names; left out: that of the connection'),
  }),
  answer: {
    status: 200,
    schema: object({
      kind: z.string(),
      api: z.url().describe('The address of its API'),
      strategies: z
        .array(object({ strategy: z.enum(strategies), offered: z.boolean(), reason: z.string() }))
        .describe('Each, with why it is offered or not'),
      ways: z
        .array(
          object({
            strategy: z.enum(strategies),
            token_type: z.string().describe('What the upstream, or the proxy, calls such a token'),
            header: z.string().describe('The header line that carries it; `{token}` stands for it'),
            base_url: z.url().describe('Where the token works; paths of the API follow'),
            rights_schema: z
              .record(z.string(), z.unknown())
              .nullable()
              .describe('JSON Schema of the rights that can be asked for; null: rules of the proxy'),
            longest_seconds: z
              .int()
              .nullable()
              .describe('The longest life of such a token, where that is less than the cap; null: the cap decides'),
            ends_alone: z
              .boolean()
              .describe('Whether one such token can be revoked before its end; otherwise it ends by itself'),
            read_only: z
              .boolean()
              .nullable()
              .describe('Of rules: whether they may be `read_only`; null: there are no rules'),
            named_rules: z
              .array(object({ name: z.string(), title: z.string(), paths: z.array(z.string()) }))
              .describe('Of strategy proxy: rules for common errands; `{name}` stands for one segment to fill in'),
            environment: object({
              token: z.array(variable).describe('Variables that get the value of the token'),
              values: z.record(variable, z.string()).describe('Variables beside it'),
            }).describe('How the tools of its upstream expect the token in the environment of a program'),
          }),
        )
        .describe(
          'Those that are offered; the first is the one unless another is asked for. `proxy` has to be asked for by its name',
        ),
      cap,
    }),
  },
  errors: ['provider_misconfigured'],
  limit: 'read',
})

/** A POST, because asking the upstream may rotate a token, and a GET changes nothing (C-12). */
export const readScopes = operation({
  id: 'readScopes',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/scopes',
  summary: 'Lists the rights that a token of this project can have, as the upstream reports them',
  permission: 'work',
  scope: 'tokens:issue',
  audit: refreshEvents,
  body: object({}),
  answer: {
    status: 200,
    schema: z.looseObject({ cap }).describe('Beside the cap, whatever the kind of the provider offers'),
  },
  errors: upstreamErrors,
  limit: 'write',
})
