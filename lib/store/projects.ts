import type { Prisma, ReadTx, Tx } from './database.ts'

export type ProjectRow = Prisma.ProjectGetPayload<object>

/** A project by id or by any alias it ever had. */
export async function findProject(tx: ReadTx, tenantId: string, idOrAlias: string): Promise<ProjectRow | null> {
  const named = await tx.projectAlias.findUnique({ where: { tenantId_alias: { tenantId, alias: idOrAlias } } })
  return tx.project.findUnique({ where: { tenantId_id: { tenantId, id: named?.projectId ?? idOrAlias } } })
}

export const findProjectUpstream = (tx: ReadTx, tenantId: string, providerId: string, externalId: string) =>
  tx.project.findUnique({ where: { tenantId_providerId_externalId: { tenantId, providerId, externalId } } })

/** Which project an alias belongs to, now or formerly. */
export const aliasOwner = async (tx: ReadTx, tenantId: string, alias: string) =>
  (await tx.projectAlias.findUnique({ where: { tenantId_alias: { tenantId, alias } } }))?.projectId

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
    where: { tenantId_alias: { tenantId, alias } },
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

/** The projects that a person linked, or every one of the tenant, with provider and that person's own link. */
export const listProjects = (tx: ReadTx, tenantId: string, userId: string, { all }: { all: boolean }) =>
  tx.project.findMany({
    where: { tenantId, ...(all ? {} : { links: { some: { userId } } }) },
    orderBy: [{ name: 'asc' }, { id: 'asc' }],
    include: { provider: true, links: linkOf(userId) },
  })

export const findProjectWithLink = (tx: ReadTx, tenantId: string, id: string, userId: string) =>
  tx.project.findUnique({
    where: { tenantId_id: { tenantId, id } },
    include: { provider: true, aliases: true, links: linkOf(userId) },
  })
