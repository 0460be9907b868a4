import { type Actor, programOf } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, fieldsOf, isBrokerError } from '../errors.ts'
import { type Configured, configured, rowFor } from '../providers/index.ts'
import type { Kind, Strategy } from '../providers/kind.ts'
import {
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  mayHaveActed,
  type Rights,
  type UpstreamToken,
} from '../providers/provider.ts'
import { type Language, languageOf } from '../providers/rules.ts'
import { newId } from '../security/ids.ts'
import { fingerprint, hash, newToken, randomToken, type Secret } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { type ConnectionRow, findConnectionTo } from '../store/connections.ts'
import { type Prisma, type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { frozenBy } from '../store/freezes.ts'
import type { Once } from '../store/idempotency.ts'
import { findProject, type ProjectRow, viewerOf } from '../store/projects.ts'
import { findProvider, type ProviderRow } from '../store/providers.ts'
import { asSystem } from '../store/system.ts'
import {
  completeToken,
  countOutstandingLocked,
  currentGenerations,
  endIssuing,
  endUnwanted,
  exclusiveUntil,
  findToken,
  insertToken,
  madeFrom,
  noteIssuing,
  postponeIssuing,
  type TokenRow,
  tokenStands,
} from '../store/tokens.ts'
import { effectivePolicy, type LifetimeCap, type Policy, refuseIssue } from '../tenancy/policy.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { handlePlace } from '../vault/places.ts'
import { signerIn } from '../vault/signing.ts'
import { ceilingsOf, refuseBeyondGrant } from './ceilings.ts'
import { frozenError, refuseFrozen } from './freezes.ts'
import { proxyUrl } from './proxy-url.ts'
import { type TokenView, toTokenView } from './read/token.ts'
import { withAccess } from './refresh/access.ts'
import { narrowedToken } from './refresh/refresh.ts'
import { consoleClient, tenantIssuer } from './tenant-issuer.ts'
import { asBrokerError, openProvider } from './upstream.ts'
import { settleRevocation } from './upstream-revocation.ts'

export type IssueInput = {
  /** Id or alias, a former one too. */
  project: string
  /** Rights, as the kind of the project's provider has them; of strategy `proxy`, rules. */
  scopes: Rights
  /** Left out: the first that the provider offers. */
  strategy?: Strategy | undefined
  lifetimeSeconds: number
  purpose: string
  /** Thumbprint of the key that it is bound to; null: to none; left out: to the key of the program that asks, where it has one. */
  dpopJkt?: string | null | undefined
  /** Where the caller named a key: it is made once. */
  once?: Once<IssuedToken> | undefined
}

const shortestLifetimeSeconds = 60

/** What an issue stands on as far as freezes go: of the projects that a connection reaches, the one that is asked for. */
const frozenQuestion = (
  connection: Pick<ConnectionRow, 'id' | 'userId' | 'providerId'>,
  projectId: string,
  program: Pick<TokenRow, 'clientId' | 'grantId'> = byThemselves,
) => ({
  userId: connection.userId,
  providerId: connection.providerId,
  connectionId: connection.id,
  projectIds: [projectId],
  clientId: program.clientId,
  grantId: program.grantId,
})
const byThemselves = { clientId: null, grantId: null }

/** Through which of our own clients, and by which grant, an issue is asked for; a token keeps both. */
const programHeld = ({ credential }: Actor): Pick<TokenRow, 'clientId' | 'grantId'> =>
  credential.kind === 'bearer' || credential.kind === 'dpop'
    ? { clientId: credential.client, grantId: credential.grant }
    : byThemselves

type Ground = {
  project: ProjectRow
  provider: ProviderRow
  /** Null: an audience of the tenant's own, which nobody links. */
  connection: ConnectionRow | null
  policy: Policy
}

/** What an issue stands on: the project, the member's own usable connection to it if it needs one, and what is allowed there. */
async function ground(tx: ReadTx, actor: Actor, idOrAlias: string): Promise<Ground> {
  const { tenantId, userId } = actor
  // What only others have linked does not exist for a member (LK-03).
  const project = await findProject(tx, tenantId, viewerOf(actor), idOrAlias)
  if (!project) throw new BrokerError('not_found')
  const { provider, connection } = await behind(tx, actor, project)
  const { providerId } = project
  const policy = await effectivePolicy(tx, { tenantId, providerId, projectId: project.id, userId })
  return { project, provider, connection, policy }
}

/** @throws BrokerError not_found, not_linked, needs_relink, frozen */
async function behind(
  tx: ReadTx,
  { tenantId, userId }: Actor,
  { id, providerId, settings }: ProjectRow,
): Promise<Pick<Ground, 'provider' | 'connection'>> {
  if (settings !== null) {
    const provider = await findProvider(tx, tenantId, providerId)
    if (!provider) throw new BrokerError('not_found')
    await refuseFrozen(tx, tenantId, { userId, providerId, projectIds: [id] })
    return { provider, connection: null }
  }
  const found = await findConnectionTo(tx, tenantId, userId, id)
  if (!found) throw new BrokerError('not_linked')
  await refuseFrozen(tx, tenantId, frozenQuestion(found, id))
  if (found.status === 'revoked') throw new BrokerError('not_linked')
  if (found.status === 'needs_relink') throw new BrokerError('needs_relink')
  const { provider, ...connection } = found
  return { provider, connection }
}

/** The token's view, its value, which exists nowhere else, and how and where it is used. */
export type IssuedToken = { token: TokenView; value: Secret; tokenType: string; baseUrl: string }

/**
 * Hands out a token, made as the kind of the provider makes them. A row `issuing` with the rights asked and a nonce is
 * committed first, so that killed anywhere no unknown token stays behind; the answer is given only after the row is
 * complete.
 * @throws BrokerError forbidden, not_found, not_linked, needs_relink, frozen, provider_misconfigured, bad_request,
 *   beyond_grant, over_policy, too_many_tokens, no_strategy, token_outstanding, upstream_…, excess_rights, unsound_token, issue_unconfirmed, revoked_meanwhile
 */
export async function issueToken(ctx: Context, actor: Actor, input: IssueInput): Promise<IssuedToken> {
  // Kept for a minute, and there before the transaction begins: it needs no second connection to the database then.
  const vault = await vaultOf(ctx, actor.tenantId)
  const started = await act(ctx, actor, 'work', (tx, actor) => start(ctx, tx, actor, input, vault))
  if ('own' in started) return started.own
  let made: IssuedUpstream
  try {
    made = await askUpstream(ctx, actor, started, input)
  } catch (error) {
    throw await notMade(ctx, actor, started, error)
  }
  try {
    if (made.kind === 'within') {
      return await complete(ctx, actor, started, made.token, input.once)
    }
    throw await refuseMade(ctx, actor, started, made)
  } catch (error) {
    // Nobody will ever hold this token: it is ended now if that can be done, and by the reconciling job if not.
    if (!isBrokerError(error, 'revoked_meanwhile', 'excess_rights', 'unsound_token', 'frozen')) {
      ctx.metrics.issues.inc({ strategy: started.strategy, outcome: 'unrecorded' })
      await endUpstream(ctx, started, made.token)
    }
    throw error
  }
}

type Ending = Pick<UpstreamToken, 'upstreamId' | 'handle'>

async function endUpstream(ctx: Context, { id, connection }: Started, made: Ending): Promise<void> {
  try {
    const provider = await openProvider(ctx, await vaultOf(ctx, connection.tenantId), connection.provider)
    await provider.revoke({ kind: 'token', upstreamId: made.upstreamId, handle: made.handle })
  } catch (error) {
    ctx.log.warn({ err: error, issued: id }, 'a token could not be recorded, and revoking it upstream failed')
  }
}

type Started = {
  id: string
  nonce: string
  project: string
  connection: ConnectionRow & { provider: ProviderRow }
  kind: Kind
  settings: unknown
  strategy: Strategy
  rights: Rights
  /** Nothing else may be made at the connection while this token is out. */
  exclusive: boolean
  /** When it was asked to end. */
  end: Date
  policy: Policy
}

/** Begins an issue. `own`: a token of ours, which no upstream takes part in, is made with it. */
async function start(
  ctx: Context,
  tx: Tx,
  actor: Actor,
  { project: idOrAlias, scopes, lifetimeSeconds, purpose, strategy: wanted, dpopJkt, once }: IssueInput,
  vault: Vault,
): Promise<Started | { own: IssuedToken }> {
  const ceilings = await ceilingsOf(tx, actor)
  const { project, provider, connection, policy } = await ground(tx, actor, idOrAlias)
  if (lifetimeSeconds < shortestLifetimeSeconds)
    throw new BrokerError('bad_request', { fields: { expires_in: `At least ${shortestLifetimeSeconds} seconds.` } })
  const made = configured(rowFor(provider, project))
  if (!made) throw new BrokerError('provider_misconfigured')
  const { kind, settings } = made
  const strategy = chosenStrategy(made, wanted)
  const proofKey = keyFor(actor, strategy, dpopJkt)
  const language = languageOf(kind, strategy, settings)
  const rights = rightsAsked(language, scopes)
  refuseBeyondGrant(ceilings, { project, strategy, rights }, language)
  if (kind.own) refuseUnknown(kind, rights, kind.own.most(settings))
  refuseIssue(policy, { role: actor.role, strategy, seconds: lifetimeSeconds, rights }, language)
  const now = ctx.now()
  const { value: most, setBy } = policy.tokens
  if ((await countOutstandingLocked(tx, actor.tenantId, actor.userId, now)) >= most)
    throw new BrokerError('too_many_tokens', { detail: `At most ${most} live tokens, set by the ${setBy}.` })
  // The count above lets one issue of a member begin at a time, so this holds in a race as well.
  const exclusive = strategy === 'narrow' && (kind.oneAtATime?.(settings) ?? false)
  const until = exclusive && connection ? await exclusiveUntil(tx, actor.tenantId, connection.id, now) : null
  if (until)
    throw new BrokerError('token_outstanding', {
      retryAfterSeconds: Math.ceil((until.getTime() - now.getTime()) / 1000),
    })
  const owner = {
    tenantId: actor.tenantId,
    userId: actor.userId,
    projectId: project.id,
    connectionId: connection?.id ?? null,
    providerId: provider.id,
    ...programHeld(actor),
  }
  const generations = await currentGenerations(tx, owner)
  if (!generations) throw new BrokerError('not_found')
  const id = newId('token')
  const nonce = randomToken().slice(0, 16)
  const end = new Date(now.getTime() + lifetimeSeconds * 1000)
  const own = await ownToken(ctx, tx, actor, { id, made, strategy, project, rights, now, end, vault })
  const mark = own && fingerprint(ctx.secrets.fingerprint, own.value.reveal())
  await insertToken(tx, {
    ...owner,
    id,
    strategy,
    nonce,
    purpose,
    scopesAsked: rights as Prisma.InputJsonObject,
    generations,
    exclusive,
    expiresAt: end,
    createdAt: now,
    ...(own
      ? {
          status: 'live',
          secretHash: Buffer.from(hash(own.value.reveal())),
          offline: own.offline,
          proofKey,
          fingerprint: mark ?? null,
          scopesGranted: rights as Prisma.InputJsonObject,
        }
      : // Until the upstream has named it: what a cut-off issue leaves where nobody can look has an end that nobody knows.
        { status: 'issuing', endless: !kind.findsOrphans }),
  })
  await once?.making(tx, id)
  const details = {
    project: project.id,
    ...(connection && { connection: connection.id }),
    seconds: lifetimeSeconds,
    rights: language.describe(rights, settings).map(({ text }) => text),
    impersonates: language.impersonates?.(rights),
  }
  const target = { kind: 'token', id } as const
  await record(tx, actor.tenantId, now, actor, { action: 'token.requested', outcome: 'ok', target, details })
  if (!own || !mark) {
    if (!connection) throw new Error('a token that needs no connection is not ours')
    const from = { ...connection, provider }
    return {
      id,
      nonce,
      project: project.externalId,
      connection: from,
      kind,
      settings,
      strategy,
      rights,
      exclusive,
      end,
      policy,
    }
  }
  // What it stands on is locked from here on, so that a revocation is seen now or sees the token (A-03).
  if (!(await tokenStands(tx, actor.tenantId, id))) throw new BrokerError('revoked_meanwhile')
  // An audience may have been taken away before its generation was read: under the lock that is asked once more.
  const stillThere = await findProject(tx, actor.tenantId, viewerOf(actor), project.id)
  if (!stillThere) throw new BrokerError('revoked_meanwhile')
  const issued = { action: 'token.issued', outcome: 'ok', target, details: { strategy, fingerprint: mark } } as const
  await record(tx, actor.tenantId, now, actor, issued)
  const row = await findToken(tx, actor.tenantId, id)
  if (!row) throw new Error('a token that was just made cannot be found')
  ctx.metrics.issues.inc({ strategy, outcome: 'issued' })
  const { value, baseUrl } = own
  const given = { token: toTokenView(row, now), value, tokenType: proofKey === null ? 'Bearer' : 'DPoP', baseUrl }
  await once?.made(tx, given)
  return { own: given }
}

type OwnToken = { value: Secret; baseUrl: string; offline: boolean }

/** The value of a token of ours; undefined: the upstream makes it. */
async function ownToken(
  ctx: Context,
  tx: Tx,
  { tenantId, userId, slug, credential }: Actor,
  asked: {
    id: string
    made: Configured
    strategy: Strategy
    project: ProjectRow
    rights: Rights
    now: Date
    end: Date
    vault: Vault
  },
): Promise<OwnToken | undefined> {
  const { id, made, strategy, project, rights, now, end, vault } = asked
  if (strategy === 'proxy')
    return { value: newToken('px'), baseUrl: proxyUrl(ctx.config, { slug, project: project.alias }), offline: false }
  const { own } = made.kind
  if (strategy !== 'sign' || !own) return undefined
  const baseUrl = project.externalId
  if (!own.offline(made.settings)) return { value: newToken('sg'), baseUrl, offline: false }
  const signer = await signerIn(ctx, tx, vault, tenantId)
  const value = await signer.sign({
    issuer: tenantIssuer(ctx.config, slug),
    subject: userId,
    audience: project.externalId,
    clientId: programOf(credential)?.client ?? consoleClient,
    scope: own.scope(rights),
    id,
    issuedAt: now,
    expiresAt: end,
  })
  return { value, baseUrl, offline: true }
}

/** An audience knows no other rights than its admin gave it. @throws BrokerError bad_request */
function refuseUnknown({ narrows, missing }: Kind, rights: Rights, most: Rights): void {
  if (narrows(rights, most)) return
  const unknown = missing(rights, most).join(', ')
  throw new BrokerError('bad_request', { fields: { scopes: `This audience does not know: ${unknown}` } })
}

/** Rules are asked for by name: whoever names rights of the upstream's means a token of it. @throws BrokerError no_strategy, with why */
function chosenStrategy({ kind, offers, strategy }: Configured, wanted: Strategy | undefined): Strategy {
  if (!wanted && strategy && (strategy !== 'proxy' || kind.gateway)) return strategy
  const offer = offers.find((one) => one.strategy === wanted)
  if (wanted && offer?.offered) return wanted
  throw new BrokerError('no_strategy', offer && { detail: `Not by ${wanted}: ${offer.reason}` })
}

/** What a token is bound to (docs/decisions/0070): each use of it has to come to us, who ask for the proof. @throws BrokerError bad_request */
function keyFor({ credential }: Actor, strategy: Strategy, asked: string | null | undefined): string | null {
  if (strategy === 'proxy') return asked === undefined && credential.kind === 'dpop' ? credential.key : (asked ?? null)
  if (asked) throw new BrokerError('bad_request', { fields: { dpop_jkt: 'Only a token of strategy proxy is bound.' } })
  return null
}

/** What was asked, as its kind reads it; rights of which nothing is to be said are none. @throws BrokerError bad_request */
function rightsAsked(language: Language, scopes: unknown): Rights {
  const parsed = language.rights.safeParse(scopes)
  if (!parsed.success)
    throw new BrokerError('bad_request', { fields: fieldsOf(parsed.error.issues, 'scopes', ['scopes']) })
  if (language.describe(parsed.data).length > 0) return parsed.data
  throw new BrokerError('bad_request', { fields: { scopes: 'Choose at least one right.' } })
}

async function askUpstream(
  ctx: Context,
  actor: Actor,
  started: Started,
  { lifetimeSeconds, purpose }: IssueInput,
): Promise<IssuedUpstream> {
  const { nonce, project, kind, rights } = started
  const made = await make(ctx, actor, started, { project, rights, lifetimeSeconds, purpose, nonce })
  if (made.kind !== 'within' || kind.narrows(made.token.granted, rights)) return made
  return { kind: 'beyond', token: made.token, exceeded: kind.missing(made.token.granted, rights) }
}

async function make(ctx: Context, actor: Actor, started: Started, request: IssueRequest): Promise<IssuedUpstream> {
  const made = await makeAnyLife(ctx, actor, started, request)
  const isTheirs = made.kind === 'within' && started.strategy !== 'mint'
  const excess = isTheirs && excessLife(started, secondsUntil(made.token.expiresAt, ctx.now()))
  return excess ? { ...made, kind: 'beyond', exceeded: [excess] } : made
}

async function makeAnyLife(
  ctx: Context,
  actor: Actor,
  started: Started,
  request: IssueRequest,
): Promise<IssuedUpstream> {
  const { connection, strategy, exclusive } = started
  const { accountId: subject } = connection
  if (strategy !== 'narrow')
    return withAccess(ctx, connection, (provider, { accessToken }) => provider.issue({ accessToken, subject, request }))
  const key = { tenantId: connection.tenantId, connectionId: connection.id }
  // Its row is open or given up by then; the token is ended with it.
  const unclaimed = ({ token }: IssuedUpstream) => endMade(ctx, actor, started, token, { code: 'issue_unconfirmed' })
  return narrowedToken(ctx, { ...key, request, oldTokenStays: !exclusive, unclaimed })
}

/**
 * How long a token lives is the upstream's to say. One that lives longer than policy allows is handed out only where policy
 * permits to revoke it at the asked end, and where that can be done. Answers what is wrong with its life.
 */
function excessLife({ kind, settings, policy }: Started, lives: number): string | undefined {
  const { seconds, setBy } = policy.lifetime
  if (lives <= seconds + toleranceSeconds) return undefined
  const ends = kind.endsTokens(settings)
  if (ends && policy.overLife.value === 'revoke_at_end') return undefined
  const why = ends ? 'policy does not permit to revoke it earlier instead' : 'it cannot be revoked alone there'
  return `a longer life than the ${seconds} seconds ${setBy === 'person' ? 'set for you' : `set by the ${setBy}`}, and ${why}`
}

/** The end is counted in whole seconds and from when the upstream began. */
const toleranceSeconds = 60
const secondsUntil = (end: Date, now: Date) => (end.getTime() - now.getTime()) / 1000

/** Ends a row whose token surely does not exist; where that is not sure, leaves it to the reconciling job. */
async function notMade(ctx: Context, actor: Actor, { id, strategy }: Started, error: unknown): Promise<unknown> {
  // Said of the rights that were asked, which are the caller's to change.
  const rejected = isUpstreamError(error) && error.failure === 'rejected' ? error : undefined
  const { reason, means, next } = rejected?.refusal ?? {}
  const words = means && next && { detail: means, next }
  const known = rejected ? new BrokerError('upstream_rejected', { ...words, cause: error }) : asBrokerError(error)
  const failure = isBrokerError(known) ? known.code : 'internal'
  // A call that failed before the mint, or that the upstream turned down, made nothing.
  const unsure = isUpstreamError(error) ? mayHaveActed(error) : !isBrokerError(error)
  ctx.metrics.issues.inc({ strategy, outcome: unsure ? 'issue_unconfirmed' : failure })
  await asSystem(ctx, actor.tenantId, 'end of an attempt', async (tx) => {
    if (unsure) await noteIssuing(tx, actor.tenantId, id, failure)
    else await endIssuing(tx, actor.tenantId, id, { status: 'failed', failure })
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'token.failed',
      outcome: 'failed',
      target: { kind: 'token', id },
      details: { code: failure, unsure, ...(reason && { reason }) },
    })
  })
  return unsure && isBrokerError(known) ? new BrokerError('issue_unconfirmed', { cause: error }) : known
}

async function complete(
  ctx: Context,
  actor: Actor,
  { id, strategy, kind, settings, end, connection, project }: Started,
  made: UpstreamToken,
  once: Once<IssuedToken> | undefined,
): Promise<IssuedToken> {
  const { tenantId, userId } = actor
  const vault = await vaultOf(ctx, tenantId)
  const handle = await vault.seal(handlePlace({ id, userId }), made.handle)
  const mark = fingerprint(ctx.secrets.fingerprint, made.value.reveal())
  const row = {
    upstreamId: made.upstreamId,
    handle,
    fingerprint: mark,
    scopesGranted: made.granted as Prisma.InputJsonObject,
    expiresAt: made.expiresAt,
    // Where the upstream made it live longer than was asked, we end it then, if it lets us.
    revokeAt: made.expiresAt > end && kind.endsTokens(settings) ? end : null,
  }
  const now = ctx.now()
  const target = { kind: 'token', id } as const
  // Asked again under lock: who was demoted, suspended or signed out meanwhile gets nothing.
  const issued = await act(ctx, actor, 'work', async (tx, actor) => {
    if (!(await completeToken(tx, tenantId, id, row))) return undefined
    const { subject: upstream_subject, username: upstream_username, actor: acts } = made.parties ?? {}
    const parties = made.parties && { member: userId, upstream_subject, upstream_username, actor: acts }
    const details = { strategy, fingerprint: mark, ...parties }
    await record(tx, tenantId, now, actor, { action: 'token.issued', outcome: 'ok', target, details })
    const token = await findToken(tx, tenantId, id)
    if (!token) throw new Error('a completed token cannot be found')
    const baseUrl = kind.baseUrl?.({ externalId: project }) ?? connection.provider.issuer
    const issued = { token: toTokenView(token, now), value: made.value, tokenType: kind.tokenType, baseUrl }
    // Kept in the transaction in which it begins to live: a kill leaves no token whose answer is lost.
    await once?.made(tx, issued)
    return issued
  }).catch((error: unknown) => {
    if (isBrokerError(error, 'unauthenticated', 'not_found', 'forbidden')) return undefined
    throw error
  })
  if (issued) {
    ctx.metrics.issues.inc({ strategy, outcome: 'issued' })
    return issued
  }
  // Revoked or frozen while the upstream worked: what came back is revoked, never answered (A-03).
  const { scopesGranted: _, revokeAt: __, ...unwanted } = row
  const { late, work } = await asSystem(ctx, tenantId, 'end of an attempt', async (tx) => {
    const token = await findToken(tx, tenantId, id)
    const facts = token?.connection
      ? await frozenBy(tx, tenantId, frozenQuestion(token.connection, token.projectId, token))
      : []
    const frozen = facts.filter(({ kind }) => kind !== 'membership')
    const isFrozen = token?.generation === 0 && frozen.length > 0
    const late = isFrozen ? frozenError(frozen) : new BrokerError('revoked_meanwhile')
    const failure = isFrozen ? 'frozen' : 'revoked_meanwhile'
    const work = await endUnwanted(tx, tenantId, { ...unwanted, id, failure, endless: false, now })
    const details = { code: late.code }
    await record(tx, tenantId, now, actor, { action: 'token.failed', outcome: 'refused', target, details })
    return { late, work }
  })
  ctx.metrics.issues.inc({ strategy, outcome: late.code })
  await settleRevocation(ctx, { tenantId, id: work })
  throw late
}

/** A token that is beyond what was asked, or something else, is ended and not handed out (docs/decisions/0014). Answers the refusal. */
async function refuseMade(
  ctx: Context,
  actor: Actor,
  started: Started,
  { kind, token, exceeded }: Exclude<IssuedUpstream, { kind: 'within' }>,
): Promise<BrokerError> {
  const { id, connection, strategy } = started
  const code = kind === 'beyond' ? 'excess_rights' : 'unsound_token'
  ctx.metrics.issues.inc({ strategy, outcome: code })
  const line = { tenant: actor.tenantId, issued: id, provider: connection.providerId, exceeded, alarm: true }
  ctx.log.error(
    line,
    kind === 'beyond' ? 'an upstream granted more than was requested' : 'an upstream made an unsound token',
  )
  await endMade(ctx, actor, started, token, { code, exceeded })
  return new BrokerError(code, {
    detail: `${kind === 'beyond' ? 'More than requested' : 'What is wrong'}: ${exceeded.join(', ')}.`,
  })
}

/**
 * Ends a token that came back and is not handed out. Its end is queued before the upstream is asked, so that it comes about
 * also where that fails now.
 */
async function endMade(
  ctx: Context,
  actor: Actor,
  { id }: Started,
  token: IssuedUpstream['token'],
  details: { code: 'excess_rights' | 'unsound_token' | 'issue_unconfirmed'; exceeded?: string[] },
): Promise<void> {
  const { tenantId, userId } = actor
  const vault = await vaultOf(ctx, tenantId)
  const handle = await vault.seal(handlePlace({ id, userId }), token.handle)
  const now = ctx.now()
  const revocation = await asSystem(ctx, tenantId, 'end of an attempt', async (tx) => {
    const work = await endUnwanted(tx, tenantId, {
      id,
      upstreamId: token.upstreamId,
      handle,
      fingerprint: fingerprint(ctx.secrets.fingerprint, token.value.reveal()),
      expiresAt: token.expiresAt,
      endless: token.expiresAt === undefined,
      failure: details.code,
      now,
    })
    const target = { kind: 'token', id } as const
    await record(tx, tenantId, now, actor, { action: 'token.failed', outcome: 'refused', target, details })
    return work
  })
  await settleRevocation(ctx, { tenantId, id: revocation })
}

/**
 * What can be chosen for a token of a project, asked at the upstream with the member's own connection.
 * @throws BrokerError as {@link issueToken}
 */
export async function readScopeChoices(
  ctx: Context,
  actor: Actor,
  project: string,
): Promise<{ choices: Record<string, unknown>; cap: LifetimeCap }> {
  const {
    project: chosen,
    provider,
    connection: own,
    policy,
  } = await act(ctx, actor, 'work', (tx, actor) => ground(tx, actor, project))
  if (!own) {
    const made = configured(rowFor(provider, chosen))
    if (!made) throw new BrokerError('provider_misconfigured')
    return { choices: made.kind.own?.choices(made.settings) ?? {}, cap: policy.lifetime }
  }
  const connection = { ...own, provider }
  const of = { granted: connection.scopesGranted, project: chosen.externalId, impersonates: policy.impersonates }
  try {
    const choices = await withAccess(ctx, connection, async (provider, { accessToken }) =>
      provider.choices?.({ accessToken, ...of }),
    )
    return { choices: choices ?? {}, cap: policy.lifetime }
  } catch (error) {
    throw asBrokerError(error)
  }
}

/**
 * Ends an issue that was cut off: deletes upstream whatever carries its nonce, then marks the row. Leaves the row where
 * the upstream cannot be asked, until the token's own end.
 */
export async function reconcileIssuing(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<void> {
  const token = await readTenant(ctx, tenantId, (tx) => findToken(tx, tenantId, id))
  if (token?.status !== 'issuing') return
  const over = token.expiresAt <= ctx.now()
  const connection = madeFrom(token)
  if (!connection) throw new Error('a token that no upstream made was cut off')
  // Where nothing can be looked for, a token that nobody got lives until its own end, which nobody here knows.
  const findable = configured(connection.provider)?.kind.findsOrphans ?? true
  const look = () =>
    withAccess(ctx, connection, (provider, { accessToken }) =>
      provider.revoke({ kind: 'orphans', nonce: token.nonce, accessToken }),
    ).then(
      (outcome) => outcome.found ?? 0,
      (error: unknown) => {
        ctx.log.info({ err: error, token: id }, 'an interrupted issue cannot be reconciled yet')
        return undefined
      },
    )
  const found = findable ? await look() : undefined
  if (found === undefined && findable && !over) {
    const nextTryAt = new Date(ctx.now().getTime() + (30 + Math.random() * 90) * 1000)
    await asSystem(ctx, tenantId, 'job', (tx) => postponeIssuing(tx, tenantId, id, nextTryAt))
    return
  }
  const failure = found !== undefined ? 'cut_off' : findable ? 'ended_by_itself' : 'unseen'
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    const status = token.generation > 0 ? 'revoked' : 'failed'
    if (!(await endIssuing(tx, tenantId, id, { status, failure, ...(findable ? {} : { endless: true }) }))) return
    const target = { kind: 'token', id } as const
    await record(
      tx,
      tenantId,
      ctx.now(),
      { userId: null },
      { action: 'token.failed', outcome: 'failed', target, details: { code: failure, deleted: found ?? 0 } },
    )
  })
}
