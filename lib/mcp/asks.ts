import { type Asking, askForLink } from '../broker/link/ask.ts'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { errorMessage, type Message, objectIn, type Params, RpcRefusal, rpcCodes, textIn } from './messages.ts'
import { mayAskFirst } from './methods.ts'
import type { Manner } from './reading.ts'
import { marked, type Owner, unmarked } from './session.ts'

export type Asked = { id: string; url: string; message: string; cause: Asking['cause'] }

const messages: Record<Asking['cause'], string> = {
  link: 'Link this MCP server in Valetkey first.',
  reconnect: 'The connection to this MCP server must be made again.',
  step_up: 'This MCP server wants more than was allowed when it was linked.',
}

/**
 * Asks a person, however often a program calls: one question about the same thing at a time (broker/link/ask.ts).
 * @throws RpcRefusal where too many questions wait for them already
 */
export async function askPerson(ctx: Context, ask: Asking): Promise<Asked> {
  try {
    return { ...(await askForLink(ctx, ask)), cause: ask.cause, message: messages[ask.cause] }
  } catch (error) {
    if (!isBrokerError(error, 'rate_limited')) throw error
    throw new RpcRefusal('tooMany', `${messages[ask.cause]} Too many requests wait for its person already.`)
  }
}

const inputName = 'valetkey_link'
const statePrefix = 'vk-link.'
const ownerOf = ({ tenantId, holderId, projectId }: Owner, method: string) =>
  `state ${tenantId} ${holderId} ${projectId} ${method}`

/** Tells a program that a person has to do something first, in the way that its revision has for it (N-14). */
export function askMessage(
  request: Message & { kind: 'request' },
  manner: Manner,
  { id, url, message, cause }: Asked,
  { key, owner }: { key: Uint8Array; owner: Owner },
): Message {
  if (manner.era === 'modern' && manner.opensLinks && mayAskFirst.has(request.method)) {
    // What the server had asked to be given back comes back with the answer.
    const state = textIn(request.params, 'requestState') ?? null
    const result = {
      resultType: 'input_required',
      inputRequests: { [inputName]: { method: 'elicitation/create', params: { mode: 'url', message, url } } },
      requestState: statePrefix + marked(key, ownerOf(owner, request.method), JSON.stringify([state, cause])),
    }
    return { kind: 'result', id: request.id, result }
  }
  const knowsError = manner.era !== 'modern' && manner.revision === '2025-11-25' && manner.opensLinks
  return knowsError
    ? errorMessage(request.id, {
        code: rpcCodes.linkRequired,
        message,
        data: { elicitations: [{ mode: 'url', elicitationId: id, url, message }] },
      })
    : errorMessage(request.id, { code: rpcCodes.notAllowed, message: `${message} Open ${url}`, data: { cause, url } })
}

export type Returned = {
  /** What goes on to the server: without our question, and with the state that was the server's own. */
  params: Params | undefined
  /** The person said no, as their program tells. */
  refused: { cause: string; action: string } | undefined
  /** A state of ours that we did not make for this. */
  isForged: boolean
}

/** Takes the answer to our question out of a request that is made again. */
export function withoutAnswer(
  ctx: Pick<Context, 'metrics'>,
  method: string,
  params: Params | undefined,
  { key, owner }: { key: Uint8Array; owner: Owner },
): Returned {
  const given = textIn(params, 'requestState')
  if (!params || !given?.startsWith(statePrefix)) return { params, refused: undefined, isForged: false }
  const text = unmarked(key, ownerOf(owner, method), given.slice(statePrefix.length))
  if (text === undefined) return { params, refused: undefined, isForged: true }
  const [state, cause] = JSON.parse(text) as [string | null, string]
  const { requestState: _, inputResponses: __, ...others } = params
  const { [inputName]: answer, ...left } = objectIn(params, 'inputResponses') ?? {}
  const action = textIn(objectIn({ answer }, 'answer'), 'action') ?? 'cancel'
  const outcome = action === 'accept' ? 'accepted' : action === 'decline' ? 'declined' : 'cancelled'
  ctx.metrics.gatewayLinks.inc({ purpose: cause, outcome })
  return {
    params: {
      ...others,
      ...(state !== null && { requestState: state }),
      ...(Object.keys(left).length > 0 && { inputResponses: left }),
    },
    refused: outcome === 'accepted' ? undefined : { cause, action: outcome },
    isForged: false,
  }
}
