// The demo's MCP server as a provider of the demo's tenants: linked, used, stepped up.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { ask, askedState } from '../support/asked.ts'

let app: TestApp
let owner: Jar
let project: string
const account = 'owner@acme.test'
beforeAll(async () => {
  app = await startTestApp({ notes: true })
  owner = await app.signIn(account)
  project = await app.linkProject(owner, 'acme', { account, provider: 'Notes server' })
})
afterAll(() => app.stop())

const connection = async () => {
  const [row] = await app.rows(
    'acme',
    `SELECT c.id, c.scopes_granted FROM connection c JOIN connection_project l ON l.connection_id = c.id WHERE l.project_id = $1`,
    [project],
  )
  return row as { id: string; scopes_granted: string[] }
}
async function call(name: string, args: object) {
  const tenantId = (await app.tenantId('acme')) ?? ''
  const { accessToken } = await freshTokens(app.ctx, { tenantId, connectionId: (await connection()).id })
  return fetch(app.demo.notesUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      authorization: `Bearer ${accessToken.reveal()}`,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
  })
}

describe('the demo’s notes', () => {
  it('T-04: are linked for their resource alone, with the scopes that their metadata asks for', async () => {
    const [asked] = app.requests('GET /notes/authorize')
    expect(asked?.query).toMatchObject({ resource: app.demo.notesUrl, code_challenge_method: 'S256' })
    const [exchanged] = app.requests('POST /notes/token', { grant_type: 'authorization_code' })
    expect(exchanged?.body).toMatchObject({ resource: app.demo.notesUrl })
    expect((await connection()).scopes_granted.sort()).toEqual(['notes:read', 'notes:write'])
    expect((await call('list_notes', {})).status).toBe(200)
  })

  it('ASK-23 N-14 R-15: a tool that needs more is told so; its person allows it on our page, and it works in place', async () => {
    const refused = await call('delete_note', { id: '1' })
    expect(refused.status).toBe(403)
    const scopes = /scope="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1]?.split(' ') ?? []
    expect(scopes).toEqual(['notes:delete'])
    const before = await connection()
    const me = await app.call<{ id: string }>(owner, 'GET', '/me')
    const { id } = await ask(app, { userId: me.body.id, projectId: project, scopes })
    const started = await app.call<{ url: string }>(owner, 'POST', `/tenants/acme/link-requests/${id}/start`)
    const asked = new URL(started.body.url).searchParams.get('scope')?.split(' ')
    expect(asked).toEqual(expect.arrayContaining(['notes:read', 'notes:write', 'notes:delete']))
    const back = await app.follow(owner, await approve(started.body.url, { account }))
    expect(back.headers.get('location')).toBe(`/connect/${id}`)
    expect(await askedState(app, id)).toBe('completed')
    const after = await connection()
    expect(after.id).toBe(before.id)
    expect(after.scopes_granted).toContain('notes:delete')
    expect((await call('delete_note', { id: '1' })).status).toBe(200)
  })
})
