// The leak desk: what somebody found is looked through, and ended; at the console by who oversees, at the public door by anybody.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { settleReport } from '../../lib/broker/leaks.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { hash, newToken } from '../../lib/security/secrets.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { decoded, issueOwn, ownApisOf, told } from '../support/own-apis.ts'
import { deviceLogin, insertClient, post, type Tokens } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let project: string
let theirs: string
let user: string
let memberId: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
  memberId = (await app.call<{ id: string }>(member, 'GET', '/me')).body.id
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

type Found = {
  kind: string
  id: string
  shown: string[]
  owner_id: string | null
  name: string
  stands: boolean
  rights: string[]
  tokens: number
  places: string[]
  times: number
}
type Findings = {
  read_as: string
  found: Found[]
  candidates: number
  unknown: number
  damaged: number
  is_cut: boolean
  names: Record<string, string>
  code?: string
}
const inspect = (text: string, jar = owner, tenant = 'acme') =>
  app.call<Findings>(jar, 'POST', `/tenants/${tenant}/leaks`, { text })
const proxied = async (jar = member, id = theirs) =>
  (
    await app.call<{ value: string; token: { id: string } }>(jar, 'POST', `/tenants/acme/projects/${id}/tokens`, {
      strategy: 'proxy',
      scopes: { access: 'paths', paths: ['GET /**'] },
      expires_in: 600,
      purpose: 'nightly export',
    })
  ).body
const login = () => deviceLogin(app, 'acme', { user: memberId, scopes: ['projects:read', 'tokens:issue'] })
const stateOf = async (id: string) =>
  (await app.rows('acme', 'SELECT generation, status FROM issued_token WHERE id = $1', [id]))[0]
const grantOf = async (access: string) =>
  String(
    (await app.rows('acme', 'SELECT grant_id FROM access_token WHERE hash = $1', [Buffer.from(hash(access))]))[0]
      ?.grant_id,
  )
const events = async (action: string) =>
  (await app.rows('acme', `SELECT body FROM audit_event WHERE action = $1 ORDER BY id DESC`, [action])).map(
    ({ body }) =>
      body as { actor: string | null; target: { kind: string; id: string }; details: unknown; address: unknown },
  )

describe('the desk', () => {
  it('LD-05: finds tokens of all kinds in one text, with owner, rights, what hangs below and where they stood', async () => {
    const px = await proxied()
    const minted = (await app.issue(owner, 'acme', project)).body
    const tokens = await login()
    const client = await insertClient(app, 'acme')
    const text = [
      'starting up',
      `curl -H "Authorization: Bearer ${px.value}" …`,
      `X-StorageApi-Token: ${minted.value}`,
      `{"access_token":"${tokens.access_token}","refresh_token":"${tokens.refresh_token}"}`,
      `CLIENT_SECRET=${client.secret}`,
      newToken('px').reveal(),
      `${px.value.slice(0, -2)}xx`,
    ].join('\n')
    const { status, body } = await inspect(text)
    expect([status, body.read_as, body.unknown, body.damaged, body.is_cut]).toEqual([200, 'text', 1, 1, false])
    const by = (kind: string, shown: string) => body.found.find((one) => one.kind === kind && one.shown.includes(shown))
    expect(by('token', 'proxy_token')).toMatchObject({
      id: px.token.id,
      owner_id: memberId,
      name: 'nightly export',
      stands: true,
      places: ['line 2'],
      times: 1,
    })
    expect(by('token', 'upstream_token')).toMatchObject({ id: minted.token.id, owner_id: user, places: ['line 3'] })
    expect(by('token', 'upstream_token')?.rights.length).toBeGreaterThan(0)
    expect(by('grant', 'access_token')).toMatchObject({
      owner_id: memberId,
      shown: ['access_token', 'refresh_token'],
      stands: true,
      times: 2,
    })
    expect(by('client_secret', 'client_secret')).toMatchObject({ name: 'A test client', owner_id: null, stands: true })
    expect(body.found).toHaveLength(4)
    // Of the owners, and of nobody else.
    expect(body.names).toEqual({ [memberId]: 'member@acme.test', [user]: 'owner@acme.test' })
    // All in one act, by the operation that everything is revoked by.
    const ids = (kind: string) => body.found.filter((one) => one.kind === kind).map(({ id }) => id)
    const act = { tokens: ids('token'), grants: ids('grant'), reason: 'found in a log' }
    expect((await app.call(owner, 'POST', '/tenants/acme/revocations', act)).status).toBe(200)
    expect((await inspect(text)).body.found.filter(({ stands }) => stands).map(({ kind }) => kind)).toEqual([
      'client_secret',
    ])
  })

  it('LD-05: a client secret stands no more once it is over, or its client is removed', async () => {
    const { id, secret } = await insertClient(app, 'acme')
    const stands = async () => (await inspect(secret)).body.found.map((one) => one.stands)
    expect(await stands()).toEqual([true])
    await app.rows('acme', 'UPDATE client_secret SET expires_at = vk_now() WHERE client_id = $1', [id])
    expect(await stands()).toEqual([false])
    await app.rows('acme', 'UPDATE client_secret SET expires_at = NULL WHERE client_id = $1', [id])
    await app.rows('acme', 'UPDATE api_client SET ended_at = vk_now() WHERE id = $1', [id])
    expect(await stands()).toEqual([false])
  })

  it('LD-05: a token that is verified without us is found by its hash', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const own = await ownApisOf(app, actor)
    const made = await issueOwn(app, actor, own.offline.id, { names: ['reports:read'] })
    const value = made.value.reveal()
    expect(decoded(value).head.typ).toBe('at+jwt')
    const { body } = await inspect(`bearer ${value}`)
    expect(body.found).toMatchObject([{ id: made.token.id, shown: ['own_token'], stands: true }])
  })

  it('Z-02 LD-06: what is another tenant’s is as unknown as what is nobody’s', async () => {
    const px = await proxied()
    const tokens = await login()
    const { secret } = await insertClient(app, 'acme')
    const text = [px.value, tokens.access_token, tokens.refresh_token, secret].join('\n')
    const foreign = await inspect(text, globex, 'globex')
    const nobodys = await inspect(
      (['px', 'at', 'rt', 'cs'] as const).map((kind) => newToken(kind).reveal()).join('\n'),
      globex,
      'globex',
    )
    expect(foreign.body).toMatchObject({ found: [], unknown: 4 })
    expect(foreign.text).toBe(nobodys.text)
  })

  it('LD-06: members do not, auditors do, and what was looked through is recorded without it', async () => {
    const { value } = await proxied()
    expect((await inspect(value, member)).body.code).toBe('forbidden')
    await app.rows('acme', `UPDATE member SET role = 'auditor' WHERE user_id = $1`, [memberId])
    expect((await inspect(value, member)).status).toBe(200)
    await app.rows('acme', `UPDATE member SET role = 'member' WHERE user_id = $1`, [memberId])
    expect((await events('leak.inspected'))[0]).toMatchObject({ actor: memberId, details: { found: 1 } })
  })

  it('LD-06: a text that is too long, or cannot be kept, is refused with words and nothing of it', async () => {
    const { value } = await proxied()
    for (const text of [`${value}${'x'.repeat(1024 * 1024)}`, `${value}\0`, '']) {
      const { status, text: answer } = await inspect(text)
      expect(status).toBe(400)
      expect(answer).not.toContain(value.slice(10, 30))
    }
    expect((await inspect('x'.repeat(3 * 1024 * 1024))).status).toBe(413)
  })
})

const report = (tokens: unknown, { type = 'application/json', address = '' } = {}) =>
  app.send(
    new Map(),
    new Request(`${origin}/oauth/report`, {
      method: 'POST',
      headers: { 'content-type': type, ...(address && { 'x-forwarded-for': address }) },
      body: typeof tokens === 'string' ? tokens : JSON.stringify({ tokens }),
    }),
  )
/** What it does after its answer is done. */
const settled = async () => {
  const { rows } = await app.ctx.pool.query('SELECT id FROM leak_report')
  await app.advance(61)
  for (const { id } of rows) await settleReport(app.ctx, id)
  expect((await app.ctx.pool.query('SELECT id FROM leak_report')).rows).toEqual([])
}
const notices = async (jar: Jar) =>
  (
    await app.call<{ items: { kind: string; about: { kind: string; id: string; name: string } | null }[] }>(
      jar,
      'GET',
      '/tenants/acme/notifications',
    )
  ).body.items

describe('the public door', () => {
  it('LD-07: possession revokes a token, once; its owner is told, and it is recorded', async () => {
    const { value, token } = await proxied()
    const told = (await notices(member)).length
    for (const _ of [1, 2]) expect((await report([value], { address: '203.0.113.9' })).status).toBe(202)
    await settled()
    expect(await stateOf(token.id)).toEqual({ generation: 1, status: 'revoked' })
    const about = { kind: 'token', id: token.id, name: 'nightly export' }
    const now = await notices(member)
    expect([now.length - told, now[0]]).toMatchObject([1, { kind: 'token.leaked', about }])
    const [recorded, ...more] = (await events('leak.reported')).filter(({ target }) => target.id === token.id)
    expect([recorded, more]).toMatchObject([
      { actor: null, address: '203.0.113.9', details: { form: 'proxy_token', owner: memberId } },
      [],
    ])
    expect((await events('token.revoked'))[0]).toMatchObject({
      target: { id: token.id },
      details: { reason: 'reported as leaked' },
    })
  })

  it.each([
    ['access token', (tokens: Tokens) => tokens.access_token],
    ['refresh token', (tokens: Tokens) => tokens.refresh_token],
  ])('LD-07 I-06: a leaked %s ends its grant, with what was issued through it', async (_, shown) => {
    const tokens = await login()
    const grant = await grantOf(tokens.access_token)
    await report([shown(tokens)])
    await settled()
    const [row] = await app.rows('acme', 'SELECT end_cause FROM oauth_grant WHERE id = $1', [grant])
    expect(row?.end_cause).toBe('revoked')
    const again = { client_id: 'valetkey', grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    expect((await post(app, '/oauth/token', again)).body.error).toBe('invalid_grant')
    expect((await notices(member))[0]).toMatchObject({ kind: 'grant.leaked', about: { id: grant } })
  })

  it('LD-07: a grant that has ended is not told of again', async () => {
    const tokens = await login()
    const grant = await grantOf(tokens.access_token)
    await report([tokens.refresh_token])
    await settled()
    const told = (await notices(member)).length
    await report([tokens.refresh_token])
    await settled()
    expect((await events('leak.reported')).filter(({ target }) => target.id === grant)).toHaveLength(1)
    expect(await notices(member)).toHaveLength(told)
  })

  it('LD-07: a refresh token that was rotated away ends the grant as well', async () => {
    const tokens = await login()
    const form = { client_id: 'valetkey', grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    const next = (await post(app, '/oauth/token', form)).body
    await report([tokens.refresh_token])
    await settled()
    expect((await post(app, '/oauth/token', { ...form, refresh_token: next.refresh_token })).body.error).toBe(
      'invalid_grant',
    )
  })

  it('LD-07: a client secret is refused from then on, what the client was given stays, and admins are told', async () => {
    const { id, secret } = await insertClient(app, 'acme')
    const grants = await app.rows('acme', 'SELECT id FROM oauth_grant WHERE ended_at IS NULL')
    await report([secret])
    await settled()
    const asked = await post(app, '/oauth/introspect', { token: 'x' }, { basic: [id, secret] })
    expect(asked.body.error).toBe('invalid_client')
    expect((await notices(owner))[0]).toMatchObject({ kind: 'client.secret_leaked', about: { kind: 'client', id } })
    expect(await app.rows('acme', 'SELECT id FROM oauth_grant WHERE ended_at IS NULL')).toEqual(grants)
  })

  it('LD-07: a code that nobody has used is good for nothing; a used one ends nothing, but of a device', async () => {
    const started = (await post<{ device_code: string }>(app, '/oauth/device_authorization', { client_id: 'valetkey' }))
      .body
    await report([started.device_code])
    await settled()
    const poll = { client_id: 'valetkey', grant_type: 'urn:ietf:params:oauth:grant-type:device_code' }
    expect((await post(app, '/oauth/token', { ...poll, device_code: started.device_code })).body.error).toBe(
      'access_denied',
    )
    // Both kinds of request keep their code in the same column.
    const grant = await grantOf((await login()).access_token)
    for (const [kind, token, ended] of [
      ['code', newToken('ac').reveal(), false],
      ['device', newToken('dc').reveal(), true],
    ] as const) {
      const values = [Buffer.from(hash(token)), kind, grant]
      await app.rows('acme', 'UPDATE authorization_request SET secret_hash = $1, kind = $2 WHERE grant_id = $3', values)
      await report([token])
      await settled()
      const [row] = await app.rows('acme', 'SELECT ended_at FROM oauth_grant WHERE id = $1', [grant])
      expect(row?.ended_at !== null, kind).toBe(ended)
    }
  })

  it('LD-07: a token that is verified without us is blocked here', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const [own] = await app.rows('acme', `SELECT id FROM project WHERE settings ->> 'offline' = 'true'`)
    const made = await issueOwn(app, actor, String(own?.id), { names: ['reports:read'] })
    await report([made.value.reveal()])
    await settled()
    expect((await told(app, made.value.reveal()))?.state).toBe('revoked')
  })

  it('LD-08: answers and their cost say nothing: one row and one answer for whatever is known, and for what is not', async () => {
    const { value } = await proxied()
    // What came before is out of the way.
    await settled()
    const costOf = async (tokens: string[]) => {
      const statements: string[] = []
      const stop = app.watchStatements((text) => statements.push(text))
      const answer = await report(tokens)
      stop()
      const insert = statements.findIndex((text) => text.includes('INSERT INTO leak_report'))
      const before = statements.slice(0, insert + 1).filter((text) => !text.includes('rate_limit'))
      await settled()
      return { answer, before }
    }
    const known = await costOf([value])
    const unknown = await costOf([newToken('px').reveal()])
    const nothing = await costOf(['no token at all'])
    const headers = ({ answer }: typeof known) => [...answer.headers].filter(([name]) => name !== 'x-request-id')
    for (const one of [known, unknown, nothing]) {
      expect([one.answer.status, one.answer.text]).toEqual([202, ''])
      expect(one.before).toHaveLength(1)
      expect(headers(one)).toEqual(headers(known))
    }
  })

  it('LD-08: whole values alone count: a part, a value with more around it and an upstream’s token end nothing', async () => {
    const px = await proxied()
    const minted = (await app.issue(owner, 'acme', project)).body
    await report([px.value.slice(0, -1), ` ${px.value}`, `Bearer ${px.value}`, minted.value])
    await settled()
    expect([await stateOf(px.token.id), await stateOf(minted.token.id)]).toEqual([
      { generation: 0, status: 'live' },
      { generation: 0, status: 'live' },
    ])
  })

  it('LD-08: what is no report is refused, and nothing of it is repeated', async () => {
    const { value, token } = await proxied()
    const many = Array.from({ length: 101 }, () => value)
    for (const [body, status] of [
      [[], 400],
      [many, 400],
      [[1], 400],
      ['{"tokens":', 400],
      [JSON.stringify({ [value]: 1 }), 400],
      [JSON.stringify({ tokens: [value], url: 'x' }), 400],
      [`${'['.repeat(50)}`, 400],
      ['x'.repeat(1024 * 1024 + 1), 413],
    ] as const) {
      const answer = await report(body)
      expect(answer.status).toBe(status)
      expect(answer.text).not.toContain(value.slice(6, 30))
    }
    expect((await report([value], { type: 'text/plain' })).status).toBe(415)
    expect((await app.ctx.pool.query('SELECT id FROM leak_report')).rows).toEqual([])
    expect((await stateOf(token.id))?.generation).toBe(0)
  })

  it('LD-08 B-01: an address reports thirty times a minute, whatever it reports', async () => {
    const address = '198.51.100.77'
    const statuses: number[] = []
    for (let count = 0; count < 31; count += 1) statuses.push((await report(['x'], { address })).status)
    expect(statuses).toEqual([...Array.from({ length: 30 }, () => 202), 429])
    await settled()
  })

  /** As the door leaves it, killed right after its answer. */
  const cutOff = (value: string) =>
    app.ctx.pool.query(
      `INSERT INTO leak_report (id, forms, hashes, created_at, next_try_at) VALUES ('rpt_cut', '{issued,issued}', $1, $2, $2)`,
      [[Buffer.from(hash(newToken('px').reveal())), Buffer.from(hash(value))], app.ctx.now()],
    )

  it('LD-09: one that is cut off after its answer is finished by the tick', async () => {
    const { value, token } = await proxied()
    await cutOff(value)
    await tick(app.ctx)
    expect((await app.ctx.pool.query('SELECT id FROM leak_report')).rows).toEqual([])
    expect(await stateOf(token.id)).toEqual({ generation: 1, status: 'revoked' })
  })

  it('LD-09: one that somebody is at is left to them until their time is over', async () => {
    const { value, token } = await proxied()
    await cutOff(value)
    await app.ctx.pool.query(`UPDATE leak_report SET next_try_at = $1`, [new Date(app.ctx.now().getTime() + 30_000)])
    await settleReport(app.ctx, 'rpt_cut')
    await tick(app.ctx)
    expect((await stateOf(token.id))?.generation).toBe(0)
    await app.advance(31)
    await settleReport(app.ctx, 'rpt_cut')
    expect((await stateOf(token.id))?.generation).toBe(1)
  })

  it('LD-09: three at once end it once', async () => {
    const { value, token } = await proxied()
    await cutOff(value)
    await Promise.all([tick(app.ctx), settleReport(app.ctx, 'rpt_cut'), settleReport(app.ctx, 'rpt_cut')])
    expect((await events('leak.reported')).filter(({ target }) => target.id === token.id)).toHaveLength(1)
    expect((await events('token.revoked')).filter(({ target }) => target.id === token.id)).toHaveLength(1)
  })

  it('LD-09: what cannot be ended now does not keep the others, and comes back', async () => {
    const [first, second] = [await proxied(), await proxied()]
    await app.rows(
      'acme',
      `CREATE FUNCTION vk.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.id = '${first.token.id}' THEN RAISE 'no'; END IF; RETURN NEW; END $$`,
    )
    await app.rows(
      'acme',
      'CREATE TRIGGER refuse BEFORE UPDATE ON issued_token FOR EACH ROW EXECUTE FUNCTION vk.refuse()',
    )
    await report([first.value, second.value])
    await expect.poll(async () => (await stateOf(second.token.id))?.generation).toBe(1)
    expect((await stateOf(first.token.id))?.generation).toBe(0)
    await app.rows('acme', 'DROP TRIGGER refuse ON issued_token')
    await app.rows('acme', 'DROP FUNCTION vk.refuse()')
    await settled()
    expect((await stateOf(first.token.id))?.generation).toBe(1)
  })
})
