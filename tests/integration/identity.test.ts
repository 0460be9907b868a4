import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { freshTokens, tokenPlace } from '../../lib/broker/refresh/refresh.ts'
import { sealClientSecret } from '../../lib/broker/upstream.ts'
import { clockLine } from '../../lib/providers/check.ts'
import { kinds } from '../../lib/providers/index.ts'
import { oauthProtocol } from '../../lib/providers/oauth/protocol.ts'
import { newId } from '../../lib/security/ids.ts'
import type { IssuerClocks } from '../../lib/security/issuer-clocks.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { Secret } from '../../lib/security/secrets.ts'
import { claimRefresh, insertConnection, storeRefresh } from '../../lib/store/connections.ts'
import { insertProvider } from '../../lib/store/providers.ts'
import { asSystem } from '../../lib/store/system.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { connectionList, type Key, rowOf, storedRefreshToken } from '../support/connection.ts'
import { type Issuer, type IssuerAnswers, startIssuer } from '../support/issuer.ts'
import { openid } from '../support/kinds/openid.ts'

kinds.set(openid.name, openid)
const clientId = 'valetkey'

describe('an ID token that comes with a refresh', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  beforeAll(async () => {
    issuer = await startIssuer(clientId, () => Date.now())
  })
  afterAll(() => issuer.stop())

  const issuerClocks: IssuerClocks = new Map()
  async function refreshed(answer: Partial<IssuerAnswers>) {
    issuer.answer(answer)
    const protocol = oauthProtocol(
      async () => ({
        server: {
          issuer: issuer.url,
          token_endpoint: `${issuer.url}/token`,
          jwks_uri: `${issuer.url}/jwks`,
          id_token_signing_alg_values_supported: ['ES256', 'RS256'],
        },
        client: { client_id: clientId },
        auth: [oauth.None()],
        parameters: {},
        openid: true,
        repeatsRefresh: false,
      }),
      {
        fetch: createOutbound({ loopback: true, internalHosts: [] }).fetch,
        now: () => new Date(),
        sleep: async () => undefined,
        keySets: new Map(),
        issuerClocks,
      },
    )
    return protocol.refresh({ refreshToken: new Secret('a-refresh-token'), subject: 'somebody' })
  }

  it('RR-10: is verified and about the person who linked', async () => {
    expect(await refreshed({})).toMatchObject({ identity: 'same' })
  })

  it.each([
    ['another person', { claims: { sub: 'somebody else' } }],
    ['another issuer', { claims: { iss: 'https://elsewhere.test' } }],
    ['another client', { claims: { aud: 'somebody' } }],
    ['a time that is over, about another person', { claims: { sub: 'somebody else', iat: 1, exp: 2 } }],
    ['an algorithm that was not announced', { alg: 'PS256' }],
    ['a signature that the issuer did not make', { forged: true }],
  ] as [string, Partial<IssuerAnswers>][])(
    'RR-10: one of %s is told apart, and its tokens are not lost',
    async (_, answer) => {
      const grant = await refreshed(answer)
      expect(grant.identity).toBe('changed')
      expect(grant.accessToken.reveal()).toBe('an-access-token')
    },
  )

  it.each([-130, 130])('J-07: what it is dated tells how the issuer’s clock is: %i s ahead', async (seconds) => {
    await refreshed({ claims: { iat: Math.floor(Date.now() / 1000) + seconds } })
    expect(Math.abs((issuerClocks.get(new URL(issuer.url).host) ?? 0) - seconds)).toBeLessThan(10)
    // An answer without a time is told apart by it, and one that names its time is believed first.
    const line = (host: { aheadSeconds?: number }) =>
      clockLine(new Map([[new URL(issuer.url).host, { answered: true, ...host }]]), issuerClocks)
    expect(line({})).toMatchObject({ state: 'attention', seen: expect.stringContaining('2 minutes') })
    expect(line({ aheadSeconds: 3 }).state).toBe('ok')
  })

  it.each([
    ['over', { iat: 1, exp: 2 }],
    ['to come', { nbf: 4e9, exp: 5e9 }],
  ])('RR-10 J-07: one of a time that is %s says nothing about the person: a clock may be off', async (_, claims) => {
    expect((await refreshed({ claims })).identity).toBeUndefined()
  })
})

describe('a connection whose refreshed identity is another', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker.stop())

  it('RR-10: is flagged to be linked again, keeps what it holds, and serves nothing', async () => {
    const actor = await broker.actorOf('owner@acme.test')
    await broker.link(actor, 'owner@acme.test', { project: '10231' })
    const [connection] = await connectionList(broker.ctx, actor)
    const key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
    const claim = await claimRefresh(broker.ctx, key, { leaseSeconds: 15, staleVersion: 2 ** 31 - 1 })
    const stored = await storeRefresh(broker.ctx, key, {
      sentVersion: claim.version,
      fence: claim.fence,
      refreshToken: 'sealed',
      accessToken: 'sealed',
      lifeSeconds: 600,
      scopes: null,
      grantSeconds: null,
      keepAliveSeconds: 60,
      scheduled: true,
      flag: 'another_account',
    })
    expect(stored.outcome).toBe('stored')
    expect(await rowOf(broker, key)).toMatchObject({
      status: 'needs_relink',
      cause: 'another_account',
      refreshToken: 'sealed',
    })
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
  })
})

describe('a refresh at an OpenID issuer, from the claim to the row', () => {
  let broker: Broker
  let issuer: Issuer
  let provider: { id: string; tenantId: string; userId: string }
  let key: Key
  beforeAll(async () => {
    broker = await startBroker()
    const { ctx } = broker
    issuer = await startIssuer(clientId, () => ctx.now().getTime() + aheadSeconds * 1000)
    const { tenantId, userId } = await broker.actorOf('owner@acme.test')
    provider = { id: newId('provider'), tenantId, userId }
    await asSystem(ctx, tenantId, 'job', (tx) =>
      insertProvider(tx, {
        tenantId,
        id: provider.id,
        kind: 'oidc',
        name: 'An issuer',
        issuer: issuer.url,
        callbackKey: 'an-issuer',
        clientId,
        clientSecret: null,
        maxLifetimeSeconds: null,
        settings: {},
        createdAt: ctx.now(),
      }),
    )
  })
  afterAll(async () => {
    await broker.stop()
    await issuer.stop()
  })

  let aheadSeconds = 0
  /** A connection of "somebody" whose access token has expired, at an issuer that is well. */
  beforeEach(async () => {
    aheadSeconds = 0
    issuer.answer({})
    await broker.advance(3600)
    const { tenantId, userId, id: providerId } = provider
    const connection = { id: newId('connection'), userId }
    const vault = await vaultOf(broker.ctx, tenantId)
    const now = broker.ctx.now()
    const data = {
      ...connection,
      tenantId,
      providerId,
      accountId: 'somebody',
      accountName: 'Somebody',
      status: 'linked',
      statusSince: now,
      linkedAt: now,
      refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', 1), 'a-refresh-token'),
      accessToken: await vault.seal(tokenPlace(connection, 'access_token', 1), 'an-old-access-token'),
      accessExpiresAt: new Date(now.getTime() - 1000),
    }
    await asSystem(broker.ctx, tenantId, 'job', async (tx) => {
      await tx.connection.deleteMany({ where: { tenantId, providerId } })
      await insertConnection(tx, data)
    })
    key = { tenantId, connectionId: connection.id }
    issuer.requests.length = 0
    broker.logged.length = 0
  })

  const fresh = () => freshTokens(broker.ctx, key)
  const reported = () =>
    broker.logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg, connection }) => msg === 'refresh' && connection === key.connectionId)

  async function expectServed() {
    expect((await fresh()).accessToken.reveal()).toBe('an-access-token')
    expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', cause: null, tokenVersion: 2 })
    expect(reported()).toMatchObject([{ outcome: 'succeeded' }])
  }

  async function expectFlagged() {
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await rowOf(broker, key)).toMatchObject({
      status: 'needs_relink',
      cause: 'another_account',
      tokenVersion: 2,
    })
    expect(reported()).toMatchObject([{ level: 50, alarm: true, outcome: 'identity_changed' }])
    // What came is kept, for the person's return or for ending it, and nobody is served with it.
    expect(await storedRefreshToken(broker, key)).toBe('a-refresh-token')
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(issuer.tokenCalls()).toBe(1)
  }

  it('RR-10: an ID token about who linked, signed by the issuer, changes nothing', async () => {
    await expectServed()
    expect(issuer.keyCalls()).toBe(1)
  })

  it('RR-10: a refreshed ID token with a false signature flags the connection, is an alarm, and serves nothing', async () => {
    issuer.answer({ forged: true })
    await expectFlagged()
  })

  it('RR-10: a refreshed ID token signed with a key that the issuer does not publish does the same', async () => {
    issuer.answer({ key: 9, published: 0 })
    await expectFlagged()
  })

  it.each([
    ['about another person', { sub: 'somebody else' }],
    ['of another issuer', { iss: 'https://elsewhere.test' }],
    ['for another client', { aud: 'another' }],
  ])('RR-10: a refreshed ID token %s does the same', async (_, claims) => {
    issuer.answer({ claims })
    await expectFlagged()
  })

  it('a rotation of the issuer’s keys costs no connection, also right after they were read', async () => {
    await expectServed()
    issuer.answer({ key: 1 })
    await broker.advance(1)
    expect((await freshTokens(broker.ctx, { ...key, staleVersion: 2 })).version).toBe(3)
    expect(issuer.keyCalls()).toBe(1)
    await broker.advance(4)
    expect((await freshTokens(broker.ctx, { ...key, staleVersion: 3 })).version).toBe(4)
    expect(issuer.keyCalls()).toBe(2)
    expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', cause: null })
  })

  it('keys that cannot be had say nothing about the person', async () => {
    issuer.answer({ jwksStatus: 503 })
    await expectServed()
  })

  it.each([-60, 60])('J-07: an issuer whose clock is %i s ahead changes nothing', async (seconds) => {
    aheadSeconds = seconds
    const now = Math.floor(broker.ctx.now().getTime() / 1000) + seconds
    issuer.answer({ claims: { iat: now, nbf: now, exp: now + 30 } })
    await expectServed()
  })

  it('L-05: linking there takes the person of a sound ID token, and nobody of one that is forged or of another nonce', async () => {
    const actor = await broker.actorOf('owner@acme.test')
    const link = async (answers: Partial<IssuerAnswers>) => {
      const { url } = await startLink(broker.ctx, actor, { providerId: provider.id, browser: actor.browser })
      const { searchParams } = new URL(url)
      const code = searchParams.get('nonce') ?? ''
      issuer.answer(answers)
      const query = new URLSearchParams({ code, state: searchParams.get('state') ?? '' })
      const location = `${searchParams.get('redirect_uri')}?${query}`
      return completeLink(broker.ctx, broker.callbackOf(location, actor))
    }
    for (const answers of [{ forged: true }, { claims: { nonce: 'another' } }, { claims: { nonce: undefined } }])
      expect(await link(answers)).toMatchObject({ kind: 'failed', error: { code: 'upstream_protocol' } })
    expect(await link({})).toMatchObject({ kind: 'linked' })
    const names = (await connectionList(broker.ctx, actor)).map(({ accountName }) => accountName)
    expect(names).toContain('somebody')
  })

  it('a client secret with hyphens reaches an issuer that decodes nothing of HTTP Basic', async () => {
    const secret = 'a-secret._of~theirs'
    const { tenantId, id } = provider
    const vault = await vaultOf(broker.ctx, tenantId)
    const clientSecret = await sealClientSecret(vault, id, secret)
    const store = (value: string | null) =>
      asSystem(broker.ctx, tenantId, 'job', (tx) =>
        tx.provider.updateMany({ where: { tenantId, id }, data: { clientSecret: value } }),
      )
    await store(clientSecret)
    try {
      issuer.answer({ client: { id: clientId, secret, method: 'basic', decodes: false } })
      await expectServed()
    } finally {
      await store(null)
    }
  })
})
