import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { isUpstreamError, type UpstreamError } from '../providers/provider.ts'
import { UnsealError } from '../security/seal.ts'
import type { Secret } from '../security/secrets.ts'
import {
  type ConnectionKey,
  type ConnectionRow,
  type ConnectionStatus,
  claimRefresh,
  failRefresh,
  findConnection,
  type RefreshClaim,
  storeRefresh,
} from '../store/connections.ts'
import { withTenant } from '../store/database.ts'
import type { ProviderRow } from '../store/providers.ts'
import { span } from '../trace.ts'
import { vaultOf } from './keys.ts'
import { reportRefresh } from './refresh-report.ts'
import { asBrokerError, openProvider } from './upstream.ts'

/** An upstream access token, in clear inside one call only. */
export type FreshTokens = {
  accessToken: Secret
  /** Version of the connection's tokens; give it back as `staleVersion` when the upstream refuses this one. */
  version: number
  expiresAt: Date
  /** The upstream could not be asked: this is an older token that is still valid. */
  degraded: boolean
}

export type FreshRequest = ConnectionKey & {
  /** Life that the token must still have. Default 30 s. */
  minimumSeconds?: number
  /** A version whose access token the upstream has refused. */
  staleVersion?: number
}

/** HTTP time-out (10 s) < lease < the upstream's grace (30 s at Keboola). */
const leaseSeconds = 15
/** How long a caller waits for somebody else's refresh. */
const patienceMilliseconds = 12_000
const longestPauseMilliseconds = 60

export const tokenPlace = (
  connection: Pick<ConnectionRow, 'id' | 'userId'>,
  column: 'access_token' | 'refresh_token',
  version: number,
) => ({
  table: 'connection',
  row: connection.id,
  column,
  user: connection.userId,
  version,
})

/**
 * A usable access token of a connection, refreshed if need be: one refresh however many callers and processes ask
 * (architecture.md, Refresh). The only caller of provider.refresh and, besides linking, the only writer of tokens.
 * @throws BrokerError needs_relink, connection_frozen, not_linked, not_found, upstream_unavailable, client_not_registered
 */
export const freshTokens = (ctx: Context, request: FreshRequest): Promise<FreshTokens> =>
  span('fresh tokens', { 'valetkey.tenant': request.tenantId, 'valetkey.connection': request.connectionId }, () =>
    untilFresh(ctx, request),
  )

async function untilFresh(ctx: Context, request: FreshRequest): Promise<FreshTokens> {
  const watch = ctx.metrics.watchClaims()
  const { minimumSeconds = 30, staleVersion = 0 } = request
  const deadline = performance.now() + patienceMilliseconds
  for (let pause = 5; ; pause = Math.min(pause * 1.6, longestPauseMilliseconds)) {
    const claim = await claimRefresh(ctx, request, { staleVersion, minimumSeconds, leaseSeconds })
    watch.answered(claim.outcome)
    switch (claim.outcome) {
      case 'missing':
        throw new BrokerError('not_found')
      case 'dead':
        throw deadConnection(claim)
      case 'fresh':
        return opened(ctx, request, claim, false)
      case 'resting':
        if (claim.accessToken) return opened(ctx, request, claim, true)
        throw new BrokerError('upstream_unavailable', { retryAfterSeconds: Math.ceil(claim.waitMilliseconds / 1000) })
      case 'busy': {
        if (claim.accessToken) return opened(ctx, request, claim, false)
        if (performance.now() > deadline) {
          watch.gaveUp()
          throw new BrokerError('upstream_unavailable', { retryAfterSeconds: 5 })
        }
        // One waiter a process and version; full jitter, so that processes do not knock in step.
        await waitForOthers(ctx, `${request.connectionId}:${claim.version}`, () => ctx.sleep(Math.random() * pause))
        break
      }
      case 'claimed': {
        const refreshed = await share(ctx, `${request.connectionId}:${claim.version}`, refresh(ctx, request, claim))
        if (refreshed) return refreshed
        break
      }
    }
  }
}

/** Lets the other callers of this process wait for `work`. Keys name connection and version: results never cross (LK-07). */
function share<T>(ctx: Context, key: string, work: Promise<T>): Promise<T> {
  const shared = work.finally(() => {
    if (ctx.refreshes.get(key) === shared) ctx.refreshes.delete(key)
  })
  ctx.refreshes.set(key, shared)
  return shared
}

/** Waits for what this process already waits for, or for a pause that others then share. How it ended is read again. */
async function waitForOthers(ctx: Context, key: string, pause: () => Promise<void>): Promise<void> {
  await (ctx.refreshes.get(key) ?? share(ctx, key, pause())).catch(() => undefined)
}

function deadConnection({ status, cause }: RefreshClaim): BrokerError {
  if (status === 'frozen') return new BrokerError('connection_frozen')
  if (status === 'revoked') return new BrokerError('not_linked')
  return new BrokerError('needs_relink', cause ? { detail: `Why: ${cause.replaceAll('_', ' ')}.` } : {})
}

async function opened(
  ctx: Context,
  { tenantId, connectionId }: ConnectionKey,
  claim: RefreshClaim,
  degraded: boolean,
): Promise<FreshTokens> {
  const { vault, connection } = await load(ctx, { tenantId, connectionId })
  if (!claim.accessToken || !claim.accessExpiresAt)
    throw new Error('a claim without a token was taken for a usable one')
  try {
    const accessToken = await vault.open(tokenPlace(connection, 'access_token', claim.version), claim.accessToken)
    return { accessToken, version: claim.version, expiresAt: claim.accessExpiresAt, degraded }
  } catch (error) {
    throw await unreadable(ctx, { tenantId, connectionId }, error)
  }
}

async function load(ctx: Context, { tenantId, connectionId }: ConnectionKey) {
  const vault = await vaultOf(ctx, tenantId)
  const connection = await withTenant(ctx, tenantId, (tx) => findConnection(tx, tenantId, connectionId))
  if (!connection) throw new BrokerError('not_found')
  return { vault, connection }
}

/** The claim's holder: asks the upstream with no transaction and no connection held, and commits before anything else. */
async function refresh(ctx: Context, request: FreshRequest, claim: RefreshClaim): Promise<FreshTokens | undefined> {
  const { vault, connection } = await load(ctx, request)
  const held = { sentVersion: claim.version, fence: claim.fence }
  if (!claim.refreshToken) throw await unreadable(ctx, request, new UnsealError(), held)
  let refreshToken: Secret
  try {
    refreshToken = await vault.open(tokenPlace(connection, 'refresh_token', claim.version), claim.refreshToken)
  } catch (error) {
    throw await unreadable(ctx, request, error, held)
  }
  const provider = await openProvider(ctx, vault, connection.provider)
  try {
    const grant = await provider.refresh({ refreshToken })
    const version = claim.version + 1
    const expiresAt = new Date(ctx.now().getTime() + grant.expiresInSeconds * 1000)
    const received = grant.refreshToken ?? refreshToken
    const pair = {
      ...held,
      refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', version), received),
      accessToken: await vault.seal(tokenPlace(connection, 'access_token', version), grant.accessToken),
      expiresAt,
      scopes: grant.scopes ?? null,
    }
    const outcome = await persistently(ctx, () => storeRefresh(ctx, request, pair))
    reportRefresh(ctx, connection, stored[outcome])
    if (outcome === 'stored') {
      ctx.background('record refresh', () => note(ctx, connection, 'refresh.succeeded', 'ok', { version }))
      return { accessToken: grant.accessToken, version, expiresAt, degraded: false }
    }
    // Revoked meanwhile: what was just received must not live on. Superseded: somebody holds newer ones, so discard.
    if (outcome === 'revoked')
      await provider
        .revoke({ kind: 'grant', refreshToken: received })
        .catch((error: unknown) =>
          ctx.log.warn({ err: error }, 'a grant received after its revocation was not revoked upstream'),
        )
    return undefined
  } catch (error) {
    if (isUpstreamError(error)) return failed(ctx, request, connection, claim, error)
    reportRefresh(ctx, connection, 'unstored')
    throw error
  }
}

const stored = { stored: 'succeeded', superseded: 'superseded', revoked: 'revoked_meanwhile' } as const

/** A rotated token exists only in memory until it is stored: keep trying through an outage (step 5). */
async function persistently<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!isBrokerError(error, 'unavailable') || performance.now() > deadline) throw error
      ctx.log.error({ err: error, attempt, alarm: true }, 'a rotated refresh token waits in memory for the database')
      await ctx.sleep(Math.min(250 * attempt, 2_000))
    }
  }
}

/** Records what a failed refresh means, then serves the old token while it lives, or throws. */
async function failed(
  ctx: Context,
  request: FreshRequest,
  connection: ConnectionRow & { provider: ProviderRow },
  claim: RefreshClaim,
  error: UpstreamError,
) {
  const lost = claim.uncertain || error.afterAmbiguous
  const unknownEnd = error.failure === 'ambiguous' || error.failure === 'protocol'
  const end: { status: ConnectionStatus; cause: string } =
    error.failure === 'refused'
      ? { status: 'needs_relink', cause: lost ? 'lost_in_rotation' : 'refused' }
      : { status: claim.uncertain ? 'uncertain' : 'degraded', cause: causes[error.failure] ?? 'upstream_failed' }
  const changed = await failRefresh(ctx, request, {
    sentVersion: claim.version,
    fence: claim.fence,
    ...end,
    // What surely never reached the token clears the intent; an earlier unknown end stays unknown.
    keepIntent: unknownEnd || claim.uncertain,
    restSeconds: restSeconds(connection.failures, error.retryAfterSeconds),
  })
  reportRefresh(ctx, connection, !changed ? 'superseded' : error.failure === 'refused' && lost ? 'lost' : error.failure)
  if (!changed) return undefined
  if (error.failure !== 'refused') ctx.metrics.cooldowns.inc({ kind: connection.provider.kind })
  await note(ctx, connection, 'refresh.failed', error.failure === 'refused' ? 'refused' : 'failed', {
    ...end,
    failure: error.failure,
    upstream_status: error.status ?? null,
  })
  if (error.failure === 'refused') throw new BrokerError('needs_relink', { cause: error })
  if (claim.accessToken) return opened(ctx, request, claim, true)
  throw asBrokerError(error)
}

const causes: Partial<Record<UpstreamError['failure'], string>> = {
  unreached: 'upstream_unavailable',
  ambiguous: 'upstream_unavailable',
  protocol: 'upstream_protocol',
  misconfigured: 'client_not_registered',
}

/** Full jitter over a doubling span, from 1 s to 5 min; Retry-After is a floor. */
const restSeconds = (failures: number, retryAfter = 0) =>
  Math.max(retryAfter, Math.random() * Math.min(2 ** failures, 300))

/** A stored token that does not open: moved, edited, or sealed by a key that is gone (V-03). Nothing is sent upstream. */
async function unreadable(
  ctx: Context,
  request: FreshRequest,
  error: unknown,
  held?: { sentVersion: number; fence: number },
): Promise<unknown> {
  if (!(error instanceof UnsealError) && !(error instanceof Error && error.name === 'UnsealError')) return error
  const { connection } = await load(ctx, request)
  if (held)
    await failRefresh(ctx, request, {
      ...held,
      status: 'needs_relink',
      cause: 'unreadable',
      keepIntent: false,
      restSeconds: 0,
    })
  await note(ctx, connection, 'refresh.failed', 'failed', { cause: 'unreadable' })
  reportRefresh(ctx, connection, 'unreadable')
  return new BrokerError('needs_relink', {
    detail: 'The stored token cannot be read. Link the project again.',
    cause: error,
  })
}

const note = (
  ctx: Context,
  connection: ConnectionRow,
  action: 'refresh.succeeded' | 'refresh.failed',
  outcome: 'ok' | 'refused' | 'failed',
  details: Record<string, string | number | boolean | null>,
) =>
  withTenant(ctx, connection.tenantId, (tx) =>
    record(
      tx,
      connection.tenantId,
      ctx.now(),
      { userId: connection.userId },
      { action, outcome, target: { kind: 'connection', id: connection.id }, details },
    ),
  )
