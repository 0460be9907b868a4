// Postgres killed under load, for real: kill -9 to the postmaster and all it started, then started again.
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { issueBody, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import type { Email } from '../support/broker.ts'
import { ownPage } from '../support/edges.ts'
import { type OwnCluster, startOwnCluster } from '../support/own-cluster.ts'

let cluster: OwnCluster
let app: TestApp
let port: number
let stopServer: () => Promise<unknown>
type Person = { jar: Jar; tenant: string; project: string }
let people: Person[]

beforeAll(async () => {
  cluster = await startOwnCluster()
  app = await startTestApp({ database: cluster })
  const join = async (account: Email, tenant: string, project: string): Promise<Person> => {
    const jar = await app.signIn(account)
    return { jar, tenant, project: await app.linkProject(jar, tenant, { account, project }) }
  }
  people = [
    await join('owner@acme.test', 'acme', '10231'),
    await join('member@acme.test', 'acme', '10231'),
    await join('owner@globex.test', 'globex', '20880'),
  ]
  const next = getRequestListener(app.route, { overrideGlobalObjects: false })
  const server = createEdge({ config: { ...app.ctx.config, production: true }, machineRoutes, declared, next })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  stopServer = () => new Promise((resolve) => server.close(resolve))
}, 60_000)
afterAll(async () => {
  await stopServer?.()
  await app?.stop()
}, 60_000)

type Asked = { what: string; status: number; retryAfter: string | undefined; cookies: string[]; code: string }

function ask({ jar }: Person, method: string, path: string, body?: object): Promise<Asked> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const headers = { ...ownPage, host: 'localhost:3000', cookie }
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({
          what: `${method} ${path}`,
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          cookies: response.headers['set-cookie'] ?? [],
          code: text.startsWith('{') ? JSON.parse(text).code : text.slice(0, 80),
        }),
      )
    })
    asked.on('error', reject)
    asked.end(body && JSON.stringify(body))
  })
}

/** Everything that a person's browser and scripts ask, one after another. */
const rounds = (person: Person, index: number) => [
  () => ask(person, 'GET', '/api/v1/me'),
  () => ask(person, 'GET', `/api/v1/tenants/${person.tenant}/projects`),
  () => ask(person, 'GET', '/api/ready'),
  () => ask(person, 'GET', `/api/v1/tenants/${person.tenant}/connections`),
  () => ask(person, 'GET', `/api/v1/tenants/${person.tenant}/tokens`),
  // One of ten: people have sixty a minute. The body names a bucket of acme's.
  () =>
    index === 0 && person.tenant === 'acme'
      ? ask(person, 'POST', `/api/v1/tenants/${person.tenant}/projects/${person.project}/tokens`, issueBody)
      : ask(person, 'GET', `/api/v1/tenants/${person.tenant}/audit-events`),
]

it('H-02: Postgres killed under load costs 503s with Retry-After and never a 500; sessions live on and it recovers by itself', async () => {
  const answers: Asked[] = []
  let isOver = false
  const callers = people.flatMap((person) => Array.from({ length: 10 }, (_, index) => rounds(person, index)))
  const load = callers.map(async (round, index) => {
    for (let turn = index; !isOver; turn += 1) {
      const answer = await round[turn % round.length]?.()
      if (answer) answers.push(answer)
      await new Promise((resolve) => setTimeout(resolve, 120))
    }
  })
  const count = (status: number) => answers.filter((one) => one.status === status).length
  const until = async (happened: () => boolean) => {
    while (!happened()) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  for (let kill = 0; kill < 3; kill += 1) {
    const [good, bad] = [count(200), count(503)]
    await until(() => count(200) > good + 120)
    await cluster.kill()
    await until(() => count(503) > bad + 60)
    await cluster.start()
  }
  const good = count(200)
  await until(() => count(200) > good + 60)
  isOver = true
  await Promise.all(load)

  const others = answers.filter(({ status }) => ![200, 201, 503].includes(status))
  expect(others).toEqual([])
  for (const answer of answers.filter(({ status }) => status === 503)) {
    expect(answer).toMatchObject({ code: 'unavailable', retryAfter: '5' })
    expect(answer.cookies, answer.what).toEqual([])
  }
  for (const person of people) expect((await ask(person, 'GET', '/api/v1/me')).status).toBe(200)
}, 90_000)
