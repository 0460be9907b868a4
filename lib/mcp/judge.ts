import type { Context } from '../context.ts'
import { knownTool } from '../store/mcp.ts'
import type { Call, Request } from './call.ts'
import { capabilitiesWithoutTasks } from './filters.ts'
import { objectIn, type Params, RpcRefusal, textIn } from './messages.ts'
import type { Permits, Verdict } from './permits.ts'
import type { Manner } from './reading.ts'
import { metaNames } from './revisions.ts'

/** Whether the token allows what a request names. @throws RpcRefusal where it names nothing */
export async function judged(
  ctx: Context,
  permits: Permits,
  place: { tenantId: string; projectId: string },
  { method, params }: Request,
): Promise<Verdict> {
  const named = (member: string, of: Params | undefined = params) => {
    const text = textIn(of, member)
    if (text === undefined) throw new RpcRefusal('invalidParams', `The request has no ${member}.`)
    return text
  }
  switch (method) {
    case 'tools/call': {
      const name = named('name')
      if (params && Object.hasOwn(params, 'task'))
        throw new RpcRefusal('invalidParams', 'A call does not pass the gateway as a task.')
      return permits.tool(name, permits.needsTool(name) ? await knownTool(ctx, place, name) : undefined)
    }
    case 'prompts/get':
      return permits.prompt(named('name'))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return permits.resource(named('uri'))
    case 'completion/complete': {
      const ref = objectIn(params, 'ref')
      if (textIn(ref, 'type') === 'ref/prompt') return permits.prompt(named('name', ref))
      if (textIn(ref, 'type') !== 'ref/resource') throw new RpcRefusal('invalidParams', 'The ref is of no known type.')
      const uri = named('uri', ref)
      return permits.template(uri).allowed ? { allowed: true } : permits.resource(uri)
    }
    default:
      return { allowed: true }
  }
}

/** What is sent of a request's parameters: whatever was judged, and nothing that the gateway could not follow. */
export function paramsFor(
  permits: Permits,
  manner: Manner,
  method: string,
  params: Params | undefined,
): Params | undefined {
  if (!params) return params
  if (method === 'initialize')
    return {
      ...params,
      protocolVersion: manner.revision,
      capabilities: capabilitiesWithoutTasks(objectIn(params, 'capabilities')),
    }
  const meta = objectIn(params, '_meta')
  const capabilities = objectIn(meta, metaNames.capabilities)
  let sent: Params = capabilities
    ? { ...params, _meta: { ...meta, [metaNames.capabilities]: capabilitiesWithoutTasks(capabilities) } }
    : params
  const wanted = method === 'subscriptions/listen' ? objectIn(sent, 'notifications') : undefined
  if (wanted && wanted.resourceSubscriptions !== undefined) {
    const uris = Array.isArray(wanted.resourceSubscriptions) ? wanted.resourceSubscriptions : []
    const kept = uris.filter((uri) => typeof uri === 'string' && permits.resource(uri).allowed)
    sent = { ...sent, notifications: { ...wanted, resourceSubscriptions: kept } }
  }
  return sent
}

/** Which right is missing, and how more is had. */
export function beyond(
  { known, entered, target }: Call,
  { why, byPolicy }: Extract<Verdict, { allowed: false }>,
): RpcRefusal {
  const more = byPolicy
    ? 'An admin can change that.'
    : entered.isGrant
      ? 'Sign in again with this program and allow more.'
      : 'Issue a token of this project that allows it.'
  return new RpcRefusal('notAllowed', `${why} This token allows: ${known.words}. ${more}`, {
    data: { reason: 'right_missing', allows: known.words, project: target.project },
  })
}
