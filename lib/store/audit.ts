import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'

/** Appends events; their trigger hands them to the sealer. Raw, because the app role may insert these columns only. */
export async function insertEvent(tx: Tx, tenantId: string, at: Date, ...bodies: object[]): Promise<void> {
  await tx.$executeRaw`INSERT INTO audit_event (tenant_id, id, at, body)
    SELECT ${tenantId}, e.id, ${at}::timestamptz, e.body::jsonb
    FROM unnest(${bodies.map(() => newId('event'))}::text[], ${bodies.map((body) => JSON.stringify(body))}::text[]) AS e (id, body)`
}

/** Keeps an event that could not be appended; the tick moves it. */
export async function insertOutbox(tx: Tx, tenantId: string, at: Date, body: object): Promise<void> {
  await tx.auditOutbox.create({ data: { id: newId('event'), tenantId, at, body } })
}

/** Moves what waits in the outbox into the audit trail. How many. */
export async function drainOutbox(tx: Tx, tenantId: string): Promise<number> {
  const waiting = await tx.auditOutbox.findMany({ where: { tenantId }, orderBy: { id: 'asc' }, take: 500 })
  for (const { at, body } of waiting) await insertEvent(tx, tenantId, at, body as object)
  await tx.auditOutbox.deleteMany({ where: { tenantId, id: { in: waiting.map((row) => row.id) } } })
  return waiting.length
}

/** One call of vk.note_access: an event at once for the first in its minute, a number for the rest. */
export const noteAccess = (
  ctx: Pick<Context, 'pool' | 'config'>,
  tenantId: string,
  at: Date,
  { operation, thing, body }: { operation: string; thing: string | null; body: object },
) =>
  query(ctx, 'note_access', 'SELECT vk.note_access($1, $2, $3, $4::jsonb, $5, $6)', [
    tenantId,
    newId('event'),
    at,
    JSON.stringify(body),
    operation,
    thing,
  ])

/** Takes a batch of tallies whose minute began at or before `before`, unless another process is at them. */
export async function takeTallies(tx: Tx, tenantId: string, before: Date) {
  const rows = await tx.$queryRaw<{ minute: Date; untold: number; things: string[]; lastAt: Date; body: object }[]>`
    DELETE FROM access_tally WHERE tenant_id = ${tenantId} AND (actor_id, action, operation, minute) IN (
      SELECT actor_id, action, operation, minute FROM access_tally
      WHERE tenant_id = ${tenantId} AND minute <= ${before} LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING minute, untold, things, last_at AS "lastAt", body`
  return rows.filter(({ untold }) => untold > 0)
}

/** Which events: all of what is set. Ids, but for what an event itself says. */
export type EventFilter = {
  /** Who did it, whose it was done to, or to whom. */
  person?: string | undefined
  project?: string | undefined
  /** Any of these. */
  actions?: readonly string[] | undefined
  outcome?: string | undefined
  /** At this moment or later, and before that one. */
  from?: Date | undefined
  until?: Date | undefined
  address?: string | undefined
  /** Through which program, or about which. */
  client?: string | undefined
  fingerprint?: string | undefined
  request?: string | undefined
  /** What it was done to: the id of a thing of any kind. */
  about?: string | undefined
}

/** `actor`: by this person alone, whatever the filter says; what members see. */
export type EventQuery = { filter: EventFilter; actor?: string | undefined; before?: string | undefined; take: number }

/** By columns that each have an index in the order of ids; of several columns any will do. The most telling first. */
const columnsOf = {
  request: ['request_id'],
  fingerprint: ['fingerprint'],
  about: ['target_id'],
  person: ['actor_id', 'owner_id', 'target_id'],
  project: ['project_id', 'target_id'],
  client: ['client_id', 'target_id'],
  address: ['address'],
} as const satisfies Partial<Record<keyof EventFilter, readonly string[]>>
type Named = keyof typeof columnsOf
const named = Object.keys(columnsOf) as Named[]

const column = (alias: string, name: string) => Prisma.raw(`${alias}.${name}`)
const all = (conditions: Prisma.Sql[]) => Prisma.join([Prisma.sql`true`, ...conditions], ' AND ')

const dayMilliseconds = 86_400_000
/** An event gets its id when it is written, which may be later than it happened: the outbox keeps some for a while. */
const slackMilliseconds = 7 * dayMilliseconds
const idAt = (at: number) => `evt_${Math.max(0, at).toString(16).padStart(12, '0')}`

/** Conditions on an event that `alias` names, `without` one that is asked for otherwise. */
function conditionsOf(alias: string, { filter, actor }: Pick<EventQuery, 'filter' | 'actor'>, without?: Named) {
  const conditions: Prisma.Sql[] = []
  const { actions, outcome, from, until } = filter
  for (const name of named) {
    const value = filter[name]
    if (value === undefined || name === without) continue
    const any = columnsOf[name].map((one) => Prisma.sql`${column(alias, one)} = ${value}`)
    conditions.push(Prisma.sql`(${Prisma.join(any, ' OR ')})`)
  }
  if (actor !== undefined) conditions.push(Prisma.sql`${column(alias, 'actor_id')} = ${actor}`)
  if (actions) conditions.push(Prisma.sql`${column(alias, 'action')} = ANY(${[...actions]}::text[])`)
  // The partial index is for what is not well, and is taken where the condition says so.
  if (outcome !== undefined && outcome !== 'ok') conditions.push(Prisma.sql`${column(alias, 'outcome')} <> 'ok'`)
  if (outcome !== undefined) conditions.push(Prisma.sql`${column(alias, 'outcome')} = ${outcome}`)
  // By id as well, which an index is in the order of.
  if (from)
    conditions.push(
      Prisma.sql`${column(alias, 'at')} >= ${from} AND ${column(alias, 'id')} >= ${idAt(+from - slackMilliseconds)}`,
    )
  if (until)
    conditions.push(
      Prisma.sql`${column(alias, 'at')} < ${until} AND ${column(alias, 'id')} < ${idAt(+until + slackMilliseconds)}`,
    )
  return conditions
}

type EventRow = { id: string; at: Date; body: unknown }

/**
 * A page of events, newest first; `before` is the id that the previous page ended with. Where a filter may be met in several
 * columns, each is read by its own index and no further than the page goes.
 */
export async function listEvents(tx: ReadTx, tenantId: string, asked: EventQuery): Promise<EventRow[]> {
  const ids = await eventIds(tx, tenantId, asked, Prisma.sql`true`)
  return eventsById(tx, tenantId, ids)
}

/**
 * A page of acts: of events that one request left the newest that matches stands for all. An event of no request is an act of
 * its own.
 */
export const listActs = (tx: ReadTx, tenantId: string, asked: EventQuery): Promise<string[]> =>
  eventIds(
    tx,
    tenantId,
    asked,
    Prisma.sql`(e.request_id IS NULL OR NOT EXISTS (SELECT FROM audit_event n WHERE n.tenant_id = ${tenantId}
      AND n.request_id = e.request_id AND n.id > e.id AND ${all(conditionsOf('n', asked))}))`,
  )

async function eventIds(tx: ReadTx, tenantId: string, asked: EventQuery, also: Prisma.Sql): Promise<string[]> {
  const { filter, before, take } = asked
  const leading = named.find((name) => filter[name] !== undefined)
  const value = leading && filter[leading]
  const older = before === undefined ? Prisma.sql`true` : Prisma.sql`e.id < ${before}`
  const branch = (
    condition: Prisma.Sql,
  ) => Prisma.sql`(SELECT e.id FROM audit_event e WHERE e.tenant_id = ${tenantId} AND ${condition}
    AND ${all(conditionsOf('e', asked, leading))} AND ${older} AND ${also} ORDER BY e.id DESC LIMIT ${take})`
  const branches = leading
    ? columnsOf[leading].map((name) => branch(Prisma.sql`${column('e', name)} = ${value}`))
    : [branch(Prisma.sql`true`)]
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT DISTINCT id FROM (${Prisma.join(branches, ' UNION ALL ')}) found ORDER BY id DESC LIMIT ${take}`
  return rows.map(({ id }) => id)
}

/** Events by their ids, newest first. */
export const eventsById = (tx: ReadTx, tenantId: string, ids: string[]): Promise<EventRow[]> =>
  tx.auditEvent.findMany({ where: { tenantId, id: { in: ids } }, orderBy: { id: 'desc' }, select: shownColumns })

const shownColumns = { id: true, at: true, body: true } as const

/** What one request left, by action: how many, the newest, and whose things they were about. */
export type ActPart = {
  request: string
  action: string
  count: number
  newest: string
  owners: number
  owner: string | null
}

/** What these requests left, by action. `actor`: by this person alone. */
export const partsOfActs = (tx: ReadTx, tenantId: string, requests: string[], actor: string | undefined) =>
  tx.$queryRaw<ActPart[]>`
    SELECT request_id AS request, action, count(*)::int AS count, max(id) AS newest, count(DISTINCT owner_id)::int AS owners,
      min(owner_id) AS owner
    FROM audit_event WHERE tenant_id = ${tenantId} AND request_id = ANY(${requests}::text[])
      AND actor_id IS NOT DISTINCT FROM coalesce(${actor ?? null}::text, actor_id)
    GROUP BY request_id, action`

/** One event; of this person alone, where `actor` is one. */
export const findEvent = (tx: ReadTx, tenantId: string, id: string, actor: string | undefined) =>
  tx.auditEvent.findFirst({
    where: { tenantId, id, ...(actor !== undefined && { actorId: actor }) },
    select: { ...shownColumns, requestId: true, targetId: true },
  })

/** Events about one thing, newest first: a connection's timeline. */
export const listEventsAbout = (tx: ReadTx, tenantId: string, kind: string, id: string, take: number) =>
  tx.auditEvent.findMany({
    where: { tenantId, targetKind: kind, targetId: id },
    orderBy: { id: 'desc' },
    take,
    select: { id: true, at: true, body: true },
  })
