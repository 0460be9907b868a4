// Every path that the server answers itself, asked twice: of the server as it is, and of one that leaves all of them to Next.
// A route that is added to app/api/machine.ts is asked here without another word.
import { request as httpRequest } from 'node:http'
import { build } from 'esbuild'
import { expect, test } from 'playwright/test'
import { machineRoutes } from '../../app/api/machine.ts'
import { type OwnCluster, startOwnCluster } from '../support/own-cluster.ts'
import { type Product, seedPerson, settings, startProduct } from './product.ts'

let cluster: OwnCluster
let cookie: string
let origin: string
/** The same settings, the same database. */
let ways: { itself: Product; next: Product }

test.beforeAll(async () => {
  test.setTimeout(180_000)
  cluster = await startOwnCluster()
  cookie = await seedPerson(cluster.ownerUrl)
  const env = await settings(cluster.appUrl)
  origin = env.VALETKEY_URL ?? ''
  const start = async (server: string, port: string) => {
    const product = await startProduct({ databaseUrl: cluster.appUrl, env: { ...env, PORT: port }, server })
    await product.until('/api/ready', 200, 120)
    return product
  }
  const itself = await start('dist/server.mjs', env.PORT)
  ways = { itself, next: await start(await bundleWithout(), (await settings(cluster.appUrl)).PORT) }
})
test.afterAll(async () => {
  await ways?.itself.stop()
  await ways?.next.stop()
  await cluster?.drop()
})

/** The server with no path of its own. */
async function bundleWithout(): Promise<string> {
  const outfile = 'dist/server-without.mjs'
  await build({
    entryPoints: ['server.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    plugins: [
      {
        name: 'no machine routes',
        setup: (own) =>
          own.onLoad({ filter: /[/\\]lib[/\\]http[/\\]machine\.ts$/ }, () => ({
            contents: 'export const createMachineEdge = () => () => undefined',
          })),
      },
    ],
  })
  return outfile
}

type Sent = { method: string; path: string; headers: Record<string, string | string[]>; body: string }
type Seen = { status: number; headers: Record<string, unknown>; body: string }

function ask({ port }: Product, { method, path, headers, body }: Sent): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const length = body && { 'content-length': String(Buffer.byteLength(body)) }
    const asked = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        headers: { host: new URL(origin).host, ...length, ...headers },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece) => {
          text += piece
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

/** What differs by the moment, the connection or the length of an id. */
const changing = ['date', 'x-request-id', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'vary']
const comparable = ({ status, headers, body }: Seen) => ({
  status,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !changing.includes(name))),
  body: body.replace(/req_\w+/g, 'req_'),
})

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
/** What a request of any method may have in its head, by what it tries. */
const heads = (own: Record<string, string>): Record<string, Record<string, string | string[]>> => ({
  nothing: {},
  'a session': { cookie },
  'a session, from its own page': { cookie, ...own },
  'a session, from elsewhere': { cookie, ...own, origin: 'https://evil.test' },
  'two sessions': { cookie: `${cookie}; ${cookie.slice(0, -1)}x` },
  'a session that is none': { cookie: `${cookie.slice(0, -2)}xx` },
  'a token that is none': { authorization: 'Bearer abc' },
  'a token beside a session': { cookie, ...own, authorization: 'Bearer vk_at_abc' },
  'a proof that is none': { authorization: 'DPoP abc', dpop: 'x.y.z' },
  'a client that is none': { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` },
  claims: { cookie, 'x-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'evil.test', 'x-http-method-override': 'DELETE' },
  'another host': { cookie, host: 'evil.test' },
  'a server action': { cookie, 'next-action': 'x' },
  'any languages': { cookie, accept: 'text/html', 'accept-encoding': 'gzip, br', 'accept-language': 'de' },
})
const queries = ['', '?a=1&a=2', '?token=x', '?a=%20', '?a=%zz', '?a=%00', '?unknown=1']
const bodies: [what: string, type: Record<string, string>, body: string][] = [
  ['no body', json, ''],
  ['an empty object', json, '{}'],
  ['half of JSON', json, '{"a"'],
  ['unknown members', json, '{"a":1}'],
  ['an issue', json, JSON.stringify({ scopes: { components: ['keboola.x'] }, expires_in: 60, purpose: 'none' })],
  ['a text that nobody keeps', json, '{"purpose":"\\ud800"}'],
  ['too much', json, 'x'.repeat(70_000)],
  ['another type', { 'content-type': 'text/plain' }, 'x'],
  ['an empty form', form, ''],
  ['a form', form, 'grant_type=nothing&token=x&client_id=y'],
  ['a form with a field twice', form, 'token=x&token=y&logout_token=a&logout_token=b'],
  ['a form that is no text', form, 'token=%ff%fe'],
  ['parts', { 'content-type': 'multipart/form-data; boundary=x' }, '--x--'],
]

for (const { method, path: pattern } of machineRoutes)
  test(`${method} ${pattern}: the server and Next answer alike, whatever is asked`, async () => {
    test.setTimeout(180_000)
    const path = pattern.replaceAll(/:(\w+)/g, (_, name) => (name === 'tenant' ? 'acme' : 'none'))
    const own = { origin, 'x-valetkey': '1', 'sec-fetch-site': 'same-origin' }
    const asked: [string, Sent][] = []
    const [type, body] = method === 'GET' ? [{}, ''] : [json, '{}']
    for (const [what, head] of Object.entries(heads(own)))
      asked.push([what, { method, path, headers: { ...type, ...head }, body }])
    for (const query of queries)
      asked.push([
        `the query ${query}`,
        { method, path: `${path}${query}`, headers: { cookie, ...own, ...type }, body },
      ])
    for (const [what, type, body] of method === 'GET' ? [] : bodies)
      asked.push([what, { method, path, headers: { cookie, ...own, ...type }, body }])
    for (const other of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])
      if (other !== method) asked.push([other, { method: other, path, headers: { cookie }, body: '' }])
    for (const [what, sent] of asked) {
      const [itself, next] = await Promise.all([ask(ways.itself, sent), ask(ways.next, sent)])
      expect(comparable(itself), `${what}: the server first, then Next`).toEqual(comparable(next))
      expect(itself.status, what).toBeLessThan(500)
    }
  })

test('the one answers by itself what the other leaves to Next', async () => {
  const sent = { method: 'GET', path: '/api/health', headers: {}, body: '' }
  const isNexts = ({ headers }: Seen) => /rsc/.test(String(headers.vary))
  expect([isNexts(await ask(ways.itself, sent)), isNexts(await ask(ways.next, sent))]).toEqual([false, true])
})
