import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { adminLines } from '../../lib/providers/keycloak/check.ts'
import { keycloak } from '../../lib/providers/keycloak/index.ts'
import { type Reason, reasonOf, refusalOf } from '../../lib/providers/keycloak/refusals.ts'
import { KeycloakRights } from '../../lib/providers/keycloak/rights.ts'
import { audiencesOf, KeycloakSettings, realmAt } from '../../lib/providers/keycloak/settings.ts'
import type { StrategyOffer } from '../../lib/providers/kind.ts'
import { UpstreamError } from '../../lib/providers/provider.ts'

const settings = KeycloakSettings.parse({
  server: {
    issuer: 'https://login.example.com/realms/acme',
    authorization_endpoint: 'https://login.example.com/realms/acme/protocol/openid-connect/auth',
    token_endpoint: 'https://login.example.com/realms/acme/protocol/openid-connect/token',
    revocation_endpoint: 'https://login.example.com/realms/acme/protocol/openid-connect/revoke',
  },
  bases: [
    { name: 'Files', url: 'https://files.example.com', audience: 'files-api' },
    { name: 'Mail', url: 'https://mail.example.com', audience: 'mail-api' },
    { name: 'Wiki', url: 'https://wiki.example.com' },
  ],
  audiences: [
    { name: 'log-api', text: 'The log of all of them' },
    { name: 'mail-api', text: 'Entered twice' },
  ],
  authentication: 'basic',
  scopes: ['openid', 'offline_access', 'files:read'],
})
const rights = { scopes: ['files:read'], audience: ['files-api'] }

describe('rights of an exchanged token', () => {
  it.each([
    {},
    { scopes: ['files:read'] },
    { audience: ['files-api'] },
    { scopes: [], audience: ['files-api'] },
    { scopes: ['files:read'], audience: [] },
    { ...rights, delegate: false },
    { ...rights, impersonate: '' },
    { ...rights, impersonate: 'bob smith' },
    { ...rights, impersonate: 'bob\u202e' },
    { ...rights, delegate: true, impersonate: 'bob' },
    { ...rights, other: true },
    { ...rights, audience: ['a b'] },
  ])('N-36: are not %j: nothing is not everything', (given) => {
    expect(KeycloakRights.safeParse(given).success).toBe(false)
  })

  it('N-36: are no more than a limit only where the limit says each of them', () => {
    const whole = { ...rights, delegate: true as const }
    expect(keycloak.narrows(whole, whole)).toBe(true)
    expect(keycloak.narrows(rights, whole)).toBe(true)
    for (const limit of [
      {},
      { scopes: ['files:read'] },
      { audience: ['files-api'] },
      { proxy: { access: 'everything' } },
    ])
      expect(keycloak.narrows(rights, limit as unknown as KeycloakRights), JSON.stringify(limit)).toBe(false)
    expect(keycloak.narrows(whole, rights)).toBe(false)
    expect(keycloak.missing({ ...rights, impersonate: 'bob' }, { ...rights, impersonate: 'carol' } as never)).toEqual([
      'the person bob',
    ])
  })

  it('say whom they are about before anything else, and where they work', () => {
    expect(keycloak.describe({ ...rights, audience: ['files-api', 'log-api'], impersonate: 'bob' }, settings)).toEqual([
      { text: 'as another person: bob', risk: 'high' },
      { text: 'files:read', risk: 'medium' },
      { text: 'works at files-api', risk: 'low' },
      { text: 'works at log-api: The log of all of them', risk: 'low' },
    ])
    expect(keycloak.summary({ ...rights, impersonate: 'bob' })).toEqual(['as bob', 'files:read', 'at files-api'])
  })
})

describe('audiences', () => {
  it('X-03: of a project are its own and those of no other project', () => {
    const names = (project: string) => audiencesOf(settings, project).map(({ name }) => name)
    expect(names('https://files.example.com')).toEqual(['files-api', 'log-api'])
    expect(names('https://wiki.example.com')).toEqual(['log-api'])
    expect(names('https://elsewhere.example.com')).toEqual(['log-api'])
  })
})

describe('ways to make a token at a realm', () => {
  const exchange = (change: Partial<KeycloakSettings>) =>
    keycloak.strategies({ ...settings, ...change }).find(({ strategy }) => strategy === 'exchange') as StrategyOffer
  it.each([
    [{ senderConstrained: true }, 'bound to a key'],
    [{ authentication: 'none' as const }, 'public client'],
    [{ exchange: false }, 'does not exchange tokens'],
    [{ bases: [{ name: 'Wiki', url: 'https://wiki.example.com' }], audiences: [] }, 'No audience'],
  ])('X-06: exchange is not offered with %j, and why', (change, reason) => {
    expect(exchange(change)).toMatchObject({ offered: false, reason: expect.stringContaining(reason) })
  })

  it('ASK-18: exchange is the first, and says whether it can name who acts', () => {
    const offered = keycloak.strategies(settings).filter((one) => one.offered)
    expect(offered.map(({ strategy }) => strategy)).toEqual(['exchange', 'proxy'])
    expect(exchange({}).reason).toContain('26.8')
    expect(exchange({ delegation: true }).reason).not.toContain('26.8')
  })
})

describe('a refusal', () => {
  const error = (status: number, code: string) => new UpstreamError('rejected', 'x', { status, code })
  const cases: [number, string, Partial<KeycloakRights>, Reason | 'unclear' | undefined][] = [
    [400, 'invalid_request', { impersonate: 'bob' }, 'impersonation_unsupported'],
    [400, 'invalid_request', { delegate: true }, 'delegation_refused'],
    [400, 'invalid_request', {}, 'unclear'],
    [400, 'invalid_client', {}, 'audience_unknown'],
    [401, 'invalid_client', {}, undefined],
    [401, 'unauthorized_client', {}, undefined],
    [403, 'unauthorized_client', {}, 'client_not_allowed'],
    [400, 'invalid_scope', {}, 'scope_refused'],
    [400, 'invalid_target', {}, 'audience_unavailable'],
    [403, 'access_denied', {}, 'not_permitted'],
    [403, 'access_denied', { impersonate: 'bob' }, 'impersonation_refused'],
    [400, 'unsupported_grant_type', {}, 'exchange_unsupported'],
    [400, 'no_own_token', {}, 'no_service_account'],
    [400, 'invalid_grant', {}, undefined],
    [418, 'teapot', {}, undefined],
  ]
  it.each(cases)('K-29: %d %s for %j is told by its code alone', (status, code, asked, reason) => {
    expect(reasonOf(error(status, code), { ...rights, ...asked })).toBe(reason)
    if (reason && reason !== 'unclear')
      expect(refusalOf(reason, { ...rights, ...asked })).toMatchObject({
        reason,
        means: expect.stringMatching(/\.$/),
        next: expect.stringMatching(/\.$/),
      })
  })
})

it('lines for a shell hold whatever stands in them as one word', () => {
  const odd = `it's $(exit 7) "and" \`exit 8\` \\`
  const admin = adminLines({ issuer: `https://a.example/realms/${encodeURIComponent(odd)}`, clientId: odd })
  const setting = `attributes."x"=${odd}`
  const shown = (lines: string[]) => {
    const program = [
      'kcadm() { for word in "$@"; do printf "<%s>" "$word"; done; }',
      ...lines.map((text) => text.replaceAll('kcadm.sh', 'kcadm')),
      'printf "\n%s" "$CLIENT"',
    ]
    return execFileSync('sh', ['-euc', program.join('\n')], { encoding: 'utf8' }).split('\n')
  }
  const [updated, found] = shown(admin.client(setting))
  expect(found).toBe(`<get><clients><-r><${odd}><-q><clientId=${odd}><--fields><id><--format><csv><--noquotes>`)
  expect(updated).toBe(`<update><clients/${found}><-r><${odd}><-s><${setting}>`)
  const [changed] = shown(['CLIENT=', ...admin.realm(setting)])
  expect(changed).toBe(`<update><realms/${encodeURIComponent(odd)}><-s><${setting}>`)
})

it('N-05: a realm is known by its address, also one of before version 17, and one with a space in its name', () => {
  expect(realmAt('https://a.example/realms/acme')).toEqual({ server: 'https://a.example', realm: 'acme' })
  expect(realmAt('https://a.example/auth/realms/my%20realm')).toEqual({
    server: 'https://a.example/auth',
    realm: 'my realm',
  })
})
