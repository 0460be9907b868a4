import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { line } from '../providers/check.ts'
import { configured } from '../providers/index.ts'
import type { CheckLine, CheckState } from '../providers/provider.ts'
import { newId } from '../security/ids.ts'
import { act } from '../store/authority.ts'
import { type CheckRow, claimCheck, findCheck, lockCheck, scheduleNext, updateCheck } from '../store/checks.ts'
import { type Renewals, renewalsOf } from '../store/connections.ts'
import { readTenant, type Tx } from '../store/database.ts'
import { insertNotifications, rearm } from '../store/notifications.ts'
import { findProvider, type ProviderRow } from '../store/providers.ts'
import { asSystem } from '../store/system.ts'
import { vaultOf } from '../vault/keys.ts'
import { callbackPath } from './addresses.ts'
import { openProvider } from './upstream.ts'

export type CheckView = {
  /** Null: never. */
  checkedAt: Date | null
  /** Null: the daily one, or none. */
  checkedBy: string | null
  lines: CheckLine[]
}

const toView = (row: Pick<CheckRow, 'checkedAt' | 'checkedBy' | 'lines'> | null): CheckView => ({
  checkedAt: row?.checkedAt ?? null,
  checkedBy: row?.checkedBy ?? null,
  // Written by this file alone; a version before had no commands.
  lines: ((row?.lines ?? []) as CheckLine[]).map((one) => ({ ...one, commands: one.commands ?? [] })),
})

/** What the last check of a provider saw. @throws BrokerError forbidden, not_found */
export async function readCheck(ctx: Context, actor: Actor, providerId: string): Promise<CheckView> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  const found = await readTenant(ctx, tenantId, async (tx) =>
    (await findProvider(tx, tenantId, providerId)) ? { row: await findCheck(tx, tenantId, providerId) } : undefined,
  )
  if (!found) throw new BrokerError('not_found')
  return toView(found.row)
}

/**
 * Looks at everything that linking and renewing with a provider stand on, with nobody's grant, and keeps what was seen.
 * @throws BrokerError forbidden, not_found, keys_unavailable, tenant_shredded
 */
export async function checkProvider(ctx: Context, actor: Actor, providerId: string): Promise<CheckView> {
  requirePermission(actor, 'administer')
  const { tenantId } = actor
  const begun = ctx.now()
  const provider = await readTenant(ctx, tenantId, (tx) => findProvider(tx, tenantId, providerId))
  if (!provider) throw new BrokerError('not_found')
  const lines = await linesOf(ctx, provider)
  return act(ctx, actor, 'administer', async (tx, actor) => {
    const row = await keep(tx, provider, { begun, by: actor.userId, lines })
    const target = { kind: 'provider', id: providerId } as const
    const details = counted(lines)
    await record(tx, tenantId, ctx.now(), actor, { action: 'provider.checked', outcome: 'ok', target, details })
    return toView(row)
  })
}

const counted = (lines: CheckLine[]) => {
  const count = (state: CheckState) => lines.filter((one) => one.state === state).length
  return { ok: count('ok'), attention: count('attention'), failed: count('failed'), unknown: count('unknown') }
}

/** The daily check of a provider, if it is due and nobody else is at it. Admins are told of what newly fails. */
export async function checkDaily(
  ctx: Context,
  { tenantId, id: providerId }: { tenantId: string; id: string },
): Promise<void> {
  const begun = ctx.now()
  const provider = await asSystem(ctx, tenantId, 'job', async (tx) =>
    (await claimCheck(tx, tenantId, providerId, begun)) ? findProvider(tx, tenantId, providerId) : null,
  )
  if (!provider) return
  const lines = await linesOf(ctx, provider).catch((error: unknown) => {
    // Secrets that cannot be opened are a matter of the keys, and are told of there.
    if (!isBrokerError(error)) throw error
    ctx.log.warn({ err: error, provider: providerId }, 'a provider could not be checked')
    return undefined
  })
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    await scheduleNext(tx, tenantId, providerId, ctx.now())
    if (lines) await keep(tx, provider, { begun, by: null, lines })
  })
}

type Seen = { begun: Date; by: string | null; lines: CheckLine[] }

/** Keeps what was seen, unless a check that began later is there already. */
async function keep(tx: Tx, { tenantId, id }: ProviderRow, { begun, by, lines }: Seen): Promise<CheckRow | null> {
  const known = await lockCheck(tx, tenantId, id, begun)
  if (known?.checkedAt && known.checkedAt > begun) return known
  const told = await tell(tx, { tenantId, id }, { told: known?.told ?? [], lines, now: begun, isNews: by === null })
  return updateCheck(tx, tenantId, id, { checkedAt: begun, checkedBy: by, lines, told })
}

/**
 * Tells admins of lines that fail and did not before: once, until they are fine again. Who asked for a check sees its result,
 * so that alone tells nobody. What is unknown now counts as it was. Answers the lines that have been told.
 */
async function tell(
  tx: Tx,
  { tenantId, id: providerId }: Pick<ProviderRow, 'tenantId' | 'id'>,
  { told, lines, now, isNews }: { told: string[]; lines: CheckLine[]; now: Date; isNews: boolean },
): Promise<string[]> {
  const idsOf = (...states: CheckState[]) => lines.filter(({ state }) => states.includes(state)).map(({ id }) => id)
  const standing = told.filter((id) => idsOf('failed', 'unknown').includes(id))
  const news = isNews ? idsOf('failed').filter((id) => !told.includes(id)) : []
  const dedupeKey = `check_failed:${providerId}`
  if (news.length > 0 || standing.length === 0) await rearm(tx, tenantId, dedupeKey)
  const [cause] = news
  if (cause)
    await insertNotifications(tx, [
      {
        tenantId,
        id: newId('notification'),
        kind: 'provider.check_failed',
        providerId,
        details: { cause, lines: news },
        dedupeKey,
        createdAt: now,
      },
    ])
  return [...standing, ...news]
}

async function linesOf(ctx: Context, row: ProviderRow): Promise<CheckLine[]> {
  const made = configured(row)
  // Nothing that could fail: there is no upstream.
  if (made?.kind.own) return []
  if (!made)
    return [
      line(
        'settings',
        'Settings',
        'failed',
        'The stored settings of this provider cannot be read.',
        'Edit and save it, so that they are checked again. If that does not help, add it as a new provider.',
      ),
    ]
  const provider = await openProvider(ctx, await vaultOf(ctx, row.tenantId), row)
  const redirectUri = ctx.config.origin + callbackPath(row.callbackKey)
  const seen = (await provider.check?.({ redirectUri })) ?? []
  const renewals = await readTenant(ctx, row.tenantId, (tx) => renewalsOf(tx, row.tenantId, row.id))
  return [...seen, refreshLine(renewals), trialLine(renewals)]
}

const title = 'Refresh'
function refreshLine({ usable, ended, lastRefreshAt }: Renewals): CheckLine {
  if (usable + ended === 0) return line('refresh', title, 'unknown', 'Nobody has linked with this provider.')
  if (usable === 0)
    return line(
      'refresh',
      title,
      'attention',
      'Every connection of this provider must be reconnected.',
      'Reconnect one, and look at the other lines: one of them may say why.',
    )
  return lastRefreshAt
    ? line('refresh', title, 'ok', `A connection was last renewed on ${minuteOf(lastRefreshAt)}.`)
    : line('refresh', title, 'unknown', 'Connections are linked, and none has been renewed yet.')
}

const minuteOf = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' at ')} UTC`

const trialLine = ({ usable }: Renewals): CheckLine =>
  usable > 0
    ? line('trial_link', 'Trial link', 'ok', 'Somebody is linked with this provider.')
    : line(
        'trial_link',
        'Trial link',
        'unknown',
        'Only a link shows that people come back from the upstream.',
        'Link a project with this provider.',
      )
