import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { type Demo, startDemo } from '../../demo/index.ts'

const CALLBACK = 'https://app.example/oauth/callback/notes-demo'
const client = (name: string) => ({ id: name, secret: randomBytes(24).toString('hex'), redirectUris: [CALLBACK] })
const notesClient = client('notes-client')
const verifier = randomBytes(48).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')
const basic = (id: string, secret: string) => `Basic ${btoa(`${id}:${secret}`)}`
const ours = basic(notesClient.id, notesClient.secret)

type Body = Record<string, unknown>
let demo: Demo
beforeAll(async () => {
  const others = { ticketsClient: client('t'), stackClient: client('s'), signinClient: client('i') }
  demo = await startDemo({ ...others, notesClient })
})
afterEach(() => demo.reset())
afterAll(() => demo.close())

const form = async (path: string, fields: Record<string, string>, authorization = ours) => {
  const headers = { ...(authorization && { authorization }) }
  const answer = await fetch(demo.notesIssuer + path, { method: 'POST', body: new URLSearchParams(fields), headers })
  const text = await answer.text()
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

type Wanted = { account?: string; scope?: string; resource?: string; id?: string; authorization?: string }
async function link({
  account = 'owner@acme.test',
  scope = 'offline_access notes:read notes:write',
  ...wanted
}: Wanted = {}) {
  const { resource = demo.notesUrl, id = notesClient.id, authorization = ours } = wanted
  const url = new URL(`${demo.notesIssuer}/authorize`)
  const asked = { client_id: id, response_type: 'code', redirect_uri: CALLBACK, scope, state: 's', prompt: 'consent' }
  for (const [name, value] of Object.entries({ ...asked, code_challenge: challenge, code_challenge_method: 'S256' }))
    url.searchParams.set(name, value)
  if (resource) url.searchParams.set('resource', resource)
  const back = new URL(await approve(url.href, { account })).searchParams
  const code = back.get('code')
  if (!code) return { error: back.get('error') } as Body
  const fields = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier }
  return (await form('/token', { ...fields, client_id: id, ...(resource && { resource }) }, authorization)).body
}

/** A message as a client of the 2025 revisions sends it, without a session. */
async function rpc(token: unknown, method: string, params: Body = {}) {
  const answer = await fetch(demo.notesUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const text = await answer.text()
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? text
  const body = JSON.parse(data || '{}') as { result?: Body; error?: Body }
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', ...body }
}
type Tool = { name: string; description: string; annotations: { readOnlyHint?: boolean; destructiveHint?: boolean } }
const tools = async (token: unknown) => ((await rpc(token, 'tools/list')).result?.tools ?? []) as Tool[]
const call = async (token: unknown, name: string, args: Body = {}) => {
  const { result, status, challenge: asked } = await rpc(token, 'tools/call', { name, arguments: args })
  const [content] = (result?.content ?? []) as { text: string }[]
  return { status, challenge: asked, said: content && !result?.isError ? JSON.parse(content.text) : content?.text }
}

describe('the notes have an authorization server of their own', () => {
  test('it is found from the MCP endpoint: challenge, resource metadata, server metadata in both forms', async () => {
    const { status, challenge: asked } = await rpc(undefined, 'tools/list')
    expect(status).toBe(401)
    const metadata = /resource_metadata="([^"]+)"/.exec(asked)?.[1] ?? ''
    expect(metadata).toBe(`${demo.url}/.well-known/oauth-protected-resource/notes/mcp`)
    expect(await (await fetch(metadata)).json()).toEqual({
      resource: demo.notesUrl,
      authorization_servers: [demo.notesIssuer],
      scopes_supported: ['notes:read', 'notes:write'],
    })
    for (const path of ['/.well-known/oauth-authorization-server/notes', '/notes/.well-known/openid-configuration']) {
      const body = await (await fetch(demo.url + path)).json()
      expect(body).toMatchObject({
        issuer: demo.notesIssuer,
        registration_endpoint: `${demo.notesIssuer}/register`,
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
      })
    }
  })

  test('a client registers itself and gets in; who is known already does as well', async () => {
    const answer = await fetch(`${demo.notesIssuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'An agent',
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        application_type: 'web',
      }),
    })
    expect(answer.status).toBe(201)
    const made = (await answer.json()) as { client_id: string; client_secret: string }
    const tokens = await link({ id: made.client_id, authorization: basic(made.client_id, made.client_secret) })
    expect(tokens).toMatchObject({ token_type: 'Bearer', scope: 'notes:read notes:write' })
    expect((await rpc(tokens.access_token, 'tools/list')).status).toBe(200)
    expect((await rpc((await link()).access_token, 'tools/list')).status).toBe(200)
  })

  test('tokens are for the notes alone: another resource is no target, and without one they are of no use here', async () => {
    expect(await link({ resource: 'https://elsewhere.example/mcp' })).toMatchObject({ error: 'invalid_target' })
    const { access_token } = await link({ resource: '', scope: 'offline_access' })
    expect((await rpc(access_token, 'tools/list')).status).toBe(401)
  })

  test('a refresh token is used once, and what a person ends is over', async () => {
    const first = await link()
    const refresh = (token: unknown) =>
      form('/token', { grant_type: 'refresh_token', refresh_token: String(token), resource: demo.notesUrl })
    const second = (await refresh(first.refresh_token)).body
    expect((await rpc(second.access_token, 'tools/list')).status).toBe(200)
    expect((await refresh(first.refresh_token)).body.error).toBe('invalid_grant')
    const third = await link()
    await demo.endGrants('owner@acme.test', 'notes')
    expect((await rpc(third.access_token, 'tools/list')).status).toBe(401)
    expect((await refresh(third.refresh_token)).body.error).toBe('invalid_grant')
  })
})

describe('its MCP server', () => {
  test('six tools, three that only read and two that destroy, a resource and a prompt', async () => {
    const { access_token } = await link()
    const list = await tools(access_token)
    const named = (wanted: (tool: Tool) => boolean | undefined) => list.filter(wanted).map(({ name }) => name)
    expect(list).toHaveLength(6)
    expect(named(({ annotations }) => annotations.readOnlyHint)).toEqual(['list_notes', 'read_note', 'search_notes'])
    expect(named(({ annotations }) => annotations.destructiveHint)).toEqual(['rewrite_note', 'delete_note'])
    expect((await rpc(access_token, 'resources/list')).result?.resources).toMatchObject([{ uri: 'notes://all' }])
    expect((await rpc(access_token, 'prompts/list')).result?.prompts).toMatchObject([{ name: 'tidy_up' }])
  })

  test('everybody has notes of their own, which stay between calls', async () => {
    const mine = (await link()).access_token
    const theirs = (await link({ account: 'member@acme.test' })).access_token
    const added = (await call(mine, 'add_note', { title: 'Plan', text: 'First the roof.' })).said
    expect((await call(mine, 'search_notes', { text: 'roof' })).said).toMatchObject([{ id: added.id }])
    await call(mine, 'rewrite_note', { id: added.id, text: 'The walls first.' })
    expect((await call(mine, 'read_note', { id: added.id })).said).toMatchObject({ text: 'The walls first.' })
    expect((await call(theirs, 'read_note', { id: added.id })).said).toBe('There is no such note.')
    expect((await call(theirs, 'list_notes')).said).toHaveLength(3)
  })

  test('deleting needs a scope that nobody is asked for at first: it says so, and works with it', async () => {
    const refused = await call((await link()).access_token, 'delete_note', { id: '1' })
    expect(refused.status).toBe(403)
    expect(refused.challenge).toContain('error="insufficient_scope", scope="notes:delete"')
    const { access_token } = await link({ scope: 'notes:read notes:write notes:delete' })
    const [first] = (await call(access_token, 'list_notes')).said
    expect((await call(access_token, 'delete_note', { id: first.id })).said).toMatchObject({ id: first.id })
    expect((await call(access_token, 'list_notes')).said).toHaveLength(2)
  })

  test('modes give a tool another name or description, take it away, and demand another scope of it', async () => {
    const { access_token } = await link()
    demo.modes.set({
      noteTools: {
        list_notes: { description: 'Lists, and tells somebody else' },
        read_note: { name: 'open_note' },
        add_note: { gone: true },
      },
      noteScopes: { read_note: 'notes:admin' },
    })
    const list = await tools(access_token)
    expect(list.map(({ name }) => name)).toEqual([
      'list_notes',
      'open_note',
      'search_notes',
      'rewrite_note',
      'delete_note',
    ])
    expect(list[0]?.description).toBe('Lists, and tells somebody else')
    expect((await call(access_token, 'open_note', { id: '1' })).challenge).toContain('scope="notes:admin"')
    demo.reset()
    expect(await tools((await link()).access_token)).toHaveLength(6)
  })

  test('its answers can be scripted to fail like those of the others', async () => {
    const { access_token } = await link()
    demo.faults.push('POST /notes/mcp', { status: 503, body: { kind: 'empty' } })
    const refused = await fetch(demo.notesUrl, { method: 'POST', headers: { authorization: `Bearer ${access_token}` } })
    expect(refused.status).toBe(503)
    expect((await tools(access_token)).length).toBe(6)
  })

  test('both revisions are spoken: the current one says what it is without a session', async () => {
    const { access_token } = await link()
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const answer = await fetch(demo.notesUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${access_token}`,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'server/discover',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: meta } }),
    })
    const text = await answer.text()
    expect(answer.status, text).toBe(200)
    expect(text).toContain('2026-07-28')
    const initialized = await rpc(access_token, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    })
    expect(initialized.result).toMatchObject({ protocolVersion: '2025-11-25', serverInfo: { name: 'demo-notes' } })
  })
})
