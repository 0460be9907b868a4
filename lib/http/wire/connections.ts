import { z } from 'zod'
import { operation, refreshEvents, upstreamErrors, vaultErrors } from '../operation.ts'
import { auditEvent } from './audit-events.ts'
import { frozen } from './freezes.ts'
import { flows, providerReference } from './providers.ts'
import { alias, branch, id, idOf, instant, instantOrNull, object, page, reason, rightLine } from './schemas.ts'
import { chosen, placed } from './selections.ts'

export const flow = z
  .string()
  .nullable()
  .describe('Which of the ways to link of the provider’s kind; null: the ordinary one')

export const connectionFacts = object({
  id,
  owner_id: id,
  account_name: z.string(),
  upstream_role: z.string().nullable().describe('As the upstream calls it'),
  status: z.enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'revoked']),
  cause: z.string().nullable(),
  frozen,
  status_since: instant,
  last_refresh_at: instantOrNull,
  next_try_at: instantOrNull.describe('While it rests after a failure'),
  next_renewal_at: instantOrNull.describe('When the background renews it by itself'),
  serves_until: instantOrNull.describe('Until when the stored access token works, whatever the upstream does'),
  grant_expires_at: instantOrNull.describe('When the grant ends unless it is renewed; null where nobody knows'),
  linked_at: instant,
  flow,
  moves_to: flows.describe('Ways to link that it can be moved to: it keeps its projects, aliases and history'),
  revocable: z.boolean().describe('Whether disconnecting ends the grant at the upstream'),
  branch: z.string().nullable(),
  pasted: object({
    title: z.string().describe('What the upstream calls such a token'),
    token_id: z.string().describe('The upstream’s own'),
    description: z.string(),
    owner: z.string().nullable().describe('Whose it is there, or who made it'),
    is_master: z.boolean().describe('It acts as its owner, with everything that they may do'),
    rights: z.array(rightLine),
    lacks: z.string().nullable().describe('What a consent could do and it cannot; null: nothing'),
    warning_off: z.boolean().describe('Its owner wants to read no more of that'),
    rotate_days: z.int().nullable().describe('How often its value is replaced; null: when somebody asks'),
    next_rotation_at: instantOrNull,
    last_rotation_at: instantOrNull,
  })
    .nullable()
    .describe('A token that was pasted in place of a consent; null: there was one'),
})

const projectReference = object({ id, name: z.string(), alias: z.string(), external_id: z.string() })

export const connection = object({
  ...connectionFacts.shape,
  provider: providerReference,
  project: projectReference.nullable().describe('The first of those that it reaches'),
  projects: z.array(projectReference),
})

export const connectionDetail = object({
  ...connection.shape,
  timeline: z.array(auditEvent).describe('What happened to it, newest first'),
})

export const listConnections = operation({
  id: 'listConnections',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/connections',
  summary: 'Lists connections, newest first: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  query: object({
    ...chosen,
    status: z
      .enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'revoked', 'standing', 'frozen'])
      .optional()
      .describe('`standing`: all but the revoked ones'),
    everybody: z.literal('1').optional(),
    ...placed('connection'),
  }),
  answer: { status: 200, schema: page(connection) },
  limit: 'read',
})

export const changeConnection = operation({
  id: 'changeConnection',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/connections/{connection}',
  summary: 'Sets the development branch of a connection',
  permission: 'work',
  scope: 'connections:manage',
  audit: 'connection.changed',
  body: object({
    /** Null: the main branch. */
    branch: branch.nullable(),
  }),
  answer: { status: 204 },
  limit: 'write',
})

export const changePastedToken = operation({
  id: 'changePastedToken',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/pasted-token',
  summary: 'Sets how the pasted token of a connection is looked after; what is left out stays',
  permission: 'work',
  scope: 'cookie only',
  audit: 'connection.changed',
  body: object({
    rotate_days: z.int().min(1).max(365).nullable().optional().describe('Null: when somebody asks'),
    warning: z.boolean().optional().describe('Whether the console says what a limited token cannot do'),
  }),
  answer: { status: 204 },
  errors: ['not_pasted', 'needs_relink'],
  limit: 'write',
})

export const pasteToken = operation({
  id: 'pasteToken',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections',
  summary:
    'Makes a connection of a token that somebody has at the upstream already, in place of a consent; the upstream is asked about it at once',
  permission: 'work',
  scope: 'cookie only',
  fresh: true,
  audit: 'link.completed',
  body: object({
    provider: idOf('provider'),
    token: z
      .string()
      .regex(/^[!-~]{8,500}$/, 'must be the token alone, without blanks')
      .describe('Kept sealed, and never shown again'),
    alias: alias.optional().describe('What scripts will call the project; made from its name where none is given'),
    connection: idOf('connection').optional().describe('For this one alone: a token of another project is refused'),
  }),
  answer: { status: 201, schema: connectionDetail },
  errors: [
    ...vaultErrors,
    'paste_not_allowed',
    'token_not_taken',
    'already_linked',
    'another_project',
    'alias_taken',
    'provider_misconfigured',
    'frozen',
    'over_policy',
    'upstream_unavailable',
    'upstream_protocol',
    'upstream_refused',
    'upstream_forbidden',
    'client_not_registered',
  ],
  limit: 'paste',
})

export const rotateToken = operation({
  id: 'rotateToken',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/pasted-token/rotation',
  summary: 'Replaces the value of a pasted token at the upstream: whoever else has the old one is locked out at once',
  permission: 'work',
  scope: 'cookie only',
  audit: ['connection.rotation_asked', 'connection.rotated', ...refreshEvents],
  body: object({}),
  answer: { status: 200, schema: connectionDetail },
  errors: [...upstreamErrors, 'not_pasted'],
  limit: 'renewal',
})

export const readConnection = operation({
  id: 'readConnection',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/connections/{connection}',
  summary: 'Returns one connection with its timeline: the caller’s own, or any connection for admins and auditors',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: connectionDetail },
  limit: 'read',
})

export const renewConnection = operation({
  id: 'renewConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/renewal',
  summary: 'Renews a connection now, without waiting for the next retry',
  permission: 'work',
  scope: 'connections:manage',
  audit: refreshEvents,
  body: object({}),
  answer: { status: 200, schema: connectionDetail },
  errors: upstreamErrors,
  limit: 'renewal',
})

export const leaveProject = operation({
  id: 'leaveProject',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/projects/{project}',
  summary: 'Takes one of several projects off a connection, and revokes the tokens issued for it',
  permission: 'work',
  scope: 'cookie only',
  audit: ['connection.project_left', 'token.revoked'],
  answer: { status: 200, schema: object({ tokens: z.int().min(0).describe('How many tokens were revoked') }) },
  errors: ['not_linked', 'last_project'],
  limit: 'write',
})

export const freezeConnection = operation({
  id: 'freezeConnection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/freeze',
  summary: 'Freezes a connection: nothing is issued or renewed from it until the freeze is lifted',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.set',
  body: object({ reason: reason.optional() }),
  answer: { status: 200, schema: connectionDetail },
  errors: ['not_linked'],
  limit: 'write',
})

export const unfreezeConnection = operation({
  id: 'unfreezeConnection',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/freeze',
  summary: 'Lifts the freeze of a connection',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'freeze.lifted',
  answer: { status: 204 },
  errors: ['not_linked'],
  limit: 'write',
})

/** A POST, because asking the upstream may rotate a token, and a GET changes nothing (C-12). */
export const readUpstreamSessions = operation({
  id: 'readUpstreamSessions',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions',
  summary: 'Lists the sessions that the caller has at the upstream of a connection of theirs, as it lists them now',
  permission: 'work',
  scope: 'cookie only',
  audit: refreshEvents,
  body: object({}),
  answer: {
    status: 200,
    schema: object({
      sessions: z
        .array(
          object({
            handle: z.string().describe('Names it here'),
            is_current: z.boolean().describe('It is the one of this connection'),
            connection: object({ id, name: z.string() })
              .nullable()
              .describe(
                'The caller’s own connection that stands on it; null: none here, as of a command on their computer',
              ),
            client: z.string().nullable().describe('As the upstream calls the program; null: it does not say'),
            created_at: instantOrNull,
            last_used_at: instantOrNull,
          }),
        )
        .max(100),
      more: z.int().min(0).describe('How many the upstream lists beside these'),
    }),
  },
  errors: [...upstreamErrors, 'no_session', 'flow_not_offered'],
  limit: 'write',
})

export const endUpstreamSession = operation({
  id: 'endUpstreamSession',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions/{handle}',
  summary: 'Ends another session that the caller has at the upstream, and looks whether it is gone',
  permission: 'work',
  scope: 'cookie only',
  params: { handle: z.string().regex(/^[0-9a-f]{16}$/, 'must be a handle that was listed') },
  audit: ['connection.session_ended', ...refreshEvents],
  answer: {
    status: 200,
    schema: object({
      upstream: z
        .enum(['done', 'confirmed', 'failed'])
        .describe('`confirmed`: it is not listed any more; `failed`: it still is'),
    }),
  },
  errors: [...upstreamErrors, 'no_session', 'own_session', 'flow_not_offered'],
  limit: 'write',
})
