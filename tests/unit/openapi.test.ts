import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createValetkeyClient, ProblemError, unwrap } from '../../lib/client/index.ts'
import { errorCodes } from '../../lib/errors.ts'
import { describe, openApiDocument } from '../../lib/http/openapi.ts'
import { errorsOf, type Operation, operation, paramNames, paramsSchema } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { clientFiles } from '../../scripts/openapi.ts'
import { neededBy } from '../support/operations.ts'

test('the generated client is up to date (npm run client:generate)', async () => {
  for (const [name, text] of Object.entries(await clientFiles()))
    expect(readFileSync(resolve(import.meta.dirname, '../../lib/client', name), 'utf8'), name).toBe(text)
}, 30_000)

test('operations have ids and addresses of their own', () => {
  const ids = operations.map((one) => one.id)
  const places = operations.map((one) => `${one.method} ${one.path.replaceAll(/\{\w+\}/g, '{}')}`)
  expect(new Set(ids).size).toBe(ids.length)
  expect(new Set(places).size).toBe(places.length)
})

/** Every object a schema can reach. */
function looseObjects(schema: unknown): unknown[] {
  if (Array.isArray(schema)) return schema.flatMap(looseObjects)
  if (schema === null || typeof schema !== 'object') return []
  const node = schema as Record<string, unknown>
  const isLoose = node.type === 'object' && 'properties' in node && node.additionalProperties !== false
  return [...(isLoose ? [node] : []), ...Object.values(node).flatMap(looseObjects)]
}

test('Z-08: every body, query and parameter schema refuses what it does not name', () => {
  const loose = operations
    // Browsers write these reports, in forms of their own; nothing of them is kept.
    .filter((one) => one.id !== 'reportCsp')
    .filter((one) =>
      [one.body, one.query, paramsSchema(one)].some(
        (schema) => schema && looseObjects(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })).length > 0,
      ),
    )
  expect(loose.map((one) => one.id)).toEqual([])
})

test('B-01: every operation but the probes and its own description is limited', () => {
  const unlimited = operations.filter((one) => one.limit === undefined).map((one) => one.id)
  expect(unlimited.sort()).toEqual(['health', 'readOpenApi', 'ready'])
})

test('every operation in a tenant is for roles, and a role needs a tenant', () => {
  const base = {
    id: 'x',
    method: 'GET',
    summary: '',
    scope: 'tenant:read',
    audit: 'none',
    answer: { status: 204 },
  } as const
  expect(() => operation({ ...base, path: '/api/v1/x', permission: 'read' })).toThrow()
  expect(() => operation({ ...base, path: '/api/v1/tenants/{tenant}/x', permission: 'session' })).toThrow()
})

test('the document is OpenAPI 3.1 and describes each parameter of each path', () => {
  const document = openApiDocument(operations, 'https://keys.example.com') as {
    openapi: string
    paths: Record<string, Record<string, { parameters: { name: string; in: string }[] }>>
  }
  expect(document.openapi).toBe('3.1.0')
  for (const [path, methods] of Object.entries(document.paths))
    for (const { parameters } of Object.values(methods))
      expect(parameters.filter((one) => one.in === 'path').map((one) => one.name)).toEqual(paramNames(path))
})

type Described = {
  parameters: { name: string; in: string; required: boolean; schema: unknown }[]
  requestBody?: { required: boolean; content: Record<string, unknown> }
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: unknown }> }>
}
const server = 'https://keys.example.com'
const described = (one: Operation) => describe(one, server) as Described

test('every status that an operation may answer with is described, each with its codes, and nothing stands for the rest', () => {
  const { components } = openApiDocument(operations, server) as { components: { responses: Record<string, unknown> } }
  for (const one of operations) {
    const { responses } = described(one)
    const statuses = new Set([one.answer.status, ...errorsOf(one).map((code) => errorCodes[code].status)])
    expect(Object.keys(responses).map(Number).sort(), one.id).toEqual([...statuses].sort())
    const refused = Object.values(responses).flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? [])
    const named = refused.flatMap((name) => JSON.stringify(components.responses[name]).match(/"enum":\[[^\]]*\]/g))
    const codes = named.flatMap((list) => JSON.parse(`{${list}}`).enum)
    expect(codes.sort(), one.id).toEqual([...errorsOf(one)].sort())
  }
})

test('C-03: what a change must carry is described: its content type, the header and the Origin, and 415 without the first', () => {
  for (const one of operations.filter(({ method }) => method !== 'GET')) {
    const { parameters, requestBody, responses } = described(one)
    expect(requestBody, one.id).toMatchObject({ required: true, content: { 'application/json': {} } })
    expect(Object.keys(responses), one.id).toEqual(expect.arrayContaining(['413', '415']))
    const headers = parameters.filter((parameter) => parameter.in === 'header')
    // A program's token is sent by no browser on its own.
    const required = one.scope === 'cookie only'
    const carried = [
      { name: 'x-valetkey', required, schema: { const: '1' } },
      { name: 'Origin', required, schema: { const: server } },
    ]
    if (one.permission === 'public') expect(headers, one.id).toEqual([])
    else expect(headers.slice(0, 2), one.id).toMatchObject(carried)
  }
})

test('each operation says how one signs in for it, and with which scopes', () => {
  const { components } = openApiDocument(operations, server) as { components: { securitySchemes: object } }
  for (const one of operations) {
    const { security } = describe(one, server) as { security?: Record<string, string[]>[] }
    const ways = (security ?? []).flatMap((way) => Object.entries(way))
    for (const [name] of ways) expect(components.securitySchemes, one.id).toHaveProperty(name)
    const programs = ways.filter(([name]) => name !== 'session').map(([, scopes]) => scopes)
    if (one.permission === 'public') expect(ways, one.id).toEqual([])
    else if (one.scope === 'cookie only') expect(programs, one.id).toEqual([])
    else expect(programs, one.id).toEqual([neededBy(one), neededBy(one)])
  }
})

test('IK-01: a key can be named where issuing or revoking is asked for, and nowhere that it would be ignored', () => {
  const keyed = operations.filter((one) =>
    described(one).parameters.some(({ name, schema }) => {
      if (name !== 'Idempotency-Key') return false
      const { pattern } = schema as { pattern: string }
      for (const key of [randomUUID(), `"${randomUUID()}"`, 'x'.repeat(255)])
        expect(key).toMatch(new RegExp(pattern, 'u'))
      for (const key of ['short', 'with a space in it', '"unbalanced-quotes-here', 'x'.repeat(256)])
        expect(key).not.toMatch(new RegExp(pattern, 'u'))
      return true
    }),
  )
  expect(keyed.map(({ id }) => id).sort()).toEqual(['issueToken', 'makeComponentUrl', 'retryRevocation', 'revoke'])
})

test('nobody is described as answering to who hung up', () => {
  expect(operations.filter((one) => errorsOf(one).includes('aborted'))).toEqual([])
})

const answering = (response: () => Response | Promise<Response>, seen: Request[] = []) =>
  createValetkeyClient({
    baseUrl: 'https://keys.example.com',
    fetch: async (request) => {
      seen.push(request)
      return response()
    },
  })

test('C-03: the client sends the custom header and JSON with every change', async () => {
  const seen: Request[] = []
  const client = answering(() => new Response(null, { status: 204 }), seen)
  await client.POST('/api/v1/csp-reports', { body: { 'csp-report': {} } })
  expect(seen[0]?.headers.get('x-valetkey')).toBe('1')
  expect(seen[0]?.headers.get('content-type')).toBe('application/json')
})

test('a caller of the client always gets a problem, whoever answered', async () => {
  const html = answering(() => new Response('<h1>Bad gateway</h1>', { status: 502 }))
  expect((await html.GET('/api/v1/me')).error).toMatchObject({ code: 'not_valetkey', status: 502 })
  const nobody = answering(() => Promise.reject(new TypeError('fetch failed')))
  expect((await nobody.GET('/api/v1/me')).error).toMatchObject({ code: 'no_answer', status: 0 })
  const refused = await unwrap(nobody.GET('/api/v1/me')).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ProblemError)
})
