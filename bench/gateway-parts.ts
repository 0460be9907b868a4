// What bench/gateway.ts measures, each in a process of its own: a server of the official package, and the gateway. The first argument
// says which; the parent asks for the CPU used.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { Config } from '../lib/config.ts'
import { createContext } from '../lib/context.ts'
import { createEdge } from '../lib/http/listener.ts'
import { createGatewayEdge } from '../lib/http/mcp.ts'

export type Asked = { kind: 'cpu' } | { kind: 'config'; config: Config }
const tell = (message: object) => void process.send?.(message)
const listen = (server: ReturnType<typeof createServer>) =>
  server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))

function play(role: string | undefined): void {
  process.on('message', (asked: Asked) => {
    if (asked.kind === 'cpu') tell(process.cpuUsage())
    else void gateway(asked.config)
  })
  process.once('disconnect', () => process.exit(0))
  if (role !== 'server') return
  const make = () => {
    const server = new McpServer({ name: 'bench', version: '1' })
    server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, async ({ text }) => ({
      content: [{ type: 'text', text }],
    }))
    return server
  }
  const handler = toNodeHandler(createMcpHandler(make))
  listen(createServer((request, response) => void handler(request as never, response as never)))
}

async function gateway(config: Config): Promise<void> {
  const ctx = await createContext(config)
  const most = { perMinute: 100_000_000, open: 10_000 }
  const edge = createGatewayEdge(ctx, { limits: { token: most, person: most, tenant: most } })
  const next = async (_: unknown, response: { end(): void }) => response.end()
  listen(createEdge({ config, machineRoutes: [], declared: [], gateway: edge, next }))
}

play(process.argv[2])
