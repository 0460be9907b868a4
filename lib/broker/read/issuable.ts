import type { Actor } from '../../actor.ts'
import type { ReadTx } from '../../store/database.ts'
import { frozenProjects } from '../../store/freezes.ts'
import { listProjects } from '../../store/projects.ts'

const usable = ['linked', 'degraded', 'uncertain']

/** The projects that a member can issue tokens for now, by a connection of their own, with its provider. */
export async function issuableProjects(tx: ReadTx, { tenantId, userId }: Pick<Actor, 'tenantId' | 'userId'>) {
  const rows = await listProjects(tx, tenantId, userId, { all: false })
  const frozen = await frozenProjects(
    tx,
    tenantId,
    userId,
    rows.map(({ id }) => id),
  )
  return rows.flatMap(({ links, ...project }) => {
    const connection = links[0]?.connection
    return connection && usable.includes(connection.status) && !frozen.has(project.id)
      ? [{ ...project, connection }]
      : []
  })
}

export type IssuableProject = Awaited<ReturnType<typeof issuableProjects>>[number]
