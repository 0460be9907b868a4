// How tokens of a project are made, as a program reads it before it asks for one.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { readOffer } from '../../lib/broker/read/offer.ts'
import { flagsOf, rightsOf } from '../../lib/client/index.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { ownApisOf, reports } from '../support/own-apis.ts'

type Way = {
  strategy: string
  token_type: string
  header: string
  base_url: string
  rights_schema: Record<string, unknown> | null
  read_only: boolean | null
  named_rules: { name: string; title: string; paths: string[] }[]
  environment: { token: string[]; values: Record<string, string> }
}
type Offer = {
  code?: string
  kind: string
  api: string
  strategies: { strategy: string; offered: boolean; reason: string }[]
  ways: Way[]
  cap: { seconds: number; set_by: string }
}

let app: TestApp
let owner: Jar
let member: Jar
let project: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())

const stack = () => new URL(app.demo.issuer).origin
const offer = async (jar: Jar, of: string) => app.call<Offer>(jar, 'GET', `/tenants/acme/projects/${of}/offer`)
const wayOf = ({ ways }: Offer, strategy: string) => ways.find((way) => way.strategy === strategy)

it('of a Keboola project names its ways, its rights as flags, and what its tools read', async () => {
  const asked = app.demo.ledger.requests.length
  const { body, status } = await offer(owner, project)
  expect(app.demo.ledger.requests.length, 'the upstream was asked').toBe(asked)
  expect([status, body.kind, body.api]).toEqual([200, 'keboola', stack()])
  const { body: detail } = await app.call<Offer>(owner, 'GET', `/tenants/acme/projects/${project}`)
  expect([body.cap, detail.cap.seconds > 0]).toEqual([detail.cap, true])
  expect(body.strategies.map(({ strategy, offered }) => `${strategy} ${offered}`)).toEqual([
    'mint true',
    'exchange false',
    'narrow false',
    'proxy true',
    'sign false',
  ])
  expect(body.strategies.every(({ reason }) => reason.length > 0)).toBe(true)
  expect(body.ways.map(({ strategy }) => strategy)).toEqual(['mint', 'proxy'])
  const mint = wayOf(body, 'mint')
  expect(mint).toMatchObject({
    token_type: 'storage',
    header: 'X-StorageApi-Token: {token}',
    base_url: stack(),
    read_only: null,
    named_rules: [],
  })
  expect(mint?.environment).toMatchObject({ token: ['KBC_TOKEN', 'KBC_STORAGE_TOKEN', 'KBC_STORAGE_API_TOKEN'] })
  expect(mint?.environment.values.KBC_URL).toBe(stack())
  const schema = mint?.rights_schema ?? {}
  expect(flagsOf(schema).map(({ flag }) => flag)).toEqual([
    'component',
    'bucket',
    'manage-buckets',
    'read-all-files',
    'manage-tokens',
  ])
  const scopes = rightsOf(schema, { bucket: ['in.c-crm'] })
  const { body: issued } = await app.issue(owner, 'acme', project, { scopes })
  expect(issued.token.granted).toMatchObject({ buckets: { 'in.c-crm': 'read' } })
})

it('F-09: of what works through us names our address, and no variable that would lead an upstream’s tool to the upstream', async () => {
  const { body } = await offer(owner, project)
  const proxy = wayOf(body, 'proxy')
  const base = `${app.ctx.config.origin}/api/v1/tenants/acme/projects/`
  expect(proxy).toMatchObject({
    token_type: 'Bearer',
    header: 'Authorization: Bearer {token}',
    rights_schema: null,
    read_only: true,
  })
  expect(proxy?.base_url).toMatch(/\/proxy$/)
  expect(proxy?.base_url.startsWith(base)).toBe(true)
  expect(proxy?.environment).toEqual({ token: ['API_TOKEN'], values: { API_URL: proxy?.base_url } })
  expect(proxy?.named_rules.map(({ name }) => name)).toEqual(['tables', 'jobs', 'files'])
})

it('of a project with a chosen branch names the branch, to its own member alone', async () => {
  const { body: detail } = await app.call<{ connection: { id: string } }>(
    owner,
    'GET',
    `/tenants/acme/projects/${project}`,
  )
  await app.call(owner, 'PATCH', `/tenants/acme/connections/${detail.connection.id}`, { branch: '4711' })
  const values = async (jar: Jar) => wayOf((await offer(jar, project)).body, 'mint')?.environment.values
  expect(await values(owner)).toMatchObject({ KBC_BRANCH_ID: '4711' })
  await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  expect(await values(member)).not.toHaveProperty('KBC_BRANCH_ID')
})

it('of another server has plain names, and of an own API only that of the token', async () => {
  const { id: provider } = await app.providerOf(await app.actorOf('owner@acme.test'), 'Demo tickets')
  const { body } = await app.call<{ url: string }>(owner, 'POST', '/tenants/acme/attempts', { provider })
  const { headers } = await app.follow(owner, await approve(body.url, { account: 'owner@acme.test' }))
  const [, tickets = ''] = /\/projects\/(prj_\w+)\?linked=1$/.exec(headers.get('location') ?? '') ?? []
  const narrow = wayOf((await offer(owner, tickets)).body, 'narrow')
  expect(narrow).toMatchObject({
    token_type: 'Bearer',
    environment: { token: ['API_TOKEN'], values: { API_URL: `${app.demo.ticketsIssuer}/api` } },
  })
  expect(flagsOf(narrow?.rights_schema ?? {}).map(({ flag }) => flag)).toEqual(['scope'])

  await ownApisOf(app, await app.actorOf('owner@acme.test'))
  const own = (await offer(member, 'reports')).body
  expect([own.kind, own.api, own.ways.map(({ strategy }) => strategy)]).toEqual(['own', reports, ['sign']])
  expect(wayOf(own, 'sign')?.environment).toEqual({ token: ['API_TOKEN'], values: {} })
})

it('LK-03: is not there for a member who has not linked the project', async () => {
  const other = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10232' })
  expect(await offer(member, other)).toMatchObject({ status: 404, body: { code: 'not_found' } })
  expect((await offer(owner, other)).status).toBe(200)
})

it('says so where the provider is misconfigured', async () => {
  const set = (kind: string) =>
    app.rows(
      'acme',
      `UPDATE provider SET kind = $1 WHERE id = (SELECT provider_id FROM project WHERE id = $2) RETURNING id`,
      [kind, project],
    )
  await set('teleporter')
  try {
    expect(await offer(owner, project)).toMatchObject({ status: 409, body: { code: 'provider_misconfigured' } })
    const actor = await app.actorOf('owner@acme.test')
    await expect(readOffer(app.ctx, actor, project)).rejects.toMatchObject({ code: 'provider_misconfigured' })
  } finally {
    await set('keboola')
  }
})
