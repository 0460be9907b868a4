// The client as the package that programs install: packed, unpacked far from this tree, run by plain Node against real sockets.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { scopes } from '../../lib/actor.ts'
import { putContext } from '../../lib/context.ts'
import { issueBody, startTestApp, type TestApp } from '../support/app.ts'
import { giveGrant } from '../support/grants-of-programs.ts'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

let app: TestApp
let server: Server
let baseUrl: string
let project: string
let scratch: string
/** What becomes of the next requests: their answer is lost on the way, or is another one. */
const fates: ('lost' | Response)[] = []
const seen: { method: string; key: string | null; token: string | null; cookie: string | null }[] = []

beforeAll(async () => {
  app = await startTestApp()
  const owner = await app.signIn('owner@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  const { id } = (await app.call<{ id: string }>(owner, 'GET', '/me')).body
  const now = app.ctx.now()
  const grant = await giveGrant(app, id, { ceilings: { [project]: { rights: null, proxy: null } } })
  const principal = {
    credential: { kind: 'bearer', client: 'valetkey', grant, scopes },
    userId: id,
    issuer: app.ctx.config.signin.issuer,
    subject: 'acct-3001',
    name: 'owner@acme.test',
    email: null,
    operator: false,
    authTime: now,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 3_600_000),
  } as const
  putContext({ ...app.ctx, authenticators: [async ({ token }) => (token === 'good-token' ? principal : undefined)] })
  server = createServer((incoming, outgoing) => {
    const answer = async (request: Request) => {
      const { method, headers } = request
      const [key, token, cookie] = ['idempotency-key', 'authorization', 'cookie'].map((name) => headers.get(name))
      seen.push({ method, key: key ?? null, token: token ?? null, cookie: cookie ?? null })
      const fate = fates.shift()
      if (fate instanceof Response) return fate
      const response = await app.route(request)
      if (fate === 'lost') incoming.socket.destroy()
      return response
    }
    return getRequestListener(answer)(incoming, outgoing)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  scratch = await mkdtemp(join(tmpdir(), 'valetkey-client-'))
  await run('npm', ['pack', '--offline', '--silent', '--pack-destination', scratch], { cwd: join(root, 'lib/client') })
  const installed = join(scratch, 'node_modules/@valetkey/client')
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(scratch, 'valetkey-client-0.1.0.tgz'), '--strip-components=1', '-C', installed])
  // What npm would bring beside it.
  for (const name of ['openapi-fetch', 'openapi-typescript-helpers'])
    await cp(join(root, 'node_modules', name), join(scratch, 'node_modules', name), { recursive: true })
  await writeFile(join(scratch, 'package.json'), '{ "type": "module" }')
}, 60_000)
afterAll(async () => {
  server?.closeAllConnections()
  server?.close()
  await app?.stop()
  if (scratch) await rm(scratch, { recursive: true, force: true })
})
afterEach(() => {
  seen.length = 0
  fates.length = 0
})

/** What a program prints that uses the package, as JSON. */
async function program(text: string): Promise<unknown> {
  const file = join(scratch, `${randomUUID()}.mjs`)
  const head = `import { createValetkeyClient, ProblemError, unwrap } from '@valetkey/client'
const given = ${JSON.stringify({ baseUrl, project, body: issueBody })}
const place = { path: { tenant: 'acme', project: given.project } }
const tokens = '/api/v1/tenants/{tenant}/projects/{project}/tokens'
const tell = (value) => process.stdout.write(JSON.stringify(value))
`
  await writeFile(file, head + text)
  const { stdout } = await run(process.execPath, [file], { cwd: scratch, timeout: 20_000 })
  return JSON.parse(stdout)
}
const issued = () => app.rows('acme', 'SELECT id FROM issued_token')
const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: '', title: code, status, code, next: '', request_id: 'req_x' }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })

it('a program with a token reads and changes, and sends no cookie', async () => {
  const name = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    tell((await unwrap(client.GET('/api/v1/me'))).name)`)
  expect(name).toBe('owner@acme.test')
  expect(seen).toMatchObject([{ token: 'Bearer good-token', cookie: null }])
})

it('IK-01: an answer that is lost on the way costs nothing: the same request goes again under the key that the client chose', async () => {
  const before = (await issued()).length
  fates.push('lost', 'lost')
  const { status, age } = (await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    const { data, error, response } = await client.POST(tokens, { params: place, body: given.body })
    tell({ status: response.status, age: response.headers.get('age'), error, id: data.token.id })`)) as Record<
    string,
    unknown
  >
  expect([status, Number(age) >= 0, age !== null]).toEqual([201, true, true])
  expect(await issued()).toHaveLength(before + 1)
  expect(seen).toHaveLength(3)
  expect(seen[0]?.key).toMatch(/^[0-9a-f-]{36}$/)
  expect(new Set(seen.map(({ key }) => key)).size).toBe(1)
})

it('a key of the program’s own is taken; what has no key is not sent a second time', async () => {
  const key = randomUUID()
  fates.push('lost')
  const codes = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token', repeats: { tries: 2 } })
    const header = { 'Idempotency-Key': ${JSON.stringify(key)} }
    const { response } = await client.POST(tokens, { params: { ...place, header }, body: given.body })
    const path = '/api/v1/tenants/{tenant}/invitations'
    const lost = await client.POST(path, { params: { path: { tenant: 'acme' } }, body: { role: 'member' } })
    tell([response.status, lost.error?.code])`)
  expect(seen.slice(0, 2).map((one) => one.key)).toEqual([key, key])
  expect(codes).toEqual([201, 'browser_only'])
  seen.length = 0
  fates.push('lost')
  const code = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    const params = { path: { tenant: 'acme', project: given.project } }
    const lost = await client.POST('/api/v1/tenants/{tenant}/projects/{project}/scopes', { params, body: {} })
    tell(lost.error?.code)`)
  expect(code).toBe('no_answer')
  expect(seen).toHaveLength(1)
})

it('a refused token is replaced once, by whoever has another', async () => {
  const status = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: async (refused) => refused ? 'good-token' : 'old-token' })
    tell((await client.GET('/api/v1/me')).response.status)`)
  expect(status).toBe(200)
  expect(seen.map(({ token }) => token)).toEqual(['Bearer old-token', 'Bearer good-token'])
  const error = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'old-token' })
    const error = await unwrap(client.GET('/api/v1/me')).catch((error) => error)
    tell([error instanceof ProblemError, error.code, error.status, error.problem.next])`)
  expect(error).toEqual([true, 'unauthenticated', 401, expect.any(String)])
})

it('what asks to wait is waited for, unless it is too long; then the problem says how long', async () => {
  fates.push(problem(429, 'rate_limited', { 'retry-after': '1' }), problem(503, 'unavailable', { 'retry-after': '0' }))
  const answer = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    const started = Date.now()
    const { response } = await client.GET('/api/v1/me')
    tell([response.status, Date.now() - started >= 1000])`)
  expect(answer).toEqual([200, true])
  fates.push(problem(429, 'rate_limited', { 'retry-after': '3600' }))
  const error = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    const error = await unwrap(client.GET('/api/v1/me')).catch((error) => error)
    tell([error.code, error.retryAfterSeconds])`)
  expect(error).toEqual(['rate_limited', 3600])
})

it('a try that is under way elsewhere is waited for', async () => {
  fates.push(problem(409, 'idempotency_running', { 'retry-after': '0' }), problem(409, 'needs_relink'))
  const codes = await program(`
    const client = createValetkeyClient({ baseUrl: given.baseUrl, token: 'good-token' })
    const { error } = await client.POST(tokens, { params: place, body: given.body })
    tell(error.code)`)
  expect(codes).toBe('needs_relink')
  expect(seen).toHaveLength(2)
})

it('its types say what an operation takes and answers', async () => {
  const file = join(scratch, 'program.ts')
  await writeFile(
    file,
    `import { createValetkeyClient, ProblemError, type TokenProvider, unwrap } from '@valetkey/client'
const token: TokenProvider = async (refused) => refused ?? 'token'
const client = createValetkeyClient({ baseUrl: 'https://valetkey.example', token, fetch: (request) => fetch(request) })
export async function use(): Promise<string> {
  const params = { path: { tenant: 'acme', project: 'warehouse' }, header: { 'Idempotency-Key': 'my-own-key-0123456789' } }
  const path = '/api/v1/tenants/{tenant}/projects/{project}/tokens'
  const body = { scopes: { buckets: { 'in.c-crm': 'read' as const } }, expires_in: 900, purpose: 'types' }
  const { value } = await unwrap(client.POST(path, { params, body }))
  // @ts-expect-error seconds are a number
  await client.POST(path, { params, body: { ...body, expires_in: '900' } })
  // @ts-expect-error there is no such operation
  await client.GET('/api/v1/nothing')
  // @ts-expect-error a read is not done once for a key
  await client.GET('/api/v1/tenants/{tenant}/tokens', { params: { path: { tenant: 'acme' }, header: { 'Idempotency-Key': 'x' } } })
  try {
    await unwrap(client.GET('/api/v1/me'))
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'insufficient_scope') return error.problem.next
  }
  return value
}
`,
  )
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', '', file]
  const told = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options], {
    cwd: scratch,
  }).catch((error: { stdout?: string }) => error)
  expect(told.stdout).toBe('')
}, 60_000)
