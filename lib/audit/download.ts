import { type Actor, may } from '../actor.ts'
import type { Context } from '../context.ts'
import { listEvents } from '../store/audit.ts'
import { act } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { memberNames } from '../store/members.ts'
import { type GivenFilter, toEventFilter } from './filter.ts'
import { type AuditView, toAuditView } from './list.ts'
import { record } from './record.ts'

/** As spreadsheets still open it at once; who needs more has the export of the chain. */
export const downloadMax = 50_000
const pageSize = 1_000

/**
 * What a filter finds, newest first, in pages so that memory stays bounded; recorded first. Everybody's for who oversees the
 * tenant, one's own for members. Cut at {@link downloadMax}, and then its last line says so.
 * @throws BrokerError forbidden
 */
export async function downloadEvents(
  ctx: Context,
  actor: Actor,
  { format, ...given }: GivenFilter & { format: 'csv' | 'ndjson' },
  most = downloadMax,
): Promise<AsyncGenerator<string, void>> {
  const { tenantId } = actor
  const filter = toEventFilter(given)
  const told = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value instanceof Date ? value.toISOString() : value}`],
  )
  const { own, newest } = await act(ctx, actor, 'read', async (tx, actor) => {
    const details = { format, filter: told }
    await record(tx, tenantId, ctx.now(), actor, { action: 'audit.downloaded', outcome: 'ok', details })
    // The role that holds now. The download itself is not in it, and what happens meanwhile neither.
    const own = may(actor, 'oversee') ? undefined : actor.userId
    return { own, newest: (await listEvents(tx, tenantId, { filter, actor: own, take: 1 }))[0]?.id }
  })
  const names = await readTenant(
    ctx,
    tenantId,
    async (tx) => new Map((await memberNames(tx, tenantId)).map(({ id, name }) => [id, name])),
  )
  const pages = pagesOf(ctx, tenantId, { filter, actor: own }, newest, most)
  return format === 'csv' ? csv(pages, names) : ndjson(pages)
}

type Page = { events: AuditView[]; isCut: boolean }

async function* pagesOf(
  ctx: Context,
  tenantId: string,
  asked: Pick<Parameters<typeof listEvents>[2], 'filter' | 'actor'>,
  newest: string | undefined,
  most: number,
): AsyncGenerator<Page, void> {
  // Behind the newest there was: the id right after it is before anything that comes later.
  let before = newest === undefined ? undefined : `${newest}~`
  let left = newest === undefined ? 0 : most
  while (left > 0) {
    const take = Math.min(pageSize, left)
    const rows = await readTenant(ctx, tenantId, (tx) => listEvents(tx, tenantId, { ...asked, before, take: take + 1 }))
    left -= take
    const isMore = rows.length > take
    yield { events: rows.slice(0, take).map(toAuditView), isCut: isMore && left === 0 }
    if (!isMore) return
    before = rows[take - 1]?.id
  }
}

async function* ndjson(pages: AsyncIterable<Page>): AsyncGenerator<string, void> {
  let count = 0
  let wasCut = false
  for await (const { events, isCut } of pages) {
    count += events.length
    wasCut = isCut
    yield events.map((event) => `${JSON.stringify(wireOf(event))}\n`).join('')
  }
  yield `${JSON.stringify({ count, cut: wasCut })}\n`
}

/** As the API tells an event. */
const wireOf = ({ id, at, action, outcome, actorId, target, address, agent, requestId, details }: AuditView) => ({
  id,
  at: at.toISOString(),
  action,
  outcome,
  actor_id: actorId,
  target,
  address,
  agent,
  request_id: requestId,
  details,
})

const columns = [
  'at',
  'action',
  'outcome',
  'actor',
  'actor_id',
  'target_kind',
  'target_id',
  'owner_id',
  'fingerprint',
  'address',
  'agent',
  'request_id',
  'id',
  'details',
] as const

async function* csv(pages: AsyncIterable<Page>, names: Map<string, string>): AsyncGenerator<string, void> {
  yield csvLine(columns)
  let count = 0
  for await (const { events, isCut } of pages) {
    count += events.length
    yield events
      .map(({ details, actorId, target, ...event }) => {
        const { owner, fingerprint } = details
        const told: Record<(typeof columns)[number], unknown> = {
          at: event.at.toISOString(),
          action: event.action,
          outcome: event.outcome,
          actor: actorId === null ? 'Valetkey' : (names.get(actorId) ?? ''),
          actor_id: actorId,
          target_kind: target?.kind,
          target_id: target?.id,
          owner_id: owner,
          fingerprint,
          address: event.address,
          agent: event.agent,
          request_id: event.requestId,
          id: event.id,
          details: JSON.stringify(details),
        }
        return csvLine(columns.map((name) => told[name]))
      })
      .join('')
    if (isCut) yield csvLine([`cut after ${count} events: narrow the filter for the rest`])
  }
}

/**
 * RFC 4180, every field in quotes. A text that a spreadsheet would take for a formula gets an apostrophe in front, which it
 * shows as text (OWASP, CSV Injection): agents and reasons are other people's words.
 */
export function csvLine(fields: readonly unknown[]): string {
  const quoted = fields.map((field) => {
    const text = field === null || field === undefined ? '' : String(field)
    const safe = /^[\s]*[=+\-@|%＝＋－＠]/.test(text) || /^[\t\r\n]/.test(text) ? `'${text}` : text
    return `"${safe.replaceAll('"', '""')}"`
  })
  return `${quoted.join(',')}\r\n`
}
