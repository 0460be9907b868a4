// A request that is sent again under its key: whoever does not know whether it arrived gets the same answer, and never a second
// token.
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Scope, scopes } from '../../lib/actor.ts'
import { putContext } from '../../lib/context.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Location, open, sealedFor, sealKey } from '../../lib/security/seal.ts'
import { callersKey } from '../../lib/security/secrets.ts'
import { type Answer, type Issued, issueBody, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { dyingInstance } from '../support/dying.ts'
import { giveGrant } from '../support/grants-of-programs.ts'
import { insertAccessToken } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
let guest: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  // Only what this file is about ends while it moves the clock.
  await app.rows(
    'acme',
    `UPDATE session SET last_active_at = now() + interval '1 year', expires_at = now() + interval '2 years'`,
  )
  guest = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(async () => {
  putContext(app.ctx)
  app.demo.faults.clear()
  await app.forgetLimits()
})

const mintRoute = 'POST /v2/storage/tokens'
const mints = () => app.requests(mintRoute).length
const named = (key: string) => ({ 'idempotency-key': key })
const tokensOf = (id: string) => `/tenants/acme/projects/${id}/tokens`
const issue = (key: string, body: Record<string, unknown> = {}, jar = owner, of = project) =>
  app.call<Issued>(jar, 'POST', tokensOf(of), { ...issueBody, ...body }, named(key))
const revoke = (key: string, body: Record<string, unknown>) =>
  app.call<{ items: { already: boolean }[]; code?: string }>(
    owner,
    'POST',
    '/tenants/acme/revocations',
    body,
    named(key),
  )
const ageOf = ({ headers }: Answer<unknown>) => headers.get('age')
const liveUpstream = () =>
  app.demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).map(({ value }) => value)
const rowsOf = (purpose: string) =>
  app.rows('acme', 'SELECT id, status FROM issued_token WHERE purpose = $1', [purpose])
const proxyRules = { strategy: 'proxy', scopes: { access: 'paths', paths: ['GET /**'] } }

describe('a request that is sent again under its key', () => {
  it('IK-01: gets the same answer, and one token is made', async () => {
    const key = randomUUID()
    const before = mints()
    const first = await issue(key)
    expect([first.status, ageOf(first)]).toEqual([201, null])
    await app.advance(20)
    const again = await issue(key)
    expect(again.text).toBe(first.text)
    expect(again.status).toBe(201)
    // It says how old it is, because what counts seconds from now is told as it was.
    expect(Number(ageOf(again))).toBeGreaterThanOrEqual(20)
    expect(again.headers.get('cache-control')).toBe('no-store')
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(mints()).toBe(before + 1)
    // The structured string of the draft is the same key.
    expect((await issue(`"${key}"`)).text).toBe(first.text)
  })

  it('IK-01: a token for the proxy as well, which no upstream has a part in', async () => {
    const key = randomUUID()
    const first = await issue(key, { ...proxyRules, purpose: 'repeated proxy' })
    expect(first.status).toBe(201)
    expect((await issue(key, { ...proxyRules, purpose: 'repeated proxy' })).text).toBe(first.text)
    expect(await rowsOf('repeated proxy')).toHaveLength(1)
  })

  it('IK-01: a revocation answers as it did, also an answer without a body', async () => {
    const { token } = (await issue(randomUUID())).body
    const key = randomUUID()
    const first = await revoke(key, { tokens: [token.id] })
    expect(first.body.items).toMatchObject([{ already: false }])
    expect((await revoke(key, { tokens: [token.id] })).text).toBe(first.text)
    expect((await revoke(randomUUID(), { tokens: [token.id] })).body.items).toMatchObject([{ already: true }])

    const { body } = await issue(randomUUID())
    app.demo.faults.push('DELETE /v2/storage/tokens/*', { status: 403, body: { kind: 'empty' } })
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [body.token.id] })
    const [work] = await app.rows('acme', `SELECT id FROM upstream_revocation WHERE token_id = $1`, [body.token.id])
    const path = `/tenants/acme/revocations/${work?.id}/retry`
    const retry = (under: Record<string, string>) => app.call(owner, 'POST', path, {}, under)
    const retried = named(randomUUID())
    const statuses = [await retry(retried), await retry(retried)].map(({ status, text }) => [status, text])
    expect(statuses[1]).toEqual(statuses[0])
  })

  it('without a key each request makes a token of its own', async () => {
    const before = mints()
    const [one, other] = [await app.issue(owner, 'acme', project), await app.issue(owner, 'acme', project)]
    expect(one.body.value).not.toBe(other.body.value)
    expect(mints()).toBe(before + 2)
  })

  it('IK-02: of twenty at once one makes a token; each of the others gets it, or is told when to come back', async () => {
    const key = randomUUID()
    const before = mints()
    const answers = await Promise.all(Array.from({ length: 20 }, () => issue(key, { purpose: 'twenty' })))
    const given = answers.filter(({ status }) => status === 201)
    expect(new Set(given.map(({ text }) => text)).size).toBe(1)
    for (const { status, body, headers } of answers.filter((one) => one.status !== 201)) {
      expect([status, body.code]).toEqual([409, 'idempotency_running'])
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(given.filter((one) => ageOf(one) === null)).toHaveLength(1)
    expect(mints()).toBe(before + 1)
    expect(await rowsOf('twenty')).toHaveLength(1)
    expect((await issue(key, { purpose: 'twenty' })).text).toBe(given[0]?.text)
  })

  it.each([
    ['another body', () => ({ path: tokensOf(project), body: { ...issueBody, purpose: 'something else' } })],
    ['another place', () => ({ path: tokensOf('some-other-project'), body: issueBody })],
    ['another operation', () => ({ path: '/tenants/acme/revocations', body: { tokens: [`tok_${'0'.repeat(32)}`] } })],
  ] as const)('IK-03: %s under the same key is refused, and nothing is done', async (_, other) => {
    const key = randomUUID()
    const first = await issue(key)
    const before = mints()
    const { path, body } = other()
    const { status, body: problem } = await app.call(owner, 'POST', path, body, named(key))
    expect([status, problem.code]).toEqual([422, 'idempotency_mismatch'])
    expect(mints()).toBe(before)
    expect((await issue(key)).text).toBe(first.text)
  })

  it.each([
    ['too short', 'short-key'],
    ['too long', 'x'.repeat(256)],
    ['with a space', 'sixteen characters'],
    ['two of them', `${randomUUID()}, ${randomUUID()}`],
    ['with parameters', `"${randomUUID()}";a=1`],
  ])('a key that is %s is refused', async (_, key) => {
    const { status, body } = await issue(key)
    expect([status, body.code]).toEqual([400, 'bad_request'])
  })

  it('IK-04: belongs to a person and their credential: the same text of another is another key', async () => {
    const key = randomUUID()
    const own = await issue(key, { purpose: 'own' })
    const others = await issue(key, { scopes: { buckets: {}, manage_buckets: true } }, member, guest)
    expect([own.status, others.status]).toEqual([201, 201])
    const elsewhere = await issue(key, { purpose: 'own' }, await app.signIn('owner@acme.test'))
    expect([elsewhere.status, ageOf(elsewhere)]).toEqual([201, null])
    expect(elsewhere.body.value).not.toBe(own.body.value)

    const one = await program('grt_one')
    const asProgram = (headers: Record<string, string>) =>
      app.call<Issued>(new Map(), 'POST', tokensOf(project), issueBody, { ...headers, ...named(key) })
    const first = await asProgram(one)
    expect(first.status).toBe(201)
    // The grant is what counts: its next access token is the same program's.
    expect((await asProgram(await program('grt_one'))).text).toBe(first.text)
    expect((await asProgram(await program('grt_two'))).body.value).not.toBe(first.body.value)
  })

  it('IK-05: the answer is sealed under a key that the database does not hold, for a minute, and a spent key makes nothing more', async () => {
    const key = randomUUID()
    const { body } = await issue(key)
    const dump = async () =>
      String((await app.rows('acme', 'SELECT string_agg(t::text, chr(10)) AS text FROM idempotency_key t'))[0]?.text)
    for (const secret of [key, body.value, Buffer.from(key).toString('hex')]) expect(await dump()).not.toContain(secret)
    const answers = () =>
      app.rows('acme', 'SELECT 1 FROM idempotency_key WHERE answer IS NOT NULL AND token_id IS NOT NULL')
    expect((await answers()).length).toBeGreaterThan(0)
    const [row] = await app.rows('acme', 'SELECT id, answer FROM idempotency_key WHERE token_id = $1', [body.token.id])
    const sealed = String(row?.answer)
    const openWith = async (held: string) =>
      open(
        await sealKey('caller', callersKey(held, app.ctx.secrets.lookup, 'answer')),
        sealedFor(sealed) as Location,
        sealed,
      )
    // Whoever has the database and the instance's own secret still needs the caller's key.
    expect((await openWith(key)).reveal()).toContain(body.value)
    for (const held of ['', randomUUID()]) await expect(openWith(held)).rejects.toThrow()
    const others = randomUUID()
    const other = await issue(others)
    await app.rows('acme', 'UPDATE idempotency_key SET answer = $2 WHERE token_id = $1', [
      other.body.token.id,
      row?.answer,
    ])
    const moved = await issue(others)
    expect(moved.status).toBe(500)
    expect(moved.text).not.toContain(body.value)

    await app.advance(61)
    const before = mints()
    const spent = await issue(key)
    expect([spent.status, spent.body.code]).toEqual([409, 'idempotency_spent'])
    expect(spent.text).toContain(body.token.id)
    expect(mints()).toBe(before)
    await sweep(app.ctx)
    expect(await answers()).toEqual([])
    expect((await issue(key)).body.code).toBe('idempotency_spent')
    await app.advance(86_400)
    await sweep(app.ctx)
    expect(await app.rows('acme', 'SELECT 1 FROM idempotency_key WHERE token_id = $1', [body.token.id])).toEqual([])
  })

  it('IK-05: a token that is over is not handed out again', async () => {
    const key = randomUUID()
    const { token } = (await issue(key)).body
    await revoke(randomUUID(), { tokens: [token.id] })
    expect((await issue(key)).body.code).toBe('idempotency_spent')
  })

  it('IK-05: who may not issue any more gets no answer again', async () => {
    const key = randomUUID()
    const asked = { scopes: { buckets: {}, manage_buckets: true } }
    expect((await issue(key, asked, member, guest)).status).toBe(201)
    const role = (name: string) =>
      app.rows(
        'acme',
        `UPDATE member SET role = $1 WHERE user_id = (SELECT id FROM "user" WHERE subject = 'acct-3002')`,
        [name],
      )
    await role('auditor')
    expect((await issue(key, asked, member, guest)).status).toBe(403)
    await role('member')
    expect(Number(ageOf(await issue(key, asked, member, guest)))).toBeGreaterThanOrEqual(0)
  })

  it('IK-07: a try that made nothing may be repeated, also with another body', async () => {
    const key = randomUUID()
    expect((await issue(key, { expires_in: 7201 })).status).toBe(422)
    app.demo.faults.push(mintRoute, { status: 403, body: { kind: 'empty' } })
    expect((await issue(key)).status).toBeGreaterThanOrEqual(400)
    const { status } = await issue(key)
    expect(status).toBe(201)
  })

  it('IK-06: while it is not known whether a token was made, nothing is made under its key; then it is', async () => {
    const key = randomUUID()
    app.demo.faults.push(mintRoute, { status: 200, effect: 'applied', body: { kind: 'html' } })
    const first = await issue(key, { purpose: 'unsure' })
    expect(first.body.code).toBe('issue_unconfirmed')
    const before = mints()
    const { body, headers } = await issue(key, { purpose: 'unsure' })
    expect(body.code).toBe('idempotency_running')
    expect(headers.has('retry-after')).toBe(true)
    expect(mints()).toBe(before)
    await app.advance(200)
    await tick(app.ctx)
    const again = await issue(key, { purpose: 'unsure' })
    expect(again.status).toBe(201)
    expect(await rowsOf('unsure')).toHaveLength(2)
    expect((await rowsOf('unsure')).map(({ status }) => status).sort()).toEqual(['failed', 'live'])
  })
})

describe('a process that is killed', () => {
  it.each([
    ['for its upstream', {}],
    ['for the proxy', proxyRules],
  ] as const)(
    'IK-06: before any step of an issue %s leaves its key usable: one token comes of it, and whoever asks again has it',
    async (_, body) => {
      let lives = 1
      for (let survived = false; !survived; lives += 1) {
        const key = randomUUID()
        const purpose = `killed before step ${lives} ${_}`
        const known = new Set(liveUpstream())
        const { dead, buried } = await dyingInstance(app, lives)
        const asked = issue(key, { ...body, purpose })
        survived = (await Promise.race([asked, dead])) !== 'dead'
        buried()
        let again = await issue(key, { ...body, purpose })
        if (again.status === 409) {
          expect(again.body.code, purpose).toBe('idempotency_running')
          await app.advance(200)
          await tick(app.ctx)
          again = await issue(key, { ...body, purpose })
        }
        expect([again.status, purpose]).toEqual([201, purpose])
        // What the killed one left is cleared away by the job, if it left anything.
        if ((await rowsOf(purpose)).some(({ status }) => status === 'issuing')) {
          await app.advance(200)
          await tick(app.ctx)
        }
        const rows = await rowsOf(purpose)
        expect(
          rows.filter(({ status }) => status === 'live').map(({ id }) => id),
          purpose,
        ).toEqual([again.body.token.id])
        expect(
          rows.filter(({ status }) => status === 'issuing'),
          purpose,
        ).toEqual([])
        const made = liveUpstream().filter((value) => !known.has(value))
        expect(made, purpose).toEqual('strategy' in body ? [] : [again.body.value])
        await app.forgetLimits()
        await app.rows('acme', `UPDATE issued_token SET status = 'revoked' WHERE purpose = $1`, [purpose])
      }
      expect(lives).toBeGreaterThan(9)
    },
    300_000,
  )

  it('IK-06: and one that is only slow makes nothing once another try holds the key', async () => {
    const key = randomUUID()
    const purpose = 'slow'
    let reached: () => void = () => undefined
    const holding = new Promise<void>((resolve) => {
      reached = resolve
    })
    let goOn: () => void = () => undefined
    const released = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const slow = await app.makeContext()
    const query = slow.pool.query.bind(slow.pool) as (...args: unknown[]) => Promise<unknown>
    // The key is taken by then, and nothing is made.
    slow.pool.query = (async (...args: unknown[]) => {
      if ((args[0] as { text: string }).text.includes('vk.issue_begin(')) {
        reached()
        await released
      }
      return query(...args)
    }) as typeof slow.pool.query
    putContext(slow)
    const first = issue(key, { purpose })
    await holding
    putContext(app.ctx)
    expect((await issue(key, { purpose })).body.code).toBe('idempotency_running')
    await app.advance(31)
    const second = await issue(key, { purpose })
    expect(second.status).toBe(201)
    goOn()
    expect((await first).body.code).toBe('idempotency_running')
    expect(await rowsOf(purpose)).toHaveLength(1)
    await slow.close()
  })
})

const grants = new Map<string, string>()

/** What a program of the owner's sends, with a new access token of the grant that goes by this name here. */
async function program(name: string, held: readonly Scope[] = scopes): Promise<Record<string, string>> {
  const { id: userId } = (await app.call<{ id: string }>(owner, 'GET', '/me')).body
  const ceilings = { [project]: { rights: null, proxy: null } }
  const grant = grants.get(name) ?? (await giveGrant(app, userId, { ceilings }))
  grants.set(name, grant)
  return { authorization: `Bearer ${await insertAccessToken(app, 'acme', grant, held)}` }
}
