import { type Actor, may } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { idPattern } from '../security/ids.ts'
import {
  type ActPart,
  type EventFilter,
  eventsById,
  findEvent,
  listActs,
  listEvents,
  partsOfActs,
} from '../store/audit.ts'
import { readTenant } from '../store/database.ts'
import { namesOf } from '../store/members.ts'
import { noteRead } from './access.ts'
import type { AuditAction } from './catalogue.ts'

export type AuditView = {
  id: string
  at: Date
  action: AuditAction
  outcome: 'ok' | 'refused' | 'failed'
  /** Null: the product itself. */
  actorId: string | null
  target: { kind: string; id: string } | null
  address: string | null
  agent: string | null
  requestId: string | null
  details: Record<string, unknown>
}

type Body = {
  action: AuditAction
  outcome: AuditView['outcome']
  actor: string | null
  target: AuditView['target']
  address: string | null
  agent: string | null
  request: string | null
  details: Record<string, unknown> | null
}

export function toAuditView({ id, at, body }: { id: string; at: Date; body: unknown }): AuditView {
  // Written by audit/record.ts and by nothing else; the app role cannot change it afterwards.
  const { action, outcome, actor, target, address, agent, request, details } = body as Body
  return {
    id,
    at,
    action,
    outcome,
    actorId: actor,
    target,
    address: address ?? null,
    agent: agent ?? null,
    requestId: request ?? null,
    details: details ?? {},
  }
}

const pageSize = 50

/** Whose events alone somebody sees: their own, or for who oversees everybody's. */
const actorOf = (actor: Actor) => (may(actor, 'oversee') ? undefined : actor.userId)

/** The tenant's events, newest first: everybody's for who oversees it, one's own for members. */
export async function activity(
  ctx: Context,
  actor: Actor,
  { before, ...filter }: EventFilter & { before?: string | undefined } = {},
): Promise<{ items: AuditView[]; next: string | null }> {
  const own = actorOf(actor)
  const rows = await readTenant(ctx, actor.tenantId, (tx) =>
    listEvents(tx, actor.tenantId, { filter, actor: own, before, take: pageSize + 1 }),
  )
  if (own === undefined) await noteRead(ctx, actor, 'listAuditEvents')
  const items = rows.slice(0, pageSize).map(toAuditView)
  return { items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}

/** All that one request did, as one line: what was asked and what came of it, or everything that one act ended. */
export type ActView = {
  /** The event that says most. */
  event: AuditView
  /** The newest of each other action. */
  others: AuditView[]
  /** How many events of each action. */
  counts: Partial<Record<AuditAction, number>>
  /** Whose things it was about: one person, or how many. */
  owner: string | null
  owners: number
}

/**
 * What says least of an act, first: an act that ends a person's membership is told by that, and not by the hundred tokens that
 * ended with it. What is not here says most.
 */
const leastFirst: readonly string[] = [
  'token.requested',
  'refresh.succeeded',
  'refresh.failed',
  'token.revoked',
  'revocation.finished',
  'grant.ended',
  'connection.revoked',
  'client.secret_ended',
  'freeze.set',
]
const weightOf = (action: string) => {
  const at = leastFirst.indexOf(action)
  return at === -1 ? leastFirst.length : at
}

/** The tenant's activity, an act a line, newest first; who sees what is as with {@link activity}. */
export async function activityLines(
  ctx: Context,
  actor: Actor,
  { before, ...filter }: EventFilter & { before?: string | undefined } = {},
): Promise<{ items: ActView[]; next: string | null }> {
  const own = actorOf(actor)
  const { tenantId } = actor
  const page = await readTenant(ctx, tenantId, async (tx) => {
    const ids = await listActs(tx, tenantId, { filter, actor: own, before, take: pageSize + 1 })
    const shown = await eventsById(tx, tenantId, ids.slice(0, pageSize))
    const leads = shown.map(toAuditView)
    const requests = leads.map(({ requestId }) => requestId).filter((one) => one !== null)
    const parts = new Map<string, ActPart[]>()
    for (const part of await partsOfActs(tx, tenantId, requests, own))
      parts.set(part.request, [...(parts.get(part.request) ?? []), part])
    const newest = [...parts.values()].flatMap((of) => of.map((part) => part.newest))
    const events = new Map((await eventsById(tx, tenantId, newest)).map((row) => [row.id, toAuditView(row)]))
    const items = leads.map((lead) => toActView(lead, parts.get(lead.requestId ?? '') ?? [], events))
    return { items, next: ids.length > pageSize ? (ids[pageSize - 1] ?? null) : null }
  })
  if (own === undefined) await noteRead(ctx, actor, 'listAuditEvents')
  return page
}

function toActView(lead: AuditView, parts: ActPart[], events: Map<string, AuditView>): ActView {
  const known = parts.filter(({ newest }) => events.has(newest))
  const [main = undefined, ...others] = [...known].sort((a, b) => weightOf(b.action) - weightOf(a.action))
  const event = (main && events.get(main.newest)) ?? lead
  const owned = known.filter(({ owners }) => owners > 0)
  const owners = Math.max(0, ...owned.map(({ owners }) => owners))
  const same = new Set(owned.map(({ owner }) => owner))
  return {
    event,
    others: others.flatMap(({ newest }) => events.get(newest) ?? []),
    counts:
      known.length > 0 ? Object.fromEntries(known.map(({ action, count }) => [action, count])) : { [event.action]: 1 },
    owners: Math.max(owners, same.size),
    owner: owners === 1 && same.size === 1 ? (owned[0]?.owner ?? null) : null,
  }
}

/** One event with what belongs to it: the rest of its act, and what else happened to the same thing. */
export type EventDetail = {
  event: AuditView
  act: AuditView[]
  /** There is more of the act than is shown. */
  actIsCut: boolean
  about: AuditView[]
  /** What the people in all of that are called, by id. */
  names: Record<string, string>
}

const actMax = 100
const aboutMax = 20

/** @throws BrokerError not_found, for another's event as well unless the viewer oversees the tenant */
export async function readEvent(ctx: Context, actor: Actor, id: string): Promise<EventDetail> {
  const own = actorOf(actor)
  const { tenantId } = actor
  const found = await readTenant(ctx, tenantId, async (tx) => {
    const row = await findEvent(tx, tenantId, id, own)
    if (!row) return undefined
    const list = (filter: EventFilter, take: number) => listEvents(tx, tenantId, { filter, actor: own, take })
    const act = row.requestId === null ? [] : await list({ request: row.requestId }, actMax + 2)
    const about = row.targetId === null ? [] : await list({ about: row.targetId }, aboutMax + 1)
    const others = (rows: typeof act, take: number) =>
      rows
        .filter((one) => one.id !== id)
        .slice(0, take)
        .map(toAuditView)
    return {
      event: toAuditView(row),
      act: others(act, actMax),
      actIsCut: act.length > actMax + 1,
      about: others(about, aboutMax),
    }
  })
  if (!found) throw new BrokerError('not_found')
  if (own === undefined) await noteRead(ctx, actor, 'readAuditEvent', id)
  const people = [found.event, ...found.act, ...found.about].flatMap(peopleIn)
  const named = people.length === 0 ? [] : await namesOf(ctx, tenantId, [...new Set(people)])
  return { ...found, names: Object.fromEntries(named.map(({ id, name }) => [id, name])) }
}

/** Whom an event is about: each whole value of it that is the id of a person. */
const peopleIn = ({ actorId, target, details }: AuditView): string[] =>
  [actorId, target?.id, ...Object.values(details).flat()].filter(
    (value) => typeof value === 'string' && idPattern('user').test(value),
  ) as string[]
