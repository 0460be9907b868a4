import { type Environment, envSample, promptSample } from '../environment.ts'
import { type Sample, shellQuoted } from '../kind.ts'
import { agentClients, tokenVariable, urlVariable } from './clients.ts'

export const mcpEnvironment = (baseUrl: string): Environment => ({
  token: [tokenVariable],
  values: { [urlVariable]: baseUrl },
})

/** What a client calls a server: the alias at the end of the gateway's address. */
export const nameAt = (baseUrl: string): string => new URL(baseUrl).pathname.split('/').at(-1) || 'server'

/** As revision 2026-07-28 has a request: nothing comes before it, and it says itself who asks. */
const listTools = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'curl', version: '8' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})

/** How a token is used. Clients read it from the environment or ask for it: none of their files holds it. */
export function mcpSamples(baseUrl: string, token: string): Sample[] {
  const environment = mcpEnvironment(baseUrl)
  const place = { name: nameAt(baseUrl), url: baseUrl }
  return [
    envSample(environment, token),
    ...agentClients.flatMap(({ id, label, token }) => {
      if (!token) return []
      const { where, code, next } = token(place)
      return [{ id, label, code, note: `Into ${where}.${next ? ` ${next}` : ''}` }]
    }),
    {
      id: 'curl',
      label: 'curl',
      code: [
        `curl --header @- --header 'Content-Type: application/json' --header 'Accept: application/json, text/event-stream' \\`,
        `  --header 'MCP-Protocol-Version: 2026-07-28' --header 'Mcp-Method: tools/list' \\`,
        `  --data ${shellQuoted(listTools)} \\`,
        `  ${shellQuoted(baseUrl)} <<'END'`,
        `Authorization: Bearer ${token}`,
        'END',
      ].join('\n'),
    },
    promptSample(environment),
  ]
}
