// The shape of the code base, walked file by file.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, expectTypeOf, test } from 'vitest'
import { type BrokerError, errorCodes } from '../../lib/errors.ts'
import type { ReadTx, Tx } from '../../lib/store/database.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const filesIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))

const sources = [...filesIn('app'), ...filesIn('lib'), 'server.ts', 'instrumentation.ts']

/** Comments hold examples; strings inside them are no code. */
const code = (file: string) => read(file).replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '$1')

type Import = { from: string; to: string; typeOnly: boolean }
const importsOf = (files: string[]): Import[] =>
  files.flatMap((file) =>
    [...code(file).matchAll(/(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/g)].map(
      ([, typeOnly, fixed, lazy]) => {
        const name = fixed ?? lazy ?? ''
        const local = name.startsWith('@/') ? name.slice(2) : relative(root, resolve(root, dirname(file), name))
        return { from: file, to: /^(\.|@\/)/.test(name) ? local : name, typeOnly: typeOnly !== undefined }
      },
    ),
  )
const imports = importsOf(sources)

/** Height of each part; imports go down or stay. Two at one height may not know each other where `apart` says so. */
const heights: [prefix: string, height: number][] = [
  ['server.ts', 9],
  ['instrumentation.ts', 9],
  ['app/', 9],
  ['lib/http/', 8],
  ['lib/boot.ts', 8],
  ['lib/jobs/', 8],
  ['lib/authserver/', 7],
  ['lib/proxy/', 7],
  ['lib/mcp/', 7],
  ['lib/broker/', 6],
  ['lib/tenancy/', 5],
  ['lib/webhooks/', 5],
  // Above the trail, because acts on keys leave events; the trail's own key is sealed by security alone.
  ['lib/vault/', 4.5],
  ['lib/audit/', 4],
  ['lib/context.ts', 3.5],
  ['lib/providers/', 3],
  ['lib/store/', 3],
  ['prisma/', 2.5],
  ['lib/log.ts', 2],
  ['lib/output.ts', 2],
  ['lib/metrics.ts', 2],
  ['lib/trace.ts', 2],
  ['lib/security/', 2],
  ['lib/actor.ts', 1.5],
  ['lib/errors.ts', 1],
  ['lib/within.ts', 1],
  ['lib/config.ts', 1],
]
const heightOf = (file: string) => heights.find(([prefix]) => file.startsWith(prefix))?.[1]
/** At one height, and yet no business of each other's. */
const apart = [
  ['lib/providers/', 'lib/store/'],
  ['lib/http/', 'lib/jobs/'],
  ['lib/authserver/', 'lib/proxy/'],
  ['lib/authserver/', 'lib/mcp/'],
]
const isApart = (a: string, b: string) =>
  apart.some(
    ([one = '', other = '']) =>
      (a.startsWith(one) && b.startsWith(other)) || (a.startsWith(other) && b.startsWith(one)),
  )

test('imports point one way: app -> http -> ways through -> broker -> tenancy, webhooks -> vault -> audit -> providers or store -> security -> errors, config', () => {
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    if (!to.startsWith('lib/') || to.startsWith('lib/client/')) return false
    // The type of the context is everybody's second word; its making is not.
    if (to === 'lib/context.ts' && typeOnly) return false
    const [high, low] = [heightOf(from), heightOf(to)]
    return low === undefined || high === undefined || low > high || isApart(from, to)
  })
  expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([])
})

test('the command knows nothing of the product but its client and what verifies an export', () => {
  const allowed = /^(lib\/client\/|lib\/audit\/verify\.ts$)/
  const wrong = importsOf(filesIn('cli')).filter(
    ({ to }) => /^(lib|app|prisma|demo|server)\b/.test(to) && !allowed.test(to),
  )
  expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([])
})

test('every folder of lib has a height', () => {
  const unknown = sources.filter((file) => !file.startsWith('lib/client/') && heightOf(file) === undefined)
  expect(unknown).toEqual([])
})

test('only app, lib/http and the server import next', () => {
  const foreign = imports.filter(
    ({ from, to }) =>
      /^(next|next-auth)(\/|$)/.test(to) && !/^(app\/|lib\/http\/|server\.ts|instrumentation\.ts)/.test(from),
  )
  expect(foreign).toEqual([])
})

test('the client knows nothing of the server', () => {
  const known = imports.filter(({ from, to }) => from.startsWith('lib/client/') && heightOf(to) !== undefined)
  expect(known).toEqual([])
})

test('only the context reads the environment', () => {
  const readers = sources.filter((file) =>
    /process\.env\b(?!\.NEXTAUTH_URL\s*=[^=]|\.(?:NODE_ENV|NEXT_RUNTIME)\b)/.test(code(file)),
  )
  expect(readers).toEqual(['lib/context.ts'])
})

/** RFC 6749 4.1.2.1 and 5.2, RFC 6750 3.1, RFC 8628 3.5, OpenID Connect Core 3.1.2.6, RFC 9449. */
const oauthCodes =
  'invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope access_denied unsupported_response_type server_error temporarily_unavailable invalid_token insufficient_scope authorization_pending slow_down expired_token interaction_required login_required consent_required account_selection_required invalid_target use_dpop_nonce invalid_dpop_proof'.split(
    ' ',
  )
/**
 * Where a reply of another server is read into our own words, the only readers of wire codes; and our own authorization
 * server, whose words they are: closed unions, where the compiler finds a wrong one.
 */
const wireReaders = /^lib\/(errors\.ts|providers\/|authserver\/|http\/(signin|oauth|authserver))/

test('K-29: wire codes are read by providers alone, our own only as the typed `code` of an error', () => {
  const found = (codes: string[], files: string[], isTyped: (left: string) => boolean) => {
    const words = codes.join('|')
    const compared = new RegExp(
      `([\\w.?]*)\\s*[!=]==?\\s*'(?:${words})'|'(?:${words})'\\s*[!=]==?|case '(?:${words})'|\\.(?:startsWith|includes|endsWith)\\('(?:${words})'`,
      'g',
    )
    return files.flatMap((file) =>
      [...code(file).matchAll(compared)]
        .filter(([, left]) => left === undefined || !isTyped(left))
        .map(([text]) => `${file}: ${text}`),
    )
  }
  const readers = sources.filter((file) => !wireReaders.test(file))
  // These are states of a connection as well: a closed union, where the compiler finds a wrong word.
  const own = Object.keys(errorCodes).filter((one) => one !== 'needs_relink' && one !== 'frozen')
  expect(found(oauthCodes, readers, () => false)).toEqual([])
  // The compiler refuses a wrong word there, because the type is the table's.
  expect(found(own, readers, (left) => /(^|\.)code$/.test(left))).toEqual([])
  expectTypeOf<BrokerError['code']>().toEqualTypeOf<keyof typeof errorCodes>()
})

test('RR-04: one module sends refresh tokens, and who writes them is known', () => {
  const library = sources.filter((file) => file.startsWith('lib/') && !file.startsWith('lib/client/'))
  const where = (pattern: RegExp) => library.filter((file) => pattern.test(code(file)))
  expect(where(/\brefreshTokenGrantRequest\(/)).toEqual(['lib/providers/oauth/protocol.ts'])
  // And of a connection that is disconnected, whose grant's only copy is in the queue by then.
  expect(where(/\bprovider\.refresh\(/)).toEqual(['lib/broker/orphans.ts', 'lib/broker/refresh/refresh.ts'])
  expect(where(/\b(storeRefresh|claimRefresh)\(/).sort()).toEqual([
    'lib/broker/refresh/refresh.ts',
    'lib/store/connections.ts',
  ])
  // Sealed for the column by refreshing and linking; wiped by revoking, and when it has ended.
  expect(where(/refreshToken: (await vault\.seal|null)/).sort()).toEqual([
    'lib/broker/link/store-grant.ts',
    'lib/broker/refresh/refresh.ts',
    'lib/store/connection-states.ts',
  ])
})

test('a transaction that may write is opened by authority or by a named act of the product alone', () => {
  const library = sources.filter((file) => !file.startsWith('lib/client/'))
  const where = (pattern: RegExp) => library.filter((file) => pattern.test(code(file))).sort()
  expect(where(/(?<!\.)\btransaction\(/)).toEqual([
    'lib/store/authority.ts',
    'lib/store/database.ts',
    'lib/store/system.ts',
  ])
  expect(where(/\$transaction\(/)).toEqual(['lib/store/database.ts'])
  // Who may write without a person's authority, and as what. A new line here is a decision.
  const acts = library.flatMap((file) =>
    [...code(file).matchAll(/\basSystem\(\s*[\w.]+,\s*[\w.]+,\s*'([^']+)'/g)].map(([, why]) => `${why}: ${file}`),
  )
  expect([...new Set(acts)].sort()).toEqual([
    'audit chain: lib/audit/heads.ts',
    'demo: lib/broker/demo.ts',
    'document of a program: lib/authserver/documents.ts',
    'end of a grant: lib/broker/end-grants.ts',
    'end of a refresh: lib/broker/refresh/refresh.ts',
    'end of an attempt: lib/broker/issue.ts',
    'end of an attempt: lib/broker/link/complete.ts',
    'end of an attempt: lib/broker/upstream-sessions.ts',
    'end of an attempt: lib/store/idempotency.ts',
    'job: lib/audit/access.ts',
    'job: lib/broker/acts.ts',
    'job: lib/broker/check.ts',
    'job: lib/broker/issue.ts',
    'job: lib/broker/link/abandoned.ts',
    'job: lib/broker/link/ask.ts',
    'job: lib/broker/notifications.ts',
    'job: lib/broker/orphans.ts',
    'job: lib/broker/registrations.ts',
    'job: lib/broker/revoke.ts',
    'job: lib/broker/upstream-revocation.ts',
    'job: lib/jobs/canary.ts',
    'job: lib/jobs/notifications.ts',
    'job: lib/jobs/tick.ts',
    'job: lib/jobs/webhooks.ts',
    'job: lib/proxy/tally.ts',
    'job: lib/store/sweep.ts',
    'keys: lib/vault/keys.ts',
    'keys: lib/vault/rotate.ts',
    'keys: lib/vault/shred.ts',
    'keys: lib/vault/signing.ts',
    'refusal: lib/authserver/answers.ts',
    'refusal: lib/http/api.ts',
    'refusal: lib/http/incoming.ts',
    'refused by a server: lib/broker/turn-away.ts',
    'registration: lib/broker/registrations.ts',
    'report of a leak: lib/broker/leaks.ts',
    'request of a program: lib/broker/link/ask.ts',
    'session: lib/tenancy/sessions.ts',
    'upstream logout: lib/broker/upstream-logout.ts',
    'use of a token: lib/proxy/tally.ts',
    'what a server says: lib/store/mcp.ts',
  ])
  const calls =
    library
      .map(code)
      .join('\n')
      .match(/\basSystem\(/g) ?? []
  expect(acts).toHaveLength(calls.length)
})

test('a reading transaction cannot be given to what writes', () => {
  expectTypeOf<ReadTx>().not.toExtend<Tx>()
  expectTypeOf<Tx>().toExtend<ReadTx>()
  expectTypeOf<ReadTx['member']>().not.toHaveProperty('update')
  expectTypeOf<ReadTx>().not.toHaveProperty('$executeRaw')
})

test('C-05: there are no server actions', () => {
  expect(sources.filter((file) => /^\s*['"]use server['"]/m.test(read(file)))).toEqual([])
})

test('IV-01: a page reads its query as what it may be, a list where a parameter comes twice', () => {
  const typed = /searchParams: Promise<(?:Query|Record<string, string \| string\[\] \| undefined>)>/
  const asking = sources.filter((file) => file.endsWith('page.tsx') && code(file).includes('searchParams'))
  expect(asking.length).toBeGreaterThan(15)
  expect(asking.filter((file) => !typed.test(code(file)))).toEqual([])
})

test('Z-04: there is no proxy or middleware file to protect by', () => {
  const found = ['proxy', 'middleware'].flatMap((name) =>
    ['', 'src/', 'app/'].flatMap((folder) =>
      ['ts', 'tsx', 'js', 'mjs'].map((end) => `${folder}${name}.${end}`).filter((file) => existsSync(join(root, file))),
    ),
  )
  expect(found).toEqual([])
})
