// Runs in every test file, several times in a process where files share one. Noise fails the test that made it; so does a
// connection that would leave this machine.
import { isIP, Socket } from 'node:net'
import { afterEach, beforeEach, expect, vi } from 'vitest'

// All that a page knows of its request; the rest of Next is not needed for what it reads.
vi.mock('next/headers', async () => {
  const { pretendedHeaders } = await import('./next-headers.ts')
  return { headers: async () => pretendedHeaders() }
})

const incidents: string[] = []

beforeEach(() => {
  incidents.length = 0
  // A test that expects noise replaces these with vi.spyOn; what reaches them is a surprise.
  for (const level of ['error', 'warn'] as const)
    console[level] = (...args: unknown[]) => {
      incidents.push(`console.${level}: ${args.map(String).join(' ')}`)
    }
})

afterEach(() => {
  expect(incidents, 'unexpected noise or outbound connection').toEqual([])
})

type Lookup = (hostname: string, options: object, done: (...answer: unknown[]) => void) => void
interface Destination {
  host?: string
  path?: string
  lookup?: Lookup
}

const isLoopback = (address: string) =>
  address === '::1' || /^(::ffff:)?127\./.test(address) || /(^|\.)localhost$/.test(address)

function refuse(host: string): never {
  incidents.push(`outbound connection to ${host}`)
  throw new Error(`Tests may not connect to ${host}`)
}

/** Node's own connect takes (options), (port, host) or its normalised [options, callback]. */
function destinationOf(args: unknown[]): Destination {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args
  if (typeof first === 'object' && first !== null) return first
  return typeof first === 'number' && typeof second === 'string' ? { host: second } : {}
}

/** Node's own, whichever file of this process came first. */
const original = Symbol.for('valetkey.test.connect')
const sockets: typeof Socket.prototype & { [original]?: typeof Socket.prototype.connect } = Socket.prototype
const connect = sockets[original] ?? Socket.prototype.connect
sockets[original] = connect
Socket.prototype.connect = function guarded(this: Socket, ...args: unknown[]) {
  const destination = destinationOf(args)
  const { host = 'localhost', path, lookup } = destination
  if (!path && !isLoopback(host)) {
    // A name is allowed only where the code under test resolves it itself, and only to loopback.
    if (isIP(host) || !lookup) refuse(host)
    destination.lookup = (hostname, options, done) =>
      lookup(hostname, options, (error, answer, family) => {
        const addresses = Array.isArray(answer) ? answer.map((entry) => String(entry.address)) : [String(answer)]
        const foreign = error ? undefined : addresses.find((address) => !isLoopback(address))
        if (foreign === undefined) done(error, answer, family)
        else {
          incidents.push(`outbound connection to ${foreign}`)
          done(new Error(`Tests may not connect to ${foreign}`))
        }
      })
  }
  return Reflect.apply(connect, this, args)
}
