import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { isUpstreamError, type RevocationTarget } from '../providers/provider.ts'
import { sealedFor } from '../security/seal.ts'
import { connectionOwner } from '../store/connections.ts'
import { findProvider } from '../store/providers.ts'
import {
  claimRevocation,
  finishRevocation,
  postponeRevocation,
  type RevocationRow,
  type RevocationState,
} from '../store/revocations.ts'
import type { SealedPlace } from '../store/sealed.ts'
import { asSystem } from '../store/system.ts'
import { wipeHandle } from '../store/tokens.ts'
import { type Vault, vaultOf } from './keys.ts'
import { openProvider } from './upstream.ts'

export const grantPlace = (revocation: { id: string; userId: string }): SealedPlace => ({
  table: 'upstream_revocation',
  row: revocation.id,
  column: 'handle',
  user: revocation.userId,
  version: 0,
})

export const handlePlace = (token: { id: string; userId: string }): SealedPlace => ({
  table: 'issued_token',
  row: token.id,
  column: 'handle',
  user: token.userId,
  version: 0,
})

const leaseSeconds = 60
const maximumTries = 20

/**
 * Does one piece of upstream revocation work, if it is due and nobody else has it. Never throws for what the upstream
 * does: the row says how it stands, and the tick comes back.
 */
export async function settleRevocation(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<void> {
  const claimed = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const row = await claimRevocation(tx, tenantId, id, ctx.now(), leaseSeconds)
    if (!row) return undefined
    return {
      row,
      provider: await findProvider(tx, tenantId, row.providerId),
      userId: (await connectionOwner(tx, tenantId, row.connectionId)) ?? '-',
    }
  })
  if (!claimed) return
  const { row, provider, userId } = claimed
  try {
    const vault = await vaultOf(ctx, tenantId)
    const target = await openTarget(vault, row, userId)
    if (!target || !provider) return finish(ctx, row, 'impossible', 'nothing is left that could be revoked with')
    const outcome = await (await openProvider(ctx, vault, provider)).revoke(target)
    return await finish(ctx, row, outcome.state, null)
  } catch (error) {
    const reason = isUpstreamError(error) ? error.failure : error instanceof Error ? error.name : 'unknown'
    const over = row.tries >= maximumTries || (row.token !== null && row.token.expiresAt <= ctx.now())
    if (over) return finish(ctx, row, 'failed', reason)
    const wait = Math.max(
      Math.random() * Math.min(2 ** row.tries, 600),
      (isUpstreamError(error) && error.retryAfterSeconds) || 1,
    )
    const nextTryAt = new Date(ctx.now().getTime() + wait * 1000)
    await asSystem(ctx, tenantId, 'job', (tx) => postponeRevocation(tx, tenantId, id, { lastError: reason, nextTryAt }))
    report(ctx, row, 'postponed', isUpstreamError(error) ? { reason } : { reason, err: error })
  }
}

async function openTarget(vault: Vault, row: RevocationRow, userId: string): Promise<RevocationTarget | undefined> {
  if (row.kind === 'grant') {
    if (!row.handle) return undefined
    return { kind: 'grant', refreshToken: await vault.open(placeOfGrant(row, row.handle, userId), row.handle) }
  }
  if (row.kind === 'orphans') {
    if (!row.handle || !row.token) return undefined
    return {
      kind: 'orphans',
      nonce: row.token.nonce,
      accessToken: await vault.open(grantPlace({ id: row.id, userId }), row.handle),
    }
  }
  if (!row.token?.handle || !row.token.upstreamId) return undefined
  return {
    kind: 'token',
    upstreamId: row.token.upstreamId,
    handle: await vault.open(handlePlace(row.token), row.token.handle),
  }
}

/** Its own place; or the connection's, from where it was taken as it was because its key was missing (revoke.ts). */
function placeOfGrant({ id, connectionId }: RevocationRow, handle: string, userId: string): SealedPlace {
  const claimed = sealedFor(handle)
  return claimed?.table === 'connection' && claimed.row === connectionId
    ? { table: 'connection', row: connectionId, column: 'refresh_token', user: userId, version: claimed.version }
    : grantPlace({ id, userId })
}

async function finish(
  ctx: Context,
  row: RevocationRow,
  state: 'done' | 'confirmed' | 'failed' | 'impossible',
  lastError: string | null,
): Promise<void> {
  const { tenantId, id } = row
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    await finishRevocation(tx, tenantId, id, { state, lastError, finishedAt: ctx.now() })
    // A failed one keeps what a retry by hand needs, until the token ends by itself.
    if (row.tokenId && state !== 'failed') await wipeHandle(tx, tenantId, row.tokenId)
    const target = row.tokenId ? { kind: 'token', id: row.tokenId } : { kind: 'connection', id: row.connectionId }
    const outcome = state === 'failed' ? 'failed' : 'ok'
    await record(
      tx,
      tenantId,
      ctx.now(),
      { userId: null },
      { action: 'revocation.finished', outcome, target, details: { state, tries: row.tries } },
    )
  })
  report(ctx, row, state, lastError === null ? {} : { reason: lastError })
}

/** One line and one count a try. Failed for good is an operator's matter: a token may still live upstream. */
function report(
  ctx: Context,
  { tenantId, id, kind, tries }: RevocationRow,
  state: Exclude<RevocationState, 'pending'> | 'postponed',
  more: { reason?: string; err?: unknown },
): void {
  ctx.metrics.revocations.inc({ state })
  const line = { tenant: tenantId, revocation: id, kind, outcome: state, tries, ...more }
  if (state === 'failed') ctx.log.error({ ...line, alarm: true }, 'upstream revocation')
  else if (state === 'postponed') ctx.log.warn(line, 'upstream revocation')
  else ctx.log.info(line, 'upstream revocation')
}
