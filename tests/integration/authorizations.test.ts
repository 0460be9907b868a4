// A person's answer to a program: who may give it, what can be given, and what the program hears of it.
import { createHmac, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { permissions, type Role, type Scope, scopes } from '../../lib/actor.ts'
import { scopeNeeds } from '../../lib/authserver/answers.ts'
import { limits } from '../../lib/http/limits.ts'
import { operations } from '../../lib/http/wire.ts'
import { newUserCode, readUserCode, shownUserCode, userCodeAlphabet } from '../../lib/security/user-code.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { claim, claimed, type Device, pollDevice, startCode, startDevice } from '../support/authorization.ts'
import { origin } from '../support/broker.ts'
import { insertClient, post } from '../support/programs.ts'

type View = {
  id: string
  kind: string
  state: string
  client: { id: string; name: string; tenant: string | null }
  tenants: { slug: string; device_flow: string }[]
  chosen: {
    slug: string
    frozen: boolean
    scopes: Scope[]
    withheld: { scope: Scope; because: string }[]
    projects: { id: string; upstream: boolean; proxy: boolean }[]
  } | null
  redirect_host: string | null
  address: string | null
  agent: string | null
  same_network: boolean | null
  sign_in_again: boolean
}

let app: TestApp
/** An owner of acme, a member of it, and an owner of globex. */
let owner: Jar
let member: Jar
let globex: Jar

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  // Tests move the clock; whoever signed in did so lately all the same.
  await app.ctx.pool.query(
    `UPDATE session SET last_active_at = now() + interval '50 years', expires_at = now() + interval '100 years',
       auth_time = now() + interval '1 hour'`,
  )
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

const path = (id: string, what = '') => `/authorizations/${id}${what && `/${what}`}`
const view = (jar: Jar, id: string, tenant = '', from = '198.51.100.20') =>
  app.call<View>(jar, 'GET', `${path(id)}${tenant && `?tenant=${tenant}`}`, undefined, { 'x-forwarded-for': from })
const approve = (jar: Jar, id: string, body: Record<string, unknown> = {}) =>
  app.call<{ redirect_to: string | null; code: string; fields: Record<string, string>; detail: string }>(
    jar,
    'POST',
    path(id, 'approval'),
    { tenant: 'acme', scopes: ['projects:read'], ceilings: {}, ...body },
  )
const deny = (jar: Jar, id: string, not_me = false) =>
  app.call<{ redirect_to: string | null; code: string }>(jar, 'POST', path(id, 'denial'), { not_me })
const poll = async (device: Device, client?: Record<string, string>) => {
  const { body, status } = await pollDevice(app, device, client)
  return status === 200 ? 'tokens' : body.error
}
const setFlow = (device_flow: string, tenant = 'acme', jar = owner) =>
  app.call(jar, 'PATCH', `/tenants/${tenant}/policy`, { device_flow })
const events = async (action: string, id: string, tenant = 'acme') =>
  (
    await app.rows(tenant, `SELECT body FROM audit_event WHERE body->>'action' = $1 AND body->'target'->>'id' = $2`, [
      action,
      id,
    ])
  ).map(({ body }) => body as Record<string, unknown>)
/** The instance's own chain, which no tenant reads. */
const instanceEvents = (action: string, id: string) => events(action, id, 'instance')
const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id

describe('user codes', () => {
  it('D-02 O-02: eight of 27 letters and digits that make no words, shown in two groups, read in any form', () => {
    expect(userCodeAlphabet).toHaveLength(27)
    expect(new Set(userCodeAlphabet).size).toBe(27)
    expect(userCodeAlphabet).not.toMatch(/[AEIOU015L]/)
    expect(8 * Math.log2(27)).toBeGreaterThan(34)
    const codes = Array.from({ length: 20_000 }, newUserCode)
    expect(new Set(codes).size).toBe(codes.length)
    expect(new Set(codes.join(''))).toEqual(new Set(userCodeAlphabet))
    expect(shownUserCode('WXYZBCDF')).toBe('WXYZ-BCDF')
    for (const typed of ['wxyz-bcdf', ' WXYZ BCDF ', 'w x y z–b c d f', 'WXYZBCDF', 'Wxyz-\tBcdf\n'])
      expect(readUserCode(typed)).toBe('WXYZBCDF')
    for (const typed of ['', 'WXYZ-BCD', 'WXYZ-BCDFG', 'WXYZ-BCD1', 'AXYZ-BCDF', '<b>WXYZBCDF', 'WXYZ_BCDF'])
      expect(readUserCode(typed)).toBeUndefined()
  })

  it('D-02: what is stored of a code is a hash under a key of ours', async () => {
    const { user_code } = await startDevice(app)
    const { rows } = await app.ctx.pool.query('SELECT row_to_json(a)::text AS all FROM authorization_request a')
    const bare = user_code.replace('-', '')
    expect(rows.some(({ all }) => all.includes(bare) || all.includes(user_code))).toBe(false)
    const plain = createHmac('sha256', '').update(bare).digest('hex')
    expect(rows.some(({ all }) => all.includes(plain))).toBe(false)
  })
})

describe('claiming', () => {
  it('D-07: the post that submits a code claims it for its person, in whatever browser of theirs; a GET claims nothing', async () => {
    const device = await startDevice(app)
    const before = await app.ctx.pool.query('SELECT * FROM authorization_request ORDER BY id')
    for (const asked of [device.user_code, device.user_code.replace('-', '').toLowerCase()])
      await app.call(owner, 'GET', `/authorizations/${asked}`)
    expect((await app.ctx.pool.query('SELECT * FROM authorization_request ORDER BY id')).rows).toEqual(before.rows)
    const { body, status } = await claim(app, owner, device.user_code.toLowerCase())
    expect(status).toBe(200)
    const elsewhere = await app.signIn('owner@acme.test')
    expect((await view(elsewhere, body.id)).body.state).toBe('open')
    expect((await claim(app, elsewhere, device.user_code)).body.id).toBe(body.id)
    expect(await instanceEvents('authorization.claimed', body.id)).toMatchObject([
      { actor: await idOf(owner), details: { client: 'valetkey' } },
    ])
  })

  it('D-07: of ten who type one code at once one is the owner, and for the others it is unknown', async () => {
    const { user_code } = await startDevice(app)
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => claim(app, [owner, member, globex][index % 3] as Jar, user_code)),
    )
    const right = answers.filter(({ status }) => status === 200)
    expect(right).toHaveLength(4)
    expect(new Set(right.map(({ body }) => body.id)).size).toBe(1)
    expect(answers.filter(({ body }) => body.code === 'user_code_unknown')).toHaveLength(8)
  })

  it('D-07 D-03: another person can neither see, approve, deny, report nor release it, by code or by address', async () => {
    const device = await claimed(app, owner)
    for (const other of [member, globex]) {
      expect((await claim(app, other, device.user_code)).body.code).toBe('user_code_unknown')
      expect((await view(other, device.id)).status).toBe(404)
      expect((await approve(other, device.id)).body.code).toBe('not_found')
      expect((await deny(other, device.id)).body.code).toBe('not_found')
      expect((await deny(other, device.id, true)).body.code).toBe('not_found')
      expect((await app.call(other, 'POST', path(device.id, 'release'))).status).toBe(404)
    }
    expect(await poll(device)).toBe('authorization_pending')
    expect((await view(owner, device.id)).body.state).toBe('open')
  })

  it('D-07: given back, its code is free for whoever types it next', async () => {
    const device = await claimed(app, owner)
    expect((await app.call(owner, 'POST', path(device.id, 'release'))).status).toBe(204)
    expect((await view(owner, device.id)).status).toBe(404)
    expect((await claim(app, member, device.user_code)).status).toBe(200)
  })

  it('D-11: an unknown, a used, an expired, another’s and a foreign tenant’s code look the same, and so does what is none', async () => {
    const [used, denied, theirs, late] = [
      await claimed(app, owner),
      await claimed(app, owner),
      await claimed(app, member),
      await startDevice(app),
    ]
    await approve(owner, used.id)
    await deny(owner, denied.id)
    const client = await insertClient(app, 'globex')
    const foreign = await startDevice(app, { client_id: client.id, client_secret: client.secret })
    await app.ctx.pool.query(
      `UPDATE authorization_request SET expires_at = vk_now() WHERE claimed_by IS NULL AND client_id = 'valetkey'`,
    )
    const seen = new Set<string>()
    for (const code of [
      shownUserCode(newUserCode()),
      used.user_code,
      denied.user_code,
      theirs.user_code,
      late.user_code,
      foreign.user_code,
      'no code at all',
      '<script>alert(1)</script>',
    ]) {
      const { status, body, headers } = await claim(app, owner, code)
      const { request_id, ...said } = body as Record<string, unknown>
      seen.add(JSON.stringify([status, said, headers.get('retry-after'), headers.get('content-type')]))
    }
    expect([...seen]).toHaveLength(1)
    expect([...seen][0]).toContain('user_code_unknown')
    // Whose tenant it is sees it.
    expect((await claim(app, globex, foreign.user_code)).status).toBe(200)
  })

  it('D-11 Z-02: a code of a tenant’s client is unknown to whom it has suspended, and to a session that it refuses', async () => {
    const client = await insertClient(app, 'acme')
    const { user_code } = await startDevice(app, { client_id: client.id, client_secret: client.secret })
    const me = await idOf(member)
    const claims = async () => (await claim(app, member, user_code)).body.code
    await app.rows('acme', `UPDATE member SET status = 'suspended' WHERE user_id = $1`, [me])
    expect(await claims()).toBe('user_code_unknown')
    await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [me])
    await app.rows(
      'acme',
      `INSERT INTO session_refusal (tenant_id, session_id, created_at)
       SELECT current_setting('app.tenant_id'), id, vk_now() FROM session WHERE user_id = $1`,
      [me],
    )
    expect(await claims()).toBe('user_code_unknown')
    await app.rows('acme', 'DELETE FROM session_refusal')
    expect(await claims()).toBeUndefined()
  })

  it('D-11: an unknown and another’s code take about the same time', async () => {
    const { user_code } = await claimed(app, member)
    const time = async (code: string) => {
      const started = performance.now()
      await claim(app, owner, code)
      return performance.now() - started
    }
    const [unknown, theirs]: [number[], number[]] = [[], []]
    for (let round = 0; round < 15; round += 1) {
      unknown.push(await time(newUserCode()))
      theirs.push(await time(user_code))
      await app.forgetLimits()
    }
    const median = (times: number[]) => times.sort((a, b) => a - b)[7] ?? 0
    const ratio = median(theirs) / median(unknown)
    expect(ratio).toBeGreaterThan(0.4)
    expect(ratio).toBeLessThan(2.5)
  })
})

describe('guessing', () => {
  const wrong = (jar: Jar, from?: string) => claim(app, jar, newUserCode(), from)
  const { points } = limits.userCode

  it('O-27 D-11: twenty wrong codes are answered, the next gets 429 with the time to wait, whatever the session and the address', async () => {
    const other = await app.signIn('member@acme.test')
    for (let guess = 0; guess < points; guess += 1)
      expect((await wrong(guess % 2 ? member : other, `2001:db8:${guess}::1`)).status).toBe(404)
    const { status, headers } = await wrong(member, '203.0.113.99')
    expect(status).toBe(429)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    // The right one as well: who guesses learns nothing more. The real user still gets in.
    const { user_code } = await startDevice(app)
    expect((await claim(app, member, user_code)).status).toBe(429)
    expect((await claim(app, owner, user_code)).status).toBe(200)
  })

  it('D-11: of fifty guesses at once no more than twenty are looked at', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => wrong(member)))
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(points)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(50 - points)
  })

  it('D-11: right codes cost nothing', async () => {
    for (let round = 0; round < points + 2; round += 1) {
      const { user_code } = await startDevice(app, undefined, `198.51.100.${round}`)
      expect((await claim(app, owner, user_code)).status).toBe(200)
    }
  })

  it('D-11: an address that guesses is stopped, and a neighbour at it who has hardly been wrong is not', async () => {
    const address = '198.51.100.77'
    await app.ctx.pool.query(
      `INSERT INTO rate_limit (key, points, expire) VALUES ('userCodeAddress:${address}', ${limits.userCodeAddress.points},
         ${Date.now() + 600_000})`,
    )
    for (let guess = 0; guess < 3; guess += 1) expect((await wrong(member, address)).status).toBe(404)
    expect((await wrong(member, address)).status).toBe(429)
    const { user_code } = await startDevice(app)
    expect((await wrong(owner, address)).status).toBe(404)
    expect((await claim(app, owner, user_code, address)).status).toBe(200)
  })

  it('D-11: more wrong codes over the instance than people mistype are an alarm, and refuse nobody', async () => {
    const alarms = () => app.logged.filter((line) => line.includes('"alarm":true') && line.includes('device codes'))
    const before = alarms().length
    await app.ctx.pool.query(
      `INSERT INTO rate_limit (key, points, expire) VALUES ('userCodeAlarm:instance', ${limits.userCodeAlarm.points - 1},
         ${Date.now() + 600_000})`,
    )
    expect((await wrong(owner)).status).toBe(404)
    expect(alarms()).toHaveLength(before)
    expect((await wrong(member)).status).toBe(404)
    expect(alarms()).toHaveLength(before + 1)
    // Told once in a window, counted each time.
    expect((await wrong(member)).status).toBe(404)
    expect(alarms()).toHaveLength(before + 1)
    const { values } = await app.ctx.metrics.userCodes.get()
    expect(values.find(({ labels }) => labels.outcome === 'alarm')?.value).toBeGreaterThanOrEqual(1)
  })
})

describe('what a program asks', () => {
  it('D-08: whose it is, what it asks, where it began and when it ends; another network is told', async () => {
    const device = await claimed(app, owner)
    const { body } = await view(owner, device.id)
    expect(body).toMatchObject({
      kind: 'device',
      state: 'open',
      client: { id: 'valetkey', tenant: null },
      tenants: [{ slug: 'acme', device_flow: 'typed' }],
      redirect_host: null,
      address: '203.0.113.7',
      agent: 'valetkey-cli/1.0',
      same_network: false,
      sign_in_again: false,
    })
    expect(body.chosen?.scopes).toEqual(scopes.filter((one) => one !== 'tenant:manage'))
    for (const [from, same] of [
      ['203.0.113.200', true],
      ['203.0.114.7', false],
      ['2001:db8::1', false],
    ] as const)
      expect((await view(owner, device.id, '', from)).body.same_network).toBe(same)
  })

  it('what a role cannot use cannot be given: by the permissions of the operations themselves', () => {
    for (const scope of scopes) {
      const needed = operations.filter((one) => one.scope === scope)
      for (const role of permissions.read as readonly Role[]) {
        const uses = needed.some(
          ({ permission }) =>
            permission === 'session' ||
            (permission !== 'public' && (permissions[permission] as readonly Role[]).includes(role)),
        )
        // No operation asks for this one alone: it is needed beside another (actor.ts).
        if (scope === 'tenant:manage') continue
        const given = (permissions[scopeNeeds[scope]] as readonly Role[]).includes(role)
        expect(given, `${scope} for ${role}`).toBe(uses)
      }
    }
  })

  it('says what is withheld, and why: by the role, and by the client’s registration', async () => {
    const user = await idOf(member)
    await app.rows('acme', `UPDATE member SET role = 'auditor' WHERE user_id = $1`, [user])
    const device = await claimed(app, member)
    const { chosen } = (await view(member, device.id)).body
    expect(chosen?.withheld).toEqual(
      ['connections:manage', 'tokens:issue', 'tokens:revoke'].map((scope) => ({ scope, because: 'role' })),
    )
    expect((await approve(member, device.id, { scopes: ['tokens:issue'] })).body.fields).toHaveProperty('scopes')
    await app.rows('acme', `UPDATE member SET role = 'member' WHERE user_id = $1`, [user])
    const client = await insertClient(app, 'acme')
    const credentials = { client_id: client.id, client_secret: client.secret }
    const narrowed = await claimed(app, owner, credentials)
    await app.rows('acme', `UPDATE api_client SET scopes = '{projects:read}' WHERE id = $1`, [client.id])
    expect((await view(owner, narrowed.id)).body.chosen?.withheld).toContainEqual({
      scope: 'tokens:issue',
      because: 'client',
    })
    expect((await approve(owner, narrowed.id, { scopes: ['tokens:issue'] })).status).toBe(400)
  })

  it('Z-02: a client of a tenant is answered for that tenant alone', async () => {
    const client = await insertClient(app, 'acme')
    const device = await claimed(app, owner, { client_id: client.id, client_secret: client.secret })
    const { body } = await view(owner, device.id)
    expect(body.client).toMatchObject({ tenant: 'Acme' })
    await app.rows(
      'globex',
      `INSERT INTO member (tenant_id, user_id, role, created_at)
      VALUES (current_setting('app.tenant_id'), $1, 'member', vk_now())`,
      [await idOf(owner)],
    )
    expect((await view(owner, device.id)).body.tenants.map(({ slug }) => slug)).toEqual(['acme'])
    expect((await approve(owner, device.id, { tenant: 'globex' })).body.code).toBe('not_found')
    const both = await claimed(app, owner)
    expect((await view(owner, both.id)).body.tenants.map(({ slug }) => slug)).toEqual(['acme', 'globex'])
    expect((await view(owner, both.id, 'globex')).body.chosen?.slug).toBe('globex')
    await app.rows('globex', `DELETE FROM member WHERE user_id = $1`, [await idOf(owner)])
    expect((await approve(owner, both.id, { tenant: 'globex' })).body.code).toBe('not_found')
  })
})

describe('approving a device', () => {
  it('D-05: makes no token itself; the next poll gets them, with what was chosen and no more', async () => {
    const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    const device = await claimed(app, owner)
    const { chosen } = (await view(owner, device.id)).body
    expect(chosen?.projects).toMatchObject([{ id: project, upstream: true }])
    const count = async () => (await app.rows('acme', 'SELECT count(*)::int AS n FROM oauth_grant'))[0]?.n
    const before = await count()
    const ceilings = { [project]: { rights: { buckets: { 'in.c-crm': 'read' } }, proxy: null } }
    const given = { scopes: ['projects:read', 'tokens:issue'], ceilings }
    expect(await poll(device)).toBe('authorization_pending')
    const answer = await approve(owner, device.id, given)
    expect([answer.status, answer.body]).toEqual([200, { redirect_to: null }])
    expect(await count()).toBe(before)
    const { body, status } = await pollDevice(app, device)
    expect([status, body.scope]).toEqual([200, 'projects:read tokens:issue'])
    const [grant] = await app.rows('acme', 'SELECT ceilings, scopes, user_id FROM oauth_grant ORDER BY id DESC LIMIT 1')
    expect(grant).toMatchObject({ scopes: given.scopes, user_id: await idOf(owner) })
    const stored = grant?.ceilings as Record<string, { rights: object; proxy: null }>
    expect(stored[project]).toMatchObject({ rights: { buckets: { 'in.c-crm': 'read' } }, proxy: null })
    expect(await events('authorization.approved', device.id)).toMatchObject([
      {
        actor: await idOf(owner),
        details: { client: 'valetkey', via: 'device', scopes: given.scopes, projects: [project] },
      },
    ])
    expect((await view(owner, device.id)).body.state).toBe('approved')
    expect((await approve(owner, device.id, given)).body.code).toBe('request_over')
    expect((await deny(owner, device.id)).body.code).toBe('request_over')
  })

  it('takes ceilings in the words of the kind, for projects that the person can issue for alone', async () => {
    const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    const theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10240' })
    const device = await claimed(app, owner)
    const give = async (ceilings: object, scopes: Scope[] = ['tokens:issue']) =>
      (await approve(owner, device.id, { scopes, ceilings })).body
    for (const [ceilings, field] of [
      [{ [theirs]: { rights: null } }, `ceilings.${theirs}`],
      [{ [`prj_${'0'.repeat(32)}`]: { rights: null } }, 'ceilings.prj_'],
      [{ [project]: {} }, `ceilings.${project}`],
      [{ [project]: { rights: {} } }, `ceilings.${project}.rights`],
      [{ [project]: { rights: { buckets: { x: 'own' } } } }, `ceilings.${project}.rights`],
      [{ [project]: { proxy: { access: 'sometimes' } } }, `ceilings.${project}.proxy`],
      [{ [project]: { rights: null, other: null } }, `ceilings.${project}.other`],
    ] as const) {
      const said = await give(ceilings)
      expect(said.code, JSON.stringify(ceilings)).toBe('bad_request')
      expect(Object.keys(said.fields).join(' ')).toContain(field)
    }
    expect((await give({ [project]: { rights: null } }, ['projects:read'])).fields).toHaveProperty('ceilings')
    expect((await give({}, [])).fields).toHaveProperty('scopes')
    await app.rows('acme', `UPDATE connection SET status = 'needs_relink' WHERE user_id = $1`, [await idOf(owner)])
    expect((await give({ [project]: { rights: null } })).code).toBe('bad_request')
    await app.rows('acme', `UPDATE connection SET status = 'linked' WHERE user_id = $1`, [await idOf(owner)])
    expect(await poll(device)).toBe('authorization_pending')
    expect((await give({ [project]: { rights: null } })).code).toBeUndefined()
  })

  it('tenant:manage never goes to a device, even where the request names it', async () => {
    const device = await claimed(app, owner)
    await app.ctx.pool.query(`UPDATE authorization_request SET scopes = '{tenant:manage,tenant:read}' WHERE id = $1`, [
      device.id,
    ])
    expect((await view(owner, device.id)).body.chosen).toMatchObject({
      scopes: ['tenant:read'],
      withheld: [{ scope: 'tenant:manage', because: 'device' }],
    })
    expect((await approve(owner, device.id, { scopes: ['tenant:manage'] })).status).toBe(400)
  })

  it('a scope that was not asked for cannot be given', async () => {
    const device = await claimed(app, owner, { client_id: 'valetkey', scope: 'projects:read' })
    expect((await approve(owner, device.id, { scopes: ['projects:read', 'audit:read'] })).status).toBe(400)
  })

  it('D-08: it takes a post with every layer, and a sign-in of the last minutes', async () => {
    const device = await claimed(app, owner)
    const bare = await app.send(
      owner,
      new Request(`${origin}/api/v1${path(device.id, 'approval')}`, { method: 'POST' }),
    )
    expect(bare.status).toBeGreaterThanOrEqual(400)
    const stale = await app.signIn('owner@acme.test')
    await app.ctx.pool.query(`UPDATE session SET auth_time = now() - interval '11 minutes' WHERE id = (
      SELECT id FROM session ORDER BY created_at DESC LIMIT 1)`)
    expect((await approve(stale, device.id)).body.code).toBe('fresh_signin_required')
    expect(await poll(device)).toBe('authorization_pending')
  })

  it('D-03: over in time, it can be neither approved, denied nor claimed', async () => {
    const device = await claimed(app, owner)
    const free = await startDevice(app)
    await app.ctx.pool.query('UPDATE authorization_request SET expires_at = vk_now() WHERE expires_at > vk_now()')
    expect((await view(owner, device.id)).body.state).toBe('expired')
    expect((await approve(owner, device.id)).body.code).toBe('request_over')
    expect((await deny(owner, device.id)).body.code).toBe('request_over')
    expect((await app.call(owner, 'POST', path(device.id, 'release'))).body.code).toBe('request_over')
    expect((await claim(app, owner, free.user_code)).body.code).toBe('user_code_unknown')
  })

  it('of an approval and a denial at once one counts, and the device hears that one', async () => {
    for (let round = 0; round < 5; round += 1) {
      const device = await claimed(app, owner)
      const [yes, no] = await Promise.all([approve(owner, device.id), deny(owner, device.id)])
      expect([yes.status, no.status].sort()).toEqual([200, 409])
      expect(await poll(device)).toBe(yes.status === 200 ? 'tokens' : 'access_denied')
    }
  })

  it('ends with what it was given under: who was suspended, or a client that was removed since, gets nothing', async () => {
    const user = await idOf(member)
    const device = await claimed(app, member)
    await approve(member, device.id)
    await app.rows('acme', 'UPDATE member SET generation = generation + 1 WHERE user_id = $1', [user])
    expect(await poll(device)).toBe('access_denied')
  })

  it('A-01: a session that the tenant refuses lets nothing in, and is told why', async () => {
    const device = await claimed(app, member)
    await app.rows(
      'acme',
      `INSERT INTO session_refusal (tenant_id, session_id, created_at)
      SELECT current_setting('app.tenant_id'), s.id, vk_now() FROM session s WHERE s.user_id = $1`,
      [await idOf(member)],
    )
    expect((await approve(member, device.id)).body.code).toBe('session_refused')
    await app.rows('acme', 'DELETE FROM session_refusal')
    expect((await approve(member, device.id)).status).toBe(200)
  })

  it('a frozen member or client is told so and gives nothing', async () => {
    const user = await idOf(member)
    const device = await claimed(app, member)
    for (const [kind, id] of [
      ['member', user],
      ['client', 'valetkey'],
    ]) {
      await app.rows(
        'acme',
        `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at)
        VALUES (current_setting('app.tenant_id'), $1, $2, vk_now())`,
        [kind, id],
      )
      expect((await view(member, device.id)).body.chosen?.frozen).toBe(true)
      expect((await approve(member, device.id)).body.code).toBe('frozen')
      await app.rows('acme', 'DELETE FROM freeze_fact')
    }
  })
})

describe('turning a program down', () => {
  it('O-22 ASK-22: the poller hears of a denial at its next question', async () => {
    const device = await claimed(app, owner)
    expect(await poll(device)).toBe('authorization_pending')
    expect((await deny(owner, device.id)).body).toEqual({ redirect_to: null })
    expect(await poll(device)).toBe('access_denied')
    expect((await view(owner, device.id)).body.state).toBe('denied')
    expect(await instanceEvents('authorization.denied', device.id)).toHaveLength(1)
  })

  it('“This was not me” denies it and is told in every tenant of the person, with where it came from', async () => {
    const device = await claimed(app, owner)
    expect((await deny(owner, device.id, true)).status).toBe(200)
    expect(await poll(device)).toBe('access_denied')
    const told = { outcome: 'ok', details: { client: 'valetkey', via: 'device', from: '203.0.113.7' } }
    expect(await events('authorization.reported', device.id)).toMatchObject([told])
    expect(await instanceEvents('authorization.reported', device.id)).toMatchObject([told])
    expect(await events('authorization.reported', device.id, 'globex')).toEqual([])
  })

  it('of a tenant’s client it is told in that tenant', async () => {
    const client = await insertClient(app, 'acme')
    const device = await claimed(app, owner, { client_id: client.id, client_secret: client.secret })
    await deny(owner, device.id, true)
    expect(await events('authorization.reported', device.id)).toHaveLength(1)
    expect(await instanceEvents('authorization.reported', device.id)).toEqual([])
  })
})

describe('a tenant’s policy', () => {
  afterEach(() => setFlow('typed'))

  it('is typed until an admin says otherwise, and is recorded', async () => {
    expect((await app.call(member, 'GET', '/tenants/acme/policy')).body).toMatchObject({ device_flow: 'typed' })
    expect((await setFlow('off', 'acme', member)).status).toBe(403)
    expect((await setFlow('sometimes')).status).toBe(400)
    expect((await setFlow('one_click')).body).toEqual({ device_flow: 'one_click', client_documents: 'this_computer' })
    expect((await app.call(globex, 'GET', '/tenants/globex/policy')).body).toMatchObject({ device_flow: 'typed' })
    expect((await app.call(globex, 'GET', '/tenants/acme/policy')).status).toBe(404)
    const [event] = await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body->>'action' = 'policy.changed' ORDER BY id DESC LIMIT 1`,
    )
    expect(event?.body).toMatchObject({ details: { device_flow: 'one_click' } })
  })

  it('off: nothing is let in, whatever was claimed before; a browser’s request is another matter', async () => {
    const device = await claimed(app, owner)
    await setFlow('off')
    expect((await view(owner, device.id)).body.tenants).toMatchObject([{ device_flow: 'off' }])
    const refused = await approve(owner, device.id)
    expect([refused.status, refused.body.code]).toEqual([422, 'over_policy'])
    expect(await poll(device)).toBe('authorization_pending')
    const { id } = await startCode(app, { client_id: 'valetkey', redirect_uri: 'http://127.0.0.1:7777/callback' })
    expect((await approve(owner, id)).status).toBe(200)
  })
})

describe('a browser that a program sent here', () => {
  const redirect_uri = 'http://127.0.0.1:7777/callback'
  const start = (given: Record<string, string> = {}) =>
    startCode(app, { client_id: 'valetkey', redirect_uri, ...given })
  const redeem = (code: string, verifier: string) =>
    post(app, '/oauth/token', {
      grant_type: 'authorization_code',
      client_id: 'valetkey',
      code,
      code_verifier: verifier,
      redirect_uri,
    })

  it('approved, goes back with a code, its state and our issuer, and the code is redeemed once, within a minute', async () => {
    const { id, verifier } = await start()
    const { body } = await view(owner, id)
    expect(body).toMatchObject({ kind: 'code', state: 'open', redirect_host: '127.0.0.1:7777' })
    const { redirect_to } = (await approve(owner, id)).body
    const url = new URL(redirect_to ?? '')
    expect(url.origin + url.pathname).toBe(redirect_uri)
    expect(url.searchParams.get('state')).toBe('its-own-state')
    expect(url.searchParams.get('iss')).toBe(origin)
    const code = url.searchParams.get('code') ?? ''
    expect(Buffer.from(code.slice('vk_ac_'.length), 'base64url').length).toBeGreaterThanOrEqual(32)
    const { rows } = await app.ctx.pool.query(
      'SELECT row_to_json(a)::text AS all, extract(epoch FROM expires_at - decided_at)::int AS lives FROM authorization_request a WHERE id = $1',
      [id],
    )
    expect(rows[0]?.all).not.toContain(code)
    expect(rows[0]?.lives).toBe(60)
    expect((await redeem(code, verifier)).status).toBe(200)
    expect((await redeem(code, verifier)).body.error).toBe('invalid_grant')
  })

  it('D-12: of a member or a program that is frozen after the answer neither a poll nor a code gets anything, and lifting it is too late', async () => {
    for (const [kind, target] of [
      ['member', await idOf(member)],
      ['client', 'valetkey'],
    ]) {
      const device = await claimed(app, member)
      expect((await approve(member, device.id)).status).toBe(200)
      const { id, verifier } = await start()
      const code = new URL((await approve(member, id)).body.redirect_to ?? '').searchParams.get('code') ?? ''
      await app.rows(
        'acme',
        `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at)
        VALUES (current_setting('app.tenant_id'), $1, $2, vk_now())`,
        [kind, target],
      )
      const refused = async () => [await poll(device), (await redeem(code, verifier)).body.error]
      expect(await refused(), kind).toEqual(['access_denied', 'invalid_grant'])
      await app.rows('acme', 'DELETE FROM freeze_fact')
      expect(await refused(), kind).toEqual(['access_denied', 'invalid_grant'])
    }
  })

  it('denied, goes back with access_denied, its state and our issuer', async () => {
    const { id } = await start()
    const url = new URL((await deny(owner, id)).body.redirect_to ?? '')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      error: 'access_denied',
      state: 'its-own-state',
      iss: origin,
    })
  })

  it('whoever looks claims nothing; whoever answers first is the one, and nobody else sees it from then on', async () => {
    const { id } = await start()
    expect((await view(member, id)).status).toBe(200)
    const [one, other] = await Promise.all([approve(owner, id), approve(member, id)])
    expect([one.status, other.status].sort()).toEqual([200, expect.any(Number)])
    const [winner, loser] = one.status === 200 ? [owner, member] : [member, owner]
    expect((await view(winner, id)).body.state).toBe('approved')
    expect((await view(loser, id)).status).toBe(404)
  })

  it('a foreign tenant’s client does not exist', async () => {
    const client = await insertClient(app, 'globex')
    const { id } = await startCode(app, { client_id: client.id, redirect_uri: 'https://app.example/callback' })
    expect((await view(owner, id)).status).toBe(404)
    expect((await approve(owner, id)).body.code).toBe('not_found')
    expect((await deny(owner, id)).body.code).toBe('not_found')
    expect((await view(globex, id)).status).toBe(200)
  })

  it('prompt=login takes a sign-in later than the request, and max_age one that is not older', async () => {
    const late = await app.signIn('owner@acme.test')
    const set = (seconds: number) =>
      app.ctx.pool.query(
        `UPDATE session SET auth_time = vk_now() + make_interval(secs => $1) WHERE id = (SELECT id FROM session ORDER BY created_at DESC LIMIT 1)`,
        [seconds],
      )
    const again = async (given: Record<string, string>, seconds: number) => {
      const { id } = await start(given)
      await set(seconds)
      const asked = (await view(late, id)).body.sign_in_again
      const { body } = await approve(late, id)
      expect(body.code === 'fresh_signin_required').toBe(asked)
      return asked
    }
    expect(await again({ prompt: 'login' }, -5)).toBe(true)
    expect(await again({ prompt: 'login' }, 5)).toBe(false)
    expect(await again({ max_age: '60' }, -120)).toBe(true)
    expect(await again({ max_age: '60' }, -30)).toBe(false)
    expect(await again({ max_age: '0' }, -5)).toBe(true)
    expect(await again({}, -300)).toBe(false)
  })
})

it('names of programs that look like markup are text in every answer', async () => {
  const client = await insertClient(app, 'acme')
  const hostile = `<img src=x onerror=alert(${randomUUID().length})>`
  await app.rows('acme', 'UPDATE api_client SET name = $1 WHERE id = $2', [hostile, client.id])
  const device = await claimed(app, owner, { client_id: client.id, client_secret: client.secret })
  const { body, headers } = await view(owner, device.id)
  expect(body.client.name).toBe(hostile)
  expect(headers.get('content-type')).toMatch(/^application\/json/)
})
