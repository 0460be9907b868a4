// A program trades its own access token for one that is for an API of the tenant's own (RFC 8693).
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import { newToken } from '../../lib/security/secrets.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { deviceLogin, insertClient, type OAuthError, post, type Tokens } from '../support/programs.ts'
import { audienceBody } from '../support/things.ts'

let app: TestApp
let owner: Jar
let user: string
let audience: string
let client: { id: string; secret: string }
/** What resource servers ask with. */
let server: { id: string; secret: string }

const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const uri = audienceBody.audience
const grantTypes = ['device_code', 'refresh_token', 'token_exchange']
const mayIssue: Scope[] = ['tokens:issue', 'tenant:read']

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
  await app.call(owner, 'POST', '/tenants/acme/providers', { kind: 'own', name: 'Own APIs' })
  const settings = { ...audienceBody.settings, offline: false }
  const made = await app.call<{ id: string }>(owner, 'POST', '/tenants/acme/audiences', { ...audienceBody, settings })
  audience = made.body.id
  client = await insertClient(app, 'acme', { grantTypes })
  server = await insertClient(app, 'acme', { grantTypes: [], audiences: [audience] })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

type Exchanged = Tokens & OAuthError & { issued_token_type: string }
const credentials = (of = client) => ({ client_id: of.id, client_secret: of.secret })
const login = (given: { scopes?: Scope[]; ceilings?: object; of?: typeof client } = {}) =>
  deviceLogin(app, 'acme', {
    user,
    scopes: given.scopes ?? mayIssue,
    ceilings: given.ceilings ?? { [audience]: { rights: null, proxy: null } },
    client: credentials(given.of),
  })
const exchange = (subject: string, more: Record<string, string> = {}, of = credentials()) =>
  post<Exchanged>(app, '/oauth/token', {
    grant_type: exchangeType,
    subject_token: subject,
    subject_token_type: accessToken,
    audience: uri,
    scope: 'api:read',
    ...more,
    ...of,
  })
const introspect = async (token: string) =>
  (await post<Record<string, unknown>>(app, '/oauth/introspect', { token }, { basic: [server.id, server.secret] })).body

describe('token exchange', () => {
  it('X-03 X-04 I-03: gives a token for the audience, of the same person, for no longer than its subject has', async () => {
    const subject = await login()
    await app.advance(1800)
    const { status, body, headers } = await exchange(subject.access_token)
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(body).toEqual({
      access_token: expect.stringMatching(/^vk_sg_/),
      issued_token_type: accessToken,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'api:read',
    })
    // What is left of its hour, to the seconds that the machine took.
    expect(body.expires_in).toBeGreaterThan(1790)
    expect(body.expires_in).toBeLessThanOrEqual(1800)
    expect(await introspect(body.access_token)).toMatchObject({
      active: true,
      sub: user,
      aud: uri,
      scope: 'api:read',
      client_id: client.id,
      iss: `${origin}/t/acme`,
    })
    // Nobody else's resource server is told of it.
    const stranger = await insertClient(app, 'acme')
    const asked = await post(app, '/oauth/introspect', { token: body.access_token, ...credentials(stranger) })
    expect(asked.text).toBe('{"active":false}')
  })

  it('X-07 I-04: ends with its subject’s grant, and cannot be exchanged again', async () => {
    const subject = await login()
    const { access_token: token } = (await exchange(subject.access_token)).body
    expect((await exchange(token)).body.error).toBe('invalid_request')
    await post(app, '/oauth/revoke', { token: subject.refresh_token, ...credentials() })
    expect(await introspect(token)).toEqual({ active: false })
    expect((await exchange(subject.access_token)).body.error).toBe('invalid_request')
  })

  test.each<[string, () => Promise<string>]>([
    [
      'a token of another client',
      async () => (await login({ of: await insertClient(app, 'acme', { grantTypes }) })).access_token,
    ],
    ['a refresh token', async () => (await login()).refresh_token],
    ['one that nobody has', async () => newToken('at').reveal()],
    ['nonsense', async () => 'nonsense'],
  ])('X-02: %s is no subject', async (_, subject) => {
    const { status, body } = await exchange(await subject())
    expect([status, body.error]).toEqual([400, 'invalid_request'])
  })

  it('X-02: one whose hour is over is no subject', async () => {
    const subject = await login()
    await app.advance(3601)
    expect((await exchange(subject.access_token)).body.error).toBe('invalid_request')
  })

  test.each<[string, Record<string, string>, string]>([
    ['another type of subject', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, 'invalid_request'],
    [
      'another type of token',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
    ],
    ['somebody who acts', { actor_token: 'x', actor_token_type: accessToken }, 'invalid_request'],
    ['two targets', { resource: uri }, 'invalid_request'],
    ['no scope', { scope: '' }, 'invalid_request'],
    ['an audience that is not there', { audience: 'https://nobody.example' }, 'invalid_target'],
    ['a scope that the audience does not know', { scope: 'api:write' }, 'invalid_request'],
  ])('X-01 X-03: %s is refused', async (_, wrong, error) => {
    const subject = await login()
    const { status, body } = await exchange(subject.access_token, wrong)
    expect([status, body.error]).toEqual([400, error])
  })

  it('X-03: goes no further than the person let the program go', async () => {
    const nothing = await login({ ceilings: {} })
    expect((await exchange(nothing.access_token)).body.error).toBe('invalid_scope')
    const noIssuing = await login({ scopes: ['tenant:read'], ceilings: {} })
    expect((await exchange(noIssuing.access_token)).body.error).toBe('invalid_scope')
  })

  it('X-03: an audience that was removed is one that is not there', async () => {
    const subject = await login()
    await app.rows('acme', 'UPDATE project SET removed_at = vk_now() WHERE id = $1', [audience])
    const { status, body } = await exchange(subject.access_token)
    expect([status, body.error]).toEqual([400, 'invalid_target'])
    await app.rows('acme', 'UPDATE project SET removed_at = NULL WHERE id = $1', [audience])
    expect((await exchange(subject.access_token)).status).toBe(200)
  })

  it('X-06: is for clients that authenticate and are registered for it', async () => {
    const other = await insertClient(app, 'acme', { grantTypes: ['device_code', 'refresh_token'] })
    const subject = await login({ of: other })
    expect((await exchange(subject.access_token, {}, credentials(other))).body.error).toBe('unauthorized_client')
    const open = await insertClient(app, 'acme', { authentication: 'none', grantTypes })
    const theirs = await deviceLogin(app, 'acme', { user, scopes: mayIssue, client: { client_id: open.id } })
    const asked = await exchange(theirs.access_token, {}, { client_id: open.id } as ReturnType<typeof credentials>)
    expect(asked.body.error).toBe('unauthorized_client')
    expect((await exchange(subject.access_token, {}, { ...credentials(), client_secret: 'wrong' })).status).toBe(401)
  })
})
