import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { configured } from '../providers/index.ts'
import {
  isUpstreamError,
  type Provider,
  type RevocationTarget,
  type Standing,
  UpstreamError,
} from '../providers/provider.ts'
import { sortOf } from '../providers/rules.ts'
import { findConnection } from '../store/connections.ts'
import { findProviderEver } from '../store/providers.ts'
import {
  awaitOthers,
  claimRevocation,
  finishRevocation,
  hasPendingGrant,
  noteSeen,
  pendingOrphans,
  postponeRevocation,
  type RevocationRow,
  type RevocationState,
  reopenRevocation,
  wakeGrants,
  wakeTokens,
} from '../store/revocations.ts'
import { asSystem } from '../store/system.ts'
import { endIssuing, wipeHandle } from '../store/tokens.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { handlePlace, placeOfKept } from '../vault/places.ts'
import { within } from '../within.ts'
import { endOrphans } from './orphans.ts'
import { endOfUnmade, latestMomentOf } from './read/token.ts'
import { openProvider } from './upstream.ts'

/** What the upstream is told to end; what a cut-off issue left has a way of its own. */
type Target = Exclude<RevocationTarget, { kind: 'orphans' }>

const leaseSeconds = 60
const maximumTries = 20

/** How long work waits for other work that comes first, before it asks again; mostly it is told. */
const waitMilliseconds = 60_000

/**
 * Does one piece of upstream revocation work, if it is due and nobody else has it. Never throws for what the upstream
 * does: the row says how it stands, and the tick comes back. A grant is ended after what it is needed to look for, a token that
 * dies with its grant is asked about after that, and one that is still being made is ended once it is known what was made.
 */
export async function settleRevocation(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<void> {
  const later = () => new Date(ctx.now().getTime() + waitMilliseconds)
  const claimed = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const row = await claimRevocation(tx, tenantId, id, ctx.now(), leaseSeconds)
    if (!row) return undefined
    if (row.kind === 'grant' && (await pendingOrphans(tx, tenantId, row.connectionId)).length > 0) {
      await awaitOthers(tx, tenantId, id, { for: 'cut_off_issue', nextTryAt: later() })
      return undefined
    }
    if (row.kind === 'token' && row.token?.status === 'issuing') {
      await awaitOthers(tx, tenantId, id, { for: 'issue_under_way', nextTryAt: later() })
      return undefined
    }
    const provider = await findProviderEver(tx, tenantId, row.providerId)
    if (kindOf(row, provider)?.endsWithGrant && (await hasPendingGrant(tx, tenantId, row.connectionId))) {
      await awaitOthers(tx, tenantId, id, { for: 'its_connection', nextTryAt: later() })
      return undefined
    }
    return { row, provider, connection: await findConnection(tx, tenantId, row.connectionId) }
  })
  if (!claimed) return
  const { row, provider, connection } = claimed
  try {
    const vault = await vaultOf(ctx, tenantId)
    const nothing = row.state === 'done' ? 'done' : 'impossible'
    if (!provider || !connection) return await finish(ctx, row, nothing, nothingLeft)
    if (row.kind === 'orphans') {
      const opened = await openProvider(ctx, vault, provider)
      const findable = kindOf(row, provider)?.findsOrphans ?? false
      const outcome = await endOrphans(ctx, { row, connection, vault, provider: opened, findable })
      if (outcome.state === 'later') return await postpone(ctx, row, outcome)
      return await finish(ctx, row, outcome.state, outcome.state === 'impossible' ? outcome.reason : null)
    }
    const target = await openTarget(vault, row, connection.userId)
    const unmade = row.kind === 'token' && row.state === 'pending' ? endOfUnmade(row.token) : undefined
    if (unmade) return await finish(ctx, row, unmade, null)
    if (!target) return await finish(ctx, row, nothing, nothingLeft)
    const opened = await openProvider(ctx, vault, provider)
    const tellsDead = configured(provider)?.kind.tellsDead ?? false
    return await endAndAsk(ctx, row, { provider: opened, target, tellsDead })
  } catch (error) {
    const reason = reasonOf(error)
    if (isOver(row, ctx.now())) return finish(ctx, row, row.state === 'done' ? 'done' : 'failed', reason)
    const wait = Math.max(
      Math.random() * Math.min(2 ** row.tries, 600),
      (isUpstreamError(error) && error.retryAfterSeconds) || 1,
    )
    const at = new Date(ctx.now().getTime() + wait * 1000)
    await postpone(ctx, row, { reason, at, ...(isUpstreamError(error) ? {} : { err: error }) })
  }
}

/** The kind as it is for a token's strategy. */
function kindOf({ token }: RevocationRow, provider: Parameters<typeof configured>[0] | undefined | null) {
  const made = provider && configured(provider)
  return made && sortOf(made.kind, token?.strategy ?? '')
}

function reasonOf(error: unknown): string {
  if (isUpstreamError(error)) return error.alive ? 'alive' : error.failure
  return error instanceof Error ? error.name : 'unknown'
}

/** Nobody waits longer for what only tells: revoking comes first. */
const lookMilliseconds = 3_000
/** What works still though it was said to be ended is given a moment before it is ended again. */
const aliveMilliseconds = 10_000
/** How often it is asked about what it said to have revoked, where it does not tell. */
const mostLooks = 8

/**
 * Ends what `target` names, and asks the upstream whether it is dead: its own 2xx is a promise, a refusal of what it let in before is a
 * proof (docs/decisions/0098). What is done already is asked about alone.
 * @throws UpstreamError also where it works still
 */
async function endAndAsk(
  ctx: Context,
  row: RevocationRow,
  { provider, target, tellsDead }: { provider: Provider; target: Target; tellsDead: boolean },
): Promise<void> {
  const { tenantId, id } = row
  const look = async (): Promise<Standing | undefined> => {
    const asked = provider.standing?.(target).catch((): Standing => 'untold')
    return asked && within(asked, lookMilliseconds, (): Standing => 'untold')
  }
  let isTold = tellsDead || row.seenAt !== null
  if (!isTold && (await look()) === 'works') {
    await asSystem(ctx, tenantId, 'job', (tx) => noteSeen(tx, tenantId, id, ctx.now()))
    isTold = true
  }
  if (row.state === 'pending') {
    const { state } = await provider.revoke(target)
    if (state !== 'done') return finish(ctx, row, state, null)
  }
  // Who tells at any time has been asked with the revocation itself.
  const standing = tellsDead && row.state === 'pending' ? 'untold' : await look()
  if (standing === 'dead' || (standing === 'refused' && isTold)) return finish(ctx, row, 'confirmed', null)
  if (standing === 'works') {
    if (row.state === 'pending') throw new UpstreamError('ambiguous', 'it works still', { alive: true })
    await asSystem(ctx, tenantId, 'job', (tx) =>
      reopenRevocation(tx, tenantId, id, new Date(+ctx.now() + aliveMilliseconds)),
    )
    return report(ctx, row, 'postponed', { reason: 'alive' })
  }
  const isAsked = standing === 'untold' && isTold && row.tries < mostLooks && !isOver(row, ctx.now())
  const later = isAsked ? new Date(ctx.now().getTime() + 60_000 * 2 ** row.tries) : undefined
  return finish(ctx, row, 'done', null, later)
}

/** How long an answer waits for the upstream; what is not settled by then is shown as pending and goes on. */
const settleMilliseconds = 5_000

/** Asks the upstream, a few at a time. */
export async function settleAll(ctx: Context, tenantId: string, ids: string[]): Promise<void> {
  const queue = [...ids]
  const worker = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) await settleRevocation(ctx, { tenantId, id })
  }
  await Promise.allSettled(Array.from({ length: 4 }, worker))
}

/** Goes on with `work` in the background, and waits for it for a while. */
export async function soon(ctx: Context, work: Promise<unknown>): Promise<void> {
  ctx.background('settle revocations', () => work)
  await within(work, settleMilliseconds, () => undefined)
}

/** Asks the upstream at once, and waits for a while. */
export const settleWithin = (ctx: Context, tenantId: string, ids: string[]): Promise<void> =>
  soon(ctx, settleAll(ctx, tenantId, ids))

const nothingLeft = 'no credential is left to revoke it with'

/**
 * Whether trying has no point any more: the token has ended by itself, or it was tried often. What a cut-off issue left is
 * looked for until its end, because nobody can name it for a retry by hand.
 */
function isOver({ kind, tries, token }: RevocationRow, now: Date): boolean {
  const end = token && latestMomentOf(token)
  if (end && end !== 'unknown' && end <= now) return true
  return kind !== 'orphans' && tries >= maximumTries
}

async function postpone(
  ctx: Context,
  row: RevocationRow,
  { reason, at, err }: { reason: string; at: Date; err?: unknown },
): Promise<void> {
  const { tenantId, id } = row
  const later = { lastError: reason, nextTryAt: at }
  await asSystem(ctx, tenantId, 'job', (tx) => postponeRevocation(tx, tenantId, id, later))
  report(ctx, row, 'postponed', { reason, ...(err === undefined ? {} : { err }) })
}

async function openTarget(vault: Vault, row: RevocationRow, userId: string): Promise<Target | undefined> {
  if (row.kind === 'grant') {
    const { handle } = row
    if (!handle) return undefined
    return { kind: 'grant', refreshToken: await vault.open(placeOfKept({ ...row, handle }, userId), handle) }
  }
  if (!row.token?.handle || !row.token.upstreamId) return undefined
  return {
    kind: 'token',
    upstreamId: row.token.upstreamId,
    handle: await vault.open(handlePlace(row.token), row.token.handle),
  }
}

/** What upstream work is about, for its event. */
export const aboutOf = ({ tokenId, connectionId }: Pick<RevocationRow, 'tokenId' | 'connectionId'>) =>
  tokenId ? ({ kind: 'token', id: tokenId } as const) : ({ kind: 'connection', id: connectionId } as const)

async function finish(
  ctx: Context,
  row: RevocationRow,
  state: 'done' | 'confirmed' | 'failed' | 'impossible',
  lastError: string | null,
  askedAgainAt?: Date,
): Promise<void> {
  const { tenantId, id } = row
  const isNews = row.state !== state
  const woken = await asSystem(ctx, tenantId, 'job', async (tx) => {
    // A failed one keeps what a retry by hand needs, until the token ends by itself; so does what is asked about again.
    const keep = (state === 'failed' && row.kind !== 'orphans') || askedAgainAt !== undefined
    const finishedAt = isNews ? ctx.now() : (row.finishedAt ?? ctx.now())
    await finishRevocation(tx, tenantId, id, { state, lastError, finishedAt, keep, nextTryAt: askedAgainAt })
    if (row.kind === 'token' && row.tokenId && !keep) await wipeHandle(tx, tenantId, row.tokenId)
    if (row.kind === 'orphans') {
      await wakeGrants(tx, tenantId, row.connectionId, ctx.now())
      if (row.tokenId && state === 'confirmed')
        await endIssuing(tx, tenantId, row.tokenId, { status: 'revoked', failure: 'cut_off' })
    }
    const woken = row.kind === 'grant' ? await wakeTokens(tx, tenantId, row.connectionId, ctx.now()) : []
    if (!isNews) return woken
    const target = aboutOf(row)
    const outcome = state === 'failed' ? 'failed' : 'ok'
    await record(
      tx,
      tenantId,
      ctx.now(),
      { userId: null },
      { action: 'revocation.finished', outcome, target, details: { state, tries: row.tries } },
    )
    return woken
  })
  if (isNews) report(ctx, row, state, lastError === null ? {} : { reason: lastError })
  for (const each of woken) await settleRevocation(ctx, { tenantId, id: each })
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
