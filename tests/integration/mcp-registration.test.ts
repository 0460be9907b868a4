// How our client comes to be known at the authorization server of an MCP server, how it is replaced, and how it is taken back.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { changeProvider, providerList, removeProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { clientDocument, settleRegistration } from '../../lib/broker/registrations.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { settleRevocation } from '../../lib/broker/upstream-revocation.ts'
import { readClientDocument } from '../../lib/http/wire/instance.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { clientKeys, dueRegistrations, dueRevocations } from '../../lib/store/lookups.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { dyingInstance } from '../support/dying.ts'
import { mcpProviders } from '../support/mcp-provider.ts'
import { type Seen, startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

let broker: Broker
let owner: BrowserActor
let server: TestMcpServer
let mcp: ReturnType<typeof mcpProviders>
const servers: TestMcpServer[] = []
const start = async (options: Parameters<typeof startMcpServer>[0] = {}) => {
  const made = await startMcpServer(options)
  servers.push(made)
  return made
}
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  server = await start()
  mcp = mcpProviders(broker, owner)
})
afterAll(async () => {
  for (const each of servers) await each.stop()
  await broker.stop()
})
afterEach(() => {
  for (const each of servers) each.is()
})

const deletions = (at = server) => at.seen.filter(({ method }) => method === 'DELETE')
const registering = (seen: Seen) => seen.method === 'POST' && seen.path === '/reg'
/** What the tick does with what is due, without its other work. */
async function settled(): Promise<void> {
  const due = [broker.ctx, broker.ctx.now(), 50] as const
  for (const place of await dueRevocations(...due)) await settleRevocation(broker.ctx, place)
  for (const place of await dueRegistrations(...due)) await settleRegistration(broker.ctx, place)
}

describe('a client that is registered', () => {
  it('R-24: may be public, and then has no secret anywhere', async () => {
    server.is({ serverMetadata: { token_endpoint_auth_methods_supported: ['none'] } })
    const made = await mcp.create({ url: server.url })
    expect(made).toMatchObject({ hasSecret: false, clientAuthentication: 'nothing' })
    expect(server.registered().at(-1)).toMatchObject({ client_id: made.clientId, token_endpoint_auth_method: 'none' })
    const { connection } = await mcp.link(made.id, server)
    expect(connection.status).toBe('linked')
  })

  it.each([
    [200, { client_secret: 'a-secret' }, true],
    [201, { client_secret: 'a-secret', client_secret_expires_at: '0' }, true],
    [200, {}, false],
    [201, { token_endpoint_auth_method: 'none', client_secret: 'unasked' }, false],
    [201, { client_secret: null, registration_access_token: null }, false],
  ])('R-03 R-24: counts with status %i and %j', async (status, more, hasSecret) => {
    const body = { client_id: `client-${Math.random()}`, ...more }
    server.is({ instead: (seen) => (registering(seen) ? { status, body } : undefined) })
    const made = await mcp.create({ url: server.url })
    expect(made).toMatchObject({ clientId: body.client_id, hasSecret })
  })

  it('R-04: may be registered at another host, if that is one that may be reached', async () => {
    const elsewhere = await start()
    server.is({ serverMetadata: { registration_endpoint: `${elsewhere.issuer}/reg` } })
    const { clientId } = await mcp.create({ url: server.url })
    expect(elsewhere.registered().map((one) => one.client_id)).toEqual([clientId])
  })

  it('is taken back when its provider does not come to be', async () => {
    const before = deletions().length
    const known = server.registered().length
    const become = (role: string) =>
      broker.owner.query('UPDATE member SET role = $2 WHERE user_id = $1', [owner.userId, role])
    // Its maker loses their role while the server registers.
    server.is({
      instead: async (seen) => {
        if (registering(seen)) await mcp.rows('SELECT 1').then(() => become('auditor'))
        return undefined
      },
    })
    await expect(mcp.create({ url: server.url })).rejects.toMatchObject({ code: 'forbidden' })
    await become('owner')
    await expect.poll(() => deletions().length).toBe(before + 1)
    expect(server.registered()).toHaveLength(known)
  })
})

describe('a client that was registered by hand', () => {
  it('R-05: is used as it is, its secret is written only, and nothing registers', async () => {
    const known = server.registered().length
    const made = await mcp.create({ url: server.url, client_id: 'by-hand', client_secret: 'the-written-secret' })
    expect(made).toMatchObject({ clientId: 'by-hand', hasSecret: true })
    expect(server.registered()).toHaveLength(known)
    expect(JSON.stringify(await providerList(broker.ctx, owner))).not.toContain('the-written-secret')
    expect(JSON.stringify(await mcp.rows('SELECT * FROM provider'))).not.toContain('the-written-secret')
    expect(await mcp.registrations(made.id)).toEqual([])
  })

  it('ASK-13: serves several MCP servers of one authorization server, and each of them once', async () => {
    const other = await start()
    // Both take tokens of the same issuer.
    other.is({ resourceMetadata: { authorization_servers: [server.issuer] } })
    const client = { client_id: 'central', client_secret: 'the-central-secret' }
    const made = [await mcp.create({ url: server.url, ...client }), await mcp.create({ url: other.url, ...client })]
    expect(new Set(made.map(({ issuer, clientId, redirectUri }) => `${issuer} ${clientId} ${redirectUri}`)).size).toBe(
      1,
    )
    await expect(mcp.create({ url: other.url, ...client })).rejects.toMatchObject({ code: 'provider_exists' })
  })
})

describe('a client that is known by a document of ours', () => {
  const origin = 'https://valetkey.example.com'

  /** The same instance under a name that others reach. */
  const abroad = () => ({ ...broker.ctx, config: { ...broker.ctx.config, origin } })
  const snake = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  /** What the address answers: what its operation says of the document. */
  const read = async (url: string) => {
    const document = (await clientDocument(abroad(), url.split('/').at(-1) ?? '')) ?? {}
    const body = Object.fromEntries(Object.entries(document).map(([name, value]) => [snake(name), value]))
    return Response.json(readClientDocument.answer.schema?.parse(body))
  }

  it('is used where others can read it: a server that reads documents finds the client in it, and the link passes', async () => {
    const reads = await start({ readDocument: read })
    const documented = mcpProviders(broker, owner, abroad())
    expect((await documented.preview({ url: reads.url })).mcp).toMatchObject({ registration: 'metadata_document' })
    const made = await documented.create({ url: reads.url })
    expect(made).toMatchObject({ clientId: `${origin}/oauth/client/${made.id}`, hasSecret: false })
    expect(await clientDocument(abroad(), made.id)).toEqual({
      clientId: made.clientId,
      clientName: 'Valetkey',
      clientUri: origin,
      redirectUris: [made.redirectUri],
      grantTypes: ['authorization_code', 'refresh_token'],
      responseTypes: ['code'],
      tokenEndpointAuthMethod: 'none',
    })
    expect((await documented.link(made.id, reads)).connection.status).toBe('linked')
    expect(reads.registered()).toEqual([])
    // It is nobody's business which other providers there are.
    const given = await mcp.create({ url: server.url, client_id: 'no-document', client_secret: 'a-secret-of-it' })
    expect(await clientDocument(abroad(), given.id)).toBeUndefined()
    expect(await clientDocument(abroad(), 'prv_nothing')).toBeUndefined()
    await revoke(broker.ctx, owner, { tokens: [], connections: [(await mcp.connectionOf(made.id))?.id ?? ''] })
    await removeProvider(broker.ctx, owner, made.id)
    expect(await clientDocument(abroad(), made.id)).toBeUndefined()
  })

  it('signs where the server knows no public clients, and its keys stand beside the document', async () => {
    const reads = await start({ readDocument: read })
    reads.is({ serverMetadata: { token_endpoint_auth_methods_supported: ['private_key_jwt'] } })
    const made = await mcpProviders(broker, owner, abroad()).create({ url: reads.url })
    expect(made).toMatchObject({ clientAuthentication: 'key', hasSecret: true })
    expect(await clientDocument(abroad(), made.id)).toMatchObject({
      tokenEndpointAuthMethod: 'private_key_jwt',
      jwksUri: `${origin}/oauth/client/${made.id}/jwks.json`,
    })
    expect(await clientKeys(broker.ctx, made.id)).toMatchObject([{ use: 'sig' }])
    expect(JSON.stringify(await clientKeys(broker.ctx, made.id))).not.toContain('"d"')
  })

  it('is not used on a machine that nobody else reaches: there a client is registered', async () => {
    server.is({ serverMetadata: { client_id_metadata_document_supported: true } })
    const { mcp: found } = await mcp.preview({ url: server.url })
    expect(found).toMatchObject({ registration: 'dynamic' })
    const { id } = await mcp.create({ url: server.url })
    expect(await clientDocument(broker.ctx, id)).toBeUndefined()
  })
})

describe('N-32: a client that its server has forgotten', () => {
  it('is replaced when somebody links next, and the link passes', async () => {
    const made = await mcp.create({ url: server.url })
    server.forgetClients()
    const { connection } = await mcp.link(made.id, server)
    expect(connection.status).toBe('linked')
    const [client] = server.registered()
    const [now] = (await providerList(broker.ctx, owner)).filter(({ id }) => id === made.id)
    expect(now?.clientId).toBe(client?.client_id)
    expect(now?.clientId).not.toBe(made.clientId)
    expect(
      await mcp.rows(
        `SELECT body->'details' AS details FROM audit_event WHERE body->'target'->>'id' = $1 AND body->>'action' = 'provider.changed'`,
        [made.id],
      ),
    ).toEqual([{ details: { changed: ['registration'] } }])
  })

  it('is replaced before its secret ends, as the server said when', async () => {
    const end = Math.floor(broker.ctx.now().getTime() / 1000) + 3600
    const ending = (seen: Seen) => registering(seen)
    const made = await mcp.create({ url: server.url })
    await mcp.rows(
      `UPDATE provider SET settings = jsonb_set(settings, '{authorization,clientEndsAt}', $2::jsonb) WHERE id = $1`,
      [made.id, JSON.stringify(end)],
    )
    const before = server.seen.filter(ending).length
    await mcp.begin(made.id)
    expect(server.seen.filter(ending)).toHaveLength(before)
    await broker.advance(3600)
    await mcp.begin(made.id)
    expect(server.seen.filter(ending)).toHaveLength(before + 1)
  })

  it('has a secret that ends, as a real registration answer says: it is replaced in time, and a server that means it ends nobody’s link', async () => {
    const inAnHour = () => Math.floor(broker.ctx.now().getTime() / 1000) + 3600
    const strict = await start({
      configuration: {
        // Every client that registers gets a secret for an hour, and oidc-provider refuses it from then on.
        extraClientMetadata: {
          properties: ['note'],
          // Each is made anew from what is stored, so the end stays as it was said.
          validator(_ctx, _name, _value, metadata) {
            if (metadata.client_secret_expires_at === 0) metadata.client_secret_expires_at = inAnHour()
          },
        },
      },
    })
    const made = await mcp.create({ url: strict.url })
    expect(strict.registered()).toEqual([
      expect.objectContaining({ client_id: made.clientId, client_secret_expires_at: expect.any(Number) }),
    ])
    const [stored] = await mcp.rows<{ ends: string }>(
      `SELECT settings->'authorization'->>'clientEndsAt' AS ends FROM provider WHERE id = $1`,
      [made.id],
    )
    expect([Number(stored?.ends)]).toEqual(strict.registered().map((one) => one.client_secret_expires_at))
    const { connection } = await mcp.link(made.id, strict)
    const key = { tenantId: owner.tenantId, connectionId: connection.id }
    // By the clock of that server the hour is over already.
    Object.assign(strict.registered()[0] ?? {}, { client_secret_expires_at: 1 })
    await mcp.rows('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connection.id])
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'client_not_registered' })
    // Its server’s word about our client says nothing of what somebody granted.
    expect((await mcp.connectionOf(made.id))?.status).not.toBe('needs_relink')
    await broker.advance(3600)
    const again = await mcp.link(made.id, strict)
    expect(again.connection.status).toBe('linked')
    const [now] = (await providerList(broker.ctx, owner)).filter(({ id }) => id === made.id)
    expect(now?.clientId).not.toBe(made.clientId)
    expect(strict.registered().map((one) => one.client_id)).toContain(now?.clientId)
  })

  it('twice at once leaves one registration: who comes second uses the first one’s, and theirs is taken back', async () => {
    const made = await mcp.create({ url: server.url })
    server.forgetClients()
    const before = deletions().length
    const begun = await Promise.all([mcp.begin(made.id), mcp.begin(made.id), mcp.begin(made.id)])
    const used = new Set(begun.map(({ url }) => new URL(url).searchParams.get('client_id')))
    expect(used.size).toBe(1)
    await tick(broker.ctx)
    expect(server.registered().map((one) => one.client_id)).toEqual([...used])
    expect(deletions().length).toBeGreaterThanOrEqual(before)
    expect(
      (await mcp.registrations(made.id)).filter(({ due_at }) => due_at === null).map((one) => one.client_id),
    ).toEqual([...used])
    for (const one of begun.slice(0, 1)) expect(await one.finish(server)).toMatchObject({ kind: 'linked' })
  })

  it('is told in words where the server registers nobody any more', async () => {
    const made = await mcp.create({ url: server.url })
    server.forgetClients()
    server.is({ instead: (seen) => (registering(seen) ? { status: 403, body: {} } : undefined) })
    await expect(mcp.begin(made.id)).rejects.toMatchObject({
      code: 'client_not_registered',
      detail: expect.stringContaining('HTTP 403'),
    })
  })

  it('a client that was entered is never replaced', async () => {
    const made = await mcp.create({ url: server.url, client_id: 'entered', client_secret: 'a-secret-of-it' })
    const before = server.seen.filter(registering).length
    await mcp.begin(made.id)
    expect(server.seen.filter(registering)).toHaveLength(before)
  })
})

describe('a process that is killed after a server has registered a client, and before that is kept', () => {
  /** Tries something in a process that dies so many steps after the answer to the registration. True: it lived. */
  async function tried(lives: number, work: (dying: ReturnType<typeof mcpProviders>) => Promise<unknown>) {
    const { ctx, dead, buried } = await dyingInstance(broker, lives, { after: (url) => url.endsWith('/reg') })
    try {
      return (await Promise.race([work(mcpProviders(broker, owner, ctx)), dead])) !== 'dead'
    } finally {
      buried()
    }
  }
  const kept = (at: TestMcpServer) =>
    mcp.rows<{ id: string; client_id: string }>('SELECT id, client_id FROM provider WHERE resource = $1', [at.url])
  /** Clients that can be taken back and are not due to be. */
  const standing = async (provider: string) =>
    (await mcp.registrations(provider)).filter(({ due_at }) => due_at === null).map((one) => one.client_id)

  it('leaves no provider and one client that nobody uses; adding it again works as if nothing had been', async () => {
    let deaths = 0
    for (let lives = 1, survived = false; !survived; lives += 1) {
      const at = await start()
      survived = await tried(lives, (dying) => dying.create({ url: at.url }))
      if (!survived) deaths += 1
      const [orphan, ...others] = at.registered().map((one) => one.client_id)
      expect(others).toEqual([])
      const before = await kept(at)
      expect(before.map((one) => one.client_id)).toEqual(survived ? [orphan] : [])
      const id = before[0]?.id ?? (await mcp.create({ url: at.url })).id
      const [row] = await kept(at)
      expect(await standing(id)).toEqual([row?.client_id])
      const { connection } = await mcp.link(id, at)
      expect(connection.status).toBe('linked')
      await revoke(broker.ctx, owner, { tokens: [], connections: [connection.id] })
      await removeProvider(broker.ctx, owner, id)
      await settled()
      expect(at.registered().map((one) => one.client_id)).toEqual(survived ? [] : [orphan])
    }
    expect(deaths).toBeGreaterThan(3)
  }, 120_000)

  it('keeps the client that was there where it was to be replaced, and the next link replaces it', async () => {
    const at = await start()
    const { id } = await mcp.create({ url: at.url })
    let deaths = 0
    for (let lives = 1, survived = false; !survived; lives += 1) {
      const [former] = await kept(at)
      at.forgetClients()
      survived = await tried(lives, (dying) => dying.begin(id))
      const [row] = await kept(at)
      // Stored whole or not at all: what is kept of it can be taken back.
      if (row?.client_id === former?.client_id) deaths += 1
      else expect(at.registered().map((one) => one.client_id)).toContain(row?.client_id)
      expect(await standing(id)).toEqual([row?.client_id])
      const { connection } = await mcp.link(id, at)
      expect(connection.status).toBe('linked')
      await settled()
    }
    expect(deaths).toBeGreaterThan(3)
  }, 120_000)
})

describe('N-08: a provider that is removed', () => {
  it('is refused with what stands, then its client is taken back with the registration token, after a 429 too', async () => {
    const made = await mcp.create({ url: server.url })
    const { connection } = await mcp.link(made.id, server)
    await expect(removeProvider(broker.ctx, owner, made.id)).rejects.toMatchObject({
      code: 'provider_in_use',
      fields: { connections: '1' },
    })
    await revoke(broker.ctx, owner, { tokens: [], connections: [connection.id] })
    let refusals = 1
    server.is({
      instead: ({ method }) =>
        method === 'DELETE' && refusals-- > 0 ? { status: 429, headers: { 'retry-after': '30' }, body: {} } : undefined,
    })
    const before = deletions().length
    await removeProvider(broker.ctx, owner, made.id)
    expect((await providerList(broker.ctx, owner)).some(({ id }) => id === made.id)).toBe(false)
    await settled()
    expect(deletions().length).toBe(before + 1)
    expect(await mcp.registrations(made.id)).toMatchObject([{ tries: 1 }])
    await settled()
    expect(deletions().length).toBe(before + 1)
    await broker.advance(60)
    await settled()
    expect(deletions().length).toBe(before + 2)
    expect(deletions().at(-1)?.headers.authorization).toMatch(/^Bearer \S+$/)
    expect(await mcp.registrations(made.id)).toEqual([])
    expect(server.registered().some((one) => one.client_id === made.clientId)).toBe(false)
    const events = await mcp.rows(
      `SELECT body->>'action' AS action FROM audit_event WHERE body->'target'->>'id' = $1 ORDER BY id`,
      [made.id],
    )
    expect(events.map((one) => (one as { action: string }).action)).toEqual(
      expect.arrayContaining(['provider.removed', 'provider.unregistered']),
    )
  })

  it('waits with its client until what was linked with it has ended upstream', async () => {
    const made = await mcp.create({ url: server.url })
    const { connection } = await mcp.link(made.id, server)
    let isDown = true
    server.is({
      instead: ({ path }) => (isDown && path === '/token/revocation' ? { status: 503, body: {} } : undefined),
    })
    await revoke(broker.ctx, owner, { tokens: [], connections: [connection.id] })
    await removeProvider(broker.ctx, owner, made.id)
    const before = deletions().length
    await settled()
    expect(deletions().length).toBe(before)
    isDown = false
    await broker.advance(900)
    await settled()
    await broker.advance(60)
    await settled()
    expect(deletions().length).toBe(before + 1)
  })

  it('is gone for whoever would link, change or look at it, and its client may be entered again', async () => {
    const client = { client_id: 'comes-back', client_secret: 'a-secret-of-it' }
    const made = await mcp.create({ url: server.url, ...client })
    await removeProvider(broker.ctx, owner, made.id)
    for (const work of [
      () => mcp.begin(made.id),
      () => removeProvider(broker.ctx, owner, made.id),
      () => changeProvider(broker.ctx, owner, { providerId: made.id, name: 'x' }),
    ])
      await expect(work()).rejects.toMatchObject({ code: 'not_found' })
    await expect(mcp.create({ url: server.url, ...client })).resolves.toMatchObject({ clientId: 'comes-back' })
  })

  it('a link that was under way when it was removed keeps nothing', async () => {
    const made = await mcp.create({ url: server.url })
    const begun = await mcp.begin(made.id)
    await removeProvider(broker.ctx, owner, made.id)
    expect(await begun.finish(server)).toMatchObject({ kind: 'failed' })
    expect(await mcp.connectionOf(made.id)).toBeUndefined()
  })

  it('is for admins of its tenant alone', async () => {
    const made = await mcp.create({ url: server.url })
    const member = await broker.actorOf('member@acme.test')
    await expect(removeProvider(broker.ctx, member, made.id)).rejects.toMatchObject({ code: 'forbidden' })
    const other = await broker.actorOf('owner@globex.test')
    await expect(removeProvider(broker.ctx, other, made.id)).rejects.toMatchObject({ code: 'not_found' })
  })
})
