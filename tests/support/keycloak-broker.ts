import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider, type ProviderView } from '../../lib/broker/providers.ts'
import { startBroker } from './broker.ts'
import { connectionList, type Key, storedRefreshToken } from './connection.ts'
import { clients, KIND, makeRealm, type Realm, type Username } from './keycloak.ts'

/** Use cases on a database of their own, with a realm of their own as the upstream. */
export async function startAtKeycloak({ realm: given }: { realm?: Realm } = {}) {
  const realm = given ?? (await makeRealm())
  const broker = await startBroker()
  const owner = await broker.actorOf('owner@acme.test')
  const { ctx } = broker

  async function provider(setup: Record<string, unknown> = {}): Promise<ProviderView> {
    const { client_id: clientId, client_secret: clientSecret } = await realm.addClient()
    return createProvider(ctx, owner, {
      kind: KIND,
      name: 'Keycloak',
      clientId,
      clientSecret,
      setup: {
        issuer: realm.issuer,
        scopes: ['openid', 'offline_access', 'orders', 'orders:read', 'orders:write'],
        api_bases: [{ name: 'Orders', url: `${realm.origin}/orders`, audience: 'orders-api' }],
        ...setup,
      },
    })
  }

  /** Links as a person there; a new browser unless it is one that is signed in. */
  async function link({ id: providerId }: ProviderView, username: Username, who = realm.person(username)) {
    const { url } = await startLink(ctx, owner, { providerId, browser: owner.browser })
    return completeLink(ctx, broker.callbackOf(await who.approve(url), owner))
  }

  const connectionsOf = async ({ id }: ProviderView) =>
    (await connectionList(ctx, owner)).filter((one) => one.provider.id === id)

  async function linked(username: Username, setup?: Record<string, unknown>) {
    const made = await provider(setup)
    const result = await link(made, username)
    if (result.kind === 'failed') throw result.error
    const [connection] = await connectionsOf(made)
    const key: Key = { tenantId: owner.tenantId, connectionId: connection?.id ?? '' }
    const of = { ...clients.valetkey, client_id: made.clientId }
    return { made, connection, key, of, project: result.projectId }
  }

  return {
    realm,
    broker,
    owner,
    provider,
    link,
    linked,
    connectionsOf,
    /** Its access token has ended; the clocks of both servers stay alike. */
    async expire({ tenantId, connectionId }: Key) {
      await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
      await broker.owner.query('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connectionId])
      await broker.owner.query('DELETE FROM upstream_pace')
    },
    /** Nothing waits any more before it is tried again. */
    async recover({ tenantId, connectionId }: Key) {
      await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
      await broker.owner.query('UPDATE connection SET next_try_at = NULL WHERE id = $1', [connectionId])
      await broker.owner.query('DELETE FROM upstream_pace')
    },
    refreshToken: async (key: Key) =>
      (JSON.parse(await storedRefreshToken(broker, key)) as { refresh: string }).refresh,
    async stop() {
      await broker.stop()
      if (!given) await realm.remove()
    },
  }
}

export type AtKeycloak = Awaited<ReturnType<typeof startAtKeycloak>>
