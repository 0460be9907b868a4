import {
  Ban,
  CircleCheck,
  CircleHelp,
  CircleSlash,
  CircleX,
  Clock,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  Mail,
  ShieldCheck,
  Snowflake,
  TimerOff,
  TriangleAlert,
  Unplug,
} from 'lucide-react'
import { cn } from './cn.ts'

export type Tone = 'healthy' | 'attention' | 'broken' | 'frozen' | 'revoked'

/** Text and tint of each state colour. */
export const toneClass: Record<Tone, string> = {
  healthy: 'bg-healthy-tint text-healthy',
  attention: 'bg-attention-tint text-attention',
  broken: 'bg-broken-tint text-broken',
  frozen: 'bg-frozen-tint text-frozen',
  revoked: 'bg-revoked-tint text-revoked',
}

export type ConnectionState = 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen' | 'revoked'
export type TokenState = 'issuing' | 'live' | 'frozen' | 'ended' | 'revoked' | 'failed'
export type GrantState = 'live' | 'frozen' | 'ended' | 'revoked'
export type UpstreamState = 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none'
export type MemberState = 'active' | 'invited' | 'suspended'
export type WebhookState = 'on' | 'failing' | 'off'
export type CheckState = 'ok' | 'attention' | 'failed' | 'unknown'
export type DeliveryState = 'pending' | 'delivered' | 'failed'

export type StateBadgeProps =
  | { kind: 'connection'; state: ConnectionState }
  | { kind: 'token'; state: TokenState }
  | { kind: 'grant'; state: GrantState }
  | { kind: 'upstream'; state: UpstreamState }
  | { kind: 'member'; state: MemberState }
  | { kind: 'webhook'; state: WebhookState }
  | { kind: 'delivery'; state: DeliveryState }
  | { kind: 'check'; state: CheckState }

export type Face = [tone: Tone, icon: LucideIcon, word: string]

const faces = {
  connection: {
    linked: ['healthy', CircleCheck, 'linked'],
    degraded: ['attention', TriangleAlert, 'degraded'],
    uncertain: ['attention', CircleHelp, 'uncertain'],
    needs_relink: ['broken', Unplug, 'reconnect'],
    frozen: ['frozen', Snowflake, 'frozen'],
    revoked: ['revoked', Ban, 'revoked'],
  } satisfies Record<ConnectionState, Face>,
  token: {
    issuing: ['attention', LoaderCircle, 'issuing'],
    live: ['healthy', CircleCheck, 'live'],
    frozen: ['frozen', Snowflake, 'frozen'],
    ended: ['revoked', TimerOff, 'expired'],
    revoked: ['revoked', Ban, 'revoked'],
    failed: ['broken', CircleX, 'failed'],
  } satisfies Record<TokenState, Face>,
  grant: {
    live: ['healthy', CircleCheck, 'signed in'],
    frozen: ['frozen', Snowflake, 'frozen'],
    ended: ['revoked', TimerOff, 'expired'],
    revoked: ['revoked', Ban, 'ended'],
  } satisfies Record<GrantState, Face>,
  upstream: {
    pending: ['attention', Clock, 'pending upstream'],
    done: ['healthy', CircleCheck, 'revoked upstream'],
    confirmed: ['healthy', ShieldCheck, 'confirmed revoked upstream'],
    failed: ['broken', CircleX, 'failed upstream'],
    impossible: ['revoked', CircleSlash, 'impossible upstream'],
    none: ['healthy', ShieldCheck, 'nothing upstream'],
  } satisfies Record<UpstreamState, Face>,
  member: {
    active: ['healthy', CircleCheck, 'active'],
    invited: ['attention', Mail, 'invited'],
    suspended: ['frozen', Hourglass, 'suspended'],
  } satisfies Record<MemberState, Face>,
  webhook: {
    on: ['healthy', CircleCheck, 'on'],
    failing: ['attention', TriangleAlert, 'failing'],
    off: ['revoked', CircleSlash, 'off'],
  } satisfies Record<WebhookState, Face>,
  delivery: {
    pending: ['attention', Clock, 'waiting'],
    delivered: ['healthy', CircleCheck, 'delivered'],
    failed: ['broken', CircleX, 'failed'],
  } satisfies Record<DeliveryState, Face>,
  check: {
    ok: ['healthy', CircleCheck, 'fine'],
    attention: ['attention', TriangleAlert, 'attention'],
    failed: ['broken', CircleX, 'failed'],
    unknown: ['revoked', CircleHelp, 'not known'],
  } satisfies Record<CheckState, Face>,
}

/** How a state looks and what it is called. */
export function faceOf(props: StateBadgeProps): Face {
  switch (props.kind) {
    case 'connection':
      return faces.connection[props.state]
    case 'token':
      return faces.token[props.state]
    case 'grant':
      return faces.grant[props.state]
    case 'upstream':
      return faces.upstream[props.state]
    case 'member':
      return faces.member[props.state]
    case 'webhook':
      return faces.webhook[props.state]
    case 'delivery':
      return faces.delivery[props.state]
    case 'check':
      return faces.check[props.state]
  }
}

/** A state as colour, icon and word. */
export function StateBadge(props: StateBadgeProps) {
  return <Badge face={faceOf(props)} />
}

export function Badge({ face: [tone, Icon, word] }: { face: Face }) {
  return (
    <span
      data-badge
      className={cn(
        'inline-flex h-6 items-center gap-1 whitespace-nowrap rounded-lg px-2 text-[13px] leading-4',
        toneClass[tone],
      )}
    >
      <Icon aria-hidden className="size-3.5 shrink-0" />
      {word}
    </span>
  )
}
