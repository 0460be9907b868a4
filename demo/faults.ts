import { z } from 'zod'

const Body = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('json'), value: z.unknown() }),
  z.strictObject({ kind: z.literal('html'), text: z.string().optional() }),
  z.strictObject({ kind: z.literal('empty') }),
  /** The answer breaks off in the middle while its Content-Length promises all of it. */
  z.strictObject({ kind: z.literal('truncated') }),
  z.strictObject({
    kind: z.literal('huge'),
    bytes: z
      .int()
      .positive()
      .default(16 * 1024 * 1024),
  }),
  /** A byte at a time, `everyMilliseconds` apart. */
  z.strictObject({ kind: z.literal('drip'), everyMilliseconds: z.int().positive().default(50) }),
  /** Every field of the JSON answer has another type than it should. */
  z.strictObject({ kind: z.literal('wrong-types') }),
])

/**
 * One scripted answer. Without `effect`, the request takes effect unless the fault replaces the whole answer
 * (an error status, or a body of its own); `effect: 'applied'` makes an answer lie about what happened.
 */
export const Fault = z.strictObject({
  /** Only requests whose body or query has these values; others pass the fault by. */
  when: z.record(z.string(), z.string()).optional(),
  status: z.int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: Body.optional(),
  effect: z.enum(['applied', 'skipped']).optional(),
  /** The connection is reset before the request takes effect, or after it did. */
  reset: z.enum(['before', 'after']).optional(),
  /** The request is delivered twice; the second answer is sent. */
  duplicate: z.boolean().optional(),
  /** Waits at a named barrier, before the request takes effect or after it did. */
  hold: z.strictObject({ barrier: z.string(), at: z.enum(['before', 'after']) }).optional(),
})
export type Fault = z.input<typeof Fault>
export type ParsedFault = z.infer<typeof Fault>

/** A point where requests wait until a test lets them go. */
export type Barrier = {
  /** Resolves when this many requests have reached the barrier. */
  arrived(count?: number): Promise<void>
  /** Opens the barrier for good. */
  release(): void
}

export type Faults = {
  /** Queues answers for a route: `POST /oauth/token`; `*` stands for one path segment, `* /path` for any method. */
  push(route: string, ...answers: Fault[]): void
  barrier(name: string): Barrier
  /** Scripted answers that nobody asked for yet. */
  pending(): number
  clear(): void
}

export type FaultScript = Faults & {
  /** Takes the next answer scripted for this request, if any. */
  take(method: string, path: string, fields: Record<string, unknown>): ParsedFault | undefined
  /** Waits until the barrier is open. */
  pass(name: string): Promise<void>
}

export function makeFaults(): FaultScript {
  let queue: { method: string; path: RegExp; fault: ParsedFault }[] = []
  let barriers = new Map<string, ReturnType<typeof makeBarrier>>()
  const barrier = (name: string) => {
    const known = barriers.get(name) ?? makeBarrier()
    barriers.set(name, known)
    return known
  }
  return {
    push(route, ...answers) {
      const [method = '*', path = '/'] = route.split(' ')
      for (const answer of answers) queue.push({ method, path: pathPattern(path), fault: Fault.parse(answer) })
    },
    take(method, path, fields) {
      const index = queue.findIndex(
        (entry) =>
          (entry.method === '*' || entry.method === method) &&
          entry.path.test(path) &&
          Object.entries(entry.fault.when ?? {}).every(([name, value]) => fields[name] === value),
      )
      return index < 0 ? undefined : queue.splice(index, 1)[0]?.fault
    },
    barrier,
    pass: (name) => barrier(name).pass(),
    pending: () => queue.length,
    clear() {
      queue = []
      for (const open of barriers.values()) open.release()
      barriers = new Map()
    },
  }
}

function pathPattern(path: string): RegExp {
  const escaped = path.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${escaped.join('[^/]+')}$`)
}

function makeBarrier(): Barrier & { pass(): Promise<void> } {
  let open = false
  let count = 0
  let waiting: (() => void)[] = []
  let watching: { count: number; resolve: () => void }[] = []
  return {
    arrived(wanted = 1) {
      if (count >= wanted) return Promise.resolve()
      return new Promise((resolve) => watching.push({ count: wanted, resolve }))
    },
    release() {
      open = true
      for (const go of waiting) go()
      waiting = []
    },
    pass() {
      count += 1
      for (const watcher of watching) if (count >= watcher.count) watcher.resolve()
      watching = watching.filter((watcher) => count < watcher.count)
      return open ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
    },
  }
}
