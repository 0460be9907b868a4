import type { ReactNode } from 'react'
import { LinkInPopup } from '@/app/_features/connect-all.tsx'
import { Relink } from '@/app/_features/link.tsx'
import { ButtonLink, type ButtonProps } from '@/app/_ui/button.tsx'
import type { KeyValueItem } from '@/app/_ui/key-value.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { type ConnectionState, StateBadge } from '@/app/_ui/state-badge.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'
import { FreezeButton } from './freeze.tsx'
import { type ConnectionRef, freezeTargetOf } from './freeze-target.ts'
import { TryNow } from './health-acts.tsx'
import { causeWords, freezeMeans, frozenWords, healthWords, nextActOf, shownState, stillServes } from './words.ts'

/** What the health of a connection is told from. */
export type Health = Pick<
  ConnectionView,
  | 'status'
  | 'cause'
  | 'frozen'
  | 'statusSince'
  | 'lastRefreshAt'
  | 'nextTryAt'
  | 'nextRenewalAt'
  | 'servesUntil'
  | 'grantExpiresAt'
  | 'grantFixed'
>

/** `now`: ISO moment of the server's render. `frozenBy`: who froze it, for those who may know. */
type HealthProps = { health: Health; now: string; frozenBy?: string | null }

const titles = {
  linked: 'Linked',
  degraded: 'The last renewal failed',
  uncertain: 'A renewal was interrupted',
  needs_relink: 'This connection must be reconnected',
  frozen: 'Frozen by an admin',
  revoked: 'Disconnected',
} as const satisfies Record<ConnectionState, string>

const tones = {
  linked: 'info',
  degraded: 'attention',
  uncertain: 'attention',
  needs_relink: 'error',
  frozen: 'frozen',
  revoked: 'info',
} as const satisfies Record<ConnectionState, string>

/**
 * How a connection stands: cause, since when, what comes next, what still works. `short` is a sentence for a card,
 * `notice` also carries the one act. Nothing for a healthy one; {@link healthFacts} has the whole of it.
 */
export function ConnectionHealth(props: HealthProps & { form: 'short' | 'notice'; act?: ReactNode }) {
  const { health, now, form, frozenBy, act } = props
  if (health.frozen) return <FrozenNotice form={form} frozen={health.frozen} by={frozenBy} now={now} act={act} />
  const words = healthWords(health)
  if (!words) return null
  if (form === 'short')
    return (
      <p className="wrap-anywhere text-muted">
        {words} <Began health={health} now={now} />
        <NextTry health={health} now={now} />. <Serving health={health} now={now} />
      </p>
    )
  return (
    <Notice
      tone={tones[health.status]}
      title={titles[health.status]}
      meaning={words}
      next={
        <>
          <Began health={health} now={now} />
          <NextTry health={health} now={now} />. <Serving health={health} now={now} />
          {nextActOf(health) === 'reconnect' &&
            'Tokens that work directly at the upstream keep working until they expire; those through Valetkey wait. Reconnecting keeps the id, alias, history and settings.'}
        </>
      }
      action={act}
    />
  )
}

type FrozenProps = {
  frozen: NonNullable<Health['frozen']>
  now: string
  /** What is frozen, where it is told of something else than a connection. */
  what?: string | undefined
  /** Who froze it, for those who may know. */
  by?: string | null | undefined
  form?: 'short' | 'notice'
  act?: ReactNode
}

/** Something that is frozen: what, since when and by whom, why, until when, and what that does not stop. */
export function FrozenNotice({ frozen, now, what, by, form = 'notice', act }: FrozenProps) {
  const { kind, at, reason, until } = frozen
  const words = what ?? frozenWords[kind]
  const since = at && (
    <>
      Since <At at={at} now={now} />
      {by && ` by ${by}`}.{' '}
      {until ? (
        <>
          It ends <At at={until} now={now} />.
        </>
      ) : (
        'It stays until someone lifts it.'
      )}
    </>
  )
  if (form === 'short')
    return (
      <p className="wrap-anywhere text-muted">
        {words} {reason && `Reason: ${reason} `}
        {since}
      </p>
    )
  return (
    <Notice
      tone="frozen"
      title={kind === 'membership' ? 'Suspended' : titles.frozen}
      meaning={
        <>
          {words} {freezeMeans}
          {reason && ` Reason: ${reason}`}
        </>
      }
      next={since}
      action={act}
    />
  )
}

/** The health of a connection, complete, as labels and values. */
export function healthFacts({ health, now, frozenBy }: HealthProps): KeyValueItem[] {
  const { status, frozen, lastRefreshAt, nextTryAt, nextRenewalAt, grantExpiresAt } = health
  const ailing = nextActOf(health) === 'try'
  const item = (label: string, value: ReactNode, shown: unknown) => (shown ? [{ label, value }] : [])
  return [
    ...item('State', <StateBadge kind="connection" state={shownState(health)} />, true),
    ...item('Cause', causeWords(health) ?? 'not recorded', frozen || status !== 'linked'),
    ...item('Reason', frozen?.reason, frozen?.reason),
    ...item('Frozen by', frozenBy, frozen && frozenBy),
    ...item('Frozen since', frozen?.at && <At at={frozen.at} now={now} />, frozen?.at),
    ...item('Freeze ends', frozen?.until ? <At at={frozen.until} now={now} /> : 'when someone lifts it', frozen?.at),
    ...item('State without the freeze', <StateBadge kind="connection" state={status} />, frozen),
    ...item('Since', <At at={health.statusSince} now={now} />, true),
    ...item(
      'Last successful renewal',
      lastRefreshAt ? <At at={lastRefreshAt} now={now} /> : 'none since it was linked',
      status !== 'revoked',
    ),
    ...item('Next retry', nextTryAt && <Coming at={nextTryAt} now={now} />, ailing && nextTryAt),
    ...item(
      'Next renewal',
      nextRenewalAt && <Coming at={nextRenewalAt} now={now} />,
      status === 'linked' && nextRenewalAt && !frozen,
    ),
    ...item('Works until', <WorksUntil health={health} now={now} />, ailing),
    ...item(
      'Grant expires',
      grantExpiresAt && (
        <>
          <At at={grantExpiresAt} now={now} />,{' '}
          {health.grantFixed ? 'and renewals do not extend it' : 'unless it is renewed before then'}
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
    {nextActOf(health) === 'try' ? 'Since' : 'This happened'} <At at={health.statusSince} now={now} />
  </>
)

function NextTry({ health, now }: { health: Health; now: string }) {
  if (nextActOf(health) !== 'try' || !health.nextTryAt) return null
  return (
    <>
      , next retry <Coming at={health.nextTryAt} now={now} />
    </>
  )
}

/** What can still be had from an ailing connection. */
function Serving({ health, now }: { health: Health; now: string }) {
  if (nextActOf(health) !== 'try') return null
  if (!health.servesUntil || !stillServes(health, new Date(now))) return 'No token can be issued until it is renewed.'
  return (
    <>
      Tokens can still be issued: the stored access token expires <At at={health.servesUntil} now={now} />.
    </>
  )
}

function WorksUntil({ health, now }: { health: Health; now: string }) {
  if (!health.servesUntil || !stillServes(health, new Date(now)))
    return 'expired: no token can be issued until it is renewed'
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
  connection: (Pick<ConnectionView, 'status' | 'frozenItself'> & ConnectionRef) | null
  /** What keeps it from being used. */
  frozen: Health['frozen']
  /** Who looks: its owner, somebody who works here, an admin. */
  own: boolean
  mayWork: boolean
  mayAdminister: boolean
  /** Whether its provider was removed: there is nothing to link at. */
  isRemoved?: boolean
  /** Whether a link leaves this page as it is, and goes on in a window. */
  inPopup?: boolean
  /** Whether limited tokens can be made there. */
  limited?: boolean
  /** Whether `n` presses it. */
  first?: boolean
  size?: ButtonProps['size']
}

/** The one button that the state of a connection asks for, if the viewer may press it. */
export function NextAct(props: ActProps) {
  const { tenant, projectId, providerId, connection, own, mayWork, mayAdminister } = props
  const { limited = true, first = false, size = 'sm', isRemoved = false, inPopup = false } = props
  const mine = own && mayWork
  const act = nextActOf({ status: connection?.status, frozen: props.frozen })
  const LinkAgain = inPopup ? LinkInPopup : Relink
  if (isRemoved && (act === 'link' || act === 'reconnect'))
    return <span className="flex min-h-8 items-center">Its provider was removed: it cannot be linked again.</span>
  switch (act) {
    case 'issue':
      if (!mine || !projectId) return null
      if (!limited) return <WhyNoToken tenant={tenant} projectId={projectId} size={size} />
      return <IssueLink tenant={tenant} projectId={projectId} variant="primary" size={size} first={first} />
    case 'try':
      return connection && (mine || mayAdminister) && <TryNow tenant={tenant} connection={connection.id} size={size} />
    case 'reconnect':
      return (
        mine && (
          <LinkAgain
            tenant={tenant}
            providerId={providerId}
            connectionId={connection?.id}
            label="Reconnect"
            size={size}
          />
        )
      )
    case 'lift':
      if (!mayAdminister) return <span className="flex min-h-8 items-center">Ask an admin to lift it.</span>
      if (connection?.frozenItself)
        return <FreezeButton tenant={tenant} target={freezeTargetOf(connection)} frozen variant="primary" size={size} />
      return <LiftPlace tenant={tenant} kind={props.frozen?.kind} projectId={projectId} size={size} />
    case 'link':
      return (
        mine && (
          <LinkAgain
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

type LiftPlaceProps = {
  tenant: string
  kind: NonNullable<Health['frozen']>['kind'] | undefined
  projectId: string | null
  size: ButtonProps['size']
}

/** The way to where a freeze of something wider is lifted. */
function LiftPlace({ tenant, kind, projectId, size }: LiftPlaceProps) {
  const places = {
    provider: ['Open providers', `/t/${tenant}/admin/providers`],
    member: ['Open members', `/t/${tenant}/admin/members`],
    membership: ['Open members', `/t/${tenant}/admin/members`],
    project: ['Open the project', `/t/${tenant}/projects/${projectId}`],
    client: ['Open devices and apps', `/t/${tenant}/devices?everybody=1`],
    grant: ['Open devices and apps', `/t/${tenant}/devices?everybody=1`],
    connection: ['Open connections', `/t/${tenant}/admin/revocation?show=connections`],
  } as const
  const [label, href] = places[kind ?? 'connection']
  return (
    <ButtonLink size={size} href={href}>
      {label}
    </ButtonLink>
  )
}

/** Where no limited token can be made: to the reasons. */
export function WhyNoToken({ tenant, projectId, size }: Pick<IssueLinkProps, 'tenant' | 'projectId' | 'size'>) {
  return (
    <ButtonLink size={size} href={`/t/${tenant}/projects/${projectId}/issue`}>
      Why no tokens
    </ButtonLink>
  )
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
