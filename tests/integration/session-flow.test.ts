// The stack's own sign-in for programs (upstreams.md 3.4): one session, many projects.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import type { Fault } from '../../demo/index.ts'
import { checkProvider } from '../../lib/broker/check.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { checkLastUse } from '../../lib/broker/last-use.ts'
import { leaveProject } from '../../lib/broker/leave-project.ts'
import { openAttempts, readAttempt } from '../../lib/broker/link/attempt.ts'
import { adoptLink, chooseProjects, completeLink, readChoices } from '../../lib/broker/link/complete.ts'
import { cancelLink, startLink } from '../../lib/broker/link/start.ts'
import { providerList } from '../../lib/broker/providers.ts'
import { connectionDetail } from '../../lib/broker/read/connection.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { refusals } from '../../lib/providers/keboola/session.ts'
import { updateConnection } from '../../lib/store/connections.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { beginAndDie, type Key, rowOf } from '../support/connection.ts'
import { startPassing } from '../support/passing.ts'
import { disconnectAll, linkMany, signInForMany, turnOn } from '../support/session-flow.ts'

const email = 'owner@acme.test'
const exchange = 'POST /v1/auth/pkce/token'
const renewal = 'POST /v1/auth/token/refresh'
const introspection = 'GET /v1/auth/token/introspect'

let broker: Broker
let owner: BrowserActor
let member: BrowserActor

beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf(email)
  member = await broker.actorOf('member@acme.test')
})
afterAll(() => broker.stop())

/** Nothing is linked, and nothing of before is scripted. */
beforeEach(async () => {
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await broker.owner.query("UPDATE attempt SET expires_at = created_at WHERE status = 'choosing'")
  await sweep(broker.ctx)
  await disconnectAll(broker, owner)
  await broker.settled()
  broker.demo.reset()
  await broker.advance(0)
  await turnOn(broker, owner)
})

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (isBrokerError(error) ? error.code : error),
  )
const live = (kind: string) =>
  broker.demo.ledger.tokens.filter((one) => one.system === 'sessions' && one.kind === kind && one.live)
const calls = (route: string) => broker.demo.ledger.find(route)
const asked = (path: string) => broker.demo.ledger.requests.filter((entry) => entry.path === path)
const rights = { components: ['keboola.snowflake-transformation'] }
const issue = (project: string, actor = owner, more: { strategy?: 'proxy'; scopes?: object } = {}) =>
  issueToken(broker.ctx, actor, {
    project,
    scopes: (more.scopes ?? rights) as Record<string, unknown>,
    ...(more.strategy && { strategy: more.strategy }),
    lifetimeSeconds: 600,
    purpose: 'a test',
  })
/** Our ids of the projects of a connection, by those of the upstream. */
const projectsOf = async (key: Key) =>
  Object.fromEntries((await rowOf(broker, key)).projects.map(({ project }) => [project.externalId, project.id]))
const stateOf = async (key: Key) => {
  const { status, cause } = await rowOf(broker, key)
  return [status, cause]
}
const expired = async (key: Key) => {
  await broker.advance(3_700)
  return key
}
const two = () => linkMany(broker, owner, email, ['10231', '10232'])
const choosing = async (actor = owner, as: Parameters<typeof signInForMany>[2] = email) => {
  const came = await signInForMany(broker, actor, as)
  if (came.kind !== 'failed') throw new Error('nothing is to be chosen')
  expect(came.error.code).toBe('projects_not_chosen')
  return { attemptId: came.attemptId, browser: actor.browser }
}
const failureOf = async (work: ReturnType<typeof signInForMany>) => {
  const came = await work
  return came.kind === 'failed' ? came.error.code : came.kind
}
/** Connections that reach nothing: what was ended without being linked, and how that went. */
const ended = async () =>
  (
    await broker.owner.query<{ state: string }>(
      `SELECT r.state FROM upstream_revocation r JOIN connection c ON c.id = r.connection_id
       WHERE NOT EXISTS (SELECT FROM connection_project l WHERE l.connection_id = c.id) ORDER BY r.id`,
    )
  ).rows.map(({ state }) => state)

describe('one sign-in for several projects', () => {
  it('ASK-08: one session, the projects that its person chose, a token of each, and an end of all of it', async () => {
    const key = await two()
    const row = await rowOf(broker, key)
    expect(row).toMatchObject({ status: 'linked', flow: 'session', accountName: 'Acme Owner' })
    expect(Object.keys(await projectsOf(key)).sort()).toEqual(['10231', '10232'])
    expect(live('refresh')).toHaveLength(1)
    for (const [external, project] of Object.entries(await projectsOf(key)))
      expect((await issue(project)).value.reveal()).toMatch(new RegExp(`^${external}-`))
    const [done] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    expect(done).toMatchObject({ kind: 'connection', upstream: 'confirmed' })
    expect([live('refresh'), live('access')]).toEqual([[], []])
    expect(broker.demo.ledger.tokens.filter(({ kind, live: lives }) => kind === 'storage' && lives)).toEqual([])
  })

  it('is off until an admin turns it on for a stack, and the ordinary way is there before and after', async () => {
    await turnOn(broker, owner, false)
    expect((await providerList(broker.ctx, owner)).find(({ kind }) => kind === 'keboola')?.flows).toEqual([])
    expect(await codeOf(signInForMany(broker, owner, email))).toBe('flow_not_offered')
    expect((await broker.link(owner, email, { project: '10232' })).kind).toBe('linked')
    await turnOn(broker, owner)
    expect(await codeOf(signInForMany(broker, owner, email, { flow: 'another' }))).toBe('flow_not_offered')
    expect((await providerList(broker.ctx, owner)).find(({ kind }) => kind === 'keboola')?.flows).toHaveLength(1)
    expect((await broker.link(owner, email, { project: '10231' })).kind).toBe('linked')
  })

  it('is a 404 where the stack has it off: said before anybody is sent there, after they come back, and at a renewal', async () => {
    const { attemptId: _, url } = await startLink(broker.ctx, owner, {
      providerId: (await broker.providerOf(owner)).id,
      flow: 'session',
      browser: owner.browser,
    })
    const location = await approve(url, { account: email })
    const key = await two()
    broker.demo.modes.set({ sessions: 'off' })
    expect(await codeOf(signInForMany(broker, owner, email))).toBe('flow_not_offered')
    const late = await completeLink(broker.ctx, broker.callbackOf(location, owner))
    expect(late.kind === 'failed' && late.error.code).toBe('flow_not_offered')
    expect((await broker.link(owner, email, { project: '20877' })).kind).toBe('linked')

    await expired(key)
    expect(await codeOf(freshTokens(broker.ctx, key))).toBe('flow_not_offered')
    expect(await stateOf(key)).toEqual(['degraded', 'flow_not_offered'])
    broker.demo.modes.set({ sessions: 'on' })
    await broker.advance(400)
    await freshTokens(broker.ctx, key)
    expect(await stateOf(key)).toEqual(['linked', null])
  })

  it('K-01 L-03: asks with PKCE by S256 and a state of its own, and exchanges in JSON with all that binds the code', async () => {
    await choosing()
    const [authorize] = asked('/admin/auth/pkce/authorize')
    expect(authorize?.query).toEqual({
      responseType: 'code',
      clientId: 'valetkey',
      redirectUri: 'http://localhost:3000/oauth/callback/keboola-demo',
      codeChallenge: expect.stringMatching(/^[\w-]{43}$/),
      codeChallengeMethod: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
    })
    const [sent] = calls(exchange)
    expect(Object.keys(sent?.body ?? {}).sort()).toEqual(['clientId', 'code', 'codeVerifier', 'redirectUri', 'state'])
    expect(sent?.body).toMatchObject({ state: authorize?.query.state, redirectUri: authorize?.query.redirectUri })
  })

  it('L-06 K-17: a denial, another issuer and an unknown client are told apart, and nothing is linked', async () => {
    expect(await failureOf(signInForMany(broker, owner, email, { deny: true }))).toBe('link_denied')
    broker.demo.modes.set({ stackIss: 'wrong' })
    expect(await failureOf(signInForMany(broker, owner, email))).toBe('issuer_mismatch')
    expect(calls(exchange)).toEqual([])
    broker.demo.modes.set({ stackIss: 'on' })
    await choosing()
    broker.demo.faults.push(exchange, {
      status: 400,
      body: { kind: 'json', value: { error: 'x', params: { error: 'incorrect_client_credentials' } } },
    })
    expect(await failureOf(signInForMany(broker, owner, email))).toBe('client_not_registered')
  })

  it('K-26: its check says whether the stack has it, and takes our client there', async () => {
    const { id } = await broker.providerOf(owner)
    const seen = async () => {
      const { lines } = await checkProvider(broker.ctx, owner, id)
      return lines.find((line) => line.id === 'session')?.state
    }
    expect(await seen()).toBe('ok')
    broker.demo.modes.set({ clientKnown: false })
    expect(await seen()).toBe('failed')
    broker.demo.modes.set({ clientKnown: true, sessions: 'off' })
    expect(await seen()).toBe('failed')
    await turnOn(broker, owner, false)
    expect(await seen()).toBe(undefined)
  })

  it('takes no alias along, because several projects may come of it', async () => {
    const provider = await broker.providerOf(owner)
    const start = { providerId: provider.id, flow: 'session', alias: 'sales', browser: owner.browser }
    expect(await codeOf(startLink(broker.ctx, owner, start))).toBe('bad_request')
  })
})

describe('choosing', () => {
  it('ASK-08: shows what the session reaches, with roles and what is linked already', async () => {
    await broker.link(owner, email, { project: '10232' })
    const { projects, account } = await readChoices(broker.ctx, owner, await choosing())
    expect(account).toBe('Acme Owner')
    expect(projects.map(({ externalId, role, linkedBy }) => [externalId, role, linkedBy !== null])).toEqual([
      ['10231', 'admin', false],
      ['10232', 'admin', true],
      ['20877', 'share', false],
    ])
  })

  it('LK-01: is for the person and the browser that began it, once, and for what the session reaches', async () => {
    const mine = await choosing()
    const choose = (projects: string[], actor = owner, browser = mine.browser) =>
      codeOf(chooseProjects(broker.ctx, actor, { ...mine, browser, projects }))
    expect(await choose(['10231'], member)).toBe('not_found')
    expect(await choose(['10231'], owner, 'another browser')).toBe('attempt_unknown')
    expect(await choose([])).toBe('projects_not_chosen')
    expect(await choose(['20880'])).toBe('projects_not_chosen')
    expect(await choose(['10231', '20880'])).toBe('bad_request')
    // Nor is all of it linked at once, without a choice.
    expect(await codeOf(adoptLink(broker.ctx, owner, mine))).toBe('not_found')
    expect((await readAttempt(broker.ctx, owner, mine.attemptId)).status).toBe('choosing')
    const open = async (actor = owner) => (await openAttempts(broker.ctx, actor)).map(({ id }) => id)
    expect(await open()).toContain(mine.attemptId)
    // Nobody else is shown it, and the person themselves not where they could not finish it.
    expect(await open(member)).not.toContain(mine.attemptId)
    const elsewhere = { ...owner.credential, session: await broker.sessionOf(owner.userId) }
    expect(await open({ ...owner, credential: elsewhere })).not.toContain(mine.attemptId)
    expect(await codeOf(cancelLink(broker.ctx, member, mine.attemptId))).toBe('not_found')
    expect(await choose(['10231'])).toBe('done')
    expect(await choose(['10232'])).toBe('not_found')
    expect((await readAttempt(broker.ctx, owner, mine.attemptId)).status).toBe('done')
  })

  it('L-09: of two choices at once one counts, and the session is linked once', async () => {
    const mine = await choosing()
    const both = await Promise.all(
      [['10231'], ['10232']].map((projects) => codeOf(chooseProjects(broker.ctx, owner, { ...mine, projects }))),
    )
    expect(both.sort()).toEqual(['done', 'not_found'])
    expect(live('refresh')).toHaveLength(1)
  })

  it('K-23: a project that is linked is not taken from its connection, also where two sign-ins choose it at once', async () => {
    const first = await choosing()
    const second = await choosing()
    const both = await Promise.all(
      [first, second].map((mine) =>
        codeOf(chooseProjects(broker.ctx, owner, { ...mine, projects: ['10231', '10232'] })),
      ),
    )
    expect(both.sort()).toEqual(['already_linked', 'done'])
    // The one that was refused can still choose otherwise.
    const open = both[0] === 'done' ? second : first
    const other = [first, second].find(({ attemptId }) => attemptId === open.attemptId)
    expect(other).toBeDefined()
    const { rows } = await broker.owner.query(
      `SELECT l.project_id FROM connection_project l JOIN connection c ON c.id = l.connection_id
       WHERE c.status <> 'revoked' AND c.user_id = $1`,
      [owner.userId],
    )
    expect(rows).toHaveLength(2)
  })

  it('policy of every project counts, also of one that is not the first', async () => {
    const key = await two()
    const { 10232: science = '' } = await projectsOf(key)
    await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    await broker.owner.query(
      `INSERT INTO policy (tenant_id, level, target_id, link_roles) VALUES ($1, 'project', $2, '{admin}')`,
      [owner.tenantId, science],
    )
    const mine = await choosing()
    const choose = (...projects: string[]) => codeOf(chooseProjects(broker.ctx, owner, { ...mine, projects }))
    expect(await choose('10231', '10232')).toBe('over_policy')
    expect(await choose('10231')).toBe('done')
    await broker.owner.query('DELETE FROM policy WHERE target_id = $1', [science])
  })

  it('one project that is all that the session reaches is linked without a question', async () => {
    const limited = await signInForMany(broker, owner, 'owner@globex.test')
    expect(limited.kind).toBe('failed')
    broker.demo.faults.push(introspection, {
      body: {
        kind: 'json',
        value: {
          active: true,
          user: { id: 3001, name: 'Acme Owner' },
          projects: [{ id: '10231', name: 'One', role: null }],
        },
      },
    })
    broker.demo.faults.push(introspection, {})
    const { faults } = broker.demo
    faults.clear()
    faults.push(
      introspection,
      {},
      {
        body: {
          kind: 'json',
          value: { active: true, user: { id: 3001, name: 'Acme Owner' }, projects: [{ id: 10231, name: 'One' }] },
        },
      },
    )
    expect((await signInForMany(broker, owner, email)).kind).toBe('linked')
  })

  it('K-35 K-37: what nobody chooses anything for is ended at the stack, told as that, and tried until it is', async () => {
    const before = (await ended()).length
    await choosing()
    const mine = await choosing()
    await cancelLink(broker.ctx, owner, mine.attemptId)
    expect((await ended()).slice(before)).toEqual(['confirmed'])
    expect(live('refresh')).toHaveLength(1)
    expect((await readAttempt(broker.ctx, owner, mine.attemptId)).outcome).toBe('cancelled')

    broker.demo.faults.push('DELETE /v1/auth/sessions/*', ...Array.from({ length: 3 }, (): Fault => ({ status: 503 })))
    await broker.advance(601)
    await sweep(broker.ctx)
    expect((await ended()).slice(before)).toEqual(['confirmed', 'pending'])
    await broker.advance(30)
    await tick(broker.ctx)
    expect((await ended()).slice(before)).toEqual(['confirmed', 'confirmed'])
    expect([live('refresh'), live('access')]).toEqual([[], []])
  })

  it('L-01: signing out gives up a choice, and the session is ended', async () => {
    await choosing()
    await asSystem(
      broker.ctx,
      owner.tenantId,
      'job',
      (tx) => tx.$executeRaw`SELECT vk.forget_attempts(${owner.credential.session})`,
    )
    await sweep(broker.ctx)
    expect(live('refresh')).toEqual([])
  })

  it('a freeze that comes while its person chooses counts, and the choice stays open', async () => {
    const mine = await choosing()
    await broker.owner.query(
      `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES ($1, 'member', $2, now())`,
      [owner.tenantId, owner.userId],
    )
    expect(await codeOf(chooseProjects(broker.ctx, owner, { ...mine, projects: ['10231'] }))).toBe('frozen')
    await broker.owner.query('DELETE FROM freeze_fact')
    expect(await codeOf(chooseProjects(broker.ctx, owner, { ...mine, projects: ['10231'] }))).toBe('done')
  })
})

describe('a sign-in that goes wrong', () => {
  const cases: [string, string, Fault[], string][] = [
    [
      'the code is refused',
      exchange,
      [{ status: 400, body: { kind: 'json', value: { error: 'no', params: { error: 'invalid_grant' } } } }],
      'upstream_refused',
    ],
    ['a page answers the code', exchange, [{ status: 502, body: { kind: 'html' } }], 'link_interrupted'],
    ['the connection breaks before', exchange, [{ reset: 'before' }], 'link_interrupted'],
    [
      'the answer is a page',
      exchange,
      [{ status: 200, effect: 'applied', body: { kind: 'html' } }],
      'upstream_protocol',
    ],
    [
      'the answer is empty',
      exchange,
      [{ status: 200, effect: 'applied', body: { kind: 'empty' } }],
      'upstream_protocol',
    ],
    ['the answer is huge', exchange, [{ status: 200, effect: 'applied', body: { kind: 'huge' } }], 'link_interrupted'],
    [
      'every field has another type',
      exchange,
      [{ effect: 'applied', body: { kind: 'wrong-types' } }],
      'no_refresh_token',
    ],
    [
      'nobody says whose it is',
      introspection,
      [{}, ...Array.from({ length: 3 }, (): Fault => ({ status: 503 }))],
      'link_interrupted',
    ],
    [
      'what it reaches makes no sense',
      introspection,
      [{}, { effect: 'applied', body: { kind: 'wrong-types' } }],
      'upstream_protocol',
    ],
    [
      'it reaches nothing',
      introspection,
      [{}, { body: { kind: 'json', value: { active: true, user: { id: 1 }, projects: [] } } }],
      'upstream_forbidden',
    ],
    [
      'it is of another session',
      introspection,
      [
        {},
        {
          body: {
            kind: 'json',
            value: { active: true, sessionId: 'ses-0', user: { id: 1 }, projects: [{ id: 1, name: 'x' }] },
          },
        },
      ],
      'upstream_protocol',
    ],
    [
      'it is over already',
      introspection,
      [{}, { body: { kind: 'json', value: { active: false } } }],
      'upstream_protocol',
    ],
  ]
  it.each(cases)('K-27 K-28 K-17: %s: a code for people, nothing linked', async (_, route, faults, code) => {
    broker.demo.faults.push(route, ...faults)
    const before = (await ended()).length
    expect(await failureOf(signInForMany(broker, owner, email))).toBe(code)
    await broker.settled()
    expect(broker.demo.faults.pending()).toBe(0)
    // Where a session is known, it is ended.
    if (route === introspection) {
      expect((await ended()).slice(before)).toEqual(['confirmed'])
      expect(live('refresh')).toEqual([])
    }
  })

  it.each([
    ['accessToken', 'upstream_protocol'],
    ['sessionId', 'upstream_protocol'],
    ['refreshToken', 'no_refresh_token'],
  ])('K-28: an answer without %s is none, and the session is ended where it can be', async (field, code) => {
    broker.demo.modes.set({ missingFields: [field] })
    expect(await failureOf(signInForMany(broker, owner, email))).toBe(code)
    broker.demo.modes.set({ missingFields: [] })
    await broker.advance(60)
    await tick(broker.ctx)
    await broker.settled()
    if (field !== 'refreshToken') expect(live('refresh')).toEqual([])
  })

  it('K-39: a sign-in that the stack forgets stays open here', async () => {
    broker.demo.modes.set({ loggedOutDropsRequest: true })
    await expect(signInForMany(broker, owner, email)).rejects.toThrow('forgot the authorization request')
  })
})

describe('a session is renewed', () => {
  it('K-11 RR-01: once, however many projects and callers ask, and the newest token is the one that is sent next', async () => {
    const key = await expired(await two())
    const all = Object.values(await projectsOf(key))
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, at) => issue(all[at % 2] ?? '')))
    expect(tokens).toHaveLength(10)
    expect(calls(renewal)).toHaveLength(1)
    await expired(key)
    await freshTokens(broker.ctx, key)
    const [older, newer] = calls(renewal)
    expect(newer?.body.refreshToken).not.toBe(older?.body.refreshToken)
    expect(live('refresh')).toHaveLength(1)
  })

  it('RR-05: an answer that was lost is given again within 30 s, by the same token, and nothing is made twice', async () => {
    const key = await expired(await two())
    broker.demo.faults.push(renewal, { reset: 'after' })
    expect(await codeOf(freshTokens(broker.ctx, key))).toBe('upstream_unavailable')
    expect(calls(renewal)).toHaveLength(1)
    await broker.advance(20)
    await freshTokens(broker.ctx, key)
    const [first, again] = calls(renewal)
    expect(again?.body).toEqual(first?.body)
    expect(await stateOf(key)).toEqual(['linked', null])
    expect(live('refresh')).toHaveLength(1)
  })

  it('RR-05: after that it is lost: the stack ends the session, and the connection says why', async () => {
    const key = await expired(await two())
    broker.demo.faults.push(renewal, { reset: 'after' })
    await codeOf(freshTokens(broker.ctx, key))
    await broker.advance(400)
    expect(await codeOf(freshTokens(broker.ctx, key))).toBe('needs_relink')
    expect(await stateOf(key)).toEqual(['needs_relink', 'lost_in_rotation'])
    expect(live('refresh')).toEqual([])
  })

  it('RR-03: a process that is killed in a renewal is made up for within the grace, by any other', async () => {
    const key = await expired(await two())
    await beginAndDie(broker.ctx, key)
    await broker.advance(16)
    await tick(broker.ctx)
    await broker.settled()
    expect(await stateOf(key)).toEqual(['linked', null])
    expect(calls(renewal)).toHaveLength(1)
  })

  it('3.3.6: what is busy is asked once, and contention once more after what it asks for', async () => {
    const key = await expired(await two())
    broker.demo.faults.push(renewal, { status: 429, headers: { 'retry-after': '1' } })
    expect(await codeOf(freshTokens(broker.ctx, key))).toBe('upstream_unavailable')
    expect(calls(renewal)).toHaveLength(1)
    await broker.advance(400)
    const busy: Fault = {
      status: 503,
      headers: { 'retry-after': '30' },
      body: { kind: 'json', value: { error: 'Somebody is at it.', code: 'auth.token.refreshContention' } },
    }
    broker.waits.length = 0
    broker.demo.faults.push(renewal, busy)
    await freshTokens(broker.ctx, key)
    expect(calls(renewal)).toHaveLength(3)
    expect(broker.waits).toContain(3_000)
    await expired(key)
    broker.demo.faults.push(renewal, busy, busy)
    await codeOf(freshTokens(broker.ctx, key))
    expect(calls(renewal)).toHaveLength(5)
    broker.demo.faults.push(renewal, { status: 503 })
    await broker.advance(400)
    await codeOf(freshTokens(broker.ctx, key))
    expect(calls(renewal)).toHaveLength(6)
  })

  it.each(refusals.phrases)(
    'trap 11: the sentence “$says” is read as the cause $cause, the status as the verdict',
    async ({ says, cause }) => {
      const key = await expired(await two())
      broker.demo.faults.push(renewal, { status: 401, body: { kind: 'json', value: { error: `The token: ${says}.` } } })
      expect(await codeOf(freshTokens(broker.ctx, key))).toBe('needs_relink')
      expect(await stateOf(key)).toEqual(['needs_relink', cause])
    },
  )

  it('trap 11: a sentence that we do not know, and a code, are a verdict all the same', async () => {
    const file = JSON.parse(readFileSync('lib/providers/keboola/refusals.json', 'utf8'))
    expect(file.phrases).toEqual(refusals.phrases)
    for (const value of [{ error: 'Nein.' }, { code: 'auth.token.invalid' }]) {
      const key = await expired(await two())
      broker.demo.faults.push(renewal, { status: 401, body: { kind: 'json', value } })
      await codeOf(freshTokens(broker.ctx, key))
      expect(await stateOf(key)).toEqual(['needs_relink', 'refused'])
      await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    }
  })

  it('trap 11: a page, a 400 and a 403 are no verdict on the token, whatever they say', async () => {
    const key = await expired(await two())
    for (const [mode, status] of [
      [{ status: 401, body: { kind: 'html' } }, 'degraded'],
      [
        { status: 400, body: { kind: 'json', value: { error: 'It is malformed: expired, revoked, already used.' } } },
        'degraded',
      ],
      [{ status: 403, body: { kind: 'json', value: { error: 'Not from here.' } } }, 'degraded'],
    ] as [Fault, string][]) {
      broker.demo.faults.push(renewal, mode)
      await codeOf(freshTokens(broker.ctx, key))
      expect((await rowOf(broker, key)).status).toBe(status)
      await broker.advance(400)
    }
    await freshTokens(broker.ctx, key)
    expect(await stateOf(key)).toEqual(['linked', null])
  })

  it.each([
    ['a number as text', { expiresIn: 'string' }],
    ['no lifetime', { expiresIn: 'missing' }],
    ['no new refresh token', { refreshReturnsToken: false }],
    ['the same refresh token', { sessionRotation: 'none' }],
    ['no grace', { sessionRotation: 'strict' }],
    ['no session id', { missingFields: ['sessionId'] }],
  ] as const)('N-27 N-29: %s is taken as it is, twice', async (_, modes) => {
    const key = await two()
    broker.demo.modes.set(modes as Parameters<typeof broker.demo.modes.set>[0])
    for (let round = 0; round < 2; round += 1) {
      await expired(key)
      await freshTokens(broker.ctx, key)
      expect(await stateOf(key)).toEqual(['linked', null])
    }
    broker.demo.modes.set({ missingFields: [] })
    const [done] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    expect(done?.upstream).toBe('confirmed')
  })

  it('0020: a rotated token is kept also where the access token beside it is none of a session', async () => {
    const key = await expired(await two())
    const now = live('refresh').length
    broker.demo.modes.set({ missingFields: ['accessToken'] })
    await codeOf(freshTokens(broker.ctx, key))
    broker.demo.modes.set({ missingFields: [] })
    await broker.advance(400)
    await freshTokens(broker.ctx, key)
    expect(await stateOf(key)).toEqual(['linked', null])
    expect(live('refresh')).toHaveLength(now)
  })
})

describe('each call names its project', () => {
  it('ASK-08 trap 17: what is read, made, looked for and looked after is asked for one project, and never for none', async () => {
    const key = await two()
    const { 10231: sales = '', 10232: science = '' } = await projectsOf(key)
    const names = (await readScopeChoices(broker.ctx, owner, science)).choices.buckets as { id: string }[]
    expect(names.map(({ id }) => id)).toContain('in.c-features')
    const { token } = await issue(sales)
    await checkLastUse(broker.ctx, owner, token.id)
    const { token: cut } = await (async () => {
      broker.demo.faults.push('POST /v2/storage/tokens', { status: 500, effect: 'applied' })
      return issue(science)
    })()
    expect(cut.state).toBe('live')
    // The one that was cut off is found in its own project, and deleted there.
    expect(
      broker.demo.ledger.tokens.filter(
        ({ kind, live: lives, project }) => kind === 'storage' && lives && project === '10232',
      ),
    ).toHaveLength(1)
    expect(
      broker.demo.ledger.requests.filter(({ path, status }) => path.startsWith('/v2/storage') && status === 401),
    ).toEqual([])
  })

  it('P-01: a token of the proxy reaches its own project alone, and nothing of the session itself', async () => {
    const key = await two()
    const { 10232: science = '' } = await projectsOf(key)
    const made = await issue(science, owner, { strategy: 'proxy', scopes: { access: 'everything' } })
    const passing = await startPassing(broker.ctx)
    const ask = (path: string, headers: Record<string, string> = {}) =>
      passing.ask(made.baseUrl, path, { token: made.value.reveal(), headers })
    try {
      const { status, text } = await ask('/v2/storage/buckets', { 'x-kbc-projectid': '10231' })
      expect([200, 400]).toContain(status)
      if (status === 200) expect(text).toContain('in.c-features')
      expect((await ask('/v2/storage/buckets')).text).toContain('in.c-features')
      for (const path of ['/v1/auth/sessions', '/v1/auth/token/introspect', '/admin/auth/pkce/authorize'])
        expect((await ask(path)).status).toBe(403)
    } finally {
      await passing.stop()
    }
    expect(asked('/v1/auth/sessions').length).toBe(0)
  })
})

describe('taking a project off', () => {
  it('ends what was issued for it, and leaves the session and the others as they are', async () => {
    const key = await two()
    const { 10231: sales = '', 10232: science = '' } = await projectsOf(key)
    const gone = await issue(sales)
    const stays = await issue(science)
    const take = (projectId: string, actor = owner) =>
      codeOf(leaveProject(broker.ctx, actor, { connectionId: key.connectionId, projectId }))
    expect(await take(sales, member)).toBe('not_found')
    expect(await take(sales)).toBe('done')
    expect(await take(sales)).toBe('not_found')
    expect(await take(science)).toBe('last_project')
    expect((await readToken(broker.ctx, owner, gone.token.id)).state).toBe('revoked')
    expect((await readToken(broker.ctx, owner, stays.token.id)).state).toBe('live')
    expect(await codeOf(issue(sales))).toBe('not_linked')
    await issue(science)
    expect(live('refresh')).toHaveLength(1)
    // And it can be linked again, by a connection of its own.
    expect((await broker.link(owner, email, { project: '10231' })).kind).toBe('linked')
    expect((await connectionDetail(broker.ctx, owner, key.connectionId)).projects).toHaveLength(1)
  })

  it('A-03: a token that is being made for it meanwhile is ended, whoever is first', async () => {
    const key = await two()
    const { 10231: sales = '' } = await projectsOf(key)
    const mint = 'POST /v2/storage/tokens'
    broker.demo.faults.push(mint, { hold: { barrier: 'mint', at: 'after' } })
    const made = codeOf(issue(sales))
    await broker.demo.faults.barrier('mint').arrived()
    await leaveProject(broker.ctx, owner, { connectionId: key.connectionId, projectId: sales })
    broker.demo.faults.barrier('mint').release()
    expect(await made).toBe('revoked_meanwhile')
    await broker.settled()
    expect(broker.demo.ledger.tokens.filter(({ kind, live: lives }) => kind === 'storage' && lives)).toEqual([])
  })

  it('A-03: an issue that begins when it is off already gets nothing', async () => {
    const key = await two()
    const { 10231: sales = '' } = await projectsOf(key)
    broker.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'late', at: 'after' } })
    const made = codeOf(issue(sales))
    await broker.demo.faults.barrier('late').arrived()
    // As if its row had come after the look for rows: only the link tells.
    await broker.owner.query('DELETE FROM connection_project WHERE connection_id = $1 AND project_id = $2', [
      key.connectionId,
      sales,
    ])
    broker.demo.faults.barrier('late').release()
    expect(await made).toBe('revoked_meanwhile')
    await broker.settled()
  })
})

describe('moving', () => {
  const linked = async (project = '10231') => {
    const made = await broker.link(owner, email, { project, alias: 'sales' })
    if (made.kind !== 'linked') throw made.error
    return { tenantId: owner.tenantId, connectionId: made.connectionId, projectId: made.projectId }
  }

  it('LK-06 K-15 K-25: a stack that gains it: the connection keeps its id, alias, branch, tokens and history, and nothing else joins it', async () => {
    const key = await linked()
    const { token } = await issue(key.projectId)
    await asSystem(broker.ctx, key.tenantId, 'job', (tx) =>
      updateConnection(tx, key.tenantId, key.connectionId, { branchId: '7101' }),
    )
    const before = await connectionDetail(broker.ctx, owner, key.connectionId)
    expect(before.movesTo.map(({ name }) => name)).toEqual(['session'])
    expect(before.revocable).toBe(false)
    const moved = await signInForMany(broker, owner, email, { connectionId: key.connectionId })
    expect(moved).toMatchObject({ kind: 'linked', connectionId: key.connectionId })
    const after = await connectionDetail(broker.ctx, owner, key.connectionId)
    expect(after).toMatchObject({ flow: 'session', movesTo: [], revocable: true, branch: '7101', status: 'linked' })
    expect(after.projects).toEqual(before.projects)
    expect(after.timeline.length).toBeGreaterThan(before.timeline.length)
    expect((await readToken(broker.ctx, owner, token.id)).state).toBe('live')
    await expired(key)
    await issue(key.projectId)
    expect(calls(renewal)).toHaveLength(1)
  })

  it('trap 15: an account that does not reach its projects moves nothing, and its session is ended', async () => {
    const key = await linked()
    const before = await rowOf(broker, key)
    expect(await failureOf(signInForMany(broker, owner, 'owner@globex.test', { connectionId: key.connectionId }))).toBe(
      'another_project',
    )
    await broker.settled()
    expect(await rowOf(broker, key)).toEqual(before)
    expect(live('refresh')).toEqual([])
  })

  it('K-37: reconnecting goes the way it was linked, keeps all of its projects, and ends the session before', async () => {
    const key = await two()
    const again = await startLink(broker.ctx, owner, {
      providerId: (await broker.providerOf(owner)).id,
      connectionId: key.connectionId,
      browser: owner.browser,
    })
    expect(new URL(again.url).pathname).toBe('/admin/auth/pkce/authorize')
    const came = await completeLink(broker.ctx, broker.callbackOf(await approve(again.url, { account: email }), owner))
    expect(came).toMatchObject({ kind: 'linked', connectionId: key.connectionId })
    expect(Object.keys(await projectsOf(key))).toHaveLength(2)
    await tick(broker.ctx)
    await broker.settled()
    expect(live('refresh')).toHaveLength(1)
  })

  it('an ordinary link of one project does not take a session of several along', async () => {
    const key = await two()
    const came = await broker.link(owner, email, { project: '10231' })
    expect(came.kind === 'failed' && came.error.code).toBe('already_linked')
    expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', flow: 'session' })
  })

  it('what is over is let go of: projects that were disconnected together are linked anew one by one', async () => {
    const key = await two()
    await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    const alone = await linkMany(broker, owner, email, ['10232'])
    expect(Object.keys(await projectsOf(alone))).toEqual(['10232'])
    expect((await broker.link(owner, email, { project: '10231' })).kind).toBe('linked')
    expect(Object.keys(await projectsOf(alone))).toEqual(['10232'])
  })
})

describe('the end of a session', () => {
  const state = async (key: Key) => {
    const [done] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
    return done?.upstream
  }

  it('K-35: is seen to also where its access token is over, the stack was away, or somebody was first', async () => {
    const old = await expired(await two())
    expect(await state(old)).toBe('confirmed')
    const gone = await two()
    await broker.demo.endGrants(email, 'sessions')
    expect(await state(gone)).toBe('confirmed')
    const key = await two()
    broker.demo.faults.push('DELETE /v1/auth/sessions/*', ...Array.from({ length: 3 }, (): Fault => ({ status: 503 })))
    expect(await state(key)).toBe('pending')
    expect(live('refresh')).toHaveLength(1)
    await broker.advance(30)
    await tick(broker.ctx)
    await broker.settled()
    expect([live('refresh'), live('access')]).toEqual([[], []])
  })

  it('0098: a stack that says done while the session stands is told on, and asked again', async () => {
    const key = await two()
    broker.demo.faults.push('DELETE /v1/auth/sessions/*', { status: 204, body: { kind: 'empty' }, effect: 'skipped' })
    broker.demo.faults.push('POST /v1/auth/token/revoke', { status: 204, body: { kind: 'empty' }, effect: 'skipped' })
    expect(await state(key)).toBe('pending')
    await broker.advance(60)
    await tick(broker.ctx)
    await broker.settled()
    expect(live('refresh')).toEqual([])
  })

  it('K-14 V-01 V-08: no token, code or verifier of a session is in a log or a table', async () => {
    const key = await expired(await two())
    await freshTokens(broker.ctx, key)
    broker.demo.faults.push(renewal, {
      status: 401,
      body: { kind: 'json', value: { error: JSON.stringify(calls(renewal)[0]?.body) } },
    })
    await expired(key)
    await codeOf(freshTokens(broker.ctx, key))
    await choosing()
    const secrets = [
      ...broker.demo.ledger.tokens.filter(({ system }) => system === 'sessions').map(({ value }) => value),
      ...calls(exchange).map(({ body }) => String(body.codeVerifier)),
    ]
    expect(secrets.length).toBeGreaterThan(5)
    const { rows: tables } = await broker.owner.query<{ name: string }>(
      `SELECT format('%I', relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    )
    let stored = ''
    for (const { name } of tables)
      stored += (await broker.owner.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)).rows
        .map(({ text }) => text)
        .join('\n')
    const log = broker.logged.join('\n')
    expect(stored).toContain('connection.revoked')
    for (const secret of secrets) {
      expect(log.includes(secret), 'in the log').toBe(false)
      expect(stored.includes(secret), 'in a table').toBe(false)
    }
  })
})
