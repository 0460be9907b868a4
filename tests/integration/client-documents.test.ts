// Programs that nobody registered: their client_id is the address of a document in which they say what they are
// (draft-ietf-oauth-client-id-metadata-document). Real documents, over the guarded way out.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { documentClientId } from '../../lib/authserver/documents.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { mcpProjectBeside } from '../support/mcp-beside.ts'
import { pkce, post } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let server: string
let base: string
const gateway = `${origin}/mcp/acme/notes`
const callback = 'http://localhost:3118/callback'

/** What the documents' server answers, by path, and how often it was asked. */
const answers = new Map<string, (response: ServerResponse) => unknown>()
let asked: string[] = []
const documents = createServer((request, response) => {
  asked.push(request.url ?? '')
  const answer = answers.get(request.url ?? '')
  if (answer) answer(response)
  else response.writeHead(404).end()
})

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  await app.ctx.pool.query(`UPDATE session SET auth_time = now() + interval '1 hour'`)
  const keboola = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  server = await mcpProjectBeside(app, keboola, { alias: 'notes' })
  await new Promise<void>((resolve) => documents.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(documents.address() as AddressInfo).port}`
})
afterAll(async () => {
  documents.closeAllConnections()
  await new Promise((resolve) => documents.close(resolve))
  await app.stop()
})
beforeEach(() => {
  asked = []
})
afterEach(async () => {
  answers.clear()
  await app.forgetLimits()
  await setPolicy('this_computer')
})

let count = 0
/** A document of its own; answers its address. */
function publish(given: Record<string, unknown> = {}, raw?: (response: ServerResponse) => unknown): string {
  count += 1
  const path = `/client-${count}.json`
  const address = base + path
  const said = {
    client_id: address,
    client_name: 'Claude Code',
    redirect_uris: ['http://localhost/callback', 'https://agent.example/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...given,
  }
  const json = (response: ServerResponse) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
  answers.set(path, raw ?? json)
  return address
}

const setPolicy = (which: string, tenant = 'acme') =>
  app.rows(
    tenant,
    `INSERT INTO policy (tenant_id, level, target_id, client_documents)
     VALUES (current_setting('app.tenant_id'), 'tenant', current_setting('app.tenant_id'), $1)
     ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET client_documents = excluded.client_documents`,
    [which],
  )

/** Sends a browser here; where it is sent on to. */
async function ask(document: string, given: Record<string, string> = {}, jar: Jar = owner) {
  const { verifier, challenge } = pkce()
  const query = new URLSearchParams({
    client_id: document,
    redirect_uri: callback,
    response_type: 'code',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    resource: gateway,
    ...given,
  })
  const answer = await app.follow(jar, `${origin}/oauth/authorize?${query}`)
  const location = new URL(answer.headers.get('location') ?? '', origin)
  return {
    verifier,
    location,
    id: /\/authorize\/(aut_\w+)$/.exec(location.pathname)?.[1],
    code: location.searchParams.get('code'),
    error: location.searchParams.get('error'),
  }
}
type View = { client: { id: string; name: string; document: string | null }; redirect_host: string }
const view = async (id: string | undefined, jar = owner) =>
  (await app.call<View>(jar, 'GET', `/authorizations/${id}`)).body
const approve = (id: string | undefined, jar = owner) =>
  app.call<{ redirect_to: string; code: string; detail: string }>(jar, 'POST', `/authorizations/${id}/approval`, {
    tenant: 'acme',
    scopes: ['mcp:use'],
    ceilings: { [server]: { proxy: { read_only_tools: true } } },
  })
const redeem = (document: string, code: string, verifier: string, more: Record<string, string> = {}) =>
  post(app, '/oauth/token', {
    grant_type: 'authorization_code',
    client_id: document,
    code,
    redirect_uri: callback,
    code_verifier: verifier,
    resource: gateway,
    ...more,
  })
async function letIn(document: string) {
  const { id, verifier } = await ask(document)
  const { redirect_to } = (await approve(id)).body
  return redeem(document, new URL(redirect_to).searchParams.get('code') ?? '', verifier)
}
const rowOf = async (document: string, tenant = 'acme') => {
  const id = documentClientId((await app.tenantId(tenant)) ?? '', document)
  return (await app.rows(tenant, 'SELECT * FROM api_client WHERE id = $1', [id]))[0]
}

describe('a program that nobody registered', () => {
  it('CD-01: comes in by its document: read once, shown by its host, and works at the gateway alone', async () => {
    const document = publish()
    const { id, verifier } = await ask(document)
    const { client, redirect_host: host } = await view(id)
    expect(client).toMatchObject({ name: `Claude Code (${new URL(base).host})`, document })
    expect(host).toBe('localhost:3118')
    const { redirect_to } = (await approve(id)).body
    const answer = await redeem(document, new URL(redirect_to).searchParams.get('code') ?? '', verifier)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ scope: 'mcp:use', token_type: 'Bearer' })
    const me = await app.route(
      new Request(`${origin}/api/v1/me`, { headers: { authorization: `Bearer ${answer.body.access_token}` } }),
    )
    expect(me.status).toBe(401)
    const again = await post(app, '/oauth/token', {
      grant_type: 'refresh_token',
      client_id: document,
      refresh_token: answer.body.refresh_token,
    })
    expect(again.status).toBe(200)
    expect(asked).toHaveLength(1)
    const [event] = await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body->>'action' = 'client.introduced' AND body->'details'->>'document' = $1`,
      [document],
    )
    expect(event?.body).toMatchObject({ details: { redirect_uris: 2 } })
    const gone = await post(app, '/oauth/revoke', { client_id: document, token: again.body.refresh_token })
    expect(gone.status).toBe(200)
    const after = await post(app, '/oauth/token', {
      grant_type: 'refresh_token',
      client_id: document,
      refresh_token: again.body.refresh_token,
    })
    expect(after.body.error).toBe('invalid_grant')
    expect((await post(app, '/oauth/revoke', { client_id: document, token: 'vk_rt_unknown' })).status).toBe(200)
  })

  it('IV-03: of a name that anybody may make up nothing is kept, and its beginning alone is logged', async () => {
    const known = new Set(app.ctx.clientUses.keys())
    const lines = app.logged.length
    const made = `${base}/${'x'.repeat(10_000)}`
    expect((await post(app, '/oauth/revoke', { client_id: made, token: 'x' })).status).toBe(200)
    expect([...app.ctx.clientUses.keys()].filter((key) => !known.has(key))).toEqual([])
    const [line] = app.logged.slice(lines).filter((one) => one.includes('/oauth/revoke'))
    expect(JSON.parse(line ?? '').client).toBe(made.slice(0, 64))
  })

  it('CD-01 R-20: nobody who is not signed in makes us call an address, and comes back to the same request', async () => {
    const document = publish()
    const { location } = await ask(document, {}, new Map())
    expect(location.pathname).toBe('/signin')
    const back = new URL(location.searchParams.get('return_to') ?? '', origin)
    expect([back.pathname, back.searchParams.get('client_id')]).toEqual(['/oauth/authorize', document])
    expect(asked).toHaveLength(0)
  })

  it('CD-01 R-20 Z-02: for somebody else’s tenant, an unknown one and our API alike, nothing is called and one thing is said', async () => {
    const document = publish()
    const foreign = await ask(document, {}, globex)
    const unknown = await ask(document, { resource: `${origin}/mcp/nobody/notes` })
    const ours = await ask(document, { resource: origin })
    expect([foreign.code, unknown.code, ours.code]).toEqual(Array(3).fill('client_document_refused'))
    expect(asked).toHaveLength(0)
  })

  it.each([
    ['another client_id', { client_id: 'https://agent.example/client.json' }],
    ['no client_id', { client_id: undefined }],
    ['a secret', { client_secret: 'shared' }],
    ['a secret that never ends', { client_secret_expires_at: 0 }],
    ['authentication by a secret', { token_endpoint_auth_method: 'client_secret_post' }],
    ['authentication by keys', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['no redirect URI', { redirect_uris: [] }],
    [
      'redirect URIs of no use',
      { redirect_uris: ['javascript:alert(1)', 'http://agent.example/', 'https://*.example/'] },
    ],
    ['another grant type', { grant_types: ['implicit'] }],
    ['another response type', { response_types: ['token'] }],
    ['a name that is none', { client_name: { en: 'x' } }],
  ])('F-07 F-08: a document with %s does not hold', async (_, given) => {
    const document = publish(given)
    expect((await ask(document)).code).toBe('client_document_invalid')
    expect(await rowOf(document)).toBeUndefined()
  })

  const hostile: [string, (response: ServerResponse) => unknown][] = [
    ['a redirect', (response) => response.writeHead(302, { location: `${base}/other.json` }).end()],
    ['another status', (response) => response.writeHead(201, { 'content-type': 'application/json' }).end('{}')],
    ['HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hi</h1>')],
    ['no JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{{{')],
    ['nothing', (response) => response.destroy()],
    [
      'forty thousand characters',
      (response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            client_id: `${base}/client-${count}.json`,
            redirect_uris: [callback],
            x: 'x'.repeat(40_000),
          }),
        ),
    ],
  ]
  it.each(hostile)('F-05 F-06 F-10: %s is one answer', async (_, raw) => {
    const document = publish({}, raw)
    expect((await ask(document)).code).toBe('client_document_invalid')
    expect(asked).toHaveLength(1)
  })

  it.each([
    ['an inside address', 'https://10.0.0.1/client.json'],
    ['a metadata name', 'https://metadata.google.internal/client.json'],
    ['plain http', 'http://agent.example/client.json'],
    ['no path', 'https://agent.example/'],
    ['a query', 'https://agent.example/client.json?x=1'],
    ['a fragment', 'https://agent.example/client.json#x'],
    ['a user', 'https://somebody@agent.example/client.json'],
    ['dots', 'https://agent.example/a/../client.json'],
    ['another spelling', 'HTTPS://agent.example/client.json'],
    ['an odd port', 'https://agent.example:22/client.json'],
    ['a huge address', `https://agent.example/${'x'.repeat(600)}.json`],
    ['another scheme', 'gopher://agent.example/client.json'],
  ])('F-01 F-02: %s is called by nobody', async (_, document) => {
    expect((await ask(document)).code).toBe('client_document_invalid')
  })

  it('T-07: redirect URIs are those of the document: to the letter, but for the port at the loopback', async () => {
    const document = publish()
    expect((await ask(document, { redirect_uri: 'http://localhost:1/callback' })).id).toBeDefined()
    for (const uri of ['http://localhost:1/other', 'http://127.0.0.1:1/callback', 'http://localhost:1/callback?x=1'])
      expect((await ask(document, { redirect_uri: uri })).code, uri).toBe('redirect_unknown')
  })

  it('F-08: what a document said counts for an hour, then it is asked again; what it takes back is answered no more', async () => {
    const document = publish()
    const { id } = await ask(document)
    await ask(document)
    expect(asked).toHaveLength(1)
    await app.advance(3_601)
    await app.ctx.pool.query(`UPDATE session SET auth_time = now() + interval '3 hours'`)
    answers.set(new URL(document).pathname, (response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ client_id: document, redirect_uris: ['http://localhost/elsewhere'] })),
    )
    expect((await ask(document)).code).toBe('redirect_unknown')
    expect(asked).toHaveLength(2)
    expect((await approve(id)).body.code).toBe('request_over')
    answers.delete(new URL(document).pathname)
    await app.advance(3_601)
    expect((await ask(document)).code).toBe('client_document_invalid')
  })

  it('CD-03 LK-03: two tenants know it apart: nothing that one does to it reaches the other', async () => {
    const document = publish()
    await ask(document)
    expect(await rowOf(document)).toBeDefined()
    expect(await rowOf(document, 'globex')).toBeUndefined()
    const { id } = (await rowOf(document)) ?? {}
    expect((await app.call(globex, 'GET', `/tenants/globex/clients/${id}`)).status).toBe(404)
  })

  it('I-03: a code and a refresh token are of no use to another program, whatever it calls itself', async () => {
    const document = publish()
    const other = publish()
    const { id, verifier } = await ask(document)
    await ask(other)
    const { redirect_to } = (await approve(id)).body
    const code = new URL(redirect_to).searchParams.get('code') ?? ''
    expect((await redeem(other, code, verifier)).body.error).toBe('invalid_grant')
    const { body } = await redeem(document, code, verifier)
    expect(body.access_token).toBeDefined()
    const stolen = { grant_type: 'refresh_token', client_id: other, refresh_token: body.refresh_token }
    expect((await post(app, '/oauth/token', stolen)).body.error).toBe('invalid_grant')
  })

  it('CD-03: it gets in by a browser alone: neither by device, pushed, with a secret, nor by the id that a tenant has for it', async () => {
    const document = publish()
    await ask(document)
    const id = String((await rowOf(document))?.id)
    const device = await post(app, '/oauth/device_authorization', { client_id: document, resource: gateway })
    expect(device.body.error).toBe('invalid_client')
    expect((await post(app, '/oauth/device_authorization', { client_id: id, resource: gateway })).body.error).toBe(
      'unauthorized_client',
    )
    const pushed = await post(app, '/oauth/par', { client_id: id, redirect_uri: callback, response_type: 'code' })
    expect(pushed.body.error).toBe('unauthorized_client')
    expect((await ask(id)).code).toBe('invalid_client')
  })
})

describe('whom a tenant lets in', () => {
  it('CD-02: off: nobody; a request that waits is not answered either, and what was let in stays', async () => {
    const document = publish()
    const { id } = await ask(document)
    const { body } = await letIn(document)
    await setPolicy('off')
    expect((await ask(document)).code).toBe('client_document_refused')
    expect((await approve(id)).body.code).toBe('over_policy')
    const refresh = { grant_type: 'refresh_token', client_id: document, refresh_token: body.refresh_token }
    expect((await post(app, '/oauth/token', refresh)).status).toBe(200)
  })

  it('CD-02: by itself: programs on the member’s own computer alone; elsewhere is a choice', async () => {
    const document = publish()
    const elsewhere = { redirect_uri: 'https://agent.example/callback' }
    expect((await ask(document, elsewhere)).code).toBe('client_document_refused')
    expect(asked).toHaveLength(0)
    await setPolicy('anywhere')
    const { id } = await ask(document, elsewhere)
    expect(id).toBeDefined()
    await setPolicy('this_computer')
    expect((await approve(id)).body.code).toBe('over_policy')
  })

  it('CD-02: an admin chooses, and it is in the activity; members cannot', async () => {
    const body = { client_documents: 'off' }
    expect((await app.call(member, 'PATCH', '/tenants/acme/policy', body)).status).toBe(403)
    const changed = await app.call<object>(owner, 'PATCH', '/tenants/acme/policy', body)
    expect(changed.body).toEqual({ device_flow: 'typed', client_documents: 'off' })
    expect((await app.call<object>(owner, 'GET', '/tenants/acme/policy')).body).toEqual(changed.body)
  })

  it('CD-02 J-09: the metadata speaks of it exactly where some tenant lets one in', async () => {
    const said = async () => {
      const answer = await app.route(new Request(`${origin}/.well-known/oauth-authorization-server`))
      return ((await answer.json()) as Record<string, unknown>).client_id_metadata_document_supported
    }
    expect(await said()).toBe(true)
    await setPolicy('off')
    expect(await said()).toBe(true)
    const all = await app.ctx.pool.query<{ slug: string }>('SELECT lookup.tenant_ids() AS id')
    for (const { id } of all.rows as unknown as { id: string }[]) {
      await app.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [id])
      await app.owner.query(
        `INSERT INTO policy (tenant_id, level, target_id, client_documents) VALUES ($1, 'tenant', $1, 'off')
         ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET client_documents = 'off'`,
        [id],
      )
    }
    expect(await said()).toBeUndefined()
  })

  it('CD-03: removed by an admin, it comes in by no door; its own words are not for an admin to change', async () => {
    const document = publish()
    const { body } = await letIn(document)
    const id = String((await rowOf(document))?.id)
    const changed = await app.call<{ code: string }>(owner, 'PATCH', `/tenants/acme/clients/${id}`, { name: 'Trusted' })
    expect(changed.body.code).toBe('bad_request')
    expect((await app.call(owner, 'DELETE', `/tenants/acme/clients/${id}`, {})).status).toBe(204)
    expect((await ask(document)).code).toBe('client_document_refused')
    const refresh = { grant_type: 'refresh_token', client_id: document, refresh_token: body.refresh_token }
    expect((await post(app, '/oauth/token', refresh)).body.error).toBe('invalid_grant')
  })

  it('CD-01: a tenant knows a hundred at most; those that nobody let in make room a day later', async () => {
    await app.rows(
      'acme',
      `INSERT INTO api_client (id, tenant_id, name, authentication, document, document_read_at, created_at)
       SELECT 'cli_filler' || n, current_setting('app.tenant_id'), 'x', 'none', 'https://x.example/' || n, vk_now(), vk_now()
       FROM generate_series(1, 100) n`,
    )
    expect((await ask(publish())).code).toBe('rate_limited')
    await app.advance(86_401)
    await app.ctx.pool.query(
      `UPDATE session SET auth_time = now() + interval '3 days', last_active_at = vk_now(), expires_at = vk_now() + interval '9 days'`,
    )
    await app.rows('acme', `DELETE FROM authorization_request`)
    expect((await ask(publish())).id).toBeDefined()
    const [left] = await app.rows('acme', `SELECT count(*)::int AS n FROM api_client WHERE id LIKE 'cli_filler%'`)
    expect(left).toEqual({ n: 0 })
  })
})
