import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { MCP, NOTE_SCOPES } from './notes.ts'
import { note as noteAbout, type Part, type World } from './part.ts'
import { type Answer, json } from './wire.ts'
import { type Account, accountBySub } from './world.ts'

type Note = { id: string; title: string; text: string }

/** What everybody has at first. */
const FIRST: readonly Omit<Note, 'id'>[] = [
  { title: 'Ideas', text: 'A lamp that knows when somebody reads.' },
  { title: 'Groceries', text: 'Coffee, oranges, bread.' },
  { title: 'Meeting on Monday', text: 'Ask who keeps the keys.' },
]

/** Which scope a tool needs, unless the modes say otherwise. */
const NEEDS: Record<string, string> = {
  list_notes: 'notes:read',
  read_note: 'notes:read',
  search_notes: 'notes:read',
  add_note: 'notes:write',
  rewrite_note: 'notes:write',
  delete_note: 'notes:delete',
}

/** The MCP server of the notes, `{url}/notes/mcp`: six tools on what one person wrote, kept until the process ends. */
export function makeNotesMcp(world: World): Part {
  const { url, store, modes } = world
  const notes = new Map<string, Note[]>()
  let lastId = 0
  const newId = () => String(++lastId)
  const metadata = `${url}/.well-known/oauth-protected-resource${MCP}`
  world.onReset.push(() => notes.clear())

  function notesOf({ id }: Account): Note[] {
    const known = notes.get(id) ?? FIRST.map((one) => ({ ...one, id: newId() }))
    notes.set(id, known)
    return known
  }

  const said = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] })
  const missing = () => ({ content: [{ type: 'text' as const, text: 'There is no such note.' }], isError: true })
  const id = z.string().describe('As list_notes names it')
  const reads = { readOnlyHint: true, openWorldHint: false }
  const changes = { readOnlyHint: false, openWorldHint: false }

  /** The server as one person sees it; what the modes say of a tool is what a client is told. */
  function serverFor(account: Account): McpServer {
    const server = new McpServer({ name: 'demo-notes', title: 'Demo notes', version: '1.0.0' })
    const own = notesOf(account)
    const find = (wanted: string) => own.find((one) => one.id === wanted)
    const tool = <Shape extends z.ZodRawShape>(
      name: string,
      about: { title: string; description: string; annotations: object; inputSchema: z.ZodObject<Shape> },
      act: (input: z.output<z.ZodObject<Shape>>) => ReturnType<typeof said>,
    ) => {
      const change = modes.current.noteTools[name]
      if (change?.gone) return
      const shown = { ...about, ...(change?.description !== undefined && { description: change.description }) }
      server.registerTool(change?.name ?? name, shown, async (input) => act(input as z.output<z.ZodObject<Shape>>))
    }
    tool(
      'list_notes',
      {
        title: 'List notes',
        description: 'Ids and titles of your notes',
        annotations: reads,
        inputSchema: z.object({}),
      },
      () => said(own.map(({ id, title }) => ({ id, title }))),
    )
    tool(
      'read_note',
      { title: 'Read a note', description: 'All of one note', annotations: reads, inputSchema: z.object({ id }) },
      (input) => {
        const found = find(input.id)
        return found ? said(found) : missing()
      },
    )
    tool(
      'search_notes',
      {
        title: 'Search notes',
        description: 'Notes that hold a text',
        annotations: reads,
        inputSchema: z.object({ text: z.string().min(1) }),
      },
      ({ text }) => said(own.filter((one) => `${one.title} ${one.text}`.toLowerCase().includes(text.toLowerCase()))),
    )
    tool(
      'add_note',
      {
        title: 'Add a note',
        description: 'Keeps a new note',
        annotations: { ...changes, destructiveHint: false },
        inputSchema: z.object({ title: z.string().min(1).max(200), text: z.string().max(10_000) }),
      },
      (input) => {
        const made = { id: newId(), ...input }
        own.push(made)
        return said(made)
      },
    )
    tool(
      'rewrite_note',
      {
        title: 'Write a note anew',
        description: 'Replaces the text of a note; what it said before is lost',
        annotations: { ...changes, destructiveHint: true, idempotentHint: true },
        inputSchema: z.object({ id, text: z.string().max(10_000) }),
      },
      (input) => {
        const found = find(input.id)
        return found ? said(Object.assign(found, { text: input.text })) : missing()
      },
    )
    tool(
      'delete_note',
      {
        title: 'Delete a note',
        description: 'Removes a note for good',
        annotations: { ...changes, destructiveHint: true },
        inputSchema: z.object({ id }),
      },
      (input) => {
        const at = own.findIndex((one) => one.id === input.id)
        return at < 0 ? missing() : said(own.splice(at, 1)[0])
      },
    )
    server.registerResource('all', 'notes://all', { title: 'All notes', mimeType: 'application/json' }, ({ href }) => ({
      contents: [{ uri: href, mimeType: 'application/json', text: JSON.stringify(own) }],
    }))
    server.registerPrompt('tidy_up', { title: 'Tidy up', description: 'Asks which notes can go' }, () => ({
      messages: [
        { role: 'user', content: { type: 'text', text: 'Which of my notes say the same, and which can go?' } },
      ],
    }))
    return server
  }

  const handler = createMcpHandler(({ authInfo }) => {
    const account = accountBySub(String(authInfo?.extra?.sub))
    if (!account) throw new Error('nobody is signed in')
    return serverFor(account)
  })
  world.onModes.push(() => handler.notify.toolsChanged())

  /** RFC 6750 3.1, RFC 9728 5.1. */
  function refused(status: 401 | 403, parameters: Record<string, string>): Answer {
    const challenge = Object.entries({ ...parameters, resource_metadata: metadata })
      .map(([name, value]) => `${name}="${value}"`)
      .join(', ')
    return json(status, { error: parameters.error ?? 'unauthorized' }, { 'www-authenticate': `Bearer ${challenge}` })
  }

  /** The scope that a message needs: of a tool by what it is called here, whatever the modes call it. */
  function neededFor(fields: Record<string, unknown>): string | undefined {
    if (fields.method !== 'tools/call') return undefined
    const called = (fields.params as { name?: unknown } | undefined)?.name
    const [name] =
      Object.entries(modes.current.noteTools).find(
        ([, change]) => change.name !== undefined && change.name === called,
      ) ?? []
    const tool = name ?? String(called)
    return modes.current.noteScopes[tool] ?? NEEDS[tool]
  }

  return async (incoming) => {
    if (incoming.url.pathname !== MCP) return undefined
    const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    if (bearer === undefined) return refused(401, { scope: NOTE_SCOPES.slice(0, 2).join(' ') })
    const record = store.token(bearer)
    const account = accountBySub(record?.sub)
    const scopes = record?.scope?.split(' ') ?? []
    // Of this resource: no other token of the issuer has one of its scopes (RFC 8707).
    const isForNotes = scopes.some((scope) => NOTE_SCOPES.includes(scope))
    if (record?.kind !== 'access' || record.system !== 'notes' || !store.isLive(record) || !account || !isForNotes)
      return refused(401, { error: 'invalid_token' })
    noteAbout(incoming, { account: account.email, client: record.client })
    const needed = neededFor(incoming.fields)
    if (needed && !scopes.includes(needed)) return refused(403, { error: 'insufficient_scope', scope: needed })
    const headers = new Headers()
    for (const [name, value] of Object.entries(incoming.headers))
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
    const request = new Request(incoming.url, {
      method: incoming.method,
      headers,
      body: incoming.method === 'POST' ? incoming.body : null,
    })
    const authInfo = { token: bearer, clientId: record.client ?? '', scopes, extra: { sub: account.sub } }
    const answer = await handler.fetch(request, { authInfo })
    const { 'content-length': _, ...own } = Object.fromEntries(answer.headers)
    const isStream = /^text\/event-stream/.test(answer.headers.get('content-type') ?? '')
    return isStream && answer.body
      ? { status: answer.status, headers: own, body: '', stream: answer.body }
      : { status: answer.status, headers: own, body: await answer.text() }
  }
}
