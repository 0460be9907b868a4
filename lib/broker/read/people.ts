import type { Context } from '../../context.ts'
import { readTenant } from '../../store/database.ts'
import { memberNames } from '../../store/members.ts'

/** Names of a tenant's people by user id, for showing owners. `among`: of these alone, where a page shows few of many. */
export async function peopleNames(ctx: Context, tenantId: string, among?: string[]): Promise<Map<string, string>> {
  const people = await readTenant(ctx, tenantId, (tx) => memberNames(tx, tenantId, among))
  return new Map(people.map(({ id, name }) => [id, name]))
}
