'use client'
import type { AuditView } from '@/lib/audit/list.ts'
import { ConnectionTimeline } from '../_features/connection-timeline.tsx'
import { ConnectionHealth, type Health, healthFacts, NextAct } from '../_features/health.tsx'
import { shownState } from '../_features/words.ts'
import { Card } from '../_ui/card.tsx'
import { KeyValue } from '../_ui/key-value.tsx'
import { StateBadge } from '../_ui/state-badge.tsx'

const lost = 'The laptop it was used on is lost.'

/** The health of a connection in every state, and its story. */
export function HealthGallery({ now }: { now: string }) {
  return (
    <>
      {healths(now).map((health) => (
        <HealthOf key={`${health.status} ${health.cause} ${health.frozen?.kind}`} health={health} now={now} />
      ))}
      <ConnectionTimeline events={story(now)} state="degraded" now={now} nameOf={() => 'owner@acme.test'} />
      <ConnectionTimeline events={[]} state="linked" now={now} nameOf={() => 'you'} />
    </>
  )
}

/** Every state; the degraded one also after its access token has ended. */
function healths(now: string): Health[] {
  const at = (minutes: number) => new Date(Date.parse(now) + minutes * 60_000)
  const linked: Health = {
    status: 'linked',
    cause: null,
    frozen: null,
    statusSince: at(-5_800),
    lastRefreshAt: at(-12),
    nextTryAt: null,
    nextRenewalAt: at(34),
    servesUntil: at(48),
    grantExpiresAt: at(43_000),
    grantFixed: false,
  }
  const ailing = { ...linked, statusSince: at(-4), nextTryAt: at(0.9), nextRenewalAt: at(0.9) }
  return [
    linked,
    { ...ailing, status: 'degraded', cause: 'upstream_unavailable' },
    { ...ailing, status: 'degraded', cause: 'client_not_registered', servesUntil: at(-1) },
    { ...ailing, status: 'uncertain', grantFixed: true },
    { ...linked, status: 'needs_relink', cause: 'refused', statusSince: at(-120) },
    { ...linked, frozen: { kind: 'connection', by: 'usr_1', at: at(-30), reason: lost, until: null } },
    {
      ...ailing,
      status: 'degraded',
      frozen: { kind: 'provider', by: null, at: at(-30), reason: null, until: at(600) },
    },
    { ...linked, status: 'revoked', statusSince: at(-3_000) },
  ]
}

function HealthOf({ health, now }: { health: Health; now: string }) {
  const frozenBy = health.frozen?.by ? 'admin@acme.test' : null
  const act = (
    <NextAct
      tenant="acme"
      projectId="prj_1"
      providerId="prv_1"
      connection={{
        id: 'con_1',
        name: 'Sales warehouse',
        owner: 'you',
        account: 'Owner',
        status: health.status,
        frozenItself: true,
      }}
      frozen={health.frozen}
      own
      mayWork
      mayAdminister
    />
  )
  return (
    <div className="flex flex-col gap-3">
      <ConnectionHealth form="notice" health={health} now={now} frozenBy={frozenBy} act={act} />
      <div className="grid gap-4 md:grid-cols-2">
        <Card title="Sales warehouse" aside={<StateBadge kind="connection" state={shownState(health)} />} footer={act}>
          <ConnectionHealth form="short" health={health} now={now} />
        </Card>
        <Card>
          <KeyValue items={healthFacts({ health, now, frozenBy })} />
        </Card>
      </div>
    </div>
  )
}

/** Newest first, as events are listed. */
function story(now: string): AuditView[] {
  const event = (minutes: number, action: AuditView['action'], details: AuditView['details'] = {}): AuditView => ({
    id: `evt_${minutes}`,
    at: new Date(Date.parse(now) - minutes * 60_000),
    action,
    outcome: action === 'refresh.failed' ? 'failed' : 'ok',
    actorId: 'usr_1',
    target: { kind: 'connection', id: 'con_1' },
    address: null,
    agent: null,
    requestId: null,
    details,
  })
  const outage = { status: 'degraded', cause: 'upstream_unavailable', upstream_status: 503, served: true }
  return [
    event(4, 'refresh.failed', outage),
    event(40, 'link.completed', { relinked: true }),
    event(50, 'refresh.failed', { status: 'needs_relink', cause: 'refused', upstream_status: 400 }),
    event(60, 'freeze.lifted'),
    event(90, 'freeze.set', { reason: lost, until: null }),
    event(110, 'refresh.succeeded', { before: 'degraded', scheduled: true }),
    event(115, 'refresh.failed', outage),
    event(170, 'refresh.succeeded', { before: 'linked' }),
    event(220, 'link.completed'),
  ]
}
