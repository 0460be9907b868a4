// What clients are told of the gateway, run or read as they do it.
import { spawn } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { agentClients } from '../../lib/providers/mcp/clients.ts'
import { mcpSamples } from '../../lib/providers/mcp/samples.ts'

const token = 'vk_px_a-token-of-somebody'
let server: Server
let url: string
beforeAll(async () => {
  const serve = toNodeHandler(
    createMcpHandler(() => {
      const made = new McpServer({ name: 'notes', version: '1.0.0' })
      made.registerTool('echo', { description: 'Says it again', inputSchema: z.object({}) }, async () => ({
        content: [],
      }))
      return made
    }),
  )
  server = createServer((request, response) => {
    if (request.headers.authorization === `Bearer ${token}`) void serve(request, response)
    else response.writeHead(401).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp/acme/notes`
})
afterAll(() => new Promise((done) => server.close(done)))

/** What a program prints that reads the environment of a token. */
async function printed(program: string, args: string[], input: string): Promise<string> {
  const child = spawn(program, args, {
    env: { ...process.env, MCP_TOKEN: token, MCP_URL: url },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(input)
  return text(child.stdout)
}
const snippetOf = (id: string) =>
  agentClients.find((client) => client.id === id)?.token?.({ name: 'notes', url }).code ?? ''

it('the program in TypeScript lists the tools with the token of its environment', async () => {
  expect(await printed(process.execPath, ['--input-type=module'], snippetOf('typescript'))).toBe("[ 'echo' ]\n")
})

it('the line for curl lists the tools, and puts the token among no arguments', async () => {
  const { code } = mcpSamples(url, token).find(({ id }) => id === 'curl') ?? { code: '' }
  expect(code.slice(0, code.indexOf("<<'END'"))).not.toContain(token)
  expect(await printed('sh', ['-s'], code)).toContain('"name":"echo"')
})

describe.each(agentClients.map((client) => [client.id, client] as const))(
  '%s',
  (_, { signIn, token: given, helper }) => {
    const place = { name: 'notes', url: 'https://valetkey.example/mcp/acme/notes' }
    const snippets = [
      given?.(place),
      helper?.(place, "valetkey credential-helper mcp --project 'notes'"),
      signIn?.snippet(place, 'vk_client'),
      signIn?.snippet(place, undefined),
    ].filter((snippet) => snippet !== undefined)

    it('is JSON where its file is', () => {
      for (const { where, code } of snippets) if (where.endsWith('.json')) expect(() => JSON.parse(code)).not.toThrow()
    })

    it('names the address, or the variable that has it', () => {
      expect(snippets.length).toBeGreaterThan(0)
      for (const { code } of snippets) expect(code).toMatch(/https:\/\/valetkey\.example\/mcp\/acme\/notes|MCP_URL/)
    })

    it('with a token names a variable or asks: no file holds one', () => {
      for (const snippet of mcpSamples(place.url, token))
        if (!['env', 'curl'].includes(snippet.id)) expect(snippet.code).not.toContain(token)
      if (given) expect(given(place).code).toMatch(/MCP_TOKEN|\$\{input:/)
    })
  },
)
