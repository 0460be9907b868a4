import type { Context } from '../context.ts'
import { sealedWith } from '../security/seal.ts'
import { readTenant } from '../store/database.ts'
import { listInstanceKeys, listTenantKeys, type TenantKeyRow } from '../store/keys.ts'
import { tenantIds } from '../store/lookups.ts'
import { countSealed, nameOf, sealedColumns } from '../store/sealed.ts'
import { withInstance } from '../store/system.ts'
import { findTenant } from '../store/tenants.ts'
import { checkCanary } from './keys.ts'

export type KeyStatus = {
  instanceKeys: {
    id: string
    state: 'current' | 'in use' | 'retired' | 'new'
    /** `absent`: not among the keys given; `unregistered`: no instance has started with it. */
    canary: 'ok' | 'wrong' | 'absent' | 'unregistered'
    /** Data keys under it. */
    wraps: number
  }[]
  /** Values by place, all tenants together. `unknown`: they name no key of their tenant, or are no sealed values. */
  places: { place: string; current: number; older: number; unknown: number }[]
  dataKeys: {
    tenant: string
    id: string
    state: 'published' | 'current' | 'older'
    wrappedWith: string
    /** How many it has sealed, but for the last minute of work of each process. */
    seals: bigint
    /** How many of those are stored. */
    values: number
  }[]
}

/** Everything about keys but the keys: which there are, what is under them, whether they are right. */
export async function keyStatus(ctx: Context): Promise<KeyStatus> {
  const places = new Map(sealedColumns.map((one) => [nameOf(one), { current: 0, older: 0, unknown: 0 }]))
  const dataKeys: KeyStatus['dataKeys'] = []
  for (const tenantId of await tenantIds(ctx)) {
    const { slug, keys, counts } = await readTenant(ctx, tenantId, async (tx) => ({
      slug: (await findTenant(tx, tenantId))?.slug ?? tenantId,
      keys: await listTenantKeys(tx, tenantId),
      counts: await countSealed(tx, tenantId),
    }))
    const states = statesOf(keys, ctx.now())
    for (const { place, keyId, values } of counts) {
      const sum = places.get(place)
      const state = states.get(keyId ?? '')
      // What a published key has sealed already is where it should be.
      if (sum) sum[state === undefined ? 'unknown' : state === 'older' ? 'older' : 'current'] += values
    }
    for (const { id, wrapped, seals } of keys)
      dataKeys.push({
        tenant: slug,
        id,
        state: states.get(id) ?? 'older',
        wrappedWith: sealedWith(wrapped) ?? '?',
        seals,
        values: counts.filter(({ keyId }) => keyId === id).reduce((sum, { values }) => sum + values, 0),
      })
  }
  return {
    instanceKeys: await instanceKeyStatus(ctx, dataKeys),
    places: [...places].map(([place, counts]) => ({ place, ...counts })),
    dataKeys,
  }
}

function statesOf(keys: TenantKeyRow[], now: Date): Map<string, 'published' | 'current' | 'older'> {
  const current = keys.findIndex(({ usedFrom }) => usedFrom <= now)
  return new Map(
    keys.map(({ id }, index) => [id, index < current ? 'published' : index === current ? 'current' : 'older']),
  )
}

async function instanceKeyStatus(ctx: Context, dataKeys: KeyStatus['dataKeys']): Promise<KeyStatus['instanceKeys']> {
  const given = await ctx.keys.list()
  const known = await withInstance(ctx, listInstanceKeys)
  const wraps = (id: string) => dataKeys.filter(({ wrappedWith }) => wrappedWith === id).length
  const rows: KeyStatus['instanceKeys'] = []
  for (const { id, canary, retiredAt } of known) {
    const key = given.find((candidate) => candidate.id === id)
    const state = retiredAt ? 'retired' : given[0]?.id === id ? 'current' : 'in use'
    rows.push({ id, state, canary: key ? await checkCanary(key, canary) : 'absent', wraps: wraps(id) })
  }
  for (const { id } of given.filter((key) => !known.some((one) => one.id === key.id)))
    rows.push({ id, state: 'new', canary: 'unregistered', wraps: wraps(id) })
  return rows
}
