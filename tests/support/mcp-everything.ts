import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { type Behind, json } from './mcp-gateway.ts'

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const sound = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=='
const text = (words: string) => ({ type: 'text' as const, text: words })
const image = { type: 'image' as const, data: pixel, mimeType: 'image/png' }
const resource = (uri: string, words: string, mimeType = 'text/plain') => ({
  type: 'resource' as const,
  resource: { uri, mimeType, text: words },
})
const says = (...content: object[]) => ({ content })
const object = (properties: object = {}, required: string[] = []) => ({ type: 'object' as const, properties, required })
const string = { type: 'string' }

const titled = (...titles: string[]) => titles.map((title, at) => ({ const: `value${at + 1}`, title }))
const asked = {
  test_elicitation_sep1034_defaults: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
  test_elicitation_sep1330_enums: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
  },
}

type Extra = {
  sendNotification: (notification: never) => Promise<void>
  sendRequest: (request: never, schema: never) => Promise<unknown>
  _meta?: { progressToken?: string | number } | undefined
}
type Tool = { inputSchema?: object; run: (args: Record<string, string>, extra: Extra) => Promise<object> }

const tell = (extra: Extra, method: string, params: object) => extra.sendNotification({ method, params } as never)
const ask = (extra: Extra, params: object) =>
  extra.sendRequest({ method: 'elicitation/create', params } as never, ElicitResultSchema as never)

const tools: Record<string, Tool> = {
  test_simple_text: { run: async () => says(text('This is a simple text response for testing.')) },
  test_image_content: { run: async () => says(image) },
  test_audio_content: { run: async () => says({ type: 'audio', data: sound, mimeType: 'audio/wav' }) },
  test_embedded_resource: {
    run: async () => says(resource('test://embedded-resource', 'This is an embedded resource content.')),
  },
  test_multiple_content_types: {
    run: async () =>
      says(
        text('Multiple content types test:'),
        image,
        resource('test://mixed-content-resource', '{"test":"data","value":123}', 'application/json'),
      ),
  },
  test_tool_with_logging: {
    run: async (_args, extra) => {
      for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await tell(extra, 'notifications/message', { level: 'info', data })
        await pause(50)
      }
      return says(text('done'))
    },
  },
  test_error_handling: {
    run: async () => ({ isError: true, ...says(text('This tool intentionally returns an error for testing')) }),
  },
  test_tool_with_progress: {
    run: async (_args, extra) => {
      const progressToken = extra._meta?.progressToken
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined)
          await tell(extra, 'notifications/progress', { progressToken, progress, total: 100 })
        await pause(50)
      }
      return says(text('done'))
    },
  },
  test_sampling: {
    inputSchema: object({ prompt: string }, ['prompt']),
    run: async ({ prompt = '' }, extra) => {
      const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 }
      const asking = { method: 'sampling/createMessage', params } as never
      const answer = (await extra.sendRequest(asking, CreateMessageResultSchema as never)) as {
        content: { text?: string }
      }
      return says(text(`LLM response: ${answer.content.text}`))
    },
  },
  test_elicitation: {
    inputSchema: object({ message: string }, ['message']),
    run: async ({ message = '' }, extra) => {
      const requestedSchema = object({ username: string, email: string }, ['username', 'email'])
      return says(text(`User response: ${JSON.stringify(await ask(extra, { message, requestedSchema }))}`))
    },
  },
  ...Object.fromEntries(
    Object.entries(asked).map(([name, properties]): [string, Tool] => [
      name,
      {
        run: async (_args, extra) => {
          const answer = (await ask(extra, { message: 'Please choose', requestedSchema: object(properties) })) as {
            action: string
            content?: object
          }
          const { action, content = {} } = answer
          return says(text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`))
        },
      },
    ]),
  ),
  json_schema_2020_12_tool: {
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { type: 'object', properties: { street: string, city: string } } },
      properties: { name: string, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
    run: async () => says(text('done')),
  },
}

const resources: Record<string, object> = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: pixel },
  'test://watched-resource': { mimeType: 'text/plain', text: 'watched' },
}
const user = (content: object) => ({ role: 'user' as const, content })
const prompts: Record<string, { names?: string[]; messages: (given: Record<string, string>) => object[] }> = {
  test_simple_prompt: { messages: () => [user(text('This is a simple prompt for testing.'))] },
  test_prompt_with_arguments: {
    names: ['arg1', 'arg2'],
    messages: ({ arg1, arg2 }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  },
  test_prompt_with_embedded_resource: {
    names: ['resourceUri'],
    messages: ({ resourceUri = '' }) => [
      user(resource(resourceUri, 'Embedded resource content for testing.')),
      user(text('Please process the embedded resource above.')),
    ],
  },
  test_prompt_with_image: { messages: () => [user(image), user(text('Please analyze the image above.'))] },
}

/** What the conformance tests of the protocol ask a server to have, with the official package of version 1. */
function everything(): Server {
  const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} }
  const server = new Server({ name: 'everything', version: '1' }, { capabilities })
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: Object.entries(tools).map(([name, { inputSchema = object() }]) => ({
      name,
      description: name,
      inputSchema: inputSchema as { type: 'object' },
    })),
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const found = tools[params.name]
    if (!found) throw new Error('no such tool')
    return (await found.run((params.arguments ?? {}) as Record<string, string>, extra as never)) as never
  })
  server.setRequestHandler(ListResourcesRequestSchema, async () => ({
    resources: Object.keys(resources).map((uri) => ({ uri, name: uri, description: uri })),
  }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, async () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template' }],
  }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }) => {
    const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? []
    const made = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    const found = id === undefined ? resources[uri] : { mimeType: 'application/json', text: made }
    if (!found) throw new Error('no such resource')
    return { contents: [{ uri, ...found }] } as never
  })
  server.setRequestHandler(SubscribeRequestSchema, async () => ({}))
  server.setRequestHandler(UnsubscribeRequestSchema, async () => ({}))
  server.setRequestHandler(SetLevelRequestSchema, async () => ({}))
  server.setRequestHandler(CompleteRequestSchema, async () => ({
    completion: { values: ['paris', 'park'], total: 2, hasMore: false },
  }))
  server.setRequestHandler(ListPromptsRequestSchema, async () => ({
    prompts: Object.entries(prompts).map(([name, { names = [] }]) => ({
      name,
      description: name,
      arguments: names.map((one) => ({ name: one, required: true })),
    })),
  }))
  server.setRequestHandler(GetPromptRequestSchema, async ({ params }) => {
    const found = prompts[params.name]
    if (!found) throw new Error('no such prompt')
    return { messages: found.messages(params.arguments ?? {}) } as never
  })
  return server
}

/** Serves it with sessions. */
export function serveEverything(): Parameters<Behind['answerWith']>[0] {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  return async (request, response, got) => {
    const known = sessions.get(String(request.headers['mcp-session-id']))
    if (known) return known.handleRequest(request, response, got.message)
    if (got.message?.method !== 'initialize')
      return json(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no session' } }, 400)
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    await everything().connect(transport as never)
    await transport.handleRequest(request, response, got.message)
  }
}
