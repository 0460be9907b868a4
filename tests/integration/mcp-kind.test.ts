// An MCP server as a provider: found by its address, linked, renewed, ended.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { freshTokens, renew } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import type { BrowserActor } from '../support/broker.ts'
import { type McpState, startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

let app: TestApp
let jar: Jar
let member: Jar
let owner: BrowserActor
let server: TestMcpServer
const servers: TestMcpServer[] = []
const start = async (options: Parameters<typeof startMcpServer>[0] = {}) => {
  const made = await startMcpServer(options)
  servers.push(made)
  return made
}
beforeAll(async () => {
  app = await startTestApp()
  jar = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  owner = await app.actorOf('owner@acme.test')
  server = await start({ issuerPath: '/t' })
})
afterAll(async () => {
  for (const each of servers) await each.stop()
  await app.stop()
})
afterEach(() => {
  for (const each of servers) each.is()
  return app.forgetLimits()
})

type Mcp = { by: string; registration: string | null; authorization_servers: string[]; title: string | null }
type Preview = {
  issuer: string
  scopes: string[]
  redirect_uri: string
  client_authentication: string
  endpoints: { name: string; url: string }[]
  mcp: Mcp | null
  fields?: Record<string, string>
}
type Made = {
  id: string
  client_id: string
  has_secret: boolean
  redirect_uri: string
  code?: string
  fields?: Record<string, string>
}
const preview = (setup: Record<string, unknown>, as = jar) =>
  app.call<Preview>(as, 'POST', '/tenants/acme/provider-preview', { kind: 'mcp', setup })
let made = 0
const create = (setup: Record<string, unknown>, more: object = {}) =>
  app.call<Made>(jar, 'POST', '/tenants/acme/providers', { kind: 'mcp', name: `Server ${++made}`, setup, ...more })
const rowOf = async (id: string) =>
  (await app.rows('acme', 'SELECT * FROM provider WHERE id = $1', [id]))[0] as Record<string, unknown> & {
    settings: { url: string; authorization: Record<string, unknown> }
  }

/** Starts a link of a provider as the owner; `finish` plays the browser at the server. */
async function begin(provider: string, more: { connectionId?: string; scopes?: string[] } = {}) {
  const { url, attemptId } = await startLink(app.ctx, owner, { providerId: provider, browser: owner.browser, ...more })
  return {
    url,
    attemptId,
    finish: async (at = server) => completeLink(app.ctx, app.callbackOf(await at.approve(url), owner)),
  }
}
async function link(provider: string, more: Parameters<typeof begin>[1] = {}, at = server) {
  const result = await (await begin(provider, more)).finish(at)
  if (result.kind !== 'linked') throw result.error
  const [connection] = await app.rows('acme', 'SELECT * FROM connection WHERE provider_id = $1 ORDER BY id DESC', [
    provider,
  ])
  return {
    ...result,
    connection: connection as {
      id: string
      scopes_granted: string[]
      account_name: string
      status: string
      grant_expires_at: Date | null
    },
  }
}

describe('a server that is added by its address alone', () => {
  it('R-01 R-02: is shown with its issuer, its scopes, PKCE and how a client comes to be, and nothing is registered by looking', async () => {
    const { status, body } = await preview({ url: server.url })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      issuer: server.issuer,
      scopes: ['notes:read', 'notes:write', 'offline_access'],
      client_authentication: 'secret',
      mcp: { by: 'oauth', registration: 'dynamic', authorization_servers: [server.issuer], title: null },
    })
    expect(body.endpoints.map(({ name }) => name)).toContain('token_endpoint')
    expect(server.registered()).toEqual([])
    expect(await app.rows('acme', `SELECT id FROM provider WHERE kind = 'mcp'`)).toEqual([])
  })

  it('R-03 R-25: becomes a provider with a client of its own, whose secret and registration token stay sealed', async () => {
    const { status, body, text } = await create({ url: server.url })
    expect(status, text).toBe(201)
    const [client] = server.registered()
    expect(client).toMatchObject({
      client_name: 'Valetkey',
      application_type: 'web',
      redirect_uris: [body.redirect_uri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    })
    expect(body).toMatchObject({ client_id: client?.client_id, has_secret: true })
    const row = JSON.stringify([await rowOf(body.id), await app.rows('acme', 'SELECT * FROM client_registration')])
    expect(row).not.toContain(String(client?.client_secret))
    expect(app.answered.map(({ text }) => text).join()).not.toContain(String(client?.client_secret))
    expect(await app.rows('acme', 'SELECT provider_id, client_id, due_at FROM client_registration')).toEqual([
      { provider_id: body.id, client_id: client?.client_id, due_at: null },
    ])
  })

  it('links with its address as the resource of every request, and renews and ends as every connection does', async () => {
    const { body } = await create({ url: server.url })
    const { connection, projectId } = await link(body.id)
    expect(connection).toMatchObject({
      status: 'linked',
      scopes_granted: expect.arrayContaining(['notes:read', 'notes:write']),
    })
    const [project] = await app.rows('acme', 'SELECT external_id, name FROM project WHERE id = $1', [projectId])
    expect(project).toEqual({ external_id: server.url, name: new URL(server.url).host })
    await app.advance(3600)
    const key = { tenantId: owner.tenantId, connectionId: connection.id }
    const { accessToken } = await freshTokens(app.ctx, key)
    expect((await server.provider.AccessToken.find(accessToken.reveal()))?.aud).toBe(server.url)
    const forms = server.requests('as', '/t/token').map(({ body }) => new URLSearchParams(body))
    expect(forms.map((form) => [form.get('grant_type'), form.get('resource')])).toEqual(
      expect.arrayContaining([
        ['authorization_code', server.url],
        ['refresh_token', server.url],
      ]),
    )
    for (const form of forms) expect(form.get('resource')).toBe(server.url)
    for (const { query } of server.requests('as', '/t/auth').filter(({ query }) => query.has('client_id')))
      expect(query.get('resource')).toBe(server.url)
    const [ended] = await revoke(app.ctx, owner, { tokens: [], connections: [connection.id] })
    expect(ended).toMatchObject({ upstream: 'done' })
    expect(await server.provider.AccessToken.find(accessToken.reveal())).toBeUndefined()
  })
})
