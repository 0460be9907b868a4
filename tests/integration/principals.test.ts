// Who calls: browsers by their cookie, programs by a token. The token here is one that only this test recognises.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type GrantCredential,
  grantKind,
  type Principal,
  type Scope,
  scopes,
  type TokenCredential,
} from '../../lib/actor.ts'
import { catalogue } from '../../lib/audit/catalogue.ts'
import { putContext } from '../../lib/context.ts'
import type { Operation } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { newId } from '../../lib/security/ids.ts'
import { act } from '../../lib/store/authority.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { askedOf } from '../support/asked.ts'
import { claimed, startDevice } from '../support/authorization.ts'
import { type Email, origin } from '../support/broker.ts'
import { challengeOf } from '../support/challenge.ts'
import { toChoose } from '../support/choosing.ts'
import {
  bodyFor,
  declaredBy,
  eventsOf,
  expectDeclared,
  forBrowsers,
  forPrograms,
  guarded,
  inOrder,
  neededBy,
  queries,
} from '../support/operations.ts'
import { insertGrant } from '../support/programs.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { audienceBody, bodiesFor, makeThings, pathOf, type Things } from '../support/things.ts'

let app: TestApp
let owner: Jar
let admin: Jar
let receiver: Receiver
let things: Things
let person: Omit<Principal<TokenCredential>, 'credential'>
const programs = new Map<string, Principal<TokenCredential>>()

beforeAll(async () => {
  app = await startTestApp()
  putContext({ ...app.ctx, authenticators: [async ({ kind, token }) => programs.get(`${kind} ${token}`)] })
  receiver = await startReceiver()
  owner = await app.signIn('owner@acme.test')
  admin = await app.signIn('member@acme.test')
  const { id } = (await app.call<{ id: string }>(admin, 'GET', '/me')).body
  await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [id])
  things = await makeThings(app, admin, { account: 'owner@acme.test', project: '10231', receiver })
  const grant = await insertGrant(app, 'acme', { id: 'grt_test', client: 'cli_test', user: id, scopes })
  expect(grant).toBe('grt_test')
  const now = app.ctx.now()
  person = {
    userId: id,
    issuer: app.ctx.config.signin.issuer,
    subject: 'acct-3002',
    name: 'member@acme.test',
    email: null,
    operator: false,
    authTime: now,
    createdAt: now,
    expiresAt: new Date(now.getTime() + 3_600_000),
  }
  // The program's grant, which lets it issue whatever its person may.
  const tenant = await app.tenantId('acme')
  await app.rows(
    'acme',
    `INSERT INTO api_client (id, tenant_id, created_at) VALUES ('cli_test', $1, vk_now()) ON CONFLICT DO NOTHING`,
    [tenant],
  )
  await app.rows(
    'acme',
    `INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, scopes, ceilings, generations, created_at)
     VALUES ($1, 'grt_test', $2, 'cli_test', $3, $4, vk.grant_generations($1, $2, 'cli_test', NULL), vk_now())
     ON CONFLICT (tenant_id, id) DO UPDATE SET ceilings = excluded.ceilings`,
    [tenant, id, scopes, { [String(things.project)]: { rights: null, proxy: null } }],
  )
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
afterEach(() => app.forgetLimits())
// What one test ends is not what the next is about.
beforeEach(async () => {
  await app.rows(
    'acme',
    `UPDATE oauth_grant SET generation = 0, ended_at = NULL, ended_by = NULL, end_cause = NULL WHERE id = 'grt_test'`,
  )
  await app.rows(
    'acme',
    `UPDATE oauth_grant g SET generations = vk.grant_generations(g.tenant_id, g.user_id, g.client_id, g.id) WHERE ended_at IS NULL`,
  )
  await app.rows('acme', `UPDATE upstream_revocation SET state = 'failed', finished_at = now() WHERE id = $1`, [
    things.revocation,
  ])
})

/** What a program of the admin's sends: its token, and none of what a browser's change carries. */
function program(held: readonly Scope[], kind: GrantCredential['kind'] = 'bearer'): Record<string, string> {
  const token = newId('request')
  programs.set(`${kind} ${token}`, {
    ...person,
    credential: { ...grantKind(kind === 'dpop' ? 'a key' : null), client: 'cli_test', grant: 'grt_test', scopes: held },
  })
  return { authorization: `${kind === 'dpop' ? 'DPoP' : 'Bearer'} ${token}` }
}

/** Without any header of a browser. */
async function send(operation: Operation, headers: Record<string, string>, given: Partial<Things> = things) {
  const request = new Request(
    `${origin}/api/v1${pathOf(operation.path, 'acme', given)}${queries[operation.id] ?? ''}`,
    {
      method: operation.method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(operation.method !== 'GET' && { body: JSON.stringify(bodyFor(operation, things, receiver)) }),
    },
  )
  return app.send(new Map(), request)
}
const cookieOf = (jar: Jar) => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')

describe('a program with a token', () => {
  it.each(byAddress(forPrograms))('%s: is refused without the scope, and told which', async (_, operation) => {
    for (const missing of neededBy(operation)) {
      const held = scopes.filter((scope) => scope !== missing)
      for (const [kind, scheme] of [
        ['bearer', 'Bearer'],
        ['dpop', 'DPoP'],
      ] as const) {
        const { status, body, headers } = await send(operation, program(held, kind))
        expect([status, body.code]).toEqual([403, 'insufficient_scope'])
        expect(headers.get('www-authenticate')).toBe(
          challengeOf(scheme, `error="insufficient_scope", scope="${missing}"`),
        )
      }
    }
  })

  it.each(byAddress(forBrowsers))('%s: is for browsers alone, whatever the token may', async (_, operation) => {
    const { status, body } = await send(operation, program(scopes))
    expect([status, body.code]).toEqual([403, 'browser_only'])
  })

  it.each(byAddress(guarded))('%s: a cookie sent beside a token is not read', async (_, operation) => {
    const cookie = cookieOf(admin)
    const own = { cookie, origin, 'x-valetkey': '1', 'sec-fetch-site': 'same-origin' }
    const weak = await send(operation, { ...own, ...program([]) })
    expect(weak.status).toBe(403)
    for (const [authorization, scheme] of [
      ['Bearer nobody-knows-it', 'Bearer'],
      ['bearer', 'Bearer'],
      ['DPoP nobody-knows-it', 'DPoP'],
      [`${program(scopes).authorization}, ${program(scopes).authorization}`, 'Bearer'],
    ] as const) {
      const unknown = await send(operation, { ...own, authorization })
      expect([unknown.status, unknown.body.code], authorization).toEqual([401, 'unauthenticated'])
      expect(unknown.headers.get('www-authenticate')).toBe(challengeOf(scheme, 'error="invalid_token"'))
    }
  })

  it('is a program of its person: their role and membership hold for it', async () => {
    const listed = guarded.find(({ id }) => id === 'listMembers') as Operation
    const set = (role: string, status: string) =>
      app.rows('acme', 'UPDATE member SET role = $1, status = $2 WHERE user_id = $3', [role, status, person.userId])
    const everything = program(scopes)
    const freezes = guarded.find(({ id }) => id === 'listFreezes') as Operation
    await set('member', 'active')
    expect((await send(freezes, everything)).body).toMatchObject({ code: 'forbidden' })
    await set('admin', 'suspended')
    expect((await send(listed, everything)).status).toBe(404)
    await set('admin', 'active')
    expect((await send(listed, everything)).status).toBe(200)
  })

  it('a right over other people’s things takes its scope as well, in reads and in the act’s own transaction', async () => {
    const call = (path: string, held: Scope[], body?: object) =>
      app.send(
        new Map(),
        new Request(`${origin}/api/v1/tenants/acme/${path}`, {
          method: body ? 'POST' : 'GET',
          headers: { 'content-type': 'application/json', ...program(held) },
          ...(body && { body: JSON.stringify(body) }),
        }),
      )
    expect((await call('tokens', ['projects:read'])).status).toBe(200)
    expect((await call('tokens?everybody=1', ['projects:read'])).body.code).toBe('insufficient_scope')
    expect((await call('tokens?everybody=1', ['projects:read', 'tenant:read'])).status).toBe(200)
    const theirs = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    const { token } = (await app.issue(owner, 'acme', theirs)).body
    expect((await call('revocations', ['tokens:revoke'], { tokens: [token.id] })).status).toBe(404)
    const both: Scope[] = ['tokens:revoke', 'tenant:manage']
    expect((await call('revocations', both, { connections: [token.connection_id] })).body.code).toBe(
      'insufficient_scope',
    )
    expect((await call('revocations', both, { tokens: [token.id] })).status).toBe(200)
    const actor = await app.actorOf('member@acme.test')
    const credential = { kind: 'bearer', client: 'cli_test', grant: 'grt_test', scopes: ['tenant:read'] } as const
    await expect(act(app.ctx, { ...actor, credential }, 'administer', async () => 'done')).rejects.toMatchObject({
      code: 'insufficient_scope',
    })
  })
})

describe('a browser with a cookie', () => {
  it.each(byAddress(guarded.filter(({ method }) => method !== 'GET')))(
    'C-01 C-03 %s: needs every layer against other sites',
    async (_, operation) => {
      const whole: Record<string, string> = { origin, 'x-valetkey': '1', 'sec-fetch-site': 'same-origin' }
      const cookie = cookieOf(admin)
      const wrong: Record<string, string>[] = [
        {},
        { ...whole, origin: 'https://evil.example' },
        { ...whole, 'sec-fetch-site': 'cross-site' },
        { origin, 'sec-fetch-site': 'same-origin' },
        // Neither another scheme nor an empty one makes a program of it.
        { authorization: 'Basic eDp5' },
        { authorization: '' },
      ]
      for (const headers of wrong) {
        const { status, body } = await send(operation, { cookie, ...headers })
        expect([status, body.code], JSON.stringify(headers)).toEqual([403, 'cross_site'])
      }
    },
  )
})

describe('every operation, done once by whom it is for', () => {
  it('G-01: a refusal says whether it was the role or the scope, and through which program', async () => {
    const freeze = guarded.find(({ id }) => id === 'createFreeze') as Operation
    const [event] = await eventsOf(app, await send(freeze, program(['tenant:read'])))
    expect(event).toMatchObject({
      action: 'access.denied',
      client: 'cli_test',
      details: { role: 'admin', code: 'insufficient_scope' },
    })
  })

  it.each(byAddress(forBrowsers))('%s: as a browser, with the event that it declares', async (_, operation) => {
    const jar = new Map(admin)
    let tenant = 'acme'
    let given = things
    let body = bodyFor(operation, things, receiver)
    const fresh = async (make: () => Promise<Things>) => {
      given = { ...things, ...(await make()) }
    }
    // Their session goes on under a new id, so it is no other test's.
    const become = async (email: Email) => {
      for (const [name, value] of await app.signIn(email)) jar.set(name, value)
    }
    const invite = () =>
      app.call<{ id: string; url: string }>(owner, 'POST', '/tenants/acme/invitations', { role: 'member' })
    const madeClient = async () => {
      const body = {
        ...(bodiesFor(things, receiver).createClient as object),
        token_endpoint_auth_method: 'client_secret_basic',
      }
      type Made = { client: { id: string; secrets: { id: string }[] } }
      const { client } = (await app.call<Made>(owner, 'POST', '/tenants/acme/clients', body)).body
      return { client: client.id, client_secret: client.secrets[0]?.id ?? '' }
    }
    // Theirs, for a project that they have not linked; pasting is allowed from here on.
    const aToken = async () => {
      const settings = { allow_pasted_tokens: true }
      await app.call(owner, 'PATCH', `/tenants/acme/providers/${things.provider}`, { settings })
      // No token takes the place of a consent, which tests before may have left.
      const left = await app.rows(
        'acme',
        `SELECT c.id FROM connection c JOIN connection_project l ON l.connection_id = c.id JOIN project p ON p.id = l.project_id
         WHERE c.user_id = $1 AND c.status <> 'revoked' AND c.granted_by = 'consent' AND p.external_id = '10232'`,
        [things.user],
      )
      const connections = left.map(({ id }) => id)
      if (left.length > 0) await app.call(jar, 'POST', '/tenants/acme/revocations', { connections })
      return app.demo.makeStorageToken({ account: 'owner@acme.test', project: '10232', kind: 'limited' })
    }
    const pasted = async () => {
      const asked = { provider: things.provider, token: await aToken() }
      return (await app.call<{ id: string }>(jar, 'POST', '/tenants/acme/connections', asked)).body.id
    }
    // One sign-in for two projects; what a test before left of that is disconnected.
    const ofSession = async () => {
      const left = await app.rows(
        'acme',
        "SELECT id FROM connection WHERE user_id = $1 AND flow IS NOT NULL AND status <> 'revoked'",
        [things.user],
      )
      const connections = left.map(({ id }) => id)
      if (left.length > 0) await app.call(jar, 'POST', '/tenants/acme/revocations', { connections })
      const attempt = await toChoose(app, { jar, admin: owner, account: 'owner@globex.test' })
      type Made = { project: string; connection: string }
      const path = `/tenants/acme/attempts/${attempt}/projects`
      return (await app.call<Made>(jar, 'POST', path, { projects: ['20877', '20880'] })).body
    }
    const prepare: Record<string, () => Promise<unknown>> = {
      createTenant: async () => {
        await become('member@acme.test')
        putContext({ ...app.ctx, config: { ...app.ctx.config, openTenants: true } })
        tenant = 'made-here'
        body = { name: 'Made here', slug: tenant }
      },
      acceptInvitation: async () => {
        await become('owner@globex.test')
        body = { secret: new URL((await invite()).body.url).hash.slice(1) }
      },
      deleteInvitation: () => fresh(async () => ({ invitation: (await invite()).body.id })),
      // Their own role, as it is: the admin is needed on.
      changeMember: async () => {
        body = { role: 'admin' }
      },
      adoptLink: async () => {
        const taken = (await app.rows('acme', 'SELECT alias FROM project LIMIT 1'))[0]?.alias as string
        const linked = await app.link(jar, 'acme', { account: 'member@acme.test', project: '10240', alias: taken })
        body = { alias: 'adopted-here' }
        given = { ...things, attempt: linked.attempt }
      },
      readProjectChoices: () => fresh(async () => ({ attempt: await toChoose(app, { jar, admin: owner }) })),
      chooseProjects: () => fresh(async () => ({ attempt: await toChoose(app, { jar, admin: owner }) })),
      leaveProject: () => fresh(ofSession),
      readUpstreamSessions: () => fresh(ofSession),
      endUpstreamSession: () =>
        fresh(async () => {
          const { connection } = await ofSession()
          // Another one of the same person, which no connection stands on.
          await toChoose(app, { jar, admin: owner, account: 'owner@globex.test' })
          type Listed = { sessions: { handle: string; connection: unknown }[] }
          const path = `/tenants/acme/connections/${connection}/upstream-sessions`
          const { sessions } = (await app.call<Listed>(jar, 'POST', path)).body
          return { connection, handle: sessions.find((one) => one.connection === null)?.handle ?? '' }
        }),
      resumeLink: () => fresh(async () => ({ attempt: (await app.startLink(jar, 'acme')).id })),
      cancelLink: () => fresh(async () => ({ attempt: (await app.startLink(jar, 'acme')).id })),
      // At a connection of their own to what can be asked for less.
      probeProvider: () =>
        fresh(async () => {
          await app.link(jar, 'acme', { account: 'member@acme.test', provider: 'Demo tickets' })
          return { provider: await app.demoProvider(jar, 'acme', 'Demo tickets') }
        }),
      deleteWebhook: () =>
        fresh(async () => {
          const made = await app.call<{ webhook: { id: string } }>(owner, 'POST', '/tenants/acme/webhooks', {
            url: receiver.url,
          })
          return { webhook: made.body.webhook.id }
        }),
      pasteToken: async () => {
        body = { provider: things.provider, token: await aToken() }
      },
      changePastedToken: () => fresh(async () => ({ connection: await pasted() })),
      rotateToken: () => fresh(async () => ({ connection: await pasted() })),
      // Each of its own, so that the one of `things` is still there for the next.
      // The one that was trusted just before.
      removeTrustedIssuer: () =>
        fresh(async () => {
          const path = '/tenants/acme/trusted-issuers'
          const known = await app.call<{ items: { id: string; issuer: string }[] }>(owner, 'GET', path)
          return { trusted_issuer: known.body.items.find(({ issuer }) => issuer === things.issuer)?.id ?? '' }
        }),
      removeTrustedClient: () =>
        fresh(async () => {
          const path = `/tenants/acme/trusted-issuers/${things.trusted_issuer}/clients`
          const entry = { client_id: 'gone-soon', name: 'Gone soon', scopes: [] }
          return { trusted_client: (await app.call<{ id: string }>(owner, 'POST', path, entry)).body.id }
        }),
      removeAudience: () =>
        fresh(async () => {
          const another = { ...audienceBody, audience: 'https://gone.acme.test', alias: 'gone-soon' }
          const made = await app.call<{ id: string }>(jar, 'POST', '/tenants/acme/audiences', another)
          return { audience: made.body.id }
        }),
      startLinkRequest: () =>
        fresh(async () => {
          const { id: userId } = (await app.call<{ id: string }>(jar, 'GET', '/me')).body
          return { link_request: await askedOf(app, { userId, projectId: things.project ?? '' }) }
        }),
      removeProvider: () =>
        fresh(async () => {
          const { issuer: _, ...unused } = bodiesFor(things, receiver).createProvider as Record<string, unknown>
          const another = { ...unused, issuer: 'https://unused.example' }
          return {
            provider: (await app.call<{ id: string }>(owner, 'POST', '/tenants/acme/providers', another)).body.id,
          }
        }),
      removeClient: () => fresh(madeClient),
      endClientSecret: () => fresh(madeClient),
      // What is answered without a tenant is told in the instance's own trail.
      claimAuthorization: async () => {
        tenant = 'instance'
        body = { user_code: (await startDevice(app)).user_code }
      },
      approveAuthorization: () => fresh(async () => ({ authorization: (await claimed(app, jar)).id })),
      denyAuthorization: () => {
        tenant = 'instance'
        return fresh(async () => ({ authorization: (await claimed(app, jar)).id }))
      },
      releaseAuthorization: () => {
        tenant = 'instance'
        return fresh(async () => ({ authorization: (await claimed(app, jar)).id }))
      },
      retryDelivery: () => app.call(owner, 'PATCH', `/tenants/acme/webhooks/${things.webhook}`, { enabled: true }),
    }
    await prepare[operation.id]?.()
    const answer = await app.call(jar, operation.method, pathOf(operation.path, 'acme', given), body)
    expect([answer.status, answer.text]).toEqual([operation.answer.status, answer.text])
    putContext({ ...app.ctx, authenticators: [async ({ kind, token }) => programs.get(`${kind} ${token}`)] })
    const events = await eventsOf(app, answer, tenant)
    expectDeclared(operation, events)
    for (const { session } of events) expect(session).toMatch(/^ses_/)
  })

  it.each(byAddress(inOrder(forPrograms)))(
    '%s: as a program with the scopes it needs and no more, with the event that it declares',
    async (_, operation) => {
      const answer = await send(operation, program(neededBy(operation)))
      expect([answer.status, answer.text]).toEqual([operation.answer.status, answer.text])
      const events = await eventsOf(app, answer)
      expectDeclared(operation, events)
      for (const event of events) expect(event).toMatchObject({ session: null, client: 'cli_test', grant: 'grt_test' })
    },
  )

  it('every act of the catalogue that an operation names is there', () => {
    const named = new Set(operations.flatMap((one) => declaredBy(one)).filter((one) => one !== 'none'))
    expect([...named].filter((action) => !(action in catalogue))).toEqual([])
  })
})
