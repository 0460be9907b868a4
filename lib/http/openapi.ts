import { z } from 'zod'
import { errorCodes } from '../errors.ts'
import { type Operation, paramsSchema } from './operation.ts'
import { problem } from './schemas.ts'
import { sessionCookie } from './session.ts'

type Json = Record<string, unknown>

/** OpenAPI 3.1 of some operations. Pure: the same operations give the same text. `server` is the origin. */
export function openApiDocument(operations: readonly Operation[], server: string): Json {
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    paths[operation.path] ??= {}
    Object.assign(paths[operation.path] ?? {}, { [operation.method.toLowerCase()]: describe(operation) })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Valetkey',
      version: '1',
      description:
        'Errors are RFC 9457 problems; their `code` is stable. Every change needs the header X-Valetkey: 1, ' +
        'Content-Type: application/json and a request from this origin.',
    },
    servers: [{ url: server }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problem, 'output') },
      securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: sessionCookie } },
    },
  }
}

/** What an operation is in OpenAPI words. */
export function describe(operation: Operation): Json {
  const { id, summary, permission, answer, body, media = [] } = operation
  const content = answer.stream
    ? { [answer.stream]: { schema: { type: 'string' } } }
    : answer.schema && { 'application/json': { schema: jsonSchema(answer.schema, 'output') } }
  return {
    operationId: id,
    summary,
    ...(permission !== 'public' && { security: [{ session: [] }], 'x-permission': permission }),
    parameters: [
      ...parametersIn('path', jsonSchema(paramsSchema(operation), 'input')),
      ...(operation.query ? parametersIn('query', jsonSchema(operation.query, 'input')) : []),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: Object.fromEntries(
          [...(media.length ? media : ['application/json'])].map((type) => [
            type,
            { schema: jsonSchema(body, 'input') },
          ]),
        ),
      },
    }),
    responses: {
      [answer.status]: { description: summary, ...(content && { content }) },
      default: {
        description: `A problem. Codes: ${Object.keys(errorCodes).join(', ')}`,
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
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
