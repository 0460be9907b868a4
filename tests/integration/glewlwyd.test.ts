// Sign-in and kind `oauth` at Glewlwyd, an authorization server in another language that nobody wrote for us.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider, type ProviderView } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { readSession } from '../../lib/http/session.ts'
import { newId } from '../../lib/security/ids.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList, type Key, rowOf, storedRefreshToken } from '../support/connection.ts'
import { type Glewlwyd, glewlwyd, startGlewlwyd } from '../support/glewlwyd.ts'
import { origin, type Signin, startSignin } from '../support/signin.ts'

/** With a hyphen: Glewlwyd does not decode what comes by HTTP Basic. */
const client_secret = 'a-secret-of-the-client'

let server: Glewlwyd
beforeAll(async () => {
  if (glewlwyd) server = await startGlewlwyd(['profile', 'email', 'items:read', 'items:write'])
})
afterAll(() => server?.stop())

describe.skipIf(!glewlwyd)('sign-in (needs glewlwyd)', () => {
  const client_id = 'valetkey-signin'
  let at: Signin
  let ctx: Context
  beforeAll(async () => {
    at = await startSignin()
    ctx = await at.makeContext({
      VALETKEY_SIGNIN_ISSUER: server.issuer,
      VALETKEY_SIGNIN_CLIENT_ID: client_id,
      VALETKEY_SIGNIN_CLIENT_SECRET: client_secret,
    })
    putContext(ctx)
    await server.register({ client_id, client_secret, redirect_uri: `${origin}/api/auth/callback/signin` })
  })
  afterAll(async () => {
    await ctx?.close()
    await at?.stop()
  })
  /** How the browser comes back, not yet followed. */
  async function approach(change: (back: URL) => void = () => {}) {
    const browser = at.browser()
    const back = new URL(await server.approve(await browser.start()))
    change(back)
    return { browser, path: back.pathname + back.search }
  }

  it('L-03 L-04: a person is who its ID token says, by discovery, PKCE, nonce and an ES256 signature; twice the same person', async () => {
    const subjects = []
    for (const _ of [1, 2]) {
      const { browser, path } = await approach()
      const answer = await browser.fetch(path)
      expect(answer.headers.get('location')).toBe('/')
      const session = await readSession(ctx, browser.headers())
      expect(session).toMatchObject({ issuer: server.issuer, name: 'Some Body', email: 'somebody@example.com' })
      subjects.push(session?.subject)
    }
    expect(new Set(subjects).size).toBe(1)
    expect(await at.users()).toHaveLength(1)
  })

  it('L-06: it names itself in its answer; another name there is refused', async () => {
    const { browser, path } = await approach((back) => {
      expect(back.searchParams.get('iss')).toBe(server.issuer)
      back.searchParams.set('iss', 'https://evil.example')
    })
    expect((await browser.fetch(path)).headers.get('location')).toBe('/signin?error=issuer_mismatch')
  })

  it('L-03: a code of another sign-in is refused there, by its challenge', async () => {
    at.logged.length = 0
    const other = await approach()
    const { browser, path } = await approach((back) =>
      back.searchParams.set('code', new URL(other.path, origin).searchParams.get('code') ?? ''),
    )
    expect((await browser.fetch(path)).headers.get('location')).toBe('/signin?error=signin_failed')
    expect(await readSession(ctx, browser.headers())).toBeUndefined()
    const failure = at.logged.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'sign-in failed')
    expect(failure).toMatchObject({ stage: 'token' })
  })
})

describe.skipIf(!glewlwyd)('kind `oauth` (needs glewlwyd)', () => {
  let broker: Broker
  let owner: BrowserActor
  beforeAll(async () => {
    broker = await startBroker()
    owner = await broker.actorOf('owner@acme.test')
  })
  afterAll(() => broker?.stop())

  async function provider(setup: Record<string, unknown> = {}): Promise<ProviderView> {
    const clientId = newId('provider')
    const made = await createProvider(broker.ctx, owner, {
      kind: 'oauth',
      name: 'Glewlwyd',
      clientId,
      clientSecret: client_secret,
      setup: {
        issuer: server.issuer,
        scopes: ['openid', 'items:read', 'items:write'],
        api_bases: [{ name: 'Items', url: `${server.origin}/items` }],
        ...setup,
      },
    })
    await server.register({ client_id: clientId, client_secret, redirect_uri: made.redirectUri })
    return made
  }
  async function link({ id: providerId }: ProviderView, allowed?: string[]) {
    const { url } = await startLink(broker.ctx, owner, { providerId, browser: owner.browser })
    return completeLink(broker.ctx, broker.callbackOf(await server.approve(url, allowed), owner))
  }
  async function linked(setup?: Record<string, unknown>) {
    const made = await provider(setup)
    const result = await link(made)
    if (result.kind === 'failed') throw result.error
    const connection = (await connectionList(broker.ctx, owner)).find((one) => one.provider.id === made.id)
    const key: Key = { tenantId: owner.tenantId, connectionId: connection?.id ?? '' }
    const of = { client_id: made.clientId, client_secret }
    return { made, connection, key, of, project: result.projectId }
  }
  /** Its access token has ended; the clocks of both servers stay alike. */
  async function expire({ tenantId, connectionId }: Key) {
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
    await broker.owner.query('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connectionId])
    await broker.owner.query('DELETE FROM upstream_pace')
  }
  const refreshToken = async (key: Key) =>
    (JSON.parse(await storedRefreshToken(broker, key)) as { refresh: string }).refresh
  const asked = (project: string) => ({
    project,
    scopes: { scopes: ['items:read'] },
    lifetimeSeconds: 3600,
    purpose: 'a test',
  })

  it('N-03 N-05: is discovered and linked; who linked is the subject of its ID token', async () => {
    const { connection, key, of } = await linked()
    expect(connection).toMatchObject({ accountName: 'Some Body', status: 'linked' })
    expect(await rowOf(broker, key)).toMatchObject({ scopesGranted: ['openid', 'items:read', 'items:write'] })
    const { accessToken } = await freshTokens(broker.ctx, key)
    expect(await server.introspect(of, accessToken.reveal())).toMatchObject({
      active: true,
      scope: 'openid items:read items:write',
    })
  })

  it('L-06: an answer in the name of another server stops the link before its code is used', async () => {
    const made = await provider()
    const { url } = await startLink(broker.ctx, owner, { providerId: made.id, browser: owner.browser })
    const back = new URL(await server.approve(url))
    const code = back.searchParams.get('code') ?? ''
    back.searchParams.set('iss', 'https://evil.example')
    const ended = await completeLink(broker.ctx, broker.callbackOf(back.href, owner))
    expect(ended).toMatchObject({ kind: 'failed', error: { code: 'issuer_mismatch' } })
    const client = { client_id: made.clientId, client_secret }
    const form = { grant_type: 'authorization_code', code, redirect_uri: made.redirectUri }
    // Unused, it is still refused to whoever has not begun the flow (RFC 7636 4.6).
    expect((await server.token(client, { ...form, code_verifier: 'v'.repeat(43) })).status).toBe(403)
  })

  it('a person who agrees to less is linked with less', async () => {
    const made = await provider()
    expect((await link(made, ['openid', 'items:read'])).kind).toBe('linked')
    const connection = (await connectionList(broker.ctx, owner)).find((one) => one.provider.id === made.id)
    const key = { tenantId: owner.tenantId, connectionId: connection?.id ?? '' }
    expect((await rowOf(broker, key)).scopesGranted).toEqual(['openid', 'items:read'])
  })

  it('RR-01 RR-03: twenty callers at once are one renewal, and no refresh token is sent twice where that ends the chain', async () => {
    const { key, of } = await linked()
    const spent: string[] = []
    for (const version of [2, 3, 4]) {
      spent.push(await refreshToken(key))
      await expire(key)
      const all = await Promise.all(Array.from({ length: 20 }, () => freshTokens(broker.ctx, key)))
      expect(new Set(all.map(({ accessToken }) => accessToken.reveal())).size).toBe(1)
      expect(all[0]).toMatchObject({ version, degraded: false })
    }
    for (const token of spent) expect(await server.introspect(of, token)).toEqual({ active: false })
    expect(await server.introspect(of, await refreshToken(key))).toMatchObject({ active: true })
  })

  it('a refresh token that somebody else has spent is refused and ends the chain; as the answer names no error, the connection is degraded', async () => {
    const { key, of } = await linked()
    const stolen = { grant_type: 'refresh_token', refresh_token: await refreshToken(key) }
    const { body } = await server.token(of, stolen)
    const next = String(body.refresh_token)
    expect(await server.introspect(of, next)).toMatchObject({ active: true })
    await expire(key)
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'upstream_protocol' })
    expect(await server.introspect(of, next)).toEqual({ active: false })
    // RFC 6749 5.2 wants `invalid_grant` here. A bare 400 may be a proxy's, and is no verdict on a grant (K-29).
    expect(await server.token(of, stolen)).toMatchObject({ status: 400, text: '' })
    expect(await rowOf(broker, key)).toMatchObject({ status: 'degraded', cause: 'upstream_protocol' })
  })

  it('a connection that is ended here is ended there (RFC 7009); access tokens that are out live on until they expire', async () => {
    const { key, of } = await linked()
    await expire(key)
    const { accessToken } = await freshTokens(broker.ctx, key)
    const refresh = await refreshToken(key)
    const [ended] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    // Confirmed where the server was asked in time, which this is not about.
    expect(ended).toMatchObject({ upstream: expect.stringMatching(/^(done|confirmed)$/) })
    expect(await server.introspect(of, refresh)).toEqual({ active: false })
    expect((await server.token(of, { grant_type: 'refresh_token', refresh_token: refresh })).status).toBe(400)
    expect(await server.introspect(of, accessToken.reveal())).toMatchObject({ active: true })
  })

  describe('a refresh with fewer scopes, which it answers with all of them', () => {
    it('is not offered by a row of which nobody has said that it narrows', async () => {
      const { key, of, project } = await linked()
      const fewer = { grant_type: 'refresh_token', refresh_token: await refreshToken(key), scope: 'items:read' }
      expect((await server.token(of, fewer)).body.scope).toBe('openid items:read items:write')
      await expect(issueToken(broker.ctx, owner, asked(project))).rejects.toMatchObject({ code: 'no_strategy' })
    })

    it('a row that says so in error hands nothing out: the token is ended there, and the connection goes on', async () => {
      const narrowing = { offered: true, old_token_survives: true, revoke_keeps_grant: true, full_scope_remains: true }
      const { key, of, project } = await linked({ narrowing })
      await expect(issueToken(broker.ctx, owner, asked(project))).rejects.toMatchObject({
        code: 'excess_rights',
        detail: 'More than requested: openid, items:write.',
      })
      const ended = new RegExp(`Access token jti '\\w+' generated for client '${of.client_id}' revoked`)
      await vi.waitFor(() => expect(server.log()).toMatch(ended))
      await expire(key)
      expect(await freshTokens(broker.ctx, key)).toMatchObject({ version: 3, degraded: false })
    })
  })
})
