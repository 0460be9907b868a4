import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { revoke as revokeAct } from '../../lib/broker/revoke.ts'
import { settleRevocation } from '../../lib/broker/upstream-revocation.ts'
import { standardError } from '../../lib/output.ts'
import { newId } from '../../lib/security/ids.ts'
import { dueRevocations } from '../../lib/store/lookups.ts'
import { type Jar, startTestApp, type TestApp, type TokenOnWire } from '../support/app.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
let theirs: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  await app.forgetLimits()
})

type Revoked = {
  kind: string
  id: string
  already: boolean
  over: boolean
  blocked_here: boolean
  upstream: string | null
  last_error: string | null
  latest_moment: string | null
}
const revoke = async (jar: Jar, body: { tokens?: string[]; connections?: string[]; reason?: string }) => {
  const answer = await app.call<{ items: Revoked[]; code?: string }>(jar, 'POST', '/tenants/acme/revocations', body)
  return { status: answer.status, code: answer.body.code, items: answer.body.items }
}
const issued = async (jar = owner, id = project) => (await app.issue(jar, 'acme', id)).body
const read = async (id: string, jar = owner) =>
  (await app.call<TokenOnWire>(jar, 'GET', `/tenants/acme/tokens/${id}`)).body
const deletion = 'DELETE /v2/storage/tokens/*'
const down = (count: number) => Array.from({ length: count }, () => ({ status: 503, body: { kind: 'empty' as const } }))
const settleDue = async () => {
  for (const place of await dueRevocations(app.ctx, app.ctx.now(), 50)) await settleRevocation(app.ctx, place)
}
const events = async (target: string) => {
  const { body } = await app.call<{ items: { action: string; target: { id: string } | null }[] }>(
    owner,
    'GET',
    '/tenants/acme/audit-events',
  )
  return body.items.filter((one) => one.target?.id === target).map(({ action }) => action)
}

describe('revoking', () => {
  it('K-35: ends a token upstream and says the three truths from what came back', async () => {
    const { token, value } = await issued()
    expect(await app.useToken(value)).toBe(200)
    const { items } = await revoke(owner, { tokens: [token.id], reason: 'laptop lost' })
    expect(items).toEqual([
      {
        kind: 'token',
        id: token.id,
        already: false,
        over: false,
        blocked_here: true,
        upstream: 'confirmed',
        last_error: null,
        latest_moment: null,
      },
    ])
    expect(await app.useToken(value)).toBe(401)
    expect(await read(token.id)).toMatchObject({
      state: 'revoked',
      revocation: { upstream: 'confirmed', latest_moment: null },
    })
    expect(await events(token.id)).toEqual(['revocation.finished', 'token.revoked', 'token.issued', 'token.requested'])
    const [row] = await app.rows('acme', 'SELECT handle FROM issued_token WHERE id = $1', [token.id])
    expect(row).toEqual({ handle: null })
  })

  it('revoking twice says already, and nothing more is asked of the upstream', async () => {
    const { token } = await issued()
    await revoke(owner, { tokens: [token.id] })
    const before = app.demo.ledger.requests.length
    const { items } = await revoke(owner, { tokens: [token.id, token.id] })
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({ id: token.id, already: true, blocked_here: true })
    expect(app.demo.ledger.requests.length).toBe(before)
    expect((await events(token.id)).filter((action) => action === 'token.revoked')).toHaveLength(1)
  })

  it('an upstream that is down makes it pending, never done; the queue finishes it, and an admin sees it meanwhile', async () => {
    const { token, value } = await issued()
    app.demo.faults.push(deletion, ...down(3))
    const { items } = await revoke(owner, { tokens: [token.id] })
    expect(items[0]).toMatchObject({ already: false, upstream: 'pending', last_error: 'ambiguous' })
    expect(Math.abs(Date.parse(items[0]?.latest_moment ?? '') - app.ctx.now().getTime() - 900_000)).toBeLessThan(10_000)
    expect(await app.useToken(value)).toBe(200)
    const waiting = await app.call<{ items: { id: string; token_id: string; state: string }[] }>(
      owner,
      'GET',
      '/tenants/acme/revocations',
    )
    const entry = waiting.body.items.find((one) => one.token_id === token.id)
    expect(entry).toMatchObject({ state: 'pending' })
    expect((await app.call(member, 'GET', '/tenants/acme/revocations')).status).toBe(403)

    expect((await app.call(member, 'POST', `/tenants/acme/revocations/${entry?.id}/retry`)).status).toBe(403)
    await app.advance(60)
    await settleDue()
    expect(await app.useToken(value)).toBe(401)
    expect((await read(token.id)).revocation).toMatchObject({ upstream: 'confirmed' })
    expect((await app.call(owner, 'POST', `/tenants/acme/revocations/${entry?.id}/retry`)).status).toBe(404)
  })

  it('a retry by hand asks the upstream at once', async () => {
    const { token, value } = await issued()
    app.demo.faults.push(deletion, ...down(3))
    await revoke(owner, { tokens: [token.id] })
    const waiting = await app.call<{ items: { id: string; token_id: string }[] }>(
      owner,
      'GET',
      '/tenants/acme/revocations',
    )
    const entry = waiting.body.items.find((one) => one.token_id === token.id)
    expect((await app.call(owner, 'POST', `/tenants/acme/revocations/${entry?.id}/retry`)).status).toBe(204)
    expect(await app.useToken(value)).toBe(401)
  })

  it('an admin revokes a selection of everybody’s in one act; a member only their own, and then nothing at all', async () => {
    const mine = await issued()
    const other = await issued(member, theirs)
    const refused = await revoke(member, { tokens: [other.token.id, mine.token.id] })
    expect(refused).toMatchObject({ status: 404, code: 'not_found' })
    expect([await app.useToken(mine.value), await app.useToken(other.value)]).toEqual([200, 200])
    const { items } = await revoke(owner, { tokens: [mine.token.id, other.token.id] })
    expect(items.map(({ id, upstream }) => [id, upstream]).sort()).toEqual(
      [
        [mine.token.id, 'confirmed'],
        [other.token.id, 'confirmed'],
      ].sort(),
    )
    expect([await app.useToken(mine.value), await app.useToken(other.value)]).toEqual([401, 401])
    expect((await read(other.token.id, member)).state).toBe('revoked')
  })

  it('names at least one thing and at most 500 of a kind', async () => {
    expect((await revoke(owner, {})).status).toBe(400)
    expect((await revoke(owner, { tokens: Array.from({ length: 501 }, () => newId('token')) })).status).toBe(400)
    expect((await revoke(owner, { tokens: [newId('token')] })).status).toBe(404)
  })
})

describe('a revocation that races an issue wins', () => {
  it('A-03: of a connection revoked during a mint no token is answered, and the one that was made is dead upstream', async () => {
    const connection = (await issued()).token.connection_id
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'minted', at: 'after' } })
    const racing = app.issue(owner, 'acme', project)
    await app.demo.faults.barrier('minted').arrived()
    const { items } = await revoke(owner, { connections: [connection] })
    expect(items.find(({ kind }) => kind === 'connection')).toMatchObject({ already: false, blocked_here: true })
    app.demo.faults.barrier('minted').release()
    const late = await racing
    expect([late.status, late.body.code]).toEqual([409, 'revoked_meanwhile'])
    expect(late.body.value).toBeUndefined()
    expect(
      app.demo.ledger.tokens.filter(
        ({ kind, account, live }) => kind === 'storage' && account === 'owner@acme.test' && live,
      ),
    ).toEqual([])
    const list = await app.call<{ items: TokenOnWire[] }>(owner, 'GET', '/tenants/acme/tokens?state=live')
    expect(list.body.items).toEqual([])
    await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  })

  it('A-03: the token itself, revoked while it is being made, is never answered and does not live on', async () => {
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'token', at: 'after' } })
    const racing = app.issue(owner, 'acme', project)
    await app.demo.faults.barrier('token').arrived()
    const { body } = await app.call<{ items: TokenOnWire[] }>(owner, 'GET', '/tenants/acme/tokens')
    const id = body.items[0]?.id ?? ''
    expect(body.items[0]?.state).toBe('issuing')
    const { items } = await revoke(owner, { tokens: [id] })
    expect(items).toMatchObject([{ id, already: false, upstream: 'pending' }])
    app.demo.faults.barrier('token').release()
    expect((await racing).body).toMatchObject({ code: 'revoked_meanwhile' })
    expect(await read(id)).toMatchObject({ state: 'revoked', revocation: { upstream: 'confirmed' } })
    expect(
      app.demo.ledger.tokens.filter(
        ({ kind, account, live }) => kind === 'storage' && account === 'owner@acme.test' && live,
      ),
    ).toEqual([])
  })

  it('Z-06: a member suspended during a mint gets no token, and nothing afterwards', async () => {
    const { user_id } = (
      await app.call<{ items: { user_id: string; email: string }[] }>(owner, 'GET', '/tenants/acme/members')
    ).body.items.find(({ email }) => email === 'member@acme.test') ?? { user_id: '' }
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'suspended', at: 'after' } })
    const racing = app.issue(member, 'acme', theirs)
    await app.demo.faults.barrier('suspended').arrived()
    const path = `/tenants/acme/members/${user_id}`
    expect((await app.call(owner, 'PATCH', path, { status: 'suspended' })).status).toBe(204)
    app.demo.faults.barrier('suspended').release()
    expect((await racing).body).toMatchObject({ code: 'revoked_meanwhile' })
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).status).toBe(404)
    await app.call(owner, 'PATCH', path, { status: 'active' })
    // This tenant refuses the session that was there when they were suspended; a new sign-in is a new one.
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).body).toMatchObject({ code: 'session_refused' })
    member = await app.signIn('member@acme.test')
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).status).toBe(200)
  })
})

describe('the database says no', () => {
  it.each([
    ['half a surrogate pair', '\ud800'],
    ['the other half', 'because \udc00'],
    ['a NUL', 'be\0cause'],
  ])(
    'IV-05: a revocation whose reason holds %s is refused with its field, and revokes as soon as it holds none',
    async (_, reason) => {
      const { token, value } = await issued()
      const refused = await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [token.id], reason })
      expect([refused.status, refused.body.code, Object.keys(refused.body.fields as object)]).toEqual([
        400,
        'bad_request',
        ['reason'],
      ])
      expect((await revoke(owner, { tokens: [token.id], reason: 'because 😀' })).status).toBe(200)
      expect(await app.useToken(value)).toBe(401)
    },
  )

  it('G-05: whatever text an act brings along, its event is recorded whole and the token is dead', async () => {
    const { token, value } = await issued()
    const actor = await app.actorOf('owner@acme.test')
    // Cut at 300 the last character would be half of one.
    const reason = `\ud800\0\u202e${'x'.repeat(296)}😀`
    await revokeAct(app.ctx, { ...actor, agent: '\udfff agent' }, { tokens: [token.id], connections: [], reason })
    expect(await app.useToken(value)).toBe(401)
    const events = await app.rows('acme', `SELECT body FROM audit_event WHERE body->'target'->>'id' = $1`, [token.id])
    const { body } = (events.find(({ body }) => (body as { action: string }).action === 'token.revoked') ?? {}) as {
      body: { agent: string; details: { reason: string } }
    }
    expect(body.details.reason).toBe(`\ufffd  ${'x'.repeat(296)}\ufffd`)
    expect(body.agent).toBe('\ufffd agent')
    expect(await app.rows('acme', 'SELECT 1 FROM audit_outbox')).toEqual([])
  })

  it('without audit trail and outbox the revocation still commits, and its event stands on standard error', async () => {
    const { token, value } = await issued()
    const lines: string[] = []
    vi.spyOn(standardError(), 'write').mockImplementation((line) => void lines.push(line))
    await app.owner.query('REVOKE INSERT (tenant_id, id, at, body) ON audit_event FROM valetkey_app')
    await app.owner.query('REVOKE INSERT ON audit_event, audit_outbox FROM valetkey_app')
    const { items, status } = await revoke(owner, { tokens: [token.id], reason: 'leaked' })
    await app.owner.query('GRANT INSERT (tenant_id, id, at, body) ON audit_event TO valetkey_app')
    await app.owner.query('GRANT INSERT ON audit_outbox TO valetkey_app')
    expect([status, items[0]]).toMatchObject([200, { blocked_here: true, already: false }])
    expect(await read(token.id)).toMatchObject({ state: 'revoked' })
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: 60,
        tenant: await app.tenantId('acme'),
        event: { action: 'token.revoked', details: { reason: 'leaked' } },
      },
    ])
    expect(app.logged.some((line) => line.includes('written to standard error') && line.includes('"alarm":true'))).toBe(
      true,
    )
    await app.advance(700)
    await settleDue()
    expect(await app.useToken(value)).toBe(401)
  })

  it('a revocation whose event alone cannot be written still commits; the event waits in the outbox', async () => {
    const { token, value } = await issued()
    await app.owner.query('REVOKE INSERT ON audit_event FROM valetkey_app')
    await app.owner.query('REVOKE INSERT (tenant_id, id, at, body) ON audit_event FROM valetkey_app')
    const { items } = await revoke(owner, { tokens: [token.id] })
    const refused = await app.issue(owner, 'acme', project)
    await app.owner.query('GRANT INSERT (tenant_id, id, at, body) ON audit_event TO valetkey_app')
    expect(items[0]).toMatchObject({ blocked_here: true, already: false })
    expect(await read(token.id)).toMatchObject({ state: 'revoked' })
    expect(await app.rows('acme', 'SELECT body FROM audit_outbox')).toMatchObject([
      { body: { action: 'token.revoked' } },
    ])
    // Issuing fails closed without its event.
    expect([refused.status, refused.body.value]).toEqual([500, undefined])
    await app.advance(700)
    await settleDue()
    expect(await app.useToken(value)).toBe(401)
  })
})
