import type { Context } from '../context.ts'
import { readTenant } from '../store/database.ts'
import { findTools, keepTools } from '../store/mcp.ts'
import { objectIn, type Params, RpcRefusal, textIn } from './messages.ts'
import { handlingOf, mayAskFirst, serverRequests } from './methods.ts'
import type { Permits } from './permits.ts'
import { isModern, isRevision, type Revision } from './revisions.ts'
import { toolsIn } from './tools.ts'

export type Place = { tenantId: string; projectId: string }

export type Filtering = {
  ctx: Context
  place: Place
  permits: Permits
  revision: Revision
  /** Tools that nobody has looked at since they changed are held back. */
  holds: boolean
}

/** Of what a client may keep, and must not share (caching.mdx, "Security Considerations"): it is cut to one token. */
const cacheable = new Set([
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'server/discover',
])

/** The tasks of 2025-11-25, and of the extension that followed: what they answer is not known by the tool that began them. */
export const tasksExtension = 'io.modelcontextprotocol/tasks'

/** Capabilities without what the gateway does not pass on, on either side. */
export function capabilitiesWithoutTasks(capabilities: Params | undefined): Params {
  const { tasks: _, ...others } = capabilities ?? {}
  const extensions = objectIn(others, 'extensions')
  if (!extensions) return others
  const { [tasksExtension]: __, ...left } = extensions
  return { ...others, extensions: left }
}

const badAnswer = () =>
  new RpcRefusal('badAnswer', 'The MCP server sent an answer that the protocol does not have here.')

/**
 * What of a result goes back: lists are cut to what the token allows. `method`: of the request that it answers; undefined where
 * that is not known, because a stream was taken up again, so that its form decides. `isFirstPage`: nothing of its list came before.
 * @throws RpcRefusal for a result that the protocol does not have there
 */
export async function filterResult(
  filtering: Filtering,
  { method, result, isFirstPage }: { method: string | undefined; result: Params; isFirstPage: boolean },
): Promise<Params> {
  const { revision } = filtering
  if (isModern(revision) && method !== undefined) refuseUnknownType(method, result)
  const cut = await withoutForbidden(filtering, method, result, isFirstPage)
  return isModern(revision) && method !== undefined && cacheable.has(method) ? { ...cut, cacheScope: 'private' } : cut
}

/** basic/index.mdx, "ResultType", and mrtr.mdx. */
function refuseUnknownType(method: string, result: Params): void {
  const type = result.resultType
  if (type === undefined || type === 'complete') return
  if (type !== 'input_required' || !mayAskFirst.has(method)) throw badAnswer()
  const asked = result.inputRequests === undefined ? {} : objectIn(result, 'inputRequests')
  if (!asked) throw badAnswer()
  for (const name of Object.keys(asked))
    if (handlingOf(serverRequests, textIn(objectIn(asked, name), 'method') ?? '', '2026-07-28') !== 'pass')
      throw badAnswer()
}

async function withoutForbidden(
  filtering: Filtering,
  method: string | undefined,
  result: Params,
  isFirstPage: boolean,
): Promise<Params> {
  const { permits } = filtering
  const is = (name: string) => method === name || method === undefined
  let cut = result
  const list = (name: string, entries: unknown) => {
    if (Array.isArray(entries)) return entries
    if (method === undefined) return undefined
    throw new RpcRefusal('badAnswer', `The MCP server sent no list of ${name}.`)
  }
  if (is('tools/list')) {
    const entries = list('tools', result.tools)
    if (entries)
      cut = { ...cut, tools: await toolsFor(filtering, entries, isFirstPage && result.nextCursor === undefined) }
  }
  const by = (member: string, key: string, permitted: (text: string) => { allowed: boolean }) => {
    const entries = list(member, result[member])
    if (!entries) return
    const kept = entries.filter((entry) => {
      const text = textIn(objectIn({ entry }, 'entry'), key)
      return text !== undefined && permitted(text).allowed
    })
    cut = { ...cut, [member]: kept }
  }
  if (is('resources/list')) by('resources', 'uri', (uri) => permits.resource(uri))
  if (is('resources/templates/list')) by('resourceTemplates', 'uriTemplate', (uri) => permits.template(uri))
  if (is('prompts/list')) by('prompts', 'name', (name) => permits.prompt(name))
  if (method === 'initialize' || method === 'server/discover')
    cut = { ...cut, capabilities: capabilitiesWithoutTasks(objectIn(result, 'capabilities')) }
  if (method === 'server/discover')
    cut = {
      ...cut,
      supportedVersions: Array.isArray(result.supportedVersions) ? result.supportedVersions.filter(isRevision) : [],
    }
  return cut
}

/** Keeps what a list says in the catalogue, and answers what of it the token may call. */
async function toolsFor(
  { ctx, place, permits, holds }: Filtering,
  entries: unknown[],
  isWhole: boolean,
): Promise<unknown[]> {
  const found = toolsIn(entries)
  await keepTools(
    ctx,
    place,
    found.map(({ tool }) => tool),
    { now: ctx.now(), isWhole },
  )
  const { tenantId, projectId } = place
  const names = found.map(({ tool }) => tool.name)
  const rows = holds ? await readTenant(ctx, tenantId, (tx) => findTools(tx, tenantId, projectId, names)) : []
  const reviewed = new Map(rows.map(({ name, reviewedHash }) => [name, reviewedHash]))
  return found.flatMap(({ entry, tool }) => {
    const known = { ...tool, reviewedHash: reviewed.get(tool.name) ?? null }
    return permits.tool(tool.name, known).allowed ? [entry] : []
  })
}
