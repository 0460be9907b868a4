// The sessions that a person has at a stack (upstreams.md 3.4): GET and DELETE /v1/auth/sessions, for their owner alone.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import type { Fault } from '../../demo/index.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { endUpstreamSession, upstreamSessions } from '../../lib/broker/upstream-sessions.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Key, rowOf } from '../support/connection.ts'
import { disconnectAll, linkMany, turnOn } from '../support/session-flow.ts'

const email = 'owner@acme.test'
const listing = 'GET /v1/auth/sessions'
const ending = 'DELETE /v1/auth/sessions/*'

let broker: Broker
let owner: BrowserActor
let admin: BrowserActor
let key: Key

beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf(email)
  admin = await broker.actorOf('member@acme.test')
})
afterAll(() => broker.stop())

beforeEach(async () => {
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await disconnectAll(broker, owner)
  await broker.settled()
  broker.demo.reset()
  await broker.advance(0)
  await turnOn(broker, owner)
  key = await linkMany(broker, owner, email, ['10231'])
})

const list = (of: Key = key, actor = owner) => upstreamSessions(broker.ctx, actor, of.connectionId)
const end = (handle: string, of: Key = key, actor = owner) =>
  endUpstreamSession(broker.ctx, actor, { connectionId: of.connectionId, handle })
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => {
      if (!isBrokerError(error)) throw error
      return error.code
    },
  )
const lives = () =>
  broker.demo.ledger.tokens.filter((one) => one.system === 'sessions' && one.kind === 'refresh' && one.live).length

/** What the trail says of the end of a session. */
async function recorded(session: string): Promise<string[]> {
  const { rows } = await broker.owner.query<{ state: string }>(
    `SELECT body->'details'->>'state' AS state FROM audit_event
     WHERE body->>'action' = 'connection.session_ended' AND body->'details'->>'session' = $1 ORDER BY id`,
    [session],
  )
  return rows.map(({ state }) => state)
}

/** The same person signs in at the stack with another program, such as a command on their computer. */
async function elsewhere(): Promise<void> {
  const verifier = 'a'.repeat(43)
  const challenge = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier))).toString('base64url')
  const asked = new URLSearchParams({
    responseType: 'code',
    clientId: 'valetkey',
    redirectUri: 'http://127.0.0.1:9/callback',
    codeChallenge: challenge,
    codeChallengeMethod: 'S256',
    state: 'x',
  })
  const location = await approve(`${broker.demo.url}/admin/auth/pkce/authorize?${asked}`, { account: email })
  const body = {
    clientId: 'valetkey',
    code: new URL(location).searchParams.get('code'),
    state: 'x',
    redirectUri: 'http://127.0.0.1:9/callback',
    codeVerifier: verifier,
  }
  const answer = await fetch(`${broker.demo.url}/v1/auth/pkce/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(answer.status).toBe(200)
}

describe('a person’s sessions at the stack', () => {
  it('ASK-08: are told from each other: this connection’s, another one’s of theirs, and others', async () => {
    await broker.advance(60)
    const other = await linkMany(broker, owner, email, ['10232'])
    await broker.advance(60)
    await elsewhere()
    const { sessions, more } = await list()
    expect(more).toBe(0)
    expect(sessions.map(({ isCurrent, connection }) => [isCurrent, connection?.id ?? null])).toEqual([
      [true, key.connectionId],
      [false, null],
      [false, other.connectionId],
    ])
    for (const { handle, client, createdAt, lastUsedAt } of sessions) {
      expect(handle).toMatch(/^[0-9a-f]{16}$/)
      expect([client, createdAt, lastUsedAt]).toEqual(['valetkey', expect.any(Date), expect.any(Date)])
    }
    const fromOther = await list(other)
    expect(fromOther.sessions[0]).toMatchObject({ isCurrent: true, connection: { id: other.connectionId } })
  })

  it('E-04: an admin sees nobody else’s, and ends none', async () => {
    await elsewhere()
    const { sessions } = await list()
    const other = sessions.find(({ connection }) => connection === null)?.handle ?? ''
    expect(await codeOf(list(key, admin))).toBe('not_found')
    expect(await codeOf(end(other, key, admin))).toBe('not_found')
    expect(lives()).toBe(2)
  })

  it('K-35: another one is ended, seen to be gone, and recorded; the connection goes on', async () => {
    await elsewhere()
    const { sessions } = await list()
    const other = sessions.find(({ connection }) => connection === null)?.handle ?? ''
    expect(await end(other)).toEqual({ upstream: 'confirmed' })
    expect(lives()).toBe(1)
    expect((await list()).sessions).toHaveLength(1)
    expect(await codeOf(end(other))).toBe('not_found')
    await freshTokens(broker.ctx, key)
    expect((await rowOf(broker, key)).status).toBe('linked')
    expect(await recorded(other)).toEqual(['asked', 'confirmed'])
  })

  it('G-01: who signs out meanwhile has left a trace of it all the same', async () => {
    await elsewhere()
    const { sessions } = await list()
    const other = sessions.find(({ connection }) => connection === null)?.handle ?? ''
    const leaving = await broker.actorOf(email)
    broker.demo.faults.push(ending, { hold: { barrier: 'ending', at: 'after' } })
    const barrier = broker.demo.faults.barrier('ending')
    const ended = codeOf(end(other, key, leaving))
    await barrier.arrived()
    expect(await recorded(other)).toEqual(['asked'])
    await broker.owner.query('DELETE FROM session WHERE id = $1', [leaving.credential.session])
    barrier.release()
    expect(await ended).toBe('done')
    expect(await recorded(other)).toEqual(['asked', 'confirmed'])
  })

  it('ASK-08: one that a connection of theirs stands on is ended by disconnecting that', async () => {
    const other = await linkMany(broker, owner, email, ['10232'])
    const { sessions } = await list()
    for (const { handle } of sessions) expect(await codeOf(end(handle))).toBe('own_session')
    expect(sessions).toHaveLength(2)
    expect(lives()).toBe(2)
    expect((await rowOf(broker, other)).status).toBe('linked')
  })

  it('ASK-08: a connection that is no session has none', async () => {
    const made = await broker.link(owner, email, { project: '10232' })
    if (made.kind !== 'linked') throw made.error
    const league = { tenantId: owner.tenantId, connectionId: made.connectionId }
    expect(await codeOf(list(league))).toBe('no_session')
    expect(await codeOf(end('0'.repeat(16), league))).toBe('no_session')
    expect(broker.demo.ledger.find(listing)).toEqual([])
  })

  it('K-35: a stack that says done while it still stands is told on', async () => {
    await elsewhere()
    const { sessions } = await list()
    const other = sessions.find(({ connection }) => connection === null)?.handle ?? ''
    broker.demo.faults.push(ending, { status: 204, body: { kind: 'empty' }, effect: 'skipped' })
    expect(await end(other)).toEqual({ upstream: 'failed' })
    broker.demo.faults.push(ending, { status: 404, effect: 'applied' })
    expect(await end(other)).toEqual({ upstream: 'confirmed' })
  })

  it('K-35: where nobody tells afterwards it counts as the stack said', async () => {
    await elsewhere()
    const { sessions } = await list()
    const other = sessions.find(({ connection }) => connection === null)?.handle ?? ''
    broker.demo.faults.push(listing, {}, ...Array.from({ length: 3 }, (): Fault => ({ status: 503 })))
    expect(await end(other)).toEqual({ upstream: 'done' })
  })
})

describe('a list that is none', () => {
  const answered = (value: unknown): Fault => ({ body: { kind: 'json', value } })
  it.each<[string, Fault[], string]>([
    ['no list', [answered({ sessions: [] })], 'upstream_protocol'],
    ['a page', [{ status: 200, body: { kind: 'html' } }], 'upstream_protocol'],
    ['nothing', [{ status: 200, body: { kind: 'empty' } }], 'upstream_protocol'],
    [
      'more than can be read',
      Array.from({ length: 3 }, (): Fault => ({ body: { kind: 'huge' } })),
      'upstream_unavailable',
    ],
    [
      'half an answer',
      Array.from({ length: 3 }, (): Fault => ({ body: { kind: 'truncated' } })),
      'upstream_unavailable',
    ],
    ['an outage', Array.from({ length: 3 }, (): Fault => ({ status: 503 })), 'upstream_unavailable'],
    ['no answer', Array.from({ length: 3 }, (): Fault => ({ reset: 'before' })), 'upstream_unavailable'],
    ['that it has none', [{ status: 404 }], 'flow_not_offered'],
  ])('K-27: the stack answers with %s: words, and nothing is lost', async (_, faults, code) => {
    broker.demo.faults.push(listing, ...faults)
    expect(await codeOf(list())).toBe(code)
    expect((await rowOf(broker, key)).status).toBe('linked')
    broker.demo.faults.clear()
    expect((await list()).sessions).toHaveLength(1)
  })

  it('K-27: entries that make no sense are counted, and hide no other', async () => {
    const [{ handle = '' } = {}] = (await list()).sessions
    const hostile = [
      null,
      'ses-1',
      { id: '..' },
      { id: '../../v2/storage/tokens' },
      { id: 'a b' },
      { id: `x${'y'.repeat(300)}` },
      { id: { toString: 'x' } },
      { id: 'ses-fine', clientId: 'x'.repeat(500), createdAt: 'yesterday', lastUsedAt: 7 },
      { id: 'ses-bidi', clientId: '<script>alert(1)</script>\u202e' },
    ]
    broker.demo.faults.push(listing, answered(hostile))
    const { sessions, more } = await list()
    expect(more).toBe(7)
    expect(sessions.map(({ client, createdAt }) => [client, createdAt])).toEqual([
      [null, null],
      ['<script>alert(1)</script>\u202e', null],
    ])
    expect(sessions.some((one) => one.handle === handle)).toBe(false)
  })

  it('K-27: a list without an end is cut, with the newest and one’s own at the top', async () => {
    const many = Array.from({ length: 5_000 }, (_, at) => ({
      id: `ses-${at}`,
      createdAt: new Date(at * 1000).toISOString(),
    }))
    broker.demo.faults.push(listing, answered(many))
    const { sessions, more } = await list()
    expect([sessions.length, more]).toEqual([100, 4_900])
    expect(sessions[0]?.createdAt).toEqual(new Date(4_999_000))
  })
})
