// The sign-in issuer says that a session of its own is over: an issuer of scripted answers over a real socket, two processes
// on one database. Time is the injected clock's.
import type { AddressInfo } from 'node:net'
import { SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import * as route from '../../app/oauth/backchannel-logout/route.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { readSession } from '../../lib/http/session.ts'
import { signinServer } from '../../lib/http/signin/identity.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { readLogoutToken } from '../../lib/security/logout-token.ts'
import { hash } from '../../lib/security/secrets.ts'
import { type Issuer, type IssuerAnswers, type LogoutChange, startIssuer } from '../support/issuer.ts'
import { deliver, deliverToken } from '../support/logout.ts'
import { startProxy } from '../support/proxy.ts'
import { rawExchange, statusesIn } from '../support/raw.ts'
import { type Browser, type Signin, startSignin } from '../support/signin.ts'

const clientId = 'valetkey-signin'
const clientSecret = 'signin-client-secret'
const event = 'http://schemas.openid.net/event/backchannel-logout'

let at: Signin
let issuer: Issuer
/** Two processes. */
let one: Context
let two: Context
let clockSeconds = 0
const advance = async (seconds: number) => {
  clockSeconds += seconds
  await at.setClock(clockSeconds)
}
beforeAll(async () => {
  at = await startSignin()
  issuer = await startIssuer(clientId, () => at.ctx.now().getTime())
  one = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
  two = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
})
afterAll(async () => {
  await one.close()
  await two.close()
  await issuer.stop()
  await at.stop()
})
beforeEach(async () => {
  putContext(one)
  issuer.answer({})
  // Beyond what keys and metadata are kept for.
  await advance(3600)
  issuer.requests.length = 0
  await at.owner.query('DELETE FROM rate_limit')
  await at.owner.query('DELETE FROM session')
})

async function signIn(
  claims: IssuerAnswers['claims'],
  { of = one, ...answers }: Partial<IssuerAnswers> & { of?: Context } = {},
) {
  putContext(of)
  const browser = at.browser()
  const start = new URL(await browser.start())
  issuer.answer({ claims, ...answers })
  const parameters = { code: start.searchParams.get('nonce') ?? '', state: start.searchParams.get('state') ?? '' }
  const answer = await browser.fetch(`/api/auth/callback/signin?${new URLSearchParams(parameters)}`)
  putContext(one)
  return Object.assign(browser, { location: answer.headers.get('location') })
}
/** Whether a browser is signed in, as every process sees it. */
async function isIn(browser: Browser): Promise<boolean> {
  const [first, second] = [await readSession(one, browser.headers()), await readSession(two, browser.headers())]
  expect(first?.subject).toBe(second?.subject)
  return first !== undefined
}
const send = async (change: LogoutChange, of = one) => {
  const token = await issuer.logoutToken(change)
  putContext(of)
  return deliverToken(token)
}
const endings = async () =>
  (await at.events('signin.ended')).filter(({ details }) => (details as { owner?: string }).owner !== undefined)
const noted = async () => {
  await at.owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
  return (await at.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM issuer_logout')).rows[0]?.n
}

const taken = { status: 200, error: undefined, cache: 'no-store' }
const refused = { status: 400, error: 'invalid_request', cache: 'no-store' }

describe('a logout token that is right', () => {
  test('A-05: by sid ends that session on every process at once, and no other; 200, not to be kept, with its event', async () => {
    const gone = await signIn({ sid: 's-1' })
    const other = await signIn({ sid: 's-2' })
    const before = (await endings()).length
    const [{ id, user_id } = { id: '', user_id: '' }] = (await at.sessions()).slice(0, 1)
    expect(await send({ sid: 's-1', sub: 'somebody' }, two)).toMatchObject(taken)
    expect([await isIn(gone), await isIn(other)]).toEqual([false, true])
    expect((await endings()).slice(before)).toMatchObject([
      {
        actor: null,
        target: { kind: 'session', id },
        details: { cause: 'ended by the identity provider', owner: user_id },
      },
    ])
  })

  test('A-05: by sid alone', async () => {
    const gone = await signIn({ sid: 's-1' })
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect(await isIn(gone)).toBe(false)
  })

  test('A-05: by sub ends all of that person’s sessions over two processes, in one transaction, and nobody else’s', async () => {
    const mine = [
      await signIn({ sid: 's-1' }),
      await signIn({ sid: 's-2' }, { of: two }),
      await signIn({}, { of: two }),
    ]
    const other = await signIn({ sub: 'somebody else', sid: 's-3' })
    const before = (await endings()).length
    expect(await send({ sub: 'somebody' })).toMatchObject(taken)
    for (const browser of mine) expect(await isIn(browser)).toBe(false)
    expect(await isIn(other)).toBe(true)
    expect((await endings()).slice(before)).toHaveLength(3)
    const { rows } = await at.owner.query(
      `SELECT count(DISTINCT xmin::text)::int AS n FROM audit_event WHERE tenant_id = 'instance' AND body->'details'->>'owner' IS NOT NULL
         AND id IN (SELECT id FROM audit_event WHERE body->>'action' = 'signin.ended' ORDER BY id DESC LIMIT 3)`,
    )
    expect(rows).toEqual([{ n: 1 }])
  })

  test('A-05: a session of two sign-ins ends with both', async () => {
    const both = [await signIn({ sid: 's-1' }), await signIn({ sid: 's-1' })]
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    for (const browser of both) expect(await isIn(browser)).toBe(false)
  })

  test('A-05: a session of which the issuer told no sid ends with a token that names its person', async () => {
    const gone = await signIn({})
    const known = await signIn({ sid: 's-2' })
    expect(await send({ sid: 's-1', sub: 'somebody' })).toMatchObject(taken)
    expect([await isIn(gone), await isIn(known)]).toEqual([false, true])
  })

  test('A-05: a sid with another person’s subject ends nothing', async () => {
    const browser = await signIn({ sid: 's-1' })
    expect(await send({ sid: 's-1', sub: 'somebody else' })).toMatchObject(taken)
    expect(await isIn(browser)).toBe(true)
  })

  test('A-05: a session that is not there is 200 as well: nothing is left to end', async () => {
    const browser = await signIn({ sid: 's-1' })
    expect(await send({ sid: 'unknown' })).toMatchObject(taken)
    expect(await send({ sub: 'unknown' })).toMatchObject(taken)
    expect(await isIn(browser)).toBe(true)
  })

  test('A-05: another issuer’s session of the same sid and subject stays', async () => {
    const elsewhere = await startIssuer(clientId, () => at.ctx.now().getTime())
    const there = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: elsewhere.url })
    try {
      putContext(there)
      const browser = at.browser()
      const start = new URL(await browser.start())
      elsewhere.answer({ claims: { sid: 's-1' } })
      const parameters = { code: start.searchParams.get('nonce') ?? '', state: start.searchParams.get('state') ?? '' }
      await browser.fetch(`/api/auth/callback/signin?${new URLSearchParams(parameters)}`)
      expect(await isIn(browser)).toBe(true)
      expect(await send({ sid: 's-1' })).toMatchObject(taken)
      expect(await send({ sub: 'somebody' })).toMatchObject(taken)
      expect(await isIn(browser)).toBe(true)
    } finally {
      await there.close()
      await elsewhere.stop()
    }
  })

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('A-05: signed by %s', async (alg) => {
    const browser = await signIn({ sid: 's-1' })
    expect(await send({ sid: 's-1', alg })).toMatchObject(taken)
    expect(await isIn(browser)).toBe(false)
  })

  test.each([undefined, 'JWT', 'logout+jwt', 'application/logout+jwt', 'LOGOUT+JWT'])(
    'A-05: of type %s',
    async (typ) => {
      const browser = await signIn({ sid: 's-1' })
      expect(await send({ sid: 's-1', header: { typ } })).toMatchObject(taken)
      expect(await isIn(browser)).toBe(false)
    },
  )

  test.each([
    ['other fields in its form', {}, { more: 'x' }],
    ['another audience beside ours', { aud: ['other', clientId] }, {}],
    ['claims and events that nobody here knows', { events: { [event]: { a: 1 }, 'urn:other': true }, acr: '1' }, {}],
    ['a clock 50 seconds ahead', { iat: 50 }, {}],
  ] as [string, LogoutChange, Record<string, string>][])('A-05: with %s', async (_, { iat, ...change }, form) => {
    const browser = await signIn({ sid: 's-1' })
    const time = iat === undefined ? {} : { iat: Math.floor(at.ctx.now().getTime() / 1000) + Number(iat) }
    const token = await issuer.logoutToken({ sid: 's-1', ...change, ...time })
    expect(await deliver(new URLSearchParams({ ...form, logout_token: token }))).toMatchObject(taken)
    expect(await isIn(browser)).toBe(false)
  })
})

describe('a logout token that is wrong in one thing changes nothing', () => {
  const seconds = () => Math.floor(at.ctx.now().getTime() / 1000)
  const unsigned = (claims: Record<string, unknown>) => new UnsecuredJWT(claims).encode()
  const right = () => ({
    iss: issuer.url,
    aud: clientId,
    sid: 's-1',
    jti: 'one',
    iat: seconds(),
    exp: seconds() + 120,
    events: { [event]: {} },
  })
  const faults: [string, () => LogoutChange | Promise<string>][] = [
    ['the type of an access token', () => ({ header: { typ: 'at+jwt' } })],
    ['the type of another security event', () => ({ header: { typ: 'secevent+jwt' } })],
    ['a type that only ends like ours', () => ({ header: { typ: 'not-logout+jwt' } })],
    ['no signature', async () => unsigned(right())],
    [
      'our client secret as its key',
      () =>
        new SignJWT(right())
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(clientSecret.padEnd(32))),
    ],
    ['an algorithm that is not on our list', () => ({ alg: 'RS512' })],
    ['another issuer', () => ({ iss: 'https://somebody-else.example' })],
    ['an issuer with a slash more', () => ({ iss: `${issuer.url}/` })],
    ['no issuer', () => ({ iss: undefined })],
    ['another client as its audience', () => ({ aud: 'another-client' })],
    ['no audience', () => ({ aud: undefined })],
    ['a signature that the issuer did not make', () => ({ forged: true })],
    ['a key that is not published', () => ({ header: { kid: 'unknown' } })],
    ['an end that is over', () => ({ exp: seconds() - 61 })],
    ['no end', () => ({ exp: undefined })],
    ['an end that is no number', () => ({ exp: String(seconds() + 120) })],
    ['no events', () => ({ events: undefined })],
    ['another event', () => ({ events: { 'http://schemas.openid.net/event/other': {} } })],
    ['events that are a list', () => ({ events: [event] })],
    ['an event that is no object', () => ({ events: { [event]: true } })],
    ['an event that is null', () => ({ events: { [event]: null } })],
    ['no time', () => ({ iat: undefined })],
    ['a time long ago', () => ({ iat: seconds() - 661 })],
    ['a time in the future', () => ({ iat: seconds() + 65 })],
    ['a time that is no number', () => ({ iat: String(seconds()) })],
    ['no id', () => ({ jti: undefined })],
    ['an empty id', () => ({ jti: '' })],
    ['an id that is no text', () => ({ jti: 7 })],
    ['a nonce', () => ({ nonce: 'n' })],
    ['a nonce that is null', () => ({ nonce: null })],
    ['neither session nor subject', () => ({ sid: undefined, sub: undefined })],
    ['a session that is no text, beside a subject', () => ({ sid: 7, sub: 'somebody' })],
    ['a subject that is no text, beside a session', () => ({ sub: ['somebody'] })],
    ['three words instead of a token', async () => 'not.a.token'],
  ]
  test.each(faults)('A-06: %s', async (_, fault) => {
    const browser = await signIn({ sid: 's-1' })
    const [events, rows] = [await endings(), await noted()]
    const change = await fault()
    const token = typeof change === 'string' ? change : await issuer.logoutToken({ sid: 's-1', ...change })
    expect(await deliverToken(token)).toMatchObject(refused)
    expect([await isIn(browser), await endings(), await noted()]).toEqual([true, events, rows])
  })

  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const bodies: [string, (token: string) => [string, Record<string, string>?]][] = [
    ['the token twice', (token) => [`logout_token=${token}&logout_token=${token}`]],
    ['another field twice', (token) => [`logout_token=${token}&a=1&a=2`]],
    ['no token', () => ['other=1']],
    ['an empty token', () => ['logout_token=']],
    ['JSON', (token) => [JSON.stringify({ logout_token: token }), { 'content-type': 'application/json' }]],
    ['a form without its type', (token) => [`logout_token=${token}`, {}]],
    ['more than fits', (token) => [`a=${'x'.repeat(20_000)}&logout_token=${token}`]],
  ]
  test.each(bodies)('A-06: a body with %s', async (_, make) => {
    const browser = await signIn({ sid: 's-1' })
    const [body, headers = form] = make(await issuer.logoutToken({ sid: 's-1' }))
    expect(await deliver(body, headers)).toMatchObject(refused)
    expect(await isIn(browser)).toBe(true)
  })

  test('A-06: a GET is 405, whatever it brings; a POST works over a socket, before Next', async () => {
    expect(Object.keys(route)).toEqual(['POST'])
    const browser = await signIn({ sid: 's-1' })
    const next = async () => Promise.reject(new Error('it reached Next'))
    const server = createEdge({ config: { ...one.config, production: true }, machineRoutes, declared, next })
    const { port } = await new Promise<AddressInfo>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve(server.address() as AddressInfo))
    })
    const ask = (line: string, body = '', more = '') => {
      const head = `${line} HTTP/1.1\r\nHost: localhost:3999\r\nConnection: close\r\n${more}`
      return rawExchange(port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)
    }
    try {
      const token = await issuer.logoutToken({ sid: 's-1' })
      const got = await ask(`GET /oauth/backchannel-logout?logout_token=${token}`)
      expect([statusesIn(got), got]).toEqual([[405], expect.stringMatching(/^allow: POST\r$/im)])
      expect(await isIn(browser)).toBe(true)
      const type = `Content-Type: ${form['content-type']}\r\n`
      expect(statusesIn(await ask('POST /oauth/backchannel-logout', `logout_token=${token}`, type))).toEqual([200])
      expect(await isIn(browser)).toBe(false)
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test('A-06: a token counts once: again, on another process and after a new sign-in, it is refused', async () => {
    const token = await issuer.logoutToken({ sid: 's-1' })
    expect(await deliverToken(token)).toMatchObject(taken)
    await advance(1)
    const browser = await signIn({ sid: 's-1' })
    expect(await deliverToken(token)).toMatchObject(refused)
    putContext(two)
    expect(await deliverToken(token)).toMatchObject(refused)
    expect(await isIn(browser)).toBe(true)
  })

  test('A-06: delivered twenty times at once to two processes, it counts once', async () => {
    await signIn({ sid: 's-1' })
    const before = (await endings()).length
    const token = await issuer.logoutToken({ sid: 's-1' })
    const all = Array.from({ length: 20 }, (_, turn) => {
      putContext(turn % 2 ? one : two)
      return deliverToken(token)
    })
    const statuses = (await Promise.all(all)).map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 400)])
    expect((await endings()).length).toBe(before + 1)
  })

  test('A-06 H-09: that it was used is kept for as long as it could count, then swept', async () => {
    await at.owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
    await at.owner.query('DELETE FROM issuer_logout')
    const token = await issuer.logoutToken({ sid: 's-1', exp: seconds() + 86_400 })
    expect(await deliverToken(token)).toMatchObject(taken)
    await advance(655)
    await sweep(one)
    expect(await noted()).toBe(1)
    expect(await deliverToken(token)).toMatchObject(refused)
    await advance(300)
    await sweep(one)
    expect(await noted()).toBe(0)
    expect(await deliverToken(token)).toMatchObject(refused)
  })

  test('A-06 B-01: the endpoint is limited by address', async () => {
    const expire = Date.now() + 60_000
    await at.owner.query(`INSERT INTO rate_limit (key, points, expire) VALUES ('logout:unknown', 3000, $1)`, [expire])
    const browser = await signIn({ sid: 's-1' })
    const answer = await send({ sid: 's-1' })
    expect(answer).toMatchObject({ status: 429, error: 'temporarily_unavailable', cache: 'no-store' })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await isIn(browser)).toBe(true)
  })
})

test('A-06: whoever reads a token for one client at one issuer takes none of another, whatever it was found by', async () => {
  const server = await signinServer(one)
  const token = await issuer.logoutToken({ sid: 's-1' })
  expect(await readLogoutToken(one, { server, clientId }, token)).toMatchObject({ session: 's-1' })
  await expect(readLogoutToken(one, { server, clientId: 'other' }, token)).rejects.toThrow(
    'CLAIM_VALIDATION_FAILED aud',
  )
  const renamed = { ...server, issuer: 'https://other.example' }
  await expect(readLogoutToken(one, { server: renamed, clientId }, token)).rejects.toThrow(
    'CLAIM_VALIDATION_FAILED iss',
  )
})

describe('keys', () => {
  test('A-06 J-05: a new key is taken up at its first token; keys that are made up cost one request in five seconds', async () => {
    const browser = await signIn({ sid: 's-1' })
    await advance(6)
    issuer.answer({ key: 1 })
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect(await isIn(browser)).toBe(false)
    const before = issuer.keyCalls()
    await advance(6)
    const made = Array.from({ length: 30 }, (_, turn) => send({ sid: 's-1', header: { kid: `made-up-${turn}` } }))
    for (const { status } of await Promise.all(made)) expect(status).toBe(400)
    expect(issuer.keyCalls()).toBe(before + 1)
  })

  test('A-05: an issuer that cannot be asked is no verdict: 503, and the same token counts later', async () => {
    const browser = await signIn({ sid: 's-1' })
    await advance(3600)
    const token = await issuer.logoutToken({ sid: 's-1' })
    issuer.answer({ jwksStatus: 500 })
    expect(await deliverToken(token)).toMatchObject({
      status: 503,
      error: 'temporarily_unavailable',
      cache: 'no-store',
    })
    expect(await isIn(browser)).toBe(true)
    issuer.answer({})
    await advance(6)
    expect(await deliverToken(token)).toMatchObject(taken)
    expect(await isIn(browser)).toBe(false)
  })
})

test('A-05 H-02: without the database it is 503, nothing ends, and the same token counts afterwards', async () => {
  const browser = await signIn({ sid: 's-1' })
  const token = await issuer.logoutToken({ sid: 's-1' })
  const proxy = await startProxy(one.config.databaseUrl)
  const cut = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url, DATABASE_URL: proxy.url })
  try {
    proxy.cut()
    putContext(cut)
    const answer = await deliverToken(token)
    expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable', cache: 'no-store' })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    proxy.mend()
    expect(await isIn(browser)).toBe(true)
    expect(await deliverToken(token)).toMatchObject(taken)
    expect(await isIn(browser)).toBe(false)
  } finally {
    putContext(one)
    await cut.close()
    await proxy.stop()
  }
})

describe('a sign-in that is under way', () => {
  test.each([
    ['its session', { sid: 's-1' }],
    ['its person', { sub: 'somebody' }],
    ['its session and person', { sid: 's-1', sub: 'somebody' }],
  ] as [string, LogoutChange][])(
    'A-05: does not start a session once a logout token of %s has come',
    async (_, change) => {
      let told: unknown
      const browser = await signIn({ sid: 's-1' }, { meanwhile: async () => (told = await send(change)) })
      expect(told).toMatchObject(taken)
      expect(browser.location).toMatch(/^\/signin\?error=signin_failed/)
      expect([await isIn(browser), await at.sessions()]).toEqual([false, []])
      // What the issuer vouches for after that stands, of whichever session.
      await advance(1)
      expect(await isIn(await signIn({ sid: 's-1' }))).toBe(true)
    },
  )

  test.each([
    ['another session', { sid: 's-2', sub: 'somebody' }],
    ['another person', { sub: 'somebody else' }],
  ] as [string, LogoutChange][])('A-05: is not disturbed by a logout token of %s', async (_, change) => {
    const browser = await signIn({ sid: 's-1' }, { meanwhile: () => send(change) })
    expect(await isIn(browser)).toBe(true)
  })

  test('A-05: takes turns with the logout: a token that comes before it commits ends what it starts', async () => {
    const held = await at.owner
      .query('BEGIN')
      .then(() => at.owner.query('LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE'))
    expect(held).toBeDefined()
    let settled = false
    const signing = signIn({ sid: 's-1' })
    const waiting = async (query: string) => (await at.owner.query<{ n: number }>(query)).rows[0]?.n ?? 0
    // Its session is written, its event waits.
    await expect
      .poll(() =>
        waiting(
          `SELECT count(*)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted AND relation = 'audit_event'::regclass`,
        ),
      )
      .toBe(1)
    const ending = send({ sid: 's-1' }).finally(() => {
      settled = true
    })
    await expect
      .poll(
        async () =>
          settled ||
          (await waiting(
            `SELECT count(*)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted AND locktype = 'advisory'`,
          )) > 0,
      )
      .toBe(true)
    await at.owner.query('COMMIT')
    const browser = await signing
    expect(await ending).toMatchObject(taken)
    expect([browser.location, await isIn(browser)]).toEqual(['/', false])
  })
})

test('A-05: two hundred sessions end by two hundred tokens at once, on two processes', async () => {
  await signIn({ sid: 's-0' })
  const [{ user_id } = { user_id: '' }] = await at.sessions()
  for (let turn = 1; turn < 200; turn++)
    await at.owner.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at, issuer_session)
       SELECT 'ses_' || $1, $2, $3, vk_now(), vk_now(), vk_now(), vk_now() + interval '1 day', $4`,
      [String(turn), Buffer.from(hash(`token ${turn}`)), user_id, Buffer.from(hash(`s-${turn}`))],
    )
  expect(await at.sessions()).toHaveLength(200)
  const all = Array.from({ length: 200 }, (_, turn) =>
    send({ sid: `s-${turn}`, sub: 'somebody' }, turn % 2 ? one : two),
  )
  for (const answer of await Promise.all(all)) expect(answer).toMatchObject(taken)
  expect(await at.sessions()).toEqual([])
})
