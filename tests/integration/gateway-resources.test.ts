// Grants that are for the gateway of one MCP server (RFC 8707, RFC 9728): asked for, given, used nowhere else.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hash } from '../../lib/security/secrets.ts'
import { enterGateway, gatewayStanding, standingKey } from '../../lib/store/mcp.ts'
import { enterByAccess } from '../../lib/store/programs.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { mcpProjectBeside } from '../support/mcp-beside.ts'
import { insertClient, pkce, post, type Tokens } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let server: string
let keboola: string
let client: { id: string; secret: string }
const redirect = 'https://agent.example/callback'
const gateway = `${origin}/mcp/acme/notes`
const device = 'urn:ietf:params:oauth:grant-type:device_code'

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  await app.ctx.pool.query(`UPDATE session SET auth_time = now() + interval '1 hour'`)
  keboola = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  server = await mcpProjectBeside(app, keboola, { alias: 'notes' })
  client = await insertClient(app, 'acme', { redirectUris: [redirect], scopes: ['tenant:read', 'mcp:use'] })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

const basic = () => ({ basic: [client.id, client.secret] as [string, string] })
const metadata = async (path: string) => {
  const answer = await app.route(new Request(`${origin}/.well-known/oauth-protected-resource/mcp/${path}`))
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

/** Sends a browser here; the request that waits for its person, or what the program is told. */
async function ask(given: Record<string, string | undefined> = {}) {
  const { verifier, challenge } = pkce()
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: redirect,
    response_type: 'code',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'state',
  })
  for (const [name, value] of Object.entries({ resource: gateway, ...given })) if (value) query.set(name, value)
  const answer = await app.route(new Request(`${origin}/oauth/authorize?${query}`))
  const location = answer.headers.get('location') ?? ''
  const error = URL.canParse(location) ? new URL(location).searchParams.get('error') : null
  return { verifier, id: /\/authorize\/(aut_\w+)$/.exec(location)?.[1] ?? '', error }
}

type Form = {
  scopes?: string[]
  gateway: { url: string; server: { id: string; host: string } | null } | null
  chosen: { slug: string; scopes: string[]; projects: { id: string }[] } | null
}
const form = async (jar: Jar, id: string) => (await app.call<Form>(jar, 'GET', `/authorizations/${id}`)).body
const readOnly = { read_only_tools: true }
const answer = (jar: Jar, id: string, body: Record<string, unknown> = {}) =>
  app.call<{ redirect_to: string; code: string; fields: Record<string, string>; detail: string }>(
    jar,
    'POST',
    `/authorizations/${id}/approval`,
    { tenant: 'acme', scopes: ['mcp:use'], ceilings: { [server]: { proxy: readOnly } }, ...body },
  )
const redeem = (code: string, verifier: string, more: Record<string, string> = {}) =>
  post(
    app,
    '/oauth/token',
    { grant_type: 'authorization_code', code, redirect_uri: redirect, code_verifier: verifier, ...more },
    basic(),
  )

/** A whole way in; the tokens. */
async function letIn(
  given: Record<string, string | undefined> = {},
  body: Record<string, unknown> = {},
): Promise<Tokens> {
  const { id, verifier } = await ask(given)
  const { redirect_to } = (await answer(owner, id, body)).body
  return (await redeem(new URL(redirect_to).searchParams.get('code') ?? '', verifier)).body
}
const me = async (token: string) =>
  (await app.route(new Request(`${origin}/api/v1/me`, { headers: { authorization: `Bearer ${token}` } }))).status

describe('the metadata of a gateway', () => {
  it('J-09 ASK-15: any well-formed name has it alike, with exactly its own address, so that it tells nobody what is there', async () => {
    for (const path of ['acme/notes', 'acme/none', 'nobody/nothing', 'a/b']) {
      const { status, body } = await metadata(path)
      expect(status).toBe(200)
      expect(body).toEqual({
        resource: `${origin}/mcp/${path}`,
        authorization_servers: [origin],
        scopes_supported: ['mcp:use'],
        bearer_methods_supported: ['header'],
      })
    }
    for (const path of [`acme/${server}`, 'Acme/notes', 'acme/No', 'acme/n%2Fo', `acme/${'a'.repeat(64)}`, '-/-'])
      expect((await metadata(path)).status, path).toBe(404)
  })

  it('J-09: our authorization server names the scope', async () => {
    const { body } = await app.send(new Map(), new Request(`${origin}/.well-known/oauth-authorization-server`))
    expect(body.scopes_supported).toContain('mcp:use')
  })
})

describe('asking for a gateway', () => {
  it('T-04: an address is spelled in one way, and any other is no target', async () => {
    for (const resource of [
      `${gateway}/`,
      `${gateway}?a=1`,
      `${gateway}#a`,
      `${origin}/mcp/acme/${server}`,
      `${origin}/mcp/Acme/notes`,
      `${origin}/mcp/acme/n%6ftes`,
      `${origin}/mcp/acme/../acme/notes`,
      `${origin}//mcp/acme/notes`,
      `${origin}/mcp/acme`,
      `${origin}/mcp`,
      `${origin.replace('localhost', 'LOCALHOST')}/mcp/acme/notes`,
      'https://elsewhere.example/mcp/acme/notes',
      `${origin}.evil.example/mcp/acme/notes`,
    ]) {
      expect((await ask({ resource })).error, resource).toBe('invalid_target')
      const { body } = await post(app, '/oauth/device_authorization', { resource }, basic())
      expect(body.error, resource).toBe('invalid_target')
    }
    expect((await ask()).error).toBeNull()
  })

  it('T-04: its scope is mcp:use alone, which is of no use at our API; left out, it is the one that makes sense', async () => {
    for (const scope of ['tenant:read', 'mcp:use tenant:read'])
      expect((await ask({ scope })).error).toBe('invalid_scope')
    expect((await ask({ resource: undefined, scope: 'mcp:use' })).error).toBe('invalid_scope')
    expect((await form(owner, (await ask()).id)).chosen?.scopes).toEqual(['mcp:use'])
    expect((await form(owner, (await ask({ resource: undefined })).id)).chosen?.scopes).toEqual(['tenant:read'])
    const other = await insertClient(app, 'acme', { redirectUris: [redirect], scopes: ['projects:read'] })
    expect((await ask({ client_id: other.id })).error).toBe('invalid_scope')
  })

  it('T-04: a client whose tokens are bound to a key has no use for it, and is told so', async () => {
    const bound = await insertClient(app, 'acme', { redirectUris: [redirect], scopes: ['mcp:use'], needsProof: true })
    expect((await ask({ client_id: bound.id })).error).toBe('invalid_target')
    expect((await ask({ dpop_jkt: 'a'.repeat(43) })).error).toBe('invalid_target')
  })

  it('T-04: pushed, it is the same', async () => {
    const { challenge } = pkce()
    const given = {
      redirect_uri: redirect,
      response_type: 'code',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    }
    const pushed = (resource: string) => post(app, '/oauth/par', { ...given, resource }, basic())
    expect((await pushed(`${gateway}/`)).body.error).toBe('invalid_target')
    expect((await pushed(gateway)).status).toBe(201)
  })
})

describe('giving it', () => {
  it('T-04: its person sees which server it is, and no other project of theirs', async () => {
    const { gateway: seen, chosen } = await form(owner, (await ask()).id)
    expect(seen).toMatchObject({ url: gateway, server: { id: server, host: 'mcp.example' } })
    expect(chosen?.projects.map(({ id }) => id)).toEqual([server])
  })

  it('LK-03: who has not linked it, and who asks for what is none, gets the same refusal', async () => {
    const theirs = await ask()
    const none = await ask({ resource: `${origin}/mcp/acme/nothing` })
    const notMcp = await ask({ resource: `${origin}/mcp/acme/acme-marketing` })
    expect((await form(member, theirs.id)).gateway).toEqual({ url: gateway, server: null })
    expect((await form(member, none.id)).gateway?.server).toBeNull()
    // Nor does who has another one get that instead.
    expect((await form(owner, (await ask({ resource: `${origin}/mcp/acme/nothing` })).id)).gateway?.server).toBeNull()
    expect((await form(owner, notMcp.id)).gateway?.server).toBeNull()
    const [one, other] = [await answer(member, theirs.id), await answer(member, none.id)]
    expect([one.status, other.status]).toEqual([404, 404])
    expect(one.body).toMatchObject({ code: other.body.code })
    expect((await answer(globex, theirs.id)).status).toBe(404)
  })

  it('Z-02: a program of one tenant asks for the gateway of another in vain', async () => {
    const foreign = await insertClient(app, 'globex', { redirectUris: [redirect], scopes: ['mcp:use'] })
    const { id } = await ask({ client_id: foreign.id })
    expect(await form(globex, id)).toMatchObject({ chosen: null, gateway: { url: gateway, server: null } })
    for (const tenant of ['globex', 'acme']) expect((await answer(globex, id, { tenant })).status).toBe(404)
    expect((await app.call(owner, 'GET', `/authorizations/${id}`)).status).toBe(404)
  })

  it('T-04: what it may call is stated, in the words of its kind, for this project alone', async () => {
    const { id } = await ask()
    for (const ceilings of [
      {},
      { [server]: { proxy: null } },
      { [server]: { proxy: {} } },
      { [server]: { proxy: { access: 'everything' } } },
      { [server]: { rights: readOnly } },
      { [keboola]: { rights: null } },
      { [server]: { proxy: readOnly }, [keboola]: { rights: null } },
    ]) {
      const refused = await answer(owner, id, { ceilings })
      expect(refused.status, JSON.stringify(ceilings)).toBe(400)
    }
    expect((await answer(owner, id, { scopes: ['projects:read'] })).status).toBe(400)
    expect((await answer(owner, id)).status).toBe(200)
  })

  it('T-04: nobody gives on more than policy lets them use themselves', async () => {
    const tenantId = await app.tenantId('acme')
    await app.rows(
      'acme',
      `INSERT INTO policy (tenant_id, level, target_id, rights) VALUES ($1, 'project', $2, '{"tools": ["echo"]}')`,
      [tenantId, server],
    )
    const { id } = await ask()
    expect((await answer(owner, id)).body).toMatchObject({ code: 'over_policy' })
    expect((await answer(owner, id, { ceilings: { [server]: { proxy: { tools: ['echo'] } } } })).status).toBe(200)
    await app.rows('acme', `DELETE FROM policy WHERE target_id = $1`, [server])
  })
})

describe('using it', () => {
  it('T-04: the token counts for its gateway alone: our API does not know it', async () => {
    const { access_token, scope } = await letIn()
    expect(scope).toBe('mcp:use')
    expect(await me(access_token)).toBe(401)
    const found = await enterByAccess(app.ctx, hash(access_token))
    expect(found).toMatchObject({ state: 'live', resource: gateway, scopes: ['mcp:use'] })
    const [grant] = await app.rows('acme', `SELECT resource, ceilings FROM oauth_grant WHERE resource = $1`, [gateway])
    expect(grant).toMatchObject({ ceilings: { [server]: { proxy: { read_only_tools: true } } } })
  })

  it('T-04: and a token for our API is none for a gateway', async () => {
    const { access_token } = await letIn({ resource: undefined }, { scopes: ['tenant:read'], ceilings: {} })
    expect(await me(access_token)).toBe(200)
    expect(await enterByAccess(app.ctx, hash(access_token))).toMatchObject({ resource: origin })
  })

  describe('at the gateway', () => {
    let key: string
    const enter = async () => {
      const asked = { hash: key, slug: 'acme', project: 'notes', resource: gateway, seen: '' }
      return (await enterGateway(app.ctx, [asked], 60))[0]
    }
    /** Of a call that runs. */
    const stands = async () => {
      const call = standingKey({ hash: key, projectId: server })
      return (await gatewayStanding(app.ctx, String(await app.tenantId('acme')), [call])).get(call)
    }
    beforeEach(async () => {
      key = Buffer.from(hash((await letIn()).access_token)).toString('hex')
      expect([await enter(), await stands()]).toMatchObject([
        { state: 'live', projectId: server, accessToken: expect.any(String) },
        'live',
      ])
    })

    it('I-04: it ends with its hour, also for a call that runs', async () => {
      await app.rows('acme', `UPDATE access_token SET expires_at = vk_now() WHERE encode(hash, 'hex') = $1`, [key])
      expect([await enter(), await stands()]).toMatchObject([{ state: 'ended' }, 'ended'])
    })

    it.each(['member', 'provider', 'project', 'connection', 'client', 'grant'])(
      'a frozen %s stops it',
      async (kind) => {
        const { holderId, userId } = (await enter()) as { holderId: string; userId: string }
        const [of] = await app.rows(
          'acme',
          `SELECT p.provider_id AS provider, l.connection_id AS connection FROM project p
         JOIN connection_project l ON l.project_id = p.id AND l.user_id = $2 WHERE p.id = $1`,
          [server, userId],
        )
        const ids: Record<string, unknown> = {
          ...of,
          member: userId,
          project: server,
          client: client.id,
          grant: holderId,
        }
        await app.rows(
          'acme',
          `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at)
         VALUES (current_setting('app.tenant_id'), $1, $2, vk_now())`,
          [kind, ids[kind]],
        )
        expect([await enter(), await stands()]).toMatchObject([{ state: 'frozen' }, 'frozen'])
        await app.rows('acme', 'DELETE FROM freeze_fact')
      },
    )

    it('nothing of a connection that needs its person is shown to the server, and one that was disconnected ends what runs', async () => {
      const linked = '(SELECT connection_id FROM connection_project WHERE project_id = $1)'
      const [before] = await app.rows(
        'acme',
        `SELECT refresh_token, access_token FROM connection WHERE id = ${linked}`,
        [server],
      )
      await app.rows('acme', `UPDATE connection SET status = 'needs_relink' WHERE id = ${linked}`, [server])
      expect([await enter(), await stands()]).toMatchObject([
        { state: 'live', connectionStatus: 'needs_relink', accessToken: null },
        'live',
      ])
      await app.rows(
        'acme',
        `UPDATE connection SET status = 'revoked', refresh_token = NULL, access_token = NULL WHERE id = ${linked}`,
        [server],
      )
      expect([await enter(), await stands()]).toMatchObject([{ state: 'live', accessToken: null }, 'revoked'])
      await app.rows(
        'acme',
        `UPDATE connection SET status = 'linked', refresh_token = $2, access_token = $3 WHERE id = ${linked}`,
        [server, before?.refresh_token, before?.access_token],
      )
    })
  })

  it('T-04: a code is redeemed for the resource that was asked for, and another one consumes nothing', async () => {
    const { id, verifier } = await ask()
    const code = new URL((await answer(owner, id)).body.redirect_to).searchParams.get('code') ?? ''
    for (const resource of [origin, `${origin}/mcp/acme/other`, `${gateway}/`, 'https://elsewhere.example'])
      expect((await redeem(code, verifier, { resource })).body.error, resource).toBe('invalid_target')
    expect((await redeem(code, verifier, { resource: gateway })).status).toBe(200)
  })

  it('D-10 T-04: neither a poll nor a refresh changes what it is for', async () => {
    const started = await post<{ device_code: string; user_code: string }>(
      app,
      '/oauth/device_authorization',
      { resource: gateway },
      basic(),
    )
    const { device_code, user_code } = started.body
    const { id } = (await app.call<{ id: string }>(owner, 'POST', '/authorizations/claim', { user_code })).body
    expect((await answer(owner, id)).status).toBe(200)
    const poll = (resource: string) => post(app, '/oauth/token', { grant_type: device, device_code, resource }, basic())
    expect((await poll(origin)).body.error).toBe('invalid_target')
    const tokens = (await poll(gateway)).body
    expect(tokens.scope).toBe('mcp:use')
    const refresh = (token: string, more: Record<string, string>) =>
      post(app, '/oauth/token', { grant_type: 'refresh_token', refresh_token: token, ...more }, basic())
    for (const resource of [origin, `${origin}/mcp/acme/other`, `${gateway}/`])
      expect((await refresh(tokens.refresh_token, { resource })).body.error).toBe('invalid_target')
    expect((await refresh(tokens.refresh_token, { scope: 'projects:read' })).body.error).toBe('invalid_scope')
    const renewed = await refresh(tokens.refresh_token, { resource: gateway })
    expect(renewed.status).toBe(200)
    expect(await me(renewed.body.access_token)).toBe(401)
  })

  it('I-03: introspection names the gateway as its audience, and a revocation ends it', async () => {
    const { access_token } = await letIn()
    const asked = () => post<Record<string, unknown>>(app, '/oauth/introspect', { token: access_token }, basic())
    expect((await asked()).body).toMatchObject({ active: true, aud: gateway, scope: 'mcp:use' })
    await post(app, '/oauth/revoke', { token: access_token }, basic())
    expect((await asked()).body).toEqual({ active: false })
    expect(await enterByAccess(app.ctx, hash(access_token))).not.toMatchObject({ state: 'live' })
  })

  it('ASK-12: its person sees it among devices and apps, with the server and what it may call', async () => {
    await letIn()
    const { items } = (
      await app.call<{ items: { gateway: string | null; ceilings: object[] }[] }>(owner, 'GET', '/tenants/acme/grants')
    ).body
    expect(items[0]).toMatchObject({
      gateway,
      scopes: ['mcp:use'],
      ceilings: [{ project: { id: server }, proxy: [{ text: 'call tools that the server marks as read-only' }] }],
    })
  })
})
