// Smaller tokens that a session makes of itself: POST /v1/auth/pat/exchange (upstreams.md 3.4, docs/decisions/0111).
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../demo/index.ts'
import { refuseBeyondGrant } from '../../lib/broker/ceilings.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken, reconcileIssuing } from '../../lib/broker/issue.ts'
import { checkLastUse } from '../../lib/broker/last-use.ts'
import { changeProvider } from '../../lib/broker/providers.ts'
import { readOffer } from '../../lib/broker/read/offer.ts'
import { previewSelection } from '../../lib/broker/read/selection.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { kinds } from '../../lib/providers/index.ts'
import { languageOf } from '../../lib/providers/rules.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Key, rowOf } from '../support/connection.ts'
import { disconnectAll, linkMany, turnOn } from '../support/session-flow.ts'

const email = 'owner@acme.test'
const exchange = 'POST /v1/auth/pat/exchange'
const introspection = 'GET /v1/auth/token/introspect'

let broker: Broker
let owner: BrowserActor
let member: BrowserActor
let key: Key
let project: string

beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf(email)
  member = await broker.actorOf('member@acme.test')
})
afterAll(() => broker.stop())

/** One session of the owner's, for two projects, and nothing of before. */
beforeEach(async () => {
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await broker.owner.query('DELETE FROM policy')
  await disconnectAll(broker, owner)
  // What waits for the end of a cut-off issue goes on.
  await tick(broker.ctx)
  await broker.settled()
  broker.demo.reset()
  await broker.advance(0)
  await turnOn(broker, owner)
  await allowWriting(false)
  key = await linkMany(broker, owner, email, ['10231', '10232'])
  project = await projectOf(key)
  broker.logged.length = 0
})

const projectOf = async (of: Key, external = '10231') =>
  (await rowOf(broker, of)).projects.find(({ project: { externalId } }) => externalId === external)?.projectId ?? ''
const allowWriting = async (allowed: boolean) =>
  changeProvider(broker.ctx, owner, {
    providerId: (await broker.providerOf(owner)).id,
    settings: { allow_writing_children: allowed },
  })
type Asked = { scopes?: object; seconds?: number; actor?: BrowserActor; of?: string }
const issue = ({ scopes = { read_project: true }, seconds = 600, actor = owner, of = project }: Asked = {}) =>
  issueToken(broker.ctx, actor, {
    project: of,
    strategy: 'exchange',
    scopes: scopes as Record<string, unknown>,
    lifetimeSeconds: seconds,
    purpose: 'a test',
  })
const failed = (work: Promise<unknown>) =>
  work.then(
    () => ({ code: 'done', detail: '', fields: undefined }),
    (error: unknown) => {
      if (!isBrokerError(error)) throw error
      return { code: error.code, detail: error.detail ?? '', fields: error.fields }
    },
  )
const codeOf = async (work: Promise<unknown>) => (await failed(work)).code
const asks = () => broker.demo.ledger.find(exchange)
const at = (path: string, token: string, of = '10231', method = 'GET') =>
  fetch(broker.demo.url + path, { method, headers: { authorization: `Bearer ${token}`, 'x-kbc-projectid': of } }).then(
    ({ status }) => status,
  )
const json = (value: unknown): Fault => ({ status: 200, effect: 'applied', body: { kind: 'json', value } })
const write = { write_project: true }

describe('a child of a session', () => {
  it('ASK-08: reads one project and nothing else, lives as asked, and is told by what came back', async () => {
    const { token, value, tokenType, baseUrl } = await issue()
    expect(value.reveal()).toMatch(/^kbc_at_/)
    expect([tokenType, baseUrl]).toEqual(['Bearer', broker.demo.url])
    const [sent] = asks()
    expect(sent?.body).toEqual({ expiresIn: 600, scope: { projects: [10231], readOnly: true } })
    expect(token).toMatchObject({
      strategy: 'exchange',
      state: 'live',
      endsAlone: false,
      endsWithGrant: true,
      notGranted: [],
      rights: { summary: ['read the project'] },
    })
    expect(token.rights.granted?.map(({ text }) => text)).toEqual(['read the whole project'])
    expect((token.expiresAt.getTime() - token.createdAt.getTime()) / 1000).toBeCloseTo(600, -1)
    const child = value.reveal()
    expect(await at('/v2/storage/buckets', child)).toBe(200)
    expect(await at('/v2/storage/tokens', child, '10231', 'POST')).toBe(403)
    expect(await at('/v2/storage/buckets', child, '10232')).toBe(401)
    await broker.advance(601)
    expect(await at('/v2/storage/buckets', child)).toBe(401)
  })

  it('ASK-08: of a connection that is no session it is refused before anything is asked or written', async () => {
    const made = await broker.link(owner, email, { project: '20877' })
    if (made.kind !== 'linked') throw made.error
    const { code, detail } = await failed(issue({ of: made.projectId }))
    expect([code, detail]).toEqual(['no_strategy', expect.stringContaining('Once, for several projects')])
    const { rows } = await broker.owner.query('SELECT FROM issued_token WHERE project_id = $1', [made.projectId])
    expect([rows, asks(), broker.demo.ledger.find(introspection)]).toEqual([[], [], expect.any(Array)])
    const { ways, strategies } = await readOffer(broker.ctx, owner, made.projectId)
    expect(ways.map(({ strategy }) => strategy)).toEqual(['mint', 'proxy'])
    expect(strategies.find(({ strategy }) => strategy === 'exchange')).toMatchObject({ offered: false })
  })

  it('ASK-08: its offer says what can be asked for, how long it lives at most, and that it does not end alone', async () => {
    const { ways } = await readOffer(broker.ctx, owner, project)
    expect(ways.map(({ strategy }) => strategy)).toEqual(['mint', 'exchange', 'proxy'])
    const [minted, child] = ways
    expect(Object.keys(minted?.rightsSchema?.properties ?? {})).not.toContain('read_project')
    expect(Object.keys(child?.rightsSchema?.properties ?? {})).toEqual(['read_project', 'write_project'])
    expect(child).toMatchObject({
      tokenType: 'Bearer',
      header: 'Authorization: Bearer {token}',
      longestSeconds: 3_600,
      endsAlone: false,
      environment: { token: ['API_TOKEN'], values: { KBC_PROJECT_ID: '10231' } },
    })
    expect(minted).toMatchObject({ endsAlone: true, longestSeconds: null, header: 'X-StorageApi-Token: {token}' })
  })

  it('ASK-08: rights of one sort are not those of the other', async () => {
    expect(await codeOf(issue({ scopes: { components: ['keboola.ex-db'] } }))).toBe('bad_request')
    expect(await codeOf(issue({ scopes: { read_project: false } }))).toBe('bad_request')
    const minted = issueToken(broker.ctx, owner, {
      project,
      scopes: { read_project: true },
      lifetimeSeconds: 600,
      purpose: 'a test',
    })
    expect(await codeOf(minted)).toBe('bad_request')
  })

  it('ASK-08: lives no longer than an hour, because it cannot be ended', async () => {
    const { code, fields } = await failed(issue({ seconds: 3_601 }))
    expect([code, Object.keys(fields ?? {})]).toEqual(['bad_request', ['expires_in']])
    expect(asks()).toEqual([])
    expect(await codeOf(issue({ seconds: 3_600 }))).toBe('done')
  })

  it.each([
    ['a shorter life', 'max_lifetime_seconds', 300, 'over_policy'],
    ['other strategies', 'strategies', ['mint', 'proxy'], 'over_policy'],
    ['other rights', 'rights', { read_all_files: true, manage_tokens: true }, 'over_policy'],
    ['these rights', 'rights', { read_project: true }, 'done'],
  ])('ASK-08: a policy of %s decides', async (_, column, value, code) => {
    const { id } = await broker.providerOf(owner)
    await broker.owner.query(
      `INSERT INTO policy (tenant_id, level, target_id, ${column}) VALUES ($1, 'provider', $2, $3)`,
      [owner.tenantId, id, typeof value === 'object' && !Array.isArray(value) ? JSON.stringify(value) : value],
    )
    expect(await codeOf(issue())).toBe(code)
    expect(asks()).toHaveLength(code === 'done' ? 1 : 0)
  })

  it('ASK-08: a program may have one only where its person said so: what they said of Storage tokens says nothing of it', () => {
    const kind = kinds.get('keboola')
    if (!kind) throw new Error('there is no such kind')
    const language = languageOf(kind, 'exchange', {})
    const within = (limit: object, rights: Record<string, unknown>) => () =>
      refuseBeyondGrant(
        { p: { rights: limit as Record<string, unknown> } },
        { project: { id: 'p', alias: 'p' }, strategy: 'exchange', rights: kind.rights.parse(rights) },
        language,
      )
    expect(within({ manage_buckets: true, read_all_files: true }, { read_project: true })).toThrow()
    expect(within({ read_project: true }, { read_project: true })).not.toThrow()
    expect(within({ read_project: true }, { write_project: true })).toThrow()
    expect(within({ write_project: true }, { read_project: true })).not.toThrow()
  })

  it('K-36: nothing is made up about its use', async () => {
    const { token } = await issue()
    expect(await checkLastUse(broker.ctx, owner, token.id)).toBe(null)
    expect(broker.demo.ledger.requests.filter(({ path }) => path.endsWith('/events'))).toEqual([])
  })
})

describe('a child that writes', () => {
  it('ASK-08: needs a switch of an admin, and then can do what its person may', async () => {
    const { code, detail } = await failed(issue({ scopes: write }))
    expect([code, detail]).toEqual(['over_policy', expect.stringContaining('An admin can change that')])
    expect(asks()).toEqual([])
    await allowWriting(true)
    const { token, value } = await issue({ scopes: write })
    expect(asks()[0]?.body).toMatchObject({ scope: { readOnly: false } })
    expect(token.rights.granted?.map(({ risk }) => risk)).toEqual(['high'])
    expect(await at('/v2/storage/tokens', value.reveal())).toBe(200)
    expect(await at('/v2/storage/buckets', value.reveal(), '10232')).toBe(401)
  })

  it.each(['guest', 'readOnly'] as const)('trap 14: is not made of a role %s, and one that reads is', async (role) => {
    await allowWriting(true)
    broker.demo.modes.set({ role })
    const { choices } = await readScopeChoices(broker.ctx, owner, project)
    expect(choices).toMatchObject({
      refused: expect.any(String),
      unavailable: { write_project: expect.stringContaining(role) },
      unaffected: ['read_project', 'write_project'],
    })
    const { code, detail } = await failed(issue({ scopes: write }))
    expect([code, detail]).toEqual(['upstream_rejected', expect.stringContaining('role')])
    expect(asks()).toEqual([])
    expect((await issue()).token.notGranted).toEqual([])
  })

  it('K-22: that turns out to read alone is told as that', async () => {
    await allowWriting(true)
    broker.demo.modes.set({ childReadOnly: true })
    const { token } = await issue({ scopes: write })
    expect(token.rights.granted?.map(({ text }) => text)).toEqual(['read the whole project'])
    expect(token.notGranted).toHaveLength(1)
  })
})

describe('what comes back is judged', () => {
  const self = {
    active: true,
    sessionId: 'ses-0',
    user: { id: 3001 },
    projects: [{ id: 10231, name: 'x', role: 'admin' }],
  }
  const cases: [string, () => void, string, string][] = [
    ['it lives longer', () => broker.demo.modes.set({ childSeconds: 7_200 }), 'excess_rights', 'a longer life'],
    [
      'it reaches other projects',
      () => broker.demo.modes.set({ childProjects: ['10231', '10232'] }),
      'excess_rights',
      'other projects',
    ],
    ['it may write', () => broker.demo.modes.set({ childReadOnly: false }), 'excess_rights', 'writing'],
    ['it has no end', () => broker.demo.modes.set({ missingFields: ['expiresAt'] }), 'excess_rights', 'no end'],
    [
      'it can be renewed',
      () => {
        broker.demo.faults.push(exchange, {
          ...json({ accessToken: 'kbc_at_x', expiresAt: 1, refreshToken: 'kbc_rt_x' }),
        })
        broker.demo.faults.push(introspection, {}, json(self))
        broker.demo.faults.push('GET /v2/storage/tokens/verify', json({ id: 1, owner: { id: 10231, name: 'x' } }))
      },
      'excess_rights',
      'a refresh token',
    ],
    [
      'it is of another session',
      () => broker.demo.faults.push(introspection, {}, json(self)),
      'excess_rights',
      'another session',
    ],
    [
      'it is about somebody else',
      () => broker.demo.faults.push(introspection, {}, json({ ...self, user: { id: 3002 } })),
      'excess_rights',
      'another account',
    ],
    [
      'it says that it lives longer',
      () => broker.demo.faults.push(introspection, {}, json({ ...self, expiresAt: '2090-01-01T00:00:00Z' })),
      'excess_rights',
      'a longer life',
    ],
    [
      'it is of another sort',
      () => broker.demo.faults.push(exchange, json({ accessToken: 'something', expiresAt: '2026-01-01T00:00:00Z' })),
      'unsound_token',
      'no access token of a session',
    ],
    [
      'it does not work',
      () => broker.demo.faults.push(exchange, json({ accessToken: 'kbc_at_none', expiresAt: '2026-01-01T00:00:00Z' })),
      'unsound_token',
      'refused',
    ],
    [
      'it cannot be looked at',
      () => broker.demo.faults.push(introspection, {}, ...Array.from({ length: 3 }, (): Fault => ({ status: 503 }))),
      'unsound_token',
      'ambiguous',
    ],
  ]
  it.each(cases)('trap 20 0014: %s: it is not handed out, and told', async (_, script, code, named) => {
    script()
    const { code: told, detail } = await failed(issue())
    expect([told, detail]).toEqual([code, expect.stringContaining(named)])
    broker.demo.modes.set({ missingFields: [] })
    await broker.settled()
    const { rows } = await broker.owner.query<{ status: string }>('SELECT status FROM issued_token')
    expect(rows.at(-1)?.status).not.toBe('live')
  })

  it('0014: the session’s own token is no child of it', async () => {
    const parent = broker.demo.ledger.tokens.find(
      (one) => one.system === 'sessions' && one.kind === 'access' && one.live,
    )
    broker.demo.faults.push(exchange, json({ accessToken: parent?.value, expiresAt: '2026-01-01T00:00:00Z' }))
    expect(await failed(issue())).toMatchObject({
      code: 'excess_rights',
      detail: expect.stringContaining('the session itself'),
    })
  })

  it('ASK-08: a stack that has sessions and no children says so, and nothing was begun there', async () => {
    broker.demo.modes.set({ children: 'off' })
    const { code, detail } = await failed(issue())
    expect([code, detail]).toEqual(['upstream_rejected', expect.stringContaining('makes no children')])
    expect((await rowOf(broker, key)).status).toBe('linked')
  })

  it('0007: a child whose answer was lost is asked for once, and nobody says that nothing was made', async () => {
    broker.demo.faults.push(exchange, { reset: 'after' })
    expect(await codeOf(issue())).toBe('issue_unconfirmed')
    expect(asks()).toHaveLength(1)
    broker.demo.faults.push(exchange, { status: 503, effect: 'skipped' })
    expect(await codeOf(issue())).toBe('issue_unconfirmed')
    const { rows } = await broker.owner.query<{ id: string }>(
      "SELECT id FROM issued_token WHERE status = 'issuing' AND revoked_at IS NULL",
    )
    expect(rows).toHaveLength(2)
    await broker.advance(180)
    for (const { id } of rows) {
      await reconcileIssuing(broker.ctx, { tenantId: owner.tenantId, id })
      expect(await readToken(broker.ctx, owner, id)).toMatchObject({ state: 'failed', failure: 'unseen' })
    }
    broker.demo.faults.push(exchange, { status: 429 })
    expect(await codeOf(issue())).toBe('done')
  })

  it('H-07: a stack whose clock is some minutes off makes children all the same, and cannot hide a longer life', async () => {
    for (const offset of [400, -400]) {
      broker.demo.clock.setOffset(offset)
      const { token } = await issue()
      expect((token.expiresAt.getTime() - token.createdAt.getTime()) / 1000).toBeCloseTo(600, -1)
      broker.demo.modes.set({ childSeconds: 900 })
      expect(await codeOf(issue())).toBe('excess_rights')
      broker.demo.modes.set({ childSeconds: null })
    }
  })
})

describe('the end of a child', () => {
  it('0098 0111: cannot come about alone, which is said before and after', async () => {
    const { token, value } = await issue()
    const preview = await previewSelection(broker.ctx, owner, { kind: 'tokens' })
    expect(preview.upstreams).toMatchObject([{ what: 'tokens', effect: 'at_end', latest: token.expiresAt }])
    const [done] = await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
    expect(done).toMatchObject({ kind: 'token', upstream: 'impossible', latestMoment: token.expiresAt })
    expect((await readToken(broker.ctx, owner, token.id)).revocation).toMatchObject({ upstream: 'impossible' })
    expect(await at('/v2/storage/buckets', value.reveal())).toBe(200)
  })

  it('K-35 0111: comes with its session, which is seen', async () => {
    const { token, value } = await issue()
    await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    await broker.settled()
    expect(await at('/v2/storage/buckets', value.reveal())).toBe(401)
    const { revocation } = await readToken(broker.ctx, owner, token.id)
    expect(revocation).toMatchObject({ upstream: 'confirmed', provedAt: expect.any(Date) })
  })

  it('0111: waits for the end of its session where that takes longer, and is asked about then', async () => {
    const { token } = await issue()
    broker.demo.faults.push('DELETE /v1/auth/sessions/*', ...Array.from({ length: 3 }, (): Fault => ({ status: 503 })))
    await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    await broker.settled()
    expect((await readToken(broker.ctx, owner, token.id)).revocation).toMatchObject({
      upstream: 'pending',
      lastError: 'its_connection',
    })
    await broker.advance(30)
    await tick(broker.ctx)
    await broker.settled()
    expect((await readToken(broker.ctx, owner, token.id)).revocation).toMatchObject({ upstream: 'confirmed' })
  })

  it('A-03: one that is being made while its session is ended is not handed out', async () => {
    broker.demo.faults.push(exchange, { hold: { barrier: 'child', at: 'after' } })
    const made = codeOf(issue())
    await broker.demo.faults.barrier('child').arrived()
    const ended = revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    await ended
    broker.demo.faults.barrier('child').release()
    expect(await made).not.toBe('done')
    await broker.settled()
  })

  it('K-14 V-01 V-08: no child is in a log, an event or a table', async () => {
    const { value } = await issue()
    broker.demo.modes.set({ childSeconds: 7_200 })
    await codeOf(issue())
    const children = broker.demo.ledger.tokens.filter(({ system, kind }) => system === 'sessions' && kind === 'access')
    const secrets = [value.reveal(), ...children.map((one) => one.value)]
    const { rows: tables } = await broker.owner.query<{ name: string }>(
      `SELECT format('%I', relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    )
    let stored = ''
    for (const { name } of tables)
      stored += (await broker.owner.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)).rows
        .map(({ text }) => text)
        .join('\n')
    expect(stored).toContain('token.issued')
    const log = broker.logged.join('\n')
    for (const secret of secrets) {
      expect(log.includes(secret), 'in the log').toBe(false)
      expect(stored.includes(secret), 'in a table').toBe(false)
    }
  })
})

it('ASK-08: what is somebody else’s makes no child for anybody', async () => {
  expect(await codeOf(issue({ actor: member }))).toBe('not_found')
  expect(asks()).toEqual([])
})
