// What an MCP server offers, as people read it here: from what it said last, with what has changed since somebody looked.
import { McpServer } from '@modelcontextprotocol/server'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { noteToolUses } from '../../lib/store/mcp.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { insertMcpServer, linkMcpServer } from '../support/mcp-project.ts'
import { notesServer, startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

type Tool = {
  name: string
  hash: string
  title: string | null
  description: string | null
  looked: string
  held_back: boolean
  before: { description: string | null } | null
  reviewed_by: string | null
  gone_at: string | null
  is_plain: boolean
  looks_like_another: boolean
  calls: number
  refused: number
}
type Answer = {
  code?: string
  next?: unknown
  server: { name: string; title: string | null; version: string; revision: string } | null
  holds_changed: boolean
  present: number
  changed: number
  unseen: number
  gone: number
  items: Tool[]
}

let app: TestApp
let server: TestMcpServer
let owner: Jar
let member: Jar
let stranger: Jar
let place: Awaited<ReturnType<typeof insertMcpServer>>
/** What it offers at the moment. */
let make: () => McpServer = notesServer

beforeAll(async () => {
  app = await startTestApp()
  server = await startMcpServer({ make: () => make() })
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  stranger = await app.signIn('owner@globex.test')
  place = await insertMcpServer(app, 'acme', { url: server.url, alias: 'notes', holdChangedTools: true })
  await linkMcpServer(app, 'acme', place, await app.actorOf('owner@acme.test'))
})
afterAll(async () => {
  await app.stop()
  await server.stop()
})
afterEach(() => {
  make = notesServer
  server.is({ open: true })
})

const path = '/tenants/acme/projects/notes/tools'
const list = async (jar: Jar, query = '') => (await app.call<Answer>(jar, 'GET', `${path}${query}`)).body
const refresh = async (jar: Jar) => app.call<Answer>(jar, 'POST', `${path}/refresh`)
const review = async (jar: Jar, tools: Pick<Tool, 'name' | 'hash'>[]) =>
  app.call<{ code?: string; reviewed: string[]; changed: string[] }>(jar, 'POST', `${path}/review`, {
    tools: tools.map(({ name, hash }) => ({ name, hash })),
  })
const memberIs = async (role: string) => {
  const { userId } = await app.actorOf('member@acme.test')
  await app.rows('acme', 'UPDATE member SET role = $2 WHERE user_id = $1', [userId, role])
}
const named = ({ items }: Answer, name: string) => {
  const tool = items.find((one) => one.name === name)
  if (!tool) throw new Error(`no tool ${name}`)
  return tool
}
/** The usual server, with another description of one tool. */
const saying = (description: string) => () => {
  const made = new McpServer({ name: 'notes', title: 'Notes', version: '1.1.0' })
  made.registerTool(
    'echo',
    { description, inputSchema: z.object({ text: z.string() }), annotations: { readOnlyHint: true } },
    async () => ({ content: [] }),
  )
  return made
}

describe('before it was asked', () => {
  it('R-11: nothing is known, and nobody is asked to find out', async () => {
    const asked = server.seen.length
    expect(await list(owner)).toMatchObject({ server: null, present: 0, items: [], holds_changed: true })
    expect(server.seen.length).toBe(asked)
  })

  it('a member who has not linked it learns nothing of it, and neither does another tenant', async () => {
    expect(await list(member)).toMatchObject({ code: 'not_found' })
    expect((await refresh(member)).body).toMatchObject({ code: 'not_found' })
    expect((await app.call<Answer>(stranger, 'GET', path)).body).toMatchObject({ code: 'not_found' })
  })
})

describe('asked', () => {
  it('it says who it is and what it offers, and that is kept', async () => {
    server.is({ open: true })
    const { status, body } = await refresh(owner)
    expect(status).toBe(200)
    expect(body.server).toMatchObject({ name: 'notes', title: 'Notes', version: '1.0.0', revision: '2026-07-28' })
    expect(body.items.map(({ name }) => name)).toEqual(['add_note', 'echo'])
    const asked = server.seen.length
    expect(await list(owner)).toEqual(body)
    expect(server.seen.length, 'R-11: reading asks nobody').toBe(asked)
  })

  it('it is asked with a connection of the caller’s own, and says so who has none', async () => {
    await memberIs('auditor')
    expect((await refresh(member)).body).toMatchObject({ code: 'forbidden' })
    await memberIs('admin')
    expect((await refresh(member)).body).toMatchObject({ code: 'not_linked' })
    await memberIs('member')
    await app.rows('acme', "UPDATE connection SET status = 'needs_relink' WHERE provider_id = $1", [place.provider])
    const { body } = await refresh(owner)
    expect(body).toMatchObject({ code: 'needs_relink', next: expect.stringContaining('reconnect') })
    await app.rows('acme', "UPDATE connection SET status = 'linked' WHERE provider_id = $1", [place.provider])
  })

  it('what it said before stays where it answers nothing that makes sense', async () => {
    server.is({ open: true, instead: () => ({ status: 500, body: 'no' }) })
    const { status } = await refresh(owner)
    expect(status).toBe(502)
    expect((await list(owner)).present).toBe(2)
  })
})

describe('looked at', () => {
  it('a tool that nobody has looked at is held back where the provider says so', async () => {
    expect(await list(owner)).toMatchObject({ unseen: 2, changed: 0 })
    expect(named(await list(owner), 'echo')).toMatchObject({ looked: 'never', held_back: true, before: null })
  })

  it('an admin says so of what they looked at; a member may not, and twice is once', async () => {
    const { items } = await list(owner)
    expect((await review(member, items)).body).toMatchObject({ code: 'forbidden' })
    expect((await review(owner, items)).body).toEqual({ reviewed: ['add_note', 'echo'], changed: [] })
    const me = await app.actorOf('owner@acme.test')
    expect(named(await list(owner), 'echo')).toMatchObject({
      looked: 'current',
      held_back: false,
      reviewed_by: me.userId,
    })
    await memberIs('admin')
    expect((await review(member, items)).body).toEqual({ reviewed: ['add_note', 'echo'], changed: [] })
    expect(named(await list(owner), 'echo').reviewed_by).toBe(me.userId)
    await memberIs('auditor')
    expect((await review(member, items)).body).toMatchObject({ code: 'forbidden' })
    expect((await list(member)).present).toBe(2)
    await memberIs('member')
    const events = await app.rows(
      'acme',
      "SELECT body->'details' AS d FROM audit_event WHERE body->>'action' = 'tools.reviewed'",
    )
    expect(events.map(({ d }) => (d as { tools: Tool[] }).tools.map(({ name }) => name))).toEqual([
      ['add_note', 'echo'],
    ])
  })

  it('a change is flagged with both descriptions, held back again, and first in the list', async () => {
    make = saying('Says it again, and reads your mail first')
    const { body } = await refresh(owner)
    expect(body).toMatchObject({ changed: 1, present: 1, gone: 1 })
    expect(body.items.map(({ name }) => name)).toEqual(['echo', 'add_note'])
    expect(named(body, 'echo')).toMatchObject({
      looked: 'changed',
      held_back: true,
      description: 'Says it again, and reads your mail first',
      before: { description: 'Says it again' },
    })
    expect(named(body, 'add_note')).toMatchObject({ held_back: false, gone_at: expect.any(String) })
  })

  it('what was looked at counts, and not what it became meanwhile', async () => {
    make = saying('A second change')
    const looked = named((await refresh(owner)).body, 'echo')
    make = saying('A third change, while somebody reads the second')
    await refresh(owner)
    expect((await review(owner, [looked])).body).toEqual({ reviewed: [], changed: ['echo'] })
    expect(named(await list(owner), 'echo')).toMatchObject({ looked: 'changed', held_back: true })
  })

  it('a change back to what was looked at is none', async () => {
    const { body } = await refresh(owner)
    expect(named(body, 'echo')).toMatchObject({ looked: 'current', held_back: false, before: null })
  })

  it('of an unknown tool nothing is noted', async () => {
    expect((await review(owner, [{ name: 'nothing', hash: '0'.repeat(64) }])).body).toEqual({
      reviewed: [],
      changed: ['nothing'],
    })
  })
})

describe('what its words may do', () => {
  it('characters that are not seen, or turn text around, are taken out; names that pass for others are marked', async () => {
    // The official package warns of such names.
    vi.spyOn(console, 'warn').mockReturnValue()
    make = () => {
      const made = new McpServer({ name: 'no\u202etes', version: '1' })
      const add = (name: string, description: string) =>
        made.registerTool(name, { description, inputSchema: z.object({}) }, async () => ({ content: [] }))
      add('delete_note', 'plain\u202e\u0007 text\u{e0041}')
      add('de1ete_note', 'another')
      add('ec\u043do', 'a letter of another alphabet')
      return made
    }
    const { body } = await refresh(owner)
    expect(body.server?.name).toBe('notes')
    expect(named(body, 'delete_note')).toMatchObject({
      description: 'plain text',
      is_plain: true,
      looks_like_another: true,
    })
    expect(named(body, 'de1ete_note').looks_like_another).toBe(true)
    expect(named(body, 'ec\u043do')).toMatchObject({ is_plain: false })
    await refresh(owner)
  })

  it('a long list is read in parts', async () => {
    make = () => {
      const made = new McpServer({ name: 'many', version: '1' })
      for (let n = 0; n < 120; n += 1)
        made.registerTool(`tool_${String(n).padStart(3, '0')}`, { inputSchema: z.object({}) }, async () => ({
          content: [],
        }))
      return made
    }
    const { body } = await refresh(owner)
    expect([body.present, body.items.length, body.next]).toEqual([120, 50, 50])
    const second = await list(owner, '?skip=50')
    expect(second.items[0]?.name).toBe('tool_050')
    const last = await list(owner, '?skip=150')
    expect(last.items.every(({ gone_at }) => gone_at !== null) && last.next === null).toBe(true)
    expect(await list(owner, '?skip=-1')).toMatchObject({ code: 'bad_request' })
    make = notesServer
    await refresh(owner)
  })
})

describe('how often it was called', () => {
  it('by the viewer’s own tokens; by everybody’s for who oversees, which is recorded', async () => {
    await linkMcpServer(app, 'acme', place, await app.actorOf('member@acme.test'))
    const tokenOf = async (jar: Jar): Promise<string> =>
      (await app.issue(jar, 'acme', 'notes', { scopes: { read_only_tools: true }, strategy: 'proxy' })).body.token.id ??
      ''
    const [ofOwner, ofMember] = [await tokenOf(owner), await tokenOf(member)]
    const uses = [
      { holderId: ofOwner, projectId: place.project, tool: 'echo', calls: 3, refused: 1 },
      { holderId: ofMember, projectId: place.project, tool: 'echo', calls: 2, refused: 0 },
    ]
    await noteToolUses(app.ctx, place.tenantId, uses, app.ctx.now())
    const long = new Date(app.ctx.now().getTime() - 14 * 24 * 3_600_000)
    await noteToolUses(app.ctx, place.tenantId, uses, long)
    expect(named(await list(member), 'echo')).toMatchObject({ calls: 2, refused: 0 })
    const before = await reads()
    expect(named(await list(owner), 'echo')).toMatchObject({ calls: 5, refused: 1 })
    expect(await reads()).toBe(before + 1)
  })
})

const reads = async () =>
  (
    await app.rows(
      'acme',
      "SELECT 1 FROM audit_event WHERE body->>'action' = 'access.read' AND body->'target'->>'id' = 'listTools'",
    )
  ).length

describe('the choices of rights', () => {
  it('R-11: come from the catalogue, without a call to the server', async () => {
    const asked = server.seen.length
    const { body } = await app.call<{ server: object; tools: Tool[]; cap: object }>(
      owner,
      'POST',
      '/tenants/acme/projects/notes/scopes',
      {},
    )
    expect(body).toMatchObject({ server: { name: 'notes' }, cap: { seconds: expect.any(Number) } })
    expect(body.tools.map(({ name }) => name)).toEqual(['add_note', 'echo'])
    expect(body.tools[1]).toMatchObject({ read_only: true, destructive: false, looked: 'current', held_back: false })
    expect(server.seen.length).toBe(asked)
  })
})
