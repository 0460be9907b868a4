import { approve } from '../../demo/browser.ts'
import { tokenPlace } from '../../lib/broker/refresh/refresh.ts'
import { openProvider } from '../../lib/broker/upstream.ts'
import { newId } from '../../lib/security/ids.ts'
import { randomToken } from '../../lib/security/secrets.ts'
import { insertConnection } from '../../lib/store/connections.ts'
import { asSystem } from '../../lib/store/system.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { type Broker, type BrowserActor, origin } from './broker.ts'
import type { Key } from './connection.ts'

/** The demo's upstreams: each rotates, at a token endpoint of its own. */
export const upstreams = {
  stack: { provider: 'Demo stack', tokenRoute: 'POST /oauth/token' },
  tickets: { provider: 'Demo tickets', tokenRoute: 'POST /tickets/token' },
} as const
export type Upstream = keyof typeof upstreams

/** Where grants come from: a provider by its name, and whoever consents there. */
export type Source = { provider: string; approve(url: string): Promise<string> }

const demoSource = (upstream: Upstream): Source => ({
  provider: upstreams[upstream].provider,
  approve: (url) => approve(url, { account: 'owner@acme.test', project: '10231' }),
})

/** The refresh token in what the core keeps of a grant (docs/decisions/0050). */
export const refreshTokenIn = (kept: string): string =>
  kept.startsWith('{') ? String((JSON.parse(kept) as { refresh?: unknown }).refresh) : kept

/** A connection whose access token has expired, and the refresh token that is stored with it. */
export type Seeded = Key & { refreshToken: string }

/**
 * Connections, each with a grant of its own at an upstream of the demo or another, and an access token that has expired. Linking gives one
 * connection a member and project; here the consents are real and the rows are written beside each other.
 */
export async function seedConnections(
  { ctx, providerOf }: Broker,
  actor: BrowserActor,
  count: number,
  from: Upstream | Source = 'stack',
): Promise<Seeded[]> {
  const { tenantId, userId } = actor
  const source = typeof from === 'string' ? demoSource(from) : from
  const row = await providerOf(actor, source.provider)
  const vault = await vaultOf(ctx, tenantId)
  const provider = await openProvider(ctx, vault, row)
  const redirectUri = `${origin}/oauth/callback/${row.callbackKey}`

  async function seedOne(): Promise<Seeded> {
    const sent = { state: randomToken(), nonce: randomToken(), codeVerifier: randomToken(), redirectUri }
    const url = await provider.authorizationUrl(sent)
    const location = await source.approve(url.href)
    const grant = await provider.exchangeCode({ ...sent, parameters: new URL(location).searchParams })
    if (!grant.refreshToken) throw new Error('no refresh token came')
    const connection = { id: newId('connection'), userId }
    const now = ctx.now()
    const data = {
      ...connection,
      tenantId,
      providerId: row.id,
      accountId: grant.account.id,
      accountName: grant.account.name,
      status: 'linked',
      statusSince: now,
      linkedAt: new Date(now.getTime() - 3_600_000),
      refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', 1), grant.refreshToken),
      accessToken: await vault.seal(tokenPlace(connection, 'access_token', 1), grant.accessToken),
      accessExpiresAt: new Date(now.getTime() - 1000),
    }
    await asSystem(ctx, tenantId, 'job', (tx) => insertConnection(tx, data))
    return { tenantId, connectionId: connection.id, refreshToken: refreshTokenIn(grant.refreshToken.reveal()) }
  }

  const seeded: Seeded[] = []
  while (seeded.length < count) {
    const few = Math.min(8, count - seeded.length)
    seeded.push(...(await Promise.all(Array.from({ length: few }, seedOne))))
  }
  return seeded
}
