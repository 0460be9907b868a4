import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh.ts'
import { oidc } from '../../lib/providers/oidc.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { Secret } from '../../lib/security/secrets.ts'
import { claimRefresh, storeRefresh } from '../../lib/store/connections.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { connectionList, rowOf } from '../support/connection.ts'
import { type IssuerAnswers, startIssuer } from '../support/issuer.ts'

const clientId = 'valetkey'

describe('an ID token that comes with a refresh', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  beforeAll(async () => {
    issuer = await startIssuer(clientId, () => Date.now())
  })
  afterAll(() => issuer.stop())

  async function refreshed(answer: Partial<IssuerAnswers>) {
    issuer.answer(answer)
    const protocol = oidc(
      async () => ({
        server: {
          issuer: issuer.url,
          token_endpoint: `${issuer.url}/token`,
          jwks_uri: `${issuer.url}/jwks`,
          id_token_signing_alg_values_supported: ['ES256', 'RS256'],
        },
        client: { client_id: clientId },
        auth: oauth.None(),
        parameters: {},
        openid: true,
        repeatsRefresh: false,
      }),
      {
        fetch: createOutbound({ loopback: true, internalHosts: [] }).fetch,
        now: () => new Date(),
        sleep: async () => undefined,
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
    ['a time that is over', { claims: { iat: 1, exp: 2 } }],
    ['an algorithm that was not announced', { alg: 'PS256' }],
  ] as [string, Partial<IssuerAnswers>][])(
    'RR-10: one of %s is told apart, and its tokens are not lost',
    async (_, answer) => {
      const grant = await refreshed(answer)
      expect(grant.identity).toBe('changed')
      expect(grant.accessToken.reveal()).toBe('an-access-token')
    },
  )
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
