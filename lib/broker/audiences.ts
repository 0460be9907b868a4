import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, fieldsOf } from '../errors.ts'
import { kinds } from '../providers/index.ts'
import type { Own } from '../providers/kind.ts'
import { newId } from '../security/ids.ts'
import { act } from '../store/authority.ts'
import { type Prisma, type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { lockTarget } from '../store/freezes.ts'
import { findPolicies, putLongestLife } from '../store/policies.ts'
import {
  findProject,
  findProjectUpstream,
  insertProject,
  isAliasTaken,
  listAudiences,
  type ProjectRow,
  reviveAudience,
  removeAudience as takeAway,
  updateAudience,
  viewerOf,
} from '../store/projects.ts'
import { listProviders } from '../store/providers.ts'
import { countLiveOf, livingTokensOf } from '../store/tokens.ts'
import { vaultOf } from '../vault/keys.ts'
import { byOf, revokeHere } from './revoke.ts'

export type AudienceView = {
  id: string
  audience: string
  name: string
  alias: string
  /** As the kind of its provider has them. */
  settings: Record<string, unknown>
  maxLifetimeSeconds: number | null
  /** Living tokens of all members. */
  tokensOut: number
  createdAt: Date
}

/** More than anybody looks through. */
const mostAudiences = 100

/** The tenant's provider without an upstream, of which there is one at most, and its kind's part in this. */
async function ownOf(tx: ReadTx, tenantId: string): Promise<{ providerId: string; own: Own } | undefined> {
  for (const { id, kind } of await listProviders(tx, tenantId)) {
    const own = kinds.get(kind)?.own
    if (own) return { providerId: id, own }
  }
  return undefined
}

async function toViews(ctx: Context, tx: ReadTx, tenantId: string, rows: ProjectRow[]): Promise<AudienceView[]> {
  const ids = rows.map(({ id }) => id)
  const out = await countLiveOf(tx, tenantId, ids, ctx.now())
  const places = ids.map((targetId) => ({ level: 'project' as const, targetId }))
  const policies = new Map((await findPolicies(tx, tenantId, places)).map((row) => [row.targetId, row]))
  return rows.map((row) => ({
    id: row.id,
    audience: row.externalId,
    name: row.name,
    alias: row.alias,
    settings: row.settings as Record<string, unknown>,
    maxLifetimeSeconds: policies.get(row.id)?.maxLifetimeSeconds ?? null,
    tokensOut: out.get(row.id) ?? 0,
    createdAt: row.createdAt,
  }))
}

async function toView(ctx: Context, tx: ReadTx, row: ProjectRow): Promise<AudienceView> {
  const [view] = await toViews(ctx, tx, row.tenantId, [row])
  if (!view) throw new Error('one row has one view')
  return view
}

/** The tenant's own audiences. @throws BrokerError forbidden */
export async function audienceList(ctx: Context, actor: Actor): Promise<AudienceView[]> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  return readTenant(ctx, tenantId, async (tx) => {
    const found = await ownOf(tx, tenantId)
    return found ? toViews(ctx, tx, tenantId, await listAudiences(tx, tenantId, found.providerId)) : []
  })
}

export type NewAudience = {
  /** What its tokens name as `aud`. */
  audience: string
  name: string
  alias: string
  settings: Record<string, unknown>
  maxLifetimeSeconds?: number | undefined
}

/**
 * Adds an audience: from now on members issue tokens for it. One that was removed comes back; tokens from before stay dead.
 * @throws BrokerError forbidden, no_own_apis, bad_request, audience_exists, too_many_audiences, alias_taken
 */
export async function addAudience(ctx: Context, actor: Actor, input: NewAudience): Promise<AudienceView> {
  const { name, alias } = input
  const externalId = checkedAudience(ctx, input.audience)
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const found = await ownOf(tx, tenantId)
    // Two who add one at once do so one after the other.
    if (!found || !(await lockTarget(tx, tenantId, 'provider', found.providerId))) return 'no_own_apis' as const
    const { own, providerId } = found
    const settings = settingsFrom(own, input.settings)
    const known = await findProjectUpstream(tx, tenantId, providerId, externalId)
    if (known && !known.removedAt) return 'audience_exists' as const
    if ((await listAudiences(tx, tenantId, providerId)).length >= mostAudiences) return 'too_many_audiences' as const
    if (await isAliasTaken(tx, tenantId, viewerOf(actor), alias)) return 'alias_taken' as const
    const now = ctx.now()
    const row = known
      ? await reviveAudience(tx, tenantId, known.id, { name, alias, settings }, now)
      : await insertProject(tx, {
          tenantId,
          id: newId('project'),
          providerId,
          externalId,
          name,
          alias,
          settings,
          createdAt: now,
        })
    await putLongestLife(tx, tenantId, { level: 'project', targetId: row.id }, input.maxLifetimeSeconds ?? null)
    const target = { kind: 'project', id: row.id } as const
    const details = { audience: externalId, ...told(own, settings) }
    await record(tx, tenantId, now, actor, { action: 'audience.added', outcome: 'ok', target, details })
    return toView(ctx, tx, row)
  })
  if (typeof done === 'string') throw new BrokerError(done)
  return done
}

export type AudienceChange = {
  /** Of the project that it is. */
  id: string
  name?: string | undefined
  settings?: Record<string, unknown> | undefined
  maxLifetimeSeconds?: number | null | undefined
}

/**
 * Changes an audience for the tokens to come: those that are out keep what they were given. Its address never changes.
 * @throws BrokerError forbidden, not_found, bad_request
 */
export async function changeAudience(ctx: Context, actor: Actor, input: AudienceChange): Promise<AudienceView> {
  return act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const { own, row } = await lockedAudience(tx, actor, input.id)
    const settings = input.settings && settingsFrom(own, input.settings)
    const change = { ...(input.name !== undefined && { name: input.name }), ...(settings && { settings }) }
    const changed = await updateAudience(tx, tenantId, row.id, change)
    const { maxLifetimeSeconds } = input
    if (maxLifetimeSeconds !== undefined)
      await putLongestLife(tx, tenantId, { level: 'project', targetId: row.id }, maxLifetimeSeconds)
    const names = [...Object.keys(change), ...(maxLifetimeSeconds === undefined ? [] : ['maxLifetimeSeconds'])]
    const target = { kind: 'project', id: row.id } as const
    const details = { changed: names, ...told(own, changed.settings) }
    await record(tx, tenantId, ctx.now(), actor, { action: 'audience.changed', outcome: 'ok', target, details })
    return toView(ctx, tx, changed)
  })
}

export type RemovedAudience = {
  revoked: number
  /** The end of the last token that is verified without us; null: there is none. */
  latestMoment: Date | null
}

/**
 * Takes an audience away: nothing is issued for it any more, and every living token of it is revoked. One that is being issued
 * either is revoked with it or comes to nothing.
 * @throws BrokerError forbidden, not_found
 */
export async function removeAudience(
  ctx: Context,
  actor: Actor,
  input: { id: string; reason?: string | undefined },
): Promise<RemovedAudience> {
  const vault = await vaultOf(ctx, actor.tenantId)
  return act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const { row } = await lockedAudience(tx, actor, input.id)
    const now = ctx.now()
    await takeAway(tx, tenantId, row.id, now)
    // After the lock of the project, which every issue for it shares: whatever was being made is either here or sees it gone.
    const tokens = await livingTokensOf(tx, tenantId, row.id, now)
    const { reason } = input
    const ids = tokens.map(({ id }) => id)
    await revokeHere(ctx, vault, tx, byOf(actor), { tokens: ids, connections: [], reason })
    const target = { kind: 'project', id: row.id } as const
    const details = { audience: row.externalId, tokens: ids.length, reason: reason || null }
    await record(tx, tenantId, now, actor, { action: 'audience.removed', outcome: 'ok', target, details })
    const ends = tokens.filter(({ offline }) => offline).map(({ expiresAt }) => expiresAt.getTime())
    return { revoked: ids.length, latestMoment: ends.length > 0 ? new Date(Math.max(...ends)) : null }
  })
}

/** An audience, its row held. @throws BrokerError not_found, also for a project that is linked */
async function lockedAudience(tx: Tx, actor: Actor, id: string): Promise<{ own: Own; row: ProjectRow }> {
  const { tenantId } = actor
  const found = await ownOf(tx, tenantId)
  const isThere = await lockTarget(tx, tenantId, 'project', id)
  // Read under the lock: somebody may just have removed it.
  const row = isThere ? await findProject(tx, tenantId, viewerOf(actor), id) : null
  if (!found || row?.providerId !== found.providerId) throw new BrokerError('not_found')
  return { own: found.own, row }
}

/** An address that nobody mixes up with ours: no token of a tenant's may look as if it were for Valetkey. @throws BrokerError bad_request */
function checkedAudience({ config }: Pick<Context, 'config'>, text: string): string {
  const refuse = (why: string) => new BrokerError('bad_request', { fields: { audience: why } })
  if (!URL.canParse(text)) throw refuse('Enter an address such as https://api.example.com.')
  const url = new URL(text)
  if (url.username || url.password) throw refuse('Enter the address without a name or password.')
  if (url.origin === config.origin) throw refuse('This is an address of Valetkey itself.')
  return text
}

/** @throws BrokerError bad_request */
function settingsFrom(own: Own, given: Record<string, unknown>): Prisma.InputJsonObject {
  const parsed = own.audience.safeParse(given)
  if (parsed.success) return parsed.data as Prisma.InputJsonObject
  throw new BrokerError('bad_request', { fields: fieldsOf(parsed.error.issues, 'settings', ['settings']) })
}

/** What an event tells of an audience. */
const told = (own: Own, settings: unknown) => ({
  scopes: own.scope(own.most(settings)).split(' ').filter(Boolean),
  offline: own.offline(settings),
})
