// An MCP server whose tokens come from the real Keycloak: found, registered at, linked, and called through the gateway.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { removeProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { settleRegistration } from '../../lib/broker/registrations.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { settleRevocation } from '../../lib/broker/upstream-revocation.ts'
import { dueRegistrations, dueRevocations } from '../../lib/store/lookups.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { mcpToken, startGateway } from '../support/mcp-gateway.ts'
import { mcpProviders } from '../support/mcp-provider.ts'
import { notesServer } from '../support/mcp-server.ts'

let at: AtKeycloak
let server: Awaited<ReturnType<typeof startServer>>
let gate: Awaited<ReturnType<typeof startGateway>>
let mcp: ReturnType<typeof mcpProviders>
beforeAll(async () => {
  at = await startAtKeycloak()
  server = await startServer(at.realm.issuer)
  gate = await startGateway(at.broker.ctx)
  mcp = mcpProviders(at.broker, at.owner)
  await audienceScope()
})
afterAll(async () => {
  await gate?.stop()
  await server?.stop()
  await at?.stop()
})

/**
 * The official server package, which takes this realm's access tokens for itself alone (RFC 9068: signature, issuer, audience),
 * and says so by RFC 9728. `callers`: what those said that it let in.
 */
async function startServer(issuer: string) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/protocol/openid-connect/certs`))
  const handler = toNodeHandler(createMcpHandler(notesServer))
  const callers: JWTPayload[] = []
  let url = ''
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, origin } = new URL(request.url ?? '', url)
    const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`
    if (pathname === new URL(metadata).pathname)
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ resource: url, authorization_servers: [issuer], scopes_supported: ['notes'] }))
    if (pathname !== '/mcp') return response.writeHead(404).end()
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const caller = await jwtVerify(token, keys, { issuer, audience: url }).catch(() => undefined)
    if (!caller)
      return response
        .writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${metadata}", scope="notes"` })
        .end('{}')
    callers.push(caller.payload)
    await handler(request as never, response as never)
  }
  const listening = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/mcp`
  return {
    url,
    callers,
    async stop() {
      listening.closeAllConnections()
      await new Promise((resolve) => listening.close(resolve))
    },
  }
}

/** What a realm's admin does so that its tokens say whom they are for: Keycloak takes no `resource` (RFC 8707). */
async function audienceScope(): Promise<void> {
  const { realm } = at
  const mapper = {
    name: 'the notes server',
    protocol: 'openid-connect',
    protocolMapper: 'oidc-audience-mapper',
    config: { 'included.custom.audience': server.url, 'access.token.claim': 'true', 'id.token.claim': 'false' },
  }
  const attributes = { 'include.in.token.scope': 'true' }
  const scope = { name: 'notes', protocol: 'openid-connect', attributes, protocolMappers: [mapper] }
  await realm.admin('/client-scopes', { json: scope })
  const scopes = await realm.admin<{ id: string; name: string }[]>('/client-scopes')
  for (const name of ['notes', 'offline_access']) {
    const id = scopes.find((one) => one.name === name)?.id
    await realm.admin(`/default-optional-client-scopes/${id}`, { method: 'PUT' })
  }
  // As every realm has it that was not made from a file: it puts `sub` into the tokens of whoever registers.
  const basic = scopes.find((one) => one.name === 'basic')?.id
  await realm.admin(`/default-default-client-scopes/${basic}`, { method: 'PUT' })
}

type Component = { id: string; name: string; providerId: string; config: Record<string, string[]> }
/** The realm lets in who registers from this machine, as its policies have to say (anonymous access, Trusted Hosts). */
async function trustThisMachine(): Promise<void> {
  const { realm } = at
  const all = await realm.admin<Component[]>(
    '/components?type=org.keycloak.services.clientregistration.policy.ClientRegistrationPolicy',
  )
  const policy = all.find(({ providerId }) => providerId === 'trusted-hosts')
  const config = { ...policy?.config, 'trusted-hosts': ['localhost', '127.0.0.1'] }
  await realm.admin(`/components/${policy?.id}`, { method: 'PUT', json: { ...policy, config } })
}

const linkAt = async (provider: string) => {
  const begun = await mcp.begin(provider)
  const result = await begun.comeBack(await at.realm.person('alice').approve(begun.url))
  if (result.kind !== 'linked') throw result.error
  const connection = await mcp.connectionOf(provider)
  if (!connection) throw new Error('no connection')
  return { project: result.projectId, connection }
}
/** What an agent does that was given a token, with the official client. */
async function use(project: string) {
  const [row] = await mcp.rows<{ alias: string }>('SELECT alias FROM project WHERE id = $1', [project])
  const { token } = await mcpToken(at.broker, at.owner, project, { read_only_tools: true })
  const client = new Client({ name: 'a test', version: '1' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gate.address(row?.alias ?? '')), {
      fetch: gate.fetch as never,
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  )
  return client
}

/** An agent lists and calls what it was given; the server sees alice’s token of its own realm, for itself. */
async function expectUse(project: string, clientId: string): Promise<void> {
  server.callers.length = 0
  const agent = await use(project)
  expect((await agent.listTools()).tools.map(({ name }) => name)).toEqual(['echo'])
  const said = await agent.callTool({ name: 'echo', arguments: { text: 'hello' } })
  expect(said.content).toEqual([{ type: 'text', text: 'hello' }])
  await expect(agent.callTool({ name: 'add_note', arguments: { text: 'x' } })).rejects.toThrow(/may not call this tool/)
  await agent.close()
  const alice = (await at.realm.user('alice')).id
  expect(server.callers.length).toBeGreaterThan(0)
  for (const { sub, azp, aud, iss } of server.callers)
    expect({ sub, azp, aud: [aud].flat(), iss }).toEqual({
      sub: alice,
      azp: clientId,
      aud: expect.arrayContaining([server.url]),
      iss: at.realm.issuer,
    })
}

describe('an MCP server behind Keycloak', () => {
  it('R-01 R-02: is found by its address alone, and a realm that lets nobody register says so, with the redirect URI', async () => {
    expect(await mcp.preview({ url: server.url })).toMatchObject({
      issuer: at.realm.issuer,
      mcp: { by: 'oauth', registration: 'dynamic', authorizationServers: [at.realm.issuer] },
    })
    await expect(mcp.create({ url: server.url })).rejects.toMatchObject({
      fields: {
        'setup.client_id': expect.stringMatching(
          /^The authorization server registered no client \(HTTP 403\)\. Register a client there with the redirect URI http/,
        ),
      },
    })
  })

  it('R-04 R-24: is registered at where the realm trusts the host, linked, renewed, called, and taken back with the provider', async () => {
    await trustThisMachine()
    const made = await mcp.create({ url: server.url })
    const known = await at.realm.client(made.clientId)
    expect(known).toMatchObject({ redirectUris: [made.redirectUri], publicClient: false })
    const { project, connection } = await linkAt(made.id)
    expect(connection.status).toBe('linked')
    await expectUse(project, made.clientId)
    const key = { tenantId: at.owner.tenantId, connectionId: connection.id }
    await at.expire(key)
    expect((await freshTokens(at.broker.ctx, key)).version).toBeGreaterThan(1)
    await expectUse(project, made.clientId)

    const [ended] = await revoke(at.broker.ctx, at.owner, { connections: [connection.id], tokens: [] })
    // Confirmed where the realm was asked in time, which this is not about.
    expect(ended).toMatchObject({ upstream: expect.stringMatching(/^(done|confirmed)$/) })
    const revoked = await at.realm.events('REVOKE_GRANT')
    expect(revoked.map(({ clientId }) => clientId)).toContain(made.clientId)
    const due = () => [at.broker.ctx, at.broker.ctx.now(), 50] as const
    for (const place of await dueRevocations(...due())) await settleRevocation(at.broker.ctx, place)
    await removeProvider(at.broker.ctx, at.owner, made.id)
    for (const place of await dueRegistrations(...due())) await settleRegistration(at.broker.ctx, place)
    expect(await at.realm.admin(`/clients?clientId=${made.clientId}`)).toEqual([])
  })

  it('R-04: takes a client that somebody registered by hand', async () => {
    const given = await at.realm.addClient({ optionalClientScopes: ['offline_access', 'notes'] })
    const made = await mcp.create({ url: server.url, ...given })
    expect(made.clientId).toBe(given.client_id)
    const { project } = await linkAt(made.id)
    await expectUse(project, given.client_id)
  })
})
