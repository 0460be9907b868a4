import { createHash } from 'node:crypto'
import { type Actor, type CookieCredential, type Origin, requirePermission } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { kinds } from '../../providers/index.ts'
import { newId } from '../../security/ids.ts'
import { act } from '../../store/authority.ts'
import { findConnection } from '../../store/connections.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { findGrant } from '../../store/grants.ts'
import {
  acceptLinkRequest,
  declineLinkRequest,
  findLinkRequest,
  findOpenLinkRequest,
  insertLinkRequest,
  type LinkCause,
  type LinkRequestRow,
  type LinkRequestStatus,
  linkRequestOfAttempt,
  lockAsked,
  openLinkRequests,
  timeOutLinkRequests,
  waitingLinkRequests,
} from '../../store/link-requests.ts'
import { projectsWithProviders } from '../../store/projects.ts'
import type { ProviderRow } from '../../store/providers.ts'
import { asSystem } from '../../store/system.ts'
import { findToken } from '../../store/tokens.ts'
import { attemptMilliseconds, type Started, startLink } from './start.ts'

/** How many may wait for one person in one tenant. */
const mostOpen = 10
const mostScopes = 20
/** RFC 6749 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/

/** What the program used that asks: a grant of its person, or a token that was issued to them. */
export type AskedBy = { grant: string } | { token: string }

export type Asking = {
  tenantId: string
  slug: string
  userId: string
  providerId: string
  projectId: string
  /** The connection that is there and does not suffice. */
  connectionId: string | null
  cause: LinkCause
  /** That the upstream demands beside what is granted, as it names them. */
  scopes?: string[] | undefined
  by?: AskedBy | undefined
  /** Of the call, for the audit trail. */
  origin?: Pick<Origin, 'address' | 'agent' | 'requestId'> | undefined
}

/**
 * Asks a person to link, to reconnect or to allow more, for a program that cannot (N-14). Answers where they do so. The URL holds an
 * id alone: whoever opens it must be signed in as the person who was asked. Any number of calls about the same make one.
 * @throws BrokerError rate_limited where too much waits for this person already
 */
export async function askForLink(ctx: Context, ask: Asking): Promise<{ id: string; url: string }> {
  const scopes = cleaned(ask.scopes ?? [])
  const subject = subjectOf(ask, scopes)
  const known = await readTenant(ctx, ask.tenantId, (tx) =>
    findOpenLinkRequest(tx, ask.tenantId, ask.userId, subject, ctx.now()),
  )
  const { id } = known ?? (await insert(ctx, ask, scopes, subject))
  return { id, url: `${ctx.config.origin}/connect/${id}` }
}

async function insert(ctx: Context, ask: Asking, scopes: string[], subject: Uint8Array): Promise<{ id: string }> {
  const { tenantId, userId, providerId, projectId, connectionId, cause, by } = ask
  const now = ctx.now()
  const made = await asSystem(ctx, tenantId, 'request of a program', async (tx) => {
    await lockAsked(tx, tenantId, userId)
    const late = await timeOutLinkRequests(tx, tenantId, { userId, now, most: 100 })
    const known = await findOpenLinkRequest(tx, tenantId, userId, subject, now)
    if (known) return { late, row: known }
    const { count, firstEnd } = await openLinkRequests(tx, tenantId, userId, now)
    if (count >= mostOpen) return { late, firstEnd }
    const row = await insertLinkRequest(tx, {
      tenantId,
      id: newId('link_request'),
      userId,
      providerId,
      projectId,
      connectionId,
      cause,
      scopes,
      subject: Buffer.from(subject),
      grantId: by && 'grant' in by ? by.grant : null,
      tokenId: by && 'token' in by ? by.token : null,
      createdAt: now,
      expiresAt: new Date(now.getTime() + attemptMilliseconds),
    })
    await record(
      tx,
      tenantId,
      now,
      { userId, ...ask.origin },
      {
        action: 'link.asked',
        outcome: 'ok',
        target: { kind: 'provider', id: providerId },
        details: { request: row.id, project: projectId, cause, ...(scopes.length > 0 && { scopes }), ...by },
      },
    )
    return { late, row, isNew: true }
  })
  countEnds(
    ctx,
    made.late.map((each) => ({ cause: each, outcome: 'timed_out' as const })),
  )
  if (!made.row)
    throw new BrokerError('rate_limited', {
      detail: `${mostOpen} requests to link wait for this person already. They answer them, or let them end.`,
      retryAfterSeconds: made.firstEnd ? Math.max(1, Math.ceil((made.firstEnd.getTime() - now.getTime()) / 1000)) : 60,
    })
  if (made.isNew) ctx.metrics.linkRequests.inc({ cause, outcome: 'asked' })
  return made.row
}

/** An upstream's own words, shown to a person and sent back to it: what is no scope is left out. */
const cleaned = (scopes: string[]): string[] =>
  [...new Set(scopes.filter((scope) => scopeToken.test(scope)))].sort().slice(0, mostScopes)

const subjectOf = ({ projectId, connectionId, cause }: Asking, scopes: string[]): Uint8Array =>
  createHash('sha256')
    .update(JSON.stringify([projectId, connectionId, cause, scopes]))
    .digest()

export const countEnds = (
  { metrics }: Pick<Context, 'metrics'>,
  ends: readonly { cause: LinkCause; outcome: Exclude<LinkRequestStatus, 'asked'> }[],
): void => {
  for (const { cause, outcome } of ends) metrics.linkRequests.inc({ cause, outcome })
}

/** How a request stands (N-15). */
export const statusOf = ({ status, expiresAt }: LinkRequestRow, now: Date): LinkRequestStatus =>
  (status === 'asked' || status === 'accepted') && expiresAt <= now ? 'timed_out' : (status as LinkRequestStatus)

/** What the person who was asked sees of it. */
export type LinkRequestView = {
  id: string
  status: LinkRequestStatus
  cause: LinkCause
  scopes: string[]
  /** Which program asks: by the name of its client, or by what the token was issued for. */
  program: { name: string; is: 'client' | 'token' } | null
  provider: { id: string; name: string; host: string }
  project: { id: string; name: string; alias: string }
  createdAt: Date
  expiresAt: Date
}

/** @throws BrokerError not_found, for what somebody else was asked as well */
export async function readLinkRequest(ctx: Context, actor: Actor, id: string): Promise<LinkRequestView> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const view = await viewOf(tx, await own(tx, actor, id), ctx.now())
    if (!view) throw new BrokerError('not_found')
    return view
  })
}

/** All that waits for a person in one tenant, the newest first: no more than {@link mostOpen}. */
export const linkRequestsFor = (
  ctx: Context,
  { tenantId, userId }: Pick<Actor, 'tenantId' | 'userId'>,
): Promise<LinkRequestView[]> =>
  readTenant(ctx, tenantId, async (tx) => {
    const views: LinkRequestView[] = []
    for (const row of await waitingLinkRequests(tx, tenantId, userId, ctx.now())) {
      const view = await viewOf(tx, row, ctx.now())
      if (view) views.push(view)
    }
    return views
  })

/** Null: its project is gone. */
async function viewOf(tx: ReadTx, row: LinkRequestRow, now: Date): Promise<LinkRequestView | null> {
  const [project] = await projectsWithProviders(tx, row.tenantId, [row.projectId])
  if (!project) return null
  return {
    id: row.id,
    status: statusOf(row, now),
    cause: row.cause as LinkCause,
    scopes: row.scopes,
    program: await programOf(tx, row),
    provider: { id: project.provider.id, name: project.provider.name, host: hostOf(project) },
    project: { id: project.id, name: project.name, alias: project.alias },
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
  }
}

/** Where its calls go. */
const hostOf = ({ provider, externalId }: { provider: ProviderRow; externalId: string }): string =>
  new URL(kinds.get(provider.kind)?.baseUrl?.({ externalId }) ?? provider.issuer).host

async function own(tx: ReadTx, actor: Pick<Actor, 'tenantId' | 'userId'>, id: string): Promise<LinkRequestRow> {
  const row = await findLinkRequest(tx, actor.tenantId, id)
  if (row?.userId !== actor.userId) throw new BrokerError('not_found')
  return row
}

async function programOf(tx: ReadTx, { tenantId, userId, grantId, tokenId }: LinkRequestRow) {
  const grant = grantId ? await findGrant(tx, tenantId, grantId, userId) : null
  if (grant) return { name: grant.client.name, is: 'client' as const }
  const token = tokenId ? await findToken(tx, tenantId, tokenId, userId) : null
  return token ? { name: token.purpose, is: 'token' as const } : null
}

/** The request that an attempt was begun for, where there is one: whoever comes back is told about the program. */
export const requestOfAttempt = async (
  ctx: Context,
  tenantId: string,
  attemptId: string,
): Promise<string | undefined> =>
  (await readTenant(ctx, tenantId, (tx) => linkRequestOfAttempt(tx, tenantId, attemptId)))?.id

/**
 * The person continues: the link starts in this browser, with what was granted before and what is asked for now. It can
 * be started again while the request is open; whichever attempt comes back counts.
 * @throws BrokerError not_found, attempt_expired, attempt_used, and whatever {@link startLink} throws
 */
export async function startAsked(
  ctx: Context,
  actor: Actor<CookieCredential>,
  { requestId, browser }: { requestId: string; browser: string },
): Promise<Started> {
  requirePermission(actor, 'work')
  const { row, connection } = await readTenant(ctx, actor.tenantId, async (tx) => {
    const row = await own(tx, actor, requestId)
    const { connectionId } = row
    const connection = connectionId ? await findConnection(tx, actor.tenantId, connectionId, actor.userId) : null
    return { row, connection }
  })
  // Before anything is asked of the upstream; it is asked again when the attempt is there.
  const { status } = row
  if ((status !== 'asked' && status !== 'accepted') || row.expiresAt <= ctx.now()) throw ended(row, ctx.now())
  const started = await startLink(ctx, actor, {
    providerId: row.providerId,
    // One that is revoked or gone is linked anew.
    ...(connection && connection.status !== 'revoked' && { connectionId: connection.id }),
    ...(row.scopes.length > 0 && { scopes: row.scopes }),
    isAsked: row.cause === 'reconnect',
    browser,
  })
  // This request is completed with it, and its page says so.
  if (started.isDone) return { ...started, url: `${ctx.config.origin}/connect/${row.id}` }
  const attempt = { id: started.attemptId, expiresAt: started.expiresAt }
  const { isFirst } = await act(ctx, actor, 'work', async (tx) => {
    const before = await own(tx, actor, requestId)
    // Declined in another tab meanwhile: nobody learns the address of this attempt.
    if (!(await acceptLinkRequest(tx, row, attempt, ctx.now()))) throw new BrokerError('attempt_used')
    return { isFirst: before.status === 'asked' }
  })
  if (isFirst) countEnds(ctx, [{ cause: row.cause as LinkCause, outcome: 'accepted' }])
  return started
}

/** The person does not want it: the program is told so. @throws BrokerError not_found, attempt_expired, attempt_used */
export async function declineAsked(ctx: Context, actor: Actor<CookieCredential>, requestId: string): Promise<void> {
  const cause = await act(ctx, actor, 'work', async (tx, actor) => {
    const row = await own(tx, actor, requestId)
    if (!(await declineLinkRequest(tx, row, ctx.now()))) throw ended(row, ctx.now())
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'link.declined',
      outcome: 'ok',
      target: { kind: 'provider', id: row.providerId },
      details: { request: row.id },
    })
    return row.cause as LinkCause
  })
  countEnds(ctx, [{ cause, outcome: 'declined' }])
}

const ended = (row: LinkRequestRow, now: Date) =>
  new BrokerError(statusOf(row, now) === 'timed_out' ? 'attempt_expired' : 'attempt_used')

/** Ends a batch of requests that nobody answered in time. How many. */
export async function timeOutAsked(ctx: Context, tenantId: string, most: number): Promise<number> {
  const late = await asSystem(ctx, tenantId, 'job', (tx) => timeOutLinkRequests(tx, tenantId, { now: ctx.now(), most }))
  countEnds(
    ctx,
    late.map((cause) => ({ cause, outcome: 'timed_out' as const })),
  )
  return late.length
}
