import type { KeyValueItem } from '@/app/_ui/key-value.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { RevocationView, TokenView } from '@/lib/broker/read/token.ts'
import { failureWords, plural, signedTruth, upstreamTruth } from './words.ts'

/** Reasons that say more than that a try failed. */
const told = new Set(['alive', 'its_connection'])

/** The three truths of a revocation (docs/decisions/0013), never blurred into one "revoked". */
export function truths(
  revocation: RevocationView,
  now: string,
  by: string | null,
  strategy: TokenView['strategy'],
): KeyValueItem[] {
  const { blockedAt, upstream, provedAt, lastError, tries, nextTryAt, latestMoment } = revocation
  return [
    {
      label: 'Blocked here',
      value: (
        <>
          <Time at={blockedAt.toISOString()} now={now} />
          {by && ` by ${by}`}. Valetkey no longer issues, renews or accepts it.
          {upstream !== 'none' && ' This alone does not stop a copy that someone holds.'}
        </>
      ),
    },
    {
      label: 'Revoked upstream',
      value: (
        <span className="flex flex-col items-start gap-1">
          <StateBadge kind="upstream" state={upstream} />
          <span>
            {strategy === 'sign' && (upstream === 'none' || upstream === 'impossible')
              ? signedTruth[upstream]
              : upstreamTruth[upstream]}
            {provedAt && (
              <>
                {' '}
                Seen dead <Time at={provedAt.toISOString()} now={now} />.
              </>
            )}
            {upstream === 'done' && nextTryAt && ' We ask it again whether the token is dead.'}
            {upstream === 'pending' && lastError && told.has(lastError) && ` ${failureWords(lastError)}`}
            {upstream === 'pending' && tries > 0 && ` Tried ${plural(tries, 'time')}`}
            {upstream === 'pending' &&
              lastError &&
              !told.has(lastError) &&
              ` (last: ${lastError.replaceAll('_', ' ')})`}
            {upstream === 'pending' && tries > 0 && '.'}
            {upstream === 'pending' && nextTryAt && (
              <>
                {' '}
                Next retry <Time at={nextTryAt.toISOString()} now={now} />.
              </>
            )}
          </span>
        </span>
      ),
    },
    {
      label: 'Latest time it could still work',
      value:
        upstream === 'none' ? (
          strategy === 'sign' ? (
            'Over: Valetkey tells every API that asks.'
          ) : (
            'Over: every request with it is refused.'
          )
        ) : latestMoment === null ? (
          'Over: we confirmed that the upstream refuses it.'
        ) : latestMoment === 'unknown' ? (
          'Unknown: the upstream set no expiry.'
        ) : latestMoment <= new Date(now) ? (
          <>
            Over: it expired <Time at={latestMoment.toISOString()} now={now} />.
          </>
        ) : (
          <>
            <Time at={latestMoment.toISOString()} form="exact" />, <Time at={latestMoment.toISOString()} now={now} />,
            when it expires
            {upstream === 'confirmed' && ': an API that checks its signature alone asks nobody'}.
          </>
        ),
    },
  ]
}
