import { instanceTenant, record } from '../audit/record.ts'
import { ConfigError } from '../config.ts'
import type { Context, OpenedKeys } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { InstanceKey } from '../security/key-source.ts'
import {
  isNewerFormat,
  isUnsealError,
  type Location,
  open,
  seal,
  sealedFor,
  sealedWith,
  sealKey,
  UnsealError,
} from '../security/seal.ts'
import { randomToken, type Secret, sameSecret, secretCanary } from '../security/secrets.ts'
import type { Tx } from '../store/database.ts'
import {
  addSeals,
  holdInstanceKey,
  insertInstanceKeys,
  insertTenantKey,
  keepSecretCanary,
  listInstanceKeys,
  listTenantKeys,
  readSecretCanary,
  replaceSecretCanary,
} from '../store/keys.ts'
import type { SealedColumn, SealedPlace } from '../store/sealed.ts'
import { asSystem, withInstance } from '../store/system.ts'

/**
 * Seals and opens the values of one tenant. The tenant is part of every place, so vaults cannot be mixed up.
 * Each verb throws BrokerError tenant_shredded where the tenant has no key left, and keys_unavailable where the key is
 * wrapped by an instance key that this process does not have: nothing is lost then, and nothing may be marked broken.
 */
export type Vault = {
  seal(place: SealedPlace, value: Secret | string): Promise<string>
  /** @throws UnsealError */
  open(place: SealedPlace, sealed: string): Promise<Secret>
  /** Id of the key that seals now. */
  keyId(): string
  /**
   * The same value under the key that seals now, for the very place it was sealed for.
   * @throws UnsealError also for a value that belongs to another column or row
   */
  reseal(column: SealedColumn, row: string, sealed: string): Promise<string>
}

type KeyContext = Pick<Context, 'db' | 'keys' | 'tenantKeys' | 'now' | 'log' | 'metrics'>

export const cacheMilliseconds = 60_000
/** How old a cached list must be before an unknown key id makes us read it again. */
const rereadMilliseconds = 1_000

const keyPlace = (tenant: string, row: string): Location => ({
  tenant,
  table: 'tenant_key',
  row,
  column: 'wrapped',
  user: '-',
  version: 0,
})

/** Opens with whichever key the value names; a value of an unknown key does not open. */
async function openWith(keys: readonly InstanceKey[], location: Location, sealed: string): Promise<Secret> {
  const key = keys.find((candidate) => candidate.id === sealedWith(sealed))
  if (!key) throw new UnsealError()
  return key.open(location, sealed)
}

/** The instance key that wraps. It stays one until `tx` ends: a key that is being retired is refused. */
async function wrappingKey(ctx: Pick<Context, 'keys'>, tx: Tx): Promise<InstanceKey> {
  const [current] = await ctx.keys.list()
  if (!current || !(await holdInstanceKey(tx, current.id))) throw new BrokerError('keys_unavailable')
  return current
}

/** Makes a data key, in the transaction that needs it. `usedFrom`: when it begins to seal. */
export async function createTenantKey(
  ctx: Pick<Context, 'keys' | 'now'>,
  tx: Tx,
  tenantId: string,
  usedFrom: Date = ctx.now(),
): Promise<string> {
  const createdAt = ctx.now()
  const id = `dk${createdAt.getTime().toString(36)}${randomToken().slice(0, 4)}`
  const wrapped = await (await wrappingKey(ctx, tx)).seal(keyPlace(tenantId, id), randomToken())
  await insertTenantKey(tx, { tenantId, id, wrapped, usedFrom, createdAt })
  return id
}

/** A data key's wrapping under the current instance key. @throws UnsealError */
export async function rewrap(ctx: Pick<Context, 'keys'>, tenantId: string, key: { id: string; wrapped: string }) {
  const keys = await ctx.keys.list()
  const bytes = await openWith(keys, keyPlace(tenantId, key.id), key.wrapped)
  const [current] = keys
  if (!current) throw new UnsealError()
  return current.seal(keyPlace(tenantId, key.id), bytes)
}

/**
 * The vault of a tenant: the newest key that has begun seals, every key opens. Keys are kept opened for at most a minute.
 * Never throws for keys that are missing: its verbs do, so that what needs no secret still works.
 */
export async function vaultOf(ctx: KeyContext, tenantId: string): Promise<Vault> {
  let kept = await tenantKeys(ctx, tenantId, cacheMilliseconds)
  const current = () => {
    // The first key of a tenant seals at once, also where our clock is behind that of its maker.
    const key = kept.keys.find(({ usedFrom }) => usedFrom <= ctx.now()) ?? kept.keys.at(-1)
    if (!key) throw new BrokerError('tenant_shredded')
    return key
  }
  const sealAt = (location: Location, value: Secret | string) => {
    const { id, key } = current()
    if (!key) throw new BrokerError('keys_unavailable')
    ctx.metrics.seals.inc()
    kept.seals.set(id, (kept.seals.get(id) ?? 0) + 1)
    return seal(key, location, value)
  }
  const openAt = async (location: Location, sealed: string) => {
    /** What does not open may be of a format that only a newer version knows. */
    const unsealed = () =>
      isNewerFormat(sealed)
        ? new BrokerError('keys_unavailable', { detail: 'A newer version sealed it. Upgrade this instance.' })
        : new UnsealError()
    const id = sealedWith(sealed)
    const find = () => kept.keys.find((key) => key.id === id)
    // Keys are published before they seal, so a key that we never heard of is rare: a clock that is off.
    if (!find()) kept = await tenantKeys(ctx, tenantId, rereadMilliseconds)
    if (kept.keys.length === 0) throw new BrokerError('tenant_shredded')
    const found = find()
    if (!found) throw unsealed()
    if (!found.key) throw new BrokerError('keys_unavailable')
    return open(found.key, location, sealed).catch(() => Promise.reject(unsealed()))
  }
  return {
    seal: async (place, value) => sealAt({ ...place, tenant: tenantId }, value),
    open: (place, sealed) => openAt({ ...place, tenant: tenantId }, sealed),
    keyId: () => current().id,
    async reseal({ table, column }, row, sealed) {
      const place = sealedFor(sealed)
      if (!place) throw new UnsealError()
      const value = await openAt({ ...place, tenant: tenantId, table, column, row }, sealed)
      return sealAt(place, value)
    },
  }
}

/**
 * A tenant's opened keys, read again when the kept ones are older than `maximumAge` (ms). Whoever asks meanwhile waits for the same
 * reading: each reading is a transaction that waits for the key's row.
 */
async function tenantKeys(ctx: KeyContext, tenantId: string, maximumAge: number): Promise<OpenedKeys> {
  const kept = ctx.tenantKeys.get(tenantId)
  const readAt = ctx.now().getTime()
  if (kept && readAt - kept.readAt < maximumAge) return kept.opened
  const seals = kept?.seals ?? new Map<string, number>()
  const reading = { readAt, seals, opened: readKeys(ctx, tenantId, seals) }
  ctx.tenantKeys.set(tenantId, reading)
  try {
    return await reading.opened
  } catch (error) {
    if (ctx.tenantKeys.get(tenantId) === reading) {
      if (kept) ctx.tenantKeys.set(tenantId, kept)
      else ctx.tenantKeys.delete(tenantId)
    }
    throw error
  }
}

/** Tells the database what was sealed since it was told last, and opens the keys that it has. */
async function readKeys(ctx: KeyContext, tenantId: string, seals: Map<string, number>): Promise<OpenedKeys> {
  const told = [...seals]
  // Taken out first: another reading tells what is sealed from now on, and nothing twice.
  seals.clear()
  const rows = await asSystem(ctx, tenantId, 'keys', async (tx) => {
    for (const [id, count] of told) await addSeals(tx, tenantId, id, count)
    return listTenantKeys(tx, tenantId)
  }).catch((error: unknown) => {
    for (const [id, count] of told) seals.set(id, (seals.get(id) ?? 0) + count)
    throw error
  })
  const instanceKeys = await ctx.keys.list()
  const keys = await Promise.all(
    rows.map(async ({ id, usedFrom, wrapped }) => {
      try {
        const bytes = await openWith(instanceKeys, keyPlace(tenantId, id), wrapped)
        return { id, usedFrom, key: await sealKey(id, Buffer.from(bytes.reveal(), 'base64url')) }
      } catch (error) {
        if (!isUnsealError(error)) throw error
        ctx.log.error({ tenant: tenantId, key: id, wrapped_with: sealedWith(wrapped) }, 'a data key cannot be opened')
        return { id, usedFrom, key: undefined }
      }
    }),
  )
  return { keys, seals }
}

/** Tells the database what this process has sealed, and reads a tenant's keys again. */
export const refreshTenantKeys = async (ctx: KeyContext, tenantId: string): Promise<void> => {
  await tenantKeys(ctx, tenantId, 0)
}

/** Where the first release sealed its one canary. The key id in the header tells canaries apart. */
const canaryPlace: Location = { tenant: '-', table: 'instance', row: '1', column: 'key_canary', user: '-', version: 0 }

export type CanaryState = 'ok' | 'wrong'

/** Whether a key is the one that a registered canary was sealed with. */
export const checkCanary = (key: InstanceKey, canary: string): Promise<CanaryState> =>
  key.open(canaryPlace, canary).then(
    () => 'ok' as const,
    () => 'wrong' as const,
  )

/**
 * Proves at boot that the instance keys are the ones this database was sealed with, and registers new ones.
 * @throws ConfigError naming each key that is missing, wrong or retired, never a value
 */
export async function checkInstanceKeys(ctx: Pick<Context, 'db' | 'keys' | 'now'>): Promise<void> {
  const keys = await ctx.keys.list()
  const known = await verifyInstanceKeys(ctx)
  const fresh = keys.filter((key) => !known.has(key.id))
  if (fresh.length === 0) return
  const createdAt = ctx.now()
  const rows = await Promise.all(
    fresh.map(async (key) => ({ id: key.id, canary: await key.seal(canaryPlace, 'valetkey'), createdAt })),
  )
  await withInstance(ctx, (tx) => insertInstanceKeys(tx, rows))
  // Of two first boots at once with two values under one id, one canary was kept: the other boot ends here.
  await verifyInstanceKeys(ctx)
}

/**
 * Compares the instance keys with those that this database knows, and answers the ids of the latter.
 * @throws ConfigError
 */
export async function verifyInstanceKeys(ctx: Pick<Context, 'db' | 'keys'>): Promise<Set<string>> {
  const keys = await ctx.keys.list()
  const known = await withInstance(ctx, listInstanceKeys)
  const problems: string[] = []
  for (const { id, canary, retiredAt } of known) {
    const key = keys.find((candidate) => candidate.id === id)
    if (!key && !retiredAt)
      problems.push(
        `VALETKEY_KEYS lacks the key "${id}", which this database needs: add it, or retire it first (npm run keys -- retire ${id})`,
      )
    if (key && (await checkCanary(key, canary)) === 'wrong')
      problems.push(`VALETKEY_KEYS has a different value for "${id}" than the one this database was sealed with`)
    if (retiredAt && keys[0]?.id === id)
      problems.push(`VALETKEY_KEYS begins with "${id}", which is retired: put another key first`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return new Set(known.map(({ id }) => id))
}

type SecretContext = Pick<Context, 'db' | 'config' | 'now'>

/** Whether the root secret is the one that this database knows; undefined while it knows none. Changes nothing. */
export async function isSecretKnown(ctx: SecretContext): Promise<boolean | undefined> {
  const kept = await withInstance(ctx, readSecretCanary)
  return kept === null ? undefined : sameSecret(kept, secretCanary(ctx.config.secret))
}

/**
 * Proves at boot that the root secret is the one this database was first started with. The first boot makes it known; of
 * two at once with two values one ends here.
 * @throws ConfigError
 */
export async function checkSecret(ctx: SecretContext): Promise<void> {
  await withInstance(ctx, (tx) => keepSecretCanary(tx, secretCanary(ctx.config.secret)))
  if (await isSecretKnown(ctx)) return
  throw new ConfigError([
    'VALETKEY_SECRET is not the one this database was first started with: sign-ins in progress would fail, and token fingerprints would no longer match. Restore the old value, or accept the new one (npm run keys -- secret --accept)',
  ])
}

/** Makes the present root secret the one that boots from now on. */
export async function acceptSecret(ctx: SecretContext): Promise<void> {
  const event = { action: 'secret.accepted', outcome: 'ok', target: { kind: 'instance', id: '1' } } as const
  await asSystem(ctx, instanceTenant, 'keys', async (tx) => {
    await replaceSecretCanary(tx, secretCanary(ctx.config.secret))
    await record(tx, instanceTenant, ctx.now(), { userId: null }, event)
  })
}
