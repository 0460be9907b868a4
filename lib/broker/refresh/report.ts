import type { Context } from '../../context.ts'
import type { UpstreamFailure } from '../../providers/provider.ts'
import type { ConnectionRow } from '../../store/connections.ts'
import type { ProviderRow } from '../../store/providers.ts'

/**
 * How a refresh ended. A failure is the upstream's; `lost`: refused after an earlier rotation whose end is unknown;
 * `superseded`: somebody else's result stands; `unreadable`: what is stored does not open, so nothing was sent;
 * `identity_changed`: the upstream vouches for another person now (RR-10);
 * `unstored`: it failed here, perhaps with a rotated token that could not be kept.
 */
export type RefreshOutcome =
  | 'succeeded'
  | 'superseded'
  | 'revoked_meanwhile'
  | 'identity_changed'
  | 'lost'
  | 'unreadable'
  | 'unstored'
  | UpstreamFailure

/** What heals by itself is a warning; what needs an operator is an alarm; the rest is how things go. */
const warnings: ReadonlySet<RefreshOutcome> = new Set(['unreached', 'ambiguous', 'protocol', 'rejected'])
const alarms: ReadonlySet<RefreshOutcome> = new Set([
  'misconfigured',
  'identity_changed',
  'lost',
  'unreadable',
  'unstored',
])

/** Exactly one count and one log line for each refresh that was begun. */
export function reportRefresh(
  { metrics, log, now }: Pick<Context, 'metrics' | 'log' | 'now'>,
  connection: Pick<ConnectionRow, 'tenantId' | 'id' | 'linkedAt' | 'lastRefreshAt'> & {
    provider: Pick<ProviderRow, 'kind'>
  },
  outcome: RefreshOutcome,
): void {
  const { kind } = connection.provider
  const { linkedAt, lastRefreshAt } = connection
  const since = Math.max(linkedAt.getTime(), lastRefreshAt?.getTime() ?? 0)
  const ageSeconds = Math.max(0, Math.round((now().getTime() - since) / 1000))
  metrics.refreshes.inc({ kind, outcome })
  if (outcome === 'succeeded') metrics.refreshAge.observe({ kind }, ageSeconds)
  const line = { tenant: connection.tenantId, connection: connection.id, kind, outcome, ageSeconds }
  if (alarms.has(outcome)) log.error({ ...line, alarm: true }, 'refresh')
  else if (warnings.has(outcome)) log.warn(line, 'refresh')
  else log.info(line, 'refresh')
}
