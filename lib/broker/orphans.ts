import type { Context } from '../context.ts'
import {
  type Grant,
  isUpstreamError,
  type Provider,
  UpstreamError,
  type UpstreamFailure,
} from '../providers/provider.ts'
import type { Secret } from '../security/secrets.ts'
import type { ConnectionRow } from '../store/connections.ts'
import {
  claimLastGrant,
  keepAccess,
  keepLastGrant,
  type LastGrant,
  pendingOrphans,
  type RevocationRow,
  releaseLastGrant,
} from '../store/revocations.ts'
import { asSystem } from '../store/system.ts'
import type { Vault } from '../vault/keys.ts'
import { grantPlace, placeOfKept } from '../vault/places.ts'
import { cutOffMilliseconds } from './read/token.ts'
import { persistently } from './refresh/persistently.ts'
import { revokeReceived } from './refresh/refresh.ts'

/** `later`: nothing is wrong, but it is too early to say that nothing more comes. */
export type OrphansOutcome =
  | { state: 'confirmed' }
  | { state: 'impossible'; reason: string }
  | { state: 'later'; reason: string; at: Date }

/** Only who may list tokens can look; for others the short lifetime is the clean-up. */
const hopeless = new Set<UpstreamFailure>(['forbidden'])

type Work = {
  row: RevocationRow
  connection: ConnectionRow
  vault: Vault
  provider: Provider
  /** Whether a token can be found there by its nonce. */
  findable: boolean
}

/**
 * Looks for what an issue that was cut off left at a disconnected connection, and deletes it. With the access token that
 * was kept with the work while it lives, then with one last token out of the grant itself, which is ended after this.
 * An issue may still be under way: until that cannot be any more, it is looked again.
 * @throws UpstreamError where the upstream does not answer
 */
export async function endOrphans(ctx: Context, work: Work): Promise<OrphansOutcome> {
  const { row, connection, vault, provider } = work
  const { token } = row
  if (!token) return { state: 'impossible', reason: 'nothing to look for' }
  if (!work.findable) return { state: 'impossible', reason: 'the upstream lists no tokens' }
  // The job for cut-off issues got there first, through the connection linked again.
  if (token.status !== 'issuing' && token.failure === 'cut_off') return { state: 'confirmed' }
  /** Undefined: that time is over. */
  const later = (since: Date, reason: string): OrphansOutcome | undefined => {
    const at = new Date(since.getTime() + cutOffMilliseconds)
    return at > ctx.now() ? { state: 'later', reason, at } : undefined
  }
  const look = async (accessToken: Secret) => {
    await provider.revoke({ kind: 'orphans', nonce: token.nonce, accessToken, project: token.project.externalId })
    return true
  }
  try {
    const kept = row.handle
      ? await vault.open(placeOfKept({ ...row, handle: row.handle }, connection.userId), row.handle)
      : null
    const isDone =
      kept !== null &&
      (await look(kept).catch((error: unknown) => {
        if (isUpstreamError(error) && error.failure === 'refused') return false
        throw error
      }))
    if (!isDone) {
      const last = await lastAccess(ctx, work)
      // A renewal that was under way at the disconnect may bring another grant yet.
      if (!last) return later(row.createdAt, 'no_grant') ?? { state: 'impossible', reason: 'no_grant' }
      await look(last)
    }
  } catch (error) {
    if (isUpstreamError(error) && hopeless.has(error.failure)) return { state: 'impossible', reason: error.failure }
    throw error
  }
  return later(token.createdAt, 'issue_under_way') ?? { state: 'confirmed' }
}

const leaseSeconds = 60

/**
 * One last access token out of a grant that waits to be ended. The connection is revoked, so broker/refresh.ts touches it
 * no more, and the only copy is in the queue: the work's own lease is the claim, and the rotated token is stored before
 * anything is done with the new access token. Undefined where no grant is left, or the upstream refuses them all.
 */
async function lastAccess(ctx: Context, work: Work): Promise<Secret | undefined> {
  const { connection, vault, provider } = work
  const { tenantId, userId, id: connectionId } = connection
  for (;;) {
    const grant = await asSystem(ctx, tenantId, 'job', (tx) =>
      claimLastGrant(tx, tenantId, connectionId, ctx.now(), leaseSeconds),
    )
    if (!grant) return undefined
    if (grant === 'busy') throw new UpstreamError('unreached', 'the grant is in use by another call')
    let received: Grant
    try {
      const refreshToken = await vault.open(placeOfKept({ ...grant, kind: 'grant' }, userId), grant.handle)
      received = await provider.refresh({ refreshToken, subject: connection.accountId })
    } catch (error) {
      const isSpent = isUpstreamError(error) && error.failure === 'refused'
      await persistently(ctx, () =>
        asSystem(ctx, tenantId, 'job', (tx) => releaseLastGrant(tx, tenantId, grant.id, { isSpent })),
      )
      if (isSpent) continue
      throw error
    }
    await keepReceived(ctx, work, grant, received)
    return received.accessToken
  }
}

/** Committed before the new access token is used: its predecessor is spent by now. */
async function keepReceived(
  ctx: Context,
  { connection, vault }: Work,
  grant: LastGrant,
  { accessToken, refreshToken }: Grant,
): Promise<void> {
  const { tenantId, userId, id: connectionId } = connection
  const handle = refreshToken ? await vault.seal(grantPlace({ id: grant.id, userId }), refreshToken) : grant.handle
  const isKept = await persistently(ctx, () =>
    asSystem(ctx, tenantId, 'job', async (tx) => {
      for (const id of await pendingOrphans(tx, tenantId, connectionId))
        await keepAccess(tx, tenantId, id, await vault.seal(grantPlace({ id, userId }), accessToken))
      return keepLastGrant(tx, tenantId, grant.id, handle)
    }),
  )
  if (!isKept && refreshToken) await revokeReceived(ctx, vault, connection, refreshToken)
}
