import { type Actor, type Person, requirePermission } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError, type ErrorCode, errorCodes, isBrokerError } from '../../errors.ts'
import type { LinkedGrant, Provider } from '../../providers/provider.ts'
import { newId } from '../../security/ids.ts'
import { hash, randomToken, Secret } from '../../security/secrets.ts'
import {
  type AttemptRow,
  cancelAttempt,
  consumeAttempt,
  endAttempt,
  findAttempt,
  findKeptGrant,
  insertAttempt,
  listOpenAttempts,
} from '../../store/attempts.ts'
import { act, actAsPerson } from '../../store/authority.ts'
import { findConnection } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { frozenBy } from '../../store/freezes.ts'
import { attemptByState } from '../../store/lookups.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import type { SealedPlace } from '../../store/sealed.ts'
import { asSystem } from '../../store/system.ts'
import { type Vault, vaultOf } from '../../vault/keys.ts'
import { frozenError, refuseFrozen } from '../freezes.ts'
import { asBrokerError, openProvider } from '../upstream.ts'
import { mayLink, storeGrant } from './store-grant.ts'

/** How long a person may take at the upstream (L-01). */
const attemptMilliseconds = 10 * 60_000
export const callbackPath = (key: string) => `/oauth/callback/${key}`

export type StartLink = {
  providerId: string
  /** What scripts will call the project; made from its name where none is given. */
  alias?: string | undefined
  /** Reconnect this connection instead of linking anew. */
  connectionId?: string | undefined
  /** The browser's own secret (a cookie): only this browser can finish. */
  browser: string
}

type AttemptSecrets = { state: string; nonce: string; codeVerifier: string }

const secretsPlace = (attempt: Pick<AttemptRow, 'id' | 'userId'>): SealedPlace => ({
  table: 'attempt',
  row: attempt.id,
  column: 'secrets',
  user: attempt.userId,
  version: 0,
})

/**
 * Starts an authorization: an attempt bound to browser, session, person, tenant, provider and purpose, and the URL to open.
 * @throws BrokerError forbidden, not_found, alias_taken, frozen, client_not_registered
 */
export async function startLink(
  ctx: Context,
  actor: Actor,
  input: StartLink,
): Promise<{ attemptId: string; url: string; expiresAt: Date }> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const provider = await readTenant(ctx, actor.tenantId, async (tx) => {
    // Whose it is comes first: what else is named makes no difference then (E-04).
    if (input.connectionId) {
      const connection = await findConnection(tx, actor.tenantId, input.connectionId, actor.userId)
      if (connection?.providerId !== input.providerId) throw new BrokerError('not_found')
    }
    const row = await findProvider(tx, actor.tenantId, input.providerId)
    if (!row) throw new BrokerError('not_found')
    await refuseFrozen(tx, actor.tenantId, { ...actor, providerId: row.id, connectionId: input.connectionId })
    return row
  })
  const secrets: AttemptSecrets = {
    state: randomToken(),
    nonce: randomToken(),
    codeVerifier: randomToken() + randomToken(),
  }
  const now = ctx.now()
  const attempt = {
    tenantId: actor.tenantId,
    id: newId('attempt'),
    stateHash: Buffer.from(hash(secrets.state)),
    browserHash: Buffer.from(hash(input.browser)),
    sessionId: actor.sessionId,
    userId: actor.userId,
    providerId: provider.id,
    purpose: input.connectionId ? 'relink' : 'link',
    connectionId: input.connectionId ?? null,
    alias: input.alias ?? null,
    callbackKey: provider.callbackKey,
    issuer: provider.issuer,
    // From configuration alone: what the browser claims to have asked for plays no part (L-14).
    redirectUri: ctx.config.origin + callbackPath(provider.callbackKey),
    createdAt: now,
    expiresAt: new Date(now.getTime() + attemptMilliseconds),
  }
  const url = await authorizationUrl(ctx, vault, provider, attempt.redirectUri, secrets)
  const sealed = await vault.seal(secretsPlace(attempt), JSON.stringify(secrets))
  await act(ctx, actor, 'work', async (tx, actor) => {
    await insertAttempt(tx, { ...attempt, secrets: sealed })
    const target = { kind: 'provider', id: provider.id }
    await record(tx, actor.tenantId, now, actor, {
      action: 'link.started',
      outcome: 'ok',
      target,
      details: { attempt: attempt.id },
    })
  })
  return { attemptId: attempt.id, url, expiresAt: attempt.expiresAt }
}

async function authorizationUrl(
  ctx: Context,
  vault: Vault,
  row: ProviderRow,
  redirectUri: string,
  secrets: AttemptSecrets,
): Promise<string> {
  const provider = await openProvider(ctx, vault, row)
  return (await provider.authorizationUrl({ ...secrets, redirectUri })).href
}

/**
 * The URL of an attempt that is still open, the same as before, so that whichever tab comes back first wins (K-39).
 * @throws BrokerError not_found, attempt_expired, attempt_used, frozen
 */
export async function resumeLink(
  ctx: Context,
  actor: Actor,
  { attemptId, browser }: { attemptId: string; browser: string },
): Promise<{ url: string }> {
  const vault = await vaultOf(ctx, actor.tenantId)
  const { attempt, provider } = await act(ctx, actor, 'work', async (tx, actor) => {
    const attempt = await findAttempt(tx, actor.tenantId, attemptId)
    if (attempt?.userId !== actor.userId) throw new BrokerError('not_found')
    await refuseFrozen(tx, actor.tenantId, subjectOf(attempt))
    return { attempt, provider: await findProvider(tx, actor.tenantId, attempt.providerId) }
  })
  if (attempt.status !== 'pending' || !attempt.secrets || !provider) throw new BrokerError('attempt_used')
  if (attempt.expiresAt <= ctx.now()) throw new BrokerError('attempt_expired')
  if (!isOwn(attempt, actor, browser)) throw new BrokerError('attempt_unknown')
  const secrets = parseSecrets(await vault.open(secretsPlace(attempt), attempt.secrets))
  return { url: await authorizationUrl(ctx, vault, provider, attempt.redirectUri, secrets) }
}

const parseSecrets = (sealed: Secret) => JSON.parse(sealed.reveal()) as AttemptSecrets

/** Whether an attempt was begun by this person in this session and this browser. */
const isOwn = (attempt: AttemptRow, { userId, sessionId }: Person, browser: string) =>
  attempt.userId === userId &&
  attempt.sessionId === sessionId &&
  Buffer.from(attempt.browserHash).equals(Buffer.from(hash(browser)))

/** Gives up an open attempt; a callback that still comes is refused. */
export async function cancelLink(ctx: Context, actor: Actor, attemptId: string): Promise<void> {
  await act(ctx, actor, 'work', async (tx, actor) => {
    const { count } = await cancelAttempt(tx, actor.tenantId, attemptId, actor.userId)
    if (count === 0) throw new BrokerError('not_found')
    const target = { kind: 'attempt', id: attemptId }
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'link.failed',
      outcome: 'refused',
      target,
      details: { code: 'cancelled' },
    })
  })
}

export type AttemptView = {
  id: string
  providerId: string
  purpose: 'link' | 'relink'
  status: 'pending' | 'expired' | 'done' | 'failed'
  /** Why it failed: a code of errors.ts, or `cancelled`. */
  outcome: string | null
  detail: string | null
  /** The grant that came back is kept for the rest of the ten minutes: it can be linked as new, or under another alias. */
  canAdopt: boolean
  connectionId: string | null
  projectId: string | null
  createdAt: Date
  expiresAt: Date
}

function toAttemptView(row: AttemptRow, now: Date): AttemptView {
  const open = row.expiresAt > now
  const status =
    row.status === 'done' || row.status === 'failed'
      ? row.status
      : row.status === 'consumed'
        ? 'failed'
        : open
          ? 'pending'
          : 'expired'
  return {
    id: row.id,
    providerId: row.providerId,
    purpose: row.purpose as AttemptView['purpose'],
    status,
    // Consumed and not ended: the process died in between, and the code is spent.
    outcome: row.outcome ?? (row.status === 'consumed' ? 'upstream_unavailable' : null),
    detail: row.detail,
    canAdopt: row.status === 'failed' && row.secrets !== null && open,
    connectionId: row.connectionId,
    projectId: row.resultProjectId,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
  }
}

/** @throws BrokerError not_found, for another person's attempt as well */
export async function readAttempt(ctx: Context, actor: Actor, attemptId: string): Promise<AttemptView> {
  const row = await readTenant(ctx, actor.tenantId, (tx) => findAttempt(tx, actor.tenantId, attemptId))
  if (row?.userId !== actor.userId) throw new BrokerError('not_found')
  return toAttemptView(row, ctx.now())
}

/** A person's attempts that can still be resumed. */
export async function openAttempts(ctx: Context, actor: Actor): Promise<AttemptView[]> {
  const rows = await readTenant(ctx, actor.tenantId, (tx) =>
    listOpenAttempts(tx, actor.tenantId, actor.sessionId, ctx.now()),
  )
  return rows.map((row) => toAttemptView(row, ctx.now()))
}

export type Callback = {
  /** Last segment of the redirect URI that was called. */
  key: string
  parameters: URLSearchParams
  browser: string | undefined
  session: { id: string; userId: string } | undefined
  origin: Pick<Actor, 'address' | 'agent' | 'requestId'>
}

export type LinkResult = { tenantId: string; attemptId: string } & (
  | { kind: 'linked'; projectId: string }
  | { kind: 'failed'; error: BrokerError }
)

/**
 * The callback of every link flow. Consumes the attempt before anything is sent anywhere; whatever happens afterwards
 * ends as the attempt's recorded outcome.
 * @throws BrokerError attempt_unknown, attempt_used, attempt_expired, unauthenticated — nothing was consumed
 */
export async function completeLink(ctx: Context, callback: Callback): Promise<LinkResult> {
  const [state, ...others] = callback.parameters.getAll('state')
  if (!state || others.length > 0 || !callback.browser) throw new BrokerError('attempt_unknown')
  const stateHash = hash(state)
  const place = await attemptByState(ctx, stateHash)
  if (!place) throw new BrokerError('attempt_unknown')
  const { session } = callback
  if (!session) throw new BrokerError('unauthenticated')
  const { tenantId } = place
  const match = { stateHash, browserHash: hash(callback.browser), sessionId: session.id, userId: session.userId }

  const person = { ...callback.origin, userId: session.userId, sessionId: session.id }
  const taken = await actAsPerson(ctx, person, tenantId, {}, async (tx, member) => {
    const row = await consumeAttempt(tx, tenantId, match, ctx.now())
    if (row) {
      const facts = await frozenBy(tx, tenantId, subjectOf(row))
      return { row, provider: await findProvider(tx, tenantId, row.providerId), member, facts }
    }
    const seen = await findAttempt(tx, tenantId, place.id)
    const own = seen && isOwn(seen, person, callback.browser ?? '')
    return {
      refused: !own ? 'attempt_unknown' : seen.status === 'pending' ? 'attempt_expired' : 'attempt_used',
    } as const
  })
  if ('refused' in taken) throw new BrokerError(taken.refused ?? 'attempt_unknown')

  const { row: attempt, provider, member, facts } = taken
  const came = (outcome: 'linked' | ErrorCode) =>
    ctx.metrics.links.inc({ kind: provider?.kind ?? 'unknown', purpose: attempt.purpose, outcome })
  try {
    if (!provider || !attempt.secrets) throw new BrokerError('attempt_unknown')
    // Asked again where the grant is kept: both may change while the person is away.
    if (!mayLink(member)) throw new BrokerError('forbidden')
    if (facts.length > 0) throw frozenError(facts)
    // The code goes only to the server that the attempt was made for (mix-up, L-07, L-08).
    if (callback.key !== attempt.callbackKey || provider.issuer !== attempt.issuer)
      throw new BrokerError('issuer_mismatch')
    if (hasRepeats(callback.parameters))
      throw new BrokerError('upstream_protocol', { detail: 'The answer contains a parameter twice.' })
    const vault = await vaultOf(ctx, tenantId)
    const secrets = parseSecrets(await vault.open(secretsPlace(attempt), attempt.secrets))
    const upstream = await openProvider(ctx, vault, provider)
    const { redirectUri } = attempt
    const grant = await upstream.exchangeCode({ parameters: callback.parameters, ...secrets, redirectUri })
    const kept = await storeGrant(ctx, vault, { attempt, grant, person, alias: attempt.alias }).catch(
      (error: unknown) => {
        endUnkept(ctx, upstream, grant)
        throw error
      },
    )
    came(kept.kind === 'refused' ? kept.error.code : 'linked')
    if (kept.kind === 'refused' && kept.error.code === 'frozen') {
      endUnkept(ctx, upstream, grant)
      return failLink(ctx, attempt, person, kept.error)
    }
    if (kept.kind === 'refused')
      return failLink(ctx, attempt, person, kept.error, await vault.seal(secretsPlace(attempt), grantToJson(grant)))
    return { kind: 'linked', tenantId, attemptId: attempt.id, projectId: kept.projectId }
  } catch (error) {
    const known = asBrokerError(error)
    if (!isBrokerError(known)) ctx.log.error({ err: error, attempt: attempt.id, alarm: true }, 'linking failed')
    came(isBrokerError(known) ? known.code : 'internal')
    return failLink(ctx, attempt, person, isBrokerError(known) ? known : new BrokerError('internal', { cause: error }))
  }
}

/** What a link is about as far as freezes go. */
const subjectOf = ({ userId, providerId, connectionId }: AttemptRow) => ({
  userId,
  providerId,
  connectionId: connectionId ?? undefined,
})

/** A grant that came back and may not be kept is ended upstream where that can be done: nobody will ever hold it. */
function endUnkept(ctx: Context, upstream: Provider, { refreshToken }: LinkedGrant): void {
  if (refreshToken) ctx.background('end an unkept grant', () => upstream.revoke({ kind: 'grant', refreshToken }))
}

/** Records why an attempt ended. `kept`: the sealed grant, when the person may still decide what to do with it. */
async function failLink(
  ctx: Context,
  attempt: AttemptRow,
  person: Person,
  error: BrokerError,
  kept: string | null = null,
): Promise<LinkResult> {
  const detail = error.detail ?? errorCodes[error.code].title
  await asSystem(ctx, attempt.tenantId, 'end of an attempt', async (tx) => {
    await endAttempt(tx, attempt.tenantId, attempt.id, { status: 'failed', outcome: error.code, detail, secrets: kept })
    const target = { kind: 'provider', id: attempt.providerId }
    const outcome = errorCodes[error.code].status >= 500 ? 'failed' : 'refused'
    await record(tx, attempt.tenantId, ctx.now(), person, {
      action: 'link.failed',
      outcome,
      target,
      details: { attempt: attempt.id, code: error.code },
    })
  })
  return { kind: 'failed', tenantId: attempt.tenantId, attemptId: attempt.id, error }
}

/**
 * Links what came back from a reconnect that reached another project, or under an alias that was taken, without a
 * second consent. As with the callback, only the session and the browser that began it can: signing out gives it up.
 * @throws BrokerError not_found when nothing is kept any more, attempt_unknown from elsewhere, alias_taken, frozen
 */
export async function adoptLink(
  ctx: Context,
  actor: Actor,
  { attemptId, alias, browser }: { attemptId: string; alias?: string | undefined; browser: string },
): Promise<{ projectId: string }> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const attempt = await readTenant(ctx, actor.tenantId, (tx) =>
    findKeptGrant(tx, actor.tenantId, attemptId, actor.userId, ctx.now()),
  )
  if (!attempt?.secrets) throw new BrokerError('not_found')
  if (!isOwn(attempt, actor, browser)) throw new BrokerError('attempt_unknown')
  const grant = grantFromJson(await vault.open(secretsPlace(attempt), attempt.secrets))
  const kept = await storeGrant(ctx, vault, {
    attempt: { ...attempt, purpose: 'link', connectionId: null },
    grant,
    person: actor,
    alias: alias ?? null,
  })
  if (kept.kind === 'refused') throw kept.error
  return { projectId: kept.projectId }
}

const hasRepeats = (parameters: URLSearchParams) => new Set(parameters.keys()).size !== [...parameters.keys()].length

const grantToJson = ({ accessToken, refreshToken, ...rest }: LinkedGrant) =>
  JSON.stringify({ ...rest, accessToken: accessToken.reveal(), refreshToken: refreshToken?.reveal() })

function grantFromJson(sealed: Secret): LinkedGrant {
  const { accessToken, refreshToken, ...rest } = JSON.parse(sealed.reveal()) as Omit<
    LinkedGrant,
    'accessToken' | 'refreshToken'
  > & { accessToken: string; refreshToken?: string }
  return {
    ...rest,
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken ? new Secret(refreshToken) : undefined,
  }
}
