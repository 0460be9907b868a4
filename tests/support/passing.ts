import type { AddressInfo } from 'node:net'
import { request as send } from 'undici'
import type { Context } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { createProxyEdge, type ProxyEdge } from '../../lib/http/proxy.ts'

/** A process that passes requests through, on a socket of its own: the server's edge as it is in production. */
export async function startPassing(ctx: Context, options: Parameters<typeof createProxyEdge>[1] = {}) {
  const proxy: ProxyEdge = createProxyEdge(ctx, { timers: false, ...options })
  const server = createEdge({
    config: { ...ctx.config, production: true },
    machineRoutes: [],
    declared: [],
    proxy,
    next: async (_request, response) => void response.writeHead(404).end(),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const host = new URL(ctx.config.origin).host
  return {
    proxy,
    port,
    host,
    /** As a program would: `path` below the base URL that came with the token. */
    async ask(
      base: string,
      path: string,
      {
        token,
        headers = {},
        ...rest
      }: Parameters<typeof send>[1] & { token?: string; headers?: Record<string, string> } = {},
    ) {
      const answer = await send(`http://127.0.0.1:${port}${new URL(base).pathname}${path}`, {
        ...rest,
        headers: { host, ...(token && { authorization: `Bearer ${token}` }), ...headers },
      })
      const text = await answer.body.text()
      return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) }
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await proxy.stop()
    },
  }
}
