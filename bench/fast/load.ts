// The callers of bench/fast.ts, in a process of their own: requests as they go over the wire, one at a time on each connection,
// so that little of the machine goes to whoever asks.
import { connect } from 'node:net'

export type Load = {
  port: number
  connections: number
  /** Whole requests, sent in turn. */
  requests: string[]
  /** How long; left out: until each was sent once. */
  milliseconds?: number
  /** The status that every answer must have. */
  status: number
  /** Whether the bodies are told. */
  keep?: boolean
}
/** Times in milliseconds. */
export type Loaded = { count: number; seconds: number; p50: number; p99: number; bodies: string[] }

/** The first whole answer in what has arrived: its status and body, and what is left. */
function answerIn(seen: string): { status: number; body: string; rest: string } | undefined {
  const end = seen.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = seen.slice(0, end)
  const status = Number(head.slice(9, 12))
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (length !== undefined) {
    const last = end + 4 + Number(length)
    return seen.length < last ? undefined : { status, body: seen.slice(end + 4, last), rest: seen.slice(last) }
  }
  const last = status === 204 ? end + 4 : seen.indexOf('0\r\n\r\n', end + 4) + 5
  return last < end + 4 ? undefined : { status, body: seen.slice(end + 4, last), rest: seen.slice(last) }
}

function drive({ port, connections, requests, milliseconds, status, keep }: Load): Promise<Loaded> {
  const times: number[] = []
  const bodies: string[] = []
  const began = performance.now()
  let sent = 0
  const next = () => {
    const isOver = milliseconds === undefined ? sent >= requests.length : performance.now() - began >= milliseconds
    return isOver ? undefined : requests[sent++ % requests.length]
  }
  const one = () =>
    new Promise<void>((resolve, reject) => {
      let seen = ''
      let at = 0
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      const ask = () => {
        const request = next()
        at = performance.now()
        if (request === undefined) socket.end()
        else socket.write(request, 'latin1')
      }
      socket
        .setEncoding('latin1')
        .on('connect', ask)
        .on('error', reject)
        .on('close', () => resolve())
      socket.on('data', (piece) => {
        seen += piece
        const answer = answerIn(seen)
        if (!answer) return
        seen = answer.rest
        times.push(performance.now() - at)
        if (answer.status !== status)
          socket.destroy(new Error(`answered ${answer.status}: ${answer.body.slice(0, 300)}`))
        else {
          if (keep) bodies.push(answer.body)
          ask()
        }
      })
    })
  return Promise.all(Array.from({ length: connections }, one)).then(() => {
    const seconds = (performance.now() - began) / 1000
    times.sort((a, b) => a - b)
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
    return { count: times.length, seconds, p50: at(0.5), p99: at(0.99), bodies }
  })
}

process.on('message', (load: Load) => {
  drive(load).then(
    (loaded) => process.send?.(loaded),
    (error: Error) => process.send?.({ failed: `port ${load.port} ${error.message}` }),
  )
})
process.once('disconnect', () => process.exit(0))
