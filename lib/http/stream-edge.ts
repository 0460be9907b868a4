import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { answerHeaders } from '../proxy/headers.ts'
import type { ProxyLimits } from '../proxy/quotas.ts'
import type { Running } from '../proxy/running.ts'
import { newId } from '../security/ids.ts'
import { outboundLimits } from '../security/outbound.ts'
import { closeUnread, createBrake, type Pause, realPause } from './brake.ts'
import { securityHeaders } from './headers.ts'

/** An edge on Node's own streams: nothing reads a request anew before it is judged. */
export type StreamEdge<Target> = {
  /** What a raw request target asks of it; undefined: it is another edge's. */
  targetOf: (url: string) => Target | undefined
  /** Passes a request on, or answers why not. Never throws. */
  handle: (request: IncomingMessage, response: ServerResponse, target: Target) => Promise<void>
  /** Looks for what may not go on, and tells what was used; for tests, which have no timers. */
  look: () => Promise<void>
  tell: () => Promise<void>
  stop: () => Promise<void>
}

/** `timers`: whether it looks and tells by itself. */
export type StreamEdgeOptions = { limits?: ProxyLimits; timers?: boolean; pause?: Pause }

/** One request at such an edge. `brake`: holds an answer back that is over a limit; `headers`: on every answer. */
export type Arrived<Target> = {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  requestId: string
  started: number
  headers: readonly string[]
  brake: () => Promise<void>
}

type Edge<Target> = {
  targetOf: StreamEdge<Target>['targetOf']
  running: Running
  /** Tells the database what was used. */
  tallies: readonly { tell: () => Promise<void> }[]
  open: { inc: () => void; dec: () => void }
  /** Answers, whatever happens. What it answers itself is called once nothing more is to be done for the request. */
  serve: (arrived: Arrived<Target>) => Promise<() => void>
}

/** Between two looks at the tokens of what is running: an end elsewhere cuts it within a second. */
const lookMilliseconds = 400
const tellMilliseconds = 5_000

/** What the edges that pass through to upstreams have in common: looking, telling, arriving and stopping. */
export function createStreamEdge<Target>(
  ctx: Context,
  { timers = true, pause = timers ? realPause : async () => {} }: StreamEdgeOptions,
  { targetOf, running, tallies, open, serve }: Edge<Target>,
): StreamEdge<Target> {
  const brake = createBrake(pause)
  let isLooking = false
  const look = async () => {
    if (isLooking) return
    isLooking = true
    await running.look(ctx).finally(() => {
      isLooking = false
    })
  }
  const tell = () =>
    Promise.all(tallies.map((tally) => tally.tell())).then(
      () => {},
      (error: unknown) => ctx.log.warn({ err: error }, 'uses of tokens are told later'),
    )
  const every = timers
    ? [setInterval(() => void look(), lookMilliseconds), setInterval(() => void tell(), tellMilliseconds)]
    : []
  return {
    targetOf,
    async handle(request, response, target) {
      // Behind another on its connection it waits its turn (RFC 9112 9.3.2): Node tells nobody that a caller left whose
      // answer has no socket yet, so what had begun would be held for ever.
      if (!response.socket) await new Promise<void>((resolve) => response.once('socket', () => resolve()))
      const requestId = newId('request')
      // Neither side says anything for so long: the connection is given up.
      request.socket.setTimeout(outboundLimits.streamSilenceMs)
      open.inc()
      const over = await serve({
        request,
        response,
        target,
        requestId,
        started: performance.now(),
        headers: [...fixedHeaders, 'x-request-id', requestId],
        brake: () => brake(response),
      })
      closeUnread(request, response)
      open.dec()
      over()
    },
    look,
    tell,
    async stop() {
      for (const timer of every) clearInterval(timer)
      running.cutAll(new BrokerError('not_serving'))
      await tell()
    },
  }
}

const fixedHeaders = Object.entries({
  ...answerHeaders,
  'strict-transport-security': securityHeaders['strict-transport-security'],
}).flat()
