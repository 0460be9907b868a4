import { ConfigError } from '../config.ts'
import type { Context } from '../context.ts'
import { type Location, open, type SealKey, seal, sealedWith, sealKey, UnsealError } from '../security/seal.ts'
import { randomToken, type Secret } from '../security/secrets.ts'
import { type Tx, withInstance, withTenant } from '../store/database.ts'
import { insertTenantKey, listTenantKeys, readKeyCanary, writeKeyCanary } from '../store/keys.ts'

/** Seals and opens the values of one tenant. The tenant is part of every place, so vaults cannot be mixed up. */
export type Vault = {
  seal(place: Omit<Location, 'tenant'>, value: Secret | string): Promise<string>
  /** @throws UnsealError */
  open(place: Omit<Location, 'tenant'>, sealed: string): Promise<Secret>
}

type KeyContext = Pick<Context, 'db' | 'instanceKeys' | 'tenantKeys' | 'now' | 'metrics'>

const keyPlace = (tenant: string, row: string): Location => ({
  tenant,
  table: 'tenant_key',
  row,
  column: 'wrapped',
  user: '-',
  version: 0,
})
const cacheMilliseconds = 60_000

/** Opens with whichever key the value names; a value of an unknown key does not open. */
async function openWith(keys: SealKey[], location: Location, sealed: string): Promise<Secret> {
  const key = keys.find((candidate) => candidate.id === sealedWith(sealed))
  if (!key) throw new UnsealError()
  return open(key, location, sealed)
}

/** Makes the first data key of a tenant, in the transaction that makes the tenant. */
export async function createTenantKey(
  ctx: Pick<Context, 'instanceKeys' | 'now'>,
  tx: Tx,
  tenantId: string,
): Promise<void> {
  const id = `dk${ctx.now().getTime().toString(36)}`
  const wrapped = await seal(currentKey(ctx.instanceKeys), keyPlace(tenantId, id), randomToken())
  await insertTenantKey(tx, { tenantId, id, wrapped, createdAt: ctx.now() })
}

/**
 * The vault of a tenant: the newest key seals, every key opens. Keys are kept opened for at most a minute.
 * @throws UnsealError when the tenant has no key that the instance keys open
 */
export async function vaultOf(ctx: KeyContext, tenantId: string): Promise<Vault> {
  const keys = await tenantKeys(ctx, tenantId)
  return {
    seal: (place, value) => {
      ctx.metrics.seals.inc()
      return seal(currentKey(keys), { ...place, tenant: tenantId }, value)
    },
    open: (place, sealed) => openWith(keys, { ...place, tenant: tenantId }, sealed),
  }
}

async function tenantKeys(ctx: KeyContext, tenantId: string): Promise<SealKey[]> {
  const kept = ctx.tenantKeys.get(tenantId)
  if (kept && kept.until > ctx.now().getTime()) return kept.keys
  const rows = await withTenant(ctx, tenantId, (tx) => listTenantKeys(tx, tenantId))
  const keys: SealKey[] = []
  for (const { id, wrapped } of rows) {
    const bytes = await openWith(ctx.instanceKeys, keyPlace(tenantId, id), wrapped)
    keys.push(await sealKey(id, Buffer.from(bytes.reveal(), 'base64url')))
  }
  if (keys.length === 0) throw new UnsealError()
  ctx.tenantKeys.set(tenantId, { keys, until: ctx.now().getTime() + cacheMilliseconds })
  return keys
}

function currentKey(keys: SealKey[]): SealKey {
  const [current] = keys
  if (!current) throw new UnsealError()
  return current
}

const canaryPlace: Location = { tenant: '-', table: 'instance', row: '1', column: 'key_canary', user: '-', version: 0 }

/**
 * Proves at boot that the instance keys are the ones this database was sealed with.
 * @throws ConfigError
 */
export async function checkInstanceKeys(ctx: Pick<Context, 'db' | 'instanceKeys'>): Promise<void> {
  const canary = await withInstance(ctx, readKeyCanary)
  if (canary === null) {
    const sealed = await seal(currentKey(ctx.instanceKeys), canaryPlace, 'valetkey')
    await withInstance(ctx, (tx) => writeKeyCanary(tx, sealed))
    return
  }
  await openWith(ctx.instanceKeys, canaryPlace, canary).catch(() => {
    throw new ConfigError([
      'VALETKEY_KEYS does not hold the key that this database was sealed with: add that key to the list',
    ])
  })
}
