import { afterAll, beforeAll, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { toChoose } from '../support/choosing.ts'
import { startPassing } from '../support/passing.ts'
import { makeSearch } from '../support/traces.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

it('V-08 V-01 K-14: of a whole run at debug level, failures included, no upstream secret is in a log, a table or an answer but the one that hands it out', async () => {
  const account = 'owner@acme.test'
  let owner = await app.signIn(account)
  const member = await app.signIn('member@acme.test')
  const handedOut = new Map<string, string>()
  const issue = async (jar = owner, id = project) => {
    const { body } = await app.issue(jar, 'acme', id)
    if (body.value) handedOut.set(body.value, body.token.id)
    return body
  }
  const mint = 'POST /v2/storage/tokens'

  // The main job, for two people.
  const project = await app.linkProject(owner, 'acme', { account, project: '10231' })
  const theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  await app.call(owner, 'POST', `/tenants/acme/projects/${project}/scopes`)
  const first = await issue()
  await issue(member, theirs)
  await app.advance(3700)
  await issue()
  await app.linkProject(owner, 'acme', { account, project: '10231' })

  // Through the proxy: what passes, what is refused, what fails there, with the caller's own token and a foreign one.
  const passing = await startPassing(app.ctx)
  const { body: proxied } = await app.call<{ value: string; base_url: string; token: { id: string } }>(
    owner,
    'POST',
    `/tenants/acme/projects/${project}/tokens`,
    { strategy: 'proxy', scopes: { access: 'paths', paths: ['GET /**'] }, expires_in: 600, purpose: 'canary' },
  )
  handedOut.set(proxied.value, proxied.token.id)
  app.demo.faults.push('GET /v2/storage/tickets', { status: 500, body: { kind: 'html' } })
  for (const [path, options] of [
    ['/v2/storage/buckets', {}],
    ['/v2/storage/tickets', {}],
    ['/v2/storage/buckets', { method: 'DELETE' }],
    ['/v2/storage/%2e%2e/buckets', {}],
    ['/v2/storage/buckets', { headers: { 'x-storageapi-token': 'mine' } }],
    ['/v2/storage/buckets?access_token=x', {}],
  ] as const) {
    const { status, headers, text } = await passing.ask(proxied.base_url, path, { token: proxied.value, ...options })
    app.answered.push({ path, text: `${status} ${JSON.stringify(headers)} ${text}` })
  }
  await passing.proxy.tell()
  await passing.stop()

  // What goes wrong: in answers that echo what was sent, too.
  const echo =
    app
      .requests('POST /oauth/token')
      .map(({ body }) => body)
      .at(-1) ?? {}
  await app.link(owner, 'acme', { account, deny: true })
  for (const fault of [
    {
      status: 400,
      body: { kind: 'json' as const, value: { error: 'invalid_grant', error_description: JSON.stringify(echo) } },
    },
    { status: 200, effect: 'applied' as const, body: { kind: 'html' as const } },
    {
      status: 401,
      body: { kind: 'json' as const, value: { error: 'invalid_client', error_description: JSON.stringify(echo) } },
    },
  ]) {
    app.demo.faults.push('POST /oauth/token', fault)
    await app.link(owner, 'acme', { account, project: '10231' })
    app.demo.faults.push(mint, { ...fault, effect: 'skipped' })
    await issue()
    app.demo.faults.clear()
  }
  app.demo.faults.push(
    mint,
    { status: 500, effect: 'applied', body: { kind: 'empty' } },
    { status: 500, effect: 'applied', body: { kind: 'truncated' } },
  )
  await issue()
  app.demo.modes.set({ missingFields: ['refresh_token'] })
  await app.link(owner, 'acme', { account, project: '10231' })
  app.demo.modes.set({ missingFields: [], consentProject: '10232' })
  const [connection] = (await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/connections')).body
    .items
  await app.link(owner, 'acme', { account, connection: connection?.id ?? '' })
  app.demo.modes.set({ consentProject: null })
  const open = await app.startLink(owner, 'acme')
  const back = await approve(open.url, { account, project: '10231' })
  await app.follow(new Map(), back)
  await app.follow(owner, back.replace('state=', 'state=x'))

  // Storage tokens in place of a consent: taken, refused, rotated, with answers that fail and that echo; and with another tenant's project.
  const provider = await app.demoProvider(owner, 'acme')
  const settings = { allow_pasted_tokens: true }
  owner = await app.confirm(account, owner)
  await app.call(owner, 'PATCH', `/tenants/acme/providers/${provider}`, { settings })
  const own = (kind: 'master' | 'limited') => app.demo.makeStorageToken({ account, project: '10232', kind })
  const take = (token: string, more = {}) =>
    app.call<{ id: string }>(owner, 'POST', '/tenants/acme/connections', { provider, token, ...more })
  const { status, body: taken } = await take(own('limited'))
  expect(status).toBe(201)
  const rotate = () => app.call(owner, 'POST', `/tenants/acme/connections/${taken.id}/pasted-token/rotation`)
  for (const fault of [
    undefined,
    { status: 403, body: { kind: 'empty' as const } },
    { status: 200, body: { kind: 'wrong-types' as const } },
  ]) {
    if (fault) app.demo.faults.push('POST /v2/storage/tokens/*/refresh', fault)
    await rotate()
  }
  const echoed = own('master')
  const echoes = { status: 400, body: { kind: 'json' as const, value: { error: echoed, code: echoed } } }
  app.demo.faults.push('GET /v2/storage/tokens/verify', echoes)
  await take(echoed)
  await take(`${echoed} `)
  await take(echoed, { more: 1 })
  await take(`${echoed}x`)
  app.demo.faults.clear()

  // What somebody pastes or reports: every secret there has been so far, known and unknown, in forms that are taken and refused.
  const found = app.demo.ledger.tokens.map(({ value }) => value)
  const paste = (text: string) => app.call(owner, 'POST', '/tenants/acme/leaks', { text })
  const pasted = await paste([...found, proxied.value, proxied.value.slice(0, -3)].join('\n'))
  expect((pasted.body.found as { id: string }[]).map(({ id }) => id)).toContain(proxied.token.id)
  await paste(JSON.stringify({ runs: [{ results: found.map((text) => ({ message: { text } })) }] }))
  await paste(`${proxied.value}\0`)
  await paste(`${proxied.value} ${'x'.repeat(1024 * 1024)}`)
  for (const body of [
    JSON.stringify({ tokens: [...found.slice(0, 90), proxied.value.slice(0, -1)] }),
    JSON.stringify({ tokens: [`${proxied.value}x`], [proxied.value]: 1 }),
    `{"tokens":["${proxied.value}",${proxied.value}`,
  ])
    await app.send(
      new Map(),
      new Request('http://localhost:3000/oauth/report', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }),
    )

  // The stack's own sign-in for programs: linked, renewed, with children that are handed out and that are not, with a request through the
  // proxy, refusals that echo what was sent, and an end.
  const attempt = await toChoose(app, { jar: owner, admin: owner, account })
  type Chosen = { project: string; connection: string }
  const { body: many } = await app.call<Chosen>(owner, 'POST', `/tenants/acme/attempts/${attempt}/projects`, {
    projects: ['20877'],
  })
  const ofSession = `/tenants/acme/connections/${many.connection}`
  const renew = () => app.call(owner, 'POST', `${ofSession}/renewal`)
  const child = async () => {
    const asked = { strategy: 'exchange', scopes: { read_project: true }, expires_in: 600, purpose: 'canary' }
    const path = `/tenants/acme/projects/${many.project}/tokens`
    const { body } = await app.call<{ value?: string; token: { id: string } }>(owner, 'POST', path, asked)
    if (body.value) handedOut.set(body.value, body.token.id)
    return body
  }
  expect((await renew()).status).toBe(200)
  const { value: made = '' } = await child()
  expect(made).toMatch(/^kbc_at_/)
  app.demo.modes.set({ childSeconds: 7_200 })
  await child()
  app.demo.modes.set({ childSeconds: null })
  const ofStack = app.demo.ledger.tokens.filter(({ system }) => system === 'sessions').map(({ value }) => value)
  const prose = { body: { kind: 'json' as const, value: { error: ofStack.join(' '), code: ofStack.at(-1) } } }
  for (const status of [403, 500]) {
    app.demo.faults.push('POST /v1/auth/pat/exchange', { status, ...prose })
    await child()
    app.demo.faults.push('POST /v1/auth/token/refresh', { status, ...prose })
    await renew()
    app.demo.faults.push('GET /v1/auth/sessions', { status, ...prose })
    await app.call(owner, 'POST', `${ofSession}/upstream-sessions`)
    app.demo.faults.clear()
    await app.advance(60)
  }
  const { body: through } = await app.call<{ value: string; base_url: string; token: { id: string } }>(
    owner,
    'POST',
    `/tenants/acme/projects/${many.project}/tokens`,
    { strategy: 'proxy', scopes: { access: 'read_only' }, expires_in: 600, purpose: 'canary' },
  )
  handedOut.set(through.value, through.token.id)
  const passes = await startPassing(app.ctx)
  for (const path of ['/v2/storage/buckets', '/v1/auth/sessions']) {
    const { status, headers, text } = await passes.ask(through.base_url, path, { token: through.value })
    app.answered.push({ path, text: `${status} ${JSON.stringify(headers)} ${text}` })
  }
  await passes.proxy.tell()
  await passes.stop()
  await app.call(owner, 'POST', '/tenants/acme/revocations', { connections: [many.connection] })
  await tick(app.ctx)

  // The end of it.
  app.demo.faults.push(
    'DELETE /v2/storage/tokens/*',
    ...Array.from({ length: 3 }, () => ({ status: 503, body: { kind: 'html' as const } })),
  )
  await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [first.token.id] })
  await app.advance(700)
  await tick(app.ctx)
  for (const path of [
    '/projects',
    `/projects/${project}`,
    '/tokens?everybody=1',
    '/connections?everybody=1',
    '/attempts',
    '/revocations',
    '/audit-events',
    '/members',
    '/providers',
  ])
    await app.call(owner, 'GET', `/tenants/acme${path}`)
  await app.call(owner, 'POST', '/tenants/acme/revocations', { connections: [connection?.id] })

  const tokens = app.demo.ledger.tokens
  const sent = [
    ...app.requests('POST /oauth/token').flatMap(({ body }) => [body.code_verifier, body.client_secret]),
    ...app.requests('POST /v1/auth/pkce/token').map(({ body }) => body.codeVerifier),
  ]
  const secrets = [...new Set([...tokens.map(({ value }) => value), ...sent.filter((one) => typeof one === 'string')])]
  expect(new Set(tokens.map(({ kind }) => kind))).toEqual(new Set(['code', 'access', 'id', 'refresh', 'storage']))
  expect(secrets.length).toBeGreaterThan(30)
  expect(handedOut.size).toBeGreaterThan(2)
  expect(app.answered.length).toBeGreaterThan(40)

  const log = app.logged.join('\n')
  expect(log).toContain('"level":50')
  const tables = await app.rows(
    'acme',
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'vk'::regnamespace)`,
  )
  const stored: string[] = []
  for (const { name } of tables)
    for (const { row } of await app.rows(
      'acme',
      `SELECT t::text AS row FROM ${name === 'clock' ? 'vk.' : 'public.'}"${String(name)}" t`,
    ))
      stored.push(String(row))
  const dump = stored.join('\n')
  expect(dump).toContain('token.issued')

  const cookies = [owner, member].flatMap((jar) => [...jar.values()].filter((value) => value.length > 20))
  expect(cookies.length).toBeGreaterThan(1)
  const named = new Map(secrets.map((secret) => [secret, handedOut.get(secret) ?? 'an upstream secret']))
  // Of our own making, and so in no ledger.
  named.set(proxied.value, proxied.token.id)
  named.set(through.value, through.token.id)
  for (const cookie of cookies) named.set(cookie, 'a cookie')
  const search = makeSearch(named)
  // A positive control beside every sink: the same search finds what is put there.
  const planted = `${log}${Buffer.from(`x${secrets[0]}`).toString('base64url')}`
  expect(search.in(planted).length).toBeGreaterThan(0)
  expect(search.in(log), 'in the log').toEqual([])
  expect(search.in(dump), 'in a table').toEqual([])
  expect(search.in(await app.ctx.metrics.registry.metrics()), 'in a metric').toEqual([])
  const answers = app.answered.flatMap(({ path, text }) => search.in(text).map((trace) => ({ path, ...trace })))
  // As it is: what needs no escapes reads the same in these.
  const asItIs = ['plain', 'percent-encoded', 'JSON escapes']
  for (const { encoding } of answers) expect(asItIs).toContain(encoding)
  for (const { path } of answers.filter(({ name }) => name === 'a cookie'))
    expect(path).toMatch(/\/api\/auth\/|\/attempts$/)
  // Each in the one answer that shows it.
  const handed = answers.filter(({ name }) => name !== 'a cookie')
  for (const { path } of handed) expect(path).toMatch(/^\/api\/v1\/tenants\/acme\/projects\/\w+\/tokens$/)
  const shown = app.answered.filter(({ text }) => [...handedOut.keys()].some((value) => text.includes(value)))
  expect(shown.length).toBe(handedOut.size)
  expect(new Set(handed.map(({ name }) => name))).toEqual(new Set(handedOut.values()))
}, 60_000)
