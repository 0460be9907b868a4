// What an OAuth server may answer, 10,000 times over: never a crash, never a lost rotation, no end without a verdict.
import fc from 'fast-check'
import { CompactEncrypt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { isSetupError } from '../../lib/providers/kind.ts'
import { oauthServer } from '../../lib/providers/oauth/index.ts'
import { OauthSettings } from '../../lib/providers/oauth/settings.ts'
import { prepare } from '../../lib/providers/oauth/setup.ts'
import { isUpstreamError, type ProviderDeps, type UpstreamError } from '../../lib/providers/provider.ts'
import { isJson, isModestJson, isStorableJson } from '../../lib/security/json.ts'
import { OutboundError, type OutboundFetch } from '../../lib/security/outbound.ts'
import { Secret } from '../../lib/security/secrets.ts'

const seed = Number(process.env.VALETKEY_FUZZ_SEED ?? 20_261_129)
const numRuns = 10_000
const issuer = 'https://login.example.com'
const now = new Date('2026-11-29T12:00:00Z')
type Answer = { status: number; body: Uint8Array | string; type: string; headers?: Record<string, string> }

/** A way out that answers what it is told, judged as the real one judges (F-06). */
function depsOf(answers: (url: string) => Answer | 'silence'): ProviderDeps {
  const fetch: OutboundFetch = async (input, init) => {
    const answer = answers(input instanceof Request ? input.url : String(input))
    if (answer === 'silence') throw new OutboundError('The answer did not arrive', { reached: true })
    const body = typeof answer.body === 'string' ? new TextEncoder().encode(answer.body) : answer.body
    const headers = new Headers({ 'content-type': answer.type, ...answer.headers })
    if (isJson(headers) && !(isModestJson(body) && (init?.anyText || isStorableJson(body))))
      throw new OutboundError('The answer is too deep', { reached: true })
    const isBodiless = [204, 205].includes(answer.status)
    return new Response(isBodiless ? null : new Uint8Array(body), { status: answer.status, headers })
  }
  const way = { fetch, discoveries: new Map(), keySets: new Map(), certificateEnds: new Map() }
  const policy = { loopback: false, internalHosts: [] }
  return {
    ...way,
    trusting: () => way,
    proofs: new Map(),
    issuerClocks: new Map(),
    config: policy,
    now: () => now,
    sleep: async () => {},
  }
}

const settings = OauthSettings.parse({
  server: {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
    revocation_endpoint: `${issuer}/revoke`,
  },
  bases: [{ name: 'API', url: 'https://api.example.com' }],
  authentication: 'post',
  scopes: ['openid', 'read'],
})
const providerOf = (deps: ProviderDeps) =>
  oauthServer.open({ issuer, clientId: 'client-1', clientSecret: new Secret('secret'), settings }, deps)
const credential = () => new Secret(JSON.stringify({ refresh: 'stored' }))

/** Values of every JSON kind, and some that look nearly right. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-1',
    '1e400',
    'NaN',
    'null',
    '\u0000',
    '\ud800',
    '__proto__',
    'Bearer',
    'dpop',
    'openid read',
  ),
  fc.constantFrom(0, -1, 1e300, Number.MAX_SAFE_INTEGER, 3600, 0.5),
)
const names = [
  'access_token',
  'refresh_token',
  'token_type',
  'expires_in',
  'scope',
  'id_token',
  'error',
  'error_description',
  'refresh_expires_in',
  'constructor',
]
const odd = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 12 })), value, { maxKeys: 8 })
const json = (document: unknown) => JSON.stringify(document)
const status = fc.constantFrom(200, 200, 200, 201, 204, 301, 400, 400, 401, 403, 404, 418, 429, 500, 502, 503)
const type = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'text/html',
  'application/problem+json',
  '',
  'application/x-www-form-urlencoded',
)
const body = fc.oneof(
  { weight: 6, arbitrary: odd.map(json) },
  fc.string({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }),
  fc.jsonValue().map(json),
)
const answer: fc.Arbitrary<Answer | 'silence'> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ status, type, body }) },
  fc.constant('silence' as const),
)

/** Whole but for its signature. */
const idTokenOf = (sub: string) => {
  const part = (value: object) => Buffer.from(json(value)).toString('base64url')
  const at = Math.floor(now.getTime() / 1000)
  return `${part({ alg: 'RS256', kid: 'k' })}.${part({ iss: issuer, aud: 'client-1', sub, iat: at, exp: at + 300 })}.c2ln`
}

/** Only this is a verdict on a grant (RFC 6749 5.2). */
const isVerdict = (given: Answer | 'silence') => {
  if (given === 'silence' || given.status < 400 || given.status >= 500 || given.status === 429) return false
  try {
    const text = typeof given.body === 'string' ? given.body : new TextDecoder().decode(given.body)
    return isJson(new Headers({ 'content-type': given.type })) && JSON.parse(text)?.error === 'invalid_grant'
  } catch {
    return false
  }
}
const isSuccess = (given: Answer | 'silence'): boolean => {
  if (given === 'silence' || given.status < 200 || given.status > 299 || given.status === 204) return false
  try {
    const text = typeof given.body === 'string' ? given.body : new TextDecoder().decode(given.body)
    const parsed = JSON.parse(text)
    return (
      isJson(new Headers({ 'content-type': given.type })) &&
      typeof parsed?.access_token === 'string' &&
      parsed.access_token !== ''
    )
  } catch {
    return false
  }
}
/** Whether the way out hands it on. */
const isKept = ({ body, type }: Answer) =>
  !isJson(new Headers({ 'content-type': type })) ||
  isStorableJson(typeof body === 'string' ? new TextEncoder().encode(body) : body)
async function failureOf(work: Promise<unknown>): Promise<UpstreamError | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (isUpstreamError(error)) return error
    throw error
  }
}

describe('RR-07 RR-09: whatever a server answers', () => {
  it('a refresh: a token that came is kept, and only a verdict ends the grant', async () => {
    await fc.assert(
      fc.asyncProperty(answer, answer, async (token, keys) => {
        const deps = depsOf((url) => (url.endsWith('/token') ? token : keys))
        const grants: unknown[] = []
        const failure = await failureOf(
          providerOf(deps)
            .refresh({ refreshToken: credential(), subject: 'somebody' })
            .then((grant) => {
              grants.push(grant)
              const { refresh } = JSON.parse(grant.refreshToken?.reveal() ?? '{}') as { refresh?: string }
              expect(refresh).toBeTypeOf('string')
              expect(grant.expiresInSeconds).toBeGreaterThan(0)
              expect(grant.expiresInSeconds).toBeLessThanOrEqual(86_400)
            }),
        )
        if (isSuccess(token)) expect(grants).toHaveLength(1)
        if (failure?.failure === 'refused') expect(isVerdict(token)).toBe(true)
      }),
      { numRuns, seed },
    )
  }, 300_000)

  it('a code: nobody is linked as somebody by an answer that is not sound', async () => {
    await fc.assert(
      fc.asyncProperty(answer, answer, answer, async (token, keys, userinfo) => {
        const deps = depsOf((url) => (url.endsWith('/token') ? token : url.endsWith('/jwks') ? keys : userinfo))
        const parameters = new URLSearchParams({ code: 'c', state: 's' })
        const sent = {
          parameters,
          state: 's',
          nonce: 'n',
          codeVerifier: 'v'.repeat(43),
          redirectUri: 'https://valetkey.example/cb',
        }
        // No generated answer holds an ID token that this issuer signed.
        expect(await failureOf(providerOf(deps).exchangeCode(sent))).toBeDefined()
      }),
      { numRuns, seed },
    )
  }, 300_000)

  it('a revocation, and the list of what can be chosen', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (given) => {
        const failure = await failureOf(
          providerOf(depsOf(() => given)).revoke({ kind: 'grant', refreshToken: credential() }),
        )
        if (given !== 'silence' && given.status === 200 && isKept(given)) expect(failure).toBeUndefined()
        else expect(failure).toBeDefined()
      }),
      { numRuns: 2_000, seed },
    )
  }, 60_000)
})

describe('RR-10 L-05: whatever an ID token holds', () => {
  let sign: (claims: object, header: object) => Promise<string>
  let jwks: string
  beforeAll(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    jwks = json({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] })
    sign = (claims, header) =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'one', ...header }).sign(privateKey)
  })
  const at = Math.floor(now.getTime() / 1000)
  const right = { iss: issuer, aud: 'client-1', sub: 'somebody', iat: at, exp: at + 300 }
  const claims = fc.record(
    { iss: value, aud: value, sub: value, iat: value, exp: value, azp: value, nbf: value, nonce: value },
    { requiredKeys: [] },
  )

  it('a refreshed one never costs the rotated token, and is the same person only if all of it is right', async () => {
    await fc.assert(
      fc.asyncProperty(
        claims,
        fc.constantFrom({}, { kid: 'two' }, { typ: 'at+jwt' }, { alg: 'ES256' }),
        async (changes, header) => {
          const idToken = await sign({ ...right, ...changes }, header).catch(() => 'a.b.c')
          const token = json({
            access_token: 'a',
            refresh_token: 'r',
            token_type: 'Bearer',
            expires_in: 60,
            id_token: idToken,
          })
          const deps = depsOf((url) => ({
            status: 200,
            type: 'application/json',
            body: url.endsWith('/jwks') ? jwks : token,
          }))
          const grant = await providerOf(deps).refresh({ refreshToken: credential(), subject: 'somebody' })
          expect(grant.accessToken.reveal()).toBe('a')
          const isAsked = ({ iss, sub }: { iss?: unknown; sub?: unknown }) =>
            (iss === undefined || iss === issuer) && (sub === undefined || sub === 'somebody')
          if (grant.identity === 'same') expect(isAsked(changes)).toBe(true)
        },
      ),
      { numRuns: 3_000, seed },
    )
  }, 120_000)
})

it('RR-02: keys that do not come hold no rotated token up, and say nothing about the person', async () => {
  const token = json({ access_token: 'a', refresh_token: 'r', token_type: 'Bearer', id_token: idTokenOf('somebody') })
  const deps = depsOf(() => ({ status: 200, type: 'application/json', body: token }))
  const silent: ProviderDeps = {
    ...deps,
    fetch: (input, init) => (String(input).endsWith('/jwks') ? new Promise(() => {}) : deps.fetch(input, init)),
  }
  const grant = await providerOf(silent).refresh({ refreshToken: credential(), subject: 'somebody' })
  expect([grant.accessToken.reveal(), grant.identity]).toEqual(['a', undefined])
}, 4_000)

it('J-08: an ID token that is encrypted, or packed, is opened by nobody and links nobody', async () => {
  const { publicKey } = await generateKeyPair('RSA-OAEP-256')
  const bomb = new TextEncoder().encode('a'.repeat(200_000))
  for (const header of [
    { alg: 'RSA-OAEP-256', enc: 'A256GCM' },
    { alg: 'dir', enc: 'A256GCM' },
  ]) {
    const key = header.alg === 'dir' ? new Uint8Array(32) : publicKey
    const packed = await new CompactEncrypt(bomb).setProtectedHeader(header).encrypt(key)
    const token = json({ access_token: 'a', refresh_token: 'r', token_type: 'Bearer', id_token: packed })
    const deps = depsOf(() => ({ status: 200, type: 'application/json', body: token }))
    const parameters = new URLSearchParams({ code: 'c', state: 's' })
    const sent = {
      parameters,
      state: 's',
      nonce: 'n',
      codeVerifier: 'v'.repeat(43),
      redirectUri: 'https://valetkey.example/cb',
    }
    expect(await failureOf(providerOf(deps).exchangeCode(sent))).toMatchObject({ failure: 'protocol' })
    // A refresh keeps the tokens and flags the person.
    const grant = await providerOf(deps).refresh({ refreshToken: credential(), subject: 'somebody' })
    expect([grant.accessToken.reveal(), grant.identity]).toEqual(['a', 'changed'])
  }
})

describe('F-06 F-07 F-08: whatever metadata holds', () => {
  const address = fc.oneof(
    value,
    fc.constantFrom(
      'javascript:alert(1)',
      'http://login.example.com/x',
      'https://169.254.169.254/',
      'https://user@login.example.com/',
      'file:///etc/passwd',
      `${issuer}/fine`,
      'https://localhost/x',
    ),
  )
  const metadata = fc.record(
    {
      issuer: fc.oneof({ weight: 3, arbitrary: fc.constant(issuer) }, address),
      authorization_endpoint: address,
      token_endpoint: address,
      jwks_uri: address,
      userinfo_endpoint: address,
      revocation_endpoint: address,
    },
    { requiredKeys: [] },
  )
  it('a provider is made from it only with addresses that may be used, under the issuer that was asked', async () => {
    await fc.assert(
      fc.asyncProperty(metadata, status, async (document, code) => {
        const deps = depsOf(() => ({ status: code, type: 'application/json', body: json(document) }))
        const made = await prepare(
          { issuer, api_bases: [{ name: 'API', url: 'https://api.example.com' }] },
          deps,
        ).catch((error: unknown) => {
          if (isSetupError(error)) return undefined
          throw error
        })
        if (!made) return
        expect(made.issuer).toBe(issuer)
        const { server } = OauthSettings.parse(made.settings)
        for (const [name, url] of Object.entries(server))
          if (/_endpoint$|^jwks_uri$/.test(name)) expect(url).toMatch(/^https:\/\/login\.example\.com\//)
      }),
      { numRuns, seed },
    )
  }, 120_000)
})
