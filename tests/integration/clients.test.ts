// The programs of a tenant: registered by its admins, with secrets that are shown once, and what ends with them.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../lib/security/ids.ts'
import { hash, isToken } from '../../lib/security/secrets.ts'
import { clientsMax } from '../../lib/tenancy/clients.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'

type Secret = { id: string; expires_at: string | null; last_used_at: string | null }
type Client = {
  id: string
  name: string
  of_server: boolean
  redirect_uris: string[]
  grant_types: string[]
  scopes: string[]
  audiences: string[]
  secrets: Secret[]
}
type Made = { client: Client; client_secret: string | null }

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  await app.ctx.pool.query(
    `UPDATE session SET auth_time = now() + interval '50 years', last_active_at = now() + interval '50 years', expires_at = now() + interval '100 years'`,
  )
})
afterAll(() => app.stop())
afterEach(async () => {
  await app.forgetLimits()
  await app.rows('acme', 'UPDATE issued_token SET client_id = NULL, grant_id = NULL WHERE client_id IS NOT NULL')
  await app.rows('acme', 'DELETE FROM oauth_grant')
  await app.rows('acme', 'DELETE FROM authorization_request')
  await app.rows('acme', `DELETE FROM api_client WHERE tenant_id IS NOT NULL`)
})

const path = '/tenants/acme/clients'
const create = (body: Record<string, unknown>, jar = owner) =>
  app.call<Made & { code?: string }>(jar, 'POST', path, body)
const publicClient = { name: 'Agent', token_endpoint_auth_method: 'none', grant_types: [deviceCode] }
const secretClient = { ...publicClient, name: 'Nightly', token_endpoint_auth_method: 'client_secret_basic' }

async function made(body: Record<string, unknown> = secretClient): Promise<Made> {
  const answer = await create(body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}
const change = (id: string, body: Record<string, unknown>) => app.call<Client>(owner, 'PATCH', `${path}/${id}`, body)
const shown = async (id: string) => (await app.call<Client>(owner, 'GET', `${path}/${id}`)).body
const rotate = (id: string, grace: number) =>
  app.call<Made & { code?: string }>(owner, 'POST', `${path}/${id}/secrets`, { grace_seconds: grace })
const events = async (id: string) =>
  (
    await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body->>'action' LIKE 'client.%' AND body->'target'->>'id' = $1 ORDER BY id`,
      [id],
    )
  ).map(({ body }) => body as { action: string; details: Record<string, unknown> })

/** Whether the database lets a program in as this client, as the token endpoint asks it. */
async function isAdmitted(id: string, secret: string | null): Promise<boolean> {
  const { rows } = await app.ctx.pool.query<{ admits: boolean }>(
    `SELECT vk.client_admits(c, $2, NULL) AS admits FROM vk.client_enter($1) c`,
    [id, secret && Buffer.from(hash(secret))],
  )
  return rows[0]?.admits ?? false
}

const faultsOf = async (body: Record<string, unknown>) => {
  const answer = await create(body)
  expect([answer.status, answer.body.code], answer.text).toEqual([400, 'bad_request'])
  return (answer.body as unknown as { fields: Record<string, string> }).fields
}

describe('ASK-12: a client', () => {
  it('is registered by an admin in the words of RFC 7591, listed, shown, changed and removed', async () => {
    const { client, client_secret } = await made({
      name: 'Notebooks',
      token_endpoint_auth_method: 'none',
      redirect_uris: [
        'http://127.0.0.1/callback',
        'https://app.example.com/callback?tenant=1',
        'com.example.app:/callback',
      ],
      grant_types: ['authorization_code', 'refresh_token', deviceCode],
      scopes: ['projects:read', 'tokens:issue'],
      dpop_bound_access_tokens: true,
    })
    expect(client_secret).toBeNull()
    expect(client.id).toMatch(/^cli_[0-9a-f]{32}$/)
    expect(await shown(client.id)).toEqual({
      id: client.id,
      document: null,
      name: 'Notebooks',
      of_server: false,
      token_endpoint_auth_method: 'none',
      redirect_uris: [
        'http://127.0.0.1/callback',
        'https://app.example.com/callback?tenant=1',
        'com.example.app:/callback',
      ],
      grant_types: ['authorization_code', 'refresh_token', deviceCode],
      scopes: ['projects:read', 'tokens:issue'],
      jwks: null,
      audiences: [],
      dpop_bound_access_tokens: true,
      require_pushed_authorization_requests: false,
      created_by: expect.stringMatching(/^usr_/),
      created_at: expect.any(String),
      last_used_at: null,
      secrets: [],
    })
    const renamed = await change(client.id, {
      name: 'Jupyter',
      scopes: ['projects:read', 'tokens:issue', 'tokens:revoke'],
    })
    expect([renamed.status, renamed.body.name, renamed.body.scopes.length]).toEqual([200, 'Jupyter', 3])
    expect((await app.call(owner, 'DELETE', `${path}/${client.id}`, { reason: 'unused' })).status).toBe(204)
    expect((await app.call(owner, 'GET', `${path}/${client.id}`)).status).toBe(404)
    expect((await app.call(owner, 'DELETE', `${path}/${client.id}`)).status).toBe(404)
    expect((await change(client.id, { name: 'Back' })).status).toBe(404)
    const [row] = await app.rows('acme', 'SELECT ended_at, generation FROM api_client WHERE id = $1', [client.id])
    expect(row).toMatchObject({ ended_at: expect.any(Date), generation: 1 })
    expect((await events(client.id)).map(({ action, details }) => [action, details])).toEqual([
      [
        'client.created',
        {
          authentication: 'none',
          grant_types: ['authorization_code', 'refresh_token', 'device_code'],
          scopes: ['projects:read', 'tokens:issue'],
        },
      ],
      ['client.changed', { changed: ['name', 'scopes'] }],
      ['client.removed', { name: 'Jupyter', grants: 0, tokens: 0, reason: 'unused' }],
    ])
  })

  it('of the instance is listed before the tenant’s own, and is nobody’s to change', async () => {
    const own = await made()
    const { items } = (await app.call<{ items: Client[] }>(owner, 'GET', path)).body
    expect(items.map(({ id, of_server }) => [id, of_server])).toEqual([
      ['valetkey', true],
      [own.client.id, false],
    ])
    expect((await app.call<Client>(owner, 'GET', `${path}/valetkey`)).body).toMatchObject({
      of_server: true,
      secrets: [],
    })
    for (const [method, at, body] of [
      ['PATCH', '/valetkey', { name: 'Mine' }],
      ['DELETE', '/valetkey', {}],
      ['POST', '/valetkey/secrets', { grace_seconds: 0 }],
    ] as const)
      expect((await app.call(owner, method, `${path}${at}`, body)).status, method).toBe(404)
  })

  it('Z-02: is known in its own tenant alone, and so is its secret', async () => {
    const { client } = await made()
    const theirs = `/tenants/globex/clients/${client.id}`
    const secret = client.secrets[0]?.id
    for (const [method, at, body] of [
      ['GET', theirs, undefined],
      ['GET', `${theirs}/ending`, undefined],
      ['PATCH', theirs, { name: 'Theirs' }],
      ['DELETE', theirs, {}],
      ['POST', `${theirs}/secrets`, { grace_seconds: 0 }],
      ['DELETE', `${theirs}/secrets/${secret}`, undefined],
    ] as const)
      expect((await app.call(globex, method, at, body)).status, `${method} ${at}`).toBe(404)
    expect((await app.call<{ items: Client[] }>(globex, 'GET', '/tenants/globex/clients')).body.items).toHaveLength(1)
    expect((await shown(client.id)).secrets).toHaveLength(1)
  })

  it('is for members neither to see nor to make; auditors see it and change nothing', async () => {
    const { client } = await made()
    const asRole = async (role: string) => {
      const [{ id } = { id: '' }] = [(await app.call<{ id: string }>(member, 'GET', '/me')).body]
      await app.rows('acme', 'UPDATE member SET role = $1 WHERE user_id = $2', [role, id])
    }
    const told = async () => [
      (await app.call(member, 'GET', path)).status,
      (await app.call(member, 'GET', `${path}/${client.id}`)).status,
      (await create(publicClient, member)).status,
      (await app.call(member, 'PATCH', `${path}/${client.id}`, { name: 'Mine' })).status,
      (await app.call(member, 'POST', `${path}/${client.id}/secrets`, { grace_seconds: 0 })).status,
      (await app.call(member, 'DELETE', `${path}/${client.id}/secrets/${client.secrets[0]?.id}`)).status,
      (await app.call(member, 'DELETE', `${path}/${client.id}`)).status,
    ]
    expect(await told()).toEqual([403, 403, 403, 403, 403, 403, 403])
    await asRole('auditor')
    expect(await told()).toEqual([200, 200, 403, 403, 403, 403, 403])
    await asRole('member')
  })

  it('B-01: there are at most a hundred, also when many are made at once; removed ones do not count', async () => {
    const now = app.ctx.now()
    for (let index = 0; index < clientsMax - 2; index += 1)
      await app.rows(
        'acme',
        `INSERT INTO api_client (id, tenant_id, name, created_at) SELECT $1, id, 'many', $2 FROM tenant WHERE slug = 'acme'`,
        [newId('client'), now],
      )
    const answers = await Promise.all(Array.from({ length: 5 }, () => create(publicClient)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409, 409])
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('too_many_clients')

    type Page = { items: Client[]; next: string | null }
    const first = (await app.call<Page>(owner, 'GET', path)).body
    const second = (await app.call<Page>(owner, 'GET', `${path}?before=${first.next}`)).body
    expect([first.items.length, second.items.length, second.next]).toEqual([51, 50, null])
    expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(101)

    await app.call(owner, 'DELETE', `${path}/${second.items[0]?.id}`)
    expect((await create(publicClient)).status).toBe(201)
  })
})

describe('what a client may be registered with', () => {
  const withUri = (uri: string, body: Record<string, unknown> = publicClient) => ({
    ...body,
    grant_types: ['authorization_code'],
    redirect_uris: [uri],
  })

  it.each([
    'https://app.example.com/callback',
    'https://app.example.com:8443/callback?tenant=a',
    'https://xn--bcher-kva.example/',
    'http://127.0.0.1/callback',
    'http://127.0.0.1:8080/callback',
    'http://[::1]/callback',
    'http://localhost/callback',
    'http://localhost:8080/callback',
    'com.example.app:/callback',
    'io.example.my-app:/oauth/callback?x=1',
  ])('T-07: the redirect URI %s is taken', async (uri) => {
    expect((await made(withUri(uri))).client.redirect_uris).toEqual([uri])
  })

  it.each([
    'http://app.example.com/callback',
    'http://localhost.:8080/callback',
    'http://app.localhost/callback',
    'http://127.0.0.2/callback',
    'http://127.1/callback',
    'http://0.0.0.0/callback',
    'http://[::ffff:127.0.0.1]/callback',
    'http://127.0.0.1.example.com/callback',
    'http://127.0.0.1@evil.example/callback',
    'https://user@app.example.com/callback',
    'https://user:password@app.example.com/callback',
    'https://app.example.com',
    'https://app.example.com:443/callback',
    'https://APP.example.com/callback',
    'https://app.example.com/a/../callback',
    'https://app.example.com/%2e%2e/callback',
    'https://app.example.com\\callback',
    'https:app.example.com/callback',
    'https:///app.example.com/callback',
    'https://app.example.com/callback#',
    'https://app.example.com/callback#x',
    'com.example.app:/callback#x',
    'https://*.example.com/callback',
    'https://app.example.com/*',
    'com.example.app:/*',
    'https://app.example.com/callback?code=x',
    'https://app.example.com/callback?x=1&state=y',
    'https://app.example.com/callback?iss=https://evil.example',
    'https://app.example.com/callback?error=x',
    `${origin}/oauth/callback/abc`,
    'https:/callback',
    'javascript:alert(1)',
    'data:text/html,x',
    'file:/callback',
    'app:/callback',
    'com.example.app:callback',
    'com.example.app://callback',
    'com.example.app:///callback',
    'https://app.example.com/c allback',
    'https://bücher.example/',
    'https://app.example.com/\n',
    ' https://app.example.com/',
    'https://app.example.com/\u202e',
    '/callback',
    '//app.example.com/callback',
    'urn:ietf:wg:oauth:2.0:oob',
    '',
    `https://app.example.com/${'x'.repeat(500)}`,
  ])('T-07: the redirect URI %j is refused', async (uri) => {
    expect(Object.keys(await faultsOf(withUri(uri)))[0]).toMatch(/^redirect_uris/)
  })

  it('T-07: a scheme of its own is for public clients', async () => {
    expect(await faultsOf(withUri('com.example.app:/callback', secretClient))).toHaveProperty(['redirect_uris.0'])
    // As is localhost, which RFC 8252 8.3 discourages.
    expect(await faultsOf(withUri('http://localhost/callback', secretClient))).toHaveProperty(['redirect_uris.0'])
    expect((await create(withUri('http://127.0.0.1/callback', secretClient))).status).toBe(201)
  })

  it.each([
    [{ grant_types: ['authorization_code'] }, 'redirect_uris'],
    [{ redirect_uris: ['https://app.example.com/'] }, 'redirect_uris'],
    [{ grant_types: [] }, 'grant_types'],
    [{ grant_types: ['refresh_token'] }, 'grant_types'],
    [{ grant_types: ['password'] }, 'grant_types.0'],
    [{ grant_types: ['client_credentials'] }, 'grant_types.0'],
    [{ grant_types: ['implicit'] }, 'grant_types.0'],
    [{ grant_types: [deviceCode, deviceCode] }, 'grant_types'],
    [{ grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] }, 'grant_types'],
    [{ grant_types: [deviceCode, 'urn:ietf:params:oauth:grant-type:token-exchange'] }, 'grant_types'],
    [{ grant_types: ['implicit'] }, 'grant_types.0'],
    [{ scopes: ['tenant:own'] }, 'scopes.0'],
    [{ scopes: ['tenant:read', 'tenant:read'] }, 'scopes'],
    [{ audiences: [newId('project')] }, 'audiences'],
    [{ jwks: { keys: [] } }, 'jwks.keys'],
    [{ jwks_uri: 'https://evil.example/jwks' }, 'jwks_uri'],
    [{ client_secret: 'chosen' }, 'client_secret'],
    [{ client_id: 'chosen' }, 'client_id'],
    [{ token_endpoint_auth_method: 'client_secret_jwt' }, 'token_endpoint_auth_method'],
    [{ token_endpoint_auth_method: 'private_key_jwt' }, 'jwks'],
    [{ name: 'two\nlines' }, 'name'],
    [{ name: '' }, 'name'],
    [{ redirect_uris: Array.from({ length: 21 }, (_, n) => `https://a${n}.example/`) }, 'redirect_uris'],
    [{ redirect_uris: ['https://a.example/', 'https://a.example/'] }, 'redirect_uris'],
  ])('%j is refused', async (body, field) => {
    expect(await faultsOf({ ...publicClient, ...body })).toHaveProperty([field])
  })

  const keyOf = (type: 'ec' | 'ed25519' | 'rsa', size: number | string = 2048) => {
    const pair =
      type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: String(size) })
        : type === 'rsa'
          ? generateKeyPairSync('rsa', { modulusLength: Number(size) })
          : generateKeyPairSync('ed25519')
    return { public: pair.publicKey.export({ format: 'jwk' }), private: pair.privateKey.export({ format: 'jwk' }) }
  }
  const signer = (...keys: object[]) => ({
    ...publicClient,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys },
  })

  it('J-02: public keys of ES256, ES384, EdDSA, RS256 and PS256 are taken, each for the algorithm that it names', async () => {
    const rsa = keyOf('rsa').public
    const keys = [
      { ...keyOf('ec', 'P-256').public, alg: 'ES256', kid: '1' },
      { ...keyOf('ec', 'P-384').public, alg: 'ES384', kid: '2', use: 'sig' },
      { ...keyOf('ed25519').public, alg: 'EdDSA', kid: '3' },
      { ...rsa, alg: 'RS256', kid: '4' },
      { ...rsa, alg: 'PS256', kid: '5' },
    ]
    const { client, client_secret } = await made(signer(...keys))
    expect(client_secret).toBeNull()
    expect(client).toMatchObject({ jwks: { keys }, secrets: [] })
    // One more, and then the old ones no longer: that is how keys are changed.
    const next = { ...keyOf('ed25519').public, alg: 'EdDSA', kid: '6' }
    expect((await change(client.id, { jwks: { keys: [next] } })).body).toMatchObject({ jwks: { keys: [next] } })
    expect((await rotate(client.id, 0)).body.code).toBe('bad_request')
  })

  it('J-02: what is private, too short, slow to check, unnamed, named twice, or for another algorithm is refused', async () => {
    const ec = keyOf('ec', 'P-256')
    const good = { ...ec.public, alg: 'ES256', kid: '1' }
    const rsa = { ...keyOf('rsa').public, alg: 'RS256', kid: 'r' }
    const { kid: _, ...unnamed } = good
    const { alg: __, ...unbound } = good
    for (const [keys, field] of [
      [[{ ...ec.private, alg: 'ES256', kid: '1' }], 'jwks.keys.0.d'],
      [[{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid: '1' }], 'jwks.keys.0.kty'],
      [[{ ...good, alg: 'HS256' }], 'jwks.keys.0.alg'],
      [[{ ...good, alg: 'none' }], 'jwks.keys.0.alg'],
      [[{ ...good, alg: 'ES384' }], 'jwks.keys.0'],
      [[{ ...good, alg: 'EdDSA' }], 'jwks.keys.0'],
      [[{ ...good, alg: 'RS256' }], 'jwks.keys.0'],
      [[{ ...good, use: 'enc' }], 'jwks.keys.0.use'],
      [[{ ...good, x5u: 'https://evil.example' }], 'jwks.keys.0.x5u'],
      [[{ ...good, y: good.x }], 'jwks.keys.0'],
      [[{ ...good, x: undefined }], 'jwks.keys.0'],
      [[unnamed], 'jwks.keys.0.kid'],
      [[unbound], 'jwks.keys.0.alg'],
      [[{ ...good, kid: '' }], 'jwks.keys.0.kid'],
      [[good, good], 'jwks.keys'],
      [[{ ...keyOf('rsa', 1024).public, alg: 'RS256', kid: '1' }], 'jwks.keys.0'],
      [[{ ...rsa, e: 'Aw' }], 'jwks.keys.0'],
      [[{ ...rsa, e: '_____w' }], 'jwks.keys.0'],
      [[{ ...rsa, n: `_${'A'.repeat(699)}` }], 'jwks.keys.0'],
      [Array.from({ length: 9 }, (_, kid) => ({ ...good, kid: String(kid) })), 'jwks.keys'],
    ] as const)
      expect(await faultsOf(signer(...keys)), field).toHaveProperty([field])
    expect(await faultsOf({ ...signer(good), token_endpoint_auth_method: 'none' })).toHaveProperty(['jwks'])
  })

  it('I-01 I-03: a resource server is named for projects that are the tenant’s own audiences, and is never public', async () => {
    const own = newId('provider')
    const [audience, upstream, foreign] = [newId('project'), newId('project'), newId('project')]
    const provider = (id: string, kind: string) =>
      app.rows(
        'acme',
        `INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, settings, client_id, created_at)
         SELECT id, $1, $2, $1, 'https://' || $1 || '.example', $1, '{}', 'x', now() FROM tenant WHERE slug = 'acme'`,
        [id, kind],
      )
    await provider(own, 'own')
    const demo = await app.demoProvider(owner, 'acme')
    for (const [id, of] of [
      [audience, own],
      [upstream, demo],
    ])
      await app.rows(
        'acme',
        `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
         SELECT id, $1, $2, $1, 'Lake', $1, now() FROM tenant WHERE slug = 'acme'`,
        [id, of],
      )
    const server = { ...secretClient, grant_types: [], audiences: [audience] }
    expect((await made(server)).client.audiences).toEqual([audience])
    for (const id of [upstream, foreign])
      expect(await faultsOf({ ...server, audiences: [audience, id] })).toHaveProperty(['audiences'])
    expect(await faultsOf({ ...publicClient, audiences: [audience] })).toHaveProperty(['audiences'])
  })

  it('a change is judged with what is there', async () => {
    const { client } = await made(publicClient)
    for (const [body, field] of [
      [{ grant_types: ['authorization_code', deviceCode] }, 'redirect_uris'],
      [{ redirect_uris: ['https://app.example.com/'] }, 'redirect_uris'],
      [{ grant_types: [] }, 'grant_types'],
      [{ jwks: { keys: [] } }, 'jwks.keys'],
      [{ name: 'Other', token_endpoint_auth_method: 'client_secret_basic' }, 'token_endpoint_auth_method'],
      [{}, 'body'],
    ] as const) {
      const answer = await change(client.id, body)
      expect([answer.status, Object.keys((answer.body as unknown as { fields: object }).fields)]).toEqual([
        400,
        [field],
      ])
    }
    expect(await shown(client.id)).toMatchObject({ grant_types: [deviceCode], redirect_uris: [] })
  })
})

describe('ASK-12: a secret of a client', () => {
  it('is ours by its form, shown once, kept as a hash, and lets the client in', async () => {
    const { client, client_secret } = await made()
    expect(isToken('cs', client_secret ?? '')).toBe(true)
    expect(await isAdmitted(client.id, client_secret)).toBe(true)
    expect(await isAdmitted(client.id, `${client_secret}x`)).toBe(false)
    expect(await isAdmitted(client.id, null)).toBe(false)
    const rows = await app.rows('acme', `SELECT s::text AS row FROM client_secret s`)
    expect(JSON.stringify([rows, await shown(client.id), await events(client.id), app.logged])).not.toContain(
      client_secret,
    )
    expect((await events(client.id)).map(({ action }) => action)).toEqual(['client.created', 'client.secret_made'])
  })

  it('of two clients opens one of them', async () => {
    const [one, other] = [await made(), await made()]
    expect(await isAdmitted(one.client.id, other.client_secret)).toBe(false)
  })

  it('is replaced: the one before counts for as long as was chosen, and no second longer', async () => {
    for (const grace of [0, 3_600, 86_400, 604_800]) {
      const { client, client_secret: before } = await made()
      const { body } = await rotate(client.id, grace)
      expect(body.client.secrets).toHaveLength(grace === 0 ? 1 : 2)
      expect(await isAdmitted(client.id, body.client_secret)).toBe(true)
      expect(await isAdmitted(client.id, before)).toBe(grace > 0)
      if (grace > 0) {
        await app.advance(grace - 2)
        expect(await isAdmitted(client.id, before)).toBe(true)
        await app.advance(4)
        expect(await isAdmitted(client.id, before)).toBe(false)
      }
      expect(await isAdmitted(client.id, body.client_secret)).toBe(true)
      expect((await shown(client.id)).secrets).toHaveLength(1)
    }
  })

  it('never gets more time than it had', async () => {
    const { client, client_secret: before } = await made()
    const second = await rotate(client.id, 3_600)
    const ofFirst = second.body.client.secrets[1]
    expect(
      (await app.call(owner, 'DELETE', `${path}/${client.id}/secrets/${second.body.client.secrets[0]?.id}`)).status,
    ).toBe(204)
    const third = await rotate(client.id, 604_800)
    expect(third.body.client.secrets[1]).toEqual(ofFirst)
    await app.advance(3_601)
    expect(await isAdmitted(client.id, before)).toBe(false)
  })

  it('is one of two at most, also when many are made at once', async () => {
    const { client } = await made()
    const answers = await Promise.all(Array.from({ length: 6 }, () => rotate(client.id, 3_600)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409])
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('too_many_secrets')
    expect((await shown(client.id)).secrets).toHaveLength(2)
    // At once: those before go, so there is room.
    const instead = await Promise.all(Array.from({ length: 4 }, () => rotate(client.id, 0)))
    expect(instead.map(({ status }) => status)).toEqual([201, 201, 201, 201])
    const living = await Promise.all(instead.map(({ body }) => isAdmitted(client.id, body.client_secret)))
    expect(living.filter(Boolean)).toHaveLength(1)
  })

  it('is ended by itself; the others go on', async () => {
    const { client, client_secret: before } = await made()
    const next = await rotate(client.id, 86_400)
    const at = `${path}/${client.id}/secrets/${client.secrets[0]?.id}`
    expect((await app.call(owner, 'DELETE', at)).status).toBe(204)
    expect((await app.call(owner, 'DELETE', at)).status).toBe(404)
    expect([await isAdmitted(client.id, before), await isAdmitted(client.id, next.body.client_secret)]).toEqual([
      false,
      true,
    ])
    const other = await made()
    expect(
      (await app.call(owner, 'DELETE', `${path}/${client.id}/secrets/${other.client.secrets[0]?.id}`)).status,
    ).toBe(404)
    expect(await isAdmitted(other.client.id, other.client_secret)).toBe(true)
  })

  it.each([-1, 1, 60, 604_801, '0', null, 1e9])('has no grace of %j seconds', async (grace_seconds) => {
    const { client } = await made()
    const answer = await app.call(owner, 'POST', `${path}/${client.id}/secrets`, { grace_seconds })
    expect(answer.status).toBe(400)
  })

  it('is none of a public client', async () => {
    const { client } = await made(publicClient)
    expect((await rotate(client.id, 0)).status).toBe(400)
    expect(await isAdmitted(client.id, null)).toBe(true)
  })
})

describe('what ends with a client', () => {
  const full = {
    ...publicClient,
    redirect_uris: ['https://app.example.com/callback', 'http://127.0.0.1/callback'],
    grant_types: ['authorization_code', deviceCode, 'refresh_token'],
    scopes: ['projects:read', 'tokens:issue'],
  }

  /** A grant as an approval makes it, with a token issued through it and a request that waits. */
  async function held(client: string) {
    const [grant, request] = [newId('grant'), newId('authorization')]
    const [person] = await app.rows('acme', `SELECT user_id FROM member WHERE role = 'member'`)
    const user = String(person?.user_id)
    await app.rows(
      'acme',
      `INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, scopes, generations, created_at)
       SELECT id, $1, $2, $3, '{projects:read}', vk.grant_generations(id, $2, $3, NULL), vk_now() FROM tenant WHERE slug = 'acme'`,
      [grant, user, client],
    )
    await app.rows(
      'acme',
      `INSERT INTO authorization_request (id, kind, client_id, scopes, scopes_granted, generations, created_at, expires_at)
       VALUES ($1, 'device', $2, '{projects:read}', '{}', '{}', vk_now(), vk_now() + interval '10 minutes')`,
      [request, client],
    )
    return { grant, request }
  }
  const stateOf = async ({ grant, request }: { grant: string; request: string }) => {
    const [row] = await app.rows(
      'acme',
      `SELECT vk.grant_state(g) AS state, end_cause, ended_by,
        (SELECT status FROM authorization_request WHERE id = $2) AS waiting FROM oauth_grant g WHERE g.id = $1`,
      [grant, request],
    )
    return [row?.state, row?.end_cause, row?.waiting]
  }
  const stands = ['live', null, 'pending']
  const ended = ['revoked', 'revoked', 'denied']

  it.each([
    ['a name', { name: 'Other' }, stands],
    ['one scope more', { scopes: ['projects:read', 'tokens:issue', 'tokens:revoke'] }, stands],
    ['the same in another order', { scopes: ['tokens:issue', 'projects:read'] }, stands],
    ['a redirect URI more', { redirect_uris: [...full.redirect_uris, 'https://b.example/'] }, stands],
    ['a redirect URI less', { redirect_uris: full.redirect_uris.slice(1) }, ['live', null, 'denied']],
    ['a scope less', { scopes: ['projects:read'] }, ended],
    ['a grant type less', { grant_types: ['authorization_code', 'refresh_token'] }, ended],
    ['proofs of possession', { dpop_bound_access_tokens: true }, ended],
    ['all of it', { end_grants: true }, ended],
  ])('with a change of %s', async (_, body, expected) => {
    const { client } = await made(full)
    const [its, others] = [await held(client.id), await held((await made(full)).client.id)]
    expect(await stateOf(its)).toEqual(stands)
    const answer = await change(client.id, body)
    expect(answer.status, answer.text).toBe(200)
    expect(await stateOf(its)).toEqual(expected)
    expect(await stateOf(others)).toEqual(stands)
    const [event] = (await events(client.id)).slice(-1)
    expect(event?.details.grants).toBe(expected === ended ? 1 : undefined)
    // What people give it from now on counts.
    expect(await stateOf(await held(client.id))).toEqual(stands)
  })

  it('A-03: its removal ends its grants and what was issued through them, here and upstream', async () => {
    const { client } = await made(full)
    const its = await held(client.id)
    const project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
    const issued = async () => (await app.issue(member, 'acme', project)).body
    const [through, throughPast, kept] = [await issued(), await issued(), await issued()]
    // A grant whose time is over: what was issued through it may still live.
    const past = await held(client.id)
    await app.rows('acme', `UPDATE oauth_grant SET expires_at = vk_now() - interval '1 hour' WHERE id = $1`, [
      past.grant,
    ])
    for (const [{ token }, { grant }] of [
      [through, its],
      [throughPast, past],
    ] as const)
      await app.rows('acme', 'UPDATE issued_token SET client_id = $1, grant_id = $2 WHERE id = $3', [
        client.id,
        grant,
        token.id,
      ])
    const preview = await app.call(owner, 'GET', `${path}/${client.id}/ending`)
    expect(preview.body).toEqual({ grants: 1, people: 1, tokens: 2 })
    expect((await app.call(owner, 'DELETE', `${path}/${client.id}`, {})).status).toBe(204)
    expect(await stateOf(its)).toEqual(ended)
    const used = [through, throughPast, kept].map(({ value }) => app.useToken(value))
    expect(await Promise.all(used)).toEqual([401, 401, 200])
    const [event] = (await events(client.id)).slice(-1)
    expect(event?.details).toMatchObject({ grants: 1, tokens: 2 })
    expect(await isAdmitted(client.id, null)).toBe(false)
  })

  it('A-01: who gave it something is told what ended with it, by whom and why', async () => {
    const told = async () =>
      (
        await app.call<{ items: { kind: string; reason: string | null; ended: Record<string, unknown> | null }[] }>(
          member,
          'GET',
          '/tenants/acme/notifications',
        )
      ).body.items.filter(({ kind }) => kind === 'access.revoked')
    const before = (await told()).length
    const { client } = await made(full)
    await held(client.id)
    await change(client.id, { end_grants: true })
    await held(client.id)
    await app.call(owner, 'DELETE', `${path}/${client.id}`, { reason: 'it went wild' })
    const [removed, changed, ...rest] = await told()
    expect(rest).toHaveLength(before)
    expect(removed).toMatchObject({ reason: 'it went wild', ended: { grants: 1, tokens: 0, connections: 0 } })
    expect(changed).toMatchObject({
      reason: expect.stringMatching(/^The program .+ was changed\.$/),
      ended: { grants: 1 },
    })
  })

  it('a removal and a change at once: nothing of it lives on', async () => {
    const { client } = await made(full)
    const its = await held(client.id)
    const [removed, changed] = await Promise.all([
      app.call(owner, 'DELETE', `${path}/${client.id}`, {}),
      change(client.id, { name: 'Late' }),
    ])
    expect(removed.status).toBe(204)
    expect([200, 404]).toContain(changed.status)
    expect(await stateOf(its)).toEqual(ended)
    expect((await app.call(owner, 'GET', `${path}/${client.id}`)).status).toBe(404)
  })
})
