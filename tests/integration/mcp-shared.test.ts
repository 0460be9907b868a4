// MCP servers that are told who calls by a key that everybody shares, or not at all, behind the gateway.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { sealClientSecret } from '../../lib/broker/upstream.ts'
import { refreshCatalogue } from '../../lib/mcp/catalogue.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import {
  type Behind,
  type GatewayProcess,
  json,
  linkedMcp,
  mcpToken,
  result,
  rights,
  startBehind,
  startGateway,
} from '../support/mcp-gateway.ts'

let broker: Broker
let owner: BrowserActor
let behind: Behind
let gate: GatewayProcess
let linked: Awaited<ReturnType<typeof linkedMcp>>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  behind = await startBehind()
  linked = await linkedMcp(broker, owner, 'owner@acme.test', behind.url)
  gate = await startGateway(broker.ctx)
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await behind.stop()
  await broker.stop()
})
beforeEach(() => {
  behind.ledger.length = 0
  behind.answerWith((_request, response, got) => json(response, result(got, { content: [] })))
})

/** Turns the provider's row into one whose server is told in this way who calls. */
async function toldBy(authorization: object, key?: string) {
  const vault = await vaultOf(broker.ctx, owner.tenantId)
  const secret = key === undefined ? null : await sealClientSecret(vault, linked.provider, key)
  await broker.owner.query(
    `UPDATE provider SET client_secret = $2, settings = settings || jsonb_build_object('authorization', $3::jsonb) WHERE id = $1`,
    [linked.provider, secret, JSON.stringify(authorization)],
  )
}
const call = (token: string) => gate.modern(linked.alias, 'tools/call', { name: 'echo', arguments: {} }, { token })
const header = { by: 'header', name: 'x-api-key' }

describe('a server with one key for everybody', () => {
  it('gets the key in its header, from the next call on after it was replaced, and no token of a connection', async () => {
    await toldBy(header, 'first-key')
    const { token } = await mcpToken(broker, owner, linked.project, { all_tools: true })
    expect((await call(token)).messages[0]).toMatchObject({ result: { content: [] } })
    await toldBy(header, 'second-key')
    await call(token)
    expect(behind.ledger.map(({ headers }) => [headers['x-api-key'], headers.authorization])).toEqual([
      ['first-key', undefined],
      ['second-key', undefined],
    ])
  })

  it('in the header Authorization it is sent as it was entered', async () => {
    await toldBy({ by: 'header', name: 'authorization' }, 'Basic Zmlyc3Q6c2Vjb25k')
    const { token } = await mcpToken(broker, owner, linked.project, { all_tools: true })
    await call(token)
    expect(behind.ledger[0]?.headers.authorization).toBe('Basic Zmlyc3Q6c2Vjb25k')
  })

  it('that refuses the key is an admin’s matter: no connection turns, and nobody is asked to link', async () => {
    await toldBy(header, 'old-key')
    behind.answerWith((_request, response) => response.writeHead(401).end())
    const { token } = await mcpToken(broker, owner, linked.project, { all_tools: true })
    const answer = await call(token)
    expect(answer.messages[0]?.error?.message).toMatch(/key that an admin entered/)
    expect(answer.text).not.toContain('old-key')
    expect(behind.ledger).toHaveLength(1)
    const { rows } = await broker.owner.query('SELECT status FROM connection WHERE id = $1', [linked.connection])
    expect(rows).toEqual([{ status: 'linked' }])
  })

  it('is asked for its tools with the key as well', async () => {
    await toldBy(header, 'catalogue-key')
    behind.answerWith((_request, response) => response.writeHead(404).end())
    await refreshCatalogue(broker.ctx, { tenantId: owner.tenantId, connectionId: linked.connection })
    expect(behind.ledger.length).toBeGreaterThan(0)
    for (const { headers } of behind.ledger)
      expect([headers['x-api-key'], headers.authorization]).toEqual(['catalogue-key', undefined])
  })
})

it('a server that asks nobody who they are gets no credential at all', async () => {
  await toldBy({ by: 'nothing' })
  const { token } = await mcpToken(broker, owner, linked.project, { all_tools: true })
  await call(token)
  expect(behind.ledger).toHaveLength(1)
  expect(behind.ledger[0]?.headers).not.toHaveProperty('authorization')
  expect(JSON.stringify(behind.ledger[0]?.headers)).not.toContain(token)
})

describe('a token that is bound to a key', () => {
  const wanted = () => ({
    project: linked.project,
    scopes: rights({ all_tools: true }),
    lifetimeSeconds: 600,
    purpose: 'a test',
    dpopJkt: 'a'.repeat(43),
  })

  it('J-10: is not made for the gateway, where no client proves a key', async () => {
    await expect(issueToken(broker.ctx, owner, wanted())).rejects.toMatchObject({ code: 'bad_request' })
  })

  it('J-10: made for anything else, it does not count there', async () => {
    await toldBy({ by: 'nothing' })
    const { id, token } = await mcpToken(broker, owner, linked.project, { all_tools: true })
    await broker.owner.query('UPDATE issued_token SET proof_key = $2 WHERE id = $1', [id, 'a'.repeat(43)])
    expect((await call(token)).status).toBe(401)
    expect(behind.ledger).toEqual([])
  })
})
