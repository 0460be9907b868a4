import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import type { TestApp } from './app.ts'

/** Stands in front of the product: true where it has answered, or has hung up, itself. */
export type Between = (request: IncomingMessage, response: ServerResponse) => boolean

/** The product on a socket, at an address of its own which it knows: as a program meets it, without its pages. */
export async function serve(
  app: TestApp,
  { between }: { between?: Between } = {},
): Promise<{ origin: string; ctx: Context; stop: () => Promise<void> }> {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const ctx = await app.makeContext({ VALETKEY_URL: origin })
  putContext(ctx)
  // What Next would answer, by the same route files.
  const answer = getRequestListener((request) => app.route(request), { overrideGlobalObjects: false })
  const next = async (...given: Parameters<typeof answer>) => void (await answer(...given))
  const edge = createEdge({ config: { ...ctx.config, production: true }, machineRoutes, declared, next })
  const server = between
    ? createServer((request, response) => between(request, response) || edge.emit('request', request, response))
    : edge
  await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve))
  return {
    origin,
    ctx,
    async stop() {
      putContext(app.ctx)
      server.closeAllConnections()
      server.close()
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
