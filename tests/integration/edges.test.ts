import { readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { declared } from '../../app/api/machine.ts'
import { GET as me } from '../../app/api/v1/me/route.ts'
import { putContext } from '../../lib/context.ts'
import { BrokerError } from '../../lib/errors.ts'
import { api } from '../../lib/http/api.ts'
import { securityHeaders } from '../../lib/http/headers.ts'
import { limits } from '../../lib/http/limits.ts'
import { type Operation, operation, paramNames } from '../../lib/http/operation.ts'
import { edgeOf, type RouteHandler } from '../../lib/http/request.ts'
import { operations } from '../../lib/http/wire.ts'
import { origin, ownPage, startEdges } from '../support/edges.ts'
import { growth, linearGrowth } from '../support/linear.ts'

let edges: Awaited<ReturnType<typeof startEdges>>
let acme: Awaited<ReturnType<typeof edges.person>>
let suspended: typeof acme
let auditor: typeof acme

beforeAll(async () => {
  edges = await startEdges()
  acme = await edges.person({ tenant: 'acme' })
  suspended = await edges.person({ tenant: 'acme', role: 'admin', status: 'suspended' })
  auditor = await edges.person({ tenant: 'acme', role: 'auditor' })
  await edges.person({ tenant: 'globex' })
})
afterAll(() => edges.stop())

const noteBody = z.strictObject({ text: z.string().max(20), mood: z.enum(['good', 'bad']).optional() })
const note = operation({
  id: 'testNote',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/notes/{note}',
  summary: 'A change that only tests know',
  permission: 'work',
  scope: 'connections:manage',
  audit: 'none',
  body: noteBody,
  answer: { status: 201, schema: z.strictObject({ text: z.string(), actor: z.string() }) },
  errors: ['over_policy'],
  limit: 'write',
})
/** What reached the handler. */
const written: unknown[] = []
let behave: () => unknown = () => undefined
const writeNote = api(note, async ({ actor, params, body }) => {
  const extra = behave()
  written.push({ ...params, ...body })
  return { text: body.text, actor: actor.userId, ...(extra as object | undefined) }
})

beforeEach(() => {
  written.length = 0
  behave = () => undefined
})

type Sent = { path?: string; method?: string; headers?: Record<string, string>; body?: BodyInit; tenant?: string }
const post = (cookie: string, { path, tenant = 'acme', headers, ...rest }: Sent = {}) =>
  writeNote(
    new Request(path ?? `${origin}/api/v1/tenants/${tenant}/notes/n1`, {
      method: 'POST',
      body: JSON.stringify({ text: 'hello' }),
      headers: { ...ownPage, cookie, ...headers },
      ...rest,
    }),
    { params: Promise.resolve({ tenant, note: 'n1' }) },
  )
const getMe = (headers: Record<string, string> = {}, query = '') =>
  me(new Request(`${origin}/api/v1/me${query}`, { headers }), { params: Promise.resolve({}) })

test('a change by a member of the tenant is made once and answered', async () => {
  const response = await post(acme.cookie)
  expect(response.status).toBe(201)
  expect(await response.json()).toEqual({ text: 'hello', actor: acme.userId })
  expect(written).toEqual([{ tenant: 'acme', note: 'n1', text: 'hello' }])
  expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
})

test('C-03: form, text, multipart and untyped bodies are 415 and reach nothing', async () => {
  const bodies: Sent[] = [
    { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'text=hello' },
    { headers: { 'content-type': 'text/plain' } },
    { headers: { 'content-type': 'multipart/form-data; boundary=x' } },
    { headers: { 'content-type': 'application/json-patch+json' } },
    { headers: { 'content-type': '' } },
  ]
  for (const sent of bodies) expect((await post(acme.cookie, sent)).status).toBe(415)
  expect(written).toEqual([])
})

test('C-01 C-02 C-03: a change from elsewhere is 403 and reaches nothing', async () => {
  const elsewhere: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'same-origin', origin: 'https://evil.test' },
    { origin: 'null' },
    { 'x-valetkey': '' },
  ]
  for (const headers of elsewhere) {
    const response = await post(acme.cookie, { headers })
    expect([response.status, (await response.json()).code], JSON.stringify(headers)).toEqual([403, 'cross_site'])
  }
  expect(written).toEqual([])
})

test('a body over the cap is 413 before anybody is looked up', async () => {
  const body = JSON.stringify({ text: 'x'.repeat(70_000) })
  expect((await post('', { body })).status).toBe(413)
})

const { body: _, limit: __, ...bodiless } = note
const touch = api(operation({ ...bodiless, id: 'testTouch' }), async ({ actor }) => ({ text: '', actor: actor.userId }))

test('IV-03: an operation without a body takes none, an empty object, and blanks around it; a long one costs no more to refuse', async () => {
  const send = (body: string) =>
    touch(
      new Request(`${origin}/api/v1/tenants/acme/notes/n1`, {
        ...{ method: 'POST', body, headers: { ...ownPage, cookie: acme.cookie } },
      }),
      { params: Promise.resolve({ tenant: 'acme', note: 'n1' }) },
    )
  for (const body of ['', '{}', ' \t\n', '\n{ \n}\t']) expect((await send(body)).status, body).toBe(201)
  for (const body of ['x', '{}{}', '{"a":1}', '[]', '{} x']) expect((await send(body)).status, body).toBe(400)
  const refuse = async (length: number) => expect((await send(`${'\t'.repeat(length)}x`)).status).toBe(400)
  expect(await growth(refuse, 40_000)).toBeLessThan(linearGrowth)
})

test('E-03: without a session the answer is 401 with a scheme, never a redirect; a role that does not allow it is 403', async () => {
  const nobody = await post('')
  expect(nobody.status).toBe(401)
  expect(nobody.headers.get('www-authenticate')).toContain('Cookie')
  expect(nobody.headers.get('location')).toBeNull()
  const refused = await post(auditor.cookie)
  expect(refused.status).toBe(403)
  expect((await refused.json()).code).toBe('forbidden')
  expect(written).toEqual([])
})

test('a denied act leaves an event that says who, what and from where', async () => {
  await post(auditor.cookie, { headers: { 'x-forwarded-for': '203.0.113.9', 'user-agent': 'a'.repeat(2000) } })
  const events = (await edges.eventsOf('ten_acme')).map((event) => event.body as Record<string, unknown>)
  const denied = events.filter((event) => event.action === 'access.denied').at(-1)
  expect(denied).toMatchObject({
    outcome: 'refused',
    actor: auditor.userId,
    session: auditor.sessionId,
    target: { kind: 'operation', id: 'testNote' },
    address: '203.0.113.9',
    agent: 'a'.repeat(300),
  })
})

test('E-04: a foreign, an unknown, a suspended and an unspeakable tenant are the same 404', async () => {
  const answers = await Promise.all([
    post(acme.cookie, { tenant: 'globex' }),
    post(acme.cookie, { tenant: 'no-such-tenant' }),
    post(suspended.cookie),
    post(acme.cookie, { tenant: '\u0000', path: `${origin}/x` }),
    post(acme.cookie, { tenant: "a' OR 1=1", path: `${origin}/x` }),
  ])
  const bodies = await Promise.all(answers.map((answer) => answer.json()))
  for (const body of bodies) expect({ ...body, request_id: '' }).toEqual({ ...bodies[0], request_id: '' })
  expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404])
  expect(written).toEqual([])
})

test('Z-08: fields that nobody declared are 400, named, and change nothing', async () => {
  for (const key of ['role', 'tenantId', 'tenant_id', 'userId', 'status', 'expiresAt', '__proto__', 'constructor']) {
    const response = await post(acme.cookie, { body: `{"text":"x","${key}":"owner"}` })
    expect(response.status, key).toBe(400)
    expect(Object.keys((await response.json()).fields), key).toEqual([key])
  }
  expect(written).toEqual([])
})

test('wrong types are 400 with the field and never the value', async () => {
  const bodies = ['{"text":{"contains":""}}', '{"text":["a"]}', '{"text":null}', '[]', 'null', '"x"', '{', '']
  for (const body of bodies) {
    const response = await post(acme.cookie, { body })
    expect(response.status, body).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  }
  const canary = 'canary-value-that-is-too-long'
  const response = await post(acme.cookie, { body: JSON.stringify({ text: canary }) })
  expect(await response.text()).not.toContain(canary)
})

test('V-09: a token in a query is refused before the handler', async () => {
  for (const query of ['?access_token=abc', '?token=abc', '?x=1&x=2', '?unknown=1'])
    expect((await getMe({ cookie: acme.cookie }, query)).status, query).toBe(400)
})

test('Z-07: nobody becomes somebody by a header', async () => {
  const names = [
    'x-user',
    'x-forwarded-user',
    'remote-user',
    'x_user',
    'x-auth-request-user',
    'x-middleware-subrequest',
  ]
  for (const name of names) expect((await getMe({ [name]: acme.userId })).status, name).toBe(401)
  const response = await getMe({ cookie: acme.cookie, 'x-forwarded-user': auditor.userId })
  expect((await response.json()).id).toBe(acme.userId)
})

test('who is signed in is told with the tenants that still take them', async () => {
  const response = await getMe({ cookie: acme.cookie })
  expect(response.status).toBe(200)
  expect((await response.json()).tenants).toEqual([{ slug: 'acme', name: 'acme', role: 'owner' }])
  expect((await (await getMe({ cookie: suspended.cookie })).json()).tenants).toEqual([])
})

test('a path without parameters comes without an object from Next, and is found all the same', async () => {
  const request = new Request(`${origin}/api/v1/me`, { headers: { cookie: acme.cookie } })
  expect((await me(request, { params: Promise.resolve(undefined) } as never)).status).toBe(200)
})

test('C-10: answers with data, and refusals, are never kept', async () => {
  for (const response of [await getMe({ cookie: acme.cookie }), await getMe(), await post(auditor.cookie)]) {
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('vary')).toContain('Cookie')
    for (const [name, value] of Object.entries(securityHeaders)) expect(response.headers.get(name)).toBe(value)
  }
})

test('Z-05: when the database is away nobody is signed in, nobody is signed out, and the answer is 503', async () => {
  const cut = await edges.makeContext()
  await cut.close()
  putContext(cut)
  try {
    for (const response of [await getMe({ cookie: acme.cookie }), await post(acme.cookie)]) {
      expect(response.status).toBe(503)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(response.headers.get('set-cookie')).toBeNull()
    }
  } finally {
    putContext(edges.ctx)
  }
  expect((await getMe({ cookie: acme.cookie })).status).toBe(200)
})

test('Z-05: broken configuration is an error, never a session', async () => {
  putContext(Promise.reject(new Error('VALETKEY_SECRET=hunter2')) as never)
  const response = await getMe({ cookie: acme.cookie })
  putContext(edges.ctx)
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('hunter2')
})

test('E-01: what fails unexpectedly answers a request id, and the log has the rest', async () => {
  behave = () => {
    throw Object.assign(new Error('relation "session" does not exist at /srv/app.js'), { code: '42P01' })
  }
  const response = await post(acme.cookie)
  const text = await response.text()
  expect(response.status).toBe(500)
  expect(text).not.toMatch(/relation|srv|42P01|stack|\.ts/)
  const { request_id } = JSON.parse(text)
  expect(edges.logged.some((line) => line.includes(request_id) && line.includes('"stack"'))).toBe(true)
})

test('a use case that refuses keeps its code, status and advice', async () => {
  behave = () => {
    throw new BrokerError('over_policy', { detail: 'At most one hour.' })
  }
  const response = await post(acme.cookie)
  expect(response.status).toBe(422)
  expect(await response.json()).toMatchObject({
    code: 'over_policy',
    detail: 'At most one hour.',
    next: 'Ask for less, or ask an admin.',
  })
})

test('a refusal that the description does not name is a mistake; in production it is answered as it is, and logged', async () => {
  behave = () => {
    throw new BrokerError('slug_taken')
  }
  const response = await post(acme.cookie)
  expect([response.status, (await response.json()).code]).toEqual([500, 'internal'])
  putContext({ ...edges.ctx, config: { ...edges.config, production: true } })
  const served = await post(acme.cookie)
  putContext(edges.ctx)
  expect([served.status, (await served.json()).code]).toEqual([409, 'slug_taken'])
  expect(edges.logged.some((line) => line.includes('an undeclared error code') && line.includes('slug_taken'))).toBe(
    true,
  )
})

test('an answer field that nobody declared never leaves', async () => {
  for (const production of [false, true]) {
    putContext({ ...edges.ctx, config: { ...edges.config, production } })
    behave = () => ({ refresh_token: 'leak', refreshToken: 'leak' })
    const response = await post(acme.cookie)
    putContext(edges.ctx)
    expect(response.status).toBe(201)
    expect(await response.json()).toEqual({ text: 'hello', actor: acme.userId })
  }
})

test('an answer that does not fit what was declared is a mistake, and its values stay here', async () => {
  behave = () => ({ actor: { secret: 'leak' } })
  const response = await post(acme.cookie)
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('leak')
})

test('L-15: the access log has the pattern of a path and no query value', async () => {
  await getMe({ cookie: acme.cookie }, '?code=canary-code')
  const line = edges.logged.filter((one) => one.includes('"msg":"request"')).at(-1) ?? ''
  expect(line).toContain('/api/v1/me')
  expect(edges.logged.join('')).not.toContain('canary-code')
})

test('B-01: a burst over the limit is 429 with Retry-After', async () => {
  const busy = await edges.person({ tenant: 'acme' })
  const burst = await Promise.all(Array.from({ length: limits.write.points + 1 }, () => post(busy.cookie)))
  const refused = burst.filter((response) => response.status === 429)
  expect(refused).toHaveLength(1)
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(written).toHaveLength(limits.write.points)
})

test('HEAD answers as GET does, without a body; another method is 405 and says which', async () => {
  const asked = (method: string) =>
    me(new Request(`${origin}/api/v1/me`, { method, headers: { cookie: acme.cookie } }), {
      params: Promise.resolve({}),
    })
  const head = await asked('HEAD')
  expect([head.status, await head.text()]).toEqual([200, ''])
  const wrong = await asked('DELETE')
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

// Every route file of the application, as it is exported.
const root = resolve(import.meta.dirname, '../..')
const routeFiles = readdirSync(join(root, 'app'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name === 'route.ts')
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
const methodNames = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const exported: { file: string; method: string; handler: RouteHandler }[] = []
beforeAll(async () => {
  for (const file of routeFiles) {
    const module = (await import(join(root, file))) as Record<string, RouteHandler>
    for (const [method, handler] of Object.entries(module))
      if (methodNames.includes(method)) exported.push({ file, method, handler })
  }
})
const operationOf = ({ handler }: { handler: RouteHandler }): Operation | undefined =>
  operations.find((one) => edgeOf(handler)?.kind === 'api' && one.id === edgeOf(handler)?.name)

test('every exported handler goes through a wrapper', () => {
  expect(exported.filter(({ handler }) => !edgeOf(handler)).map(({ file, method }) => `${method} ${file}`)).toEqual([])
})

test('C-04: the method of every operation is the one it is exported as, so no GET is a change', () => {
  const wrong = exported.filter(({ method, handler }) => {
    const { kind, method: declared } = edgeOf(handler) ?? {}
    return kind === 'api' && declared !== method
  })
  expect(wrong.map(({ file, method }) => `${method} ${file}`)).toEqual([])
})

test('the server knows every path that is not a page', () => {
  const missing = exported.filter(({ file, method }) => {
    const path = `/${file.slice('app/'.length, -'/route.ts'.length)}`.replaceAll(/\[(\w+)\]/g, '{$1}')
    const prefix = path.split('/[')[0] ?? path
    return !declared.some((one) => one.method === method && (one.path === path || one.path.startsWith(`${prefix}/{`)))
  })
  expect(missing.map(({ file, method }) => `${method} ${file}`)).toEqual([])
})

test('every operation has its route file, at its path, and every API route its operation', () => {
  const places = exported.flatMap((one) => {
    const found = operationOf(one)
    const path = `/${one.file.slice('app/'.length, -'/route.ts'.length)}`.replaceAll(/\[(\w+)\]/g, '{$1}')
    return found ? [`${found.method} ${found.path} ${one.method} ${path}`] : []
  })
  expect(places.sort()).toEqual(operations.map((one) => `${one.method} ${one.path} ${one.method} ${one.path}`).sort())
})

/** Calls every exported API handler for which `concerns` with a path of tenant acme. */
async function callAll(concerns: (one: Operation) => boolean, headers: Record<string, string>) {
  const answers: string[] = []
  for (const one of exported) {
    const found = operationOf(one)
    if (!found || !concerns(found)) continue
    const params = Object.fromEntries(paramNames(found.path).map((name) => [name, name === 'tenant' ? 'acme' : 'x1']))
    const url = `${origin}${found.path.replaceAll(/\{(\w+)\}/g, (_, name) => params[name] ?? '')}`
    const change = found.method === 'GET' ? {} : { body: '{}' }
    const response = await one.handler(new Request(url, { method: found.method, headers, ...change }), {
      params: Promise.resolve(params),
    })
    answers.push(`${response.status} ${found.id} ${response.headers.has('set-cookie') ? 'set-cookie' : ''}`.trim())
  }
  return answers
}
const isPrivate = (one: Operation) => one.permission !== 'public'
const isChange = (one: Operation) => one.method !== 'GET'

test('E-03: every private operation answers 401 to nobody', async () => {
  const answers = await callAll(isPrivate, ownPage)
  expect(answers.filter((one) => !one.startsWith('401 '))).toEqual([])
})

test('C-01: every change of the API refuses every other site, before anything else happens', async () => {
  for (const site of ['cross-site', 'same-site', 'none']) {
    const headers = { ...ownPage, cookie: acme.cookie, 'sec-fetch-site': site }
    const answers = await callAll((one) => isChange(one) && isPrivate(one), headers)
    expect(
      answers.filter((one) => !one.startsWith('403 ')),
      site,
    ).toEqual([])
  }
})

test('Z-02: every operation in a tenant is a 404 for who is not in it', async () => {
  const stranger = await edges.person()
  const answers = await callAll((one) => one.path.includes('{tenant}'), { ...ownPage, cookie: stranger.cookie })
  expect(answers.filter((one) => !one.startsWith('404 '))).toEqual([])
})

test.each([
  ['member', []],
  // Seeing what is other people's is recorded, which is all that it changes (G-04).
  ['owner', ['access.read']],
] as const)('C-04: as %s, no GET sets a cookie or writes an event but %j, prefetches included', async (role, but) => {
  const { cookie } = await edges.person({ tenant: 'acme', role })
  const before = await edges.eventsOf('ten_acme')
  for (const extra of [
    {},
    { rsc: '1' },
    { 'next-router-prefetch': '1' },
    { purpose: 'prefetch' },
    { 'sec-purpose': 'prefetch' },
  ]) {
    const answers = await callAll((one) => !isChange(one), { cookie, ...(extra as Record<string, string>) })
    expect(answers.filter((one) => one.endsWith('set-cookie') || one.startsWith('5'))).toEqual([])
  }
  const after = await edges.eventsOf('ten_acme')
  expect(after.slice(0, before.length)).toEqual(before)
  const written = after.slice(before.length).map(({ body }) => (body as { action: string }).action)
  // The member's refused reads leave one each as well, as every denial does (G-01).
  expect(new Set(written.filter((action) => action !== 'access.denied'))).toEqual(new Set(but))
})
