import type { TokenScopes } from '../providers/provider.ts'
import type { RevocationState } from '../store/revocations.ts'
import type { TokenWithRelations } from '../store/tokens.ts'

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
  latestMoment: Date | null
}

export type TokenState = 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'

/** What people see of an issued token: never the value, never what revoking it needs. */
export type TokenView = {
  id: string
  fingerprint: string | null
  ownerId: string
  project: { id: string; name: string; alias: string }
  /** `baseUrl`: where the token is for. */
  provider: { id: string; name: string; kind: string; baseUrl: string }
  connectionId: string
  purpose: string
  strategy: 'mint' | 'exchange' | 'narrow' | 'sign'
  state: TokenState
  asked: TokenScopes
  /** From what came back, never from what was sent. */
  granted: TokenScopes | null
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

/** Rights that were asked and are missing in what was granted. */
export function missingScopes(asked: TokenScopes, granted: TokenScopes): string[] {
  return [
    ...asked.components
      .filter((component) => !granted.components.includes(component))
      .map((component) => `component ${component}`),
    ...Object.entries(asked.buckets)
      .filter(([bucket, right]) => granted.buckets[bucket] !== right && granted.buckets[bucket] !== 'write')
      .map(([bucket, right]) => `${right} ${bucket}`),
    ...(asked.manageBuckets && !granted.manageBuckets ? ['manage buckets'] : []),
    ...(asked.readAllFiles && !granted.readAllFiles ? ['read all files'] : []),
  ]
}

export function toTokenView(row: TokenWithRelations, now: Date): TokenView {
  const asked = row.scopesAsked as TokenScopes
  const granted = row.scopesGranted as TokenScopes | null
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    ownerId: row.userId,
    project: { id: row.project.id, name: row.project.name, alias: row.project.alias },
    provider: {
      id: row.connection.provider.id,
      name: row.connection.provider.name,
      kind: row.connection.provider.kind,
      baseUrl: row.connection.provider.issuer,
    },
    connectionId: row.connectionId,
    purpose: row.purpose,
    strategy: row.strategy as TokenView['strategy'],
    state: stateOf(row, now),
    asked,
    granted,
    notGranted: granted ? missingScopes(asked, granted) : [],
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

function toRevocationView({ revokedAt, createdAt, expiresAt, revocations }: TokenWithRelations): RevocationView | null {
  const [work] = revocations
  if (!work)
    return revokedAt
      ? {
          blockedAt: revokedAt,
          upstream: 'pending',
          lastError: null,
          tries: 0,
          nextTryAt: null,
          latestMoment: expiresAt,
        }
      : null
  const upstream = work.state as RevocationState
  return {
    blockedAt: revokedAt ?? createdAt,
    upstream,
    lastError: work.lastError,
    tries: work.tries,
    nextTryAt: work.nextTryAt,
    latestMoment: upstream === 'confirmed' ? null : expiresAt,
  }
}
