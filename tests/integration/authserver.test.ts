// Programs at our authorization server: devices, codes, refresh tokens, what they know and take back. A person's answer is
// written as the page writes it.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { type Scope, scopes } from '../../lib/actor.ts'
import { deviceCode } from '../../lib/authserver/grants/device-code.ts'
import { refreshToken } from '../../lib/authserver/grants/refresh-token.ts'
import { tokensAfter } from '../../lib/authserver/tokens.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { familyOf, hash, isToken, newToken } from '../../lib/security/secrets.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import {
  approveCode,
  approveDevice,
  deviceLogin,
  insertClient,
  type OAuthError,
  pkce,
  post,
  type Tokens,
} from '../support/programs.ts'

let app: TestApp
/** Another process on the same database. */
let other: Context
let owner: Jar
let user: string
const cli = { client_id: 'valetkey' }
const reading: Scope[] = ['projects:read', 'tenant:read']
const deviceType = 'urn:ietf:params:oauth:grant-type:device_code'

beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  owner = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
})
afterAll(async () => {
  await other.close()
  await app.stop()
})
afterEach(() => app.forgetLimits())

/** Fifty at once, as many of which as there are connections have begun before the first of them goes on. */
async function allAtOnce<T>(table: string, column: string, hashed: Uint8Array, work: (index: number) => Promise<T>) {
  const gate = new pg.Client({ connectionString: app.database.ownerUrl })
  // As the app: the owner is not told what others wait for.
  const watch = new pg.Client({ connectionString: app.ctx.config.databaseUrl })
  await Promise.all([gate.connect(), watch.connect()])
  try {
    await gate.query('BEGIN')
    await gate.query(`SELECT set_config('app.tenant_id', $1, true)`, [await app.tenantId('acme')])
    await gate.query(`SELECT 1 FROM ${table} WHERE ${column} = $1 FOR UPDATE`, [Buffer.from(hashed)])
    const all = Promise.allSettled(Array.from({ length: 50 }, (_, index) => work(index)))
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    await vi.waitFor(async () => expect((await watch.query(waiting)).rowCount).toBeGreaterThan(4), 10_000)
    await gate.query('COMMIT')
    return await all
  } finally {
    await Promise.all([gate.end(), watch.end()])
  }
}

type Started = {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
}
const start = (form: Record<string, string> = cli) =>
  post<Started & OAuthError>(app, '/oauth/device_authorization', form)
const poll = (device_code: string, form: Record<string, string> = cli) =>
  post(app, '/oauth/token', { ...form, grant_type: deviceType, device_code })
const refresh = (refresh_token: string, form: Record<string, string> = cli) =>
  post(app, '/oauth/token', { ...form, grant_type: 'refresh_token', refresh_token })
const login = (given: { scopes?: readonly Scope[]; client?: Record<string, string> } = {}) =>
  deviceLogin(app, 'acme', { user, scopes: reading, ...given })
/** What our API says to a token. */
const use = async (token: string, path = '/me') =>
  app.send(new Map(), new Request(`${origin}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } }))
const grantsOf = async (refreshToken: string) =>
  app.rows('acme', `SELECT g.* FROM oauth_grant g WHERE g.family_hash = $1`, [Buffer.from(familyOf(refreshToken))])

describe('a device', () => {
  it('D-01 O-01: begins with codes in their forms, which nobody keeps', async () => {
    const { status, body, headers } = await start()
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(isToken('dc', body.device_code)).toBe(true)
    expect(body.user_code).toMatch(/^[BCDFGHJKMNPQRSTVWXYZ2346789]{4}-[BCDFGHJKMNPQRSTVWXYZ2346789]{4}$/)
    expect(body).toMatchObject({
      verification_uri: `${origin}/device`,
      verification_uri_complete: `${origin}/device?user_code=${body.user_code}`,
      expires_in: 900,
      interval: 5,
    })
    const rows = JSON.stringify(await app.rows('acme', 'SELECT * FROM authorization_request'))
    expect(rows).not.toContain(body.device_code)
    expect(rows).not.toContain(body.user_code.replace('-', ''))
  })

  test.each<[string, Record<string, string>, number, string]>([
    ['no client', {}, 401, 'invalid_client'],
    ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['a public client with a secret', { ...cli, client_secret: 'x' }, 401, 'invalid_client'],
    ['an unknown scope', { ...cli, scope: 'everything' }, 400, 'invalid_scope'],
    ['tenant:manage, which no device gets', { ...cli, scope: 'tenant:manage' }, 400, 'invalid_scope'],
    ['another resource', { ...cli, resource: 'https://other.example' }, 400, 'invalid_target'],
    ['a hostile client', { client_id: `'; DROP TABLE api_client; --` }, 401, 'invalid_client'],
    ['a NUL', { client_id: 'valetkey\u0000' }, 400, 'invalid_request'],
  ])('D-01: %s is refused', async (_, form, status, error) => {
    const answer = await start(form)
    expect([answer.status, answer.body.error]).toEqual([status, error])
  })

  it('D-01 X-01: takes forms alone, and each field once', async () => {
    const send = (body: string, type: string) =>
      app.send(
        new Map(),
        new Request(`${origin}/oauth/device_authorization`, {
          method: 'POST',
          headers: { 'content-type': type },
          body,
        }),
      )
    for (const [body, type] of [
      [JSON.stringify(cli), 'application/json'],
      ['client_id=valetkey&client_id=valetkey', 'application/x-www-form-urlencoded'],
      ['client_id=valetkey', 'text/plain'],
    ] as const) {
      const answer = await send(body, type)
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
    }
    expect((await send(`client_id=${'a'.repeat(20_000)}`, 'application/x-www-form-urlencoded')).status).toBe(413)
  })

  it('O-07 O-08 D-04: waits, gets its tokens once, and they work at the API', async () => {
    const { device_code: code } = (await start()).body
    expect((await poll(code)).body.error).toBe('authorization_pending')
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    const { status, body, headers } = await poll(code)
    expect([status, body.token_type, body.expires_in, body.scope]).toEqual([200, 'Bearer', 3600, reading.join(' ')])
    expect(headers.get('cache-control')).toBe('no-store')
    expect([isToken('at', body.access_token), isToken('rt', body.refresh_token)]).toEqual([true, true])
    const again = await poll(code)
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    const me = await use(body.access_token)
    expect([me.status, me.body.id]).toEqual([200, user])
  })

  it('D-04 O-23: is told to slow down once for each timely poll, and the longer pause stays', async () => {
    const { device_code: code } = (await start()).body
    const seen: [string, string | null][] = []
    const step = async (seconds: number) => {
      await app.advance(seconds)
      const { body, headers } = await poll(code)
      seen.push([body.error, headers.get('retry-after')])
    }
    for (const seconds of [0, 1, 1, 5, 3, 11, 9, 6]) await step(seconds)
    expect(seen).toEqual([
      ['authorization_pending', '5'],
      ['slow_down', '10'],
      ['slow_down', '10'],
      // Seven after the first; ten are asked for by now.
      ['slow_down', '10'],
      ['authorization_pending', '10'],
      ['authorization_pending', '10'],
      ['slow_down', '15'],
      ['authorization_pending', '15'],
    ])
  })

  it('a poll that is too early writes nothing but the first', async () => {
    const { device_code: code } = (await start()).body
    await poll(code)
    await poll(code)
    const version = async () =>
      (await app.rows('acme', 'SELECT max(xmin::text::bigint) AS version FROM authorization_request'))[0]?.version
    const before = await version()
    for (let round = 0; round < 5; round += 1) expect((await poll(code)).body.error).toBe('slow_down')
    expect(await version()).toBe(before)
  })

  describe('that is in a hurry', () => {
    /** One that was told to slow down already: what is left to say to it is read, and nothing is written. */
    async function hurried() {
      const client = await insertClient(app, 'acme')
      const form = { client_id: client.id, client_secret: client.secret }
      const { device_code: code } = (await start(form)).body
      const changed = (text: string) =>
        app.rows('acme', `UPDATE authorization_request ${text} WHERE secret_hash = $1`, [Buffer.from(hash(code))])
      for (const error of ['authorization_pending', 'slow_down', 'slow_down'])
        expect((await poll(code, form)).body.error).toBe(error)
      return { client, form, code, changed }
    }
    type Hurried = Awaited<ReturnType<typeof hurried>>

    it('O-23: is answered together with all others', async () => {
      const many = await Promise.all(Array.from({ length: 8 }, hurried))
      const seen: string[] = []
      const stop = app.watchStatements((text) => seen.push(text))
      const answers = await Promise.all(many.map(({ code, form }) => poll(code, form)))
      stop()
      expect(answers.map(({ body, headers }) => [body.error, headers.get('retry-after')])).toEqual(
        many.map(() => ['slow_down', '10']),
      )
      expect(seen.filter((text) => text.includes('vk.device_early')).length).toBeLessThan(8)
      expect(seen.filter((text) => text.includes('vk.device_poll'))).toEqual([])
    })

    test.each<[string, (device: Hurried) => Promise<unknown>, string, ((device: Hurried) => Record<string, string>)?]>([
      ['O-22: was denied', ({ changed }) => changed(`SET status = 'denied'`), 'access_denied'],
      ['O-20: is over', ({ changed }) => changed('SET expires_at = vk_now()'), 'expired_token'],
      ['O-23: has waited', () => app.advance(10), 'authorization_pending 10'],
      ['O-23: was on time in between', ({ changed }) => changed('SET slowed = false'), 'slow_down 15'],
      ['D-06: is another client', async () => {}, 'invalid_grant', () => cli],
      [
        'D-06: shows another secret',
        async () => {},
        'invalid_client',
        ({ client }) => ({ client_id: client.id, client_secret: 'wrong' }),
      ],
      [
        'D-01: may no longer begin so',
        ({ client }) =>
          app.rows('acme', `UPDATE api_client SET grant_types = '{refresh_token}' WHERE id = $1`, [client.id]),
        'unauthorized_client',
      ],
      [
        'J-10: has to prove a key by now',
        ({ client }) => app.rows('acme', 'UPDATE api_client SET needs_proof = true WHERE id = $1', [client.id]),
        'invalid_dpop_proof',
      ],
    ])('%s: is told so at once', async (_, act, expected, form = ({ form }) => form) => {
      const device = await hurried()
      await act(device)
      const { body, headers } = await poll(device.code, form(device))
      expect([body.error, headers.get('retry-after')].join(' ').trim()).toBe(expected)
    })

    it('D-04: gets its tokens with the first poll after the answer', async () => {
      const { code, form } = await hurried()
      await approveDevice(app, 'acme', code, { user, scopes: reading })
      expect((await poll(code, form)).status).toBe(200)
    })
  })

  it('D-03 O-20: a code that has expired gives nothing, answered or not', async () => {
    const waiting = (await start()).body.device_code
    const answered = (await start()).body.device_code
    await approveDevice(app, 'acme', answered, { user, scopes: reading })
    await app.advance(901)
    expect((await poll(waiting)).body.error).toBe('expired_token')
    expect((await poll(answered)).body.error).toBe('expired_token')
  })

  it('O-22 D-12: a denial reaches the poller at once', async () => {
    const { device_code: code } = (await start()).body
    await poll(code)
    await app.rows('acme', `UPDATE authorization_request SET status = 'denied' WHERE status = 'pending'`)
    expect((await poll(code)).body.error).toBe('access_denied')
  })

  it('D-06: a code works for the client that asked for it, and trying it elsewhere consumes nothing', async () => {
    const mine = await insertClient(app, 'acme')
    const theirs = await insertClient(app, 'acme')
    const form = { client_id: mine.id, client_secret: mine.secret }
    const { device_code: code } = (await start(form)).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    for (const [wrong, error] of [
      [cli, 'invalid_grant'],
      [{ client_id: theirs.id, client_secret: theirs.secret }, 'invalid_grant'],
      [{ client_id: mine.id, client_secret: theirs.secret }, 'invalid_client'],
      [{ client_id: mine.id }, 'invalid_client'],
    ] as const)
      expect((await poll(code, wrong)).body.error).toBe(error)
    const mismatch = await post(
      app,
      '/oauth/token',
      { client_id: 'valetkey', grant_type: deviceType, device_code: code },
      { basic: [mine.id, mine.secret] },
    )
    expect([mismatch.status, mismatch.body.error]).toEqual([400, 'invalid_request'])
    const right = await post(
      app,
      '/oauth/token',
      { grant_type: deviceType, device_code: code },
      { basic: [mine.id, mine.secret] },
    )
    expect(right.status).toBe(200)
  })

  it('D-10: a poll cannot widen what was asked for', async () => {
    const { device_code: code } = (await start()).body
    await approveDevice(app, 'acme', code, { user, scopes: ['projects:read'] })
    const { body } = await poll(code, { ...cli, scope: 'tenant:manage', resource: origin })
    expect(body.scope).toBe('projects:read')
  })

  it('D-05 O-09: of fifty polls at once over two processes one wins, and one grant lives', async () => {
    const { device_code: code } = (await start()).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    const who = { id: 'valetkey', secret: null, asserted: null }
    const done = await allAtOnce('authorization_request', 'secret_hash', hash(code), (index) =>
      deviceCode(index % 2 === 0 ? app.ctx : other, who, { code, proof: undefined }, { requestId: `req_${index}` }),
    )
    expect(done.filter((one) => one.status === 'fulfilled').length).toBe(1)
    for (const one of done) if (one.status === 'rejected') expect(isBrokerError(one.reason, 'invalid_grant')).toBe(true)
    const [made] = await app.rows('acme', 'SELECT grant_id FROM authorization_request WHERE secret_hash = $1', [
      Buffer.from(hash(code)),
    ])
    const about = `SELECT id FROM audit_event WHERE body ->> 'action' = 'grant.created' AND at >= (SELECT created_at FROM oauth_grant WHERE id = $1)`
    expect(await app.rows('acme', about, [made?.grant_id])).toHaveLength(1)
  })

  it('D-05: who asks again, a pause after an answer that was lost, gets the same one, and no second grant', async () => {
    const { device_code: code } = (await start()).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    const lost = (await poll(code)).body
    await app.advance(4)
    expect((await poll(code)).body.error).toBe('invalid_grant')
    await app.advance(1)
    const again = await poll(code)
    expect(again.status).toBe(200)
    expect(again.body).toEqual({ ...lost, expires_in: expect.any(Number) })
    expect(Math.abs(again.body.expires_in - 3595)).toBeLessThan(4)
    expect((await use(again.body.access_token)).status).toBe(200)
    // Another client's, another key's, and after two minutes nobody's.
    const theirs = await insertClient(app, 'acme')
    const wrong = await poll(code, { client_id: theirs.id, client_secret: theirs.secret })
    expect(wrong.body.error).toBe('invalid_grant')
    const who = { id: 'valetkey', secret: null, asserted: null }
    const withKey = deviceCode(app.ctx, who, { code, proof: 'k'.repeat(43) }, { requestId: 'req_1' })
    await expect(withKey).rejects.toMatchObject({ code: 'invalid_grant' })
    await app.advance(116)
    expect((await poll(code)).body.error).toBe('invalid_grant')
    const family = Buffer.from(familyOf(lost.refresh_token))
    expect(await app.rows('acme', 'SELECT id FROM oauth_grant WHERE family_hash = $1', [family])).toHaveLength(1)
  })

  test.each([
    ['it was refreshed', (tokens: Tokens) => refresh(tokens.refresh_token)],
    [
      'its access token was revoked',
      (tokens: Tokens) => post(app, '/oauth/revoke', { ...cli, token: tokens.access_token }),
    ],
    ['it was signed out', (tokens: Tokens) => post(app, '/oauth/revoke', { ...cli, token: tokens.refresh_token })],
    [
      'it was frozen',
      async (tokens: Tokens) => {
        const [grant] = await grantsOf(tokens.refresh_token)
        return app.call(owner, 'POST', '/tenants/acme/freezes', { kind: 'grant', id: grant?.id, reason: 'a test' })
      },
    ],
  ])('D-05: a lost answer is given no more once %s', async (_, act) => {
    const { device_code: code } = (await start()).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    const first = (await poll(code)).body
    expect((await act(first)).status).toBeLessThan(300)
    await app.advance(6)
    expect((await poll(code)).body.error).toBe('invalid_grant')
  })

  it('D-05: a failure before the tokens are made leaves the code as it was', async () => {
    const { device_code: code } = (await start()).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    await app.owner.query('ALTER TABLE access_token ADD CONSTRAINT broken CHECK (false) NOT VALID')
    const failed = await poll(code)
    expect([failed.status, failed.body.error]).toEqual([500, 'server_error'])
    await app.owner.query('ALTER TABLE access_token DROP CONSTRAINT broken')
    expect((await poll(code)).status).toBe(200)
    expect((await poll(code)).body.error).toBe('invalid_grant')
  })

  test.each([
    ['the member is suspended', `UPDATE member SET status = 'suspended'`, `UPDATE member SET status = 'active'`],
    ['their rights were raised away', 'UPDATE member SET generation = generation + 1', ''],
    ['everything in the tenant was revoked', 'UPDATE tenant SET generation = generation + 1', ''],
    ['the client is gone', `UPDATE api_client SET ended_at = vk_now() WHERE id <> 'valetkey'`, ''],
  ])('an approval counts no more once %s', async (_, undo, redo) => {
    const client = await insertClient(app, 'acme')
    const form = { client_id: client.id, client_secret: client.secret }
    const { device_code: code } = (await start(form)).body
    await approveDevice(app, 'acme', code, { user, scopes: reading })
    const mine = undo.includes('member') ? ` WHERE user_id = '${user}'` : ''
    await app.rows('acme', undo + mine)
    const { body } = await poll(code, form)
    if (redo) await app.rows('acme', redo + mine)
    expect(['access_denied', 'invalid_client']).toContain(body.error)
    expect((await poll(code, form)).status).not.toBe(200)
  })

  it('O-18 O-19: whatever became of a request, it is swept a day after its end; twice at once harms nothing', async () => {
    await app.rows('acme', 'DELETE FROM authorization_request')
    const codes = await Promise.all(Array.from({ length: 4 }, async () => (await start()).body.device_code))
    for (const code of codes.slice(0, 2)) await approveDevice(app, 'acme', code, { user, scopes: reading })
    await poll(codes[0] ?? '')
    await app.rows(
      'acme',
      `UPDATE authorization_request SET status = 'denied' WHERE id IN (SELECT id FROM authorization_request WHERE status = 'pending' LIMIT 1)`,
    )
    const states = await app.rows('acme', 'SELECT DISTINCT status FROM authorization_request')
    expect(states.map(({ status }) => status).sort()).toEqual(['approved', 'consumed', 'denied', 'pending'])
    await app.advance(900 + 86_400 + 1)
    await Promise.all([sweep(app.ctx), sweep(other)])
    expect(await app.rows('acme', 'SELECT id FROM authorization_request')).toEqual([])
  })
})

describe('an authorization code', () => {
  let browser: Jar
  beforeAll(async () => {
    browser = await app.signIn('owner@acme.test')
  })
  const authorize = (given: Record<string, string>) =>
    app.send(browser, new Request(`${origin}/oauth/authorize?${new URLSearchParams(given)}`))
  const asked = (challenge: string, more: Record<string, string> = {}) => ({
    ...cli,
    response_type: 'code',
    redirect_uri: 'http://127.0.0.1:49152/callback',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'a state',
    ...more,
  })
  /** A request up to its code. */
  async function codeFor(more: Record<string, string> = {}, in_: string = 'acme') {
    const { verifier, challenge } = pkce()
    const { headers } = await authorize(asked(challenge, more))
    const request = /\/authorize\/(aut_\w+)$/.exec(headers.get('location') ?? '')?.[1] ?? ''
    const code = await approveCode(app, in_, request, { user, scopes: reading })
    return { code, verifier, request }
  }
  const redeem = (form: Record<string, string>, client: Record<string, string> = cli) =>
    post(app, '/oauth/token', {
      ...client,
      grant_type: 'authorization_code',
      redirect_uri: 'http://127.0.0.1:49152/callback',
      ...form,
    })

  it('T-07: is asked for with PKCE, stored before anybody is asked, and gives tokens once', async () => {
    const { code, verifier } = await codeFor()
    const { status, body } = await redeem({ code, code_verifier: verifier })
    expect([status, body.scope]).toEqual([200, reading.join(' ')])
    expect((await use(body.access_token)).status).toBe(200)
  })

  it('T-07: a second use ends what the first was given, before it is answered', async () => {
    const { code, verifier } = await codeFor()
    const { body } = await redeem({ code, code_verifier: verifier })
    const again = await redeem({ code, code_verifier: verifier })
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
    expect((await use(body.access_token)).status).toBe(401)
    expect((await refresh(body.refresh_token)).body.error).toBe('invalid_grant')
    expect((await grantsOf(body.refresh_token))[0]).toMatchObject({ end_cause: 'reuse', generation: 1 })
  })

  test.each<[string, Record<string, string>]>([
    ['another verifier', { code_verifier: pkce().verifier }],
    ['no verifier at all', { code_verifier: '' }],
    ['a verifier of one character', { code_verifier: 'a' }],
    ['another port', { redirect_uri: 'http://127.0.0.1:49153/callback' }],
    ['another path', { redirect_uri: 'http://127.0.0.1:49152/callback/' }],
    ['no redirect URI', { redirect_uri: '' }],
  ])('T-07: %s gives nothing, and consumes nothing', async (_, wrong) => {
    const { code, verifier } = await codeFor()
    const refused = await redeem({ code, code_verifier: verifier, ...wrong })
    expect(refused.status).toBe(400)
    expect((await redeem({ code, code_verifier: verifier })).status).toBe(200)
  })

  it('T-07: another client gets nothing of it, and after a minute nobody does', async () => {
    const client = await insertClient(app, 'acme')
    const { code, verifier } = await codeFor()
    const theirs = { client_id: client.id, client_secret: client.secret }
    expect((await redeem({ code, code_verifier: verifier }, theirs)).body.error).toBe('invalid_grant')
    await app.advance(61)
    expect((await redeem({ code, code_verifier: verifier })).body.error).toBe('invalid_grant')
  })

  it('T-07: of fifty at once one is answered with tokens', async () => {
    const { code, verifier } = await codeFor()
    const all = await Promise.all(Array.from({ length: 50 }, () => redeem({ code, code_verifier: verifier })))
    expect(all.filter(({ status }) => status === 200).length).toBe(1)
  })

  test.each<[string, Record<string, string>, string]>([
    ['no PKCE', { code_challenge: '' }, 'invalid_request'],
    ['the plain method', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a challenge of another form', { code_challenge: 'short' }, 'invalid_request'],
    ['an implicit response', { response_type: 'token' }, 'unsupported_response_type'],
    ['a fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['an unknown scope', { scope: 'openid' }, 'invalid_scope'],
    ['another resource', { resource: 'https://other.example' }, 'invalid_target'],
    ['an odd prompt', { prompt: 'dance' }, 'invalid_request'],
    ['none with another', { prompt: 'none login' }, 'invalid_request'],
    ['nobody is to be asked', { prompt: 'none' }, 'consent_required'],
    ['an odd age', { max_age: '-1' }, 'invalid_request'],
  ])('%s goes back to the program, with its state and our issuer (RFC 9207)', async (_, wrong, error) => {
    const { challenge } = pkce()
    const { status, headers } = await authorize(asked(challenge, wrong))
    const back = new URL(headers.get('location') ?? '')
    expect([status, back.origin + back.pathname]).toEqual([303, 'http://127.0.0.1:49152/callback'])
    expect(Object.fromEntries(back.searchParams)).toEqual({ error, state: 'a state', iss: origin })
  })

  it('prompt=none tells whether anybody is signed in', async () => {
    const request = new Request(
      `${origin}/oauth/authorize?${new URLSearchParams(asked(pkce().challenge, { prompt: 'none' }))}`,
    )
    const { headers } = await app.send(new Map(), request)
    expect(new URL(headers.get('location') ?? '').searchParams.get('error')).toBe('login_required')
  })

  test.each<[string, Record<string, string>, string]>([
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
    ['an address that is not registered', { redirect_uri: 'https://evil.example/callback' }, 'redirect_unknown'],
    ['a longer path', { redirect_uri: 'http://127.0.0.1:49152/callback/../x' }, 'redirect_unknown'],
    ['another host on the loopback', { redirect_uri: 'http://localhost:49152/callback' }, 'redirect_unknown'],
    ['credentials in the address', { redirect_uri: 'http://a@127.0.0.1:49152/callback' }, 'redirect_unknown'],
    ['a query', { redirect_uri: 'http://127.0.0.1:49152/callback?x=1' }, 'redirect_unknown'],
    ['a fragment', { redirect_uri: 'http://127.0.0.1:49152/callback#x' }, 'redirect_unknown'],
  ])('O-21: %s is told on a page of ours, and goes nowhere', async (_, wrong, code) => {
    const { status, headers } = await authorize(asked(pkce().challenge, wrong))
    expect([status, headers.get('location')]).toEqual([303, `${origin}/authorize/failed?code=${code}`])
  })
})

describe('a refresh token', () => {
  it('T-06 O-15: rotates, and each new access token works', async () => {
    const first = await login()
    const second = (await refresh(first.refresh_token)).body
    expect(second.refresh_token).not.toBe(first.refresh_token)
    const third = (await refresh(second.refresh_token)).body
    for (const { access_token } of [first, second, third]) expect((await use(access_token)).status).toBe(200)
  })

  it('T-06: within half a minute the one before is answered alike; after that the grant ends', async () => {
    const first = await login()
    const second = (await refresh(first.refresh_token)).body
    await app.advance(1)
    const repeated = (await refresh(first.refresh_token)).body
    expect(repeated).toEqual({ ...second, expires_in: 3599 })
    await app.advance(30)
    const reused = await refresh(first.refresh_token)
    expect([reused.status, reused.body.error]).toEqual([400, 'invalid_grant'])
    expect((await grantsOf(first.refresh_token))[0]).toMatchObject({ end_cause: 'reuse' })
    expect((await use(second.access_token)).status).toBe(401)
    expect((await refresh(second.refresh_token)).body.error).toBe('invalid_grant')
    const [event] = await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body ->> 'action' = 'grant.ended' ORDER BY id DESC LIMIT 1`,
    )
    expect(event?.body).toMatchObject({ details: { cause: 'reuse', owner: user } })
  })

  it('T-06: one from two rotations ago ends the grant at once', async () => {
    const first = await login()
    const second = (await refresh(first.refresh_token)).body
    const third = (await refresh(second.refresh_token)).body
    expect((await refresh(first.refresh_token)).body.error).toBe('invalid_grant')
    expect((await use(third.access_token)).status).toBe(401)
  })

  it('T-06: of fifty at once over two processes one rotates, and all get its answer', async () => {
    const first = await login()
    const who = { id: 'valetkey', secret: null, asserted: null }
    const asked = { token: first.refresh_token, scope: undefined, resource: undefined, proof: undefined }
    const family = familyOf(first.refresh_token)
    const done = await allAtOnce('oauth_grant', 'family_hash', family, (index) =>
      refreshToken(index % 2 === 0 ? app.ctx : other, who, asked, { requestId: `req_${index}` }),
    )
    const answers = done.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(answers.length).toBe(50)
    expect(new Set(answers.map(({ refresh_token }) => refresh_token)).size).toBe(1)
    expect(new Set(answers.map(({ access_token }) => access_token)).size).toBe(1)
    expect((await use(answers[0]?.access_token ?? '')).status).toBe(200)
    const [row] = await grantsOf(first.refresh_token)
    const living = await app.rows('acme', 'SELECT hash FROM access_token WHERE grant_id = $1', [row?.id])
    // The one that it began with, and one child.
    expect(living.length).toBe(2)
  })

  it('T-06: another client gets nothing of it, and ends nothing', async () => {
    const first = await login()
    const client = await insertClient(app, 'acme')
    const theirs = await refresh(first.refresh_token, { client_id: client.id, client_secret: client.secret })
    expect(theirs.body.error).toBe('invalid_grant')
    expect((await refresh(first.refresh_token)).status).toBe(200)
  })

  it('T-06: ends a week after its last use, and three months after its first, whatever happens', async () => {
    const idle = await login()
    await app.advance(7 * 86_400 + 1)
    expect((await refresh(idle.refresh_token)).body.error).toBe('invalid_grant')
    let current = await login()
    for (let week = 0; week < 15; week += 1) {
      await app.advance(6.5 * 86_400)
      const { status, body } = await refresh(current.refresh_token)
      if (status !== 200) {
        expect(week).toBe(13)
        return
      }
      current = body
    }
    throw new Error('it never ended')
  })

  it('asks for less, never for more', async () => {
    const first = await login()
    const wider = await refresh(first.refresh_token, { ...cli, scope: 'tenant:read audit:read' })
    expect(wider.body.error).toBe('invalid_scope')
    const narrow = await refresh(first.refresh_token, { ...cli, scope: 'projects:read' })
    expect(narrow.body.scope).toBe('projects:read')
    expect((await use(narrow.body.access_token, '/tenants/acme/members')).body.code).toBe('insufficient_scope')
    expect((await refresh(narrow.body.refresh_token)).body.scope).toBe(reading.join(' '))
  })

  it('T-06: whoever has the database and an old token makes nothing of them', async () => {
    const first = await login()
    await refresh(first.refresh_token)
    const [row] = await grantsOf(first.refresh_token)
    const elsewhere = { secrets: { ...app.ctx.secrets, grants: new Uint8Array(32) } }
    const guessed = tokensAfter(elsewhere, first.refresh_token, row?.refresh_salt as Uint8Array)
    expect(Buffer.from(guessed.hashes.refresh).equals(row?.refresh_hash as Buffer)).toBe(false)
    const right = tokensAfter(app.ctx, first.refresh_token, row?.refresh_salt as Uint8Array)
    expect(Buffer.from(right.hashes.refresh).equals(row?.refresh_hash as Buffer)).toBe(true)
  })
})

describe('what a program knows of tokens, and takes back', () => {
  const introspect = (token: string, client: { id: string; secret: string }) =>
    post<Record<string, unknown>>(app, '/oauth/introspect', { token }, { basic: [client.id, client.secret] })
  const revoke = (token: string, form: Record<string, string> = cli) => post(app, '/oauth/revoke', { ...form, token })

  it('I-01: asks as a client that proves itself', async () => {
    const { access_token: token } = await login()
    const nobody = await post(app, '/oauth/introspect', { token })
    expect([nobody.status, nobody.body.error]).toEqual([401, 'invalid_client'])
    expect(nobody.headers.get('www-authenticate')).toMatch(/^Basic /)
    const open = await post(app, '/oauth/introspect', { ...cli, token })
    expect([open.status, open.body.error]).toEqual([400, 'unauthorized_client'])
  })

  it('X-01: says who it is in one way (RFC 6749 2.3), and is one client', async () => {
    const [client, other] = [await insertClient(app, 'acme'), await insertClient(app, 'acme')]
    const basic: [string, string] = [client.id, client.secret]
    const ask = async (form: Record<string, string>) =>
      (await post<OAuthError>(app, '/oauth/introspect', { token: 'x', ...form }, { basic })).body.error
    expect(await ask({ client_secret: client.secret })).toBe('invalid_request')
    expect(await ask({ client_id: other.id })).toBe('invalid_request')
    expect(await ask({ client_id: client.id })).toBeUndefined()
  })

  it('I-04: is told that a refresh token whose time is over is none', async () => {
    const client = await insertClient(app, 'acme')
    const { refresh_token } = await login({ client: { client_id: client.id, client_secret: client.secret } })
    expect((await introspect(refresh_token, client)).body.active).toBe(true)
    await app.rows('acme', 'UPDATE oauth_grant SET refresh_expires_at = vk_now() WHERE client_id = $1', [client.id])
    expect((await introspect(refresh_token, client)).body).toEqual({ active: false })
  })

  it('I-02 I-03: is told of its own tokens what RFC 7662 names, and of all others that they are none', async () => {
    const client = await insertClient(app, 'acme')
    const form = { client_id: client.id, client_secret: client.secret }
    const mine = await login({ client: form })
    const theirs = await login()
    const { body } = await introspect(mine.access_token, client)
    expect(body).toEqual({
      active: true,
      scope: reading.join(' '),
      client_id: client.id,
      token_type: 'Bearer',
      exp: expect.any(Number),
      iat: expect.any(Number),
      sub: user,
      aud: origin,
      iss: origin,
    })
    expect((await introspect(mine.refresh_token, client)).body.active).toBe(true)
    const second = (await refresh(mine.refresh_token, form)).body
    await revoke(second.access_token, form)
    const nothing = await Promise.all(
      [
        mine.refresh_token,
        second.access_token,
        theirs.access_token,
        theirs.refresh_token,
        newToken('at').reveal(),
        'nonsense',
        `${mine.access_token}x`,
      ].map((token) => introspect(token, client)),
    )
    for (const { status, text, headers } of nothing) {
      expect([status, text]).toEqual([200, '{"active":false}'])
      expect(headers.get('cache-control')).toBe('no-store')
    }
    await app.advance(3601)
    expect((await introspect(mine.access_token, client)).text).toBe('{"active":false}')
  })

  it('I-05: what is unknown or another’s is as good as revoked, and a wrong client is told so', async () => {
    const theirs = await login()
    const client = await insertClient(app, 'acme')
    const form = { client_id: client.id, client_secret: client.secret }
    for (const token of [theirs.access_token, theirs.refresh_token, newToken('rt').reveal(), 'nonsense'])
      expect((await revoke(token, form)).status).toBe(200)
    expect((await use(theirs.access_token)).status).toBe(200)
    expect((await refresh(theirs.refresh_token)).status).toBe(200)
    expect((await revoke('nonsense', { client_id: client.id })).status).toBe(401)
  })

  it('I-06: an access token goes alone; a refresh token takes the grant and everything of it along', async () => {
    const first = await login()
    const second = (await refresh(first.refresh_token)).body
    await revoke(first.access_token, { ...cli, token_type_hint: 'refresh_token' })
    expect([(await use(first.access_token)).status, (await use(second.access_token)).status]).toEqual([401, 200])
    await revoke(first.refresh_token)
    expect((await use(second.access_token)).status).toBe(401)
    expect((await refresh(second.refresh_token)).body.error).toBe('invalid_grant')
    expect((await grantsOf(first.refresh_token))[0]).toMatchObject({ end_cause: 'signed_out' })
    expect((await revoke(first.refresh_token)).status).toBe(200)
  })

  it('I-07: whoever revokes while somebody rotates ends it, with no child that lives', async () => {
    for (let round = 0; round < 20; round += 1) {
      const first = await login()
      const [rotated] = await Promise.all([refresh(first.refresh_token), revoke(first.refresh_token)])
      if (rotated.status === 200) expect((await use(rotated.body.access_token)).status).toBe(401)
      expect((await use(first.access_token)).status).toBe(401)
      expect((await refresh(rotated.body.refresh_token ?? first.refresh_token)).body.error).toBe('invalid_grant')
    }
  })
})

describe('an access token at the API', () => {
  it('D-12 I-04: is nobody’s as soon as anything that it stands on is gone, on every process', async () => {
    const changes: [string, string][] = [
      [
        `UPDATE member SET status = 'suspended' WHERE user_id = '${user}'`,
        `UPDATE member SET status = 'active' WHERE user_id = '${user}'`,
      ],
      [
        `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES (current_setting('app.tenant_id'), 'client', 'valetkey', vk_now())`,
        `DELETE FROM freeze_fact`,
      ],
      [
        `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES (current_setting('app.tenant_id'), 'member', '${user}', vk_now())`,
        `DELETE FROM freeze_fact`,
      ],
    ]
    const { access_token: token, refresh_token } = await login()
    for (const [away, back] of changes) {
      await app.rows('acme', away)
      expect((await use(token)).status, away).toBe(401)
      expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
      await app.rows('acme', back)
      expect((await use(token)).status, back).toBe(200)
    }
  })

  it.each([
    ['its member', () => `UPDATE member SET generation = generation + 1 WHERE user_id = '${user}'`],
    ['its tenant', () => 'UPDATE tenant SET generation = generation + 1'],
    ['the instance', () => 'UPDATE instance SET generation = generation + 1'],
  ])('D-12 A-02: is nobody’s once the generation of %s was raised, and renews nothing', async (_, raise) => {
    const { access_token: token, refresh_token } = await login()
    expect((await use(token)).status).toBe(200)
    await app.rows('acme', raise())
    expect((await use(token)).status).toBe(401)
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })

  it('counts in its own tenant alone', async () => {
    const { access_token: token } = await login({ scopes })
    expect((await use(token, '/tenants/acme/members')).status).toBe(200)
    expect((await use(token, '/tenants/globex/members')).status).toBe(404)
    expect((await use(token)).body.tenants).toHaveLength(1)
  })

  it('LK-02: an operator is named as one of the sign-in issuer, whoever else has such a subject', async () => {
    const browser = await app.signIn('owner@acme.test')
    const [known] = (await app.ctx.pool.query('SELECT subject, issuer FROM "user" WHERE id = $1', [user])).rows
    putContext({ ...app.ctx, config: { ...app.ctx.config, operators: [known.subject] } })
    const { access_token: token } = await login()
    const told = async () => [(await app.call(browser, 'GET', '/me')).body.operator, (await use(token)).body.operator]
    expect(await told()).toEqual([true, true])
    const move = 'UPDATE "user" SET issuer = $2 WHERE id = $1'
    await app.ctx.pool.query(move, [user, 'https://before.example'])
    expect(await told()).toEqual([false, false])
    await app.ctx.pool.query(move, [user, known.issuer])
    putContext(app.ctx)
  })

  it('ends with its hour', async () => {
    const { access_token: token } = await login()
    await app.advance(3601)
    expect((await use(token)).status).toBe(401)
  })

  it('its use is noted once a minute', async () => {
    const tokens = await login()
    const noted = async () => (await grantsOf(tokens.refresh_token))[0]?.last_used_at
    const made = await noted()
    await app.advance(61)
    await use(tokens.access_token)
    // Off the request.
    await vi.waitFor(async () => expect(await noted()).not.toEqual(made))
    const used = await noted()
    await use(tokens.access_token)
    expect(await noted()).toEqual(used)
  })
})

it('access tokens that have ended are swept, and nothing else of their grant', async () => {
  const tokens = await login()
  const count = async () =>
    Number((await app.rows('acme', 'SELECT count(*) FROM access_token WHERE expires_at < vk_now()'))[0]?.count)
  await app.advance(3601)
  expect(await count()).toBeGreaterThan(0)
  await sweep(app.ctx)
  expect(await count()).toBe(0)
  expect((await refresh(tokens.refresh_token)).status).toBe(200)
})

describe('the metadata', () => {
  it('J-09: names an issuer that is its own address, and endpoints that answer', async () => {
    const { body, headers } = await app.send(new Map(), new Request(`${origin}/.well-known/oauth-authorization-server`))
    expect(body.issuer).toBe(origin)
    expect(headers.get('cache-control')).toContain('max-age')
    const endpoints = Object.entries(body).filter(([name]) => name.endsWith('_endpoint'))
    expect(endpoints.length).toBeGreaterThan(4)
    for (const [name, url] of endpoints) {
      const { pathname } = new URL(String(url))
      if (name === 'authorization_endpoint') {
        expect((await app.send(new Map(), new Request(String(url)))).status).toBe(303)
        continue
      }
      const answer = await post<Partial<Tokens & OAuthError>>(app, pathname, { grant_type: 'x', token: 'x' })
      expect([name, answer.status, answer.body.error]).toEqual([name, 401, 'invalid_client'])
    }
  })

  it('J-09 E-02: of our API names its own address and this server, and every challenge of it leads there', async () => {
    const challenges: string[] = []
    for (const [authorization, path] of [
      ['', '/me'],
      ['Bearer nonsense', '/me'],
      ['Bearer nonsense', '/tenants/acme/members'],
      ['DPoP nonsense', '/me'],
    ] as const) {
      const headers = { ...(authorization && { authorization }) }
      const answer = await app.send(new Map(), new Request(`${origin}/api/v1${path}`, { headers }))
      expect(answer.status).toBe(401)
      challenges.push(answer.headers.get('www-authenticate') ?? '')
    }
    expect(challenges[0]).toMatch(/^Cookie realm="valetkey", Bearer realm="valetkey", resource_metadata=/)
    for (const challenge of challenges) {
      const url = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? ''
      const { status, body, headers } = await app.send(new Map(), new Request(url))
      // RFC 9728 3.3: what the address is made of.
      expect(url).toBe(`${body.resource}/.well-known/oauth-protected-resource`)
      expect([status, body.resource, body.authorization_servers]).toEqual([200, origin, [origin]])
      expect(body).toMatchObject({ scopes_supported: scopes, bearer_methods_supported: ['header'] })
      expect(headers.get('cache-control')).toContain('max-age')
    }
  })
})
