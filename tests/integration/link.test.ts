import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'

let app: TestApp
let owner: Jar
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  app.demo.modes.set(modesBefore)
  await app.forgetLimits()
})

const account = 'owner@acme.test'
/** What tests below change. */
const modesBefore: Parameters<TestApp['demo']['modes']['set']>[0] = {
  clientKnown: true,
  consent: 'ask',
  consentProject: null,
  stackIss: 'off',
  ownerId: 'number',
  mintStatus: 201,
  missingFields: [],
  loggedOutDropsRequest: false,
  expiresIn: 'number',
}
const exchanges = () => app.requests('POST /oauth/token', { grant_type: 'authorization_code' })
const project = (id: string) => app.call(owner, 'GET', `/tenants/acme/projects/${id}`)
const attempt = async (id: string, jar = owner, tenant = 'acme') =>
  (await app.call(jar, 'GET', `/tenants/${tenant}/attempts/${id}`)).body
const connections = async (jar = owner, tenant = 'acme') =>
  (await app.call<{ items: Record<string, unknown>[] }>(jar, 'GET', `/tenants/${tenant}/connections`)).body.items
const disconnectAll = async (jar = owner, tenant = 'acme') => {
  const ids = (await connections(jar, tenant)).filter(({ status }) => status !== 'revoked').map(({ id }) => id)
  if (ids.length > 0) await app.call(jar, 'POST', `/tenants/${tenant}/revocations`, { connections: ids })
}
/** A browser with the same cookies, which then goes its own way. */
const copyOf = (jar: Jar): Jar => new Map(jar)
const location = (answer: { headers: Headers }) => answer.headers.get('location') ?? ''

describe('linking a project', () => {
  it('K-01 K-02 K-03 L-03: asks with S256, a state of 256 bits and no scope; the project is what the person chose', async () => {
    const { url } = await app.startLink(owner, 'acme')
    const asked = new URL(url)
    expect(asked.origin + asked.pathname).toBe(`${app.demo.url}/oauth/authorize`)
    expect([...asked.searchParams.keys()].sort()).toEqual(
      ['client_id', 'code_challenge', 'code_challenge_method', 'redirect_uri', 'response_type', 'state'].sort(),
    )
    expect(asked.searchParams.get('code_challenge_method')).toBe('S256')
    expect(asked.searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/)
    expect(asked.searchParams.get('state')).toMatch(/^[\w-]{43}$/)
    expect(asked.searchParams.get('redirect_uri')).toBe(`${origin}/oauth/callback/keboola-demo`)
    const other = new URL((await app.startLink(owner, 'acme')).url)
    for (const name of ['state', 'code_challenge'])
      expect(other.searchParams.get(name)).not.toBe(asked.searchParams.get(name))

    const back = await app.follow(owner, await approve(url, { account, project: '10232' }))
    const id = location(back).match(/^\/t\/acme\/projects\/(prj_\w+)\?linked=1$/)?.[1]
    expect((await project(id ?? '')).body).toMatchObject({ external_id: '10232', name: 'Acme Data Science' })
  })

  it('K-04 K-05: the code is exchanged on the server with secret, verifier and the redirect URI of configuration', async () => {
    const before = exchanges().length
    const id = await app.linkProject(owner, 'acme', { account, project: '10231' })
    const [exchange, ...rest] = exchanges().slice(before)
    expect(rest).toEqual([])
    expect(exchange?.body).toMatchObject({
      grant_type: 'authorization_code',
      client_id: 'valetkey',
      client_secret: 'stack-client-secret',
      redirect_uri: `${origin}/oauth/callback/keboola-demo`,
    })
    expect(exchange?.body.code_verifier).toMatch(/^[\w-]{86}$/)
    expect((await project(id)).body).toMatchObject({ external_id: '10231', region: 'eu-central-1' })
  })

  it('K-08: id, name and role come from verify, whether the upstream writes its ids as numbers or as text', async () => {
    const asNumber = await app.linkProject(owner, 'acme', { account, project: '10231' })
    app.demo.modes.set({ ownerId: 'string' })
    const asText = await app.linkProject(owner, 'acme', { account, project: '10231' })
    expect(asText).toBe(asNumber)
    const { body } = await project(asText)
    expect(body).toMatchObject({
      external_id: '10231',
      connection: { account_name: 'Acme Owner', upstream_role: 'admin' },
    })
  })

  it('K-06 N-06 V-01 V-10: no token, code, state or verifier is stored in clear; the refresh token is kept sealed', async () => {
    await app.linkProject(owner, 'acme', { account, project: '10231' })
    const tables = await app.rows(
      'acme',
      `SELECT c.relname AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`,
    )
    const stored: string[] = []
    for (const { name } of tables)
      for (const row of await app.rows('acme', `SELECT t::text AS text FROM "${String(name)}" t`))
        stored.push(String(row.text))
    const dump = stored.join('\n')
    const sent = app
      .requests('POST /oauth/token')
      .flatMap(({ body }) => [body.code, body.code_verifier, body.refresh_token])
    const values = [...app.demo.ledger.tokens.map(({ value }) => value), ...sent].filter(
      (one) => typeof one === 'string',
    )
    expect(values.length).toBeGreaterThan(5)
    for (const value of values) expect(dump.includes(value), 'a secret in a table').toBe(false)
    for (const cookie of owner.values()) expect(dump.includes(cookie), 'a cookie in a table').toBe(false)
    const [row] = await app.rows(
      'acme',
      'SELECT refresh_token, access_token FROM connection WHERE refresh_token IS NOT NULL',
    )
    expect(String(row?.refresh_token).split('.')).toHaveLength(5)
    expect(String(row?.access_token).split('.')).toHaveLength(5)
  })

  it('K-13 L-01 L-09 N-23: a callback works once; what comes again says so and asks the upstream nothing', async () => {
    const { location: url, attempt: id } = await app.link(owner, 'acme', { account, project: '10231' })
    const before = app.demo.ledger.requests.length
    const again = await app.follow(owner, url)
    expect([again.status, location(again)]).toEqual([303, '/connect/failed?code=attempt_used'])
    expect(app.demo.ledger.requests.length).toBe(before)
    expect(await attempt(id)).toMatchObject({ status: 'done' })
  })

  it('L-09: of twenty deliveries at once one exchanges the code', async () => {
    const { url } = await app.startLink(owner, 'acme')
    const back = await approve(url, { account, project: '10231' })
    const before = exchanges().length
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.follow(copyOf(owner), back)))
    expect(exchanges().length - before).toBe(1)
    expect(answers.filter((one) => location(one).endsWith('?linked=1'))).toHaveLength(1)
    expect(answers.filter((one) => location(one) === '/connect/failed?code=attempt_used')).toHaveLength(19)
  })

  it('L-15 K-13: the callback answers with a clean address, is not kept, and no log has its query', async () => {
    const { url } = await app.startLink(owner, 'acme')
    const back = new URL(await approve(url, { account, project: '10231' }))
    const answer = await app.follow(owner, back.href)
    expect(answer.status).toBe(303)
    expect(location(answer)).toMatch(/^\/t\/acme\/projects\/prj_\w+\?linked=1$/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    expect(answer.text).toBe('')
    const log = app.logged.join('\n')
    for (const name of ['code', 'state']) {
      const value = back.searchParams.get(name) ?? ''
      expect(value.length).toBeGreaterThan(20)
      expect(log.includes(value)).toBe(false)
    }
  })

  it('C-06: only a navigation finishes a link: no script, frame, prefetch or HEAD uses the attempt up', async () => {
    const { url, id } = await app.startLink(owner, 'acme')
    const back = await approve(url, { account, project: '10231' })
    const others: Record<string, string>[] = [
      { 'sec-fetch-mode': 'cors' },
      { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
      { 'sec-fetch-dest': 'iframe' },
      { 'sec-purpose': 'prefetch' },
    ]
    for (const headers of others) expect((await app.follow(owner, back, headers)).status).toBe(403)
    const head = { method: 'HEAD', headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' } }
    expect((await app.send(owner, new Request(back, head))).status).toBe(405)
    expect(await attempt(id)).toMatchObject({ status: 'pending' })
    expect(location(await app.follow(owner, back))).toContain('?linked=1')
  })
})

describe('who may finish a link', () => {
  it('LK-01 LK-08 L-01: another browser of the same person, another person and nobody finish nothing; the starter still can', async () => {
    const { url, id } = await app.startLink(owner, 'acme')
    const back = await approve(url, { account, project: '10231' })
    const before = exchanges().length
    const sameSessionOtherBrowser = copyOf(owner)
    sameSessionOtherBrowser.set('__Host-valetkey-link', 'A'.repeat(43))
    const member = await app.signIn('member@acme.test')
    await app.startLink(member, 'acme')
    const stolenCookie = copyOf(member)
    stolenCookie.set('__Host-valetkey-link', owner.get('__Host-valetkey-link') ?? '')
    const secondSession = await app.signIn(account)
    secondSession.set('__Host-valetkey-link', owner.get('__Host-valetkey-link') ?? '')
    for (const jar of [sameSessionOtherBrowser, member, stolenCookie, secondSession])
      expect(location(await app.follow(jar, back))).toBe('/connect/failed?code=attempt_unknown')
    expect(
      location(await app.follow(new Map([['__Host-valetkey-link', owner.get('__Host-valetkey-link') ?? '']]), back)),
    ).toBe('/signin')
    expect(location(await app.follow(new Map(), back))).toBe('/connect/failed?code=attempt_unknown')
    expect(exchanges().length).toBe(before)
    expect(await attempt(id)).toMatchObject({ status: 'pending' })
    expect(location(await app.follow(owner, back))).toContain('?linked=1')
  })

  it('L-02 N-22: a missing, unknown, changed or repeated state asks the upstream nothing', async () => {
    const { url } = await app.startLink(owner, 'acme')
    const back = new URL(await approve(url, { account, project: '10231' }))
    const before = app.demo.ledger.requests.length
    const state = back.searchParams.get('state') ?? ''
    for (const change of [
      (query: URLSearchParams) => query.delete('state'),
      (query: URLSearchParams) => query.set('state', ''),
      (query: URLSearchParams) => query.set('state', 'A'.repeat(43)),
      (query: URLSearchParams) => query.set('state', `${state} `),
      (query: URLSearchParams) => query.append('state', state),
    ]) {
      const changed = new URL(back)
      change(changed.searchParams)
      expect(location(await app.follow(owner, changed.href))).toBe('/connect/failed?code=attempt_unknown')
    }
    expect(app.demo.ledger.requests.length).toBe(before)
    expect(location(await app.follow(owner, back.href))).toContain('?linked=1')
  })

  it('L-11: a repeated parameter ends the attempt before the code is used', async () => {
    // Also one that means nothing to us.
    for (const repeated of ['code', 'session_state']) {
      const { url, id } = await app.startLink(owner, 'acme')
      const back = new URL(await approve(url, { account, project: '10231' }))
      for (const value of ['one', 'another']) back.searchParams.append(repeated, value)
      const before = exchanges().length
      expect(location(await app.follow(owner, back.href))).toBe(`/connect/${id}`)
      expect(exchanges().length).toBe(before)
      expect(await attempt(id)).toMatchObject({ status: 'failed', outcome: 'upstream_protocol' })
    }
  })

  it('Z-06: of whoever may link no more when they come back, no code is exchanged', async () => {
    const { id: me } = (await app.call<{ id: string }>(owner, 'GET', '/me')).body
    for (const lost of [`role = 'auditor'`, `status = 'suspended'`]) {
      const { url, id } = await app.startLink(owner, 'acme')
      const back = await approve(url, { account, project: '10231' })
      await app.rows('acme', `UPDATE member SET ${lost} WHERE user_id = $1`, [me])
      const before = exchanges().length
      expect(location(await app.follow(owner, back))).toBe(`/connect/${id}`)
      expect(exchanges().length).toBe(before)
      await app.rows('acme', `UPDATE member SET role = 'owner', status = 'active' WHERE user_id = $1`, [me])
      expect(await attempt(id)).toMatchObject({ status: 'failed', outcome: 'forbidden' })
    }
  })

  it('L-01: ten minutes, then the attempt is over', async () => {
    const { url, id } = await app.startLink(owner, 'acme')
    const back = await approve(url, { account, project: '10231' })
    await app.advance(601)
    const before = exchanges().length
    expect(location(await app.follow(owner, back))).toBe('/connect/failed?code=attempt_expired')
    expect(exchanges().length).toBe(before)
    expect(await attempt(id)).toMatchObject({ status: 'expired' })
  })

  it('LK-04: tenant and provider come from the attempt: another tenant’s browser gets nowhere, the address says nothing', async () => {
    const globex = await app.signIn('owner@globex.test')
    const { url, id } = await app.startLink(owner, 'acme')
    const back = await approve(url, { account, project: '10232' })
    globex.set('__Host-valetkey-link', owner.get('__Host-valetkey-link') ?? '')
    const changed = new URL(back)
    changed.searchParams.set('tenant', 'globex')
    expect(location(await app.follow(globex, changed.href))).toBe('/connect/failed?code=attempt_unknown')
    for (const [jar, tenant] of [
      [globex, 'globex'],
      [globex, 'acme'],
      [owner, 'globex'],
    ] as const)
      expect((await app.call(jar, 'GET', `/tenants/${tenant}/attempts/${id}`)).status).toBe(404)
    expect(location(await app.follow(owner, changed.href))).toMatch(/^\/t\/acme\/projects\//)
    expect(await connections(globex, 'globex')).toEqual([])
  })
})

describe('more than one authorization server', () => {
  it('L-07: a code is sent only to the server that the attempt was made for, whatever callback it arrives at', async () => {
    owner = await app.confirm(account, owner)
    const second = await app.call<{ id: string; redirect_uri: string }>(owner, 'POST', '/tenants/acme/providers', {
      kind: 'keboola',
      name: 'Another stack',
      issuer: app.demo.url.replace('127.0.0.1', 'localhost'),
      client_id: 'valetkey',
      client_secret: 'another-secret',
    })
    expect(second.status).toBe(201)
    const otherKey = new URL(second.body.redirect_uri).pathname
    expect(otherKey).not.toBe('/oauth/callback/keboola-demo')
    const { url, id } = await app.startLink(owner, 'acme')
    const back = new URL(await approve(url, { account, project: '10231' }))
    const before = exchanges().length
    back.pathname = otherKey
    expect(location(await app.follow(owner, back.href))).toBe(`/connect/${id}`)
    expect(exchanges().length).toBe(before)
    expect(await attempt(id)).toMatchObject({ status: 'failed', outcome: 'issuer_mismatch' })
  })

  it('L-08: an attempt for one provider is refused at the callback of another, before anything leaves', async () => {
    const { body } = await app.call<{ items: { id: string; name: string }[] }>(owner, 'GET', '/tenants/acme/providers')
    const another = body.items.find(({ name }) => name === 'Another stack')
    const started = await app.call<{ id: string; url: string }>(owner, 'POST', '/tenants/acme/attempts', {
      provider: another?.id,
    })
    const state = new URL(started.body.url).searchParams.get('state')
    const before = app.demo.ledger.requests.length
    const answer = await app.follow(owner, `${origin}/oauth/callback/keboola-demo?code=abc&state=${state}`)
    expect(location(answer)).toBe(`/connect/${started.body.id}`)
    expect(app.demo.ledger.requests.length).toBe(before)
    expect(await attempt(started.body.id)).toMatchObject({ outcome: 'issuer_mismatch' })
  })

  it('L-06: an iss that names another server stops the flow before the code is used; the right one passes', async () => {
    app.demo.modes.set({ stackIss: 'wrong' })
    const before = exchanges().length
    const wrong = await app.link(owner, 'acme', { account, project: '10231' })
    expect(exchanges().length).toBe(before)
    expect(await attempt(wrong.attempt)).toMatchObject({ status: 'failed', outcome: 'issuer_mismatch' })
    app.demo.modes.set({ stackIss: 'on' })
    expect(location(await app.link(owner, 'acme', { account, project: '10231' }))).toContain('?linked=1')
  })
})

describe('every failure has its own outcome', () => {
  const hostile = '<script>alert(1)</script>'
  const cases: [string, string, () => void, { deny?: boolean }?][] = [
    ['K-17: a denial', 'link_denied', () => {}, { deny: true }],
    [
      'K-26: no client registered at the stack',
      'client_not_registered',
      () =>
        app.demo.faults.push('POST /oauth/token', {
          status: 401,
          body: { kind: 'json', value: { error: 'invalid_client', error_description: hostile } },
        }),
    ],
    [
      'K-17: an upstream that is down',
      'link_interrupted',
      () =>
        app.demo.faults.push(
          'POST /oauth/token',
          ...Array.from({ length: 4 }, () => ({ status: 503, body: { kind: 'empty' as const } })),
        ),
    ],
    [
      'K-17: a connection that is reset',
      'link_interrupted',
      () =>
        app.demo.faults.push('POST /oauth/token', ...Array.from({ length: 4 }, () => ({ reset: 'before' as const }))),
    ],
    [
      'K-27: HTML instead of JSON',
      'upstream_protocol',
      () => app.demo.faults.push('POST /oauth/token', { status: 200, effect: 'skipped', body: { kind: 'html' } }),
    ],
    [
      'K-27: HTML with a 502',
      'link_interrupted',
      () =>
        app.demo.faults.push(
          'POST /oauth/token',
          ...Array.from({ length: 4 }, () => ({ status: 502, body: { kind: 'html' as const } })),
        ),
    ],
    ['K-28: no access token', 'upstream_protocol', () => app.demo.modes.set({ missingFields: ['access_token'] })],
    ['N-24 K-28: no refresh token', 'no_refresh_token', () => app.demo.modes.set({ missingFields: ['refresh_token'] })],
    [
      'K-17: a refused code',
      'upstream_refused',
      () =>
        app.demo.faults.push('POST /oauth/token', {
          status: 400,
          body: { kind: 'json', value: { error: 'invalid_grant' } },
        }),
    ],
    ['K-28: a verify without a project', 'upstream_protocol', () => app.demo.modes.set({ missingFields: ['owner'] })],
  ]
  it.each(cases)('%s is %s to the person, and nothing is linked', async (_, code, prepare, more = {}) => {
    await disconnectAll()
    const live = (await connections()).filter(({ status }) => status !== 'revoked')
    prepare()
    const answer = await app.link(owner, 'acme', { account, project: '10231', ...more })
    expect([answer.status, location(answer)]).toEqual([303, `/connect/${answer.attempt}`])
    const ended = await attempt(answer.attempt)
    expect(ended).toMatchObject({ status: 'failed', outcome: code, can_adopt: false })
    expect(JSON.stringify(ended)).not.toContain(hostile)
    expect((await connections()).filter(({ status }) => status !== 'revoked')).toEqual(live)
    const { body } = await app.call<{ items: { action: string; details: Record<string, unknown> }[] }>(
      owner,
      'GET',
      '/tenants/acme/audit-events',
    )
    expect(body.items.find(({ details }) => details.attempt === answer.attempt)).toMatchObject({
      action: 'link.failed',
      details: { code },
    })
  })

  it('L-10 N-26: nothing that the upstream writes into the callback is shown, and the attempt is used up', async () => {
    const { url, id } = await app.startLink(owner, 'acme')
    const state = new URL(url).searchParams.get('state') ?? ''
    const query = new URLSearchParams({
      state,
      error: hostile,
      error_description: hostile,
      error_uri: `javascript:${hostile}`,
    })
    const answer = await app.follow(owner, `${origin}/oauth/callback/keboola-demo?${query}`)
    expect(location(answer)).toBe(`/connect/${id}`)
    expect(answer.text).toBe('')
    expect(JSON.stringify(await attempt(id))).not.toContain('script')
    expect(location(await app.follow(owner, `${origin}/oauth/callback/keboola-demo?${query}`))).toBe(
      '/connect/failed?code=attempt_used',
    )
  })

  it('K-39: when the upstream forgets the request, the attempt stays open: listed, resumed in place, given up at will', async () => {
    app.demo.modes.set({ loggedOutDropsRequest: true })
    const { url, id } = await app.startLink(owner, 'acme')
    const jar: { name: string; value: string; path: string }[] = []
    await expect(approve(url, { account, project: '10231', jar })).rejects.toThrow('forgot')
    const open = await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/attempts')
    expect(open.body.items.map((one) => one.id)).toContain(id)
    const resumed = await app.call<{ url: string }>(owner, 'POST', `/tenants/acme/attempts/${id}/resume`)
    expect(resumed.body.url).toBe(url)
    // By now the person is signed in there, so the request survives.
    expect(
      location(await app.follow(owner, await approve(resumed.body.url, { account, project: '10231', jar }))),
    ).toContain('?linked=1')
    expect((await app.call(owner, 'POST', `/tenants/acme/attempts/${id}/resume`)).body).toMatchObject({
      code: 'attempt_used',
    })

    const second = await app.startLink(owner, 'acme')
    const otherBrowser = copyOf(owner)
    otherBrowser.delete('__Host-valetkey-link')
    expect((await app.call(otherBrowser, 'POST', `/tenants/acme/attempts/${second.id}/resume`)).body).toMatchObject({
      code: 'attempt_unknown',
    })
    expect((await app.call(owner, 'DELETE', `/tenants/acme/attempts/${second.id}`)).status).toBe(204)
    expect((await app.call(owner, 'DELETE', `/tenants/acme/attempts/${second.id}`)).status).toBe(404)
    app.demo.modes.set({ loggedOutDropsRequest: false })
    expect(location(await app.follow(owner, await approve(second.url, { account, project: '10231' })))).toBe(
      '/connect/failed?code=attempt_used',
    )
  })

  it('L-13 L-14: neither a forged host nor parameters of ours change what is asked of the upstream', async () => {
    const provider = await app.demoProvider(owner, 'acme')
    const forged = { 'x-forwarded-host': 'evil.example', host: 'evil.example', forwarded: 'host=evil.example' }
    const { body } = await app.call<{ url: string }>(owner, 'POST', '/tenants/acme/attempts', { provider }, forged)
    expect(new URL(body.url).searchParams.get('redirect_uri')).toMatch(new RegExp(`^${origin}/oauth/callback/`))
    for (const extra of [
      { scope: 'all' },
      { redirect_uri: 'https://evil.example' },
      { prompt: 'none' },
      { client_id: 'x' },
    ])
      expect((await app.call(owner, 'POST', '/tenants/acme/attempts', { provider, ...extra })).status).toBe(400)
  })
})

describe('linking again', () => {
  const replacedGrants = (connection: unknown) =>
    app.rows('acme', `SELECT id FROM upstream_revocation WHERE connection_id = $1 AND kind = 'grant'`, [connection])

  it('K-15 K-25 LK-06: a relink replaces the tokens in place and keeps what it does not own', async () => {
    const id = await app.linkProject(owner, 'acme', { account, project: '10231' })
    const before = (await connections()).find((one) => (one.project as { id: string }).id === id)
    expect((await app.call(owner, 'PATCH', `/tenants/acme/connections/${before?.id}`, { branch: '4711' })).status).toBe(
      204,
    )
    const [sealed] = await app.rows('acme', 'SELECT refresh_token, token_version FROM connection WHERE id = $1', [
      before?.id,
    ])
    const replaced = await replacedGrants(before?.id)
    expect(await app.linkProject(owner, 'acme', { account, project: '10231', connection: String(before?.id) })).toBe(id)
    const after = (await connections()).filter((one) => (one.project as { id: string }).id === id)
    expect(after).toHaveLength(1)
    expect(after[0]).toMatchObject({ id: before?.id, branch: '4711', status: 'linked' })
    const [now] = await app.rows('acme', 'SELECT refresh_token, token_version FROM connection WHERE id = $1', [
      before?.id,
    ])
    expect(now?.refresh_token).not.toBe(sealed?.refresh_token)
    expect(Number(now?.token_version)).toBe(Number(sealed?.token_version) + 1)
    expect((await replacedGrants(before?.id)).length).toBe(replaced.length + 1)
    // The tokens that count are the second link's: the next refresh sends what it brought.
    const newest = app.demo.ledger.tokens
      .filter(({ kind, account: who }) => kind === 'refresh' && who === account)
      .at(-1)
    await app.advance(3700)
    expect((await app.call(owner, 'POST', `/tenants/acme/projects/${id}/scopes`)).status).toBe(200)
    expect(app.requests('POST /oauth/token', { grant_type: 'refresh_token' }).at(-1)?.body.refresh_token).toBe(
      newest?.value,
    )
  })

  it('K-23: linking a known project under another alias makes no second row, and offers the rename', async () => {
    const id = await app.linkProject(owner, 'acme', { account, project: '10231' })
    const count = (await connections()).length
    const again = await app.link(owner, 'acme', { account, project: '10231', alias: 'sales-two' })
    expect(location(again)).toBe(`/t/acme/projects/${id}?linked=1`)
    expect((await connections()).length).toBe(count)
    expect((await attempt(again.attempt)).detail).toContain('already has the alias')
    const renamed = await app.call(owner, 'PATCH', `/tenants/acme/projects/${id}`, { alias: 'sales-two' })
    expect(renamed.body).toMatchObject({ id, alias: 'sales-two' })
    for (const alias of renamed.body.aliases as string[]) expect((await project(alias)).body).toMatchObject({ id })
    expect((renamed.body.aliases as string[]).length).toBeGreaterThan(1)
  })

  it('K-16: an alias that stands for another project is refused with a plain word; the approval is not lost', async () => {
    await app.linkProject(owner, 'acme', { account, project: '10231' })
    const joint = await app.link(owner, 'acme', { account, project: '20877', alias: 'sales-two' })
    const refused = await attempt(joint.attempt)
    expect(refused).toMatchObject({ status: 'failed', outcome: 'alias_taken', can_adopt: true })
    // Nothing is to be chosen, so nobody chooses their way around the alias.
    const choices = `/tenants/acme/attempts/${joint.attempt}/projects`
    expect((await app.call(owner, 'GET', choices)).status).toBe(404)
    expect((await app.call(owner, 'POST', choices, { projects: ['20877'] })).status).toBe(404)
    const path = `/tenants/acme/attempts/${joint.attempt}/adopt`
    expect((await app.call(owner, 'POST', path, { alias: 'sales-two' })).body).toMatchObject({ code: 'alias_taken' })
    const adopted = await app.call<{ project: string }>(owner, 'POST', path, { alias: 'joint' })
    expect((await project(adopted.body.project)).body).toMatchObject({ alias: 'joint', external_id: '20877' })
    expect((await app.call(owner, 'POST', path, { alias: 'joint-two' })).status).toBe(404)
  })

  it('trap 15: another project chosen on reconnect changes nothing, says which, and can be linked as new', async () => {
    await app.linkProject(owner, 'acme', { account, project: '10231' })
    const connection = (await connections()).find(
      (one) => (one.project as { external_id: string }).external_id === '10231',
    )
    app.demo.modes.set({ consentProject: '10232' })
    const answer = await app.link(owner, 'acme', { account, connection: String(connection?.id) })
    expect(await attempt(answer.attempt)).toMatchObject({
      status: 'failed',
      outcome: 'another_project',
      can_adopt: true,
    })
    expect((await connections()).find(({ id }) => id === connection?.id)).toMatchObject({
      status: 'linked',
      project: { external_id: '10231' },
    })
    const adopted = await app.call<{ project: string }>(owner, 'POST', `/tenants/acme/attempts/${answer.attempt}/adopt`)
    expect((await project(adopted.body.project)).body).toMatchObject({ external_id: '10232' })
  })
})

describe('what others linked', () => {
  it('LK-03: another member and another tenant that link the same project get their own, and learn of nobody', async () => {
    const member = await app.signIn('member@acme.test')
    const globex = await app.signIn('owner@globex.test')
    await app.linkProject(owner, 'acme', { account, project: '10231' })
    const mine = await connections()
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).body).toEqual({ items: [] })
    const first = await app.link(member, 'acme', { account: 'member@acme.test', project: '10231' })
    expect(first.status).toBe(303)
    const theirs = await connections(member)
    expect(theirs).toHaveLength(1)
    expect(mine.map(({ id }) => id)).not.toContain(theirs[0]?.id)
    expect(await connections()).toEqual(mine)
    const card = (await app.call(member, 'GET', '/tenants/acme/projects')).text
    for (const { id, account_name, owner_id } of mine)
      for (const secret of [id, account_name, owner_id]) expect(card).not.toContain(String(secret))

    await app.linkProject(owner, 'acme', { account, project: '20877' })
    await app.linkProject(globex, 'globex', { account: 'owner@globex.test', project: '20877' })
    const [other] = await connections(globex, 'globex')
    expect(other).toMatchObject({ project: { external_id: '20877' }, account_name: 'Globex Owner' })
    expect((await app.call(globex, 'GET', '/tenants/globex/projects')).text).not.toContain('Acme Owner')
  })

  it('LK-02: an account upstream is no identity here: linking somebody else’s account makes nobody of them', async () => {
    const globex = await app.signIn('owner@globex.test')
    const [people] = await app.rows('globex', 'SELECT count(*)::int AS count FROM "user"')
    await app.linkProject(globex, 'globex', { account: 'owner@acme.test', project: '10232' })
    expect(await app.rows('globex', 'SELECT count(*)::int AS count FROM "user"')).toEqual([people])
    expect((await app.call(globex, 'GET', '/tenants/acme/projects')).status).toBe(404)
    const linked = (await connections(globex, 'globex')).find(
      (one) => (one.project as { external_id: string }).external_id === '10232',
    )
    const me = await app.call(globex, 'GET', '/me')
    expect(linked?.owner_id).toBe(me.body.id ?? (me.body.user as { id: string }).id)
  })

  it('LK-05 K-35: unlinking wipes the ciphertext, ends what was issued, and the grant is answered for', async () => {
    await disconnectAll()
    const id = await app.linkProject(owner, 'acme', { account, project: '10231' })
    const { body } = await app.issue(owner, 'acme', id)
    expect(await app.useToken(body.value)).toBe(200)
    const connection = body.token.connection_id
    const ended = await app.call<{ items: Record<string, unknown>[] }>(owner, 'POST', '/tenants/acme/revocations', {
      connections: [connection],
    })
    expect(ended.body.items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'connection', already: false, blocked_here: true, upstream: 'impossible' }),
        expect.objectContaining({ kind: 'token', id: body.token.id, upstream: 'confirmed', latest_moment: null }),
      ]),
    )
    expect(await app.useToken(body.value)).toBe(401)
    expect(
      app.demo.ledger.tokens.filter(({ kind, account: who, live }) => kind === 'storage' && who === account && live),
    ).toEqual([])
    const [row] = await app.rows('acme', 'SELECT refresh_token, access_token FROM connection WHERE id = $1', [
      connection,
    ])
    expect(row).toEqual({ refresh_token: null, access_token: null })
    expect((await app.issue(owner, 'acme', id)).body).toMatchObject({ code: 'not_linked' })
  })
})
