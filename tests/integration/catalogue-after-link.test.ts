// What an MCP server offers is asked for behind the link that makes it possible, and by no page.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let owner: Jar
beforeAll(async () => {
  app = await startTestApp({ notes: true })
  owner = await app.signIn('owner@acme.test')
})
afterAll(() => app.stop())

type Tools = { server: { title: string } | null; items: { name: string }[] }

it('R-11: the tools of a server are there once somebody has linked it, and reading them calls nobody', async () => {
  const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', provider: 'Notes server' })
  const read = async () => (await app.call<Tools>(owner, 'GET', `/tenants/acme/projects/${project}/tools`)).body
  await expect.poll(async () => (await read()).server?.title).toBe('Demo notes')
  await expect.poll(async () => (await read()).items.length).toBe(6)
  const asked = app.demo.ledger.requests.length
  await read()
  await app.call(owner, 'POST', `/tenants/acme/projects/${project}/scopes`, {})
  await app.call(owner, 'GET', '/tenants/acme/projects')
  expect(app.demo.ledger.requests.length).toBe(asked)
})
