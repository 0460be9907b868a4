// npm run client:generate: writes what is generated of lib/client from the operations. A test fails when it is stale.
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { compile, type JSONSchema } from 'json-schema-to-typescript'
import { errorCodes } from '../lib/errors.ts'
import { idempotencyHeader } from '../lib/http/idempotency.ts'
import { describe, jsonSchema } from '../lib/http/openapi.ts'
import type { Operation } from '../lib/http/operation.ts'
import { problem } from '../lib/http/wire/schemas.ts'
import { operations } from '../lib/http/wire.ts'

type Schema = Record<string, unknown>
type Parameter = { name: string; in: string; required: boolean; schema: Schema }
type Content = Record<string, { schema: Schema }>

const record = (properties: Schema, optional: string[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
})
/** A property that must not be given. */
const never: Schema = { tsType: 'never' }

/** Types for openapi-fetch: path -> method -> parameters, body and answers. */
async function clientTypes(declared: readonly Operation[] = operations): Promise<string> {
  const paths: Record<string, Record<string, Schema>> = {}
  for (const operation of declared) {
    paths[operation.path] ??= {}
    Object.assign(paths[operation.path] ?? {}, { [operation.method.toLowerCase()]: operationType(operation) })
  }
  const schema = record(Object.fromEntries(Object.entries(paths).map(([path, methods]) => [path, record(methods)])))
  const options = {
    bannerComment: '// Written by `npm run client:generate`. Do not edit.',
    additionalProperties: false,
    maxItems: -1,
    ignoreMinAndMaxItems: true,
    style: { semi: false, singleQuote: true, printWidth: 120 },
  }
  const shared = await compile(plain(jsonSchema(problem, 'output')) as JSONSchema, 'Problem', options)
  const text = await compile(schema as JSONSchema, 'paths', { ...options, bannerComment: '' })
  // openapi-fetch looks statuses up as numbers, which JSON Schema cannot name.
  const codes = Object.keys(errorCodes).filter((code) => code !== 'aborted')
  const union = `export type ErrorCode =\n${codes.map((code) => `  | '${code}'\n`).join('')}`
  return `${shared}\n${union}\n${text.replace(/^(\s*)['"]?(\d{3})['"]?(\??):/gm, '$1$2$3:')}`
}

function operationType(operation: Operation): Schema {
  const { parameters, requestBody, responses } = clientView(operation) as {
    parameters: Parameter[]
    requestBody?: { content: Content }
    responses: Record<string, { content?: Content }>
  }
  const place = (name: string) => {
    const here = parameters.filter((parameter) => parameter.in === name)
    const properties = Object.fromEntries(here.map((parameter) => [parameter.name, plain(parameter.schema)]))
    const optional = here.filter((parameter) => !parameter.required).map((parameter) => parameter.name)
    return here.length ? { type: record(properties, optional), optional: optional.length === here.length } : undefined
  }
  const [path, query] = [place('path'), place('query')]
  const header = place('header')
  const given = {
    query: query?.type ?? never,
    header: header?.type ?? never,
    path: path?.type ?? never,
    cookie: never,
  }
  const optional = ['header', 'cookie', ...(query?.optional === false ? [] : ['query']), ...(path ? [] : ['path'])]
  const contents = (content: Content) =>
    record(Object.fromEntries(Object.entries(content).map(([type, { schema }]) => [type, plain(schema)])))
  return record(
    {
      parameters: record(given, optional),
      requestBody: requestBody ? record({ content: contents(requestBody.content) }) : never,
      responses: record(
        Object.fromEntries(
          Object.entries(responses).map(([status, { content }]) => [
            status,
            record({ content: content ? contents(content) : never }, content ? [] : ['content']),
          ]),
        ),
      ),
    },
    requestBody ? [] : ['requestBody'],
  )
}

/**
 * What a caller of the client writes and reads: the headers are the client's own business, but for a key; nothing is sent where
 * nothing belongs, and every refusal is the same Problem.
 */
function clientView(operation: Operation): Schema {
  const { requestBody, responses, parameters, ...rest } = describe(operation, '') as {
    responses: Record<string, Schema>
    parameters: Parameter[]
  } & Schema
  const { status } = operation.answer
  const refused = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
  return {
    ...rest,
    parameters: parameters.filter((one) => one.in !== 'header' || one.name === idempotencyHeader),
    ...(operation.body && { requestBody }),
    responses: { [status]: responses[status], default: refused },
  }
}

/** JSON Schema 2020-12 as draft 4, as far as our schemas go: references to Problem, and no titles that name types. */
function plain(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plain)
  if (schema === null || typeof schema !== 'object') return schema
  if ('$ref' in schema) return { tsType: 'Problem' }
  // `propertyNames` means nothing to TypeScript, and patterns only add noise.
  const { propertyNames, pattern, format, ...rest } = schema as Schema
  // Beside the properties it only says which of them must be given, in a way that would confuse people.
  if ('anyOf' in rest && 'properties' in rest) delete rest.anyOf
  return Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, plain(value)]))
}

/** For the client to know what is done once for a key. */
const keyedOperations = (declared: readonly Operation[] = operations) =>
  `// Written by \`npm run client:generate\`. Do not edit.

/** Operations that are done once for a key. */
export const keyed: readonly string[] = [
${declared
  .filter((one) => one.idempotent)
  .map(({ method, path }) => `  '${method} ${path}',\n`)
  .join('')}]
`

/** Generated files of the client, by their names in its folder. */
export const clientFiles = async () => ({ 'schema.d.ts': await clientTypes(), 'keyed.ts': keyedOperations() })

const folder = resolve(import.meta.dirname, '../lib/client')
if (process.argv[1] && resolve(process.argv[1]) === resolve(import.meta.filename))
  for (const [name, text] of Object.entries(await clientFiles())) await writeFile(resolve(folder, name), text)
