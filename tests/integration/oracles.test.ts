// Whether something exists that is not theirs must not be learnt by a member: neither from what is answered nor from what
// the database is asked on the way, which is what takes time.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import type { Things } from '../support/things.ts'

let app: TestApp
let owner: Jar
let member: Jar
let theirs: Things
let foreignProvider: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10232' })
  const rights = { scopes: { buckets: { 'in.c-features': 'read' } } }
  const { token } = (await app.issue(owner, 'acme', project, rights)).body
  const attempt = (await app.startLink(owner, 'acme')).id
  const provider = await app.demoProvider(owner, 'acme')
  theirs = { project, token: token.id, connection: token.connection_id, attempt, provider }
  const other = { kind: 'keboola', name: 'Other', issuer: 'https://x.example.com', client_id: 'a', client_secret: 'b' }
  foreignProvider = String((await app.call(owner, 'POST', '/tenants/acme/providers', other)).body.id)
  await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

/** What a request makes the database do, and what it answers. */
async function observed(method: string, path: string, body?: unknown) {
  await app.forgetLimits()
  const asked: string[] = []
  const stop = app.watchStatements((text) => void asked.push(text))
  const { status, text } = await app.call(member, method, `/tenants/acme${path}`, body)
  stop()
  return { status, text: text.replace(/"request_id":"[^"]*"/, ''), asked }
}
const alike = async (one: Parameters<typeof observed>, other: Parameters<typeof observed>) => {
  // Caches are warm for both.
  await observed(...other)
  expect(await observed(...one)).toEqual(await observed(...other))
}

const unknown = {
  connection: 'con_01a20f07bcb17badb3316eb4ada8cec1',
  token: 'tok_01a20f07bcb17badb3316eb4ada8cec1',
  attempt: 'att_01a20f07bcb17badb3316eb4ada8cec1',
  project: 'prj_01a20f07bcb17badb3316eb4ada8cec1',
  provider: 'prv_01a20f07bcb17badb3316eb4ada8cec1',
}

describe('naming what another member owns', () => {
  /** A request for each thing; the same is sent with the id of nothing. */
  const requests: [string, string, (id: string) => [string, unknown?], keyof typeof unknown][] = [
    ['reading a connection', 'GET', (id) => [`/connections/${id}`], 'connection'],
    ['changing a connection', 'PATCH', (id) => [`/connections/${id}`, { branch: 'main' }], 'connection'],
    ['renewing a connection', 'POST', (id) => [`/connections/${id}/renewal`, {}], 'connection'],
    ['disconnecting', 'POST', (id) => ['/revocations', { connections: [id] }], 'connection'],
    ['reading a token', 'GET', (id) => [`/tokens/${id}`], 'token'],
    ['asking when a token was used', 'POST', (id) => [`/tokens/${id}/last-use`, {}], 'token'],
    ['revoking a token', 'POST', (id) => ['/revocations', { tokens: [id] }], 'token'],
    ['reading an attempt', 'GET', (id) => [`/attempts/${id}`], 'attempt'],
    ['resuming an attempt', 'POST', (id) => [`/attempts/${id}/resume`, {}], 'attempt'],
    ['giving up an attempt', 'DELETE', (id) => [`/attempts/${id}`], 'attempt'],
    ['adopting an attempt', 'POST', (id) => [`/attempts/${id}/adopt`, { alias: 'acme-data-science' }], 'attempt'],
    ['reading a project', 'GET', (id) => [`/projects/${id}`], 'project'],
    ['renaming a project', 'PATCH', (id) => [`/projects/${id}`, { alias: 'mine' }], 'project'],
    [
      'issuing for a project',
      'POST',
      (id) => [`/projects/${id}/tokens`, { scopes: { manage_buckets: true }, expires_in: 60, purpose: 'x' }],
      'project',
    ],
    ['reading a project’s rights', 'POST', (id) => [`/projects/${id}/scopes`, {}], 'project'],
  ]
  it.each(requests)(
    'Z-02 E-04: %s is answered like naming nothing, and asks the database for no more',
    async (_, method, make, kind) => {
      const own = theirs[kind] ?? ''
      expect(own).toMatch(/^[a-z]{3}_/)
      await alike([method, ...make(own)], [method, ...make(unknown[kind])])
      expect((await observed(method, ...make(own))).status).toBe(404)
    },
  )

  const relations: [string, () => string][] = [
    ['its own provider', () => theirs.provider ?? ''],
    ['another provider', () => foreignProvider],
    ['a provider that is none', () => unknown.provider],
  ]
  it.each(relations)(
    'Z-02 E-04: reconnecting another’s connection at %s is answered like naming nothing',
    async (_, provider) => {
      const start = (connection: string): Parameters<typeof observed> => [
        'POST',
        '/attempts',
        { provider: provider(), connection },
      ]
      await alike(start(theirs.connection ?? ''), start(unknown.connection))
      // The owner is asked for first: what else is named makes no difference.
      expect(await observed(...start(theirs.connection ?? ''))).toEqual(
        await observed('POST', '/attempts', { provider: unknown.provider, connection: theirs.connection }),
      )
    },
  )

  it('Z-02 E-04: of a list, what is theirs and what is not is told by nothing', async () => {
    const mixed = (tokens: string[], connections: string[]): Parameters<typeof observed> => [
      'POST',
      '/revocations',
      { tokens, connections },
    ]
    await alike(mixed([theirs.token ?? ''], [unknown.connection]), mixed([unknown.token], [unknown.connection]))
    await alike(mixed([unknown.token], [theirs.connection ?? '']), mixed([unknown.token], [unknown.connection]))
  })

  it.each([
    ['disconnecting', 'POST', () => ['/revocations', { connections: [theirs.connection] }]],
    ['renewing', 'POST', () => [`/connections/${theirs.connection}/renewal`, {}]],
    ['revoking a token', 'POST', () => ['/revocations', { tokens: [theirs.token] }]],
  ] as [string, string, () => [string, unknown]][])(
    'E-04: %s waits for nobody who is at work on it',
    async (_, method, make) => {
      await app.owner.query('BEGIN')
      await app.rows('acme', 'SELECT 1 FROM connection WHERE id = $1 FOR UPDATE', [theirs.connection])
      await app.rows('acme', 'SELECT 1 FROM issued_token WHERE id = $1 FOR UPDATE', [theirs.token])
      try {
        expect((await observed(method, ...make())).status).toBe(404)
      } finally {
        await app.owner.query('ROLLBACK')
      }
    },
  )
})

describe('aliases of projects that only others linked', () => {
  type Card = { id: string; alias: string; aliases: string[] }
  const read = async (jar: Jar, name: string) =>
    (await app.call<Card>(jar, 'GET', `/tenants/acme/projects/${name}`)).body
  const rename = (jar: Jar, project: string, alias: string) =>
    app.call<Card & { code: string }>(jar, 'PATCH', `/tenants/acme/projects/${project}`, { alias })
  const own = async () =>
    (await app.call<{ items: Card[] }>(member, 'GET', '/tenants/acme/projects')).body.items[0] as Card

  it('LK-03 E-04: a hidden alias is taken by a member like a free one, and each goes on reaching their own', async () => {
    const hidden = (await read(owner, theirs.project ?? '')).alias
    const mine = (await own()).id
    // Nothing tells the two apart before, while or after: not the answer, not what the database is asked.
    await alike(['GET', `/projects/${hidden}`], ['GET', '/projects/no-such-project'])
    const one = await observed('PATCH', `/projects/${mine}`, { alias: 'free-one' })
    const other = await observed('PATCH', `/projects/${mine}`, { alias: hidden })
    expect(other.status).toBe(200)
    expect(other.asked).toEqual(one.asked)
    expect((await read(member, hidden)).id).toBe(mine)
    expect((await read(owner, hidden)).id).toBe(theirs.project)
    const issued = await app.issue(owner, 'acme', hidden, { scopes: { buckets: { 'in.c-features': 'read' } } })
    expect(issued.body.token).toMatchObject({ project: { id: theirs.project } })
  })

  it('LK-03: who links the other project later keeps reaching the one that the alias meant for them', async () => {
    const hidden = (await read(owner, theirs.project ?? '')).alias
    const mine = await own()
    await rename(member, mine.id, hidden)
    // The member's own script goes on, although the other project had the alias before.
    const joined = await app.link(member, 'acme', { account: 'owner@acme.test', project: '10232' })
    expect((await read(member, hidden)).id).toBe(mine.id)
    const attempt = await app.call(member, 'GET', `/tenants/acme/attempts/${joined.attempt}`)
    expect(attempt.body).toMatchObject({ status: 'done', detail: expect.stringContaining(hidden) })
    expect((await read(owner, hidden)).id).toBe(theirs.project)
    // Now it is one that they see, and taken like any other.
    expect((await rename(member, mine.id, 'mine-again')).status).toBe(200)
    expect((await rename(member, theirs.project ?? '', 'mine-again')).body).toMatchObject({ code: 'alias_taken' })
  })

  it('K-16: an alias of a project that one sees is taken, also for who sees all', async () => {
    const mine = await own()
    const alias = (await read(member, mine.id)).alias
    expect((await rename(owner, theirs.project ?? '', alias)).body).toMatchObject({ code: 'alias_taken' })
  })

  it('K-16: of two links at once under one alias, one has it', async () => {
    const alias = 'both-want-it'
    const ended = await Promise.all([
      app.link(owner, 'acme', { account: 'owner@acme.test', project: '20877', alias }),
      app.link(owner, 'acme', { account: 'member@acme.test', project: '10240', alias }),
    ])
    const attempts = await Promise.all(
      ended.map(({ attempt }) => app.call(owner, 'GET', `/tenants/acme/attempts/${attempt}`)),
    )
    const outcomes = attempts.map(({ body }) => body.outcome ?? body.status).sort()
    expect(outcomes).toEqual(['alias_taken', 'done'])
    const found = await app.rows('acme', 'SELECT count(*)::int AS count FROM project_alias WHERE alias = $1', [alias])
    expect(found).toEqual([{ count: 1 }])
  })
})
