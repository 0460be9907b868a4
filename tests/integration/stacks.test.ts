// Stacks of Keboola beside each other: the known ones and any other, and what is said of each by itself.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { type Demo, startDemo } from '../../demo/index.ts'
import { checkProvider } from '../../lib/broker/check.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider, type NewProvider, presetList, previewProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { sources, stacks } from '../../lib/providers/keboola/stacks.ts'
import { redirectFault } from '../../lib/tenancy/client-metadata.ts'
import { type Broker, type BrowserActor, origin, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'
import { demoKeys } from '../support/key-pairs.ts'

const email = 'owner@acme.test'
const secretOfB = 'the-secret-at-the-other-stack'
let broker: Broker
let owner: BrowserActor
/** Another stack, with people and projects of the same names and numbers. */
let other: Demo
let redirectUris: string[]
const none = { id: 'none', secret: 'none', redirectUris: [] }
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf(email)
})
afterAll(() => broker.stop())
beforeEach(async () => {
  // One that nobody uses: the engine takes no client without any.
  redirectUris = [`${origin}/none`]
  other = await startDemo({
    signinClient: none,
    ticketsClient: none,
    stackClient: { id: 'valetkey-there', secret: secretOfB, redirectUris },
    now: () => broker.ctx.now().getTime(),
    keys: demoKeys,
  })
})
afterEach(() => other.close())

let made = 0
/** A row for the other stack; its redirect URI is registered there unless that is left out. */
async function add(
  setup: object = {},
  { registered = true, ...more }: Partial<NewProvider> & { registered?: boolean } = {},
) {
  made += 1
  const provider = await createProvider(broker.ctx, owner, {
    kind: 'keboola',
    name: `Stack ${made}`,
    clientId: 'valetkey-there',
    clientSecret: secretOfB,
    setup: { issuer: other.url, ...setup },
    ...more,
  })
  if (registered) redirectUris.push(provider.redirectUri)
  return provider
}
const scopes = {
  components: [],
  buckets: { 'in.c-crm': 'read' as const },
  manage_buckets: false,
  read_all_files: false,
}
const issue = (project: string) =>
  issueToken(broker.ctx, owner, { project, scopes, lifetimeSeconds: 900, purpose: 'a' })
async function linked(options: Parameters<Broker['link']>[2]) {
  const result = await broker.link(owner, email, { project: '10231', ...options })
  if (result.kind === 'failed') throw result.error
  return result
}
const linesOf = async (id: string) =>
  Object.fromEntries((await checkProvider(broker.ctx, owner, id)).lines.map((line) => [line.id, line]))

describe('the gallery', () => {
  it('has every known stack with region, cloud and host, and says where that was read', () => {
    const offered = presetList().filter(({ kind }) => kind === 'keboola')
    expect(offered.map(({ place }) => place).sort()).toEqual(stacks.map(({ host }) => host).sort())
    expect(new Set(stacks.map(({ host }) => host)).size).toBe(stacks.length)
    for (const { region, cloud, host } of stacks) {
      const view = offered.find(({ place }) => place === host)
      expect(view?.title).toBe(`Keboola, ${region} (${cloud})`)
      expect(view?.sources.map(({ url }) => url)).toEqual(sources.map(({ url }) => url))
    }
  })

  it('each stack has its own address and redirect URI; nothing has to be typed', async () => {
    const previews = await Promise.all(
      stacks.map(({ name }) => previewProvider(broker.ctx, owner, { kind: 'keboola', setup: { stack: name } })),
    )
    expect(previews.map(({ issuer }) => issuer)).toEqual(stacks.map(({ host }) => `https://${host}`))
    expect(new Set(previews.map(({ redirectUri }) => redirectUri)).size).toBe(stacks.length)
    expect(previews[0]).toMatchObject({
      endpoints: [
        { name: 'authorization_endpoint', url: `https://${stacks[0]?.host}/oauth/authorize` },
        { name: 'token_endpoint', url: `https://${stacks[0]?.host}/oauth/token` },
      ],
      clientAuthentication: 'secret',
    })
  })

  it.each([
    ['two ways at once', { stack: 'keboola-us-aws', issuer: 'https://connection.example.com' }, 'setup.issuer'],
    ['none', {}, 'setup.issuer'],
    ['a stack that nobody knows', { stack: 'keboola-moon' }, 'setup.stack'],
    ['an address with a path', { issuer: 'https://connection.example.com/admin' }, 'setup.issuer'],
    ['an address inside', { issuer: 'https://10.0.0.1' }, 'setup.issuer'],
    [
      'a path that leads elsewhere',
      { stack: 'keboola-us-aws', authorize_path: '//evil.example/' },
      'setup.authorize_path',
    ],
    ['a path with dots', { stack: 'keboola-us-aws', token_path: '/oauth/../admin' }, 'setup.token_path'],
    ['another generation', { stack: 'keboola-us-aws', league: 7 }, 'setup.league'],
  ])('names the field that is wrong: %s', async (_, setup, field) => {
    const looked = previewProvider(broker.ctx, owner, { kind: 'keboola', setup })
    await expect(looked).rejects.toMatchObject({ code: 'bad_request', fields: { [field]: expect.any(String) } })
  })
})

// Before the clock is moved: theirs is the real one.
describe('the health of each stack', () => {
  const well = { connection: 'ok', client: 'ok', clock: 'ok', redirect: 'ok', verify: 'ok' }
  const statesOf = async (id: string) =>
    Object.fromEntries(Object.entries(await linesOf(id)).map(([name, { state }]) => [name, state]))

  it('K-26: is its own: what is wrong at one is said of that one alone', async () => {
    const here = await broker.providerOf(owner)
    const there = await add()
    expect(await statesOf(there.id)).toMatchObject(well)
    other.modes.set({ clientKnown: false })
    expect(await statesOf(there.id)).toMatchObject({ ...well, client: 'failed', redirect: 'failed' })
    expect(await statesOf(here.id)).toMatchObject(well)
    const { client } = await linesOf(there.id)
    expect(client?.seen).toMatch(/^This stack has no client registered for Valetkey/)
  })

  it('K-26 trap 10: a redirect URI that is not registered is said before anybody is stranded at the stack', async () => {
    const there = await add({}, { registered: false })
    const { client, redirect } = await linesOf(there.id)
    expect(client?.state).toBe('ok')
    expect(redirect).toMatchObject({ state: 'failed', seen: expect.stringContaining('401') })
    expect(redirect?.next).toContain(there.redirectUri)
  })

  it('K-26: a path that is not there, a clock that is off, a stack that is not reached', async () => {
    const wrong = await add({ authorize_path: '/oauth/consent' })
    expect((await linesOf(wrong.id)).redirect).toMatchObject({
      state: 'failed',
      seen: 'There is no sign-in page at its path.',
    })
    const away = await add({ issuer: 'http://127.0.0.1:1' }, { registered: false })
    expect(await statesOf(away.id)).toMatchObject({
      connection: 'failed',
      client: 'unknown',
      redirect: 'unknown',
      verify: 'unknown',
    })
    const late = await add({}, { clientId: 'valetkey-late' })
    const date = new Date(broker.ctx.now().getTime() - 600_000).toUTCString()
    for (const route of ['POST /oauth/token', 'GET /oauth/authorize', 'GET /v2/storage/tokens/verify'])
      other.faults.push(route, { headers: { date } })
    expect((await linesOf(late.id)).clock).toMatchObject({
      state: 'attention',
      seen: expect.stringContaining('behind ours'),
    })
  })
})

describe('what differs from stack to stack is of its row', () => {
  it('paths, scope and a public client: links, renews and makes tokens without a secret', async () => {
    other.modes.set({ clientType: 'public', authorizePath: '/oauth/consent', tokenPath: '/oauth/v2/token' })
    const setup = { client: 'public', authorize_path: '/oauth/consent', token_path: '/oauth/v2/token', scope: 'email' }
    const provider = await add(setup, { clientSecret: undefined })
    expect(provider).toMatchObject({ hasSecret: false, clientAuthentication: 'nothing' })
    expect(provider.facts).toMatchObject([
      { lines: [{ text: '/oauth/consent' }, { text: '/oauth/v2/token' }] },
      { lines: [{ text: 'email' }] },
      {},
      {},
      {},
    ])
    const { projectId, connectionId } = await linked({ provider: provider.name, alias: 'public-client' })
    const [asked] = other.ledger.requests.filter(({ path }) => path === '/oauth/consent')
    expect(asked?.query).toMatchObject({
      scope: 'email',
      code_challenge_method: 'S256',
      redirect_uri: provider.redirectUri,
    })
    await broker.advance(3700)
    await freshTokens(broker.ctx, { tenantId: owner.tenantId, connectionId })
    const sent = other.ledger.requests.filter(({ path }) => path === '/oauth/v2/token')
    expect(sent.map(({ body }) => body.grant_type)).toEqual(['authorization_code', 'refresh_token'])
    for (const { body } of sent) expect(body).not.toHaveProperty('client_secret')
    expect((await issue(projectId)).value).toBeTruthy()
    await revoke(broker.ctx, owner, { tokens: [], connections: [connectionId] })
  })

  it('a public client without PKCE is refused by the stack, so ours is never without', async () => {
    other.modes.set({ clientType: 'public' })
    const provider = await add({ client: 'public' }, { clientSecret: undefined })
    const started = await startLink(broker.ctx, owner, { providerId: provider.id, browser: owner.browser })
    const bare = new URL(started.url)
    bare.searchParams.delete('code_challenge')
    const answers = await Promise.all([bare, started.url].map((url) => fetch(url, { redirect: 'manual' })))
    expect(answers.map(({ status }) => status)).toEqual([400, 303])
  })

  it('the port of a loopback is free there and that of localhost is not, so a registration for one computer works at 127.0.0.1', async () => {
    other.modes.set({ clientType: 'public' })
    const provider = await add({ client: 'public' }, { clientSecret: undefined, registered: false })
    const { pathname } = new URL(provider.redirectUri)
    redirectUris.push(`http://127.0.0.1:48080${pathname}`, `http://localhost:48080${pathname}`)
    for (const [here, status] of [
      ['http://127.0.0.1:3000', 303],
      ['http://localhost:3000', 401],
    ] as const) {
      const ctx = await broker.makeContext({ VALETKEY_URL: here })
      const started = await startLink(ctx, owner, { providerId: provider.id, browser: owner.browser })
      expect((await fetch(started.url, { redirect: 'manual' })).status, here).toBe(status)
      await ctx.close()
    }
  })

  it.each([
    [9, 'degraded'],
    [8, 'needs_relink'],
    [undefined, 'needs_relink'],
  ] as const)('trap 11: 401 invalid_request ends a connection where League is %s: %s', async (league, status) => {
    const provider = await add({ ...(league && { league }) })
    const { connectionId } = await linked({ provider: provider.name, alias: `league-${league}` })
    await broker.advance(3700)
    other.faults.push('POST /oauth/token', {
      status: 401,
      effect: 'skipped',
      body: { kind: 'json', value: { error: 'invalid_request', hint: 'Token has been revoked' } },
    })
    await expect(freshTokens(broker.ctx, { tenantId: owner.tenantId, connectionId })).rejects.toBeInstanceOf(Error)
    const all = await connectionList(broker.ctx, owner)
    expect(all.find(({ id }) => id === connectionId)).toMatchObject({ status })
    await revoke(broker.ctx, owner, { tokens: [], connections: [connectionId] })
    await broker.advance(400)
  })
})

describe('several stacks side by side', () => {
  it('ASK-09: the same person, project number and right at two of them: each token is made, used and ended at its own', async () => {
    const there = await add()
    const a = await linked({ alias: 'same-here' })
    const b = await linked({ provider: there.name, alias: 'same-there' })
    expect(a.projectId).not.toBe(b.projectId)
    const secretsOf = (demo: Demo) => demo.ledger.tokens.map(({ value }) => value)
    const [one, two] = [await issue(a.projectId), await issue(b.projectId)]
    const works = async (demo: Demo, token: string) =>
      (await fetch(`${demo.url}/v2/storage/tokens/verify`, { headers: { 'x-storageapi-token': token } })).status
    const [first, second] = [one.value.reveal(), two.value.reveal()]
    expect(await Promise.all([works(broker.demo, first), works(other, second)])).toEqual([200, 200])
    expect(await Promise.all([works(other, first), works(broker.demo, second)])).toEqual([401, 401])

    // Both renew at once; neither stack is sent anything that the other one made.
    await broker.advance(3700)
    const keyOf = (connectionId: string) => ({ tenantId: owner.tenantId, connectionId })
    await Promise.all([a, b].map(({ connectionId }) => freshTokens(broker.ctx, keyOf(connectionId))))
    await revoke(broker.ctx, owner, { tokens: [one.token.id, two.token.id], connections: [] })
    for (const [demo, foreign] of [
      [broker.demo, other],
      [other, broker.demo],
    ] as const) {
      const asked = JSON.stringify(demo.ledger.requests.filter(({ path }) => !path.endsWith('/verify')))
      for (const value of secretsOf(foreign)) expect(asked).not.toContain(value)
      expect(asked).not.toContain(demo === other ? 'stack-client-secret' : secretOfB)
    }
  })

  it('ASK-09 L-07: an approval of one stack that comes back under the other’s address is sent to neither', async () => {
    const there = await add()
    const started = await startLink(broker.ctx, owner, { providerId: there.id, browser: owner.browser })
    const back = new URL(await approve(started.url, { account: email, project: '10231' }))
    back.pathname = '/oauth/callback/keboola-demo'
    const exchanges = () =>
      [broker.demo, other].flatMap(({ ledger }) => ledger.requests.filter(({ path }) => path === '/oauth/token'))
    const before = exchanges().length
    const result = await completeLink(broker.ctx, broker.callbackOf(back.href, owner))
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'issuer_mismatch' } })
    expect(exchanges().length).toBe(before)
  })
})

describe('where users of a platform run programs', () => {
  const hub = 'https://my-app-123.hub.eu-central-1.keboola.com'

  it.each([`${hub}/callback`, 'https://hub.keboola.com/callback', 'https://a.hub.acme.keboola.com./callback'])(
    'K-40: no client of ours may be sent a code at %s',
    (uri) => {
      expect(redirectFault(uri, { origin, isPublic: false })).toMatch(
        /where users of a platform run programs|as browsers write it/,
      )
      expect(redirectFault(uri, { origin, isPublic: true })).toBeTruthy()
    },
  )

  it('K-40: what merely sounds like it may', () => {
    for (const uri of [
      'https://github.com/callback',
      'https://hub.example.com/callback',
      'https://thehub.keboola.com/callback',
    ])
      expect(redirectFault(uri, { origin, isPublic: false })).toBeUndefined()
  })

  it('K-40: no stack is at such an address, and no Valetkey that runs there links at that stack', async () => {
    const look = (ctx: typeof broker.ctx, issuer: string) =>
      previewProvider(ctx, owner, { kind: 'keboola', setup: { issuer } })
    await expect(look(broker.ctx, hub)).rejects.toMatchObject({
      fields: { 'setup.issuer': expect.stringContaining('Programs of users') },
    })
    for (const [here, issuer, isRefused] of [
      [hub, 'https://connection.keboola.com', true],
      ['https://app.hub.acme.example', 'https://connection.acme.example', true],
      ['https://app.hub.acme.example', 'https://connection.keboola.com', false],
      ['https://valetkey.acme.example', 'https://connection.acme.example', false],
    ] as const) {
      const ctx = { ...broker.ctx, config: { ...broker.ctx.config, origin: here } }
      const result = await look(ctx, issuer).then(
        () => false,
        ({ fields }) => /where users of that stack run programs/.test(fields['setup.issuer']),
      )
      expect(result, here).toBe(isRefused)
    }
  })
})
