import { z } from 'zod'
import { operation } from '../operation.ts'
import { id, instant, instantOrNull, object, text } from './schemas.ts'

/** Of the JSON that carries it, whose escapes make it longer. */
const bodyMax = 2 * 1024 * 1024
const textMax = 1024 * 1024

export const leakFound = object({
  kind: z
    .enum(['token', 'grant', 'client_secret', 'connection'])
    .describe(
      'What there is to revoke; a grant goes with all that was made of it. `connection`: a pasted token, which its owner rotates or deletes at the upstream',
    ),
  id,
  shown: z
    .array(
      z.enum([
        'proxy_token',
        'own_token',
        'access_token',
        'refresh_token',
        'device_code',
        'authorization_code',
        'client_secret',
        'upstream_token',
      ]),
    )
    .describe('What stood there of it'),
  owner_id: id.nullable().describe('Null: of a client, which is nobody’s own'),
  name: z.string().describe('The purpose of a token, the name of a program'),
  client_id: z.string().nullable(),
  project: object({ id, name: z.string() }).nullable(),
  provider: z.string().nullable(),
  fingerprint: z.string().nullable(),
  stands: z.boolean().describe('It still opens something: there is something to revoke'),
  rights: z.array(z.string()).describe('What it can do, in words'),
  tokens: z.int().describe('Living tokens that end with it'),
  created_at: instant,
  ends_at: instantOrNull,
  last_used_at: instantOrNull,
  places: z.array(z.string()).describe('Where it stood, in the words of the text or of the scanner; twenty at most'),
  times: z.int(),
})

export const inspectLeak = operation({
  id: 'inspectLeak',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/leaks',
  summary:
    'Looks through a text that somebody found for tokens of this tenant: a token, a log, a scanner’s report (JSON, lines of JSON, SARIF). The text is not kept',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'leak.inspected',
  bodyMax,
  body: object({ text: text(textMax).min(1).describe('Up to 1,048,576 characters; the body may have 2 MiB') }),
  answer: {
    status: 200,
    schema: object({
      read_as: z.enum(['text', 'json', 'sarif']).describe('What the text was taken for'),
      found: z.array(leakFound),
      candidates: z.int().describe('How many different values were looked up'),
      unknown: z.int().describe('Of the form of our tokens, and nothing of this tenant'),
      damaged: z.int().describe('They begin as our tokens do, and their checksum is wrong'),
      is_cut: z.boolean().describe('There was more than is looked at: send the rest by itself'),
      names: z.record(z.string(), z.string()).describe('What the owners are called, by id'),
    }),
  },
  limit: 'leaks',
})
