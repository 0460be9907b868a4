import { Prisma, type ReadTx, type Tx } from './database.ts'

export const freezeKinds = ['member', 'project', 'provider', 'connection', 'client', 'grant'] as const
export type FreezeKind = (typeof freezeKinds)[number]
export type FreezeRow = Prisma.FreezeGetPayload<object>

/** What stops something. `membership`: its owner is suspended or gone, which stops like a freeze and has no row here. */
export type Frozen = {
  kind: FreezeKind | 'membership'
  targetId: string
  /** Null: not known, or nobody's act. */
  by: string | null
  at: Date | null
  reason: string | null
  /** When it ends by itself; null: when somebody lifts it. */
  until: Date | null
}

/** Whose use is asked about. `projectIds`: those that matter; left out: every one that the connection reaches. */
export type FrozenQuestion = {
  userId: string
  providerId: string
  connectionId?: string | undefined
  projectIds?: string[] | undefined
  /** Through which program, and by which grant; null: by the person themselves. */
  clientId?: string | null | undefined
  grantId?: string | null | undefined
}

/** What vk.program_frozen asks, as vk.frozen_by answers: the widest first, then what lasts longest. */
const programFrozenBy = (tenant: Prisma.Sql, client: Prisma.Sql, grant: Prisma.Sql) => Prisma.sql`
  SELECT * FROM (SELECT p.kind, p.target_id, p.frozen_by, p.frozen_at, p.reason, p.until FROM freeze_fact p
    WHERE p.tenant_id = ${tenant} AND (p.until IS NULL OR p.until > vk_now())
      AND (p.kind = 'client' AND p.target_id = ${client} OR p.kind = 'grant' AND p.target_id = ${grant})
    ORDER BY p.kind, p.until DESC NULLS FIRST) program`

/**
 * What freezes apply, strongest first (vk.frozen_by, vk.program_frozen): none is free. Whoever acts on the answer in the same transaction
 * holds the rows first ({@link holdGround}), or a freeze may commit in between.
 */
export const frozenBy = (
  tx: ReadTx,
  tenantId: string,
  { userId, providerId, connectionId, projectIds, clientId, grantId }: FrozenQuestion,
): Promise<Frozen[]> =>
  tx.$queryRaw<Frozen[]>`
    SELECT kind, target_id AS "targetId", frozen_by AS by, frozen_at AS at, reason, until FROM (
      SELECT * FROM vk.frozen_by(${tenantId}, ${userId}, ${providerId}, ${connectionId ?? null}, ${projectIds ?? null}::text[])
      UNION ALL ${programFrozenBy(
        Prisma.sql`${tenantId}`,
        Prisma.sql`${clientId ?? null}::text`,
        Prisma.sql`${grantId ?? null}::text`,
      )}) f`

type FrozenOf = Frozen & { id: string }

function byId(rows: FrozenOf[]): Map<string, Frozen[]> {
  const facts = new Map<string, Frozen[]>()
  for (const { id, ...fact } of rows) facts.set(id, [...(facts.get(id) ?? []), fact])
  return facts
}

/** What freezes apply to each of these connections, strongest first. By id; free ones are not there. */
export async function frozenConnections(tx: ReadTx, tenantId: string, ids: string[]): Promise<Map<string, Frozen[]>> {
  if (ids.length === 0) return new Map()
  return byId(
    await tx.$queryRaw<FrozenOf[]>`
      SELECT c.id, f.kind, f.target_id AS "targetId", f.frozen_by AS by, f.frozen_at AS at, f.reason, f.until
      FROM connection c CROSS JOIN LATERAL vk.frozen_by(c.tenant_id, c.user_id, c.provider_id, c.id, NULL) f
      WHERE c.tenant_id = ${tenantId} AND c.id = ANY(${ids})`,
  )
}

/** What freezes stop the use of each of these tokens, as vk.token_state asks, strongest first. By id; free ones are not there. */
export async function frozenTokens(tx: ReadTx, tenantId: string, ids: string[]): Promise<Map<string, Frozen[]>> {
  if (ids.length === 0) return new Map()
  return byId(
    await tx.$queryRaw<FrozenOf[]>`
      SELECT t.id, f.kind, f.target_id AS "targetId", f.frozen_by AS by, f.frozen_at AS at, f.reason, f.until
      FROM issued_token t CROSS JOIN LATERAL (
        SELECT * FROM vk.frozen_by(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id])
        UNION ALL ${programFrozenBy(Prisma.sql`t.tenant_id`, Prisma.sql`t.client_id`, Prisma.sql`t.grant_id`)}) f
      WHERE t.tenant_id = ${tenantId} AND t.id = ANY(${ids})`,
  )
}

/** What freezes stop the use of each of these grants, as vk.grant_state asks, strongest first. By id; free ones are not there. */
export async function frozenGrants(tx: ReadTx, tenantId: string, ids: string[]): Promise<Map<string, Frozen[]>> {
  if (ids.length === 0) return new Map()
  return byId(
    await tx.$queryRaw<FrozenOf[]>`
      SELECT g.id, f.kind, f.target_id AS "targetId", f.frozen_by AS by, f.frozen_at AS at, f.reason, f.until
      FROM oauth_grant g CROSS JOIN LATERAL (SELECT * FROM vk.frozen_by(g.tenant_id, g.user_id, '', '', '{}')
        UNION ALL ${programFrozenBy(Prisma.sql`g.tenant_id`, Prisma.sql`g.client_id`, Prisma.sql`g.id`)}) f
      WHERE g.tenant_id = ${tenantId} AND g.id = ANY(${ids})`,
  )
}

/** What freezes keep a person from each of these projects, those of their own connection included. By project. */
export async function frozenProjects(
  tx: ReadTx,
  tenantId: string,
  userId: string,
  ids: string[],
): Promise<Map<string, Frozen[]>> {
  if (ids.length === 0) return new Map()
  return byId(
    await tx.$queryRaw<FrozenOf[]>`
      SELECT p.id, f.kind, f.target_id AS "targetId", f.frozen_by AS by, f.frozen_at AS at, f.reason, f.until
      FROM project p LEFT JOIN connection_project l
          ON l.tenant_id = p.tenant_id AND l.project_id = p.id AND l.user_id = ${userId}
        CROSS JOIN LATERAL vk.frozen_by(p.tenant_id, ${userId}, p.provider_id, l.connection_id, ARRAY[p.id]) f
      WHERE p.tenant_id = ${tenantId} AND p.id = ANY(${ids})`,
  )
}

/**
 * Which connections of a tenant are frozen, for lists: as vk.frozen_by says of each, from the freezes that stand, of which
 * there are few. Null: none is.
 */
export async function frozenWhere(
  tx: ReadTx,
  tenantId: string,
  now: Date,
): Promise<Prisma.ConnectionWhereInput | null> {
  const freezes = await listFreezes(tx, tenantId, now)
  const suspended = await tx.member.findMany({ where: { tenantId, status: 'suspended' }, select: { userId: true } })
  const of = (kind: FreezeKind) => freezes.filter((one) => one.kind === kind).map(({ targetId }) => targetId)
  const users = [...of('member'), ...suspended.map(({ userId }) => userId)]
  const either: Prisma.ConnectionWhereInput[] = []
  if (users.length > 0) either.push({ userId: { in: users } })
  if (of('connection').length > 0) either.push({ id: { in: of('connection') } })
  if (of('provider').length > 0) either.push({ providerId: { in: of('provider') } })
  if (of('project').length > 0) either.push({ projects: { some: { tenantId, projectId: { in: of('project') } } } })
  return either.length > 0 ? { OR: either } : null
}

/**
 * Holds what an act stands on against a freeze until the transaction ends, in the order in which an issue locks it: after
 * the member and the connection, which are locked already, projects and provider. `renames`: a project's row is going to
 * change.
 */
export async function holdGround(
  tx: Tx,
  tenantId: string,
  { projectIds: ids, renames, providerId }: { projectIds: string[]; renames: boolean; providerId: string },
): Promise<void> {
  if (ids.length > 0 && renames)
    await tx.$queryRaw`SELECT 1 FROM project WHERE tenant_id = ${tenantId} AND id = ANY(${ids}) ORDER BY id FOR NO KEY UPDATE`
  else if (ids.length > 0)
    await tx.$queryRaw`SELECT 1 FROM project WHERE tenant_id = ${tenantId} AND id = ANY(${ids}) ORDER BY id FOR SHARE`
  await tx.$queryRaw`SELECT 1 FROM provider WHERE tenant_id = ${tenantId} AND id = ${providerId} FOR SHARE`
}

/**
 * Locks what is to be frozen, so that whatever holds it ends first and whatever comes after sees the freeze. False: there
 * is no such thing. A member is locked with the caller, at the beginning of the act ({@link import('./authority.ts').act}).
 */
export async function lockTarget(
  tx: Tx,
  tenantId: string,
  kind: Exclude<FreezeKind, 'member'>,
  id: string,
): Promise<boolean> {
  const locks = {
    project: () => tx.$queryRaw`SELECT 1 FROM project WHERE tenant_id = ${tenantId} AND id = ${id} FOR NO KEY UPDATE`,
    provider: () => tx.$queryRaw`SELECT 1 FROM provider WHERE tenant_id = ${tenantId} AND id = ${id} FOR NO KEY UPDATE`,
    connection: () =>
      tx.$queryRaw`SELECT 1 FROM connection WHERE tenant_id = ${tenantId} AND id = ${id} FOR NO KEY UPDATE`,
    // The instance's own, too: the freeze is this tenant's and reaches nobody else's grants.
    client: () =>
      tx.$queryRaw`SELECT 1 FROM api_client WHERE (tenant_id = ${tenantId} OR tenant_id IS NULL) AND id = ${id} FOR NO KEY UPDATE`,
    grant: () => tx.$queryRaw`SELECT 1 FROM oauth_grant WHERE tenant_id = ${tenantId} AND id = ${id} FOR NO KEY UPDATE`,
  } satisfies Record<typeof kind, () => Promise<unknown>>
  return ((await locks[kind]()) as unknown[]).length > 0
}

export type NewFreeze = {
  tenantId: string
  kind: FreezeKind
  targetId: string
  frozenBy: string | null
  frozenAt: Date
  reason: string | null
  until: Date | null
}

/**
 * Writes a freeze. False: it stands already, for as long or longer, and stays as it is; one that ends sooner is replaced.
 * {@link lockTarget} comes first.
 */
export async function putFreeze(tx: Tx, row: NewFreeze): Promise<boolean> {
  const { tenantId, kind, targetId, frozenBy, frozenAt, reason, until } = row
  const written = await tx.$executeRaw`
    INSERT INTO freeze_fact AS f (tenant_id, kind, target_id, frozen_by, frozen_at, reason, until)
    VALUES (${tenantId}, ${kind}, ${targetId}, ${frozenBy}, ${frozenAt}, ${reason}, ${until})
    ON CONFLICT (tenant_id, kind, target_id) DO UPDATE
      SET frozen_by = excluded.frozen_by, frozen_at = excluded.frozen_at, reason = excluded.reason, until = excluded.until
      WHERE f.until < coalesce(excluded.until, 'infinity') OR f.until <= vk_now()`
  return written > 0
}

/**
 * Lifts a freeze; what would have been renewed under it is due now. False: there was none, or its time was over.
 * Rows that somebody is at work on need no help, and are not waited for.
 */
export async function dropFreeze(tx: Tx, tenantId: string, kind: FreezeKind, targetId: string): Promise<boolean> {
  const dropped = await tx.$queryRaw<{ stood: boolean }[]>`
    DELETE FROM freeze_fact WHERE tenant_id = ${tenantId} AND kind = ${kind} AND target_id = ${targetId}
    RETURNING until IS NULL OR until > vk_now() AS stood`
  await tx.$executeRaw`
    UPDATE connection SET next_try_at = NULL, refresh_due_at = CASE
        WHEN access_expires_at > vk_now() + interval '15 minutes' THEN refresh_due_at ELSE vk_now() END
    WHERE tenant_id = ${tenantId} AND id IN (
      SELECT c.id FROM connection c WHERE c.tenant_id = ${tenantId} AND c.refresh_token IS NOT NULL
        AND c.status IN ('linked', 'degraded', 'uncertain') AND (
          ${kind} = 'connection' AND c.id = ${targetId} OR ${kind} = 'provider' AND c.provider_id = ${targetId}
          OR ${kind} = 'member' AND c.user_id = ${targetId}
          OR ${kind} = 'project' AND EXISTS (SELECT FROM connection_project l WHERE l.tenant_id = c.tenant_id
            AND l.connection_id = c.id AND l.project_id = ${targetId}))
      FOR UPDATE SKIP LOCKED)`
  return dropped.some(({ stood }) => stood)
}

const standing = (tenantId: string, now: Date) => ({ tenantId, OR: [{ until: null }, { until: { gt: now } }] })

/** Freezes that stand, newest first. */
export const listFreezes = (tx: ReadTx, tenantId: string, now: Date): Promise<FreezeRow[]> =>
  tx.freeze.findMany({
    where: standing(tenantId, now),
    orderBy: [{ frozenAt: 'desc' }, { kind: 'asc' }, { targetId: 'asc' }],
  })

/** The freeze of one thing itself, if it stands. */
export const findFreeze = (
  tx: ReadTx,
  tenantId: string,
  kind: FreezeKind,
  targetId: string,
  now: Date,
): Promise<FreezeRow | null> => tx.freeze.findFirst({ where: { ...standing(tenantId, now), kind, targetId } })

/** The same of several that are locked. Ids of those that are frozen now and were not, or not for so long. */
export async function putFreezes(tx: Tx, row: Omit<NewFreeze, 'targetId'>, targetIds: string[]): Promise<string[]> {
  const { tenantId, kind, frozenBy, frozenAt, reason, until } = row
  const written = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO freeze_fact AS f (tenant_id, kind, target_id, frozen_by, frozen_at, reason, until)
    SELECT ${tenantId}, ${kind}, t.id, ${frozenBy}, ${frozenAt}, ${reason}, ${until}::timestamptz
    FROM unnest(${targetIds}::text[]) AS t (id) ORDER BY t.id
    ON CONFLICT (tenant_id, kind, target_id) DO UPDATE
      SET frozen_by = excluded.frozen_by, frozen_at = excluded.frozen_at, reason = excluded.reason, until = excluded.until
      WHERE f.until < coalesce(excluded.until, 'infinity') OR f.until <= vk_now()
    RETURNING f.target_id AS id`
  return written.map(({ id }) => id)
}
