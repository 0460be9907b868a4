// What an admin is told before a provider is made, and what its card says afterwards.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { providerList } from '../../lib/broker/providers.ts'
import { issueOffer } from '../../lib/broker/read/offer.ts'
import { SetupError } from '../../lib/providers/kind.ts'
import { checkedCertificates } from '../../lib/providers/oauth/setup.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { selfSigned } from '../support/certificate.ts'
import { growth, linearGrowth } from '../support/linear.ts'

let app: TestApp
let owner: Jar
let member: Jar
let issuer: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  issuer = app.demo.ticketsIssuer
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

type Fields = { fields?: Record<string, string> }
type Preview = { redirect_uri: string } & Record<string, unknown> & Fields
type Made = { id: string; redirect_uri: string; facts: { label: string; lines: Record<string, unknown>[] }[] } & Fields
const preview = (setup: unknown, jar = owner) =>
  app.call<Preview>(jar, 'POST', '/tenants/acme/provider-preview', { kind: 'oauth', setup })
const create = (setup: unknown, more: object = {}) =>
  app.call<Made>(owner, 'POST', '/tenants/acme/providers', {
    kind: 'oauth',
    name: 'A server',
    client_id: `client-${Math.random()}`,
    client_secret: 'the-secret-of-a-client',
    setup,
    ...more,
  })
const bases = () => [{ name: 'Tickets', url: `${issuer}/api` }]
const ofTenant = async (sql: string) => (await app.rows('acme', sql))[0]

describe('presets', () => {
  type Listed = { items: (Record<string, unknown> & { name: string; sources: { url: string }[] })[] }

  it('are listed with what is asked, what they can do, and where that was read', async () => {
    const { status, body } = await app.call<Listed>(member, 'GET', '/tenants/acme/provider-presets')
    expect(status).toBe(200)
    const gitlab = body.items.find(({ name }) => name === 'gitlab')
    expect(gitlab).toMatchObject({
      kind: 'oauth',
      title: 'GitLab',
      monogram: 'GL',
      variables: [{ name: 'host', default: 'gitlab.com' }],
      scopes: { always: ['openid', 'email'], fixed_at_registration: false },
      registration: { page: 'https://{host}/-/user_settings/applications', redirect_field: expect.any(String) },
      limited_tokens: { answer: 'no', reason: expect.stringContaining('for good') },
      revocation: { ends: 'both' },
      refresh: { way: 'rotates' },
      evidence: 'read',
    })
    const answers = new Map(body.items.map(({ name, limited_tokens }) => [name, limited_tokens]))
    expect(answers.get('slack')).toMatchObject({ answer: 'unknown' })
    expect(answers.get('github-oauth')).toMatchObject({ answer: 'no' })
    for (const { name, sources } of body.items) expect(sources.length, name).toBeGreaterThan(0)
    const titles = body.items.map(({ title }) => String(title))
    expect(titles).toEqual(titles.toSorted((a, b) => a.localeCompare(b, 'en')))
  })
})

describe('a preview', () => {
  it('of an issuer says what its metadata says, and the redirect URI that the provider will have', async () => {
    const setup = { issuer, api_bases: bases(), scopes: ['openid', 'tickets:read'] }
    const events = await ofTenant('SELECT count(*)::int AS count FROM audit_event')
    const { status, body } = await preview(setup)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      issuer,
      endpoints: expect.arrayContaining([
        { name: 'authorization_endpoint', url: `${issuer}/authorize` },
        { name: 'token_endpoint', url: `${issuer}/token` },
        { name: 'revocation_endpoint', url: `${issuer}/revoke` },
      ]),
      authentication: 'basic',
      client_authentication: 'secret',
      scopes: ['openid', 'tickets:read'],
      api_bases: bases(),
      certificates: [],
    })
    // Nothing came of it.
    expect(await ofTenant('SELECT count(*)::int AS count FROM audit_event')).toEqual(events)
    expect(await ofTenant(`SELECT count(*)::int AS count FROM provider WHERE name = 'A server'`)).toEqual({ count: 0 })
    const made = await create(setup)
    expect(made.status).toBe(201)
    expect(made.body.redirect_uri).toBe(body.redirect_uri)
  })

  it('of a preset needs no server, and asks for what is suggested', async () => {
    const { body } = await preview({ preset: 'linear' })
    expect(body).toMatchObject({
      issuer: 'https://linear.app',
      redirect_uri: expect.stringMatching(/\/oauth\/callback\/linear-app-[0-9a-f]{32}$/),
      authentication: 'post',
    })
    expect(body.scopes).toContain('read')
  })

  it('of an address says whether it can be used', async () => {
    const call = (issuer: string) =>
      app.call<Preview>(owner, 'POST', '/tenants/acme/provider-preview', { kind: 'keboola', issuer })
    expect((await call('https://connection.example.com')).body).toMatchObject({
      endpoints: [
        { name: 'authorization_endpoint', url: 'https://connection.example.com/oauth/authorize' },
        { name: 'token_endpoint', url: 'https://connection.example.com/oauth/token' },
      ],
      authentication: 'post',
      client_authentication: 'secret',
    })
    expect((await call('https://connection.example.com/path')).body.fields).toEqual({ issuer: expect.any(String) })
  })

  it('tells whom certificates name and when they end', async () => {
    const { cert } = selfSigned('ca.example', { isAuthority: true, end: '20270131' })
    const { body } = await preview({ issuer, api_bases: bases(), certificates: cert })
    expect(body.certificates).toEqual([{ subject: 'CN=ca.example', expires_at: '2027-01-31T23:59:59.000Z' }])
    // As some programs write them, with empty lines and blanks at the ends of lines.
    const { body: same } = await preview({
      issuer,
      api_bases: bases(),
      certificates: cert.replaceAll('\n', ' \r\n\n\t'),
    })
    expect(same.certificates).toEqual(body.certificates)
  })

  it('IV-03: blanks within a certificate cost no more than other characters', async () => {
    const read = (length: number) => {
      const text = `-----BEGIN CERTIFICATE-----${'\t'.repeat(length)}-----END CERTIFICATE-----`
      expect(() => checkedCertificates(text)).toThrow(SetupError)
    }
    expect(await growth(read, 40_000)).toBeLessThan(linearGrowth)
  })

  it.each([
    ['an issuer without metadata', () => ({ issuer: `${issuer}/nothing`, api_bases: bases() }), 'setup.issuer'],
    ['an issuer that is not public', () => ({ issuer: 'https://10.0.0.1', api_bases: bases() }), 'setup.issuer'],
    ['an issuer that is no URL', () => ({ issuer: 'https://a]b/', api_bases: bases() }), 'setup.issuer'],
    [
      'a sign-in page that is no URL',
      () => ({
        authorization_endpoint: 'https://%zz/authorize',
        token_endpoint: `${issuer}/token`,
        api_bases: bases(),
      }),
      'setup.authorization_endpoint',
    ],
    ['no API', () => ({ issuer }), 'setup.api_bases'],
    [
      'a variable that leaves its place',
      () => ({ preset: 'gitlab', variables: { host: 'a.example/b' } }),
      'setup.variables.host',
    ],
    ['an unknown preset', () => ({ preset: 'nobody' }), 'setup.preset'],
    ['two ways at once', () => ({ preset: 'linear', issuer }), 'setup'],
    ['a word that nobody knows', () => ({ preset: 'linear', wat: 1 }), 'setup.wat'],
    [
      'a parameter of ours',
      () => ({ preset: 'linear', authorization_parameters: { state: 'x' } }),
      'setup.authorization_parameters',
    ],
    ['what is no certificate', () => ({ preset: 'linear', certificates: 'nonsense' }), 'setup.certificates'],
    [
      'a certificate with its key',
      () => ({ preset: 'linear', certificates: Object.values(selfSigned('x.example')).join('') }),
      'setup.certificates',
    ],
    [
      'a binding that is not offered',
      () => ({ preset: 'linear', sender_constrained: true }),
      'setup.sender_constrained',
    ],
  ])('names the field that is wrong as creating does: %s', async (_name, setup, field) => {
    const answers = [await preview(setup()), await create(setup())]
    for (const { status, body } of answers) {
      expect(status).toBe(400)
      expect(Object.keys(body.fields ?? {}).some((name) => name === field || name.startsWith(`${field}.`))).toBe(true)
    }
    expect(answers[0]?.body.fields).toEqual(answers[1]?.body.fields)
  })

  it('is for admins, and names no kind that is not there', async () => {
    expect((await preview({ preset: 'linear' }, member)).body).toMatchObject({ code: 'forbidden' })
    const unknown = await app.call<Fields>(owner, 'POST', '/tenants/acme/provider-preview', { kind: 'nobody' })
    expect(Object.keys(unknown.body.fields ?? {})).toEqual(['kind'])
  })
})

describe('a project of an upstream without limited tokens of its own', () => {
  it('says so, its form has the reasons, and tokens are made through us alone', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const linked = await linkTickets()
    const read = () =>
      app.call<{ provider: { strategy: string | null } }>(owner, 'GET', `/tenants/acme/projects/${linked}`)
    expect((await read()).body.provider).toMatchObject({ strategy: 'narrow' })
    const declare = (offered: boolean) =>
      app.rows(
        'acme',
        `UPDATE provider SET settings = jsonb_set(settings, '{narrowing,offered}', $1) WHERE name = 'Demo tickets'`,
        [JSON.stringify(offered)],
      )
    await declare(false)
    expect((await read()).body.provider).toMatchObject({ strategy: 'proxy' })
    const offer = await issueOffer(app.ctx, actor, { project: linked, branch: null, token: 'A_TOKEN' })
    expect(offer?.ways.map(({ strategy }) => strategy)).toEqual(['proxy'])
    expect(offer?.offers.filter(({ offered }) => offered).map(({ strategy }) => strategy)).toEqual(['proxy'])
    expect(offer?.offers.every(({ reason }) => reason.length > 0)).toBe(true)
    const requests = app.demo.ledger.requests.length
    const asked = { scopes: { scopes: ['tickets:read'] }, strategy: 'narrow' }
    expect((await app.issue(owner, 'acme', linked, asked)).body).toMatchObject({ code: 'no_strategy' })
    // Who names rights of the upstream's means a token of it; through us they mean nothing.
    const unnamed = { scopes: { scopes: ['tickets:read'] } }
    expect((await app.issue(owner, 'acme', linked, unnamed)).body).toMatchObject({ code: 'no_strategy' })
    const meant = await app.issue(owner, 'acme', linked, { ...unnamed, strategy: 'proxy' })
    expect(meant.body).toMatchObject({ code: 'bad_request' })
    expect(app.demo.ledger.requests.length).toBe(requests)
    await declare(true)
  })

  async function linkTickets(): Promise<string> {
    const { id: provider } = await app.providerOf(await app.actorOf('owner@acme.test'), 'Demo tickets')
    const { body } = await app.call<{ url: string }>(owner, 'POST', '/tenants/acme/attempts', { provider })
    const { headers } = await app.follow(owner, await approve(body.url, { account: 'owner@acme.test' }))
    return /\/projects\/(prj_\w+)\?linked=1$/.exec(headers.get('location') ?? '')?.[1] ?? ''
  }
})

describe('the facts of a provider', () => {
  const linesOf = ({ facts }: Pick<Made, 'facts'>, label: string) => facts.find((fact) => fact.label === label)?.lines

  it('say what its tokens are for, how the client proves itself and what revoking does', async () => {
    const { body } = await create({ preset: 'gitlab', variables: { host: 'nowhere.invalid' } })
    expect(Object.keys(body.fields ?? {})).toEqual(['setup.issuer'])
    const actor = await app.actorOf('owner@acme.test')
    const tickets = (await providerList(app.ctx, actor)).find(({ name }) => name === 'Demo tickets')
    expect(tickets && linesOf(tickets, 'API')).toEqual([
      { text: `${issuer}/api`, form: 'code', note: 'Tickets', attention: false },
    ])
    expect(tickets && linesOf(tickets, 'Limited tokens')).toMatchObject([{ text: 'yes, by strategy narrow' }])
    expect(tickets && linesOf(tickets, 'Revoking one token')).toMatchObject([{ text: 'ends that token alone' }])
    const linear = await create({ preset: 'linear' })
    expect(linesOf(linear.body, 'Limited tokens')).toMatchObject([{ text: 'no', note: expect.any(String) }])
    expect(linesOf(linear.body, 'Revoking a connection')).toMatchObject([{ text: expect.stringContaining('ends') }])
  })

  it('of a client that signs name the address of its keys, which is there', async () => {
    const { body } = await create(
      { preset: 'linear', client_authentication: 'private_key_jwt' },
      { client_secret: undefined },
    )
    const address = `http://localhost:3000/oauth/client/${body.id}/jwks.json`
    expect(linesOf(body, 'Client proves itself by')?.[1]).toMatchObject({ text: address, form: 'copy' })
    const keys = await app.follow(new Map(), address)
    expect(keys.body).toMatchObject({ keys: [{ kty: expect.any(String) }] })
    expect(keys.text).not.toContain('"d"')
    // A secret in the place of the key would end every connection of this provider.
    const changed = await app.call<Fields>(owner, 'PATCH', `/tenants/acme/providers/${body.id}`, {
      client_secret: 'mine',
    })
    expect(body).toMatchObject({ client_authentication: 'key', has_secret: true })
    expect([changed.status, Object.keys(changed.body.fields ?? {})]).toEqual([400, ['client_secret']])
  })

  it('warn of a certificate that ends within a month', async () => {
    const { cert } = selfSigned('soon.example', { isAuthority: true, end: '20270131' })
    const actor = await app.actorOf('owner@acme.test')
    const made = await create({ issuer, api_bases: bases(), certificates: cert })
    expect(made.body).toMatchObject({ facts: expect.anything() })
    const seen = async (at: string) => {
      const ctx = { ...app.ctx, now: () => new Date(at) }
      const provider = (await providerList(ctx, actor)).find(({ id }) => id === made.body.id)
      return provider && linesOf(provider, 'CA certificates')
    }
    const line = { text: 'CN=soon.example', note: 'expires on 2027-01-31' }
    expect(await seen('2026-12-31T12:00:00Z')).toMatchObject([{ ...line, attention: false }])
    expect(await seen('2027-01-02T12:00:00Z')).toMatchObject([{ ...line, attention: true }])
    expect(await seen('2027-02-02T12:00:00Z')).toMatchObject([{ note: 'expired on 2027-01-31', attention: true }])
  })

  it('are for who oversees the tenant', async () => {
    const { body } = await app.call<{ items: Made[] }>(member, 'GET', '/tenants/acme/providers')
    expect(body.items.flatMap(({ facts }) => facts)).toEqual([])
  })
})
