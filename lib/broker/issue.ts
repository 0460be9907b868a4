import { type Actor, programOf, rolesThatMay } from '../actor.ts'
import type { AuditEvent } from '../audit/catalogue.ts'
import { bodyOf, record } from '../audit/record.ts'
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
import { type Language, languageOf, offersFor, sortOf } from '../providers/rules.ts'
import { newId } from '../security/ids.ts'
import { fingerprint, hash, newToken, randomToken, type Secret } from '../security/secrets.ts'
import { heldBy, notAuthenticated } from '../store/authority.ts'
import type { ConnectionRow } from '../store/connections.ts'
import { type Prisma, readTenant } from '../store/database.ts'
import { frozenBy } from '../store/freezes.ts'
import type { Once } from '../store/idempotency.ts'
import { beginIssue, completeIssue, type IssueConnection, type ProjectNamed, type Refusal } from '../store/issuing.ts'
import type { ProviderFacts } from '../store/providers.ts'
import { dropWaiting } from '../store/revocations.ts'
import { asSystem } from '../store/system.ts'
import {
  endIssuing,
  endUnwanted,
  findToken,
  madeFrom,
  noteIssuing,
  postponeIssuing,
  type TokenRow,
} from '../store/tokens.ts'
import { type Policy, refuseIssue } from '../tenancy/policy.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { handlePlace } from '../vault/places.ts'
import { signerOf } from '../vault/signing.ts'
import { refuseBeyondGrant } from './ceilings.ts'
import { frozenError } from './freezes.ts'
import { byThemselves, type Ground, ground, programHeld } from './ground.ts'
import { gatewayUrl, proxyUrl } from './proxy-url.ts'
import { type TokenView, toTokenView } from './read/token.ts'
import { withAccess } from './refresh/access.ts'
import { narrowedToken } from './refresh/refresh.ts'
import { consoleClient, tenantIssuer } from './tenant-issuer.ts'
import { asBrokerError, openProvider } from './upstream.ts'
import { settleRevocation } from './upstream-revocation.ts'

export type IssueInput = {
  project: ProjectNamed
  /** Rights, as the kind of the project's provider has them; of strategy `proxy`, rules. */
  scopes: Rights
  /** Left out: the first that the provider offers. */
  strategy?: Strategy | undefined
  lifetimeSeconds: number
  /** Where policy allows less than that, it is for as long as that. */
  shortens?: boolean
  purpose: string
  /** What a page of the upstream authorizes with it. Such a token is of no use with less than was asked, so none is handed out then. */
  authorizes?: string
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
  const started = await start(ctx, actor, input, vault)
  if ('own' in started) return started.own
  let made: IssuedUpstream
  try {
    made = wanted(started, await askUpstream(ctx, actor, started))
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

async function endUpstream(ctx: Context, { row: { id }, connection }: Started, made: Ending): Promise<void> {
  try {
    const provider = await openProvider(ctx, await vaultOf(ctx, connection.tenantId), connection.provider)
    await provider.revoke({ kind: 'token', upstreamId: made.upstreamId, handle: made.handle })
  } catch (error) {
    ctx.log.warn({ err: error, issued: id }, 'a token could not be recorded, and revoking it upstream failed')
  }
}

type Started = Pick<Ground, 'project' | 'client' | 'policy'> & {
  row: TokenRow
  connection: IssueConnection & { provider: ProviderFacts }
  /** As it is for this strategy. */
  kind: Kind
  settings: unknown
  strategy: Strategy
  rights: Rights
  /** Less than was asked is not handed out. */
  isWhole: boolean
}

/**
 * Begins an issue. `own`: a token of ours, which no upstream takes part in, is made with it. What it is decided on is read
 * first; who asks, in which role, and what the token stands on is asked again under lock where its row is written.
 */
async function start(
  ctx: Context,
  actor: Actor,
  input: IssueInput,
  vault: Vault,
  tries = 3,
): Promise<Started | { own: IssuedToken }> {
  const { scopes, purpose, strategy: wanted, dpopJkt, once } = input
  const found = await ground(ctx, actor, input.project)
  const { role, project, provider, connection, client, policy } = found
  const most = input.shortens ? policy.lifetime.seconds : Number.POSITIVE_INFINITY
  const lifetimeSeconds = Math.min(input.lifetimeSeconds, most)
  if (lifetimeSeconds < shortestLifetimeSeconds) throw wrongLife(`At least ${shortestLifetimeSeconds} seconds.`)
  const made = configured(rowFor(provider, project))
  if (!made) throw new BrokerError('provider_misconfigured')
  const { settings } = made
  const strategy = chosenStrategy(made, wanted, connection?.flow ?? null)
  const proofKey = keyFor(actor, made, strategy, dpopJkt)
  const language = languageOf(made.kind, strategy, settings)
  const kind = sortOf(made.kind, strategy)
  const rights = rightsAsked(language, scopes, kind.asks)
  const { longestSeconds = Number.POSITIVE_INFINITY } = kind
  if (lifetimeSeconds > longestSeconds)
    throw wrongLife(`At most ${longestSeconds} seconds for a token that is made so.`)
  const forbidden = language.forbids?.(rights, settings)
  if (forbidden) throw new BrokerError('over_policy', { detail: forbidden })
  refuseBeyondGrant(found.ceilings, { project, strategy, rights }, language)
  if (kind.own) refuseUnknown(kind, rights, kind.own.most(settings))
  refuseIssue(policy, { role, strategy, seconds: lifetimeSeconds, rights }, language)
  const now = ctx.now()
  const id = newId('token')
  const end = new Date(now.getTime() + lifetimeSeconds * 1000)
  const own = await ownToken(ctx, actor, { id, made, strategy, found, rights, now, end, vault })
  const value = own?.value.reveal()
  const mark = value === undefined ? null : fingerprint(ctx.secrets.fingerprint, value)
  const row: TokenRow = {
    ...unmade,
    ...programHeld(actor),
    tenantId: actor.tenantId,
    id,
    userId: actor.userId,
    projectId: project.id,
    connectionId: connection?.id ?? null,
    providerId: provider.id,
    strategy,
    nonce: randomToken().slice(0, 16),
    purpose,
    scopesAsked: rights as Prisma.JsonObject,
    generations: found.generations,
    exclusive: strategy === 'narrow' && (kind.oneAtATime?.(settings) ?? false),
    expiresAt: end,
    createdAt: now,
    ...(own && value !== undefined
      ? {
          status: 'live',
          secretHash: hash(value),
          offline: own.offline,
          proofKey,
          fingerprint: mark,
          scopesGranted: rights as Prisma.JsonObject,
        }
      : // Until the upstream has named it: what a cut-off issue leaves where nobody can look has an end that nobody knows.
        { status: 'issuing', endless: !kind.findsOrphans }),
  }
  const target = { kind: 'token', id } as const
  const details = {
    project: project.id,
    ...(connection && { connection: connection.id }),
    seconds: lifetimeSeconds,
    rights: language.describe(rights, settings).map(({ text }) => text),
    impersonates: language.impersonates?.(rights),
    authorizes: input.authorizes,
  }
  const events: AuditEvent[] = [{ action: 'token.requested', outcome: 'ok', target, details }]
  let issued: IssuedToken | undefined
  if (own && mark) {
    events.push({ action: 'token.issued', outcome: 'ok', target, details: { strategy, fingerprint: mark } })
    issued = {
      token: viewOf(row, found, now),
      value: own.value,
      tokenType: proofKey === null ? 'Bearer' : 'DPoP',
      baseUrl: own.baseUrl,
    }
  }
  const { code, until } = await beginIssue(ctx, heldBy(ctx, actor.credential), row, {
    role,
    most: policy.tokens.value,
    signer: own?.signer,
    keeping: once && { ...once.claim, kept: issued && (await once.keep(issued)) },
    events: events.map((event) => bodyOf(actor, event)),
  })
  // Their role, or the key that signs, is another one by now, which decides anew.
  if (code === 'forbidden' || code === 'changed') {
    if (tries > 1) return start(ctx, actor, input, vault, tries - 1)
    throw new BrokerError('revoked_meanwhile')
  }
  if (code) throw notBegun(actor, code, { policy, waits: until && secondsUntil(until, now) })
  if (issued) {
    ctx.metrics.issues.inc({ strategy, outcome: 'issued' })
    return { own: issued }
  }
  if (!connection) throw new Error('a token that needs no connection is not ours')
  const isWhole = input.authorizes !== undefined
  const from = { ...connection, provider }
  return { row, project, client, policy, connection: from, kind, settings, strategy, rights, isWhole }
}

const wrongLife = (text: string) => new BrokerError('bad_request', { fields: { expires_in: text } })

/** What is told of a token once it is made. */
const unmade = {
  // The database keeps it.
  purposeKey: null,
  upstreamId: null,
  handle: null,
  fingerprint: null,
  secretHash: null,
  proofKey: null,
  scopesGranted: null,
  offline: false,
  endless: false,
  generation: 0,
  failure: null,
  revokeAt: null,
  revokedAt: null,
  revokedBy: null,
  lastUsedAt: null,
  nextTryAt: null,
}

const viewOf = (
  row: TokenRow,
  { project, client, provider }: Pick<Ground, 'project' | 'client' | 'provider'>,
  now: Date,
): TokenView =>
  toTokenView({ ...row, project: { ...project, provider, removedAt: null }, client, revocations: [] }, now)

function notBegun(
  { credential }: Actor,
  code: Exclude<Refusal, 'forbidden'>,
  { policy, waits }: { policy: Policy; waits: number | null },
): BrokerError {
  const { value: most, setBy } = policy.tokens
  if (code === 'unauthenticated') return notAuthenticated(credential)
  if (code === 'too_many_tokens')
    return new BrokerError(code, { detail: `At most ${most} live tokens, set by the ${setBy}.` })
  return new BrokerError(code, {
    ...(waits !== null && { retryAfterSeconds: Math.ceil(waits) }),
    ...(code === 'idempotency_running' && { retryAfterSeconds: 1 }),
  })
}

/** `signer`: the key that signed it. */
type OwnToken = { value: Secret; baseUrl: string; offline: boolean; signer?: string }

/** The value of a token of ours; undefined: the upstream makes it. */
async function ownToken(
  ctx: Context,
  { userId, slug, credential }: Actor,
  asked: {
    id: string
    made: Configured
    strategy: Strategy
    found: Ground
    rights: Rights
    now: Date
    end: Date
    vault: Vault
  },
): Promise<OwnToken | undefined> {
  const { id, made, strategy, rights, now, end, vault } = asked
  const { project, keys } = asked.found
  if (strategy === 'proxy')
    return {
      value: newToken('px'),
      baseUrl: (made.kind.gateway ? gatewayUrl : proxyUrl)(ctx.config, { slug, project: project.alias }),
      offline: false,
    }
  const { own } = made.kind
  if (strategy !== 'sign' || !own) return undefined
  const baseUrl = project.externalId
  if (!own.offline(made.settings)) return { value: newToken('sg'), baseUrl, offline: false }
  const signer = await signerOf(ctx, keys, vault)
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
  return { value, baseUrl, offline: true, signer: signer.keyId }
}

/** An audience knows no other rights than its admin gave it. @throws BrokerError bad_request */
function refuseUnknown({ narrows, missing }: Kind, rights: Rights, most: Rights): void {
  if (narrows(rights, most)) return
  const unknown = missing(rights, most).join(', ')
  throw new BrokerError('bad_request', { fields: { scopes: `This audience does not know: ${unknown}` } })
}

/** Rules are asked for by name: whoever names rights of the upstream's means a token of it. @throws BrokerError no_strategy, with why */
function chosenStrategy(made: Configured, wanted: Strategy | undefined, flow: string | null): Strategy {
  const { kind, strategy } = made
  if (!wanted && strategy && (strategy !== 'proxy' || kind.gateway)) return strategy
  const offer = offersFor(made, flow).find((one) => one.strategy === wanted)
  if (wanted && offer?.offered) return wanted
  throw new BrokerError('no_strategy', offer && { detail: `Not by ${wanted}: ${offer.reason}` })
}

/** What a token is bound to (docs/decisions/0070): each use of it has to come to us, who ask for the proof. @throws BrokerError bad_request */
function keyFor(
  { credential }: Actor,
  { kind }: Pick<Configured, 'kind'>,
  strategy: Strategy,
  asked: string | null | undefined,
): string | null {
  // No MCP client proves a key.
  if (strategy === 'proxy' && !kind.gateway)
    return asked === undefined && credential.kind === 'dpop' ? credential.key : (asked ?? null)
  if (asked)
    throw new BrokerError('bad_request', { fields: { dpop_jkt: 'Only a token that works at the proxy is bound.' } })
  return null
}

/** What was asked, as its kind reads it for such a token; rights of which nothing is to be said are none. @throws BrokerError bad_request */
function rightsAsked(language: Language, scopes: unknown, schema: Kind['rights'] = language.rights): Rights {
  const parsed = schema.safeParse(scopes)
  if (!parsed.success)
    throw new BrokerError('bad_request', { fields: fieldsOf(parsed.error.issues, 'scopes', ['scopes']) })
  if (language.describe(parsed.data).length > 0) return parsed.data
  throw new BrokerError('bad_request', { fields: { scopes: 'Choose at least one right.' } })
}

async function askUpstream(ctx: Context, actor: Actor, started: Started): Promise<IssuedUpstream> {
  const { row, project, kind, rights } = started
  const { purpose, nonce } = row
  const lifetimeSeconds = secondsUntil(row.expiresAt, row.createdAt)
  const made = await make(ctx, actor, started, { project: project.externalId, rights, lifetimeSeconds, purpose, nonce })
  if (made.kind !== 'within' || kind.narrows(made.token.granted, rights)) return made
  return { kind: 'beyond', token: made.token, exceeded: kind.missing(made.token.granted, rights) }
}

/** A token that is of no use with less than was asked is not handed out with less. */
function wanted({ isWhole, kind, rights }: Started, made: IssuedUpstream): IssuedUpstream {
  if (!isWhole || made.kind !== 'within') return made
  const lacking = kind.missing(rights, made.token.granted)
  if (lacking.length === 0) return made
  return { kind: 'unsound', token: made.token, exceeded: lacking.map((right) => `not granted: ${right}`) }
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
  const { connection, strategy, row } = started
  const { accountId: subject } = connection
  if (strategy !== 'narrow')
    return withAccess(ctx, connection, (provider, { accessToken }) => provider.issue({ accessToken, subject, request }))
  const key = { tenantId: connection.tenantId, connectionId: connection.id }
  // Its row is open or given up by then; the token is ended with it.
  const unclaimed = ({ token }: IssuedUpstream) => endMade(ctx, actor, started, token, { code: 'issue_unconfirmed' })
  return narrowedToken(ctx, { ...key, connection, request, oldTokenStays: !row.exclusive, unclaimed })
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
async function notMade(
  ctx: Context,
  actor: Actor,
  { row: { id }, strategy }: Started,
  error: unknown,
): Promise<unknown> {
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
    else {
      await endIssuing(tx, actor.tenantId, id, { status: 'failed', failure })
      await dropWaiting(tx, actor.tenantId, id)
    }
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
  { row: begun, strategy, kind, settings, connection, project, client }: Started,
  made: UpstreamToken,
  once: Once<IssuedToken> | undefined,
): Promise<IssuedToken> {
  const { tenantId, userId, credential } = actor
  const { id, expiresAt: end } = begun
  const vault = await vaultOf(ctx, tenantId)
  const handle = await vault.seal(handlePlace({ id, userId }), made.handle)
  const mark = fingerprint(ctx.secrets.fingerprint, made.value.reveal())
  const row = {
    upstreamId: made.upstreamId,
    handle,
    fingerprint: mark,
    scopesGranted: made.granted as Prisma.JsonObject,
    expiresAt: made.expiresAt,
    // Where the upstream made it live longer than was asked, we end it then, if it lets us.
    revokeAt: made.expiresAt > end && kind.endsTokens(settings) ? end : null,
  }
  const now = ctx.now()
  const target = { kind: 'token', id } as const
  const { subject: upstream_subject, username: upstream_username, actor: acts } = made.parties ?? {}
  const parties = made.parties && { member: userId, upstream_subject, upstream_username, actor: acts }
  const details = { strategy, fingerprint: mark, ...parties }
  const live = { ...begun, ...row, status: 'live', endless: false }
  const baseUrl = kind.baseUrl?.({ externalId: project.externalId }) ?? connection.provider.issuer
  const token = viewOf(live, { project, client, provider: connection.provider }, now)
  const issued = { token, value: made.value, tokenType: kind.tokenType, baseUrl }
  // Asked again under lock: who was demoted, suspended or signed out meanwhile gets nothing.
  const code = await completeIssue(ctx, heldBy(ctx, credential), begun, {
    roles: rolesThatMay(credential, 'work'),
    made: row,
    keeping: once && { ...once.claim, kept: await once.keep(issued) },
    body: bodyOf(actor, { action: 'token.issued', outcome: 'ok', target, details }),
    now,
  })
  if (code === 'idempotency_running') throw new BrokerError(code, { retryAfterSeconds: 1 })
  if (!code) {
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
  const { row, connection, strategy } = started
  const code = kind === 'beyond' ? 'excess_rights' : 'unsound_token'
  ctx.metrics.issues.inc({ strategy, outcome: code })
  const line = { tenant: actor.tenantId, issued: row.id, provider: connection.providerId, exceeded, alarm: true }
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
  { row: { id } }: Started,
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
  const made = configured(connection.provider)
  const findable = made ? sortOf(made.kind, token.strategy).findsOrphans : true
  const look = () =>
    withAccess(ctx, connection, (provider, { accessToken }) =>
      provider.revoke({ kind: 'orphans', nonce: token.nonce, accessToken, project: token.project.externalId }),
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
