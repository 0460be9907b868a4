import { expect } from 'vitest'
import { catalogue } from '../../lib/audit/catalogue.ts'
import { instanceTenant } from '../../lib/audit/record.ts'
import type { Context } from '../../lib/context.ts'
import { readTenant } from '../../lib/store/database.ts'
import { tenantIds } from '../../lib/store/lookups.ts'

type Body = { action: string; target: { kind: string; id: string } | null; details: unknown }

/** What is wrong with an event by the catalogue; undefined: nothing. */
function fault({ action, target, details }: Body): string | undefined {
  const entry = Object.entries(catalogue).find(([name]) => name === action)?.[1]
  if (!entry) return `${action} is not in the catalogue`
  const kinds: readonly string[] = entry.kinds
  if (target === null ? kinds.length > 0 : !kinds.includes(target.kind)) return `${action} is about ${target?.kind}`
  const parsed = entry.details.safeParse(details)
  return parsed.success ? undefined : `${action}: ${parsed.error.message}`
}

/** Every event in a test's database, also those that the database wrote by itself, is as the catalogue says. */
export async function expectCatalogued(ctx: Context): Promise<void> {
  const faults = new Set<string>()
  for (const tenantId of [...(await tenantIds(ctx)), instanceTenant]) {
    const events = await readTenant(ctx, tenantId, (tx) => tx.auditEvent.findMany({ where: { tenantId } }))
    for (const { body } of events) faults.add(fault(body as Body) ?? '')
  }
  faults.delete('')
  expect([...faults]).toEqual([])
}
