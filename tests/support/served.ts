import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { createProxyEdge } from '../../lib/http/proxy.ts'
import type { TestApp } from './app.ts'

/**
 * The product on a socket, at an address of its own which it knows: as a program meets it, without its pages. Requests of proxy
 * tokens pass through it; what was used is told when it stops. `before`: what an answer waits for; where
 * it fails, there is none.
 */
export async function serve(
  app: TestApp,
  { before = async () => {} }: { before?: (request: IncomingMessage) => Promise<void> } = {},
): Promise<{ origin: string; ctx: Context; stop: () => Promise<void> }> {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const ctx = await app.makeContext({ VALETKEY_URL: origin })
  putContext(ctx)
  // What Next would answer, by the same route files.
  const answer = getRequestListener((request) => app.route(request), { overrideGlobalObjects: false })
  const next = async (...given: Parameters<typeof answer>) => void (await answer(...given))
  const proxy = createProxyEdge(ctx, { timers: false })
  const server = createEdge({ config: { ...ctx.config, production: true }, machineRoutes, declared, next, proxy })
  const [edge] = server.listeners('request')
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response) =>
    before(request).then(
      () => edge?.call(server, request, response),
      () => request.socket.destroy(),
    ),
  )
  await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve))
  return {
    origin,
    ctx,
    async stop() {
      putContext(app.ctx)
      server.closeAllConnections()
      server.close()
      await proxy.stop()
      await ctx.close()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
