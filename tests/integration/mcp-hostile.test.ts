// Servers that lie, loop, stall or lead inside, from the first call to the end of a link: refused in words, bounded, nothing kept.
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type BrokerError, isBrokerError } from '../../lib/errors.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { mcpProviders } from '../support/mcp-provider.ts'
import { type Instead, type McpState, type Seen, startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

let broker: Broker
let owner: BrowserActor
let server: TestMcpServer
let mcp: ReturnType<typeof mcpProviders>
/** What nobody may ever reach. */
let inside: TestMcpServer
let close: () => Promise<void>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  server = await startMcpServer({ issuerPath: '/t' })
  inside = await startMcpServer()
  // As patient as a test can be.
  const ctx = await broker.makeContext({}, { limits: { headersMs: 400, bodyMs: 400 } })
  close = () => ctx.close()
  mcp = mcpProviders(broker, owner, ctx)
})
afterAll(async () => {
  await close()
  await server.stop()
  await inside.stop()
  await broker.stop()
})
afterEach(() => server.is())

const prm = '/.well-known/oauth-protected-resource/mcp'
const metadata = '/.well-known/oauth-authorization-server/t'
/** Answers in the place of one address. */
const at = (path: string, answer: Instead): Pick<McpState, 'instead'> => ({
  instead: (seen: Seen) => (seen.path === path ? answer : undefined),
})
const leadsTo = (address: string): Partial<McpState> => ({
  challenges: () => [`Bearer resource_metadata="${address}"`],
})
const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
const endless = () =>
  new Readable({
    read() {
      this.push(Buffer.alloc(65_536, ' '))
    },
  })
/** One byte, and then nothing. */
const stalls = () => {
  const stream = new Readable({ read() {} })
  stream.push('{')
  return stream
}
const elsewhere = (status: number): Instead => ({ status, headers: { location: 'http://localhost:1/' } })

async function refused(work: Promise<unknown>): Promise<BrokerError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!isBrokerError(error)) throw error ?? new Error('it was not refused')
  return error
}

type Row = [what: string, state: () => Partial<McpState>, field: string, says: RegExp]

const discoveries: Row[] = [
  // Where it leads.
  [
    'its challenge leads into the network',
    () => leadsTo('http://169.254.169.254/latest/meta-data'),
    'url',
    /does not say where/,
  ],
  ['its challenge leads to a private address', () => leadsTo('https://10.1.2.3/prm'), 'url', /does not say where/],
  ['its challenge leads to a file', () => leadsTo('file:///etc/passwd'), 'url', /does not say where/],
  [
    'its challenge leads to a name of the inside',
    () => leadsTo('https://db.internal/prm'),
    'url',
    /does not say where/,
  ],
  ['its challenge leads to no URL', () => leadsTo('nonsense'), 'url', /does not say where/],
  ['its challenge leads back to the server itself', () => leadsTo(server.url), 'url', /does not say where/],
  [
    'its challenge carries a password',
    () => leadsTo(server.metadataUrl.replace('//', '//a:b@')),
    'url',
    /does not say where/,
  ],
  [
    'its challenge is longer than a header may be',
    () => leadsTo(`https://x.example/${'a'.repeat(30_000)}`),
    'url',
    /not answer as/,
  ],
  // The server itself.
  ['it redirects', () => at('/mcp', elsewhere(307)), 'url', /not answer as/],
  [
    'it is a web page',
    () => at('/mcp', { headers: { 'content-type': 'text/html' }, body: '<html>' }),
    'url',
    /not answer as/,
  ],
  ['it answers JSON that is no message', () => at('/mcp', { body: { ok: true } }), 'url', /not answer as/],
  ['it fails', () => at('/mcp', { status: 500, body: {} }), 'url', /not answer as/],
  ['it never answers', () => at('/mcp', 'never'), 'url', /not answer as/],
  [
    'it streams without an end',
    () => at('/mcp', { headers: { 'content-type': 'text/event-stream' }, body: endless() }),
    'url',
    /not answer as/,
  ],
  // What it says of itself.
  ['its metadata redirects', () => at(prm, elsewhere(302)), 'url', /does not say where/],
  [
    'its metadata is a page',
    () => at(prm, { headers: { 'content-type': 'text/html' }, body: '<html>' }),
    'url',
    /does not say where/,
  ],
  ['its metadata is a list', () => at(prm, { body: [] }), 'url', /cannot be read/],
  ['its metadata is two megabytes', () => at(prm, { body: { a: 'x'.repeat(2_097_152) } }), 'url', /does not say where/],
  ['its metadata is nested a thousand deep', () => at(prm, { body: deep(1_000) }), 'url', /does not say where/],
  ['its metadata has no end', () => at(prm, { body: endless() }), 'url', /does not say where/],
  ['its metadata stalls', () => at(prm, { body: stalls() }), 'url', /does not say where/],
  ['its metadata never comes', () => at(prm, 'never'), 'url', /does not say where/],
  ['it has no metadata', () => ({ challenges: () => ['Bearer'], resourceMetadataAt: [] }), 'url', /does not say where/],
  [
    'its metadata is of another server',
    () => ({ resourceMetadata: { resource: 'https://other.example/mcp' } }),
    'url',
    /another address/,
  ],
  [
    'its metadata is of its host as a whole',
    () => ({ resourceMetadata: { resource: server.origin } }),
    'url',
    /another address/,
  ],
  [
    'its metadata has a fragment',
    () => ({ resourceMetadata: { resource: `${server.url}#x` } }),
    'url',
    /another address/,
  ],
  [
    'it names no authorization server',
    () => ({ resourceMetadata: { authorization_servers: [] } }),
    'url',
    /no authorization server/,
  ],
  [
    'it takes tokens in the query alone',
    () => ({ resourceMetadata: { bearer_methods_supported: ['query'] } }),
    'url',
    /in a header/,
  ],
  // Its authorization server.
  [
    'its authorization server is inside',
    () => ({ resourceMetadata: { authorization_servers: ['https://192.168.0.1/'] } }),
    'authorization_server',
    /Only public/,
  ],
  [
    'its authorization server is a script',
    () => ({ resourceMetadata: { authorization_servers: ['javascript:alert(1)'] } }),
    'authorization_server',
    /Only public/,
  ],
  [
    'its authorization server names another',
    () => ({ serverMetadata: { issuer: 'https://other.example' } }),
    'authorization_server',
    /another issuer/,
  ],
  [
    'its authorization server adds a slash',
    () => ({ serverMetadata: { issuer: `${server.issuer}/` } }),
    'authorization_server',
    /another issuer/,
  ],
  ['its authorization server says nothing', () => ({ serverMetadataAt: [] }), 'authorization_server', /no metadata/],
  [
    'its authorization server has no token endpoint',
    () => ({ serverMetadata: { token_endpoint: undefined } }),
    'authorization_server',
    /no metadata/,
  ],
  [
    'its authorization server redirects',
    () => ({ serverMetadataAt: [], ...at(metadata, elsewhere(301)) }),
    'authorization_server',
    /no metadata/,
  ],
  [
    'its authorization server lists no PKCE',
    () => ({ serverMetadata: { code_challenge_methods_supported: undefined } }),
    'authorization_server',
    /PKCE/,
  ],
  [
    'its authorization server has plain PKCE',
    () => ({ serverMetadata: { code_challenge_methods_supported: ['plain'] } }),
    'authorization_server',
    /PKCE/,
  ],
  [
    'people cannot link there',
    () => ({ serverMetadata: { grant_types_supported: ['client_credentials'] } }),
    'authorization_server',
    /code flow/,
  ],
  [
    'its token endpoint is inside',
    () => ({ serverMetadata: { token_endpoint: 'https://10.0.0.1/token' } }),
    'authorization_server',
    /its token_endpoint/,
  ],
  [
    'its sign-in page is a script',
    () => ({ serverMetadata: { authorization_endpoint: 'javascript:alert(1)' } }),
    'authorization_server',
    /no metadata|cannot be used/,
  ],
  [
    'its keys are inside',
    () => ({ serverMetadata: { jwks_uri: 'http://[::1]:9/jwks'.replace('[::1]:9', 'metadata.google.internal') } }),
    'authorization_server',
    /its jwks_uri/,
  ],
  [
    'its revocation carries a password',
    () => ({ serverMetadata: { revocation_endpoint: 'https://a:b@x.example/' } }),
    'authorization_server',
    /its revocation_endpoint/,
  ],
  [
    'its registration is inside',
    () => ({ serverMetadata: { registration_endpoint: 'https://172.16.0.1/reg' } }),
    'authorization_server',
    /its registration_endpoint/,
  ],
  [
    'clients cannot register themselves',
    () => ({ serverMetadata: { registration_endpoint: undefined } }),
    'client_id',
    /Register one there/,
  ],
]

describe('F-01 F-05 F-06 F-07 F-08 R-02: a server that cannot be trusted becomes no provider', () => {
  it.each(discoveries)('%s', async (_what, state, field, says) => {
    server.is(state())
    const before = { seen: server.seen.length, rows: await mcp.rows('SELECT id FROM provider') }
    for (const work of [mcp.preview, mcp.create]) {
      const error = await refused(work({ url: server.url }))
      expect(error.code).toBe('bad_request')
      expect(Object.keys(error.fields ?? {})).toEqual([`setup.${field}`])
      expect(error.fields?.[`setup.${field}`]).toMatch(says)
    }
    expect(await mcp.rows('SELECT id FROM provider')).toEqual(before.rows)
    expect(await mcp.registrations()).toEqual([])
    expect(server.registered()).toEqual([])
    expect(server.seen.length - before.seen).toBeLessThan(24)
    expect(inside.seen).toEqual([])
  })
})

const reg = '/t/reg'
const client = { client_id: 'c', client_secret: 's', client_secret_expires_at: 0 }
type Registration = [what: string, answer: () => Instead, says: RegExp]
const registrations: Registration[] = [
  [
    'does not accept the redirect URI',
    () => ({ status: 400, body: { error: 'invalid_redirect_uri', error_description: '<b>x' } }),
    /does not accept the redirect URI/,
  ],
  [
    'does not accept the metadata',
    () => ({ status: 400, body: { error: 'invalid_client_metadata' } }),
    /client like Valetkey/,
  ],
  [
    'wants somebody to vouch',
    () => ({ status: 400, body: { error: 'unapproved_software_statement' } }),
    /that it approved/,
  ],
  [
    'names an error that is a trap',
    () => ({ status: 400, body: { error: '__proto__' } }),
    /registered no client \(HTTP 400\)/,
  ],
  ['forbids it', () => ({ status: 403, body: {} }), /HTTP 403/],
  ['fails', () => ({ status: 500, body: {} }), /HTTP 500.*later/],
  ['asks to wait', () => ({ status: 429, headers: { 'retry-after': '60' }, body: {} }), /HTTP 429.*later/],
  ['redirects', () => elsewhere(307), /did not answer/],
  ['never answers', () => 'never', /did not answer/],
  ['answers two megabytes', () => ({ status: 201, body: { ...client, x: 'x'.repeat(2_097_152) } }), /did not answer/],
  ['answers a page', () => ({ status: 201, headers: { 'content-type': 'text/html' }, body: '<html>' }), /no client/],
  ['answers no client id', () => ({ status: 201, body: { client_secret: 's' } }), /no client/],
  ['answers a client id of a megabyte', () => ({ status: 201, body: { client_id: 'x'.repeat(900_000) } }), /no client/],
  [
    'registers another redirect URI',
    () => ({ status: 201, body: { ...client, redirect_uris: ['https://evil.example/'] } }),
    /another redirect URI/,
  ],
  [
    'registers for machines alone',
    () => ({ status: 201, body: { ...client, grant_types: ['client_credentials'] } }),
    /cannot link/,
  ],
  [
    'registers a way to sign that we do not know',
    () => ({ status: 201, body: { ...client, token_endpoint_auth_method: 'tls_client_auth' } }),
    /does not know/,
  ],
  [
    'keeps the secret for itself',
    () => ({ status: 201, body: { client_id: 'c', token_endpoint_auth_method: 'client_secret_basic' } }),
    /does not know/,
  ],
  [
    'registers what has ended already',
    () => ({ status: 201, body: { ...client, client_secret_expires_at: 1_000 } }),
    /ended already/,
  ],
]

describe('R-03 R-04: a registration that comes to nothing leaves nothing, and says what to do', () => {
  it.each(registrations)('the server %s', async (_what, answer, says) => {
    server.is(at(reg, answer()))
    const before = await mcp.rows('SELECT id FROM provider')
    const error = await refused(mcp.create({ url: server.url }))
    expect(error.code).toBe('bad_request')
    expect(error.fields?.['setup.client_id']).toMatch(says)
    expect(JSON.stringify(error.fields)).not.toContain('<b>')
    expect(await mcp.rows('SELECT id FROM provider')).toEqual(before)
    expect(await mcp.registrations()).toEqual([])
  })

  it('what it registered wrongly is taken back at once', async () => {
    const handle = { registration_access_token: 'the-token', registration_client_uri: `${server.issuer}/reg/c` }
    server.is({
      instead: ({ path, method }) =>
        path === reg
          ? { status: 201, body: { ...client, ...handle, redirect_uris: ['https://evil.example/'] } }
          : path === `${reg}/c` && method === 'DELETE'
            ? { status: 204 }
            : undefined,
    })
    await refused(mcp.create({ url: server.url }))
    const [ended] = server.requests('as', `${reg}/c`)
    expect(ended).toMatchObject({ method: 'DELETE', headers: { authorization: 'Bearer the-token' } })
  })
})

const token = '/t/token'
const tokens = { access_token: 'a', token_type: 'Bearer', expires_in: 600, refresh_token: 'r', scope: 'notes:read' }
type Link = [what: string, state: () => Partial<McpState>, change: (back: URL) => void, code: string]
const same = () => {}
const links: Link[] = [
  [
    'another issuer comes back',
    () => ({}),
    (back) => back.searchParams.set('iss', 'https://evil.example'),
    'issuer_mismatch',
  ],
  [
    'the issuer has another slash',
    () => ({}),
    (back) => back.searchParams.set('iss', `${server.issuer}/`),
    'issuer_mismatch',
  ],
  ['no issuer comes back', () => ({}), (back) => back.searchParams.delete('iss'), 'issuer_mismatch'],
  ['the issuer comes twice', () => ({}), (back) => back.searchParams.append('iss', server.issuer), 'upstream_protocol'],
  [
    'an error that names another issuer',
    () => ({}),
    (back) => {
      back.searchParams.delete('code')
      back.searchParams.set('error', 'access_denied')
      back.searchParams.set('iss', 'https://evil.example')
    },
    'issuer_mismatch',
  ],
  [
    'the person says no',
    () => ({}),
    (back) => {
      back.searchParams.delete('code')
      back.searchParams.set('error', 'access_denied')
    },
    'link_denied',
  ],
  [
    'the error is a script',
    () => ({}),
    (back) => {
      back.searchParams.delete('code')
      back.searchParams.set('error', '<script>')
    },
    'upstream_refused',
  ],
  ['no access token comes', () => at(token, { body: { token_type: 'Bearer' } }), same, 'upstream_protocol'],
  [
    'the token is of a type that we cannot use',
    () => at(token, { body: { ...tokens, token_type: 'mac' } }),
    same,
    'upstream_protocol',
  ],
  [
    'the answer is a page',
    () => at(token, { headers: { 'content-type': 'text/html' }, body: '<html>' }),
    same,
    'upstream_protocol',
  ],
  [
    'the answer is two megabytes',
    () => at(token, { body: { ...tokens, x: 'x'.repeat(2_097_152) } }),
    same,
    'link_interrupted',
  ],
  ['the answer never comes', () => at(token, 'never'), same, 'link_interrupted'],
  ['the token endpoint redirects', () => at(token, elsewhere(307)), same, 'link_interrupted'],
  ['the code is refused', () => at(token, { status: 400, body: { error: 'invalid_grant' } }), same, 'upstream_refused'],
  [
    'the client is refused',
    () => at(token, { status: 401, body: { error: 'invalid_client' } }),
    same,
    'client_not_registered',
  ],
]

describe('L-06 R-21: a link at a server that answers wrongly ends with its reason and holds nothing', () => {
  let provider: string
  beforeAll(async () => {
    provider = (await mcp.create({ url: server.url })).id
  })

  it.each(links)('%s', async (_what, state, change, code) => {
    const started = await mcp.begin(provider)
    const back = new URL(await server.approve(started.url))
    change(back)
    server.is(state())
    const result = await started.comeBack(back.href)
    expect(result).toMatchObject({ kind: 'failed', error: { code } })
    expect(await mcp.connectionOf(provider)).toBeUndefined()
    expect(await mcp.rows('SELECT status, secrets FROM attempt WHERE id = $1', [started.attemptId])).toEqual([
      { status: 'failed', secrets: null },
    ])
  })
})
