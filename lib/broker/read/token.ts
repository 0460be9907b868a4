import { type RightsView, readRights } from '../../providers/index.ts'
import type { Strategy } from '../../providers/kind.ts'
import type { Rights } from '../../providers/provider.ts'
import type { RevocationState } from '../../store/revocations.ts'
import type { TokenRow, TokenWithRelations } from '../../store/tokens.ts'

/** An issue takes seconds. One that is older was cut off, and nothing more can come of it upstream. */
export const cutOffMilliseconds = 2 * 60_000

/** The three truths of a revocation (product.md): what we refuse, what the upstream did, and until when it might work. */
export type RevocationView = {
  /** Since when we no longer issue, renew or vouch. */
  blockedAt: Date
  upstream: RevocationState
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
  project: { id: string; name: string; alias: string }
  provider: { id: string; name: string; kind: string }
  connectionId: string
  purpose: string
  strategy: Strategy
  state: TokenState
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
  expiresAt: Date
  /** Null: not reported. */
  lastUsedAt: Date | null
  revokedBy: string | null
  revocation: RevocationView | null
}

export function toTokenView(row: TokenWithRelations, now: Date): TokenView {
  const { provider } = row.connection
  const rights = readRights(provider.kind, { asked: row.scopesAsked, granted: row.scopesGranted })
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    ownerId: row.userId,
    project: { id: row.project.id, name: row.project.name, alias: row.project.alias },
    provider: { id: provider.id, name: provider.name, kind: provider.kind },
    connectionId: row.connectionId,
    purpose: row.purpose,
    strategy: row.strategy as Strategy,
    state: stateOf(row, now),
    ...rights,
    failure: row.failure,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    lastUsedAt: row.lastUsedAt,
    revokedBy: row.revokedBy,
    revocation: toRevocationView(row),
  }
}

function stateOf({ status, expiresAt, generation }: TokenWithRelations, now: Date): TokenState {
  if (status === 'revoked' || status === 'failed') return status
  if (generation > 0) return 'revoked'
  if (expiresAt <= now) return 'ended'
  return status === 'live' ? 'live' : 'issuing'
}

/** Of several pieces of upstream work the one that is furthest from dead tells how the token stands. */
const furthestFirst: RevocationState[] = ['pending', 'failed', 'impossible', 'done', 'confirmed']

function toRevocationView(row: TokenWithRelations): RevocationView | null {
  const { revokedAt, createdAt, revocations } = row
  const [work] = revocations.toSorted(
    (a, b) => furthestFirst.indexOf(a.state as RevocationState) - furthestFirst.indexOf(b.state as RevocationState),
  )
  if (work) {
    const upstream = work.state as RevocationState
    const { lastError, tries, nextTryAt } = work
    const latestMoment = upstream === 'confirmed' ? null : latestMomentOf(row)
    return { blockedAt: revokedAt ?? createdAt, upstream, lastError, tries, nextTryAt, latestMoment }
  }
  // Revoked while it was being made, and without work of its own: its completion ends it, or the job that looks for what
  // was cut off. Once that is over nothing is pending; where nothing was made there was nothing to revoke.
  const upstream = row.status === 'issuing' ? 'pending' : endsOfCutOff[row.failure ?? '']
  if (!revokedAt || !upstream) return null
  const latestMoment = upstream === 'confirmed' ? null : latestMomentOf(row)
  return { blockedAt: revokedAt, upstream, lastError: null, tries: 0, nextTryAt: row.nextTryAt, latestMoment }
}

const endsOfCutOff: Record<string, RevocationState> = { cut_off: 'confirmed', ended_by_itself: 'impossible' }

/** The end of what a cut-off issue may have made counts from when the upstream was asked, which nobody recorded. */
export const latestMomentOf = ({ upstreamId, expiresAt, endless }: TokenRow): Date | 'unknown' =>
  endless ? 'unknown' : upstreamId ? expiresAt : new Date(expiresAt.getTime() + cutOffMilliseconds)
