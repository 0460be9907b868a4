// Signing out at the real server: what it sends to us, and where a person goes from us.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { putContext } from '../../lib/context.ts'
import { readSession } from '../../lib/http/session.ts'
import type { BrowserActor } from '../support/broker.ts'
import { connectionList, type Key, rowOf } from '../support/connection.ts'
import { clients, KIND, makeRealm, type Realm, type Username } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { deliver } from '../support/logout.ts'
import { origin, type Signin, startSignin } from '../support/signin.ts'

/** Our endpoint on a socket that the server can reach, with what came and what was answered. */
async function startEndpoint() {
  const came: { token: string; status: number }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const { status } = await deliver(body, { 'content-type': request.headers['content-type'] ?? '' })
    came.push({ token: new URLSearchParams(body).get('logout_token') ?? '', status })
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    came,
    url: `http://localhost:${(server.address() as AddressInfo).port}/oauth/backchannel-logout`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
}

let endpoint: Awaited<ReturnType<typeof startEndpoint>>
beforeAll(async () => {
  endpoint = await startEndpoint()
})
afterAll(() => endpoint?.stop())

/** What becomes of sessions at the server in its admin console. */
const adminOf = (realm: Realm) => ({
  endSession: (id: string) => realm.admin(`/sessions/${id}`, { method: 'DELETE' }),
  signOut: async (username: Username) =>
    realm.admin(`/users/${(await realm.user(username)).id}/logout`, { method: 'POST' }),
  /** Each for itself. Signing a person out altogether ends offline access that was given before as well. */
  endAll: async (username: Username) => {
    const { id } = await realm.user(username)
    for (const session of await realm.admin<{ id: string }[]>(`/users/${id}/sessions`))
      await realm.admin(`/sessions/${session.id}`, { method: 'DELETE' })
  },
  sessions: async (username: Username) =>
    realm.admin<{ id: string }[]>(`/users/${(await realm.user(username)).id}/sessions`),
})

describe('the server that people sign in with', () => {
  let at: Signin
  let realm: Realm
  beforeAll(async () => {
    realm = await makeRealm()
    at = await startSignin({
      VALETKEY_SIGNIN_ISSUER: realm.issuer,
      VALETKEY_SIGNIN_CLIENT_ID: clients.valetkey.client_id,
      VALETKEY_SIGNIN_CLIENT_SECRET: clients.valetkey.client_secret,
    })
    await realm.changeClient('valetkey', { attributes: { 'backchannel.logout.url': endpoint.url } })
  })
  afterAll(async () => {
    await at?.stop()
    await realm?.remove()
  })

  async function signIn(username: Username, who = realm.person(username)) {
    const browser = at.browser()
    await browser.fetch(await who.approve(await browser.start()))
    expect(await isIn(browser.headers())).toBe(true)
    return { browser, who, isIn: () => isIn(browser.headers()) }
  }
  const isIn = async (headers: Headers) => (await readSession(at.ctx, headers)) !== undefined

  it('A-05 A-06: a session that an admin ends there ends here, and no other; what it sends is as the specification says', async () => {
    const [first, second] = [await signIn('alice'), await signIn('alice')]
    const before = endpoint.came.length
    const sessions = await adminOf(realm).sessions('alice')
    expect(sessions).toHaveLength(2)
    await adminOf(realm).endSession(sessions[0]?.id ?? '')
    await expect.poll(async () => [await first.isIn(), await second.isIn()].filter(Boolean)).toHaveLength(1)
    const [sent] = endpoint.came.slice(before)
    expect(sent?.status).toBe(200)
    expect(decodeProtectedHeader(sent?.token ?? '')).toMatchObject({ typ: 'logout+jwt', kid: expect.any(String) })
    expect(decodeJwt(sent?.token ?? '')).toMatchObject({
      iss: realm.issuer,
      aud: 'valetkey',
      sid: sessions[0]?.id,
      exp: expect.any(Number),
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    })
  })

  it('A-05: all sessions of somebody who is signed out by an admin end, nobody else’s; also where it names no session', async () => {
    const bob = await signIn('bob')
    for (const required of ['true', 'false']) {
      await realm.changeClient('valetkey', { attributes: { 'backchannel.logout.session.required': required } })
      const all = [await signIn('alice'), await signIn('alice'), await signIn('alice')]
      await adminOf(realm).signOut('alice')
      await expect.poll(async () => (await Promise.all(all.map((one) => one.isIn()))).includes(true)).toBe(false)
    }
    expect(decodeJwt(endpoint.came.at(-1)?.token ?? '').sid).toBeUndefined()
    expect(await bob.isIn()).toBe(true)
    // Whom it vouches for in a later second than it signed them out in.
    const second = decodeJwt(endpoint.came.at(-1)?.token ?? '').iat ?? 0
    await expect.poll(() => Date.now() / 1000, { timeout: 3_000 }).toBeGreaterThan(second + 1)
    await realm.changeClient('valetkey', { attributes: { 'backchannel.logout.session.required': 'true' } })
    expect(await (await signIn('alice')).isIn()).toBe(true)
  })

  it('N-21: signing out here leads there; it asks, signs out, and leads back; what it then sends finds nothing left', async () => {
    const { browser, who, isIn } = await signIn('bob')
    const copy = browser.copy()
    const before = endpoint.came.length
    const answer = await browser.signOut()
    expect(await readSession(at.ctx, copy.headers())).toBeUndefined()
    const next = /^0;url=(.*)$/.exec(answer.headers.get('refresh') ?? '')?.[1] ?? ''
    expect(next).toMatch(new RegExp(`^${realm.issuer}/protocol/openid-connect/logout\\?`))
    const page = await (await who.visit(next)).text()
    // Without id_token_hint it asks. Whoever goes away here stays signed in there, and signed out here.
    expect(page).toContain('Do you want to log out?')
    expect([await isIn(), endpoint.came.length]).toEqual([false, before])
    const action = /<form[^>]*\saction="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const code = /name="session_code" value="([^"]+)"/.exec(page)?.[1] ?? ''
    const back = await who.visit(new URL(action, realm.origin).href, { session_code: code, confirmLogout: 'Logout' })
    expect(back.headers.get('location')).toBe(`${origin}/signin?state=signed-out`)
    await expect.poll(() => endpoint.came.slice(before).map(({ status }) => status)).toEqual([200])
    expect(await (await signIn('bob')).isIn()).toBe(true)
  })
})

describe('the server as an upstream', () => {
  let at: AtKeycloak
  beforeAll(async () => {
    at = await startAtKeycloak()
    putContext(at.broker.ctx)
  })
  afterAll(() => at?.stop())

  /** One client that two tenants have a row of, with offline access and without, linked in one session of alice's. */
  async function linkedTwice({ revokesOffline }: { revokesOffline: boolean }): Promise<{ online: Key; offline: Key }> {
    const client = await at.realm.addClient()
    const attributes = {
      'backchannel.logout.url': endpoint.url,
      'backchannel.logout.revoke.offline.tokens': String(revokesOffline),
    }
    await at.realm.changeClient(client.client_id, { attributes })
    const alice = at.realm.person('alice')
    const link = async (actor: BrowserActor, scopes: string[]): Promise<Key> => {
      const { ctx } = at.broker
      const setup = {
        issuer: at.realm.issuer,
        scopes,
        offline: scopes.includes('offline_access'),
        api_bases: [{ name: 'Orders', url: `${at.realm.origin}/orders` }],
      }
      const named = {
        kind: KIND,
        name: client.client_id,
        clientId: client.client_id,
        clientSecret: client.client_secret,
      }
      const { id: providerId } = await createProvider(ctx, actor, { ...named, setup })
      const { url } = await startLink(ctx, actor, { providerId, browser: actor.browser })
      const result = await completeLink(ctx, at.broker.callbackOf(await alice.approve(url), actor))
      if (result.kind === 'failed') throw result.error
      const connection = (await connectionList(ctx, actor)).find(({ provider }) => provider.id === providerId)
      return { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
    }
    const online = await link(await at.broker.actorOf('owner@globex.test'), ['openid', 'orders'])
    return { online, offline: await link(at.owner, ['openid', 'offline_access', 'orders']) }
  }
  const state = async (key: Key) => (await rowOf(at.broker, key)).cause ?? 'linked'

  it('A-05 N-05: a connection ends with the session it was linked in; one with offline access outlives it and renews', async () => {
    const { online, offline } = await linkedTwice({ revokesOffline: false })
    await adminOf(at.realm).endAll('alice')
    await expect.poll(() => state(online)).toBe('signed_out')
    await expect(freshTokens(at.broker.ctx, online)).rejects.toMatchObject({ code: 'needs_relink' })
    await at.expire(offline)
    expect(await freshTokens(at.broker.ctx, offline)).toMatchObject({ degraded: false })
    expect(await state(offline)).toBe('linked')
  })

  it('A-05 N-05: where the client says so, offline access ends here with the session as well', async () => {
    const { online, offline } = await linkedTwice({ revokesOffline: true })
    await adminOf(at.realm).endAll('alice')
    await expect.poll(async () => [await state(online), await state(offline)]).toEqual(['signed_out', 'signed_out'])
    const { events } = decodeJwt(endpoint.came.at(-1)?.token ?? '')
    expect(events).toMatchObject({ revoke_offline_access: true })
  })
})
