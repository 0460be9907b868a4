import { auditSigner } from '../audit/keys.ts'
import { instanceTenant, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { isUnsealError, sealedWith } from '../security/seal.ts'
import { findCurrentAuditKey } from '../store/audit-chain.ts'
import { readTenant, type Tx } from '../store/database.ts'
import {
  deleteTenantKeys,
  holdInstanceKey,
  listInstanceKeys,
  listTenantKeys,
  lockTenantKeys,
  rewrapTenantKey,
  setInstanceKeyRetired,
} from '../store/keys.ts'
import { tenantIds } from '../store/lookups.ts'
import {
  countSealed,
  listSealedOtherwise,
  nameOf,
  replaceSealed,
  type SealedColumn,
  sealedColumns,
} from '../store/sealed.ts'
import { asSystem, withInstance } from '../store/system.ts'
import { cacheMilliseconds, createTenantKey, refreshTenantKeys, rewrap, vaultOf, verifyInstanceKeys } from './keys.ts'

/** Every process has read its tenants' keys within a minute; the rest is for clocks that are apart. */
export const publishMilliseconds = cacheMilliseconds + 30_000
/** After this nobody seals with an older key: what was sealed before is stored, or its outage is over (refresh.ts). */
export const settleMilliseconds = 5 * 60_000
/** A256GCM with random nonces ends at 2^32 seals a key (SP 800-38D 8.3); a quarter of it leaves room for what is untold. */
const sealLimit = 2n ** 30n
/** Rows locked at once while values are exchanged: a refresh of one of them waits for as many updates at most. */
const batch = 25

/** A value that stays as it is because it does not open. */
export type Unreadable = { tenantId: string; place: string; row: string }

/**
 * Wraps every tenant's data keys with the current instance key. Small records, one after another, while everything runs;
 * run again where it was cut off. Sealed values are not touched.
 * @throws ConfigError for a wrong, missing or retired key
 * @throws BrokerError keys_unavailable while no instance has started with the current key: it could not open what we wrap
 */
export async function rewrapTenantKeys(ctx: Context): Promise<{ rewrapped: number; unreadable: Unreadable[] }> {
  const known = await verifyInstanceKeys(ctx)
  const [current] = await ctx.keys.list()
  if (!current || !known.has(current.id))
    throw new BrokerError('keys_unavailable', {
      detail: `No instance has started with the key "${current?.id}" yet. Add it to VALETKEY_KEYS of every instance, restart them, then rotate.`,
    })
  const unreadable: Unreadable[] = []
  let rewrapped = 0
  for (const tenantId of await tenantIds(ctx)) {
    const rows = await readTenant(ctx, tenantId, (tx) => listTenantKeys(tx, tenantId))
    for (const row of rows.filter(({ wrapped }) => sealedWith(wrapped) !== current.id)) {
      const to = await orUnreadable(() => rewrap(ctx, tenantId, row))
      if (to === undefined) unreadable.push({ tenantId, place: 'tenant_key.wrapped', row: row.id })
      else if (
        await asSystem(
          ctx,
          tenantId,
          'keys',
          // Held, so that it cannot be retired between the wrapping and its being stored.
          async (tx) =>
            (await holdInstanceKey(tx, current.id)) && rewrapTenantKey(tx, tenantId, row.id, { from: row.wrapped, to }),
        )
      )
        rewrapped += 1
    }
  }
  // Whoever signs with it moves it: the audit key is under an instance key as well.
  await auditSigner(ctx)
  if (rewrapped > 0) await recordInstance(ctx, 'keys.rotated', current.id)
  return { rewrapped, unreadable }
}

/** What `work` gives, or undefined where a sealed value does not open: one broken value stops nothing (V-04). */
async function orUnreadable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isUnsealError(error) || isBrokerError(error, 'keys_unavailable')) return undefined
    throw error
  }
}

/**
 * Publishes a new data key, which begins to seal once every process knows it. False where a rotation is under way already,
 * so that running again after a cut-off continues it, and where the tenant is shredded.
 */
export async function publishTenantKey(ctx: Context, tenantId: string): Promise<boolean> {
  const published = await asSystem(ctx, tenantId, 'keys', async (tx) => {
    const [newest] = await lockTenantKeys(tx, tenantId)
    const now = ctx.now().getTime()
    if (!newest || newest.usedFrom.getTime() > now - settleMilliseconds) return false
    const key = await createTenantKey(ctx, tx, tenantId, new Date(now + publishMilliseconds))
    const target = { kind: 'tenant', id: tenantId } as const
    const event = { action: 'keys.rotated', outcome: 'ok', target, details: { key } } as const
    await record(tx, tenantId, ctx.now(), { userId: null }, event)
    return true
  })
  if (published) await refreshTenantKeys(ctx, tenantId)
  return published
}

export type Resealed = {
  /** Values that are under the current key now. */
  resealed: number
  /** Values that were written while we resealed them: the newer ones stay. */
  overtaken: number
  unreadable: Unreadable[]
  /** Older data keys that nothing was sealed with any more. */
  dropped: number
}

/**
 * Brings every sealed value of a tenant under its current key. Each value is exchanged for the very one it was opened
 * from, so a refresh or a revocation at the same moment wins. What is left is found in the rows: run again after a kill.
 */
export async function resealTenant(ctx: Context, tenantId: string): Promise<Resealed> {
  const result: Resealed = { resealed: 0, overtaken: 0, unreadable: [], dropped: 0 }
  await refreshTenantKeys(ctx, tenantId)
  const vault = await vaultOf(ctx, tenantId)
  const keyId = vault.keyId()
  for (const place of sealedColumns) {
    for (let after = ''; ; ) {
      const values = await readTenant(ctx, tenantId, (tx) =>
        listSealedOtherwise(tx, tenantId, place, { keyId, after, take: batch }),
      )
      const exchanges: { row: string; sealed: string; resealed: string }[] = []
      for (const { row, sealed } of values) {
        const resealed = await orUnreadable(() => vault.reseal(place, row, sealed))
        if (resealed === undefined) result.unreadable.push({ tenantId, place: nameOf(place), row })
        else exchanges.push({ row, sealed, resealed })
      }
      const replaced = await asSystem(ctx, tenantId, 'keys', (tx) => exchange(tx, tenantId, place, exchanges))
      result.resealed += replaced
      result.overtaken += exchanges.length - replaced
      const last = values.at(-1)
      if (!last || values.length < batch) break
      after = last.row
    }
  }
  await refreshTenantKeys(ctx, tenantId)
  return result
}

/** In row order, as every other writer of several rows locks them. */
async function exchange(
  tx: Tx,
  tenantId: string,
  place: SealedColumn,
  exchanges: { row: string; sealed: string; resealed: string }[],
): Promise<number> {
  let replaced = 0
  for (const one of exchanges) if (await replaceSealed(tx, tenantId, place, one)) replaced += 1
  return replaced
}

/** Deletes older keys that no value uses, once no process can still seal with them. */
async function dropTenantKeys(ctx: Context, tenantId: string): Promise<number> {
  return asSystem(ctx, tenantId, 'keys', async (tx) => {
    const keys = await lockTenantKeys(tx, tenantId)
    const settled = ctx.now().getTime() - settleMilliseconds
    const current = keys.findIndex(({ usedFrom }) => usedFrom.getTime() <= settled)
    if (current < 0) return 0
    const used = new Set((await countSealed(tx, tenantId)).map(({ keyId }) => keyId))
    const unused = keys.slice(current + 1).filter(({ id }) => !used.has(id))
    if (unused.length > 0)
      await deleteTenantKeys(
        tx,
        tenantId,
        unused.map(({ id }) => id),
      )
    return unused.length
  })
}

/**
 * Ends what a rotation began, for the tick: re-seals what is left and drops keys that nothing needs; begins a rotation
 * where a key has sealed too much. One query where there is nothing to do.
 */
export async function settleTenantKeys(ctx: Context, tenantId: string): Promise<Resealed> {
  const keys = await readTenant(ctx, tenantId, (tx) => listTenantKeys(tx, tenantId))
  if ((keys[0]?.seals ?? 0n) > sealLimit) await publishTenantKey(ctx, tenantId)
  if (keys.length < 2) return { resealed: 0, overtaken: 0, unreadable: [], dropped: 0 }
  const result = await resealTenant(ctx, tenantId)
  return { ...result, dropped: await dropTenantKeys(ctx, tenantId) }
}

export type Rotation = Resealed & { tenants: number; published: number }

/**
 * Gives tenants a new data key each and re-seals everything under it. Takes a minute and a half at least: a key is
 * published before it seals. Cut off anywhere, running it again within five minutes continues; {@link settleTenantKeys}
 * finishes it at any time.
 * @throws ConfigError for a wrong, missing or retired instance key
 */
export async function rotateTenantKeys(
  ctx: Context,
  tenants: string[],
  onPublished: (published: number) => void = () => {},
): Promise<Rotation> {
  await verifyInstanceKeys(ctx)
  let published = 0
  for (const tenantId of tenants) if (await publishTenantKey(ctx, tenantId)) published += 1
  onPublished(published)
  await waitForKeys(ctx, tenants)
  const sum: Rotation = { tenants: tenants.length, published, resealed: 0, overtaken: 0, unreadable: [], dropped: 0 }
  for (const tenantId of tenants) {
    const one = await settleTenantKeys(ctx, tenantId)
    sum.resealed += one.resealed
    sum.overtaken += one.overtaken
    sum.unreadable.push(...one.unreadable)
    sum.dropped += one.dropped
  }
  return sum
}

/** Waits until the newest key of each tenant has begun; at once where none is new. */
async function waitForKeys(ctx: Context, tenants: string[]): Promise<void> {
  let latest = 0
  for (const tenantId of tenants) {
    const [newest] = await readTenant(ctx, tenantId, (tx) => listTenantKeys(tx, tenantId))
    latest = Math.max(latest, newest?.usedFrom.getTime() ?? 0)
  }
  const wait = latest - ctx.now().getTime()
  if (wait > 0) await ctx.sleep(wait + 1)
}

export type Retirement = { kind: 'retired' | 'already' } | { kind: 'refused'; why: string }

/**
 * Takes an instance key out of use: from then on boot does not ask for it and nothing is wrapped with it. Refused while
 * it is the current key or still wraps a data key.
 */
export async function retireInstanceKey(ctx: Context, id: string): Promise<Retirement> {
  const known = (await withInstance(ctx, listInstanceKeys)).find((key) => key.id === id)
  if (!known) return { kind: 'refused', why: `There is no instance key "${id}" in this database.` }
  if (known.retiredAt) return { kind: 'already' }
  const [current] = await ctx.keys.list()
  if (current?.id === id)
    return { kind: 'refused', why: `"${id}" is the current key. Put another key first in VALETKEY_KEYS and rotate.` }
  const refused = async (): Promise<Retirement | undefined> => {
    const wraps = await countWraps(ctx, id)
    const keys = wraps === 1 ? 'one key' : `${wraps} keys`
    return wraps === 0
      ? undefined
      : { kind: 'refused', why: `"${id}" still wraps ${keys}. Run: npm run keys -- rotate` }
  }
  const before = await refused()
  if (before) return before
  await withInstance(ctx, (tx) => setInstanceKeyRetired(tx, id, ctx.now()))
  // A process that still had it as its first key may have wrapped between the count and the mark; none can after it.
  const meanwhile = await refused()
  if (meanwhile) {
    await withInstance(ctx, (tx) => setInstanceKeyRetired(tx, id, null))
    return meanwhile
  }
  await recordInstance(ctx, 'keys.retired', id)
  return { kind: 'retired' }
}

async function countWraps(ctx: Context, id: string): Promise<number> {
  let wraps = 0
  for (const tenantId of await tenantIds(ctx)) {
    const keys = await readTenant(ctx, tenantId, (tx) => listTenantKeys(tx, tenantId))
    wraps += keys.filter(({ wrapped }) => sealedWith(wrapped) === id).length
  }
  const audit = await withInstance(ctx, findCurrentAuditKey)
  return wraps + (audit && sealedWith(audit.sealedPrivate) === id ? 1 : 0)
}

const recordInstance = (ctx: Context, action: 'keys.rotated' | 'keys.retired', key: string) =>
  asSystem(ctx, instanceTenant, 'keys', (tx) =>
    record(
      tx,
      instanceTenant,
      ctx.now(),
      { userId: null },
      { action, outcome: 'ok', target: { kind: 'instance_key', id: key }, details: { key } },
    ),
  )
