// Sign-in at issuers that differ from the demo's: an issuer of scripted answers over a real socket, the product through
// its handler. Time is the injected clock's.
import type { JWTPayload } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Context, putContext } from '../../lib/context.ts'
import { errorCodes } from '../../lib/errors.ts'
import { readSession } from '../../lib/http/session.ts'
import { signinFailures } from '../../lib/http/signin/failure.ts'
import { type Issuer, type IssuerAnswers, startIssuer } from '../support/issuer.ts'
import { type Browser, type Signin, startSignin } from '../support/signin.ts'

const clientId = 'valetkey-signin'
const clientSecret = 'signin-client-secret'

let at: Signin
let issuer: Issuer
let ctx: Context
/** How far ahead the issuer's clock is. */
let aheadSeconds = 0
let clockSeconds = 0
const advance = async (seconds: number) => {
  clockSeconds += seconds
  await at.setClock(clockSeconds)
}
beforeAll(async () => {
  at = await startSignin()
  issuer = await startIssuer(clientId, () => at.ctx.now().getTime() + aheadSeconds * 1000)
  ctx = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
})
afterAll(async () => {
  await ctx.close()
  await issuer.stop()
  await at.stop()
})
beforeEach(async () => {
  putContext(ctx)
  issuer.answer({})
  aheadSeconds = 0
  // Beyond what anything is kept for.
  await advance(3600)
  at.logged.length = 0
  issuer.requests.length = 0
  await at.owner.query('DELETE FROM rate_limit')
})

/** A browser that has been at the issuer: the address that leads back. */
async function approach(browser: Browser): Promise<string> {
  const start = new URL(await browser.start())
  const parameters = { code: start.searchParams.get('nonce') ?? '', state: start.searchParams.get('state') ?? '' }
  return `/api/auth/callback/signin?${new URLSearchParams(parameters)}`
}

async function signIn(answers: Partial<IssuerAnswers> = {}, of = ctx) {
  putContext(of)
  const browser = at.browser()
  const url = await approach(browser)
  issuer.answer(answers)
  const location = (await browser.fetch(url)).headers.get('location')
  return { location, url, session: await readSession(of, browser.headers()) }
}

/** Lines of the log about sign-ins that failed. */
const failures = () =>
  at.logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'sign-in failed')

describe('how the client authenticates', () => {
  const secrets = ['a-secret.of_the~unreserved-kind', 'p:ss w%rd+&=/*!\'()"#~-']
  const attempt = async (secret: string, settings: Record<string, string>, answers: Partial<IssuerAnswers>) => {
    const other = await at.makeContext({
      VALETKEY_SIGNIN_ISSUER: issuer.url,
      VALETKEY_SIGNIN_CLIENT_SECRET: secret,
      ...settings,
    })
    try {
      issuer.answer(answers)
      return (await signIn(answers, other)).location
    } finally {
      await other.close()
    }
  }
  const client = (secret: string, method: 'basic' | 'post', decodes = true) => ({
    client: { id: clientId, secret, method, decodes },
  })

  test('an issuer that decodes nothing of HTTP Basic takes id and secret with hyphens, dots, underscores and tildes', async () => {
    expect(await attempt(secrets[0] ?? '', {}, client(secrets[0] ?? '', 'basic', false))).toBe('/')
  })

  test.each(secrets)('an issuer that decodes HTTP Basic as RFC 6749 says takes the secret %s', async (secret) => {
    expect(await attempt(secret, {}, client(secret, 'basic'))).toBe('/')
  })

  test.each([
    ['basic where the metadata says nothing', undefined, {}, 'basic'],
    ['post where the metadata knows that alone', ['client_secret_post'], {}, 'post'],
    ['basic where it knows both', ['client_secret_post', 'client_secret_basic'], {}, 'basic'],
    [
      'post as set, whatever the metadata says',
      ['client_secret_basic'],
      { VALETKEY_SIGNIN_CLIENT_AUTH: 'post' },
      'post',
    ],
    [
      'basic as set, whatever the metadata says',
      ['client_secret_post'],
      { VALETKEY_SIGNIN_CLIENT_AUTH: 'basic' },
      'basic',
    ],
  ] as [string, string[] | undefined, Record<string, string>, 'basic' | 'post'][])(
    'the client authenticates by %s',
    async (_, known, settings, method) => {
      const metadata = known ? { token_endpoint_auth_methods_supported: known } : {}
      expect(await attempt(clientSecret, settings, { metadata, ...client(clientSecret, method) })).toBe('/')
    },
  )
})

describe('keys that change', () => {
  test('L-05: a key that is not known is asked for once the known ones are five seconds old, and nobody is turned away', async () => {
    expect((await signIn()).location).toBe('/')
    await advance(5)
    expect((await signIn({ key: 1 })).location).toBe('/')
    expect(issuer.keyCalls()).toBe(2)
    expect((await signIn({ key: 1 })).location).toBe('/')
    expect(issuer.keyCalls()).toBe(2)
  })

  test('J-05: keys that were read less than five seconds ago are not read again', async () => {
    expect((await signIn()).location).toBe('/')
    await advance(1)
    expect((await signIn({ key: 2 })).location).toBe('/signin?error=signin_failed')
    expect(issuer.keyCalls()).toBe(1)
    expect(failures()).toMatchObject([
      { stage: 'signature', reason: 'signed with a key that is not published', problem: 'signin_failed' },
    ])
    await advance(4)
    expect((await signIn({ key: 2 })).location).toBe('/')
    expect(issuer.keyCalls()).toBe(2)
  })

  test('J-05 N-37: forty people who come right after a rotation cause one request for keys, and all of them get in', async () => {
    await signIn()
    const browsers = Array.from({ length: 40 }, () => at.browser())
    const urls = await Promise.all(browsers.map(approach))
    await advance(6)
    issuer.answer({ key: 3 })
    issuer.requests.length = 0
    const answers = await Promise.all(urls.map((url, index) => browsers[index]?.fetch(url)))
    expect(answers.map((answer) => answer?.headers.get('location'))).toEqual(urls.map(() => '/'))
    expect(issuer.keyCalls()).toBe(1)
  })

  test.each([200, 503])(
    'J-05: a flood of invented key ids causes one request for keys in five seconds, also while they answer %s; known keys keep working',
    async (jwksStatus) => {
      await signIn()
      for (let round = 1; round <= 3; round += 1) {
        const browsers = Array.from({ length: 15 }, () => at.browser())
        const urls = await Promise.all(browsers.map(approach))
        await advance(5)
        let number = 0
        issuer.answer({ jwksStatus, kid: () => `invented-${round}-${number++}` })
        issuer.requests.length = 0
        const half = urls.slice(0, 8).map((url, index) => browsers[index]?.fetch(url))
        const first = await Promise.all(half)
        await advance(1)
        const second = await Promise.all(urls.slice(8).map((url, index) => browsers[index + 8]?.fetch(url)))
        for (const answer of [...first, ...second])
          expect(answer?.headers.get('location')).toMatch(/^\/signin\?error=signin_(failed|unavailable)$/)
        expect(issuer.tokenCalls()).toBe(15)
        expect(issuer.keyCalls()).toBe(1)
        expect((await signIn({ jwksStatus })).location).toBe('/')
      }
    },
  )

  test('L-05: a key that the issuer has withdrawn is believed for five minutes at most', async () => {
    await signIn()
    await advance(270)
    expect((await signIn({ key: 0, published: 4 })).location).toBe('/')
    await advance(30)
    expect((await signIn({ key: 0, published: 4 })).location).toBe('/signin?error=signin_failed')
  })

  test('keys that cannot be had are an outage of the issuer and say so', async () => {
    expect((await signIn({ jwksStatus: 503 })).location).toBe('/signin?error=signin_unavailable')
    expect(failures()).toMatchObject([{ stage: 'signature', reason: 'the keys of the issuer answer 503' }])
    await advance(5)
    expect((await signIn()).location).toBe('/')
  })
})

describe('clocks that differ', () => {
  /** Claims of an ID token by the issuer's own clock. */
  const dated = (lifeSeconds: number) => {
    const seconds = Math.floor(ctx.now().getTime() / 1000) + aheadSeconds
    return { iat: seconds, nbf: seconds, exp: seconds + lifeSeconds }
  }

  test.each([-60, 60])('J-07: an issuer whose clock is %i s ahead signs people in', async (seconds) => {
    aheadSeconds = seconds
    expect((await signIn({ claims: dated(30) })).location).toBe('/')
    expect(failures()).toEqual([])
  })

  test('J-07: one that is two minutes behind, with ID tokens that last, signs people in, and the log has the alarm', async () => {
    aheadSeconds = -120
    expect((await signIn({ claims: dated(300) })).location).toBe('/')
    const alarms = at.logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ alarm }) => alarm)
    expect(alarms).toMatchObject([{ msg: 'the clock of the identity provider is behind ours' }])
    expect(Math.abs(Number(alarms[0]?.differenceSeconds) + 120)).toBeLessThanOrEqual(10)
  })

  test.each([
    [75, 300],
    [4000, 300],
    [-100, 30],
    [-4000, 3600],
    [-4000, 86_400],
  ])(
    'J-07: where it is %i s ahead, with ID tokens of %i s, people read that the clocks differ, and the log has an alarm with the difference',
    async (seconds, lifeSeconds) => {
      aheadSeconds = seconds
      const { location, session } = await signIn({ claims: dated(lifeSeconds) })
      expect(location).toBe('/signin?error=clocks_differ')
      expect(signinFailures).toContain('clocks_differ')
      expect(errorCodes.clocks_differ.title).toMatch(/^The clocks of Valetkey and the identity provider differ$/)
      expect(session).toBeUndefined()
      const [line] = failures()
      expect(line).toMatchObject({ level: 50, alarm: true, stage: 'id_token', problem: 'clocks_differ' })
      expect(Math.abs(Number(line?.differenceSeconds) - seconds)).toBeLessThanOrEqual(10)
    },
  )

  test.each([
    ['an exp', { exp: '9999999999' }],
    ['an iat', { iat: '1' }],
    ['an iat', { iat: 1e300 }],
    ['an iat', { iat: -1 }],
    ['an nbf', { nbf: '1' }],
    ['an nbf', { nbf: 1e300 }],
    ['an exp', { exp: -1e300 }],
    ['an auth_time', { auth_time: '1' }],
    ['an auth_time', { auth_time: 1e300 }],
    ['an auth_time', { auth_time: -1 }],
  ])('J-07: %s like in %j signs nobody in', async (_, odd) => {
    const { location, session } = await signIn({ claims: odd as JWTPayload })
    expect(location).toMatch(/^\/signin\?error=(signin_failed|clocks_differ)$/)
    expect(session).toBeUndefined()
    expect(failures()).toMatchObject([{ stage: 'id_token' }])
  })

  test('IV-05: a subject that cannot be kept signs nobody in; a name is kept as far as it is text', async () => {
    for (const sub of ['some\0body', 'some\ud800body']) {
      expect(await signIn({ claims: { sub } })).toMatchObject({ location: '/signin?error=signin_failed' })
      expect(failures().at(-1)).toMatchObject({ stage: 'id_token' })
    }
    // Cut at 200 the last character would be half of one.
    const { session } = await signIn({ claims: { name: `\0\u202e\ud800${'x'.repeat(198)}😀` } })
    expect(session?.name).toBe(`\ufffd${'x'.repeat(198)}\ufffd`)
  })

  test('J-07: a session is no younger than our own clock says', async () => {
    const now = ctx.now().getTime()
    // Later than the ID token itself, as far as that is taken.
    const { session } = await signIn({ claims: { ...dated(300), auth_time: now / 1000 + 59.5 } })
    expect(session?.authTime.getTime()).toBeLessThan(now + 30_000)
  })

  test('an ID token of another sign-in that has expired is no matter of clocks', async () => {
    aheadSeconds = -4000
    const { location } = await signIn({ claims: { ...dated(300), nonce: 'another' } })
    expect(location).toBe('/signin?error=signin_failed')
    expect(failures()).toMatchObject([{ level: 40, stage: 'id_token' }])
    expect(failures()[0]).not.toHaveProperty('alarm')
  })
})

describe('what the log says of a failure', () => {
  const challenge = { 'www-authenticate': 'Basic realm="issuer", error="invalid_client"' }

  test.each([
    ['with a challenge', challenge],
    ['without one', {}],
  ] as [string, Record<string, string>][])(
    'a client that the issuer does not take is an alarm, %s',
    async (_, headers) => {
      const body = { error: 'invalid_client', error_description: 'Invalid client or Invalid client credentials' }
      const { location } = await signIn({ refusal: { status: 401, body, headers } })
      expect(location).toBe('/signin?error=signin_failed')
      expect(failures()).toMatchObject([
        { level: 50, alarm: true, problem: 'signin_failed', stage: 'token', status: 401, ...body },
      ])
    },
  )

  test('error, description, status and reason of the token endpoint are there, and no alarm', async () => {
    const body = { error: 'invalid_grant', error_description: 'Code not valid' }
    await signIn({ refusal: { status: 400, body } })
    // No type of error: in the bundle it is one letter.
    expect(failures()[0]).not.toHaveProperty('err')
    expect(failures()).toMatchObject([
      { level: 40, stage: 'token', status: 400, ...body, reason: expect.stringContaining('OAUTH_RESPONSE_BODY_ERROR') },
    ])
    expect(failures()[0]).not.toHaveProperty('alarm')
  })

  test('V-08: of a description no secret, nothing that looks like one, no second line and no length without end', async () => {
    const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJl'
    // One that only who knows it can tell from a word.
    const secret = 'open sesame'
    const other = await at.makeContext({
      VALETKEY_SIGNIN_ISSUER: issuer.url,
      VALETKEY_SIGNIN_CLIENT_SECRET: secret,
    })
    try {
      const body = {
        error: `x\u202e\n${secret}`,
        error_description: `no\r\n{"level":60} ${secret} ${token} ${'so on, '.repeat(200)}`,
      }
      await signIn({ refusal: { status: 400, body } }, other)
    } finally {
      await other.close()
    }
    const [line] = failures()
    const said = `${line?.error}${line?.error_description}`
    for (const hidden of [secret, token, token.split('.')[1] ?? '', '\n', '\r', '\u202e'])
      expect(said).not.toContain(hidden)
    expect(at.logged.join('')).not.toContain(secret)
    expect(String(line?.error_description)).toMatch(/^no \{"level":60\} … … so on, so on/)
    expect(String(line?.error_description).length).toBeLessThanOrEqual(200)
  })

  test('what the authorization endpoint says is there, and a browser cannot raise an alarm with it', async () => {
    const browser = at.browser()
    const url = new URL(await approach(browser), ctx.config.origin)
    url.searchParams.delete('code')
    url.searchParams.set('error', 'unauthorized_client')
    url.searchParams.set('error_description', 'The client is not allowed')
    await browser.fetch(url.pathname + url.search)
    expect(failures()).toMatchObject([
      {
        level: 40,
        stage: 'authorization',
        error: 'unauthorized_client',
        error_description: 'The client is not allowed',
      },
    ])
    expect(failures()[0]).not.toHaveProperty('alarm')
  })

  test('a claim that is wrong is named, and so is a connection that fails', async () => {
    await signIn({ claims: { aud: 'another' } })
    const closed = await startIssuer(clientId, () => 0)
    await closed.stop()
    const metadata = { token_endpoint: `${closed.url}/token` }
    await advance(601)
    issuer.answer({ metadata })
    const { location } = await signIn({ metadata })
    expect(location).toBe('/signin?error=signin_unavailable')
    expect(failures()).toMatchObject([
      { stage: 'id_token', reason: expect.stringContaining('"aud"') },
      { stage: 'token', reason: 'ECONNREFUSED' },
    ])
  })

  test('a state of another browser says so', async () => {
    const url = await approach(at.browser())
    await at.browser().fetch(url)
    expect(failures()).toMatchObject([{ stage: 'state', reason: 'not a state of this browser' }])
  })
})

describe('an issuer that is away', () => {
  const start = (browser = at.browser()) => browser.post('/api/auth/signin/signin', { return_to: '/t/acme/projects' })
  const goesOn = (answer: Response) => answer.status === 200 && answer.headers.has('refresh')

  /** A page of ours that sends nobody away. */
  async function expectOutage(answer: Response) {
    expect(answer.status).toBe(503)
    expect(answer.headers.get('refresh')).toBeNull()
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    const text = await answer.text()
    expect(text).toContain(errorCodes.signin_unavailable.title)
    expect(text).toContain('href="/signin?return_to=%2Ft%2Facme%2Fprojects"')
    expect(text).not.toContain(issuer.url)
  }

  test('H-02: nobody is sent to an issuer that is away, though its metadata is known, and it is back within seconds', async () => {
    expect(goesOn(await start())).toBe(true)
    await issuer.stop()
    try {
      await advance(5)
      const browser = at.browser()
      await expectOutage(await start(browser))
      expect(browser.cookies.size).toBe(0)
      expect(failures()).toMatchObject([
        { level: 40, problem: 'signin_unavailable', stage: 'issuer', reason: 'ECONNREFUSED' },
      ])
    } finally {
      await issuer.restart()
    }
    await expectOutage(await start())
    await advance(2)
    expect(goesOn(await start())).toBe(true)
  })

  test('one that was never reached is the same to people', async () => {
    await issuer.stop()
    try {
      await expectOutage(await start())
      expect(failures()).toMatchObject([{ stage: 'discovery', reason: 'ECONNREFUSED' }])
    } finally {
      await issuer.restart()
    }
    expect(goesOn(await start())).toBe(true)
  })

  test('who asks for JSON reads a problem', async () => {
    await issuer.stop()
    try {
      const answer = await at.browser().post('/api/auth/signin/signin', {}, { accept: 'application/json' })
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'signin_unavailable' })
    } finally {
      await issuer.restart()
    }
  })

  test('one whose sign-in page is at another host is looked for there too; what answers at all is there', async () => {
    const page = await startIssuer(clientId, () => Date.now())
    for (const path of ['/authorize', '/moved']) {
      await advance(601)
      issuer.answer({ metadata: { authorization_endpoint: page.url + path } })
      expect(goesOn(await start())).toBe(true)
      expect(page.requests.at(-1)).toMatchObject({ method: 'OPTIONS', path })
    }
    await page.stop()
    await advance(5)
    await expectOutage(await start())
  })

  test('however many start, one looks: once in five seconds, and the metadata is kept for ten minutes', async () => {
    await Promise.all(Array.from({ length: 20 }, () => start()))
    expect(issuer.discoveryCalls()).toBe(1)
    await advance(5)
    const moved = { authorization_endpoint: `${issuer.url}/moved` }
    issuer.answer({ metadata: moved })
    const answers = await Promise.all(Array.from({ length: 20 }, () => start()))
    expect(issuer.discoveryCalls()).toBe(2)
    for (const answer of answers) expect(answer.headers.get('refresh')).toContain(`${issuer.url}/authorize?`)
    await advance(1)
    await start()
    expect(issuer.discoveryCalls()).toBe(2)
    await advance(600)
    expect((await start()).headers.get('refresh')).toContain(`${issuer.url}/moved?`)
  })
})

test('an operator whose subject holds a comma is one, by a JSON list', async () => {
  const other = await at.makeContext({
    VALETKEY_SIGNIN_ISSUER: issuer.url,
    VALETKEY_OPERATORS: '["cn=some,dc=body", "c"]',
  })
  try {
    expect((await signIn({ claims: { sub: 'cn=some,dc=body' } }, other)).session).toMatchObject({ operator: true })
    expect((await signIn({ claims: { sub: 'cn=some' } }, other)).session).toMatchObject({ operator: false })
  } finally {
    await other.close()
  }
})
