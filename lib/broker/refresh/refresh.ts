import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { refreshGraceSeconds } from '../../providers/index.ts'
import {
  type Grant,
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  mayHaveActed,
  type Provider,
  UpstreamError,
  type UpstreamFailure,
} from '../../providers/provider.ts'
import { newId } from '../../security/ids.ts'
import { isUnsealError } from '../../security/seal.ts'
import { fingerprint, type Secret } from '../../security/secrets.ts'
import {
  beginRefresh,
  type ClaimMode,
  type ConnectionKey,
  type ConnectionRow,
  type ConnectionStatus,
  claimRefresh,
  type FailedRefresh,
  failRefresh,
  findConnection,
  markUsed,
  type RefreshClaim,
  releaseRefresh,
  storeRefresh,
} from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { frozenBy } from '../../store/freezes.ts'
import type { Interrupted } from '../../store/lookups.ts'
import { findProvider, type ProviderFacts } from '../../store/providers.ts'
import { insertLate } from '../../store/revocations.ts'
import type { SealedPlace } from '../../store/sealed.ts'
import { asSystem } from '../../store/system.ts'
import { span } from '../../trace.ts'
import { type Vault, vaultOf } from '../../vault/keys.ts'
import { grantPlace } from '../../vault/places.ts'
import { within } from '../../within.ts'
import { frozenError } from '../freezes.ts'
import { raiseClientRefused } from '../notifications.ts'
import { asBrokerError, openProvider } from '../upstream.ts'
import { persistently } from './persistently.ts'
import { reportRefresh } from './report.ts'

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
  /** Life that the token must still have, in seconds; at most half of what tokens of this upstream begin with. Default 30. */
  minimumSeconds?: number
  /** A version whose access token the upstream has refused. */
  staleVersion?: number
}

/** HTTP time-out (10 s) < lease < the upstream's grace (30 s at Keboola), so that a cut-off rotation is tried again within it. */
const leaseSeconds = 15
const longestPauseMilliseconds = 60
/** An idle connection is renewed this often, or in half of what is known of its grant's life. */
const keepAliveSeconds = 7 * 24 * 3600
/** Asking about a pasted token spends nothing, and is the only way to hear that somebody deleted it. */
const askPastedSeconds = 24 * 3600

export const keepAliveFor = (grant: Pick<Grant, 'grantExpiresInSeconds' | 'pasted'>) =>
  Math.min(
    grant.pasted ? askPastedSeconds : keepAliveSeconds,
    (grant.grantExpiresInSeconds ?? Number.POSITIVE_INFINITY) / 2,
  )

export const tokenPlace = (
  connection: Pick<ConnectionRow, 'id' | 'userId'>,
  column: 'access_token' | 'refresh_token',
  version: number,
): SealedPlace => ({
  table: 'connection',
  row: connection.id,
  column,
  user: connection.userId,
  version,
})

/**
 * A usable access token of a connection, refreshed if need be: one refresh however many callers and processes ask
 * (docs/decisions/0003). The only way to provider.refresh and, besides linking, the only writer of tokens.
 * @throws BrokerError needs_relink, frozen, not_linked, not_found, upstream_unavailable, client_not_registered
 */
export const freshTokens = (ctx: Context, request: FreshRequest): Promise<FreshTokens> =>
  span('fresh tokens', { 'valetkey.tenant': request.tenantId, 'valetkey.connection': request.connectionId }, () =>
    untilFresh(ctx, request),
  )

async function untilFresh(ctx: Context, request: FreshRequest): Promise<FreshTokens> {
  const watch = ctx.metrics.watchClaims()
  const { minimumSeconds = 30, staleVersion = 0 } = request
  const deadline = performance.now() + ctx.patience.others
  for (let pause = 5; ; pause = Math.min(pause * 1.6, longestPauseMilliseconds)) {
    const claim = await claimRefresh(ctx, request, { staleVersion, minimumSeconds, leaseSeconds })
    if (claim.touch) noteUse(ctx, request)
    watch.answered(claim.outcome)
    switch (claim.outcome) {
      case 'missing':
        throw new BrokerError('not_found')
      case 'dead':
        throw await deadConnection(ctx, request, claim)
      case 'fresh':
        return opened(ctx, request, claim, false)
      case 'resting':
        if (claim.accessToken) return opened(ctx, request, claim, true)
        throw resting(claim)
      case 'held':
        if (claim.accessToken) return opened(ctx, request, claim, false)
        throw held(claim)
      case 'busy': {
        if (claim.accessToken) return opened(ctx, request, claim, false)
        if (performance.now() > deadline) {
          watch.gaveUp()
          throw new BrokerError('upstream_unavailable', { retryAfterSeconds: 5 })
        }
        await othersAt(ctx, request, claim, pause, deadline)
        break
      }
      case 'claimed': {
        const refreshed = await withinPatience(refreshShared(ctx, request, claim, 'need'), ctx.patience.own)
        if (refreshed) return refreshed
        break
      }
    }
  }
}

/**
 * Waits for whoever is at it; how that ended is read again. One waiter a process and version; full jitter, so that
 * processes do not knock in step.
 */
async function othersAt(
  ctx: Context,
  { connectionId }: ConnectionKey,
  { version }: RefreshClaim,
  pause: number,
  deadline: number,
): Promise<void> {
  const key = `${connectionId}:${version}`
  const others = ctx.refreshes.get(key) ?? share(ctx, key, ctx.sleep(Math.random() * pause))
  await withinPatience(others, deadline - performance.now()).catch(() => undefined)
}

const resting = ({ waitMilliseconds }: RefreshClaim) =>
  new BrokerError('upstream_unavailable', { retryAfterSeconds: Math.ceil(waitMilliseconds / 1000) })

/** A token is out that a refresh would end. */
const held = ({ waitMilliseconds }: RefreshClaim) =>
  new BrokerError('token_outstanding', { retryAfterSeconds: Math.ceil(waitMilliseconds / 1000) })

/** As much of a connection as a refresh of it needs. */
type Renewed = Pick<
  ConnectionRow,
  'tenantId' | 'id' | 'userId' | 'providerId' | 'accountId' | 'failures' | 'linkedAt' | 'lastRefreshAt'
> &
  // A token with fewer scopes is made of a consent alone.
  Partial<Pick<ConnectionRow, 'grantedBy' | 'rotateAt'>> & { provider: ProviderFacts }

export type NarrowRequest = ConnectionKey & {
  /** As its caller has just read it; left out: it is read. */
  connection?: Renewed
  request: IssueRequest
  /** The access token of before still works afterwards, as far as is known of the upstream. */
  oldTokenStays: boolean
  /** What becomes of a token that is made after its caller has stopped waiting for it. */
  unclaimed: (late: IssuedUpstream) => Promise<unknown>
}

/**
 * A token with fewer scopes, made by a refresh (RFC 6749 6). Shared with nobody, and kept nowhere: the connection goes on
 * with the rotated grant and its own access token, where that still works. The grant is stored before the token is judged.
 * @throws BrokerError as {@link freshTokens} does, token_outstanding: surely none was made; UpstreamError `rejected` where the
 *   scopes were turned down, or one that {@link mayHaveActed}
 */
export async function narrowedToken(ctx: Context, key: NarrowRequest): Promise<IssuedUpstream> {
  const deadline = performance.now() + ctx.patience.others
  for (let pause = 5; ; pause = Math.min(pause * 1.6, longestPauseMilliseconds)) {
    const claim = await claimRefresh(ctx, key, { leaseSeconds, mode: 'narrow' })
    if (claim.touch) noteUse(ctx, key)
    if (claim.outcome === 'missing') throw new BrokerError('not_found')
    if (claim.outcome === 'dead') throw await deadConnection(ctx, key, claim)
    if (claim.outcome === 'resting') throw resting(claim)
    if (claim.outcome === 'held') throw held(claim)
    if (claim.outcome === 'claimed') {
      const work = refreshShared(ctx, key, claim, 'narrow', key)
      const made = await within(work, ctx.patience.own, () => leave(ctx, key, work))
      if (made?.issued) return made.issued
    }
    if (performance.now() > deadline) throw new BrokerError('upstream_unavailable', { retryAfterSeconds: 5 })
    await othersAt(ctx, key, claim, pause, deadline)
  }
}

/** Stops waiting for a token, which may be made yet and is nobody's then. @throws UpstreamError ambiguous */
function leave(ctx: Context, { unclaimed }: NarrowRequest, work: Promise<Refreshed | undefined>): never {
  ctx.background('end a token that came too late', async () => {
    const made = await work.catch(() => undefined)
    if (made?.issued) await unclaimed(made.issued)
  })
  throw new UpstreamError('ambiguous', 'the answer takes longer than its caller waits')
}

/**
 * Renews a connection whether it is fresh or not: as scheduled (`due`), because somebody asked (`now`), or because a
 * rotation of it was cut off (`recover`). Nothing is done where somebody else is at it or where it rests; how it ended is
 * on the row.
 * @throws BrokerError as {@link freshTokens} does
 */
export async function renew(ctx: Context, key: ConnectionKey, mode: 'due' | 'now' | 'recover'): Promise<void> {
  const claim = await claimRefresh(ctx, key, { leaseSeconds, mode })
  if (claim.outcome === 'missing') throw new BrokerError('not_found')
  if (claim.outcome === 'dead') throw await deadConnection(ctx, key, claim)
  if (claim.outcome === 'held' && mode === 'now') throw held(claim)
  if (claim.outcome !== 'claimed') return
  await withinPatience(refreshShared(ctx, key, claim, mode), ctx.patience.own)
}

/**
 * Takes up a rotation that was cut off, at once and ahead of every pause, where its upstream is known to forgive a spent
 * token for as long as this. Elsewhere there is no hurry: the next caller or the schedule does it.
 * @throws BrokerError as {@link freshTokens} does
 */
export async function recover(ctx: Context, { tenantId, id, providerId, seconds }: Interrupted): Promise<void> {
  const provider = await readTenant(ctx, tenantId, (tx) => findProvider(tx, tenantId, providerId))
  if (provider && seconds < refreshGraceSeconds(provider)) await renew(ctx, { tenantId, connectionId: id }, 'recover')
}

/** A refresh that others of this process join, and that is finished whoever goes on waiting, also at a graceful stop. */
function refreshShared(
  ctx: Context,
  key: ConnectionKey,
  claim: RefreshClaim,
  mode: ClaimMode,
  narrow?: NarrowRequest,
): Promise<Refreshed | undefined> {
  const work = share(ctx, `${key.connectionId}:${claim.version}`, refresh(ctx, key, claim, mode, narrow))
  ctx.background('refresh', () => work.catch(() => undefined))
  return work
}

/** How long a caller waits for shared work, which goes on without them. @throws BrokerError upstream_unavailable */
const withinPatience = <T>(work: Promise<T>, milliseconds: number): Promise<T> =>
  within(work, milliseconds, () => {
    throw new BrokerError('upstream_unavailable', { retryAfterSeconds: 5 })
  })

/** Lets the other callers of this process wait for `work`. Keys name connection and version: results never cross (LK-07). */
function share<T>(ctx: Context, key: string, work: Promise<T>): Promise<T> {
  const shared = work.finally(() => {
    if (ctx.refreshes.get(key) === shared) ctx.refreshes.delete(key)
  })
  ctx.refreshes.set(key, shared)
  return shared
}

/** Off the request, and once however many ask at the same time. */
export function noteUse(ctx: Context, { tenantId, connectionId }: ConnectionKey): void {
  const key = `used:${connectionId}`
  if (!ctx.refreshes.has(key))
    ctx.background('note use', () => share(ctx, key, markUsed(ctx, { tenantId, connectionId })))
}

async function deadConnection(
  ctx: Context,
  { tenantId, connectionId }: ConnectionKey,
  { status, cause }: RefreshClaim,
): Promise<BrokerError> {
  if (status === 'frozen') {
    const facts = await readTenant(ctx, tenantId, async (tx) => {
      const connection = await findConnection(tx, tenantId, connectionId)
      return connection ? frozenBy(tx, tenantId, { ...connection, connectionId }) : []
    })
    return frozenError(facts)
  }
  if (status === 'revoked') return new BrokerError('not_linked')
  return new BrokerError('needs_relink', cause ? { detail: `Why: ${cause.replaceAll('_', ' ')}.` } : {})
}

async function opened(
  ctx: Context,
  { tenantId, connectionId }: ConnectionKey,
  claim: RefreshClaim,
  degraded: boolean,
): Promise<FreshTokens> {
  const { accessToken: sealed, userId } = claim
  if (!sealed || !claim.accessExpiresAt || !userId)
    throw new Error('a claim without a token was taken for a usable one')
  const vault = await vaultOf(ctx, tenantId)
  try {
    const place = tokenPlace({ id: connectionId, userId }, 'access_token', claim.version)
    const accessToken = await vault.open(place, sealed)
    return { accessToken, version: claim.version, expiresAt: claim.accessExpiresAt, degraded }
  } catch (error) {
    throw await unreadable(ctx, { tenantId, connectionId }, error)
  }
}

/** `issued`: the token with fewer scopes, where one was to be made. Who waited for somebody else's never looks at it. */
type Refreshed = FreshTokens & { issued?: IssuedUpstream }

/** The claim's holder: asks the upstream with no transaction and no connection held, and commits before anything else. */
async function refresh(
  ctx: Context,
  key: ConnectionKey,
  claim: RefreshClaim,
  mode: ClaimMode,
  narrow?: NarrowRequest,
): Promise<Refreshed | undefined> {
  const held = { sentVersion: claim.version, fence: claim.fence }
  // Nothing is sent yet: whatever fails here gives the claim back as if it had not been made.
  const { vault, connection, refreshToken, provider, stands } = await prepare(ctx, key, claim, narrow).catch(
    async (error: unknown) => {
      if (error instanceof Unreadable) throw await unreadable(ctx, key, error, held)
      await persistently(ctx, () => releaseRefresh(ctx, key, { ...held, uncertain: claim.uncertain }))
      throw error
    },
  )
  if (!stands) return undefined
  const asked = performance.now()
  let grant: Grant & { issued?: IssuedUpstream }
  try {
    // In doubt it is only asked about: its value may have been replaced already.
    const rotate = isToRotate(connection, ctx.now()) && !claim.doubt && !claim.uncertain
    const sent = { refreshToken, subject: connection.accountId, once: claim.doubt }
    grant = narrow
      ? await narrowBy(provider, { ...sent, request: narrow.request })
      : await provider.refresh({ ...sent, rotate })
  } catch (error) {
    // Scopes that were turned down say nothing about the connection.
    if (narrow && isUpstreamError(error) && error.failure === 'rejected') {
      await persistently(ctx, () => releaseRefresh(ctx, key, { ...held, uncertain: claim.uncertain }))
      throw error
    }
    if (isUpstreamError(error)) return failed(ctx, key, connection, claim, error, mode)
    ctx.log.error({ err: error, connection: connection.id, alarm: true }, 'a refresh failed inside Valetkey')
    const unknownEnd = new UpstreamError('ambiguous', 'failed here', { cause: error })
    return failed(ctx, key, connection, claim, unknownEnd, mode)
  }
  const version = claim.version + 1
  const received = grant.refreshToken ?? refreshToken
  const pair = {
    ...held,
    refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', version), received),
    ...(narrow
      ? { accessToken: await keptAccess(vault, connection, claim, narrow), scopes: null }
      : {
          accessToken: await vault.seal(tokenPlace(connection, 'access_token', version), grant.accessToken),
          scopes: grant.scopes ?? null,
        }),
    grantSeconds: grant.grantExpiresInSeconds ?? null,
    keepAliveSeconds: keepAliveFor(grant),
    scheduled: mode === 'due',
    flag: grant.identity === 'changed' ? 'another_account' : null,
    pasted: grant.pasted && {
      mark: fingerprint(ctx.secrets.fingerprint, grant.pasted.value.reveal()),
      held: grant.pasted.held,
      rotated: grant.pasted.rotated,
    },
  }
  // The life that the upstream names began before its answer came, at the latest when it was asked.
  const lives = narrow ? keptSeconds(claim, pair.accessToken, ctx.now()) : grant.expiresInSeconds
  const lifeSeconds = () => Math.max(0, lives - (performance.now() - asked) / 1000)
  const stored = await persistently(ctx, () => storeRefresh(ctx, key, { ...pair, lifeSeconds: lifeSeconds() })).catch(
    (error: unknown) => {
      reportRefresh(ctx, connection, 'unstored')
      throw error
    },
  )
  reportRefresh(ctx, connection, pair.flag && stored.outcome === 'stored' ? 'identity_changed' : ends[stored.outcome])
  const { issued } = grant
  if (issued && (stored.outcome !== 'stored' || pair.flag)) endUnwanted(ctx, provider, issued)
  if (stored.outcome === 'revoked') await revokeReceived(ctx, vault, connection, received)
  // Superseded: somebody holds newer ones. Not revoked, because that may end the family the newer ones belong to.
  if (stored.outcome !== 'stored') return undefined
  if (pair.flag) throw new BrokerError('needs_relink', { detail: 'The upstream reports a different account.' })
  const fresh = { accessToken: grant.accessToken, version, expiresAt: stored.expiresAt, degraded: false }
  return { ...fresh, ...(issued && { issued }) }
}

/** A rotation may come earlier than that, never later for a clock that is behind the database's. */
const rotationToleranceMs = 10 * 60_000

/** Of a pasted token: its next renewal replaces its value. As long as that is not stored, it may be what was cut off. */
export const isToRotate = ({ grantedBy, rotateAt }: Pick<Renewed, 'grantedBy' | 'rotateAt'>, now: Date): boolean =>
  grantedBy === 'pasted' && Boolean(rotateAt && rotateAt.getTime() <= now.getTime() + rotationToleranceMs)

function narrowBy(provider: Provider, input: Parameters<NonNullable<Provider['narrow']>>[0]) {
  if (!provider.narrow) throw new Error('a provider without narrow was taken for one that has it')
  return provider.narrow(input)
}

/** The access token of before, sealed for the next version, where it still works after this refresh. */
async function keptAccess(
  vault: Vault,
  connection: Renewed,
  { accessToken, version }: RefreshClaim,
  { oldTokenStays }: NarrowRequest,
): Promise<string | null> {
  if (!oldTokenStays || !accessToken) return null
  const opened = await vault.open(tokenPlace(connection, 'access_token', version), accessToken).catch(() => undefined)
  return opened ? vault.seal(tokenPlace(connection, 'access_token', version + 1), opened) : null
}

const keptSeconds = ({ accessExpiresAt }: RefreshClaim, kept: string | null, now: Date) =>
  kept && accessExpiresAt ? (accessExpiresAt.getTime() - now.getTime()) / 1000 : 0

/** A token that nobody will hold is ended where that can be done; elsewhere it ends by itself. */
function endUnwanted(ctx: Context, provider: Provider, { token: { upstreamId, handle } }: IssuedUpstream): void {
  ctx.background('end an unwanted token', () => provider.revoke({ kind: 'token', upstreamId, handle }))
}

/** The stored refresh token itself does not open, as opposed to a key that is missing here or a provider's secret. */
class Unreadable extends Error {}

async function prepare(
  ctx: Context,
  key: ConnectionKey,
  { version, fence, refreshToken: sealed }: RefreshClaim,
  narrow: NarrowRequest | undefined,
) {
  const vault = await vaultOf(ctx, key.tenantId)
  const connection: Renewed | null =
    narrow?.connection ??
    (await readTenant(ctx, key.tenantId, (tx) => findConnection(tx, key.tenantId, key.connectionId)))
  if (!connection) throw new BrokerError('not_found')
  if (!sealed) throw new Unreadable()
  const refreshToken = await vault
    .open(tokenPlace(connection, 'refresh_token', version), sealed)
    .catch((error: unknown) => Promise.reject(isUnsealError(error) ? new Unreadable() : error))
  const provider = await openProvider(ctx, vault, connection.provider)
  const stands = await beginRefresh(ctx, key, { sentVersion: version, fence, leaseSeconds })
  return { vault, connection, refreshToken, provider, stands }
}

const ends = { stored: 'succeeded', superseded: 'superseded', revoked: 'revoked_meanwhile' } as const

/** What came for a connection that was revoked meanwhile must not live on: its end joins the durable queue (RR-12, K-37). */
export async function revokeReceived(
  ctx: Context,
  vault: Vault,
  connection: Pick<ConnectionRow, 'tenantId' | 'id' | 'userId' | 'providerId'>,
  received: Secret,
): Promise<void> {
  const { tenantId, providerId, userId, id: connectionId } = connection
  const id = newId('revocation')
  const handle = await vault.seal(grantPlace({ id, userId }), received)
  const now = ctx.now()
  const row = { tenantId, id, kind: 'grant', providerId, connectionId, handle, nextTryAt: now, createdAt: now }
  await persistently(ctx, () => asSystem(ctx, tenantId, 'end of a refresh', (tx) => insertLate(tx, row)))
}

/** What each failure means for the connection, and whether every connection of this upstream would see the same. */
const meanings: Record<UpstreamFailure, { cause: string; reached: boolean; upstream: boolean }> = {
  unreached: { cause: 'upstream_unavailable', reached: false, upstream: true },
  ambiguous: { cause: 'upstream_unavailable', reached: true, upstream: true },
  protocol: { cause: 'upstream_protocol', reached: true, upstream: true },
  misconfigured: { cause: 'client_not_registered', reached: false, upstream: true },
  // Said of this request alone: no other connection need hear of it, and what is turned down is not rotated.
  rejected: { cause: 'upstream_rejected', reached: false, upstream: false },
  refused: { cause: 'refused', reached: true, upstream: false },
  forbidden: { cause: 'upstream_failed', reached: true, upstream: false },
  denied: { cause: 'upstream_failed', reached: true, upstream: false },
  wrong_issuer: { cause: 'upstream_failed', reached: true, upstream: false },
  no_refresh_token: { cause: 'upstream_failed', reached: true, upstream: false },
  // It may come back: what is turned down there is not rotated.
  not_offered: { cause: 'flow_not_offered', reached: false, upstream: false },
}

/** Records what a failed refresh means, then serves the old token while it lives, or throws. */
async function failed(
  ctx: Context,
  key: ConnectionKey,
  connection: Renewed,
  claim: RefreshClaim,
  error: UpstreamError,
  mode: ClaimMode,
) {
  const { cause: meant, reached, upstream } = meanings[error.failure]
  const cause = error.grantEnd ?? meant
  const refused = error.failure === 'refused'
  // The one recovery try was cut off as well: the token may be spent twice over, and is not sent a third time (RR-05).
  const cutOff = claim.uncertain && error.failure === 'ambiguous' && error.status === undefined
  // Asking about a pasted token loses nothing: only a rotation of it can.
  const rotates = connection.grantedBy !== 'pasted' || isToRotate(connection, ctx.now())
  const lost = cutOff || (refused && rotates && (claim.doubt || error.afterAmbiguous))
  const end: { status: ConnectionStatus; cause: string } =
    refused || cutOff
      ? { status: 'needs_relink', cause: lost ? 'lost_in_rotation' : cause }
      : { status: claim.status === 'uncertain' ? 'uncertain' : 'degraded', cause }
  const recorded: FailedRefresh = {
    sentVersion: claim.version,
    fence: claim.fence,
    ...end,
    reached: reached || error.afterAmbiguous,
    restSeconds: restSeconds(connection.failures, error.retryAfterSeconds),
    // Whoever presses a button answers for their own connection alone.
    upstream: mode === 'now' ? null : upstream,
    retryAfterSeconds: error.retryAfterSeconds ?? null,
    details: { failure: error.failure, upstream_status: error.status ?? null },
    uncertain: claim.uncertain,
  }
  const { changed, paused } = await persistently(ctx, () => failRefresh(ctx, key, recorded))
  reportRefresh(ctx, connection, !changed ? 'superseded' : lost ? 'lost' : error.failure)
  if (paused) ctx.metrics.cooldowns.inc({ kind: connection.provider.kind })
  if (error.failure === 'misconfigured')
    ctx.background('tell admins', () =>
      raiseClientRefused(ctx, { ...connection.provider, tenantId: key.tenantId, providerId: connection.providerId }),
    )
  // Whatever else the connection has: the answer that was lost may have made the token that its caller waits for.
  if (mode === 'narrow' && mayHaveActed(error)) throw error
  if (!changed) return undefined
  if (end.status === 'needs_relink') throw new BrokerError('needs_relink', { cause: error })
  if (claim.accessToken) return opened(ctx, key, claim, true)
  throw asBrokerError(error)
}

/** Full jitter over a doubling span, from 1 s to 5 min; Retry-After is a floor. */
const restSeconds = (failures: number, retryAfter = 0) =>
  Math.max(retryAfter, Math.random() * Math.min(2 ** failures, 300))

/** A stored token that does not open: moved, edited, or sealed by a key that is gone (V-03). Nothing is sent upstream. */
async function unreadable(
  ctx: Context,
  key: ConnectionKey,
  error: unknown,
  held?: { sentVersion: number; fence: number },
): Promise<unknown> {
  if (!(error instanceof Unreadable) && !isUnsealError(error)) return error
  const connection = await readTenant(ctx, key.tenantId, (tx) => findConnection(tx, key.tenantId, key.connectionId))
  if (connection) reportRefresh(ctx, connection, 'unreadable')
  if (held) {
    const recorded: FailedRefresh = {
      ...held,
      status: 'needs_relink',
      cause: 'unreadable',
      reached: false,
      restSeconds: 0,
      upstream: null,
      retryAfterSeconds: null,
      details: { failure: 'unreadable' },
      uncertain: false,
    }
    await persistently(ctx, () => failRefresh(ctx, key, recorded))
  } else await noteUnreadable(ctx, key)
  return new BrokerError('needs_relink', {
    detail: 'The stored token cannot be read. Reconnect the project.',
    cause: error,
  })
}

const noteUnreadable = (ctx: Context, { tenantId, connectionId }: ConnectionKey) =>
  asSystem(ctx, tenantId, 'end of a refresh', (tx) =>
    record(
      tx,
      tenantId,
      ctx.now(),
      { userId: null },
      {
        action: 'refresh.failed',
        outcome: 'failed',
        target: { kind: 'connection', id: connectionId },
        details: { cause: 'unreadable' },
      },
    ),
  )
