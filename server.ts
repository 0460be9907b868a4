import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import next from 'next'
import { declared, machineRoutes } from './app/api/machine.ts'
import { BootError, boot } from './lib/boot.ts'
import { ConfigError } from './lib/config.ts'
import { type Context, context } from './lib/context.ts'
import { createEdge } from './lib/http/listener.ts'
import { createGatewayEdge } from './lib/http/mcp.ts'
import { listenForMetrics } from './lib/http/metrics.ts'
import { createProxyEdge } from './lib/http/proxy.ts'
import { captureOutput, createLog, type Log, loud, standardOutput } from './lib/log.ts'

/** The whole of a stop. A refresh takes up to 14 s and is worth waiting for: cut off, it may cost a grant. */
const stopMilliseconds = 30_000
/** When connections of those who do not finish are closed, so that the rest of the stop has its time. */
const patienceMilliseconds = 24_000

async function main(): Promise<void> {
  const ctx = await context()
  const { config, log, life } = ctx
  // Whoever develops reads what their tools print.
  if (config.production) captureOutput(log)
  // As Next has it, which listens as well: what one request threw where nobody could catch it does not end the others.
  process.on('uncaughtException', (err) => {
    if (life.phase === 'starting') fail(err, log)
    else log.error({ err, alarm: true }, 'uncaught exception')
  })
  life.phase = 'starting'
  const origin = new URL(config.origin)
  const publicPort = Number(origin.port) || (origin.protocol === 'https:' ? 443 : 80)

  const proxy = createProxyEdge(ctx)
  const gateway = createGatewayEdge(ctx)
  const server = createEdge({
    config,
    proxy,
    gateway,
    machineRoutes,
    declared,
    next: (request, response) => handle(request, response),
    isServing: () => life.phase !== 'starting',
  })
  // Host and port are the public ones: Next builds request URLs from them.
  const app = next({ dev: !config.production, hostname: origin.hostname, port: publicPort, httpServer: server })
  const handle = app.getRequestHandler()

  let stopJobs = async () => {}
  let stopMetrics = async () => {}
  const stop = async () => {
    if (life.phase === 'stopping') return
    const isKnown = life.phase === 'serving'
    life.phase = 'stopping'
    setTimeout(() => end(1), stopMilliseconds)
    // At once, so that nothing new is begun while requests finish.
    const jobsEnded = stopJobs()
    // Not ready, but serving: balancers find out before connections are refused.
    if (isKnown) await new Promise((resolve) => setTimeout(resolve, config.drainSeconds * 1000))
    await close(server)
    await Promise.all([proxy.stop(), gateway.stop()])
    await jobsEnded
    await stopMetrics()
    await app.close()
    await ctx.close()
    await end(0)
  }
  const onStop = () => void stop().catch((error: unknown) => fail(error, log))
  process.on('SIGTERM', onStop)
  process.on('SIGINT', onStop)
  // Whoever started this process holds a channel; when it closes, they are gone.
  if (process.channel) process.on('disconnect', onStop)

  // Listening comes first: while the database is waited for, the process is alive and says that it is not ready.
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  const metrics = await listenForMetrics(ctx)
  if (metrics) stopMetrics = metrics.stop
  // Side by side, but what is wrong with settings or keys is told before what is wrong with the build.
  const prepared = app.prepare()
  prepared.catch(() => {})
  stopJobs = await boot(ctx)
  await prepared
  serve(ctx, { port: (server.address() as AddressInfo | null)?.port, metrics: metrics?.port })
}

/** Tells everybody that requests are answered from now on; nobody where it was told to stop in the meantime. */
function serve({ life, log, config }: Context, ports: { port: number | undefined; metrics: number | undefined }): void {
  if (life.phase !== 'starting') return
  life.phase = 'serving'
  log.info({ ...ports, origin: config.origin, demo: config.demo !== undefined }, 'listening')
  process.send?.({ ready: config.origin })
}

/** Takes no more connections and waits for the requests that run; connections that wait for another one end at once. */
async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // A connection whose last request has just ended waits for the next one again.
  const idle = setInterval(() => server.closeIdleConnections(), 100)
  const late = setTimeout(() => server.closeAllConnections(), patienceMilliseconds)
  await closed
  clearInterval(idle)
  clearTimeout(late)
}

/** Ends with a line that a person can act on: settings by name, a taken port, a database to migrate, or the trace. */
function fail(error: unknown, given: Log = createLog({ log: 'info' })): void {
  const log = loud(given)
  if (error instanceof ConfigError) log.fatal({ problems: error.problems }, 'Valetkey cannot start')
  else if (error instanceof BootError) log.fatal(error.message)
  else if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    log.fatal(`Port ${'port' in error ? error.port : ''} is in use: stop the other program, or set PORT.`)
  else log.fatal({ err: error, alarm: true }, 'Valetkey stops because of an unexpected error')
  void end(1)
}

let isEnding = false

/** Ends the process, its last lines written if that can be done within a second. */
async function end(code: number): Promise<void> {
  if (isEnding) return
  isEnding = true
  const output = standardOutput()
  await output.flush(1_000)
  // Node's exit waits for a write that the system has not answered.
  if (output.isStuck) process.kill(process.pid, 'SIGKILL')
  process.exit(code)
}

main().catch((error: unknown) => fail(error))
