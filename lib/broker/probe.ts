import type { Actor } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import type { NarrowFacts } from '../providers/kind.ts'
import { type IssuedUpstream, isUpstreamError, type Rights } from '../providers/provider.ts'
import { randomToken } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { listConnections } from '../store/connections.ts'
import type { Prisma } from '../store/database.ts'
import { findProvider, updateProvider } from '../store/providers.ts'
import { vaultOf } from '../vault/keys.ts'
import { refuseFrozen } from './freezes.ts'
import { freshTokens, type NarrowRequest, narrowedToken } from './refresh/refresh.ts'
import { asBrokerError, openProvider } from './upstream.ts'

/**
 * Finds out at an admin's own connection what the upstream does at a refresh with fewer scopes, and keeps it with the
 * provider: two small tokens are made one after the other, the connection's own token is tried in between, one of the
 * small ones is revoked, and the connection is renewed; then the other one is revoked too. Where revoking one token ends
 * the grant, the connection is lost by this and has to be linked again; that is one of the things to find out.
 * @throws BrokerError forbidden, not_found, not_linked, frozen, provider_misconfigured, no_strategy, bad_request where the
 *   connection has too few scopes, upstream_…
 */
export async function probeNarrowing(ctx: Context, actor: Actor, providerId: string): Promise<NarrowFacts> {
  const { tenantId, userId } = actor
  const { row, connection } = await act(ctx, actor, 'administer', async (tx) => {
    const row = await findProvider(tx, tenantId, providerId)
    if (!row) throw new BrokerError('not_found')
    const filter = { userId, providerId, status: 'standing' as const }
    const [connection] = await listConnections(tx, tenantId, filter, { frozen: null, take: 1 })
    if (!connection) throw new BrokerError('not_linked')
    await refuseFrozen(tx, tenantId, { userId, providerId, connectionId: connection.id })
    return { row, connection }
  })
  const made = configured(row)
  if (!made) throw new BrokerError('provider_misconfigured')
  const { probe } = made.kind
  if (!probe) throw new BrokerError('no_strategy')
  const [first, second] = probe.rights(made.settings, connection.scopesGranted)
  if (!first || !second)
    throw new BrokerError('bad_request', { fields: { provider: 'This takes a connection with two scopes at least.' } })

  const key = { tenantId, connectionId: connection.id }
  const vault = await vaultOf(ctx, tenantId)
  // As if all were known for the best: what is asked is what is to be found out.
  const settings = probe.keep(made.settings, {
    offered: true,
    oldTokenStays: true,
    revokeKeepsGrant: true,
    scopesStay: true,
  })
  const provider = await openProvider(ctx, vault, { ...row, settings: settings as Prisma.JsonObject })
  /** Small tokens that are out; nobody gets them. */
  const left = new Set<IssuedUpstream>()
  const end = async (small: IssuedUpstream) => {
    const { upstreamId, handle } = small.token
    left.delete(small)
    return provider.revoke({ kind: 'token', upstreamId, handle })
  }
  const small = async (rights: Rights) => {
    const unclaimed = async (late: IssuedUpstream) => made.kind.endsTokens(made.settings) && end(late)
    const token = await smallToken(ctx, { ...key, unclaimed }, rights)
    if (token) left.add(token)
    return token
  }
  const stands = (accessToken: Parameters<typeof provider.issue>[0]['accessToken']) =>
    provider.stands?.({ accessToken })

  const { accessToken: before } = await freshTokens(ctx, key)
  const isSeen = await stands(before)
  const facts: NarrowFacts = { offered: false, oldTokenStays: null, revokeKeepsGrant: null, scopesStay: null }
  try {
    const one = await small(first)
    facts.offered = one?.kind === 'within'
    if (one && facts.offered) {
      facts.oldTokenStays = isSeen ? ((await stands(before)) ?? null) : null
      const other = await small(second)
      facts.scopesStay = other?.kind === 'within'
      const { state } = await end(other ?? one)
      if (state !== 'impossible') facts.revokeKeepsGrant = await renews(ctx, key)
    }
  } finally {
    // Where the grant would end with them, or may, they are left to end by themselves.
    if (facts.revokeKeepsGrant ?? made.kind.endsTokens(made.settings))
      for (const token of left) ctx.background('end the token of a probe', () => end(token))
  }
  await act(ctx, actor, 'administer', async (tx, actor) => {
    const known = await findProvider(tx, tenantId, providerId)
    const now = known && configured(known)
    if (!now) throw new BrokerError('not_found')
    await updateProvider(tx, tenantId, providerId, {
      settings: probe.keep(now.settings, facts) as Prisma.InputJsonObject,
    })
    const target = { kind: 'provider', id: providerId } as const
    const details = { changed: ['narrowing'] }
    await record(tx, tenantId, ctx.now(), actor, { action: 'provider.changed', outcome: 'ok', target, details })
  })
  return facts
}

/** A token that nobody gets; undefined: the upstream turned the scopes down. */
async function smallToken(
  ctx: Context,
  key: Pick<NarrowRequest, 'tenantId' | 'connectionId' | 'unclaimed'>,
  rights: Rights,
): Promise<IssuedUpstream | undefined> {
  const request = { project: '', rights, lifetimeSeconds: 60, purpose: 'a probe', nonce: randomToken().slice(0, 16) }
  try {
    return await narrowedToken(ctx, { ...key, request, oldTokenStays: false })
  } catch (error) {
    if (isUpstreamError(error) && error.failure === 'rejected') return undefined
    throw asBrokerError(error)
  }
}

/** Whether the connection still has its grant. */
async function renews(ctx: Context, key: { tenantId: string; connectionId: string }): Promise<boolean> {
  try {
    await freshTokens(ctx, key)
    return true
  } catch (error) {
    if (isBrokerError(error, 'needs_relink')) return false
    throw error
  }
}
