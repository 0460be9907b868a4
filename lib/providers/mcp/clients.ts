import { shellQuoted } from '../kind.ts'

/** Where a client finds the gateway, and what it calls it. */
export type Place = {
  /** Small letters, digits and hyphens. */
  name: string
  url: string
}

/** Text to copy, and where it goes. */
export type Snippet = {
  /** `a terminal`, or the path of a file. */
  where: string
  code: string
  /** What is left to do. */
  next?: string
}

/** A program that speaks MCP, and how it is told of a server: as its makers say, at `source`, read on `read`. */
export type AgentClient = {
  id: string
  label: string
  /** It signs in by itself: OAuth in the browser, with a client that is registered here or, without an id, one that it says itself. */
  signIn?: {
    snippet(place: Place, clientId: string | undefined): Snippet
    /** For the client that is registered for it. */
    redirects: string[]
  }
  /** It brings a token of ours, which it reads from the environment or asks for: no file holds one. */
  token?: (place: Place) => Snippet
  /** It runs a program that prints the headers of its requests. */
  helper?: (place: Place, command: string) => Snippet
  /** How it is started in a terminal. */
  program?: string
  /** What is to be known of it. */
  note?: string
  source: { url: string; read: string }
}

/** The variables that clients read: those that `valetkey exec` sets. */
export const tokenVariable = 'MCP_TOKEN'
export const urlVariable = 'MCP_URL'

const json = (value: unknown) => JSON.stringify(value, null, 2)
/** As a client writes it that puts variables in the place of `${NAME}`. */
const bearer = (variable: string) => ({ Authorization: `Bearer \${${variable}}` })
/** A string of TOML: what JSON escapes, TOML reads alike. */
const toml = (text: string) => JSON.stringify(text)

/** On which a client listens for the browser that comes back, where it has to be said. */
const port = 8976

export const agentClients: readonly AgentClient[] = [
  {
    id: 'claude-code',
    label: 'Claude Code',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: 'a terminal',
        code: `claude mcp add --transport http ${
          clientId === undefined ? '' : `--client-id ${shellQuoted(clientId)} --callback-port ${port} `
        }${name} ${shellQuoted(url)}`,
        next: `Then start Claude Code, type /mcp, choose ${name} and sign in.`,
      }),
      redirects: [`http://localhost:${port}/callback`],
    },
    token: ({ name, url }) => ({
      where: '.mcp.json',
      code: json({ mcpServers: { [name]: { type: 'http', url, headers: bearer(tokenVariable) } } }),
      next: `Claude Code puts the variable ${tokenVariable} in its place when it starts.`,
    }),
    helper: ({ name, url }, command) => ({
      where: '.mcp.json',
      code: json({ mcpServers: { [name]: { type: 'http', url, headersHelper: command } } }),
      next: 'Claude Code runs the helper each time it connects.',
    }),
    program: 'claude',
    source: { url: 'https://code.claude.com/docs/en/mcp', read: '2026-11-29' },
  },
  {
    id: 'claude',
    label: 'Claude Desktop, claude.ai',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: 'Settings, Connectors, Add custom connector',
        code: [
          `Name: ${name}`,
          `Remote MCP server URL: ${url}`,
          ...(clientId === undefined ? [] : [`Advanced settings, OAuth Client ID: ${clientId}`]),
        ].join('\n'),
        next: 'In an organisation an owner adds the connector, and each member connects.',
      }),
      redirects: ['https://claude.ai/api/mcp/auth_callback'],
    },
    note: 'It connects from the servers of its makers, so this address must be reachable from the internet. It takes no token: sign in.',
    source: {
      url: 'https://support.claude.com/en/articles/11175166-getting-started-with-custom-connectors-using-remote-mcp',
      read: '2026-11-29',
    },
  },
  {
    id: 'vscode',
    label: 'VS Code',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: '.vscode/mcp.json',
        code: json({
          servers: { [name]: { type: 'http', url, ...(clientId !== undefined && { oauth: { clientId } }) } },
        }),
        next: 'Start the server from that file; VS Code opens the browser.',
      }),
      redirects: ['http://127.0.0.1/', 'https://vscode.dev/redirect'],
    },
    token: ({ name, url }) => ({
      where: '.vscode/mcp.json',
      code: json({
        inputs: [
          { type: 'promptString', id: `${name}-token`, description: `Valetkey token for ${name}`, password: true },
        ],
        servers: { [name]: { type: 'http', url, headers: bearer(`input:${name}-token`) } },
      }),
      next: 'VS Code asks for the token when the server starts, and stores it encrypted.',
    }),
    source: { url: 'https://code.visualstudio.com/docs/copilot/reference/mcp-configuration', read: '2026-11-29' },
  },
  {
    id: 'cursor',
    label: 'Cursor',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: '~/.cursor/mcp.json',
        code: json({
          mcpServers: { [name]: { url, ...(clientId !== undefined && { auth: { CLIENT_ID: clientId } }) } },
        }),
        next: 'Cursor shows the server in its settings, with a button to sign in.',
      }),
      redirects: ['http://localhost:8787/callback'],
    },
    token: ({ name, url }) => ({
      where: '~/.cursor/mcp.json',
      code: json({ mcpServers: { [name]: { url, headers: bearer(`env:${tokenVariable}`) } } }),
      next: `Start Cursor where ${tokenVariable} is set.`,
    }),
    program: 'cursor .',
    source: { url: 'https://cursor.com/docs/mcp', read: '2026-11-29' },
  },
  {
    id: 'codex',
    label: 'Codex',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: '~/.codex/config.toml',
        code: [
          `[mcp_servers.${name}]`,
          `url = ${toml(url)}`,
          ...(clientId === undefined
            ? []
            : [
                '',
                `[mcp_servers.${name}.oauth]`,
                `client_id = ${toml(clientId)}`,
                `callback_port = ${port}`,
                `callback_url = "http://127.0.0.1:${port}/callback"`,
              ]),
        ].join('\n'),
        next: `Then run: codex mcp login ${name}. An older Codex adds an id of its own to the path of the redirect URI; register the one that it shows.`,
      }),
      redirects: ['http://127.0.0.1/callback'],
    },
    token: ({ name, url }) => ({
      where: '~/.codex/config.toml',
      code: [`[mcp_servers.${name}]`, `url = ${toml(url)}`, `bearer_token_env_var = ${toml(tokenVariable)}`].join('\n'),
      next: `Start Codex where ${tokenVariable} is set.`,
    }),
    helper: ({ name, url }, command) => ({
      where: '~/.codex/config.toml',
      code: [`[mcp_servers.${name}]`, `url = ${toml(url)}`, `http_headers_helper = ${toml(command)}`].join('\n'),
      next: 'Codex runs the helper where it connects itself.',
    }),
    program: 'codex',
    source: { url: 'https://developers.openai.com/codex/config-reference', read: '2026-11-29' },
  },
  {
    id: 'gemini',
    label: 'Gemini CLI',
    signIn: {
      snippet: ({ name, url }, clientId) => ({
        where: '~/.gemini/settings.json',
        code: json({
          mcpServers: {
            [name]: {
              httpUrl: url,
              ...(clientId !== undefined && {
                oauth: { enabled: true, clientId, redirectUri: `http://127.0.0.1:${port}/oauth/callback` },
              }),
            },
          },
        }),
        next: `Then start Gemini CLI and type: /mcp auth ${name}`,
      }),
      redirects: ['http://127.0.0.1/oauth/callback'],
    },
    token: ({ name, url }) => ({
      where: '~/.gemini/settings.json',
      code: json({ mcpServers: { [name]: { httpUrl: url, headers: bearer(tokenVariable) } } }),
      next: `Start Gemini CLI where ${tokenVariable} is set.`,
    }),
    program: 'gemini',
    source: { url: 'https://geminicli.com/docs/tools/mcp-server/', read: '2026-11-29' },
  },
  {
    id: 'other',
    label: 'Other clients',
    signIn: {
      snippet: ({ name, url }) => ({
        where: 'the file where the client lists its servers',
        code: json({ mcpServers: { [name]: { type: 'http', url } } }),
        next: 'Most clients sign in when the server asks them to. Where the client takes a client id, give it that of a client that you registered.',
      }),
      redirects: [],
    },
    token: ({ name, url }) => ({
      where: 'the file where the client lists its servers',
      code: json({ mcpServers: { [name]: { type: 'http', url, headers: bearer(tokenVariable) } } }),
      next: 'Look up how the client writes variables: where it knows none, the token would stand in the file.',
    }),
    note: 'Clients that start programs only, and call no address, need a bridge such as mcp-remote.',
    source: { url: 'https://modelcontextprotocol.io/clients', read: '2026-11-29' },
  },
  {
    id: 'typescript',
    label: 'TypeScript',
    token: () => ({
      where: 'a program, with npm install @modelcontextprotocol/client',
      code: [
        "import { env } from 'node:process'",
        "import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'",
        '',
        "const client = new Client({ name: 'my-agent', version: '1.0.0' })",
        `const authProvider = { token: async () => env.${tokenVariable} }`,
        `await client.connect(new StreamableHTTPClientTransport(new URL(env.${urlVariable}), { authProvider }))`,
        'const { tools } = await client.listTools()',
        'console.log(tools.map((tool) => tool.name))',
        'await client.close()',
      ].join('\n'),
    }),
    note: 'To sign in by itself, a program implements OAuthClientProvider of the package.',
    program: 'node agent.js',
    source: { url: 'https://ts.sdk.modelcontextprotocol.io/v2/clients/connect', read: '2026-11-29' },
  },
  {
    id: 'python',
    label: 'Python',
    token: () => ({
      where: 'a program, with pip install mcp',
      code: [
        'import asyncio',
        'import os',
        '',
        'import httpx2',
        'from mcp import Client',
        'from mcp.client.streamable_http import streamable_http_client',
        '',
        '',
        'async def main():',
        `    headers = {"Authorization": f"Bearer {os.environ['${tokenVariable}']}"}`,
        '    async with httpx2.AsyncClient(headers=headers) as http:',
        `        async with Client(streamable_http_client(os.environ["${urlVariable}"], http_client=http)) as client:`,
        '            print([tool.name for tool in (await client.list_tools()).tools])',
        '',
        '',
        'asyncio.run(main())',
      ].join('\n'),
    }),
    note: 'To sign in by itself, a program passes an OAuthClientProvider of the package to its HTTP client.',
    program: 'python agent.py',
    source: { url: 'https://pypi.org/project/mcp/', read: '2026-11-29' },
  },
]
