import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ConfigError, parseConfig } from '../../lib/config.ts'

const random = () => randomBytes(32).toString('base64url')
const good = () => ({
  VALETKEY_URL: 'https://valetkey.example.com',
  DATABASE_URL: 'postgres://valetkey_app@127.0.0.1/valetkey',
  VALETKEY_KEYS: `k1:${random()}`,
  VALETKEY_SECRET: random(),
  VALETKEY_SIGNIN_ISSUER: 'https://login.example.com',
  VALETKEY_SIGNIN_CLIENT_ID: 'valetkey',
  VALETKEY_SIGNIN_CLIENT_SECRET: 'a client secret',
})

/** The problems that an environment has. */
function problems(environment: Record<string, string | undefined>): string[] {
  try {
    parseConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('configuration', () => {
  it('accepts a complete environment', () => {
    expect(problems(good())).toEqual([])
    expect(parseConfig(good()).origin).toBe('https://valetkey.example.com')
  })

  it('metrics are off unless a port or a token is given, and the port is bound to loopback', () => {
    expect(parseConfig(good()).metrics).toEqual({ port: undefined, host: '127.0.0.1', token: undefined })
    const token = random()
    const given = { VALETKEY_METRICS_PORT: '9464', VALETKEY_METRICS_HOST: '0.0.0.0', VALETKEY_METRICS_TOKEN: token }
    expect(parseConfig({ ...good(), ...given }).metrics).toEqual({ port: 9464, host: '0.0.0.0', token })
  })

  it('V-06: everything that is missing is named at once', () => {
    expect(problems({}).map((line) => line.split(' ')[0])).toEqual(Object.keys(good()))
    expect(problems({}).every((line) => line.endsWith('is missing'))).toBe(true)
  })

  const repeated = random()
  const unusable: [string, Record<string, string>, string][] = [
    ['a short secret', { VALETKEY_SECRET: 'abc' }, 'VALETKEY_SECRET is too short'],
    ['a default secret', { VALETKEY_SECRET: `changeme${random()}` }, 'VALETKEY_SECRET is a default value'],
    [
      'a secret without entropy',
      { VALETKEY_SECRET: Buffer.alloc(32, 7).toString('base64url') },
      'VALETKEY_SECRET is not random',
    ],
    ['a repeated pattern', { VALETKEY_SECRET: '0123456789'.repeat(5) }, 'VALETKEY_SECRET is not random'],
    [
      'a walk through the alphabet',
      { VALETKEY_KEYS: 'k1:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU' },
      'entry 1 (form kid:base64url) is not random',
    ],
    [
      'a sentence',
      { VALETKEY_SECRET: 'a sentence that somebody made up because it is long enough' },
      'VALETKEY_SECRET is not base64url',
    ],
    ['a default key', { VALETKEY_KEYS: `k1:change-me${random()}` }, 'entry 1 (form kid:base64url) is a default value'],
    [
      'a default second key',
      { VALETKEY_KEYS: `k1:${random()},k2:password` },
      'entry 2 (form kid:base64url) is a default',
    ],
    ['a short key', { VALETKEY_KEYS: 'k1:abc' }, 'VALETKEY_KEYS entry 1'],
    ['a key without an id', { VALETKEY_KEYS: random() }, 'VALETKEY_KEYS entry 1'],
    ['a key id twice', { VALETKEY_KEYS: `k1:${random()},k1:${random()}` }, 'uses a key id twice'],
    ['a key twice', { VALETKEY_KEYS: `k1:${repeated},k2:${repeated}` }, 'holds the same key twice'],
    [
      'one value for two purposes',
      { VALETKEY_KEYS: `k1:${repeated}`, VALETKEY_SECRET: repeated },
      'use separate values',
    ],
    ['a short metrics token', { VALETKEY_METRICS_TOKEN: 'abc' }, 'VALETKEY_METRICS_TOKEN is too short'],
    [
      'a default metrics token',
      { VALETKEY_METRICS_TOKEN: `password${repeated}` },
      'VALETKEY_METRICS_TOKEN is a default value',
    ],
    [
      'a metrics token that no header can carry',
      { VALETKEY_METRICS_TOKEN: `${random()} ${random()}` },
      'VALETKEY_METRICS_TOKEN is not base64url',
    ],
    [
      'a metrics token with another purpose',
      { VALETKEY_SECRET: repeated, VALETKEY_METRICS_TOKEN: repeated },
      'use separate values',
    ],
    ['one port for two servers', { PORT: '3000', VALETKEY_METRICS_PORT: '3000' }, 'choose another port'],
    ['a metrics port that is none', { VALETKEY_METRICS_PORT: '70000' }, 'VALETKEY_METRICS_PORT'],
    ['cookies that browsers would drop', { VALETKEY_URL: 'http://valetkey.example.com' }, '__Host- cookies'],
    ['an origin with a path', { VALETKEY_URL: 'https://valetkey.example.com/app' }, 'an origin only'],
    ['a client authentication that is none', { VALETKEY_SIGNIN_CLIENT_AUTH: 'jwt' }, 'must be basic or post'],
    ...['["a,b"', '["a", 1]', '[""]', '[{"sub":"a"}]'].map((text): [string, Record<string, string>, string] => [
      `the operators ${text}`,
      { VALETKEY_OPERATORS: text },
      'VALETKEY_OPERATORS is not a JSON list of subjects',
    ]),
    ['sign-in without TLS', { VALETKEY_SIGNIN_ISSUER: 'http://login.example.com' }, 'must be https'],
    ['the demo on a foreign database', { VALETKEY_DEMO: '1' }, 'embedded database'],
    ['the demo on a public origin', { VALETKEY_DEMO: '1', VALETKEY_EMBEDDED: '1' }, 'loopback'],
    ['the demo without its stack', { VALETKEY_DEMO: '1' }, 'VALETKEY_DEMO_STACK is missing'],
    ['the demo without its ticket service', { VALETKEY_DEMO: '1' }, 'VALETKEY_DEMO_TICKETS is missing'],
  ]
  it.each(unusable)('V-06: refuses %s', (_, change, message) => {
    const found = problems({ ...good(), ...change })
    expect(found.join('\n')).toContain(message)
    for (const value of Object.values(change).filter((text) => text.length > 12 && !text.startsWith('http')))
      for (const part of value.split(/k\d:|,/).filter((text) => text.length > 12))
        expect(found.join('\n')).not.toContain(part)
  })

  it('V-06: what a person makes as told is accepted', () => {
    for (let index = 0; index < 500; index += 1) {
      const padded = randomBytes(32).toString('base64')
      expect(problems({ ...good(), VALETKEY_KEYS: `k1:${random()},k2:${random()}`, VALETKEY_SECRET: padded })).toEqual(
        [],
      )
    }
  })

  it('operators are subjects between commas, or a JSON list where a subject holds one', () => {
    const operators = (text: string) => parseConfig({ ...good(), VALETKEY_OPERATORS: text }).operators
    expect(parseConfig(good()).operators).toEqual([])
    expect(operators(' a, b ,,c,')).toEqual(['a', 'b', 'c'])
    expect(operators(' ["a,b", " c ", "d"]\n')).toEqual(['a,b', ' c ', 'd'])
    expect(operators('[]')).toEqual([])
  })

  it('the client authenticates at sign-in as told, if it is told', () => {
    const told = (text: string) => parseConfig({ ...good(), VALETKEY_SIGNIN_CLIENT_AUTH: text }).signin.clientAuth
    expect([told(''), told('basic'), told('post')]).toEqual([undefined, 'basic', 'post'])
  })

  it('F-02: internal hosts are names, addresses and blocks, as URLs and resolvers spell them', () => {
    const internal = (text: string) => parseConfig({ ...good(), VALETKEY_INTERNAL_HOSTS: text }).internalHosts
    expect(parseConfig(good()).internalHosts).toEqual([])
    expect(internal(' Keycloak, idp.corp.internal,10.1.0.0/16,10.2.0.1, fd12::/16,FD00::1,')).toEqual([
      'keycloak',
      'idp.corp.internal',
      '10.1.0.0/16',
      '10.2.0.1/32',
      'fd12::/16',
      'fd00::1/128',
    ])
  })

  it.each([
    '*',
    '*.corp.internal',
    'https://idp',
    'idp:8443',
    'a b',
    '10.1.0.0/33',
    '0.0.0.0/0',
    '::/0',
    '10.1',
    '0x7f.1',
    'a..b',
  ])('F-02: %s is no internal host', (entry) => {
    const [problem] = problems({ ...good(), VALETKEY_INTERNAL_HOSTS: `idp,${entry}` })
    expect(problem).toMatch(/^VALETKEY_INTERNAL_HOSTS entry 2 is not a host name/)
  })
})
