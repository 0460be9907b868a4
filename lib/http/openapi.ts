import { z } from 'zod'
import { type Permission, type Scope, scopesFor } from '../actor.ts'
import { type ErrorCode, errorCodes } from '../errors.ts'
import { customHeader } from './csrf.ts'
import { idempotencyHeader, keyLength } from './idempotency.ts'
import { errorsOf, type Operation, paramsSchema } from './operation.ts'
import { sessionCookie } from './session.ts'
import { problem } from './wire/schemas.ts'

type Json = Record<string, unknown>

/** OpenAPI 3.1 of some operations. Pure: the same operations give the same text. `server` is the origin. */
export function openApiDocument(operations: readonly Operation[], server: string): Json {
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    paths[operation.path] ??= {}
    Object.assign(paths[operation.path] ?? {}, { [operation.method.toLowerCase()]: describe(operation, server) })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Valetkey',
      version: '1',
      description:
        'Errors are RFC 9457 problems; their `code` is stable, and each operation lists the ones it may answer with. Every ' +
        'change needs a JSON content type. One that is made by the session cookie also needs the header X-Valetkey: 1 and an ' +
        'Origin that is this server’s own; a request with a token needs neither, and its cookies are not read.',
    },
    servers: [{ url: server }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problem, 'output') },
      headers,
      responses: Object.fromEntries(
        operations.flatMap(refusalsOf).map(([status, codes]) => [refusalName(codes), refusal(status, codes)]),
      ),
      securitySchemes,
    },
  }
}

/** What an operation is in OpenAPI words, at the origin `server`. */
export function describe(operation: Operation, server: string): Json {
  const { id, summary, permission, scope, fresh, answer } = operation
  const content = answer.stream
    ? { [answer.stream]: { schema: { type: 'string' } } }
    : answer.schema && { 'application/json': { schema: jsonSchema(answer.schema, 'output') } }
  const isChange = operation.method !== 'GET'
  return {
    operationId: id,
    summary,
    ...(permission !== 'public' && { security: securityOf(operation), 'x-permission': permission, 'x-scope': scope }),
    ...(operation.limit && { 'x-limit': operation.limit }),
    ...(operation.idempotent && { 'x-idempotent': operation.idempotent }),
    ...(fresh && { 'x-recent-sign-in': true }),
    parameters: [
      ...parametersIn('path', jsonSchema(paramsSchema(operation), 'input')),
      ...(operation.query ? parametersIn('query', jsonSchema(operation.query, 'input')) : []),
      ...(isChange && permission !== 'public' ? ownPage(server, scope === 'cookie only') : []),
      ...(operation.idempotent ? [idempotencyKey(operation.idempotent)] : []),
    ],
    ...(isChange && { requestBody: requestBody(operation) }),
    responses: {
      [answer.status]: {
        description: summary,
        headers: { 'X-Request-Id': requestId, ...(operation.idempotent && { Age: age }) },
        ...(content && { content }),
      },
      ...Object.fromEntries(
        refusalsOf(operation).map(([status, codes]) => [
          status,
          { $ref: `#/components/responses/${refusalName(codes)}` },
        ]),
      ),
    },
  }
}

/** How a caller tells who they are; the scopes that a program needs are listed with each operation (OpenAPI 3.1, 4.8.30). */
const securitySchemes = {
  session: { type: 'apiKey', in: 'cookie', name: sessionCookie, description: 'A browser that is signed in.' },
  bearer: {
    type: 'http',
    scheme: 'Bearer',
    description:
      'A program: an access token of Valetkey (RFC 6750), or one of an issuer that the tenant in the path trusts, which counts there alone.',
  },
  dpop: {
    type: 'http',
    scheme: 'DPoP',
    description:
      'A program whose access token is bound to its key (RFC 9449): each request also has the header DPoP with a proof.',
  },
} as const

function securityOf({ permission, scope }: Operation): Json[] {
  if (scope === 'cookie only') return [{ session: [] }]
  const needed = permission === 'session' ? [scope] : scopesFor(permission as Permission, scope as Scope)
  return [{ session: [] }, { bearer: needed }, { dpop: needed }]
}

const idempotencyKey = ({ answerSeconds, keySeconds }: { answerSeconds: number; keySeconds: number }): Json => ({
  name: idempotencyHeader,
  in: 'header',
  required: false,
  description:
    `Of your own choice and random, a UUID for example: the same request under the same key is done once. For ${answerSeconds} seconds ` +
    'it gets the same answer again, with the header Age; ' +
    (keySeconds > answerSeconds
      ? `for ${keySeconds} seconds it is not done a second time.`
      : 'after that it is done again, which changes nothing that is done already.') +
    ' A key counts for one person and one session or grant. Quotes around it (a structured string) are not part of it.',
  schema: {
    type: 'string',
    pattern: `^("[!#-[\\]-~]{${keyLength.min},${keyLength.max}}"|[!#-[\\]-~]{${keyLength.min},${keyLength.max}})$`,
  },
})

/** What a change carries so that no other site can send it (lib/http/csrf.ts). Where programs may come, only browsers need it. */
const ownPage = (server: string, required: boolean): Json[] => [
  {
    name: customHeader,
    in: 'header',
    required,
    description: 'Needed with the session cookie.',
    schema: { type: 'string', const: '1' },
  },
  {
    name: 'Origin',
    in: 'header',
    required,
    description:
      'Needed with the session cookie. Browsers send it automatically. Clients that send Sec-Fetch-Site: same-origin may leave it out.',
    schema: { type: 'string', const: server },
  },
]

function requestBody({ body, media = [] }: Operation): Json {
  const schema = body ? jsonSchema(body, 'input') : nothing
  return {
    required: true,
    ...(!body && { description: 'Only the content type matters: send an empty object or no bytes.' }),
    content: Object.fromEntries(['application/json', ...media].map((type) => [type, { schema }])),
  }
}
const nothing = { type: 'object', properties: {}, additionalProperties: false }

/** The codes that come with each status of refusal. */
function refusalsOf(operation: Operation): [status: number, codes: ErrorCode[]][] {
  const codes = errorsOf(operation)
  const statuses = [...new Set(codes.map((code) => errorCodes[code].status))]
  return statuses.map((status) => [status, codes.filter((code) => errorCodes[code].status === status)])
}

/** Many operations refuse for the same reasons, so each set of them is described once. */
const refusalName = (codes: ErrorCode[]) => codes.join('.')

const refusal = (status: number, codes: ErrorCode[]): Json => ({
  description: codes.map((code) => `${code}: ${errorCodes[code].title}.`).join(' '),
  headers: {
    'X-Request-Id': requestId,
    ...problemHeaders[status],
  },
  content: {
    'application/problem+json': {
      schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }] },
    },
  },
})

const header = (description: string, schema: Json): Json => ({ description, required: true, schema })
const headers = {
  RequestId: header('The id of this request in the log.', { type: 'string' }),
  Authenticate: header('How to sign in.', { type: 'string' }),
  RetryAfter: header('Seconds to wait.', { type: 'integer', minimum: 1 }),
} as const
const mayRetry = { description: 'Seconds to wait, where waiting helps.', schema: { type: 'integer', minimum: 1 } }
const age = {
  description: 'Only of the same answer again: how many seconds old it is.',
  schema: { type: 'integer', minimum: 0 },
}
const headerRef = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
const requestId = headerRef('RequestId')
const problemHeaders: Record<number, Json> = {
  401: { 'WWW-Authenticate': headerRef('Authenticate') },
  409: { 'Retry-After': mayRetry },
  429: { 'Retry-After': headerRef('RetryAfter') },
  503: { 'Retry-After': headerRef('RetryAfter') },
}

function parametersIn(place: 'path' | 'query', schema: Json): Json[] {
  const required = new Set((schema.required as string[] | undefined) ?? [])
  return Object.entries((schema.properties as Json | undefined) ?? {}).map(([name, one]) => ({
    name,
    in: place,
    required: place === 'path' || required.has(name),
    schema: one,
  }))
}

/** JSON Schema 2020-12, which OpenAPI 3.1 speaks; `input` is what is sent to us, `output` what we answer. */
export function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' })
  return rest
}
