import { type Actor, may } from '../actor.ts'
import { Prisma, type ReadTx, type Tx } from './database.ts'

export type ProjectRow = Prisma.ProjectGetPayload<object>

/** Who asks. A member sees the projects that they have linked and the tenant's own audiences; who oversees it sees all (LK-03). */
export type Viewer = { userId: string; seesAll: boolean }

export const viewerOf = (actor: Pick<Actor, 'userId' | 'role'>): Viewer => ({
  userId: actor.userId,
  seesAll: may(actor, 'oversee'),
})

/**
 * A project that the viewer sees, by id or by any alias it ever had (vk.project_named). What only others linked is not there, for
 * the database either.
 */
export async function findProject(
  tx: ReadTx,
  tenantId: string,
  { userId, seesAll }: Viewer,
  idOrAlias: string,
): Promise<ProjectRow | null> {
  const [found] = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM vk.project_named(${tenantId}, ${userId}, ${seesAll}, ${idOrAlias})`
  return found ? tx.project.findUnique({ where: { tenantId_id: { tenantId, id: found.id } } }) : null
}

export const findProjectUpstream = (tx: ReadTx, tenantId: string, providerId: string, externalId: string) =>
  tx.project.findUnique({ where: { tenantId_providerId_externalId: { tenantId, providerId, externalId } } })

/**
 * Whether an alias stands, now or formerly, for a project that the viewer sees, other than `except`. Held against others
 * until the transaction ends, so that of two who take it at once one does.
 */
export async function isAliasTaken(
  tx: Tx,
  tenantId: string,
  { userId, seesAll }: Viewer,
  alias: string,
  except?: string,
): Promise<boolean> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`alias ${tenantId} ${alias}`}, 0))`
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM project_alias a
      JOIN project p ON p.tenant_id = a.tenant_id AND p.id = a.project_id
      LEFT JOIN connection_project own ON own.tenant_id = a.tenant_id AND own.project_id = a.project_id AND own.user_id = ${userId}
    WHERE a.tenant_id = ${tenantId} AND a.alias = ${alias} AND a.project_id <> ${except ?? ''}
      AND (own.user_id IS NOT NULL OR p.settings IS NOT NULL OR ${seesAll}) LIMIT 1`
  return rows.length > 0
}

export async function insertProject(tx: Tx, row: Prisma.ProjectUncheckedCreateInput): Promise<ProjectRow> {
  const project = await tx.project.create({ data: row })
  await tx.projectAlias.create({
    data: { tenantId: project.tenantId, alias: project.alias, projectId: project.id, createdAt: project.createdAt },
  })
  return project
}

/** Gives a project a new alias; the old ones keep resolving. */
export async function renameProject(tx: Tx, tenantId: string, id: string, alias: string, now: Date): Promise<void> {
  await tx.projectAlias.upsert({
    where: { tenantId_alias_projectId: { tenantId, alias, projectId: id } },
    create: { tenantId, alias, projectId: id, createdAt: now },
    update: {},
  })
  await tx.project.update({ where: { tenantId_id: { tenantId, id } }, data: { alias } })
}

export const updateProjectNames = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: { name: string; region: string | null },
) => tx.project.update({ where: { tenantId_id: { tenantId, id } }, data })

/** Of the connections that reach a project only one person's, which is one at most (K-23). */
const linkOf = (userId: string) => ({ where: { userId }, include: { connection: true } })

/** The projects that a person linked and the tenant's audiences, or every one. */
const seenBy = (tenantId: string, userId: string, all: boolean) =>
  ({
    where: {
      tenantId,
      removedAt: null,
      ...(all ? {} : { OR: [{ links: { some: { userId } } }, { settings: { not: Prisma.DbNull } }] }),
    },
    orderBy: [{ name: 'asc' }, { id: 'asc' }],
  }) satisfies Prisma.ProjectFindManyArgs

/** Their names, to choose from. */
export const listProjectNames = (tx: ReadTx, tenantId: string, userId: string, { all }: { all: boolean }) =>
  tx.project.findMany({ ...seenBy(tenantId, userId, all), select: { id: true, name: true } })

/** With provider and that person's own link. */
export const listProjects = (tx: ReadTx, tenantId: string, userId: string, { all }: { all: boolean }) =>
  tx.project.findMany({
    ...seenBy(tenantId, userId, all),
    include: { provider: true, links: linkOf(userId) },
  })

/** The audiences of a provider that has no upstream. */
export const listAudiences = (tx: ReadTx, tenantId: string, providerId: string) =>
  tx.project.findMany({ where: { tenantId, providerId, removedAt: null }, orderBy: [{ name: 'asc' }, { id: 'asc' }] })

export const updateAudience = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: { name?: string; settings?: Prisma.InputJsonObject },
) => tx.project.update({ where: { tenantId_id: { tenantId, id } }, data })

/** Takes an audience away: its generation is raised, so that nothing made before counts, and its aliases are free again. */
export async function removeAudience(tx: Tx, tenantId: string, id: string, removedAt: Date): Promise<void> {
  await tx.project.update({
    where: { tenantId_id: { tenantId, id } },
    data: { removedAt, generation: { increment: 1 } },
  })
  await tx.projectAlias.deleteMany({ where: { tenantId, projectId: id } })
}

/** Brings an audience that was taken away back. What was made before stays dead. */
export async function reviveAudience(
  tx: Tx,
  tenantId: string,
  id: string,
  data: { name: string; alias: string; settings: Prisma.InputJsonObject },
  now: Date,
): Promise<ProjectRow> {
  const project = await tx.project.update({
    where: { tenantId_id: { tenantId, id } },
    data: { ...data, removedAt: null },
  })
  await tx.projectAlias.create({ data: { tenantId, alias: data.alias, projectId: id, createdAt: now } })
  return project
}

export const findProjectWithLink = (tx: ReadTx, tenantId: string, id: string, userId: string) =>
  tx.project.findUnique({
    where: { tenantId_id: { tenantId, id } },
    include: { provider: true, aliases: true, links: linkOf(userId) },
  })

/** Several at once with their providers, by name. */
export const projectsWithProviders = (tx: ReadTx, tenantId: string, ids: string[]) =>
  ids.length === 0
    ? []
    : tx.project.findMany({
        where: { tenantId, id: { in: ids } },
        orderBy: [{ name: 'asc' }, { id: 'asc' }],
        include: { provider: true },
      })
