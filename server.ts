import type { AddressInfo } from 'node:net'
import next from 'next'
import { declared, machineRoutes } from './app/api/machine.ts'
import { boot } from './lib/boot.ts'
import { ConfigError } from './lib/config.ts'
import { context } from './lib/context.ts'
import { createEdge } from './lib/http/listener.ts'
import { listenForMetrics } from './lib/http/metrics.ts'

async function main(): Promise<void> {
  const ctx = await context()
  const { config, log } = ctx
  const stopJobs = await boot(ctx)
  const metrics = await listenForMetrics(ctx)
  const origin = new URL(config.origin)
  const publicPort = Number(origin.port) || (origin.protocol === 'https:' ? 443 : 80)

  const server = createEdge({
    config,
    machineRoutes,
    declared,
    next: (request, response) => handle(request, response),
  })
  // Host and port are the public ones: Next builds request URLs from them.
  const app = next({ dev: !config.production, hostname: origin.hostname, port: publicPort, httpServer: server })
  const handle = app.getRequestHandler()
  await app.prepare()

  let stopping = false
  const stop = async () => {
    if (stopping) return
    stopping = true
    // A refresh takes up to 14 s and is worth waiting for: cut off, it may cost a grant.
    setTimeout(() => process.exit(1), 30_000).unref()
    // At once, so that nothing new is begun while requests finish.
    const jobsEnded = stopJobs()
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeIdleConnections()
    await closed
    await jobsEnded
    await metrics?.stop()
    await app.close()
    await ctx.close()
    // Development keeps watchers alive, so the end has to be said.
    process.exit(0)
  }
  const onStop = () => void stop().catch((error: unknown) => fail(error))
  process.on('SIGTERM', onStop)
  process.on('SIGINT', onStop)
  // Whoever started this process holds a channel; when it closes, they are gone.
  if (process.channel) process.on('disconnect', onStop)

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  log.info(
    { port: (server.address() as AddressInfo).port, metrics: metrics?.port, demo: config.demo !== undefined },
    'listening',
  )
  console.log(`valetkey ready ${config.origin}`)
}

/** Ends with what a person can act on: settings by name, a taken port in one line, otherwise the error's trace. */
function fail(error: unknown): never {
  if (error instanceof ConfigError) console.error(error.message)
  else if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    console.error(`Port ${'port' in error ? error.port : ''} is taken: stop what uses it, or set PORT.`)
  else console.error(error)
  process.exit(1)
}

main().catch(fail)
