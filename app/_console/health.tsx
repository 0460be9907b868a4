import type { ReactNode } from 'react'
import { Relink } from '@/app/_console/link.tsx'
import { ButtonLink, type ButtonProps } from '@/app/_ui/button.tsx'
import type { KeyValueItem } from '@/app/_ui/key-value.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { ConnectionView } from '@/lib/broker/inventory.ts'
import { type ConnectionRef, FreezeButton, TryNow } from './health-acts.tsx'
import { causeWords, healthWords, nextActOf, stillServes } from './words.ts'

/** What the health of a connection is told from. */
export type Health = Pick<
  ConnectionView,
  | 'status'
  | 'cause'
  | 'statusSince'
  | 'lastRefreshAt'
  | 'nextTryAt'
  | 'nextRenewalAt'
  | 'servesUntil'
  | 'grantExpiresAt'
>

/** `now`: ISO moment of the server's render. `reason`: why an admin froze it. */
type HealthProps = { health: Health; now: string; reason?: string | null }

const titles = {
  linked: 'Linked',
  degraded: 'The last renewal failed',
  uncertain: 'A renewal was interrupted',
  needs_relink: 'This connection must be linked again',
  frozen: 'Frozen by an admin',
  revoked: 'Disconnected',
} as const satisfies Record<Health['status'], string>

const tones = {
  linked: 'info',
  degraded: 'attention',
  uncertain: 'attention',
  needs_relink: 'error',
  frozen: 'frozen',
  revoked: 'info',
} as const satisfies Record<Health['status'], string>

/**
 * How a connection stands: cause, since when, what comes next, what still works. `short` is a sentence for a card,
 * `notice` also carries the one act. Nothing for a healthy one; {@link healthFacts} has the whole of it.
 */
export function ConnectionHealth(props: HealthProps & { form: 'short' | 'notice'; act?: ReactNode }) {
  const { health, now, form, reason, act } = props
  const words = healthWords(health)
  if (!words) return null
  if (form === 'short')
    return (
      <p className="text-muted">
        {words} <Began health={health} now={now} />
        <NextTry health={health} now={now} />. <Serving health={health} now={now} />
      </p>
    )
  return (
    <Notice
      tone={tones[health.status]}
      title={titles[health.status]}
      meaning={
        <>
          {words}
          {reason && ` Reason: ${reason}`}
        </>
      }
      next={
        <>
          <Began health={health} now={now} />
          <NextTry health={health} now={now} />. <Serving health={health} now={now} />
          {nextActOf(health) === 'reconnect' &&
            'Tokens that are out work until they end. Reconnecting keeps its id, alias, history and settings.'}
        </>
      }
      action={act}
    />
  )
}

/** The health of a connection, complete, as labels and values. */
export function healthFacts({ health, now, reason }: HealthProps): KeyValueItem[] {
  const { status, lastRefreshAt, nextTryAt, nextRenewalAt, grantExpiresAt } = health
  const ailing = nextActOf(health) === 'try'
  const item = (label: string, value: ReactNode, shown: unknown = true) => (shown ? [{ label, value }] : [])
  return [
    ...item('State', <StateBadge kind="connection" state={status} />),
    ...item('Cause', causeWords(health) ?? 'not recorded', status !== 'linked'),
    ...item('Reason', reason, reason),
    ...item('Since', <At at={health.statusSince} now={now} />),
    ...item(
      'Last good refresh',
      lastRefreshAt ? <At at={lastRefreshAt} now={now} /> : 'none yet, since it was linked',
      status !== 'revoked',
    ),
    ...item('Next try', nextTryAt && <Coming at={nextTryAt} now={now} />, ailing && nextTryAt),
    ...item(
      'Next renewal',
      nextRenewalAt && <Coming at={nextRenewalAt} now={now} />,
      status === 'linked' && nextRenewalAt,
    ),
    ...item('Works until', <WorksUntil health={health} now={now} />, ailing),
    ...item(
      'Grant ends',
      grantExpiresAt && (
        <>
          <At at={grantExpiresAt} now={now} />, unless it is renewed before
        </>
      ),
      grantExpiresAt && status !== 'revoked' && status !== 'needs_relink',
    ),
  ]
}

const At = ({ at, now }: { at: Date; now: string }) => <Time at={at.toISOString()} now={now} />

/** A moment ahead; what is due waits for the background's next round. */
const Coming = ({ at, now }: { at: Date; now: string }) => (
  <Countdown until={at.toISOString()} now={now} lead="in " ended="any moment now" />
)

const Began = ({ health, now }: { health: Health; now: string }) => (
  <>
    {nextActOf(health) === 'try' ? 'It began' : 'That was'} <At at={health.statusSince} now={now} />
  </>
)

function NextTry({ health, now }: { health: Health; now: string }) {
  if (nextActOf(health) !== 'try' || !health.nextTryAt) return null
  return (
    <>
      , next try <Coming at={health.nextTryAt} now={now} />
    </>
  )
}

/** What can still be had from an ailing connection. */
function Serving({ health, now }: { health: Health; now: string }) {
  if (nextActOf(health) !== 'try') return null
  if (!health.servesUntil || !stillServes(health, new Date(now))) return 'No token can be issued until it is renewed.'
  return (
    <>
      Tokens can still be issued: the access token stored here ends <At at={health.servesUntil} now={now} />.
    </>
  )
}

function WorksUntil({ health, now }: { health: Health; now: string }) {
  if (!health.servesUntil || !stillServes(health, new Date(now)))
    return 'over: no token can be issued until it is renewed'
  return (
    <>
      <Time at={health.servesUntil.toISOString()} form="exact" /> · <Coming at={health.servesUntil} now={now} />
    </>
  )
}

type ActProps = {
  tenant: string
  /** Where tokens are issued; null where the connection reaches no project. */
  projectId: string | null
  providerId: string
  connection: (Pick<ConnectionView, 'status'> & ConnectionRef) | null
  /** Who looks: its owner, somebody who works here, an admin. */
  own: boolean
  mayWork: boolean
  mayAdminister: boolean
  /** Whether `n` presses it. */
  first?: boolean
  size?: ButtonProps['size']
}

/** The one button that the state of a connection asks for, if the viewer may press it. */
export function NextAct(props: ActProps) {
  const { tenant, projectId, providerId, connection, own, mayWork, mayAdminister, first = false, size = 'sm' } = props
  const mine = own && mayWork
  switch (nextActOf(connection)) {
    case 'issue':
      return (
        mine &&
        projectId && <IssueLink tenant={tenant} projectId={projectId} variant="primary" size={size} first={first} />
      )
    case 'try':
      return connection && (mine || mayAdminister) && <TryNow tenant={tenant} connection={connection.id} size={size} />
    case 'reconnect':
      return (
        mine && (
          <Relink tenant={tenant} providerId={providerId} connectionId={connection?.id} label="Reconnect" size={size} />
        )
      )
    case 'lift':
      if (!connection || !mayAdminister)
        return <span className="flex min-h-8 items-center">Ask an admin to lift it.</span>
      return <FreezeButton tenant={tenant} connection={connection} frozen variant="primary" size={size} />
    case 'link':
      return (
        mine && (
          <Relink
            tenant={tenant}
            providerId={providerId}
            connectionId={connection?.id}
            label="Link"
            variant="secondary"
            size={size}
          />
        )
      )
  }
}

type IssueLinkProps = Pick<ButtonProps, 'variant' | 'size'> & { tenant: string; projectId: string; first?: boolean }

/** To the form that makes a token. */
export function IssueLink({ tenant, projectId, variant, size, first = false }: IssueLinkProps) {
  return (
    <ButtonLink
      variant={variant}
      size={size}
      href={`/t/${tenant}/projects/${projectId}/issue`}
      data-shortcut={first ? 'issue-token' : undefined}
    >
      Issue token
    </ButtonLink>
  )
}
