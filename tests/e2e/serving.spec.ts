import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'playwright/test'
import { signIn } from './support.ts'

const clientFiles = readdirSync('.next/static', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))

test('P-03: no server code, setting or query is in what browsers load', () => {
  const serverOnly = [
    'DATABASE_URL',
    'VALETKEY_KEYS',
    'VALETKEY_SECRET',
    'app.tenant_id',
    'refresh_claim',
    'A256GCM',
    'vk_inv_',
    'PrismaClient',
    'token_hash',
  ]
  expect(clientFiles.length).toBeGreaterThan(5)
  const leaks = clientFiles.flatMap((file) => {
    const text = readFileSync(file, 'latin1')
    return serverOnly.filter((marker) => text.includes(marker)).map((marker) => `${file}: ${marker}`)
  })
  expect(leaks).toEqual([])
})

test('E-05: no source maps, sources, dot files, debug or design pages are served', async ({ request }) => {
  expect(clientFiles.filter((file) => file.endsWith('.map'))).toEqual([])
  const script = clientFiles.find((file) => file.endsWith('.js'))?.replace('.next/static', '/_next/static')
  const paths = [
    '/.env',
    '/.env.local',
    '/.git/config',
    '/.git/HEAD',
    '/.data/instance.json',
    '/package.json',
    '/server.ts',
    '/dist/server.mjs',
    '/prisma/schema.prisma',
    '/lib/config.ts',
    '/design',
    '/debug',
    '/test',
    '/_next/server/app/page.js',
    '/_next/BUILD_ID',
    `${script}.map`,
    '/api/auth/session',
    '/api/auth/csrf',
    '/api/auth/providers',
    '/metrics',
    '/_next/image?url=https%3A%2F%2Fexample.com%2Fa.png&w=64&q=75',
  ]
  for (const path of paths) {
    const response = await request.get(path, { maxRedirects: 0 })
    expect([400, 404, 405], `${path} answered ${response.status()}`).toContain(response.status())
    expect(await response.text()).not.toMatch(/postgres:\/\/|at \/|node_modules|VALETKEY_/)
  }
})

test('E-02: programs get problems in JSON and browsers get pages, whatever they say they accept', async ({
  request,
}) => {
  const kinds = ['text/html', 'application/json', '*/*', 'image/png']
  for (const accept of kinds) {
    const get = (path: string) =>
      request.get(path, {
        headers: { accept, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
        maxRedirects: 0,
      })
    for (const [path, status] of [
      ['/api/v1/me', 401],
      ['/api/v1/tenants/acme/projects', 401],
      ['/api/v1/no-such', 404],
    ] as const) {
      const response = await get(path)
      expect([response.status(), response.headers()['content-type']], path).toEqual([
        status,
        'application/problem+json',
      ])
    }
    const callback = await get('/oauth/callback/keboola-demo?state=unknown&code=x')
    expect([callback.status(), callback.headers().location]).toEqual([303, '/connect/failed?code=attempt_unknown'])
    const page = await get('/no-such-page')
    expect([page.status(), page.headers()['content-type']]).toEqual([404, 'text/html; charset=utf-8'])
  }
})

/** What the server has logged from now on. */
function followLog(): () => Record<string, unknown>[] {
  const file = join(process.env.VALETKEY_E2E_DATA ?? '', 'server.log')
  const begun = readFileSync(file).length
  const lines = () => readFileSync(file).subarray(begun).toString().split('\n').filter(Boolean)
  return () => lines().map((line) => JSON.parse(line))
}

test('C-05: nothing that could be a server action comes near Next', async ({ request }) => {
  const logged = followLog()
  const forms: Record<string, string>[] = [
    { 'next-action': '7f'.repeat(21), 'content-type': 'text/plain;charset=UTF-8' },
    { 'content-type': 'multipart/form-data; boundary=x' },
    { 'content-type': 'application/x-www-form-urlencoded' },
  ]
  const paths = [
    '/',
    '/signin',
    '/t/acme/projects',
    '/api/none',
    '/api/auth/%2e%2e',
    '/oauth/none',
    '/mcp/a/b/c',
    '/none',
  ]
  for (const path of paths)
    for (const headers of forms) {
      const response = await request.fetch(path, { method: 'POST', headers, data: '["$K1"]', maxRedirects: 0 })
      expect([404, 405], path).toContain(response.status())
      expect(await response.json()).toMatchObject({ code: expect.any(String), next: expect.any(String) })
    }
  // Next says something to its log whenever it looks for an action.
  expect(logged()).toEqual([])
  // The gateway answers by itself.
  for (const headers of forms) {
    const response = await request.fetch('/mcp/a/b', { method: 'POST', headers, data: '["$K1"]', maxRedirects: 0 })
    expect(response.status()).toBe(401)
  }
})

test('H-02: who hangs up is no outage: neither in the server nor in Next is it logged as a failure', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  const logged = followLog()
  const { origin, port } = new URL(page.url())
  const cookies = await page.context().cookies(origin)
  const headers = [
    `host: localhost:${port}`,
    `origin: ${origin}`,
    'x-valetkey: 1',
    'content-type: application/json',
    `cookie: ${cookies.map(({ name, value }) => `${name}=${value}`).join('; ')}`,
  ].join('\r\n')
  const hangUp = (head: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(port), 'localhost')
      socket.on('error', () => {}).on('close', () => resolve())
      socket.write(head, () => setTimeout(() => socket.destroy(), 50))
    })
  // By the server itself, by a route and by a page of Next.
  await hangUp(`POST /api/v1/tenants/acme/projects/x/tokens HTTP/1.1\r\n${headers}\r\ncontent-length: 99\r\n\r\n{`)
  await hangUp(`POST /api/v1/tenants HTTP/1.1\r\n${headers}\r\ncontent-length: 99\r\n\r\n{`)
  await hangUp(`GET /t/acme/projects HTTP/1.1\r\n${headers}\r\n\r\n`)
  await expect.poll(() => logged().filter(({ problem }) => problem === 'aborted').length).toBe(2)
  expect(logged().filter(({ level }) => Number(level) >= 40)).toEqual([])
})
