import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { Fault } from './faults.ts'
import type { Demo } from './index.ts'
import { ModesPatch } from './modes.ts'
import type { Part } from './part.ts'
import { type Answer, type Incoming, json } from './wire.ts'

const FaultsRequest = z.strictObject({ route: z.string(), answers: z.array(Fault).min(1) })
const ClockRequest = z.strictObject({ offsetSeconds: z.number() })
const BarrierRequest = z.strictObject({
  name: z.string(),
  /** Answers once this many requests have arrived. */
  waitFor: z.int().positive().optional(),
  release: z.boolean().default(false),
})

/** The same operations as the object that `startDemo` returns, for a test in another process. */
export function makeControl(demo: Demo, secret: string): Part {
  const authorized = (incoming: Incoming) => {
    const digest = (text: string) => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(incoming.headers.authorization ?? ''), digest(`Bearer ${secret}`))
  }
  const parsed = <T>(schema: z.ZodType<T>, incoming: Incoming, act: (input: T) => unknown): Answer => {
    const input = schema.safeParse(incoming.fields)
    if (!input.success) return json(400, { error: 'invalid_request', detail: z.prettifyError(input.error) })
    return json(200, act(input.data) ?? {})
  }
  return async (incoming) => {
    const { pathname } = incoming.url
    if (!pathname.startsWith('/control/')) return undefined
    if (!authorized(incoming)) return json(401, { error: 'unauthorized' })
    switch (`${incoming.method} ${pathname}`) {
      case 'GET /control/ledger':
        return json(200, { requests: demo.ledger.requests, tokens: demo.ledger.tokens })
      case 'GET /control/modes':
        return json(200, demo.modes.current)
      case 'POST /control/modes':
        return parsed(ModesPatch, incoming, (patch) => demo.modes.set(patch))
      case 'POST /control/faults':
        return parsed(FaultsRequest, incoming, ({ route, answers }) => demo.faults.push(route, ...answers))
      case 'POST /control/clock':
        return parsed(ClockRequest, incoming, ({ offsetSeconds }) => demo.clock.setOffset(offsetSeconds))
      case 'POST /control/reset':
        demo.reset()
        return json(200, {})
      case 'POST /control/barriers': {
        const input = BarrierRequest.safeParse(incoming.fields)
        if (!input.success) return json(400, { error: 'invalid_request', detail: z.prettifyError(input.error) })
        const barrier = demo.faults.barrier(input.data.name)
        if (input.data.waitFor) await barrier.arrived(input.data.waitFor)
        if (input.data.release) barrier.release()
        return json(200, {})
      }
      default:
        return json(404, { error: 'not_found' })
    }
  }
}
