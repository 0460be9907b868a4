import type { Context } from '../../context.ts'
import { readTenant } from '../../store/database.ts'
import { memberNames, membersCalled, namesOf } from '../../store/members.ts'

type Names = Map<string, string>
const byId = (people: { id: string; name: string }[]): Names => new Map(people.map(({ id, name }) => [id, name]))

/** Names of these people of a tenant by user id: a page names the few that it shows, of thousands that there may be. */
export async function peopleNames(
  ctx: Context,
  tenantId: string,
  people: readonly (string | null | undefined)[],
): Promise<Names> {
  const asked = [...new Set(people.filter((id) => typeof id === 'string'))]
  return asked.length === 0 ? new Map() : byId(await namesOf(ctx, tenantId, asked))
}

/** Names of all, to choose from; undefined: they are more than `most`. */
export async function fewPeople(ctx: Context, tenantId: string, most: number): Promise<Names | undefined> {
  const people = await readTenant(ctx, tenantId, (tx) => memberNames(tx, tenantId, most + 1))
  return people.length > most ? undefined : byId(people)
}

/** Who is meant by a name or a part of it; undefined: nobody, or several. */
export async function personCalled(ctx: Context, tenantId: string, text: string): Promise<string | undefined> {
  const found = await readTenant(ctx, tenantId, (tx) => membersCalled(tx, tenantId, text))
  return found.length === 1 || found[0]?.exact ? found[0]?.id : undefined
}
