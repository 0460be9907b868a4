import type { Context } from '../context.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'
import type { StandingState } from './proxy.ts'
import { asSystem } from './system.ts'

export type McpServerRow = Prisma.McpServerGetPayload<object>
export type McpReadingRow = Prisma.McpReadingGetPayload<object>
export type McpToolRow = Prisma.McpToolGetPayload<object>

export type KeptServer = { name: string; title: string | null; version: string; revision: string }
export type KeptTool = { name: string; hash: string; definition: object; readOnly: boolean; destructive: boolean }

type Store = Pick<Context, 'db'>
type Place = { tenantId: string; projectId: string }

/** Of one server; a list that has more is cut, and those seen longest ago go. */
export const toolsMax = 2_000

const ofServer = <T>(ctx: Store, { tenantId }: Place, work: (tx: Tx) => Promise<T>) =>
  asSystem(ctx, tenantId, 'what a server says', work)

/** Makes lists of one server wait for one another: each touches rows that another has, in an order of its own. */
const lockLists = (tx: Tx, { tenantId, projectId }: Place) =>
  tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`mcp_list ${tenantId} ${projectId}`}, 0))`

/** Writes what a server said of itself. */
export const keepServer = (ctx: Store, place: Place, { name, title, version, revision }: KeptServer, now: Date) =>
  ofServer(ctx, place, (tx) => {
    const said = { name, title, version, revision, seenAt: now }
    return tx.mcpServer.upsert({ where: { tenantId_projectId: place }, create: { ...place, ...said }, update: said })
  })

/**
 * Writes a list of tools. `isWhole`: it is all that there are, so what is not among them is gone. A review stays with the hash
 * that was looked at. Any number of lists may be kept at once.
 */
export const keepTools = (
  ctx: Store,
  place: Place,
  tools: readonly KeptTool[],
  { now, isWhole }: { now: Date; isWhole: boolean },
): Promise<void> =>
  ofServer(ctx, place, async (tx) => {
    const { tenantId, projectId } = place
    const kept = [...new Map(tools.map((tool) => [tool.name, tool])).values()].slice(0, toolsMax)
    await lockLists(tx, place)
    await tx.$executeRaw`
      INSERT INTO mcp_tool AS t (tenant_id, project_id, name, hash, definition, read_only, destructive, first_seen_at, changed_at, seen_at)
      SELECT ${tenantId}, ${projectId}, k.name, k.hash, k.definition, k."readOnly", k.destructive, ${now}, ${now}, ${now}
      FROM jsonb_to_recordset(${JSON.stringify(kept)}::jsonb)
        AS k (name text, hash text, definition jsonb, "readOnly" boolean, destructive boolean)
      ON CONFLICT (tenant_id, project_id, name) DO UPDATE SET hash = excluded.hash, definition = excluded.definition,
        read_only = excluded.read_only, destructive = excluded.destructive, seen_at = excluded.seen_at, gone_at = NULL,
        changed_at = CASE WHEN t.hash = excluded.hash THEN t.changed_at ELSE excluded.changed_at END
      WHERE t.hash <> excluded.hash OR t.gone_at IS NOT NULL OR t.seen_at < excluded.seen_at - interval '1 minute'`
    if (isWhole) await noteReading(tx, place, { began: now, now })
    if (isWhole)
      await tx.mcpTool.updateMany({
        where: { tenantId, projectId, goneAt: null, name: { notIn: kept.map(({ name }) => name) } },
        data: { goneAt: now },
      })
    await tx.$executeRaw`
      DELETE FROM mcp_tool WHERE tenant_id = ${tenantId} AND project_id = ${projectId} AND name IN (
        SELECT name FROM mcp_tool WHERE tenant_id = ${tenantId} AND project_id = ${projectId}
        ORDER BY gone_at IS NOT NULL, seen_at DESC, name OFFSET ${toolsMax})`
  })

/** Why a list of tools could not be read, as {@link noteFailedReading} keeps it. */
export const readingFailures = [
  'no_token',
  'refused',
  'no_revision',
  'no_list',
  'too_long',
  'upstream_unavailable',
  'upstream_protocol',
  'internal',
] as const
export type ReadingFailure = (typeof readingFailures)[number]

/** Notes how a reading went. One that failed and began before a good one ended is no news. */
const noteReading = (
  tx: Tx,
  { tenantId, projectId }: Place,
  { began, now, failure = null }: { began: Date; now: Date; failure?: ReadingFailure | null },
) => tx.$executeRaw`
  INSERT INTO mcp_reading AS r (tenant_id, project_id, read_at, failed_since, failed_at, failure)
  SELECT ${tenantId}, ${projectId}, CASE WHEN f.why IS NULL THEN ${now}::timestamptz END, f.at, f.at, f.why
  FROM (SELECT ${failure}::text AS why, CASE WHEN ${failure}::text IS NOT NULL THEN ${now}::timestamptz END AS at) f
  ON CONFLICT (tenant_id, project_id) DO UPDATE SET read_at = coalesce(excluded.read_at, r.read_at),
    failed_since = CASE WHEN excluded.failure IS NOT NULL THEN coalesce(r.failed_since, excluded.failed_since) END,
    failed_at = excluded.failed_at, failure = excluded.failure
  WHERE excluded.failure IS NULL OR r.read_at IS NULL OR r.read_at < ${began}`

/** Notes that a list could not be read; what was kept of it before stays as it is. */
export const noteFailedReading = (
  ctx: Store,
  place: Place,
  failed: { began: Date; now: Date; failure: ReadingFailure },
): Promise<unknown> => ofServer(ctx, place, (tx) => noteReading(tx, place, failed))

export const findReading = (tx: ReadTx, tenantId: string, projectId: string) =>
  tx.mcpReading.findUnique({ where: { tenantId_projectId: { tenantId, projectId } } })
/** What a server has beside its tools. */
export type OfferKind = 'resource' | 'template' | 'prompt'
export type KeptOffer = { name: string; title: string | null; description: string | null }
export type McpOfferRow = Prisma.McpOfferGetPayload<object>

/** Of one kind and server; the rest of a longer list is not kept. Rights name no more (lib/providers/mcp/rights.ts). */
export const offersMax = 500

/**
 * Writes a list of resources, templates or prompts. `isWhole`: what is not among them goes. Any number of lists may be kept at
 * once.
 */
export const keepOffers = (
  ctx: Store,
  place: Place,
  kind: OfferKind,
  offers: readonly KeptOffer[],
  { now, isWhole }: { now: Date; isWhole: boolean },
): Promise<void> =>
  ofServer(ctx, place, async (tx) => {
    const { tenantId, projectId } = place
    const kept = [...new Map(offers.map((offer) => [offer.name, offer])).values()].slice(0, offersMax)
    await lockLists(tx, place)
    await tx.$executeRaw`
      INSERT INTO mcp_offer AS o (tenant_id, project_id, kind, name, title, description, seen_at)
      SELECT ${tenantId}, ${projectId}, ${kind}, k.name, k.title, k.description, ${now}
      FROM jsonb_to_recordset(${JSON.stringify(kept)}::jsonb) AS k (name text, title text, description text)
      ON CONFLICT (tenant_id, project_id, kind, name)
        DO UPDATE SET title = excluded.title, description = excluded.description, seen_at = excluded.seen_at`
    if (isWhole)
      await tx.mcpOffer.deleteMany({
        where: { tenantId, projectId, kind, name: { notIn: kept.map(({ name }) => name) } },
      })
    await tx.$executeRaw`
      DELETE FROM mcp_offer WHERE tenant_id = ${tenantId} AND project_id = ${projectId} AND kind = ${kind} AND name IN (
        SELECT name FROM mcp_offer WHERE tenant_id = ${tenantId} AND project_id = ${projectId} AND kind = ${kind}
        ORDER BY seen_at DESC, name OFFSET ${offersMax})`
  })

/** What a project's server has beside its tools, by name. */
export const offersOf = (tx: ReadTx, tenantId: string, projectId: string): Promise<McpOfferRow[]> =>
  tx.mcpOffer.findMany({ where: { tenantId, projectId }, orderBy: { name: 'asc' } })

export const findServer = (tx: ReadTx, tenantId: string, projectId: string): Promise<McpServerRow | null> =>
  tx.mcpServer.findUnique({ where: { tenantId_projectId: { tenantId, projectId } } })

/** The tools of a project, by name; those that are gone last. */
export const toolsOf = (tx: ReadTx, tenantId: string, projectId: string): Promise<McpToolRow[]> =>
  tx.mcpTool.findMany({
    where: { tenantId, projectId },
    orderBy: [{ goneAt: { sort: 'asc', nulls: 'first' } }, { name: 'asc' }],
  })

export const toolNames = async (tx: ReadTx, tenantId: string, projectId: string): Promise<string[]> =>
  (await tx.mcpTool.findMany({ where: { tenantId, projectId, goneAt: null }, select: { name: true } })).map(
    ({ name }) => name,
  )

/** A part of them, by what is to be looked at: those that changed since somebody did, then by name; those that are gone last. */
export const toolsPage = (
  tx: ReadTx,
  tenantId: string,
  projectId: string,
  { skip, take }: { skip: number; take: number },
): Promise<McpToolRow[]> => tx.$queryRaw<McpToolRow[]>`
  SELECT tenant_id AS "tenantId", project_id AS "projectId", name, hash, definition, read_only AS "readOnly", destructive,
    first_seen_at AS "firstSeenAt", changed_at AS "changedAt", seen_at AS "seenAt", gone_at AS "goneAt",
    reviewed_hash AS "reviewedHash", reviewed_definition AS "reviewedDefinition", reviewed_by AS "reviewedBy",
    reviewed_at AS "reviewedAt"
  FROM mcp_tool WHERE tenant_id = ${tenantId} AND project_id = ${projectId}
  ORDER BY gone_at IS NOT NULL, coalesce(reviewed_hash, hash) = hash, name LIMIT ${take} OFFSET ${skip}`

/** How many there are: all that are not gone, those of them that changed since somebody looked, and those at which nobody did. */
export async function countTools(
  tx: ReadTx,
  tenantId: string,
  projectId: string,
): Promise<{ present: number; changed: number; unseen: number; gone: number }> {
  const [row] = await tx.$queryRaw<Record<'present' | 'changed' | 'unseen' | 'gone', bigint>[]>`
    SELECT count(*) FILTER (WHERE gone_at IS NULL) AS present,
      count(*) FILTER (WHERE gone_at IS NULL AND reviewed_hash <> hash) AS changed,
      count(*) FILTER (WHERE gone_at IS NULL AND reviewed_hash IS NULL) AS unseen,
      count(*) FILTER (WHERE gone_at IS NOT NULL) AS gone
    FROM mcp_tool WHERE tenant_id = ${tenantId} AND project_id = ${projectId}`
  const { present = 0n, changed = 0n, unseen = 0n, gone = 0n } = row ?? {}
  return { present: Number(present), changed: Number(changed), unseen: Number(unseen), gone: Number(gone) }
}

/** Of several projects: how many are present, and how many of them changed since an admin looked. One without any is left out. */
export async function countToolsByProject(
  tx: ReadTx,
  tenantId: string,
  projectIds: string[],
): Promise<Map<string, { present: number; changed: number }>> {
  const rows = await tx.$queryRaw<{ id: string; present: bigint; changed: bigint }[]>`
    SELECT project_id AS id, count(*) AS present, count(*) FILTER (WHERE reviewed_hash <> hash) AS changed
    FROM mcp_tool WHERE tenant_id = ${tenantId} AND project_id = ANY (${projectIds}) AND gone_at IS NULL GROUP BY project_id`
  return new Map(rows.map(({ id, present, changed }) => [id, { present: Number(present), changed: Number(changed) }]))
}

/** Of these names. */
export const findTools = (tx: ReadTx, tenantId: string, projectId: string, names: string[]): Promise<McpToolRow[]> =>
  tx.mcpTool.findMany({ where: { tenantId, projectId, name: { in: names } } })

/** What somebody looked at: a tool, in the form that it had then. */
export type Reviewed = { name: string; hash: string }

/**
 * Notes that somebody has looked at tools. One that has changed since stays as it was, and so does one that somebody looked at
 * before. Answers the names that were noted.
 */
export async function reviewTools(
  tx: Tx,
  { tenantId, projectId }: Place,
  looked: readonly Reviewed[],
  by: string,
  now: Date,
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ name: string }[]>`
    UPDATE mcp_tool t SET reviewed_hash = t.hash, reviewed_definition = t.definition, reviewed_by = ${by}, reviewed_at = ${now}
    FROM jsonb_to_recordset(${JSON.stringify(looked)}::jsonb) AS l (name text, hash text)
    WHERE t.tenant_id = ${tenantId} AND t.project_id = ${projectId} AND t.name = l.name AND t.hash = l.hash
      AND t.reviewed_hash IS DISTINCT FROM t.hash
    RETURNING t.name`
  return rows.map(({ name }) => name).sort()
}

/** Calls of one tool by one holder, since they were noted last. */
export type ToolUse = { holderId: string; projectId: string; tool: string; calls: number; refused: number }

/** Adds calls to the day of `at`. Names that no list of the server has are noted as one, without a name. */
export const noteToolUses = (ctx: Store, tenantId: string, uses: readonly ToolUse[], at: Date): Promise<number> =>
  asSystem(ctx, tenantId, 'what a server says', (tx) => {
    const text = JSON.stringify(uses)
    return tx.$executeRaw`
      INSERT INTO mcp_use AS u (tenant_id, holder_id, project_id, tool, day, calls, refused)
      SELECT ${tenantId}, k."holderId", k."projectId", coalesce(t.name, ''), (${at}::timestamptz AT TIME ZONE 'UTC')::date,
        sum(k.calls), sum(k.refused)
      FROM jsonb_to_recordset(${text}::jsonb) AS k ("holderId" text, "projectId" text, tool text, calls bigint, refused bigint)
        LEFT JOIN mcp_tool t ON t.tenant_id = ${tenantId} AND t.project_id = k."projectId" AND t.name = k.tool
      GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
      ON CONFLICT (tenant_id, holder_id, project_id, tool, day)
        DO UPDATE SET calls = u.calls + excluded.calls, refused = u.refused + excluded.refused`
  })

export type UseOfTool = { tool: string; calls: number; refused: number }

/** Calls by tool since a day (UTC), the most used first; of a project's, of one holder, or of one person's tokens and programs. */
export async function usesByTool(
  tx: ReadTx,
  tenantId: string,
  { projectId, holderId, userId }: { projectId: string; holderId?: string | undefined; userId?: string | undefined },
  since: Date,
): Promise<UseOfTool[]> {
  const rows = await tx.$queryRaw<{ tool: string; calls: bigint; refused: bigint }[]>`
    SELECT u.tool, sum(u.calls)::bigint AS calls, sum(u.refused)::bigint AS refused FROM mcp_use u
    WHERE u.tenant_id = ${tenantId} AND u.project_id = ${projectId} AND u.day >= ${since}::date
      ${holderId === undefined ? Prisma.empty : Prisma.sql`AND u.holder_id = ${holderId}`}
      ${
        userId === undefined
          ? Prisma.empty
          : Prisma.sql`AND (
        EXISTS (SELECT FROM issued_token k WHERE k.tenant_id = u.tenant_id AND k.id = u.holder_id AND k.user_id = ${userId})
        OR EXISTS (SELECT FROM oauth_grant g WHERE g.tenant_id = u.tenant_id AND g.id = u.holder_id AND g.user_id = ${userId}))`
      }
    GROUP BY u.tool ORDER BY 2 DESC, 1`
  return rows.map(({ tool, calls, refused }) => ({ tool, calls: Number(calls), refused: Number(refused) }))
}

/** What is to be known of a tool that is called: the server's word as the catalogue has it. */
export type KnownTool = { hash: string; readOnly: boolean; reviewedHash: string | null }

/** One call of vk.mcp_tool_known; undefined: no list has had it. */
export async function knownTool(
  ctx: Pick<Context, 'pool' | 'config'>,
  { tenantId, projectId }: Place,
  name: string,
): Promise<KnownTool | undefined> {
  const text = `SELECT hash, read_only AS "readOnly", reviewed_hash AS "reviewedHash"
    FROM vk.mcp_tool_known($1, $2, $3)`
  const [row] = await query<KnownTool>(ctx, 'mcp_tool_known', text, [tenantId, projectId, name])
  return row
}

/** How a token stands that somebody brings to the gateway (vk.gateway_enter). */
export type GatewayEntered =
  | { state: 'unknown' }
  | ({ state: 'elsewhere' | 'audience' | 'ended' | 'revoked' | 'frozen' } & Holder)
  | ({ state: 'live' } & Holder & Reached)

/** The issued token or the grant, and whose it is. */
type Holder = { tenantId: string; holderId: string; isGrant: boolean; userId: string; projectId: string | null }
type Reached = {
  projectId: string
  providerId: string
  /** Null: its person has not linked the project. */
  connectionId: string | null
  connectionStatus: string | null
  scopesGranted: string[] | null
  /** Changes with the rows that it stands on. What follows up to `externalId` is null where the caller has seen this one. */
  seen: string
  rights: unknown
  kind: string | null
  issuer: string | null
  settings: unknown
  /** Sealed. */
  clientSecret: string | null
  externalId: string | null
  /** Sealed; null: it has to be renewed first, or cannot be. */
  accessToken: string | null
  tokenVersion: number
  /** In milliseconds since 1970. */
  refreshedAt: number
  first: boolean
  touch: boolean
  touchGrant: boolean
}

/** What one call says: the hash of its token in hex, its address, that as a resource, and the rows that the process has seen. */
export type GatewayEntering = { hash: string; slug: string; project: string; resource: string; seen: string }

/** One call of vk.gateway_enter: everything that these calls stand on, as it is now, in their order. */
export function enterGateway(
  ctx: Pick<Context, 'pool' | 'config'>,
  asked: GatewayEntering[],
  marginSeconds: number,
): Promise<GatewayEntered[]> {
  const text = `SELECT state, tenant_id AS "tenantId", holder_id AS "holderId", is_grant AS "isGrant", user_id AS "userId",
      project_id AS "projectId", provider_id AS "providerId", connection_id AS "connectionId",
      connection_status AS "connectionStatus", scopes_granted AS "scopesGranted", rights, seen, kind, issuer, settings,
      client_secret AS "clientSecret", external_id AS "externalId", access_token AS "accessToken", token_version AS "tokenVersion", refreshed_at AS "refreshedAt",
      first, touch, touch_grant AS "touchGrant"
    FROM vk.gateway_enter($1, $2, $3, $4, $5, make_interval(secs => $6))`
  const column = (name: keyof GatewayEntering) => asked.map((one) => one[name])
  const columns = (['hash', 'slug', 'project', 'resource', 'seen'] as const).map(column)
  return query<GatewayEntered>(ctx, 'gateway_enter', text, [...columns, marginSeconds])
}

/** How what was brought stands now (vk.gateway_standing), by {@link standingKey}; one that is missing is not there. */
export async function gatewayStanding(
  ctx: Pick<Context, 'pool' | 'config'>,
  tenantId: string,
  keys: string[],
): Promise<Map<string, StandingState>> {
  const text = 'SELECT key, state FROM vk.gateway_standing($1, $2)'
  const rows = await query<{ key: string; state: StandingState }>(ctx, 'gateway_standing', text, [tenantId, keys])
  return new Map(rows.map(({ key, state }) => [key, state]))
}

export const standingKey = ({ hash, projectId }: { hash: string; projectId: string }) => `${hash} ${projectId}`
