import { freshTokens } from '../broker/refresh/refresh.ts'
import { clientSecretPlace } from '../broker/upstream.ts'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import type { GatewayFacts } from '../providers/kind.ts'
import type { Secret } from '../security/secrets.ts'
import { findConnection } from '../store/connections.ts'
import { readTenant } from '../store/database.ts'
import {
  type KeptOffer,
  keepOffers,
  keepServer,
  keepTools,
  noteFailedReading,
  type OfferKind,
  offersMax,
  type ReadingFailure,
  toolsMax,
} from '../store/mcp.ts'
import { findProvider, type ProviderRow } from '../store/providers.ts'
import { vaultOf } from '../vault/keys.ts'
import { type Id, objectIn, type Params, textIn } from './messages.ts'
import { isRevision, legacy, metaNames, modern, type Revision } from './revisions.ts'
import { offersIn, type ServerInfo, serverInfoOf, type Tool, toolsIn } from './tools.ts'
import { type Asked, ask, type Sending, type Server, send, serverAt } from './upstream.ts'

/** What a catalogue may take: a server that has more is read so far, and nothing of it is said to be gone. */
export const catalogueLimits = { pages: 50, bytes: 8 * 1024 * 1024, milliseconds: 30_000 }

/** Who we are to a server that we ask ourselves. */
const ourselves = { name: 'valetkey', version: '0.1.0' }

/**
 * Asks a server for its name, its tools, resources and prompts, with the token of a connection, and keeps what it says, or why it
 * said nothing. Any project of the connection that is an MCP server; nothing for any other.
 * @throws BrokerError as freshTokens does; upstream_unavailable, upstream_protocol
 */
export async function refreshCatalogue(
  ctx: Context,
  { tenantId, connectionId }: { tenantId: string; connectionId: string },
): Promise<void> {
  const found = await readTenant(ctx, tenantId, async (tx) => {
    const connection = await findConnection(tx, tenantId, connectionId)
    const provider = connection && (await findProvider(tx, tenantId, connection.providerId))
    return connection && provider
      ? { projects: connection.projects.map(({ project }) => project), provider }
      : undefined
  })
  const row = found && configured(found.provider)
  const facts = row?.kind.gateway?.(row.settings)
  if (!found || !row || !facts) return
  for (const { id: projectId, externalId } of found.projects) {
    const place = { tenantId, projectId }
    const began = ctx.now()
    const note = (failure: ReadingFailure) => noteFailedReading(ctx, place, { began, now: ctx.now(), failure })
    try {
      const token = await tokenFor(ctx, found.provider, facts, connectionId)
      const address = row.kind.baseUrl?.({ externalId }) ?? externalId
      const seen = await readCatalogue(serverAt(ctx, address, facts, token?.reveal()))
      if ('failure' in seen) {
        await note(seen.failure)
        continue
      }
      const { info, revision, tools, offers } = seen
      const now = ctx.now()
      await keepServer(ctx, place, { ...info, revision }, now)
      if (tools) await keepTools(ctx, place, tools.items, { now, isWhole: tools.isWhole })
      for (const [kind, { items, isWhole }] of offers) await keepOffers(ctx, place, kind, items, { now, isWhole })
      if (!tools?.isWhole) await note(tools ? 'too_long' : 'no_list')
    } catch (error) {
      // Where not even that can be written, what went wrong first is what is to be told.
      await note(failureOf(error)).catch(() => undefined)
      throw error
    }
  }
}

function failureOf(error: unknown): ReadingFailure {
  if (isBrokerError(error, 'upstream_unavailable')) return 'upstream_unavailable'
  if (isBrokerError(error, 'upstream_protocol')) return 'upstream_protocol'
  return isBrokerError(error, 'needs_relink', 'not_linked', 'frozen', 'token_outstanding', 'client_not_registered')
    ? 'no_token'
    : 'internal'
}

/** What tells a server who calls; undefined: nothing does. */
async function tokenFor(
  ctx: Context,
  { tenantId, id, clientSecret }: ProviderRow,
  { header, shared }: GatewayFacts,
  connectionId: string,
): Promise<Secret | undefined> {
  if (header === undefined) return undefined
  if (!shared) return (await freshTokens(ctx, { tenantId, connectionId })).accessToken
  return clientSecret === null ? undefined : (await vaultOf(ctx, tenantId)).open(clientSecretPlace(id), clientSecret)
}

/** What a list has; `isWhole`: it was read to its end. */
type List<T> = { items: T[]; isWhole: boolean }
/** A list that was not answered is left out. */
type Seen = {
  info: ServerInfo
  revision: Revision
  tools: List<Tool> | undefined
  offers: Map<OfferKind, List<KeptOffer>>
}

async function readCatalogue(server: Server): Promise<Seen | { failure: ReadingFailure }> {
  const signal = AbortSignal.timeout(catalogueLimits.milliseconds)
  const hello = (await discover(server, signal)) ?? (await initialize(server, signal))
  if ('failure' in hello) return hello
  const { info, revision, session, capabilities } = hello
  const way = { revision, session, signal, ids: idsFrom(2) }
  // Who has none says so by leaving the capability out.
  const has = (capability: string) => objectIn(capabilities, capability) !== undefined
  const none = { items: [], isWhole: true }
  try {
    const tools = has('tools') ? await readList(server, way, toolList) : none
    const offers: Seen['offers'] = new Map()
    for (const kind of offerKinds) {
      const list = offerLists[kind]
      // The tools that were read stay read where another list is not to be had.
      const read = has(list.capability) ? await readList(server, way, list).catch(unanswered) : none
      if (read) offers.set(kind, read)
    }
    return { info, revision, tools, offers }
  } finally {
    if (session !== undefined) await farewell(server, way)
  }
}

/** Nothing is known of it then, and what was known before stays. */
function unanswered(error: unknown): undefined {
  if (isBrokerError(error)) return undefined
  throw error
}

/** An id of a session stands for one request (JSON-RPC 2.0 4). */
function* idsFrom(first: number): Generator<number, never> {
  for (let id = first; ; id += 1) yield id
}

type Hello = { info: ServerInfo; revision: Revision; session: string | undefined; capabilities: Params | undefined }

const modernMeta = {
  [metaNames.version]: modern,
  [metaNames.client]: ourselves,
  [metaNames.capabilities]: {},
}
const resultOf = ({ answer }: Asked) => (answer?.kind === 'result' ? answer.result : undefined)
const request = (id: Id, method: string, params: Params) => ({ kind: 'request', id, method, params }) as const

async function discover(server: Server, signal: AbortSignal): Promise<Hello | undefined> {
  const asking = request(1, 'server/discover', { _meta: modernMeta })
  const result = resultOf(await ask(server, asking, { revision: modern, signal }))
  const versions = result?.supportedVersions
  if (!result || !Array.isArray(versions) || !versions.includes(modern)) return undefined
  const info = serverInfoOf(objectIn(result, '_meta')?.[metaNames.server])
  return { info, revision: modern, session: undefined, capabilities: objectIn(result, 'capabilities') }
}

/** What a status says of a server that does not answer as MCP does. */
const failureIn = (status: number): ReadingFailure =>
  status === 401 || status === 403 ? 'refused' : status >= 500 ? 'upstream_unavailable' : 'no_revision'

async function initialize(server: Server, signal: AbortSignal): Promise<Hello | { failure: ReadingFailure }> {
  const params = { protocolVersion: legacy, capabilities: {}, clientInfo: ourselves }
  const asked = await ask(server, request(1, 'initialize', params), { revision: legacy, signal })
  const result = resultOf(asked)
  const revision = textIn(result, 'protocolVersion')
  if (!result || !isRevision(revision) || revision === modern) return { failure: failureIn(asked.status) }
  const session = [asked.headers['mcp-session-id']].flat()[0]
  const message = { kind: 'notification', method: 'notifications/initialized', params: undefined } as const
  const read = { message, hasNumerals: false }
  const told = await send(server, { method: 'POST', read, revision, session, signal })
  told.drop()
  return { info: serverInfoOf(result.serverInfo), revision, session, capabilities: objectIn(result, 'capabilities') }
}

type Way = Pick<Sending, 'revision' | 'session' | 'signal'> & { ids: Generator<number, never> }

/** One that a server is asked for: the member of its answers that has the entries, and what is made of those. */
type Listing<T> = { method: string; member: string; most: number; read: (entries: unknown[]) => T[] }

const toolList: Listing<Tool> = {
  method: 'tools/list',
  member: 'tools',
  most: toolsMax,
  read: (entries) => toolsIn(entries).map(({ tool }) => tool),
}
const offerKinds = ['resource', 'template', 'prompt'] as const
const offerList = (capability: string, method: string, member: string, key: string) => ({
  capability,
  method,
  member,
  most: offersMax,
  read: (entries: unknown[]) => offersIn(entries, key),
})
const offerLists: Record<OfferKind, Listing<KeptOffer> & { capability: string }> = {
  resource: offerList('resources', 'resources/list', 'resources', 'uri'),
  template: offerList('resources', 'resources/templates/list', 'resourceTemplates', 'uriTemplate'),
  prompt: offerList('prompts', 'prompts/list', 'prompts', 'name'),
}

/** undefined: it does not answer with a list. */
async function readList<T>(server: Server, way: Way, listing: Listing<T>): Promise<List<T> | undefined> {
  const { method, member, most, read } = listing
  const items: T[] = []
  const cursors = new Set<string>()
  let cursor: string | undefined
  let bytes = 0
  for (let page = 1; page <= catalogueLimits.pages; page += 1) {
    const params = { ...(cursor !== undefined && { cursor }), ...(way.revision === modern && { _meta: modernMeta }) }
    const asked = await ask(server, request(way.ids.next().value, method, params), way)
    const result = resultOf(asked)
    const entries = result?.[member]
    if (!Array.isArray(entries)) return page === 1 ? undefined : { items, isWhole: false }
    bytes += asked.bytes
    items.push(...read(entries))
    cursor = textIn(result, 'nextCursor')
    if (cursor === undefined) return { items, isWhole: items.length <= most }
    // A list that leads back to itself has no end.
    if (bytes > catalogueLimits.bytes || items.length > most || cursors.has(cursor)) break
    cursors.add(cursor)
  }
  return { items, isWhole: false }
}

/** Ends the session that only this reading had; a server that does not know how is left as it is. */
async function farewell(server: Server, way: Way): Promise<void> {
  const told = await send(server, { ...way, method: 'DELETE' }).catch(() => undefined)
  told?.drop()
}
