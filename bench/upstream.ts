// A token endpoint in a process of its own, as light as one can be while being honest: it rotates strictly, refuses a spent
// token, and counts requests by the second. Tokens are `{connection}.{generation}.{padding}`.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type UpstreamCommand = { kind: 'delay'; milliseconds: number } | { kind: 'report' }
/** Requests per second since the process started, refusals, and the moment of the first request. */
export type UpstreamReport = { perSecond: number[]; peakInAnySecond: number; refused: number }

const accessSeconds = Number(process.env.BENCH_ACCESS_SECONDS ?? 3600)
const generations = new Map<string, number>()
const arrivals: number[] = []
let refused = 0
let delayMilliseconds = 0

const padding = 'x'.repeat(600)
export const tokenOf = (connection: string, generation: number) => `${connection}.${generation}.${padding}`

function answer(form: URLSearchParams): { status: number; body: object } {
  const [connection = '', generation = ''] = (form.get('refresh_token') ?? '').split('.')
  const current = generations.get(connection) ?? 1
  if (Number(generation) !== current) {
    refused += 1
    return { status: 400, body: { error: 'invalid_grant' } }
  }
  generations.set(connection, current + 1)
  const refreshToken = tokenOf(connection, current + 1)
  const body = { access_token: `a.${refreshToken}`, refresh_token: refreshToken, token_type: 'Bearer' }
  return { status: 200, body: { ...body, expires_in: accessSeconds } }
}

const server = createServer(async (request, response) => {
  arrivals.push(performance.now())
  let body = ''
  for await (const chunk of request) body += chunk
  const { status, body: told } = answer(new URLSearchParams(body))
  if (delayMilliseconds > 0) await new Promise((resolve) => setTimeout(resolve, delayMilliseconds))
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(told))
})

function report(): UpstreamReport {
  const [first = 0] = arrivals
  const perSecond: number[] = []
  for (const at of arrivals) {
    const second = Math.floor((at - first) / 1000)
    perSecond[second] = (perSecond[second] ?? 0) + 1
  }
  let peakInAnySecond = 0
  let from = 0
  arrivals.forEach((at, index) => {
    while ((arrivals[from] ?? at) <= at - 1000) from += 1
    peakInAnySecond = Math.max(peakInAnySecond, index - from + 1)
  })
  return { perSecond: Array.from(perSecond, (count) => count ?? 0), peakInAnySecond, refused }
}

if (process.send) {
  process.on('message', (command: UpstreamCommand) => {
    if (command.kind === 'delay') delayMilliseconds = command.milliseconds
    else process.send?.(report())
  })
  process.once('disconnect', () => process.exit(0))
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}
