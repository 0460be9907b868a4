import { type Actor, may } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { act } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import type { FreezeKind } from '../store/freezes.ts'
import {
  countUnread,
  type EndingGrant,
  endingGrants,
  expireGrant,
  insertNotifications,
  listNotifications,
  markRead,
  type NotificationRow,
  type Reader,
  toldKeys,
} from '../store/notifications.ts'
import { findProvider } from '../store/providers.ts'
import { asSystem } from '../store/system.ts'
import { countLimit, toTotal } from './read/page.ts'

/** What people are told of. Changes of status and freezes are written by the database itself (vk.tell_status, vk.tell_freeze). */
export type NotificationKind =
  | `connection.${'degraded' | 'uncertain' | 'needs_relink' | 'revoked' | 'recovered'}`
  | `${FreezeKind}.${'frozen' | 'unfrozen'}`
  | 'grant.ending'
  | 'provider.client_refused'
  | 'provider.check_failed'
  | 'webhook.disabled'
  | 'webhook.orphaned'
  | 'token.leaked'
  | 'grant.leaked'
  | 'client.secret_leaked'
  | 'access.revoked'

export type NotificationView = {
  id: string
  kind: NotificationKind
  connectionId: string | null
  providerId: string | null
  /** Addressed to everybody who administers: whoever reads it first reads it for all. */
  forAdmins: boolean
  cause: string | null
  /** When the grant ends, for `grant.ending`. */
  endsAt: Date | null
  /** Why and until when, for a freeze. */
  reason: string | null
  until: Date | null
  projects: { id: string; alias: string }[]
  /** What it is about where that is no connection and no provider. */
  about: { kind: 'token' | 'grant' | 'client'; id: string; name: string } | null
  /** Of `access.revoked`: who ended what, and with which act on many things. */
  ended: Ended | null
  createdAt: Date
  readAt: Date | null
}
type Ended = {
  by: string
  act: string | null
  /** Their way in was blocked as well. */
  blocked: boolean
  connections: number
  tokens: number
  grants: number
  sessions: number
  requests: number
}

/** Written by the database's triggers and by this file, and by nothing else. */
type Details = {
  cause?: string | null
  ends_at?: string
  reason?: string | null
  until?: string | null
  projects?: { id: string; alias: string }[]
  about?: NotificationView['about']
  by?: string
  act?: string | null
  blocked?: boolean
  counts?: { connections: number; tokens: number; grants: number; sessions?: number; requests?: number }
}

function toView(row: NotificationRow): NotificationView {
  const { cause, ends_at, reason, until, projects, about, by, act, blocked, counts } = row.details as Details
  return {
    id: row.id,
    kind: row.kind as NotificationKind,
    connectionId: row.connectionId,
    providerId: row.providerId,
    forAdmins: row.userId === null,
    cause: cause ?? null,
    endsAt: ends_at ? new Date(ends_at) : null,
    reason: reason ?? null,
    until: until ? new Date(until) : null,
    projects: projects ?? [],
    about: about ?? null,
    ended:
      by && counts ? { by, act: act ?? null, blocked: blocked ?? false, sessions: 0, requests: 0, ...counts } : null,
    createdAt: row.createdAt,
    readAt: row.readAt,
  }
}

const readerOf = (actor: Actor): Reader => ({ userId: actor.userId, admin: may(actor, 'administer') })
const pageSize = 50

/** What the caller was told, newest first; with what is addressed to admins where they are one. */
export async function notificationPage(
  ctx: Context,
  actor: Actor,
  { before, unread }: { before?: string | undefined; unread?: boolean | undefined } = {},
): Promise<{ items: NotificationView[]; next: string | null; unread: number; unreadIsCapped: boolean }> {
  const { tenantId } = actor
  const [rows, count] = await Promise.all([
    readTenant(ctx, tenantId, (tx) =>
      listNotifications(tx, tenantId, readerOf(actor), { before, unread, take: pageSize + 1 }),
    ),
    countUnread(ctx, tenantId, readerOf(actor), countLimit + 1),
  ])
  const items = rows.slice(0, pageSize).map(toView)
  const next = rows.length > pageSize ? (items.at(-1)?.id ?? null) : null
  const { total, totalIsCapped } = toTotal(count)
  return { items, next, unread: total, unreadIsCapped: totalIsCapped }
}

/** How many the caller has not read, counted up to a hundred: a bell says no more. */
export const unreadCount = (ctx: Context, actor: Actor): Promise<number> =>
  countUnread(ctx, actor.tenantId, readerOf(actor), 100)

/** Marks as read: these, or all up to the newest that the caller has seen. Others' are left alone. How many were unread. */
export const markNotificationsRead = (
  ctx: Context,
  actor: Actor,
  which: { ids: string[] } | { through: string },
): Promise<number> =>
  act(ctx, actor, 'work', (tx, actor) => markRead(tx, actor.tenantId, readerOf(actor), which, ctx.now()))

/**
 * Tells the tenant's admins that an upstream refuses our client: once, until it is accepted again (vk.rearm_alarm).
 * No connection is at fault. Nothing is told of a secret that an admin has replaced meanwhile (`clientSecret`, as it was
 * stored). Whether it was new.
 */
export const raiseClientRefused = (
  ctx: Context,
  { tenantId, providerId, clientSecret }: { tenantId: string; providerId: string; clientSecret?: string | null },
): Promise<boolean> =>
  asSystem(ctx, tenantId, 'job', async (tx) => {
    const now = await findProvider(tx, tenantId, providerId)
    if (clientSecret !== undefined && now?.clientSecret !== clientSecret) return false
    const row = {
      tenantId,
      id: newId('notification'),
      kind: 'provider.client_refused',
      providerId,
      details: { cause: 'client_not_registered' },
      dedupeKey: `client_refused:${providerId}`,
      createdAt: ctx.now(),
    }
    return (await insertNotifications(tx, [row])) > 0
  })

const day = 24 * 3600 * 1000
const batch = 200

/**
 * Tells the tenant's people which of their grants end within 7 days and within 1 day, each stage once an end; a stage
 * that was missed is not told late. A grant that has ended for certain ends its connection, which tells of itself.
 */
export async function tellEndings(ctx: Context, tenantId: string): Promise<void> {
  for (let after: string | undefined; ; ) {
    const now = ctx.now()
    const grants = await asSystem(ctx, tenantId, 'job', async (tx) => {
      const grants = await endingGrants(tx, tenantId, { until: new Date(now.getTime() + 7 * day), after, take: batch })
      const told = await toldKeys(
        tx,
        tenantId,
        grants.map((grant) => stageOf(grant, now).key),
      )
      const news = grants.filter((grant) => grant.grantExpiresAt > now && !told.has(stageOf(grant, now).key))
      await insertNotifications(
        tx,
        news.map((grant) => endingOf(tenantId, grant, now)),
      )
      return grants
    })
    for (const grant of grants)
      if (grant.grantFixed && grant.grantExpiresAt <= now) await endGrant(ctx, tenantId, grant)
    after = grants.at(-1)?.id
    if (grants.length < batch) return
  }
}

function stageOf({ id, grantExpiresAt }: EndingGrant, now: Date): { stage: '7d' | '1d'; key: string } {
  const stage = grantExpiresAt.getTime() - now.getTime() <= day ? '1d' : '7d'
  return { stage, key: `ending:${id}:${grantExpiresAt.getTime()}:${stage}` }
}

function endingOf(tenantId: string, grant: EndingGrant, now: Date) {
  const { stage, key } = stageOf(grant, now)
  const projects = grant.projects.map(({ project }) => project)
  return {
    tenantId,
    id: newId('notification'),
    userId: grant.userId,
    kind: 'grant.ending',
    connectionId: grant.id,
    providerId: grant.providerId,
    details: { status: grant.status, stage, ends_at: grant.grantExpiresAt.toISOString(), projects },
    dedupeKey: key,
    createdAt: now,
  }
}

const endGrant = (ctx: Context, tenantId: string, grant: EndingGrant) =>
  asSystem(ctx, tenantId, 'job', async (tx) => {
    const now = ctx.now()
    if (!(await expireGrant(tx, tenantId, grant.id, now))) return
    await record(
      tx,
      tenantId,
      now,
      { userId: grant.userId },
      {
        action: 'refresh.failed',
        outcome: 'refused',
        target: { kind: 'connection', id: grant.id },
        details: { status: 'needs_relink', cause: 'expired', ended_at: grant.grantExpiresAt.toISOString() },
      },
    )
  })
