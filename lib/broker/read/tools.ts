import { z } from 'zod'
import { type Actor, ownUnless } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { configured, rowFor } from '../../providers/index.ts'
import { isPlain, lookAlikes } from '../../providers/mcp/names.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import {
  countTools,
  findReading,
  findServer,
  type McpOfferRow,
  type McpReadingRow,
  type McpToolRow,
  type OfferKind,
  offersOf,
  type ReadingFailure,
  readingFailures,
  toolNames,
  toolsOf,
  toolsPage,
  type UseOfTool,
  usesByTool,
} from '../../store/mcp.ts'
import { findProject, viewerOf } from '../../store/projects.ts'
import { findProvider } from '../../store/providers.ts'
import { firstDayShown } from './use.ts'

/** As the catalogue keeps it (lib/mcp/tools.ts): cleaned, and cut where it is long. All of it is the server's own word. */
const Definition = z.object({
  title: z.string().nullable(),
  description: z.string().nullable(),
  inputSchema: z.unknown(),
  outputSchema: z.unknown(),
  annotations: z.record(z.string(), z.unknown()),
  isCut: z.boolean(),
})
export type ToolDefinition = z.infer<typeof Definition>

/** What a server said of itself last. */
export type ServerView = { name: string; title: string | null; version: string; revision: string; seenAt: Date }

/** How the reading of its list went last. `readAt`: when a whole one was read, and since when it is as old as that. */
export type ReadingView = {
  readAt: Date | null
  /** The first and the last failure since; null: the last reading was good. */
  failed: { since: Date; at: Date; why: ReadingFailure } | null
}

/** Whether somebody has looked at a tool: never, as it is now, or as it was before it changed. */
export type Looked = 'never' | 'changed' | 'current'

export type ToolView = ToolDefinition & {
  name: string
  /** Of all that a person would look at: what a review names. */
  hash: string
  /** The server's own marks, which nobody checks. */
  readOnly: boolean
  destructive: boolean
  /** Its name has nothing but letters, digits and what names are joined by. */
  isPlain: boolean
  /** Another tool's name can be taken for it. */
  looksLikeAnother: boolean
  firstSeenAt: Date
  changedAt: Date
  goneAt: Date | null
  looked: Looked
  reviewedBy: string | null
  reviewedAt: Date | null
  /** As it was when somebody looked, where it has changed since. */
  before: ToolDefinition | null
  /** It cannot be called until an admin has looked at it. */
  heldBack: boolean
  /** In the latest days, through the gateway. */
  calls: number
  refused: number
}

export type ToolsView = {
  /** Null: it has not been asked, or gave no answer; or the project is no MCP server. */
  server: ServerView | null
  /** Null: nobody has tried. */
  reading: ReadingView | null
  /** Tools that are new, or changed, wait for an admin. */
  holdsChanged: boolean
  present: number
  changed: number
  unseen: number
  gone: number
  items: ToolView[]
  next: number | null
  /** What it has beside its tools: how many of each kind, and the first of them. */
  offers: { kind: OfferKind; total: number; items: OfferChoice[] }[]
}

const pageSize = 50

/**
 * What the MCP server of a project said that it offers, and how often that was called: by the viewer's own tokens and programs,
 * or by everybody's for who oversees the tenant. Asks nobody.
 * @throws BrokerError not_found, also for a project that only others linked
 */
export async function toolPage(
  ctx: Context,
  actor: Actor,
  { project: idOrAlias, skip = 0 }: { project: string; skip?: number | undefined },
): Promise<ToolsView> {
  const { tenantId, userId } = actor
  const read = await readTenant(ctx, tenantId, async (tx) => {
    const project = await findProject(tx, tenantId, viewerOf(actor), idOrAlias)
    const provider = project && (await findProvider(tx, tenantId, project.providerId))
    if (!project || !provider) throw new BrokerError('not_found')
    const since = firstDayShown(ctx.now())
    const of = ownUnless(actor, 'oversee')
    const own = await usesByTool(tx, tenantId, { projectId: project.id, userId }, since)
    const uses = of === undefined ? await usesByTool(tx, tenantId, { projectId: project.id }, since) : own
    return {
      project: { ...project, provider },
      own,
      uses,
      server: await findServer(tx, tenantId, project.id),
      reading: await findReading(tx, tenantId, project.id),
      counts: await countTools(tx, tenantId, project.id),
      names: await toolNames(tx, tenantId, project.id),
      rows: await toolsPage(tx, tenantId, project.id, { skip, take: pageSize + 1 }),
      offers: await offersOf(tx, tenantId, project.id),
    }
  })
  const { project, own, uses, server, counts, rows } = read
  // Nobody else's use is among it: nothing of other people was read.
  if (sumOf(uses) !== sumOf(own)) await noteRead(ctx, actor, 'listTools', project.id)
  const holdsChanged = holdsChangedTools(project)
  const about = { holdsChanged, alike: lookAlikes(read.names), uses: new Map(uses.map((use) => [use.tool, use])) }
  return {
    server,
    reading: read.reading && toReadingView(read.reading),
    holdsChanged,
    ...counts,
    items: rows.slice(0, pageSize).map((row) => toToolView(row, about)),
    next: rows.length > pageSize ? skip + pageSize : null,
    offers: (['resource', 'template', 'prompt'] as const).map((kind) => {
      const all = offerChoices(read.offers, kind)
      return { kind, total: all.length, items: all.slice(0, pageSize) }
    }),
  }
}

function toReadingView({ readAt, failedSince, failedAt, failure }: McpReadingRow): ReadingView {
  const why = readingFailures.find((one) => one === failure) ?? 'internal'
  return { readAt, failed: failedSince && failedAt ? { since: failedSince, at: failedAt, why } : null }
}

const sumOf = (uses: readonly UseOfTool[]) => uses.reduce((sum, { calls, refused }) => sum + calls + refused, 0)

type Held = Parameters<typeof rowFor>[1] & { provider: Parameters<typeof rowFor>[0] }
function holdsChangedTools(project: Held): boolean {
  const made = configured(rowFor(project.provider, project))
  return made?.kind.gateway?.(made.settings).holdChangedTools ?? false
}

const lookedAt = ({ hash, reviewedHash }: Pick<McpToolRow, 'hash' | 'reviewedHash'>): Looked =>
  reviewedHash === null ? 'never' : reviewedHash === hash ? 'current' : 'changed'

type About = { holdsChanged: boolean; alike: Set<string>; uses: Map<string, UseOfTool> }

function toToolView(row: McpToolRow, { holdsChanged, alike, uses }: About): ToolView {
  const looked = lookedAt(row)
  const { name, hash, readOnly, destructive, firstSeenAt, changedAt, goneAt, reviewedBy, reviewedAt } = row
  return {
    ...Definition.parse(row.definition),
    name,
    hash,
    readOnly,
    destructive,
    isPlain: isPlain(name),
    looksLikeAnother: alike.has(name),
    firstSeenAt,
    changedAt,
    goneAt,
    looked,
    reviewedBy,
    reviewedAt,
    before: looked === 'changed' && row.reviewedDefinition !== null ? Definition.parse(row.reviewedDefinition) : null,
    heldBack: holdsChanged && looked !== 'current' && goneAt === null,
    calls: uses.get(name)?.calls ?? 0,
    refused: uses.get(name)?.refused ?? 0,
  }
}

/** What can be chosen of an MCP server, as it stands on the wire. */
export type ToolChoice = {
  name: string
  title: string | null
  description: string | null
  read_only: boolean
  destructive: boolean
  is_plain: boolean
  looks_like_another: boolean
  looked: Looked
  held_back: boolean
}
/** A resource, a template of resources or a prompt: what rights name it by, and the server's own words. */
export type OfferChoice = {
  name: string
  title: string | null
  description: string | null
  is_plain: boolean
  looks_like_another: boolean
}
export type ToolChoices = {
  /** Null: it has not been asked, or gave no answer. */
  server: { name: string; title: string | null; version: string; revision: string; seen_at: string } | null
  tools: ToolChoice[]
  resources: OfferChoice[]
  /** Addresses with `{names}` in them; a right to one is a right to all that it stands for. */
  resource_templates: OfferChoice[]
  prompts: OfferChoice[]
}

/** A choice needs no more of a description: the whole of it stands on the project's page. */
const shortDescription = 600

/** From what a server said last; asks nobody. */
export async function toolChoices(tx: ReadTx, tenantId: string, project: Held & { id: string }): Promise<ToolChoices> {
  const rows = (await toolsOf(tx, tenantId, project.id)).filter(({ goneAt }) => goneAt === null)
  const alike = lookAlikes(rows.map(({ name }) => name))
  const about = { holdsChanged: holdsChangedTools(project), alike, uses: new Map() }
  const server = await findServer(tx, tenantId, project.id)
  const offers = await offersOf(tx, tenantId, project.id)
  return {
    server: server && {
      name: server.name,
      title: server.title,
      version: server.version,
      revision: server.revision,
      seen_at: server.seenAt.toISOString(),
    },
    tools: rows.map((row) => {
      const tool = toToolView(row, about)
      const { name, title, description, looked } = tool
      const isLong = description !== null && description.length > shortDescription
      return {
        name,
        title,
        description: isLong ? `${description.slice(0, shortDescription).toWellFormed()}…` : description,
        read_only: tool.readOnly,
        destructive: tool.destructive,
        is_plain: tool.isPlain,
        looks_like_another: tool.looksLikeAnother,
        looked,
        held_back: tool.heldBack,
      }
    }),
    resources: offerChoices(offers, 'resource'),
    resource_templates: offerChoices(offers, 'template'),
    prompts: offerChoices(offers, 'prompt'),
  }
}

function offerChoices(offers: readonly McpOfferRow[], kind: OfferKind): OfferChoice[] {
  const rows = offers.filter((offer) => offer.kind === kind)
  const alike = lookAlikes(rows.map(({ name }) => name))
  return rows.map(({ name, title, description }) => ({
    name,
    title,
    description,
    // An address has more signs in it than a name, all of them of ASCII (RFC 3986 2).
    is_plain: kind === 'prompt' ? isPlain(name) : /^[!-~]+$/.test(name),
    looks_like_another: alike.has(name),
  }))
}

/** Calls by tool of one token or program of an MCP server, the most used first; empty names: of tools that no list has. */
export async function toolsUsedBy(
  ctx: Context,
  { tenantId }: Pick<Actor, 'tenantId'>,
  { projectId, holderId }: { projectId: string; holderId: string },
): Promise<UseOfTool[]> {
  const since = firstDayShown(ctx.now())
  return readTenant(ctx, tenantId, (tx) => usesByTool(tx, tenantId, { projectId, holderId }, since))
}
