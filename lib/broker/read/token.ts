import { type Actor, ownUnless, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { configured, kinds, type RightsView, readRights, rowFor } from '../../providers/index.ts'
import type { Strategy } from '../../providers/kind.ts'
import type { Rights } from '../../providers/provider.ts'
import { sortOf } from '../../providers/rules.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { frozenTokens } from '../../store/freezes.ts'
import { isCheckedByApis, type RevocationState } from '../../store/revocations.ts'
import { lookUp } from '../../store/search.ts'
import type { Given } from '../../store/selections.ts'
import {
  countTokens,
  findToken,
  listTokens,
  type TokenFacts,
  type TokenFilter,
  type TokenRow,
} from '../../store/tokens.ts'
import { type FrozenView, toFrozenView } from '../freezes.ts'
import { countLimit, type Page, type PageInput, pageSize, placing, toPage } from './page.ts'

/** An issue takes seconds. One that is older was cut off, and nothing more can come of it upstream. */
export const cutOffMilliseconds = 2 * 60_000

/** `none`: it worked through us alone, so there is nothing at the upstream. */
export type UpstreamTruth = RevocationState | 'none'

/** The three truths of a revocation (docs/decisions/0013): what we refuse, what the upstream did, and until when it might work. */
export type RevocationView = {
  /** Since when we no longer issue, renew or vouch. */
  blockedAt: Date
  upstream: UpstreamTruth
  /** When the upstream was seen to refuse it; null: it was not. */
  provedAt: Date | null
  /** Why the upstream work is not done yet, as a word. */
  lastError: string | null
  tries: number
  nextTryAt: Date | null
  /** The latest moment the token could still work; null once the upstream was seen to refuse it. */
  latestMoment: Date | 'unknown' | null
}

export type TokenState = 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'

/** What people see of an issued token: never the value, never what revoking it needs. */
export type TokenView = {
  id: string
  fingerprint: string | null
  ownerId: string
  /** `isRemoved`: an audience that was taken away, which nobody finds any more. */
  project: { id: string; name: string; alias: string; isRemoved: boolean }
  provider: { id: string; name: string; kind: string }
  /** Null: it needs none (strategy `sign`). */
  connectionId: string | null
  /** The program that asked for it with what its owner gave it; null: they asked themselves. */
  program: { clientId: string; name: string; grantId: string | null } | null
  purpose: string
  strategy: Strategy
  /** Of strategy `proxy`: it works at the gateway for MCP servers, with tools by name, in place of the proxy. */
  atGateway: boolean
  state: TokenState
  /** Whether it can be ended before its own end; an upstream may have no way to. */
  endsAlone: boolean
  /** It dies with its connection, where that is ended upstream. */
  endsWithGrant: boolean
  /** It is verified without us, so nothing that is done here ends it before its end. */
  offline: boolean
  /**
   * What stops its use for now, of one that lives and works through us. Null: nothing, or its value is used at the upstream,
   * where no freeze reaches.
   */
  frozen: FrozenView | null
  /** Thumbprint of the key that it is bound to; null: to none. */
  dpopJkt: string | null
  /** As the kind of its provider has them. */
  asked: Rights
  /** From what came back, never from what was sent. */
  granted: Rights | null
  /** The same for people. */
  rights: RightsView
  /** Rights that were asked and not granted, in words (K-22). */
  notGranted: string[]
  failure: string | null
  createdAt: Date
  /** When it ends at the upstream. */
  expiresAt: Date
  /** When we revoke it, where the upstream gave it a longer life than was asked. */
  revokeAt: Date | null
  /** The upstream ends it with the next refresh of its connection, so that no other can be made beside it. */
  exclusive: boolean
  /** Null: not reported. */
  lastUsedAt: Date | null
  revokedBy: string | null
  revocation: RevocationView | null
}

export function toTokenView(row: TokenFacts, now: Date, frozen: FrozenView | null = null): TokenView {
  const { provider } = row.project
  const rights = readRights(rowFor(provider, row.project), {
    asked: row.scopesAsked,
    granted: row.scopesGranted,
    strategy: row.strategy,
  })
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    ownerId: row.userId,
    project: {
      id: row.project.id,
      name: row.project.name,
      alias: row.project.alias,
      isRemoved: row.project.removedAt !== null,
    },
    provider: { id: provider.id, name: provider.name, kind: provider.kind },
    connectionId: row.connectionId,
    program: row.client && { clientId: row.client.id, name: row.client.name, grantId: row.grantId },
    purpose: row.purpose,
    strategy: row.strategy as Strategy,
    atGateway: row.strategy === 'proxy' && kinds.get(provider.kind)?.gateway !== undefined,
    state: stateOf(row, now),
    ...endsOf(row),
    offline: row.offline,
    dpopJkt: row.proofKey,
    frozen,
    ...rights,
    failure: row.failure,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    revokeAt: row.revokeAt,
    exclusive: row.exclusive,
    lastUsedAt: row.lastUsedAt,
    revokedBy: row.revokedBy,
    revocation: toRevocationView(row),
  }
}

/** How it can be ended. What works through us ends when we say so; of what nobody here can read nothing is promised. */
function endsOf(row: TokenFacts): Pick<TokenView, 'endsAlone' | 'endsWithGrant'> {
  if (row.secretHash) return { endsAlone: worksThroughUs(row), endsWithGrant: false }
  const made = configured(rowFor(row.project.provider, row.project))
  if (!made) return { endsAlone: true, endsWithGrant: false }
  const { endsTokens, endsWithGrant = false } = sortOf(made.kind, row.strategy)
  return { endsAlone: endsTokens(made.settings), endsWithGrant }
}

/** Tokens as their viewer may see them, freezes included. */
export async function toTokenViews(tx: ReadTx, actor: Actor, rows: TokenFacts[], now: Date): Promise<TokenView[]> {
  const ours = rows.filter((row) => worksThroughUs(row) && stateOf(row, now) === 'live')
  const facts = await frozenTokens(
    tx,
    actor.tenantId,
    ours.map(({ id }) => id),
  )
  return rows.map((row) => toTokenView(row, now, toFrozenView(facts.get(row.id), actor)))
}

/** Whoever takes it asks us first, each time. */
const worksThroughUs = ({ secretHash, offline }: TokenRow) => secretHash !== null && !offline

function stateOf({ status, expiresAt, generation }: TokenRow, now: Date): TokenState {
  if (status === 'revoked' || status === 'failed') return status
  if (generation > 0) return 'revoked'
  if (expiresAt <= now) return 'ended'
  return status === 'live' ? 'live' : 'issuing'
}

/** Of several pieces of upstream work the one that is furthest from dead tells how the token stands. */
const furthestFirst: RevocationState[] = ['pending', 'failed', 'impossible', 'done', 'confirmed']

function toRevocationView(row: TokenFacts): RevocationView | null {
  const { revokedAt, createdAt, revocations } = row
  // Of ours. Where each use asks us there is nothing upstream, and no moment after this one; where verifiers do not ask, nobody
  // can tell them, and it works until its end.
  if (row.secretHash) {
    const stops = worksThroughUs(row)
      ? { upstream: 'none' as const, latestMoment: null }
      : { upstream: 'impossible' as const, latestMoment: row.expiresAt }
    return revokedAt && { blockedAt: revokedAt, provedAt: null, lastError: null, tries: 0, nextTryAt: null, ...stops }
  }
  const [work] = revocations.toSorted(
    (a, b) => furthestFirst.indexOf(a.state as RevocationState) - furthestFirst.indexOf(b.state as RevocationState),
  )
  if (work) {
    const upstream = work.state as RevocationState
    const { lastError, tries, nextTryAt } = work
    const latestMoment = upstream === 'confirmed' && !isCheckedByApis(row.strategy) ? null : latestMomentOf(row)
    const provedAt = upstream === 'confirmed' ? work.finishedAt : null
    return { blockedAt: revokedAt ?? createdAt, upstream, provedAt, lastError, tries, nextTryAt, latestMoment }
  }
  // Revoked while it was being made, and without work of its own: its completion ends it, or the job that looks for what
  // was cut off. Once that is over nothing is pending; where nothing was made there was nothing to revoke.
  const upstream = row.status === 'issuing' ? 'pending' : endsOfCutOff[row.failure ?? '']
  if (!revokedAt || !upstream) return null
  const latestMoment = upstream === 'confirmed' ? null : latestMomentOf(row)
  return {
    blockedAt: revokedAt,
    upstream,
    provedAt: null,
    lastError: null,
    tries: 0,
    nextTryAt: row.nextTryAt,
    latestMoment,
  }
}

const endsOfCutOff: Record<string, 'confirmed' | 'impossible'> = {
  cut_off: 'confirmed',
  ended_by_itself: 'impossible',
  unseen: 'impossible',
}

/** How the end of a token stands that was ended while it was made, and that nobody has named since; undefined: somebody has. */
export const endOfUnmade = (row: TokenRow | null) =>
  row && !row.upstreamId && !row.secretHash ? endsOfCutOff[row.failure ?? ''] : undefined

/** The end of what a cut-off issue may have made counts from when the upstream was asked, which nobody recorded. */
export const latestMomentOf = ({ upstreamId, expiresAt, endless }: TokenRow): Date | 'unknown' =>
  endless ? 'unknown' : upstreamId ? expiresAt : new Date(expiresAt.getTime() + cutOffMilliseconds)

/** Tokens, newest first unless `order` says otherwise of living ones; a member's own, everybody's for who oversees the tenant (`everybody`). */
export async function tokenPage(
  ctx: Context,
  actor: Actor,
  { everybody = false, order, before, ...filter }: Given<TokenFilter> & PageInput,
): Promise<Page<TokenView>> {
  if (everybody) requirePermission(actor, 'oversee')
  const named = everybody ? filter : { ...filter, userId: actor.userId }
  const { place, textOf } = placing<TokenRow>({ order, before }, (row, by) =>
    by === 'ends' ? row.expiresAt : row.lastUsedAt,
  )
  const page = await readTenant(ctx, actor.tenantId, async (tx) => {
    const now = ctx.now()
    const selection = { filter: await lookUp(tx, actor.tenantId, named), asOf: now }
    const rows = await listTokens(tx, actor.tenantId, selection, { ...place, take: pageSize + 1 })
    const counted = await countTokens(tx, actor.tenantId, selection, countLimit + 1)
    return toPage(await toTokenViews(tx, actor, rows, now), counted, (at) => textOf(rows[at]))
  })
  if (everybody) await noteRead(ctx, actor, 'listTokens', filter.userId)
  return page
}

/** @throws BrokerError not_found, for another member's token as well unless the viewer oversees the tenant */
export async function readToken(ctx: Context, actor: Actor, id: string): Promise<TokenView> {
  const of = ownUnless(actor, 'oversee')
  const token = await readTenant(ctx, actor.tenantId, async (tx) => {
    const row = await findToken(tx, actor.tenantId, id, of)
    const [view] = await toTokenViews(tx, actor, row ? [row] : [], ctx.now())
    return view
  })
  if (!token) throw new BrokerError('not_found')
  if (token.ownerId !== actor.userId) await noteRead(ctx, actor, 'readToken', id)
  return token
}
