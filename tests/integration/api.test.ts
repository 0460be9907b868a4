import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

const guarded = operations.filter(({ permission, path }) => permission !== 'public' && path.startsWith('/api/v1/'))
const pathOf = (path: string) =>
  path
    .replace('/api/v1', '')
    .replace('{tenant}', 'acme')
    .replaceAll(/\{\w+\}/g, 'none')

describe('every operation by itself', () => {
  it.each(byAddress(guarded))(
    'Z-04 %s: the handler refuses who is not signed in, whatever came before it',
    async (_, { method, path }) => {
      const forged: Record<string, string>[] = [
        {},
        { 'x-middleware-subrequest': 'middleware:middleware' },
        { 'x-middleware-next': '1', 'x-user': 'owner@acme.test', 'x-forwarded-user': 'owner@acme.test' },
        { 'user-agent': 'kube-probe/1.31' },
        { authorization: 'Bearer anything' },
        { rsc: '1', 'next-router-prefetch': '1' },
      ]
      for (const headers of forged) {
        const { status, body } = await app.call(new Map(), method, pathOf(path), {}, headers)
        expect([status, body.code]).toEqual([401, 'unauthenticated'])
      }
    },
  )

  it.each(byAddress(guarded.filter(({ method }) => method !== 'GET')))(
    'C-01 %s: what another site sends is refused before anything is looked up',
    async (_, { method, path }) => {
      const forged: Record<string, string>[] = [
        { 'sec-fetch-site': 'cross-site' },
        { origin: 'https://evil.example' },
        { 'x-valetkey': '' },
      ]
      for (const headers of forged) {
        const { status, body } = await app.call(owner, method, pathOf(path), {}, headers)
        expect([status, body.code]).toEqual([403, 'cross_site'])
      }
    },
  )

  it.each(byAddress(guarded))('V-09 %s: a token in the address is refused', async (_, { method, path }) => {
    const given = path.includes('{project}') ? path.replace('{project}', project) : path
    for (const name of ['access_token', 'token']) {
      const { status, body } = await app.call(owner, method, `${pathOf(given)}?${name}=x`)
      // Not only unknown here: the sender is told that the token is burnt.
      expect([status, body.detail]).toEqual([400, expect.stringContaining('leaked')])
    }
  })
})

describe('link cookie', () => {
  it('S-09 V-10: is host-bound, http-only, secure and lax, set once, and stored as a hash alone', async () => {
    const jar = await app.signIn('owner@acme.test')
    const provider = await app.demoProvider(jar, 'acme')
    const first = await app.call(jar, 'POST', '/tenants/acme/attempts', { provider })
    const [line, ...others] = first.headers.getSetCookie()
    expect(others).toEqual([])
    expect(line).toMatch(/^__Host-valetkey-link=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    const again = await app.call(jar, 'POST', '/tenants/acme/attempts', { provider })
    expect(again.headers.getSetCookie()).toEqual([])
    const rows = await app.rows('acme', 'SELECT a::text AS text FROM attempt a')
    expect(rows.map(({ text }) => text).join('\n')).not.toContain(jar.get('__Host-valetkey-link'))
    jar.set('__Host-valetkey-link', 'short')
    expect((await app.call(jar, 'POST', '/tenants/acme/attempts', { provider })).headers.getSetCookie()).toHaveLength(1)
  })
})

describe('sealed values in the wrong place', () => {
  it('V-03 V-04: a stored token that was moved or edited opens nowhere: no call, an event, and the lists still work', async () => {
    const other = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10232' })
    const columns = `SELECT c.id, c.refresh_token, c.access_token FROM connection c
      JOIN connection_project p ON p.tenant_id = c.tenant_id AND p.connection_id = c.id WHERE p.project_id = $1`
    const [mine] = await app.rows('acme', columns, [project])
    const [foreign] = await app.rows('acme', columns, [other])
    const put = (values: unknown[]) =>
      app.rows('acme', 'UPDATE connection SET refresh_token = $2, access_token = $3 WHERE id = $1', [
        mine?.id,
        ...values,
      ])
    // Not the last character: some of its bits are padding, and a change there may change nothing.
    const flipped = String(mine?.access_token).replace(/.(?=.{9}$)/, (one) => (one === 'A' ? 'B' : 'A'))
    for (const [refresh, access] of [
      [mine?.refresh_token, foreign?.access_token],
      [mine?.refresh_token, mine?.refresh_token],
      [mine?.refresh_token, flipped],
    ]) {
      await put([refresh, access])
      const requests = app.demo.ledger.requests.length
      expect((await app.issue(owner, 'acme', project)).body).toMatchObject({ code: 'needs_relink' })
      expect(app.demo.ledger.requests.length).toBe(requests)
      expect((await app.call(owner, 'GET', '/tenants/acme/projects')).status).toBe(200)
      expect((await app.call(owner, 'GET', '/tenants/acme/connections')).status).toBe(200)
    }
    const scopes = { buckets: { 'in.c-features': 'read' } }
    expect((await app.issue(owner, 'acme', other, { scopes })).status).toBe(201)
    const [events] = await app.rows(
      'acme',
      `SELECT count(*)::int AS count FROM audit_event WHERE body->>'action' = 'refresh.failed' AND body->'details'->>'cause' = 'unreadable'`,
    )
    expect(events?.count).toBeGreaterThan(0)
    await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    expect((await app.issue(owner, 'acme', project)).status).toBe(201)
  })
})

describe('tenants and people', () => {
  it('an invitation admits once, its secret stands in a fragment, and what it opened is seen at once', async () => {
    const made = await app.call<{ id: string; url: string }>(owner, 'POST', '/tenants/acme/invitations', {
      role: 'auditor',
      note: 'audit 2026',
    })
    expect(made.status).toBe(201)
    const url = new URL(made.body.url)
    expect([url.origin, url.pathname]).toEqual([origin, '/invitation'])
    const secret = url.hash.slice(1)
    // Whoever holds the secret learns where it leads, signed in or not, and nothing else of the tenant.
    expect((await app.call(new Map(), 'POST', '/invitations/preview', { secret })).body).toEqual({
      tenant: 'Acme',
      role: 'auditor',
      state: 'open',
      expires_at: expect.any(String),
    })
    const guess = { secret: `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}` }
    expect((await app.call(new Map(), 'POST', '/invitations/preview', guess)).status).toBe(404)
    const globex = await app.signIn('owner@globex.test')
    expect((await app.call(globex, 'GET', '/tenants/acme/members')).status).toBe(404)
    expect((await app.call(globex, 'POST', '/invitations/accept', { secret })).body).toEqual({ slug: 'acme' })
    const members = await app.call<{ items: { email: string; role: string }[] }>(globex, 'GET', '/tenants/acme/members')
    expect(members.body.items.find(({ email }) => email === 'owner@globex.test')).toMatchObject({ role: 'auditor' })
    expect((await app.call(member, 'POST', '/invitations/accept', { secret })).body).toMatchObject({
      code: 'invitation_unknown',
    })
    expect(app.logged.join('\n')).not.toContain(secret)
    const open = await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/invitations')
    expect(open.body.items.map(({ id }) => id)).not.toContain(made.body.id)
  })

  it('makes tenants for who may, and for nobody else', async () => {
    expect((await app.call(owner, 'POST', '/tenants', { name: 'Other', slug: 'other' })).body).toMatchObject({
      code: 'forbidden',
    })
    expect((await app.call(owner, 'POST', '/tenants', { name: '‮evil', slug: 'other' })).status).toBe(400)
    expect((await app.call(owner, 'POST', '/tenants', { name: 'Other', slug: 'Not A Slug' })).status).toBe(400)
  })

  it('a provider’s secret goes in and never comes out; members do not see client ids', async () => {
    const made = await app.call<{ id: string }>(owner, 'POST', '/tenants/acme/providers', {
      kind: 'keboola',
      name: 'ﬁne  stack',
      issuer: 'https://connection.example.com',
      client_id: 'client-of-acme',
      client_secret: 'a-secret-that-stays',
      max_lifetime_seconds: 600,
    })
    expect(made.body).toMatchObject({
      name: 'fine  stack',
      client_id: 'client-of-acme',
      has_secret: true,
      max_lifetime_seconds: 600,
    })
    expect(
      await app.call(owner, 'PATCH', `/tenants/acme/providers/${made.body.id}`, { max_lifetime_seconds: null }),
    ).toMatchObject({
      status: 200,
      body: { max_lifetime_seconds: null },
    })
    expect(
      (await app.call(owner, 'PATCH', `/tenants/acme/providers/${made.body.id}`, { issuer: 'https://x.example' }))
        .status,
    ).toBe(400)
    const seen = await app.call(member, 'GET', '/tenants/acme/providers')
    expect(seen.text).not.toContain('client-of-acme')
    expect(app.answered.some(({ text }) => text.includes('a-secret-that-stays'))).toBe(false)
    expect(app.logged.join('\n')).not.toContain('a-secret-that-stays')
  })

  it('pages of tokens and events follow one another without a gap', async () => {
    for (let index = 0; index < 3; index += 1) await app.issue(owner, 'acme', project)
    const first = await app.call<{ items: { id: string }[]; total: number; next: string | null }>(
      owner,
      'GET',
      '/tenants/acme/tokens',
    )
    expect(first.body.total).toBe(first.body.items.length)
    const [newest, second] = first.body.items
    const rest = await app.call<{ items: { id: string }[] }>(owner, 'GET', `/tenants/acme/tokens?before=${newest?.id}`)
    expect(rest.body.items[0]?.id).toBe(second?.id)
    expect(first.body.next).toBe(null)
  })
})
