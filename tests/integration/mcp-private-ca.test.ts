// An MCP server and its authorization server whose certificate only a CA of the organisation's own vouches for.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { removeProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { settleRegistration } from '../../lib/broker/registrations.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import { dueRegistrations } from '../../lib/store/lookups.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { selfSigned } from '../support/certificate.ts'
import { mcpToken, startGateway } from '../support/mcp-gateway.ts'
import { mcpProviders } from '../support/mcp-provider.ts'
import { startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

const tls = selfSigned('localhost')
let broker: Broker
let owner: BrowserActor
let server: TestMcpServer
let gate: Awaited<ReturnType<typeof startGateway>>
let mcp: ReturnType<typeof mcpProviders>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  server = await startMcpServer({ tls })
  gate = await startGateway(broker.ctx)
  mcp = mcpProviders(broker, owner)
})
afterAll(async () => {
  await gate.stop()
  await server.stop()
  await broker.stop()
})

it('without its CA, or with another, the server is not reached: no request arrives, and nobody registers', async () => {
  for (const certificates of [undefined, selfSigned('localhost').cert]) {
    const setup = { url: server.url, ...(certificates && { certificates }) }
    await expect(mcp.preview(setup)).rejects.toMatchObject({
      // Why it could not be reached is for the log alone (F-10).
      fields: { 'setup.url': expect.any(String) },
    })
    await expect(mcp.create(setup)).rejects.toMatchObject({ code: 'bad_request' })
  }
  expect(server.seen).toEqual([])
})

it('with it everything goes there: registration, link, renewal, check, catalogue, calls, revocation, and taking the client back', async () => {
  const made = await mcp.create({ url: server.url, certificates: tls.cert })
  expect(server.registered().map((one) => one.client_id)).toEqual([made.clientId])
  const { connection, projectId } = await mcp.link(made.id, server)
  const key = { tenantId: owner.tenantId, connectionId: connection.id }
  await mcp.rows('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connection.id])
  const { version } = await freshTokens(broker.ctx, key)
  expect(version).toBeGreaterThan(1)
  const { lines } = await checkProvider(broker.ctx, owner, made.id)
  expect(lines.filter(({ state }) => state === 'failed')).toEqual([])
  await refreshCatalogue(broker.ctx, key)
  expect(await mcp.rows('SELECT name FROM mcp_tool WHERE project_id = $1 ORDER BY name', [projectId])).toEqual([
    { name: 'add_note' },
    { name: 'echo' },
  ])

  const [project] = await mcp.rows<{ alias: string }>('SELECT alias FROM project WHERE id = $1', [projectId])
  const { token } = await mcpToken(broker, owner, projectId, { tools: ['echo'] })
  const client = new Client({ name: 'a test', version: '1' })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gate.address(project?.alias ?? '')), {
      fetch: gate.fetch as never,
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  )
  expect((await client.callTool({ name: 'echo', arguments: { text: 'hello' } })).content).toEqual([
    { type: 'text', text: 'hello' },
  ])
  await client.close()

  const [ended] = await revoke(broker.ctx, owner, { tokens: [], connections: [connection.id] })
  expect(ended).toMatchObject({ upstream: 'done' })
  await removeProvider(broker.ctx, owner, made.id)
  for (const place of await dueRegistrations(broker.ctx, broker.ctx.now(), 50))
    await settleRegistration(broker.ctx, place)
  expect(server.registered()).toEqual([])
})
