import { type Actor, may } from '../../actor.ts'
import { type AuditView, toAuditView } from '../../audit/list.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { configured, rowFor } from '../../providers/index.ts'
import type { Strategy } from '../../providers/kind.ts'
import { listEventsAbout } from '../../store/audit.ts'
import { linksOf } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { type Frozen, frozenProjects } from '../../store/freezes.ts'
import { countToolsByProject } from '../../store/mcp.ts'
import { findProject, findProjectWithLink, listProjectNames, listProjects, viewerOf } from '../../store/projects.ts'
import { countLiveByProject, countTokens, listTokens } from '../../store/tokens.ts'
import { effectivePolicy, type Policy } from '../../tenancy/policy.ts'
import { type FrozenState, toFrozenState } from '../freezes.ts'
import { byFlow, type ConnectionView, healthOf, pastedOf } from './connection.ts'
import { countLimit } from './page.ts'
import { type TokenView, toTokenViews } from './token.ts'

/** `frozen`: what keeps the viewer from it; `frozenItself`: of the project. */
export type ProjectCard = FrozenState & {
  id: string
  name: string
  alias: string
  externalId: string
  region: string | null
  /** `strategy`: how its limited tokens are made; null: it makes none. `isRemoved`: nothing is linked at it any more. */
  provider: { id: string; name: string; kind: string; host: string; strategy: Strategy | null; isRemoved: boolean }
  /** The viewer's own connection; null where they have not linked it. */
  connection: Omit<ConnectionView, 'project' | 'projects' | 'provider'> | null
  /** The tenant's own, which needs no connection; null: it is linked. */
  audience: { offline: boolean } | null
  /** The viewer's own living tokens. */
  tokensOut: number
  /** Of an MCP server: how many it offers, and how many of them changed since an admin looked; null: it is none. */
  tools: { present: number; changed: number } | null
}

type ProjectWithLink = NonNullable<Awaited<ReturnType<typeof findProjectWithLink>>>

function toCard(
  row: Omit<ProjectWithLink, 'aliases'>,
  viewer: Actor,
  facts: Frozen[] | undefined,
  { tokensOut, tools = { present: 0, changed: 0 } }: { tokensOut: number; tools: ProjectCard['tools'] | undefined },
): ProjectCard {
  const [own] = row.links
  const made = configured(rowFor(row.provider, row))
  return {
    id: row.id,
    name: row.name,
    alias: row.alias,
    externalId: row.externalId,
    region: row.region,
    provider: {
      id: row.provider.id,
      name: row.provider.name,
      kind: row.provider.kind,
      host: new URL(row.provider.issuer).host,
      strategy: made?.strategy ?? null,
      isRemoved: row.provider.removedAt !== null,
    },
    connection: own
      ? {
          id: own.connection.id,
          ownerId: own.connection.userId,
          accountName: own.connection.accountName,
          upstreamRole: own.role,
          ...healthOf(own.connection),
          ...toFrozenState(facts, 'connection', viewer),
          ...byFlow(own.connection, row.provider),
          linkedAt: own.connection.linkedAt,
          branch: own.connection.branchId,
          pasted: pastedOf(own.connection, row.provider.kind),
        }
      : null,
    ...toFrozenState(facts, 'project', viewer),
    audience: row.settings === null ? null : { offline: made?.kind.own?.offline(made.settings) ?? false },
    tokensOut,
    tools: made?.kind.gateway ? tools : null,
  }
}

/**
 * The projects that a person sees: those they linked; who oversees the tenant sees all. What another member linked is
 * not shown to members, so nobody learns of another's link (LK-03).
 */
export async function projectCards(ctx: Context, actor: Actor): Promise<ProjectCard[]> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listProjects(tx, actor.tenantId, actor.userId, { all: may(actor, 'oversee') })
    const live = await countLiveByProject(tx, actor.tenantId, actor.userId, ctx.now())
    const ids = rows.map(({ id }) => id)
    const facts = await frozenProjects(tx, actor.tenantId, actor.userId, ids)
    const tools = await countToolsByProject(tx, actor.tenantId, ids)
    return rows.map((row) =>
      toCard(row, actor, facts.get(row.id), { tokensOut: live.get(row.id) ?? 0, tools: tools.get(row.id) }),
    )
  })
}

/** The same by name, to choose from. */
export const projectNames = (ctx: Context, actor: Actor): Promise<{ id: string; name: string }[]> =>
  readTenant(ctx, actor.tenantId, (tx) =>
    listProjectNames(tx, actor.tenantId, actor.userId, { all: may(actor, 'oversee') }),
  )

export type ProjectDetail = ProjectCard & {
  /** Names of the other projects that its viewer's connection reaches. */
  alsoFor: string[]
  aliases: string[]
  cap: Policy['lifetime']
  overLife: Policy['overLife']
  tokens: TokenView[]
  timeline: AuditView[]
}

/** One project as its viewer sees it. @throws BrokerError not_found, also for a project that only others linked */
export async function projectDetail(ctx: Context, actor: Actor, idOrAlias: string): Promise<ProjectDetail> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const found = await findProject(tx, actor.tenantId, viewerOf(actor), idOrAlias)
    const row = found && (await findProjectWithLink(tx, actor.tenantId, found.id, actor.userId))
    const own = row?.links[0]
    if (!row || !(own || row.settings !== null || may(actor, 'oversee'))) throw new BrokerError('not_found')
    const now = ctx.now()
    const { tenantId, userId } = actor
    const question = { tenantId, providerId: row.providerId, projectId: row.id, userId }
    const { lifetime, overLife } = await effectivePolicy(tx, question)
    const filter = { userId, projectId: row.id }
    const tokens = await listTokens(tx, tenantId, { filter, asOf: now }, { take: 50 })
    const events = own ? await listEventsAbout(tx, actor.tenantId, 'connection', own.connectionId, 50) : []
    const facts = (await frozenProjects(tx, actor.tenantId, actor.userId, [row.id])).get(row.id)
    const links = own ? await linksOf(tx, tenantId, [own.connectionId]) : []
    return {
      ...toCard(row, actor, facts, {
        tokensOut: await countTokens(tx, tenantId, { filter: { ...filter, state: 'live' }, asOf: now }, countLimit),
        tools: (await countToolsByProject(tx, tenantId, [row.id])).get(row.id),
      }),
      alsoFor: links.filter(({ projectId }) => projectId !== row.id).map(({ project }) => project.name),
      aliases: row.aliases.map((alias) => alias.alias),
      cap: lifetime,
      overLife,
      tokens: await toTokenViews(tx, actor, tokens, now),
      timeline: events.map(toAuditView),
    }
  })
}
