import { keepServer } from '../store/mcp.ts'
import type { Call, Gateway, Request } from './call.ts'
import { type Filtering, filterResult } from './filters.ts'
import { Flood } from './flood.ts'
import { errorMessage, type Message, objectIn, type Read, RpcRefusal, rpcCodes, textIn } from './messages.ts'
import { handlingOf, serverNotifications, serverRequests } from './methods.ts'
import { type Manner, unsupported } from './reading.ts'
import { isModern, isRevision, legacy, metaNames, revisions } from './revisions.ts'
import { asRefusal, failed, sessionOver, wayOf } from './server-call.ts'
import { idForClient, isSessionId, sealSession } from './session.ts'
import { serverInfoOf } from './tools.ts'
import { type Reply, type Server, send } from './upstream.ts'

type Passing = { message: Request; manner: Manner; reply: Reply; filtering: Filtering; server: Server }

type Streaming = Omit<Passing, 'message'> & { message: Request | undefined; resumed: boolean }

/** Passes a server's answer to a request back. @throws RpcRefusal, BrokerError; also after the beginning of a stream */
export async function passOn(gateway: Gateway, call: Call, passing: Passing): Promise<void> {
  const { answering } = call
  const { message, manner, reply } = passing
  const { status, form } = reply
  if (form === 'other' || (status !== 200 && form !== 'json')) {
    reply.drop()
    throw unanswered(manner, reply)
  }
  if (form === 'stream') return stream(gateway, call, { ...passing, resumed: false })
  let read: Read | undefined
  try {
    for await (const event of reply.events()) read = event.read
  } catch (error) {
    throw status === 200 ? error : unanswered(manner, reply)
  }
  const answered = read?.message
  const isError = answered?.kind === 'error' && (answered.id === message.id || answered.id === undefined)
  if (
    !read ||
    !answered ||
    !((answered.kind === 'result' && answered.id === message.id && status === 200) || isError)
  ) {
    if (status !== 200) throw unanswered(manner, reply)
    throw new RpcRefusal('badAnswer', 'The MCP server sent an answer to something else.')
  }
  if (isError) refuseOldServer(manner, reply, answered)
  const back = await backOf(gateway, call, passing, answered)
  answering.whole(
    { ...read, message: back.message },
    { status: isError ? statusFor(manner, status) : 200, headers: back.headers },
  )
}

/** In a session an error is told with 200: clients take another status for the end of it, or of the server. */
const statusFor = (manner: Manner, status: number) =>
  manner.era === 'modern' && (status === 400 || status === 404) ? status : 200

/** Codes by which a server shows that it knows the newest revision (streamable-http.mdx, "Backward Compatibility"). */
const modernCodes = new Set<number>([-32020, -32021, -32022, rpcCodes.methodNotFound, rpcCodes.invalidParams])

/** A server that does not know the newest revision answers in some way of its own: the client is told what both know. */
function refuseOldServer(manner: Manner, { status }: Reply, { error, id }: Extract<Message, { kind: 'error' }>): void {
  if (manner.era === 'modern' && status !== 200 && (id === undefined || !modernCodes.has(error.code)))
    throw unsupported('2026-07-28', [legacy, '2025-06-18'])
  if (manner.era === 'modern' && error.code === rpcCodes.unsupportedVersion) {
    const supported = objectIn({ data: error.data }, 'data')?.supported
    throw unsupported('2026-07-28', Array.isArray(supported) ? supported.filter(isRevision) : [legacy])
  }
}

function unanswered(manner: Manner, { status }: Reply): RpcRefusal {
  if (status === 404 && manner.era === 'session' && manner.session.upstream !== null) return sessionOver()
  if (manner.era === 'modern' && [400, 404, 405, 406].includes(status))
    return unsupported('2026-07-28', [legacy, '2025-06-18'])
  return failed(status)
}

/** An answer as it goes back: cut to what the token allows, with a session of ours where one begins. */
async function backOf(
  { ctx }: Gateway,
  { owner }: Call,
  { message: request, manner, reply, filtering }: Passing,
  answered: Message,
): Promise<{ message: Message; headers: string[] }> {
  if (answered.kind === 'error') {
    const { code, message, data } = answered.error
    const error = { code, message: message.slice(0, 4_000), ...(data !== undefined && { data }) }
    return { message: errorMessage(request.id, error), headers: [] }
  }
  if (answered.kind !== 'result') throw new RpcRefusal('badAnswer', 'The MCP server sent no answer.')
  const isFirstPage = textIn(request.params, 'cursor') === undefined
  const result = await filterResult(filtering, { method: request.method, result: answered.result, isFirstPage })
  const message = { ...answered, result }
  if (manner.era !== 'initialize') return { message, headers: [] }
  const revision = textIn(result, 'protocolVersion')
  if (!isRevision(revision) || isModern(revision)) {
    const shared = revisions.filter((one) => !isModern(one))
    throw new RpcRefusal(
      'invalidParams',
      'The MCP server speaks no revision of the protocol that the gateway speaks.',
      {
        data: { supported: shared, requested: manner.revision },
      },
    )
  }
  const given = [reply.headers['mcp-session-id']].flat()[0]
  if (given !== undefined && !isSessionId(given))
    throw new RpcRefusal('badAnswer', 'The MCP server gave no readable session.')
  ctx.background('keep what a server says', () =>
    keepServer(ctx, filtering.place, { ...serverInfoOf(result.serverInfo), revision }, ctx.now()),
  )
  const session = { upstream: given ?? null, revision, opensLinks: manner.opensLinks }
  return { message, headers: ['mcp-session-id', sealSession(ctx.secrets.gateway, owner, session)] }
}

/** Passes a stream back, message by message. `message`: the request that it answers; undefined: it was opened on its own. */
export async function stream(gateway: Gateway, call: Call, streaming: Streaming): Promise<void> {
  const { ctx } = gateway
  const { answering } = call
  const { message: request, manner, reply } = streaming
  const isLong = request === undefined || request.method === 'subscriptions/listen'
  const flood = new Flood(isLong, () => ctx.now().getTime())
  let hasBegun = false
  let canResume = false
  const begin = (headers: string[] = []) => {
    if (!hasBegun) answering.begin({ headers })
    hasBegun = true
  }
  // A session begins with the head, so an answer to `initialize` is waited for.
  if (manner.era !== 'initialize') begin()
  try {
    for await (const event of reply.events()) {
      flood.count(event.bytes)
      const marks = isModern(manner.revision) ? {} : { id: event.id, retry: event.retry }
      canResume ||= marks.id !== undefined
      if (!event.read) {
        if (hasBegun) await answering.event(undefined, marks)
        continue
      }
      const { message } = event.read
      const isAnswer = message.kind === 'result' || message.kind === 'error'
      if (isAnswer && request && message.id === request.id) {
        const back = await backOf(gateway, call, { ...streaming, message: request }, message)
        begin(back.headers)
        await answering.event({ ...event.read, message: back.message }, marks)
        return answering.end()
      }
      const passed = isAnswer ? await resumedAnswer(streaming, message) : fromServer(gateway, streaming, message)
      if (passed && hasBegun) await answering.event({ ...event.read, message: passed }, marks)
    }
    if (request && !(canResume && hasBegun))
      throw new RpcRefusal('badAnswer', 'The MCP server ended its stream before it answered.')
    answering.end()
  } catch (error) {
    const told = asRefusal(error, request)
    if (!(told instanceof RpcRefusal) || !request || !hasBegun || answering.response.destroyed) throw told
    await answering.last(errorMessage(request.id, told.error))
  } finally {
    reply.drop()
  }
}

/** An answer on a stream that was taken up again: which request it answers is not known here, so its form decides. */
async function resumedAnswer({ resumed, filtering }: Streaming, message: Message): Promise<Message | undefined> {
  if (!resumed) return undefined
  if (message.kind !== 'result') return message
  return {
    ...message,
    result: await filterResult(filtering, { method: undefined, result: message.result, isFirstPage: false }),
  }
}

/** What a server says of its own accord, as it goes to the client; undefined: it does not. */
function fromServer({ ctx }: Gateway, streaming: Streaming, message: Message): Message | undefined {
  const { message: request, manner, filtering, server } = streaming
  if (message.kind === 'request') {
    if (isModern(manner.revision) || manner.era !== 'session') return undefined
    if (handlingOf(serverRequests, message.method, manner.revision) === 'pass')
      return { ...message, id: idForClient(ctx.secrets.gateway, manner.sealed, message.id) }
    const refusal = errorMessage(message.id, {
      code: rpcCodes.methodNotFound,
      message: 'This does not pass the gateway.',
    })
    ctx.background('refuse a request of a server', async () => {
      const read = { message: refusal, hasNumerals: false }
      const signal = AbortSignal.timeout(10_000)
      ;(await send(server, { method: 'POST', read, ...wayOf(manner), signal })).drop()
    })
    return undefined
  }
  if (message.kind !== 'notification') return undefined
  const { method, params } = message
  const handling = handlingOf(serverNotifications, method, manner.revision)
  if (handling === 'refuse') return undefined
  if (handling === 'filter' && !filtering.permits.resource(textIn(params, 'uri') ?? '').allowed) return undefined
  if (method === 'notifications/progress' && request) {
    const token = objectIn(request.params, '_meta')?.progressToken
    if (token === undefined || token !== params?.progressToken) return undefined
  }
  if (isModern(manner.revision) && request?.method === 'subscriptions/listen') {
    if (objectIn(params, '_meta')?.[metaNames.subscription] !== request.id) return undefined
  }
  return message
}
