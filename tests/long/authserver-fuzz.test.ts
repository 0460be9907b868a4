// What programs may post to the authorization server, thousands of times: never a failure of ours, always an answer in the words
// of the RFCs.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grantTypes } from '../../lib/authserver/metadata.ts'
import { assertionType } from '../../lib/security/client-assertion.ts'
import { currentNonce } from '../../lib/security/proof.ts'
import { newToken } from '../../lib/security/secrets.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { newProver } from '../support/dpop.ts'
import { approveDevice, deviceLogin, insertClient, post } from '../support/programs.ts'

const seed = Number(process.env.VALETKEY_FUZZ_SEED ?? 20_261_129)
/** `npm run fuzz` sends more. */
const numRuns = Number(process.env.VALETKEY_FUZZ_CASES ?? 2_000)
/** Each endpoint, with what a form for it needs. */
const needed: Record<string, string[]> = {
  '/oauth/token': ['grant_type', 'device_code', 'code', 'refresh_token', 'redirect_uri', 'code_verifier'],
  '/oauth/par': ['response_type', 'redirect_uri', 'code_challenge', 'code_challenge_method', 'scope'],
  '/oauth/device_authorization': ['scope'],
  '/oauth/introspect': ['token'],
  '/oauth/revoke': ['token'],
}
const paths = Object.keys(needed)

/** RFC 6749 5.2, 8628 3.5, 8707 2, 9126 2.3, 9449 5, and the two of 6749 4.1.2.1 that say that it is not their fault. */
const words = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_response_type',
  'invalid_scope',
  'invalid_target',
  'authorization_pending',
  'slow_down',
  'access_denied',
  'expired_token',
  'invalid_dpop_proof',
  'use_dpop_nonce',
])

let app: TestApp
/** What is right, for each field: so that cases get past the first guard. */
let right: Record<string, string[]>
let proofs: string[]
beforeAll(async () => {
  app = await startTestApp()
  const browser = await app.signIn('owner@acme.test')
  const user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  const { id, secret } = await insertClient(app, 'acme', { redirectUris: ['https://app.example/callback'] })
  const client = { client_id: id, client_secret: secret }
  const given = { user, scopes: ['projects:read'] as const }
  const tokens = await Promise.all([deviceLogin(app, 'acme', given), deviceLogin(app, 'acme', { ...given, client })])
  const device = (await post<{ device_code: string }>(app, '/oauth/device_authorization', client)).body.device_code
  const answered = (await post<{ device_code: string }>(app, '/oauth/device_authorization', client)).body.device_code
  await approveDevice(app, 'acme', answered, given)
  const prover = await newProver(app.ctx.now)
  const nonce = currentNonce(app.ctx)
  proofs = await Promise.all(paths.map((path) => prover.proof({ method: 'POST', url: `${origin}${path}`, nonce })))
  right = {
    grant_type: Object.values(grantTypes),
    client_id: ['valetkey', id],
    client_secret: [secret],
    client_assertion_type: [assertionType],
    client_assertion: proofs,
    device_code: [device, answered],
    code: [newToken('ac').reveal()],
    refresh_token: tokens.map(({ refresh_token }) => refresh_token),
    token: tokens.flatMap(({ access_token, refresh_token }) => [access_token, refresh_token]),
    token_type_hint: ['access_token', 'refresh_token'],
    redirect_uri: ['https://app.example/callback', 'http://127.0.0.1:1/callback'],
    code_verifier: ['a'.repeat(43)],
    code_challenge: ['a'.repeat(43)],
    code_challenge_method: ['S256', 'plain'],
    response_type: ['code', 'token'],
    response_mode: ['query', 'fragment'],
    scope: ['projects:read', 'tenant:manage', ''],
    resource: [origin, `${origin}/`],
    state: ['a state'],
    prompt: ['none', 'login consent'],
    max_age: ['0', '600'],
    dpop_jkt: [prover.key],
    request_uri: ['urn:ietf:params:oauth:request_uri:x'],
  }
})
afterAll(async () => {
  await app.stop()
})

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    '\u0000',
    "'; DROP TABLE api_client; --",
    '__proto__',
    'null',
    '-1',
    '1e300',
    '%00',
    'a'.repeat(5000),
  ),
  fc.constantFrom('vk_at_', 'vk_rt_', 'vk_dc_').map((prefix) => `${prefix}${'A'.repeat(49)}`),
)
/** A field as it should be, or with another value. */
const fieldOf = (name: string) =>
  fc
    .oneof({ weight: 9, arbitrary: fc.constantFrom(...(right[name] ?? [])) }, { weight: 1, arbitrary: text })
    .map((value) => [name, value] as [string, string])
/** What an endpoint needs, most of the time, with a client that shows something; and a few fields more, of some RFC or of none. */
const fields = (path: string) => {
  const usual = (needed[path] ?? []).map((name) => fc.option(fieldOf(name), { freq: 9 }))
  const [open = '', id = ''] = right.client_id ?? []
  const proved = { client_id: id, client_secret: right.client_secret?.[0] ?? '' }
  const client = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(Object.entries(proved), Object.entries({ client_id: open })) },
    { weight: 1, arbitrary: fc.array(fc.oneof(fieldOf('client_id'), fieldOf('client_secret')), { maxLength: 2 }) },
  )
  const name = fc.oneof(text, fc.constantFrom('constructor', 'toString', 'GRANT_TYPE'))
  const odd = fc.oneof(...Object.keys(right).map(fieldOf), fc.tuple(name, text))
  return fc
    .tuple(fc.tuple(...usual), client, fc.array(odd, { maxLength: 3, size: 'small' }))
    .map(([list, who, more]) => [...list.filter((one) => one !== null), ...who, ...more])
}
const once = (list: [string, string][]) => [...new Map(list)]
const bodies = (path: string) =>
  fc.oneof(
    // As a program would send it, most of the time: each field once.
    { weight: 8, arbitrary: fields(path).map((list) => new URLSearchParams(once(list)).toString()) },
    { weight: 1, arbitrary: fields(path).map((list) => new URLSearchParams(list).toString()) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  )
const headerText = fc.string({ maxLength: 60 }).map((one) => one.replaceAll(/[^\x21-\x7e]/g, 'x'))
const heads = () => fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: oddHeads() })
const oddHeads = () =>
  fc.record(
    {
      authorization: fc.oneof(
        fc.constantFrom(
          ...(right.client_secret ?? []).map((secret) => `Basic ${btoa(`${right.client_id?.[1]}:${secret}`)}`),
          'Basic',
          'Basic Og==',
          'Basic JTAwOiUwMA==',
          'Basic JTox',
          'Bearer x',
        ),
        headerText,
      ),
      dpop: fc.oneof(fc.constantFrom(...proofs), headerText),
      'content-type': fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded; charset=x'),
    },
    { requiredKeys: [] },
  )

describe.concurrent.each(paths)('%s', (path) => {
  it(`E-02 X-01: answers ${numRuns} forms in words of the RFCs, with seed ${seed}`, {
    timeout: 300_000 + numRuns * 100,
  }, async () => {
    const seen = new Map<string, number>()
    const property = fc.asyncProperty(bodies(path), heads(), async (body, head) => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': address(), ...head }
      const response = await app.route(new Request(`${origin}${path}`, { method: 'POST', headers, body }))
      const answer = await response.text()
      expect(response.headers.get('cache-control')).toBe('no-store')
      const isGone = response.status === 200 && path === '/oauth/revoke'
      const read = isGone ? {} : (JSON.parse(answer) as { error?: string; error_description?: string })
      const word = read.error ?? 'done'
      seen.set(word, (seen.get(word) ?? 0) + 1)
      expect([word, response.status < 300]).toEqual([word, word === 'done'])
      if (word === 'done') return
      expect([400, 401, 413], answer).toContain(response.status)
      expect(words.has(word), answer).toBe(true)
      // RFC 6749 5.2: what a description may be written with.
      expect(read.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(response.headers.get('www-authenticate') !== null).toBe(response.status === 401)
    })
    await fc.assert(property, { seed, numRuns })
    if (numRuns > 2_000)
      console.info(`${path}: ${numRuns} forms (${[...seen].map((one) => one.join(': ')).join(', ')})`)
    // Not vacuous: it got past the first guards.
    for (const word of ['done', 'invalid_request', 'invalid_client'])
      expect(seen.get(word) ?? 0, JSON.stringify([...seen])).toBeGreaterThan(0)
  })
})

/** Another one each time: what is counted by address is not what this is about. */
let count = 0
const address = () => {
  count += 1
  return `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`
}
