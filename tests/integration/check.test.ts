// The check of a provider, and its two live secrets: against the demo, and against a server that has what we script.

import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { checkDaily, checkProvider, readCheck } from '../../lib/broker/check.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { notificationPage } from '../../lib/broker/notifications.ts'
import { changeProvider, createProvider, providerList } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { checkDue } from '../../lib/jobs/tick.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { readTenant } from '../../lib/store/database.ts'
import { clientKeys, dueChecks } from '../../lib/store/lookups.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { selfSigned } from '../support/certificate.ts'
import { type OauthServer, serverClientId, startOauthServer } from '../support/oauth-server.ts'

let broker: Broker
let server: OauthServer
let owner: BrowserActor
let admin: BrowserActor
beforeAll(async () => {
  broker = await startBroker()
  server = await startOauthServer({ now: () => broker.ctx.now().getTime() })
  owner = await broker.actorOf('owner@acme.test')
  admin = await broker.actorOf('member@acme.test', { role: 'admin' })
})
afterAll(async () => {
  await broker.stop()
  await server.stop()
})
afterEach(() => {
  server.is()
  broker.demo.modes.set({ clientKnown: true })
})

let made = 0
type Setup = Record<string, unknown>
/** A provider of kind `oauth` made from the server's metadata as it is now; each with a client of its own. */
async function add(setup: Setup = {}, { clientSecret = 'the-secret' as string | undefined, url = server.url } = {}) {
  made += 1
  const view = await createProvider(broker.ctx, owner, {
    kind: 'oauth',
    name: `Server ${made}`,
    clientId: made === 1 ? serverClientId : `${serverClientId}-${made}`,
    clientSecret,
    setup: {
      issuer: url,
      scopes: ['openid', 'read'],
      api_bases: [{ name: 'An API', url: `${url}/api` }],
      ...setup,
    },
  })
  allowed.push(view.redirectUri)
  server.is()
  return view
}
const allowed: string[] = []
const is = (state: Parameters<OauthServer['is']>[0]) => server.is({ redirectUris: allowed, ...state })

const linesOf = async (id: string, who = owner) => (await checkProvider(broker.ctx, who, id)).lines
const statesOf = async (id: string) => Object.fromEntries((await linesOf(id)).map((line) => [line.id, line.state]))
const seenOf = async (id: string, name: string) => (await linesOf(id)).find((line) => line.id === name)
const rowOf = (id: string) =>
  readTenant(broker.ctx, owner.tenantId, (tx) =>
    tx.provider.findUniqueOrThrow({ where: { tenantId_id: { tenantId: owner.tenantId, id } } }),
  )
const eventsOf = (action: string) =>
  readTenant(broker.ctx, owner.tenantId, (tx) =>
    tx.auditEvent.findMany({
      where: { tenantId: owner.tenantId, body: { path: ['action'], equals: action } },
      orderBy: { id: 'asc' },
    }),
  ).then((rows) => rows.map(({ body }) => body as { actor: string; target: { id: string }; details: object }))
const asOwner = async (text: string, values: unknown[] = []) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  return broker.owner.query(text, values)
}

const allWell = {
  connection: 'ok',
  tls: 'ok',
  clock: 'ok',
  discovery: 'ok',
  keys: 'ok',
  client: 'ok',
  redirect: 'ok',
  pkce: 'ok',
  revocation: 'ok',
  refresh: 'unknown',
  trial_link: 'unknown',
}

describe('a check', () => {
  it('of the demo’s ticket service: what can be told is well, and who asked is recorded with counts', async () => {
    const { id } = await broker.providerOf(owner, 'Demo tickets')
    expect(await readCheck(broker.ctx, owner, id)).toEqual({ checkedAt: null, checkedBy: null, lines: [] })
    const seen = await checkProvider(broker.ctx, owner, id)
    const states = Object.fromEntries(seen.lines.map((line) => [line.id, line.state]))
    // Nobody announced PKCE when its endpoints were typed, and only a browser sees what comes of the redirect URI.
    expect(states).toEqual({ ...allWell, pkce: 'unknown', redirect: 'unknown' })
    expect(seen.checkedBy).toBe(owner.userId)
    expect(await readCheck(broker.ctx, await broker.actorOf('member@acme.test', { role: 'auditor' }), id)).toEqual(seen)
    const [event] = await eventsOf('provider.checked')
    expect(event).toMatchObject({
      actor: owner.userId,
      target: { id },
      details: { ok: 7, attention: 0, failed: 0, unknown: 4 },
    })
    const member = await broker.actorOf('member@acme.test', { role: 'member' })
    await expect(readCheck(broker.ctx, member, id)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(checkProvider(broker.ctx, member, id)).rejects.toMatchObject({ code: 'forbidden' })
    admin = await broker.actorOf('member@acme.test', { role: 'admin' })
    const stranger = await broker.actorOf('owner@globex.test')
    await expect(checkProvider(broker.ctx, stranger, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(readCheck(broker.ctx, stranger, id)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('K-26: of a stack says that no client is registered there, and not that something failed', async () => {
    const { id } = await broker.providerOf(owner)
    const well = { connection: 'ok', tls: 'ok', clock: 'ok', client: 'ok', verify: 'ok' }
    expect(await statesOf(id)).toEqual({ ...well, redirect: 'ok', refresh: 'unknown', trial_link: 'unknown' })
    broker.demo.modes.set({ clientKnown: false })
    expect(await seenOf(id, 'client')).toMatchObject({
      state: 'failed',
      seen: expect.stringMatching(/^This stack has no client registered for Valetkey/),
      next: expect.stringContaining('register'),
    })
    broker.demo.modes.set({ clientKnown: true, league: 8 })
    expect(await statesOf(id)).toMatchObject(well)
    broker.demo.modes.set({ league: 9 })
    broker.demo.faults.push('GET /v2/storage/tokens/verify', { status: 404, body: { kind: 'html' } })
    expect(await statesOf(id)).toMatchObject({ ...well, verify: 'failed' })
  })

  it('sends nobody’s grant and changes nothing upstream', async () => {
    const { id } = await add()
    is({})
    const before = server.requests.length
    await linesOf(id)
    const sent = server.requests.slice(before)
    expect(sent.map(({ path }) => path).sort()).toEqual([
      '/.well-known/openid-configuration',
      '/jwks',
      '/par',
      '/revoke',
      '/token',
    ])
    expect(sent.find(({ path }) => path === '/token')?.body.get('refresh_token')).toMatch(/^[\w-]{43}$/)
  })
})

describe('each fault is named by its line, and by no other', () => {
  let id: string
  beforeAll(async () => {
    id = (await add()).id
  })

  it('nothing is wrong', async () => {
    is({})
    expect(await statesOf(id)).toEqual(allWell)
  })

  it('a client that is not known', async () => {
    is({ secrets: ['another'] })
    const states = await statesOf(id)
    // What the client is asked for first cannot tell more.
    expect(states).toEqual({ ...allWell, client: 'failed', redirect: 'unknown', revocation: 'unknown' })
  })

  it('metadata that names other endpoints than the row is told by field, and the row stays as it is', async () => {
    const before = await rowOf(id)
    is({ metadata: { token_endpoint: 'https://elsewhere.example/token', jwks_uri: 'https://elsewhere.example/jwks' } })
    const states = await statesOf(id)
    expect(states).toEqual({ ...allWell, discovery: 'failed' })
    const line = await seenOf(id, 'discovery')
    expect(line?.seen).toContain('token_endpoint, jwks_uri')
    expect(line?.next).toContain('Nothing was changed')
    expect(await rowOf(id)).toEqual(before)
    is({ metadata: { issuer: 'https://elsewhere.example' } })
    expect(await statesOf(id)).toEqual({ ...allWell, discovery: 'failed' })
    is({ metadataStatus: 404 })
    expect(await statesOf(id)).toEqual({ ...allWell, discovery: 'attention' })
  })

  it.each([
    ['none', []],
    ['one for encryption', [{ kty: 'EC', crv: 'P-256', use: 'enc' }]],
    ['a symmetric one', [{ kty: 'oct', k: 'AAAA' }]],
  ])('no keys to verify with: %s', async (_, keys) => {
    is({ keys })
    expect(await statesOf(id)).toEqual({ ...allWell, keys: 'failed' })
  })

  it.each([
    [600, 'attention', '10 minutes ahead of ours'],
    [-600, 'attention', '10 minutes behind ours'],
    [75, 'attention', 'seconds ahead of ours'],
    [45, 'ok', 'Within 60 seconds'],
  ])('a clock that is %i seconds off: %s', async (aheadSeconds, state, words) => {
    is({ aheadSeconds })
    expect(await statesOf(id)).toEqual({ ...allWell, clock: state })
    expect((await seenOf(id, 'clock'))?.seen).toContain(words)
  })

  it.each([404, 405])('a revocation endpoint that answers %i', async (revocationStatus) => {
    is({ revocationStatus })
    expect(await statesOf(id)).toEqual({ ...allWell, revocation: 'attention' })
  })

  it('a redirect URI that is not registered', async () => {
    server.is()
    const line = await seenOf(id, 'redirect')
    expect(line).toMatchObject({ state: 'failed', next: expect.stringContaining((await view(id)).redirectUri) })
  })

  it('settings that cannot be read: one line', async () => {
    const { id } = await add()
    await asOwner(`UPDATE provider SET settings = settings - 'server' WHERE id = $1`, [id])
    expect(await statesOf(id)).toEqual({ settings: 'failed' })
  })
})

const view = async (id: string) => {
  const found = (await providerList(broker.ctx, owner)).find((one) => one.id === id)
  if (!found) throw new Error('no such provider')
  return found
}

describe('a server that is not reached', () => {
  const certificate = selfSigned('localhost', { isAuthority: true })

  it('F-10: refused, silent and untrusted read the same', async () => {
    const tls = await startOauthServer({ tls: certificate })
    const sockets = new Set<Socket>()
    const silent = createTcpServer((socket) => void sockets.add(socket.on('error', () => {})))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const closed = createTcpServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const closedPort = (closed.address() as AddressInfo).port
    await new Promise((resolve) => closed.close(resolve))
    const silentPort = (silent.address() as AddressInfo).port
    const bases = [
      tls.url,
      `https://localhost:${silentPort}`,
      `http://127.0.0.1:${silentPort}`,
      `https://localhost:${closedPort}`,
    ]
    const way = createOutbound({ loopback: true, internalHosts: [], limits: { connectMs: 300, headersMs: 400 } })
    const hasty = { ...broker.ctx, fetch: way.fetch }
    const all = await Promise.all(
      bases.map(async (url) => {
        const typed = {
          issuer: url,
          authorization_endpoint: `${url}/a`,
          token_endpoint: `${url}/t`,
          jwks_uri: `${url}/j`,
        }
        const { id } = await add({ ...typed, revocation_endpoint: `${url}/r` })
        const { lines } = await checkProvider(hasty, owner, id)
        // What the test itself named differs.
        const own = new RegExp(`${new URL(url).host}|callback/[\\w-]+`, 'g')
        const about = url.startsWith('https:') ? lines : lines.filter(({ id }) => id !== 'tls')
        return about.map((line) => JSON.stringify(line).replaceAll(own, 'OWN'))
      }),
    )
    expect(all[0]?.[0]).toContain('"Not reached: OWN."')
    expect(all[1]).toEqual(all[0])
    expect(all[3]).toEqual(all[0])
    expect(all[2]).toEqual(all[0]?.filter((line) => !line.includes('"id":"tls"')))
    for (const socket of sockets) socket.destroy()
    await way.close()
    await new Promise((resolve) => silent.close(resolve))
    await tls.stop()
  }, 60_000)

  it('TLS by a CA of one’s own: the right bundle is fine, another one does not reach it', async () => {
    const tls = await startOauthServer({ tls: certificate, now: () => broker.ctx.now().getTime() })
    const { id, redirectUri } = await add({ certificates: certificate.cert }, { url: tls.url })
    tls.is({ redirectUris: [redirectUri] })
    expect(await statesOf(id)).toEqual(allWell)
    expect((await seenOf(id, 'tls'))?.seen).toBe(
      `The certificate of ${new URL(tls.url).host} ends on 2099-12-31. A certificate of the CA bundle ends on 2099-12-31.`,
    )
    const bundle = (cert: string) =>
      asOwner(
        `UPDATE provider SET settings = jsonb_set(settings, '{certificates}', to_jsonb($1::text)) WHERE id = $2`,
        [cert, id],
      )
    await bundle(selfSigned('localhost', { isAuthority: true }).cert)
    expect(await statesOf(id)).toMatchObject({
      connection: 'failed',
      tls: 'unknown',
      client: 'unknown',
      keys: 'unknown',
    })
    await bundle(selfSigned('localhost', { isAuthority: true, end: '20250101' }).cert)
    expect(await seenOf(id, 'tls')).toMatchObject({
      state: 'failed',
      seen: expect.stringContaining('ended on 2025-01-01'),
    })
    await tls.stop()
  }, 30_000)
})

describe('two live secrets', () => {
  const change = (id: string, rest: object, who = owner) => changeProvider(broker.ctx, who, { providerId: id, ...rest })
  /** By which secrets the last requests to the token endpoint came. */
  const sent = () => server.requests.filter(({ path }) => path === '/token').map(({ secret }) => secret)
  async function link(id: string) {
    const started = await startLink(broker.ctx, owner, { providerId: id, browser: owner.browser })
    const { state } = await readTenant(broker.ctx, owner.tenantId, async () => ({
      state: new URL(started.url).searchParams.get('state') ?? '',
    }))
    const key = new URL((await view(id)).redirectUri).pathname.split('/').at(-1) ?? ''
    const result = await completeLink(broker.ctx, {
      key,
      parameters: new URLSearchParams({ code: 'a-code', state }),
      browser: owner.browser,
      session: { id: owner.credential.session, userId: owner.userId },
      origin: {},
    })
    if (result.kind !== 'linked') throw result.error
    const row = await readTenant(broker.ctx, owner.tenantId, (tx) =>
      tx.connection.findFirstOrThrow({ where: { tenantId: owner.tenantId, providerId: id } }),
    )
    return { tenantId: owner.tenantId, connectionId: row.id }
  }
  /** Without an ID token, and with the request in the browser's address. */
  const plain = () => {
    server.is({ metadata: { pushed_authorization_request_endpoint: undefined } })
    return add({ scopes: ['read'] })
  }

  it.each(['invalid_client', 'unauthorized_client'] as const)(
    'one that the upstream does not know changes nothing, and the field says so: %s',
    async (wrongSecret) => {
      const { id } = await plain()
      server.is({ wrongSecret })
      const before = await rowOf(id)
      const events = (await eventsOf('provider.changed')).length
      await expect(change(id, { clientSecret: 'mistyped', name: 'Renamed' })).rejects.toMatchObject({
        code: 'bad_request',
        fields: { client_secret: expect.stringMatching(/does not know the client .* Nothing was changed/) },
      })
      expect(await rowOf(id)).toEqual(before)
      expect((await eventsOf('provider.changed')).length).toBe(events)
    },
  )

  it('one that it knows becomes the current one, and the one before counts until it is dropped', async () => {
    const { id } = await plain()
    server.is({ secrets: ['the-secret', 'second'] })
    expect(await change(id, { clientSecret: 'second' })).toMatchObject({
      secretTrial: 'known',
      hasPreviousSecret: true,
    })
    expect(await statesOf(id)).toMatchObject({ client: 'ok', client_before: 'ok' })
    // The upstream takes over at its own time: it may know either.
    server.is({ secrets: ['the-secret'] })
    expect(await statesOf(id)).toMatchObject({ client: 'failed', client_before: 'ok' })
    server.is({ secrets: ['second'] })
    expect(await statesOf(id)).toMatchObject({ client: 'ok', client_before: 'attention' })
    expect(await change(id, { dropPreviousSecret: true })).toMatchObject({
      secretTrial: null,
      hasPreviousSecret: false,
    })
    expect(await statesOf(id)).not.toHaveProperty('client_before')
    expect((await eventsOf('provider.changed')).slice(-2).map(({ details }) => details)).toEqual([
      { changed: ['clientSecret'], trial: 'known' },
      { changed: ['previousSecret'] },
    ])
    // Again: there is nothing to drop.
    expect(await change(id, { dropPreviousSecret: true })).toMatchObject({ hasPreviousSecret: false })
    const shown = JSON.stringify([await rowOf(id), await view(id), await eventsOf('provider.changed')])
    expect(shown).not.toMatch(/the-secret|"second"/)
  })

  it.each([
    ['unavailable', 503, {}],
    ['another refusal', 400, { error: 'invalid_request' }],
    ['a sentence', 401, 'The client is not known here.'],
    ['an odd success', 200, { error: 'invalid_client' }],
  ])('an answer that does not tell is said to be none: %s', async (_, status, body) => {
    const { id } = await plain()
    server.is({ refusal: { status, body: body as Record<string, unknown> } })
    expect(await change(id, { clientSecret: 'second' })).toMatchObject({
      secretTrial: 'untold',
      hasPreviousSecret: true,
    })
  })

  it('entered twice, it does not push out the one before', async () => {
    const { id } = await plain()
    server.is({ secrets: ['the-secret', 'second'] })
    await change(id, { clientSecret: 'second' })
    await change(id, { clientSecret: 'second' })
    server.is({ secrets: ['the-secret'] })
    expect(await statesOf(id)).toMatchObject({ client: 'failed', client_before: 'ok' })
  })

  it('of another client id, the one before is no secret at all', async () => {
    const { id } = await plain()
    server.is({ secrets: ['the-secret', 'second'] })
    const changed = await change(id, { clientSecret: 'second', clientId: `another-client-${made}` })
    expect(changed).toMatchObject({ secretTrial: 'known', hasPreviousSecret: false })
  })

  it('one that has leaked is replaced without being kept', async () => {
    const { id } = await plain()
    server.is({ secrets: ['second'] })
    expect(await change(id, { clientSecret: 'second', dropPreviousSecret: true })).toMatchObject({
      secretTrial: 'known',
      hasPreviousSecret: false,
    })
  })

  it('of two admins at once neither loses the other’s: one is current, the other the one before', async () => {
    const { id } = await plain()
    server.is({ secrets: ['the-secret', 'mine', 'yours'] })
    // Both are held where they meet, so that neither has begun when the other has ended.
    await asOwner('BEGIN')
    await asOwner('SELECT 1 FROM provider WHERE id = $1 FOR NO KEY UPDATE', [id])
    const both = Promise.all([change(id, { clientSecret: 'mine' }), change(id, { clientSecret: 'yours' }, admin)])
    const waiting = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    await expect.poll(async () => (await broker.ctx.pool.query(waiting)).rows[0].count).toBe(2)
    await asOwner('COMMIT')
    const done = await both
    expect(done.map(({ secretTrial }) => secretTrial)).toEqual(['known', 'known'])
    server.is({ secrets: ['mine', 'yours'] })
    expect(await statesOf(id)).toMatchObject({ client: 'ok', client_before: 'ok' })
  })

  it('a refresh under way with the former secret ends well, and the next one uses either', async () => {
    const { id } = await plain()
    const key = await link(id)
    await broker.advance(700)
    let release = () => {}
    const hold = new Promise<void>((resolve) => {
      release = resolve
    })
    server.is({ secrets: ['the-secret', 'second'], hold })
    const before = server.requests.length
    const refresh = freshTokens(broker.ctx, key)
    await expect.poll(() => server.requests.slice(before).filter(({ path }) => path === '/token').length).toBe(1)
    await change(id, { clientSecret: 'second' })
    release()
    await refresh
    await broker.advance(700)
    // The upstream has not taken over the new one yet.
    server.is({ secrets: ['the-secret'] })
    await freshTokens(broker.ctx, key)
    expect(sent().slice(-2)).toEqual(['second', 'the-secret'])
  })

  it('one that the upstream does not take yet is called “unauthorized” by some: the former one is tried, and neither answer says anything about the grant', async () => {
    const { id } = await plain()
    const key = await link(id)
    server.is({ secrets: ['the-secret', 'second'] })
    await change(id, { clientSecret: 'second' })
    server.is({ secrets: ['the-secret'], wrongSecret: 'unauthorized_client' })
    await broker.advance(700)
    await freshTokens(broker.ctx, key)
    expect(sent().slice(-2)).toEqual(['second', 'the-secret'])
    server.is({ secrets: [], wrongSecret: 'unauthorized_client' })
    await broker.advance(700)
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'client_not_registered' })
    expect(sent().slice(-2)).toEqual(['second', 'the-secret'])
    server.is({ secrets: ['second'] })
    await broker.advance(3700)
    await freshTokens(broker.ctx, key)
    expect(sent().at(-1)).toBe('second')
  })

  it('a refresh that the upstream refuses for a secret that was replaced meanwhile tells nobody', async () => {
    const { id } = await plain()
    const key = await link(id)
    await broker.advance(700)
    let release = () => {}
    const hold = new Promise<void>((resolve) => {
      release = resolve
    })
    server.is({ secrets: ['the-secret', 'second'], hold })
    const before = server.requests.length
    const other = await broker.makeContext()
    const refresh = freshTokens(other, key).catch((error: unknown) => error)
    await expect.poll(() => server.requests.slice(before).filter(({ path }) => path === '/token').length).toBe(1)
    await change(id, { clientSecret: 'second', dropPreviousSecret: true })
    server.is({ secrets: ['second'] })
    release()
    await refresh
    // Whatever is told is told by then.
    await other.close()
    const kinds = async () =>
      (await notificationPage(broker.ctx, owner)).items
        .filter(({ providerId }) => providerId === id)
        .map((one) => one.kind)
    expect(await kinds()).not.toContain('provider.client_refused')
    await broker.advance(3700)
    await freshTokens(broker.ctx, key)
    expect(sent().at(-1)).toBe('second')
  })

  it('of a client that signs: another key is published beside the former one until that is dropped', async () => {
    const { id } = await add(
      { client_authentication: 'private_key_jwt', scopes: ['read'] },
      { clientSecret: undefined },
    )
    const published = async () => (await clientKeys(broker.ctx, id)) ?? []
    const [first] = await published()
    await asOwner(`UPDATE provider SET client_id = $1 WHERE id = $2`, [`signing-${made}`, id])
    await expect(change(id, { clientSecret: 'a-secret' })).rejects.toMatchObject({
      fields: { client_secret: expect.stringContaining('Rotate the key') },
    })
    expect(await change(id, { rotateClientKey: true })).toMatchObject({ secretTrial: null, hasPreviousSecret: true })
    const both = await published()
    expect(both).toHaveLength(2)
    expect(both[1]).toEqual(first)
    expect(JSON.stringify(both)).not.toContain('"d"')
    // Rotated again, the oldest goes.
    await change(id, { rotateClientKey: true })
    const [third, second] = await published()
    expect(second).toEqual(both[0])
    expect(await change(id, { dropPreviousSecret: true })).toMatchObject({ hasPreviousSecret: false })
    expect(await published()).toEqual([third])
    await expect(change((await plain()).id, { rotateClientKey: true })).rejects.toMatchObject({
      fields: { rotate_client_key: expect.any(String) },
    })
  })

  it('a server that has read the former key alone goes on knowing the client', async () => {
    await asOwner(`UPDATE provider SET client_id = 'was-' || id WHERE client_id = $1`, [serverClientId])
    const { id } = await add(
      { client_authentication: 'private_key_jwt', scopes: ['read'] },
      { clientSecret: undefined },
    )
    await asOwner(`UPDATE provider SET client_id = $1 WHERE id = $2`, [serverClientId, id])
    const old = { keys: ((await clientKeys(broker.ctx, id)) ?? []) as never[] }
    await change(id, { rotateClientKey: true })
    is({ clientKeys: async () => old })
    expect(await statesOf(id)).toMatchObject({ client: 'failed', client_before: 'ok', redirect: 'ok' })
    is({ clientKeys: async () => ({ keys: ((await clientKeys(broker.ctx, id)) ?? []) as never[] }) })
    expect(await statesOf(id)).toMatchObject({ client: 'ok', client_before: 'ok' })
  })
})

describe('the daily check', () => {
  let id: string
  const hour = 3600
  const isDue = async () => (await scheduled()) <= 0
  const place = () => ({ tenantId: owner.tenantId, id })
  const scheduled = async () => {
    const { rows } = await asOwner('SELECT due_at FROM provider_check WHERE provider_id = $1', [id])
    return ((rows[0]?.due_at.getTime() ?? 0) - broker.ctx.now().getTime()) / 1000
  }
  const told = async () =>
    (await notificationPage(broker.ctx, owner)).items.filter(
      (one) => one.kind === 'provider.check_failed' && one.providerId === id,
    )
  const checks = () => server.requests.filter(({ path }) => path === '/jwks').length
  /** Another day, on which it is due. */
  const nextDay = async () => {
    await broker.advance(24 * hour)
    await checkDaily(broker.ctx, place())
  }

  beforeAll(async () => {
    id = (await add()).id
    is({})
  })

  it('is put off by a time of its own when a provider is first seen, so that a boot does not check all', async () => {
    // As they are when a version that checks begins.
    await asOwner('DELETE FROM provider_check')
    expect(await isDue()).toBe(true)
    const before = server.requests.length
    // Ten of a tenant at a time.
    for (let due = 1; due > 0; due = (await dueChecks(broker.ctx, broker.ctx.now(), 50)).length)
      await checkDue(broker.ctx)
    expect(server.requests.length).toBe(before)
    const seconds = await scheduled()
    expect(seconds).toBeGreaterThan(hour - 60)
    expect(seconds).toBeLessThanOrEqual(24 * hour)
    const { rows } = await asOwner(
      'SELECT count(DISTINCT due_at)::int AS moments, count(*)::int AS all FROM provider_check',
    )
    expect(rows[0].moments).toBe(rows[0].all)
  })

  it('is made once a day, and once however many instances are there', async () => {
    await broker.advance(24 * hour)
    expect(await isDue()).toBe(true)
    const before = checks()
    const second = await broker.makeContext()
    is({})
    await Promise.all([checkDaily(broker.ctx, place()), checkDaily(second, place()), checkDaily(broker.ctx, place())])
    await second.close()
    expect(checks()).toBe(before + 1)
    expect(await readCheck(broker.ctx, owner, id)).toMatchObject({ checkedBy: null, lines: expect.any(Array) })
    const seconds = await scheduled()
    expect(seconds).toBeGreaterThan(22 * hour)
    expect(seconds).toBeLessThanOrEqual(24 * hour)
    await checkDaily(broker.ctx, place())
    expect(checks()).toBe(before + 1)
    expect(await told()).toEqual([])
  })

  it('tells admins once of what fails that was fine, not again each day, and again after it was fine', async () => {
    is({ keys: [] })
    await nextDay()
    expect(await told()).toMatchObject([{ cause: 'keys', forAdmins: true, readAt: null }])
    await nextDay()
    expect(await told()).toHaveLength(1)
    // Not known is neither fine nor news.
    is({ metadata: {}, refusal: { status: 503, body: {} }, keys: [] })
    await nextDay()
    expect(await told()).toHaveLength(1)
    // Something else is.
    is({ keys: [], secrets: ['another'] })
    await nextDay()
    expect((await told()).map(({ cause }) => cause)).toEqual(['client', 'keys'])
    is({})
    await nextDay()
    expect(await told()).toHaveLength(2)
    is({ keys: [] })
    await nextDay()
    expect((await told()).map(({ cause }) => cause)).toEqual(['keys', 'client', 'keys'])
    is({})
    await nextDay()
  })

  it('who asks for a check sees it, and the others are told by the next daily one', async () => {
    const before = (await told()).length
    is({ keys: [] })
    await checkProvider(broker.ctx, owner, id)
    expect(await told()).toHaveLength(before)
    await nextDay()
    expect(await told()).toHaveLength(before + 1)
    is({})
    await checkProvider(broker.ctx, owner, id)
    is({ keys: [] })
    await nextDay()
    expect(await told()).toHaveLength(before + 2)
    is({})
  })

  it('leaves a frozen provider alone', async () => {
    await freeze(broker.ctx, owner, { kind: 'provider', id })
    const before = server.requests.length
    await nextDay()
    expect(server.requests.length).toBe(before)
    expect(await isDue()).toBe(false)
    await liftFreeze(broker.ctx, owner, { kind: 'provider', id })
    await broker.advance(hour)
    await checkDaily(broker.ctx, place())
    expect(server.requests.length).toBeGreaterThan(before)
  })

  it('what began earlier does not replace what was seen later', async () => {
    await asOwner(
      `INSERT INTO provider_check (tenant_id, provider_id, due_at) VALUES ($1, $2, $3)
       ON CONFLICT (tenant_id, provider_id) DO UPDATE SET due_at = $3`,
      [owner.tenantId, id, broker.ctx.now()],
    )
    const began = broker.ctx.now()
    const slow = { ...broker.ctx, now: () => began }
    await broker.advance(60)
    is({})
    const later = await checkProvider(broker.ctx, owner, id)
    is({ keys: [] })
    await checkDaily(slow, place())
    expect(await readCheck(broker.ctx, owner, id)).toEqual(later)
    is({})
  })

  it('of a provider whose secret cannot be opened is put off, and the others continue', async () => {
    const { id: broken } = await add()
    await asOwner(`UPDATE provider SET client_secret = 'nonsense' WHERE id = $1`, [broken])
    await checkDaily(broker.ctx, { tenantId: owner.tenantId, id: broken })
    await broker.advance(25 * hour)
    await checkDue(broker.ctx)
    expect((await dueChecks(broker.ctx, broker.ctx.now(), 50)).map((one) => one.id)).not.toContain(broken)
  })
})
