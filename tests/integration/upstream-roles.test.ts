// What a role upstream lets a token be given is told before it is asked for, and compared with what came back (trap 14).
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../demo/index.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

type Choices = {
  role: string | null
  refused: string | null
  unavailable: Record<string, string>
  branches: { id: string; name: string }[]
}

let app: TestApp
let owner: Jar
let project: string
let provider: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  provider = await app.demoProvider(owner, 'acme')
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  app.demo.modes.set({ role: null, master: true })
  await allow(false)
  await app.forgetLimits()
})

const choices = async () => (await app.call<Choices>(owner, 'POST', `/tenants/acme/projects/${project}/scopes`)).body
const mints = () => app.requests('POST /v2/storage/tokens')
const issue = (scopes: object) => app.issue(owner, 'acme', project, { scopes })
async function allow(on: boolean) {
  const path = `/tenants/acme/providers/${provider}`
  const { status } = await app.call(owner, 'PATCH', path, { settings: { allow_manage_tokens: on } })
  expect(status).toBe(200)
}

describe('before the form', () => {
  it.each<[role: Role, refused: unknown]>([
    ['admin', null],
    ['share', null],
    ['guest', expect.stringContaining('drops every right')],
    ['readOnly', expect.stringContaining('may not make tokens')],
  ])('K-22: a member whose role upstream is %s is told what their tokens can be given', async (role, refused) => {
    app.demo.modes.set({ role })
    const told = await choices()
    expect(told).toMatchObject({ role, refused })
    expect(Object.keys(told.unavailable).toSorted()).toEqual(
      refused === null ? ['manage_tokens'] : ['manage_buckets', 'manage_tokens', 'read_all_files'],
    )
  })

  it('K-22: what is told is what comes of it: nothing of a guest’s rights, and no token of a readOnly member', async () => {
    app.demo.modes.set({ role: 'guest' })
    const { body } = await issue({ buckets: { 'in.c-crm': 'read' } })
    expect(body.token).toMatchObject({ granted: { buckets: {} }, not_granted: ['read in.c-crm'] })
    app.demo.modes.set({ role: 'readOnly' })
    expect(await issue({ buckets: { 'in.c-crm': 'read' } })).toMatchObject({
      status: 403,
      body: { code: 'upstream_forbidden' },
    })
  })

  it('K-31: a connection that is no master token can give none', async () => {
    app.demo.modes.set({ master: false })
    expect((await choices()).refused).toContain('not a master token')
  })
})

it('ASK-05: managing one bucket cannot be asked for, because the stack refuses it; read and write can', async () => {
  const before = mints().length
  const { status, body } = await issue({ buckets: { 'in.c-crm': 'manage' } })
  expect([status, body.code, mints().length]).toEqual([400, 'bad_request', before])
  expect((await issue({ buckets: { 'in.c-crm': 'write', 'in.c-web-orders': 'read' } })).status).toBe(201)
})

describe('managing tokens', () => {
  it('K-20: is refused where no admin allows it, before anything is made, and the form says why', async () => {
    const before = mints().length
    const { status, body } = await issue({ manage_tokens: true })
    expect([status, body.code, mints().length]).toEqual([422, 'over_policy', before])
    expect((await choices()).unavailable.manage_tokens).toContain('An admin can change that')
  })

  it('K-20: is asked for where an admin allows it and somebody chose it, and is told as what reaches far', async () => {
    await allow(true)
    expect((await choices()).unavailable).toEqual({})
    await issue({ buckets: { 'in.c-crm': 'read' } })
    expect(mints().at(-1)?.body).not.toHaveProperty('canManageTokens')
    const { status, body } = await issue({ manage_tokens: true })
    expect(status).toBe(201)
    expect(mints().at(-1)?.body).toMatchObject({ canManageTokens: true })
    expect(body.token).toMatchObject({
      granted: { manage_tokens: true },
      rights: { granted: [{ text: 'manage tokens', risk: 'high' }] },
    })
    const list = await fetch(`${app.demo.url}/v2/storage/tokens`, { headers: { 'x-storageapi-token': body.value } })
    expect(list.status).toBe(200)
  })

  it('K-20 K-22: is not to be had from an account that may not itself, and is told as not granted', async () => {
    await allow(true)
    app.demo.modes.set({ role: 'guest' })
    expect((await choices()).unavailable.manage_tokens).toContain('may not do this upstream')
    expect((await issue({ manage_tokens: true })).body.token.not_granted).toEqual(['manage tokens'])
  })
})

describe('development branches', () => {
  it('K-25: are told with the choices, without the main one', async () => {
    expect((await choices()).branches).toEqual([{ id: '7101', name: 'currencies' }])
  })

  it.each([403, 404])('K-25: a stack that answers %i has none, and the form has the rest', async (status) => {
    app.demo.faults.push('GET /v2/storage/dev-branches', { status })
    const told = await choices()
    expect([told.branches, told.role]).toEqual([[], 'admin'])
  })

  it('K-25: one that is chosen at issue is named to tools in place of the connection’s', async () => {
    const named = async (query = '') => {
      const path = `/tenants/acme/projects/${project}/offer${query}`
      const { body } = await app.call<{ ways: { environment: { values: object } }[] }>(owner, 'GET', path)
      return body.ways[0]?.environment.values
    }
    expect(await named()).not.toHaveProperty('KBC_BRANCH_ID')
    expect(await named('?branch=7101')).toMatchObject({ KBC_BRANCH_ID: '7101' })
    expect((await app.call(owner, 'GET', `/tenants/acme/projects/${project}/offer?branch=a%20b`)).status).toBe(400)
  })
})
