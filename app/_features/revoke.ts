'use client'
import type { UpstreamState } from '@/app/_ui/state-badge.tsx'
import { client, type Sent, send } from './client.ts'

/** What a revocation came to for one thing, as the API tells it: the three truths. */
export type Outcome = {
  kind: 'token' | 'connection'
  id: string
  already: boolean
  /** It had already expired: there was nothing to revoke. */
  over: boolean
  upstream: UpstreamState | null
  lastError: string | null
  /** ISO, `unknown`, or null: it is over. */
  latestMoment: string | null
}

/** Revokes tokens and disconnects connections in one act. */
export async function revoke(
  tenant: string,
  target: { tokens?: string[]; connections?: string[]; reason?: string },
): Promise<Sent<Outcome[]>> {
  const sent = await send(
    client.POST('/api/v1/tenants/{tenant}/revocations', { params: { path: { tenant } }, body: target }),
  )
  if (!sent.ok) return sent
  const data = sent.data.items.map((item) => ({
    kind: item.kind,
    id: item.id,
    already: item.already,
    over: item.over,
    upstream: item.upstream,
    lastError: item.last_error,
    latestMoment: item.latest_moment,
  }))
  return { ok: true, data }
}

const words: Record<UpstreamState, string> = {
  pending: 'not yet revoked upstream, we keep trying',
  done: 'revoked upstream',
  confirmed: 'revoked upstream and confirmed',
  failed: 'the upstream did not revoke it',
  impossible: 'this upstream cannot revoke it',
}

/** One outcome in a line: "blocked here, revoked upstream". */
export function outcomeLine({ already, over, upstream }: Pick<Outcome, 'already' | 'over' | 'upstream'>): string {
  if (already) return 'already revoked'
  if (over) return 'it had already expired'
  return ['blocked here', upstream && words[upstream]].filter(Boolean).join(', ')
}
