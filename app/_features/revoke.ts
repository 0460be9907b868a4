'use client'
import type { UpstreamState } from '@/app/_ui/state-badge.tsx'
import type { Paths } from '@/lib/client/index.ts'
import { client, type Sent, send } from './client.ts'

/** What a revocation came to for one thing, as the API tells it: the three truths. */
export type Outcome = {
  kind: WireItem['kind']
  id: string
  already: boolean
  /** It had already expired: there was nothing to revoke. */
  over: boolean
  upstream: UpstreamState | null
  lastError: string | null
  /** ISO, `unknown`, or null: it is over. */
  latestMoment: string | null
}

/** Revokes tokens, disconnects connections, ends devices, apps and sessions, and withdraws requests in one act. */
export async function revoke(
  tenant: string,
  target: { [Kind in RevocableFilter['kind']]?: string[] } & { reason?: string },
): Promise<Sent<Outcome[]>> {
  const sent = await post(tenant, target)
  return sent.ok ? { ok: true, data: sent.data.items.map(toOutcome) } : sent
}

const post = (tenant: string, body: WireRevocation) =>
  send(client.POST('/api/v1/tenants/{tenant}/revocations', { params: { path: { tenant } }, body }))

type WirePath = '/api/v1/tenants/{tenant}/revocations'
type WireRevocation = Paths[WirePath]['post']['requestBody']['content']['application/json']
type WirePreview = Paths[`${WirePath}/preview`]['get']
type WireItem = Paths[WirePath]['post']['responses'][200]['content']['application/json']['items'][number]

const toOutcome = (item: WireItem): Outcome => ({
  kind: item.kind,
  id: item.id,
  already: item.already,
  over: item.over,
  upstream: item.upstream,
  lastError: item.last_error,
  latestMoment: item.latest_moment,
})

/** What a list is filtered by, as the API takes it. */
export type RevocableFilter = WirePreview['parameters']['query']
/** What revoking everything that a filter matches would reach, and as of when. */
export type Preview = WirePreview['responses'][200]['content']['application/json']

export const previewAll = (tenant: string, filter: RevocableFilter): Promise<Sent<Preview>> =>
  send(client.GET('/api/v1/tenants/{tenant}/revocations/preview', { params: { path: { tenant }, query: filter } }))

/** Revokes everything that a preview counted; the act tells how it goes on. */
export const revokeAll = (
  tenant: string,
  filter: RevocableFilter,
  { as_of, count }: Pick<Preview, 'as_of' | 'count'>,
  reason: string,
) =>
  send(
    client.POST('/api/v1/tenants/{tenant}/revocation-acts', {
      params: { path: { tenant } },
      body: { ...filter, as_of, count, ...(reason && { reason }) },
    }),
  )

/** Freezes everything that a filter matches: with ids those alone. Refused where another number matches by now. */
export const freezeAll = (
  tenant: string,
  filter: RevocableFilter & { kind: 'connections' | 'grants'; ids?: string[] },
  { as_of, count }: Pick<Preview, 'as_of' | 'count'>,
  { reason, until }: { reason: string; until: string | undefined },
) =>
  send(
    client.POST('/api/v1/tenants/{tenant}/freezes/selection', {
      params: { path: { tenant } },
      body: { ...filter, as_of, count, ...(reason && { reason }), ...(until && { until }) },
    }),
  )

const words: Record<UpstreamState, string> = {
  pending: 'not yet revoked upstream, we keep trying',
  done: 'revoked upstream',
  confirmed: 'revoked upstream and confirmed',
  failed: 'the upstream did not revoke it',
  impossible: 'this upstream cannot revoke it',
  none: 'every request with it is refused',
}

/** One outcome in a line: "blocked here, revoked upstream". */
export function outcomeLine({ already, over, upstream }: Pick<Outcome, 'already' | 'over' | 'upstream'>): string {
  if (already) return 'already revoked'
  if (over) return 'it had already expired'
  return ['blocked here', upstream && words[upstream]].filter(Boolean).join(', ')
}
