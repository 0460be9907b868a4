// Reads that are refused, and overseers' reads of what is other people's: recorded, and not one event each.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { noteAccess } from '../../lib/audit/access.ts'
import { exportChain } from '../../lib/audit/export.ts'
import { verifyExport } from '../../lib/audit/verify.ts'
import type { Context } from '../../lib/context.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { insertEvent, takeTallies } from '../../lib/store/audit.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let other: Context
let owner: Jar
let member: Jar
let ownerActor: Actor
let memberActor: Actor
/** A project, connection and token of each. */
let ownThings: Things
let memberThings: Things
type Things = { project: string; connection: string; token: string }

beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  ownerActor = await app.actorOf('owner@acme.test')
  memberActor = await app.actorOf('member@acme.test')
  const thingsOf = async (jar: Jar, account: 'owner@acme.test' | 'member@acme.test'): Promise<Things> => {
    const project = await app.linkProject(jar, 'acme', { account, project: '10231' })
    const { token } = (await app.issue(jar, 'acme', project)).body
    return { project, connection: token.connection_id, token: token.id }
  }
  ownThings = await thingsOf(owner, 'owner@acme.test')
  memberThings = await thingsOf(member, 'member@acme.test')
})
afterAll(async () => {
  await other.close()
  await app.stop({ forged: true })
})

type Event = {
  action: string
  outcome: string
  actor: string
  session: string | null
  target: { kind: string; id: string }
  address: string | null
  request: string | null
  details: { role: string; count?: number; minute?: string; things?: string[] }
}
let seen = 0
const events = async (action: string): Promise<Event[]> =>
  (
    await app.rows('acme', `SELECT body FROM audit_event WHERE body->>'action' = $1 ORDER BY id OFFSET $2`, [
      action,
      seen,
    ])
  ).map(({ body }) => body as Event)
/** How many acts events stand for. */
const acts = (found: Event[]) => found.reduce((sum, { details }) => sum + (details.count ?? 1), 0)
/** To the next minute, with its work done. */
const minuteLater = async () => {
  await app.advance(61)
  await tick(app.ctx)
}
const get = (jar: Jar, path: string) => app.call(jar, 'GET', `/tenants/acme/${path}`)

beforeEach(async () => {
  // Each test in minutes of its own, from the beginning of one.
  const ahead = 60_000 - (app.ctx.now().getTime() % 60_000)
  await app.advance(ahead / 1000 + 1)
  await minuteLater()
  await app.rows('acme', 'TRUNCATE access_tally')
  seen = 0
})
afterEach(() => app.forgetLimits())

const fresh = async (action: string) => {
  seen = (await events(action)).length
}

describe('reads that are refused', () => {
  beforeEach(() => fresh('access.denied'))

  test('G-01: the first leaves an event at once, all others of its minute one together that says how many', async () => {
    const refused = await Promise.all(Array.from({ length: 25 }, () => get(member, 'tokens?everybody=1')))
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]))
    const [first, ...more] = await events('access.denied')
    expect(more).toEqual([])
    expect(first).toMatchObject({
      outcome: 'refused',
      actor: memberActor.userId,
      target: { kind: 'operation', id: 'listTokens' },
      details: { role: 'member' },
    })
    expect(first?.session).toMatch(/^ses_/)
    expect(first?.request).toMatch(/^req_/)
    await tick(app.ctx)
    expect(await events('access.denied')).toHaveLength(1)
    const minute = new Date(Math.floor(app.ctx.now().getTime() / 60_000) * 60_000).toISOString()
    await minuteLater()
    const all = await events('access.denied')
    expect(all).toHaveLength(2)
    expect(all[1]).toMatchObject({ actor: memberActor.userId, target: first?.target, details: { count: 24, minute } })
    await minuteLater()
    expect(await events('access.denied')).toHaveLength(2)
  })

  test('what is another operation, another person or another minute has events of its own', async () => {
    for (const path of ['tokens?everybody=1', 'connections?everybody=1', 'revocations', 'revocations'])
      expect((await get(member, path)).status).toBe(403)
    expect((await events('access.denied')).map(({ target }) => target.id)).toEqual([
      'listTokens',
      'listConnections',
      'listRevocations',
    ])
    await minuteLater()
    await get(member, 'revocations')
    const all = await events('access.denied')
    expect(all.map(({ target, details }) => [target.id, details.count])).toEqual([
      ['listTokens', undefined],
      ['listConnections', undefined],
      ['listRevocations', undefined],
      ['listRevocations', 1],
      ['listRevocations', undefined],
    ])
  })

  test('G-01: a change that is refused has an event of its own each time', async () => {
    for (let round = 0; round < 3; round += 1)
      expect((await app.call(member, 'POST', '/tenants/acme/invitations', { role: 'member' })).status).toBe(403)
    expect(await events('access.denied')).toHaveLength(3)
  })

  test('two processes count together, and tell of it once, whichever is left', async () => {
    const note = (ctx: Context) =>
      noteAccess(ctx, memberActor, {
        action: 'access.denied',
        outcome: 'refused',
        target: { kind: 'operation', id: 'readTogether' },
        details: { role: 'member' },
      })
    await Promise.all(Array.from({ length: 40 }, (_, index) => note(index % 2 ? app.ctx : other)))
    expect(acts(await events('access.denied'))).toBe(1)
    await app.advance(61)
    await Promise.all([tick(app.ctx), tick(other), tick(app.ctx)])
    const all = await events('access.denied')
    expect(all).toHaveLength(2)
    expect(acts(all)).toBe(40)
    // Somebody whose clock is behind comes late into a minute that was told.
    const late = { ...other, now: () => new Date(app.ctx.now().getTime() - 61_000) }
    await Promise.all([note(late), note(late)])
    await tick(app.ctx)
    expect(acts(await events('access.denied'))).toBe(42)
  })

  test('a kill between counting and telling loses nothing: both are one transaction', async () => {
    for (let round = 0; round < 5; round += 1) await get(member, 'revocations')
    await app.advance(61)
    const killed = asSystem(other, memberActor.tenantId, 'job', async (tx) => {
      expect(await takeTallies(tx, memberActor.tenantId, new Date(app.ctx.now().getTime() - 60_000))).toHaveLength(1)
      // Another one does not wait for it, and does not tell of it.
      await tick(app.ctx)
      const [{ pid } = { pid: 0 }] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
      await app.ctx.pool.query('SELECT pg_terminate_backend($1)', [pid])
      await tx.$queryRaw`SELECT 1`
    })
    await expect(killed).rejects.toThrow()
    expect(acts(await events('access.denied'))).toBe(1)
    await tick(app.ctx)
    expect(acts(await events('access.denied'))).toBe(5)
  })
})

describe('overseers’ reads of what is other people’s', () => {
  beforeEach(() => fresh('access.read'))

  const reads: [string, () => string, string, () => string[] | undefined][] = [
    [
      'a connection with its timeline',
      () => `connections/${memberThings.connection}`,
      'readConnection',
      () => [memberThings.connection],
    ],
    ['a token', () => `tokens/${memberThings.token}`, 'readToken', () => [memberThings.token]],
    ['everybody’s tokens', () => 'tokens?everybody=1', 'listTokens', () => undefined],
    ['one member’s tokens', () => `tokens?owner=${memberActor.userId}`, 'listTokens', () => [memberActor.userId]],
    ['everybody’s connections', () => 'connections?everybody=1', 'listConnections', () => undefined],
    ['members’ activity', () => 'audit-events', 'listAuditEvents', () => undefined],
    ['what a member holds', () => `members/${memberActor.userId}/ending`, 'previewEnding', () => [memberActor.userId]],
    ['what upstreams have not confirmed', () => 'revocations', 'listRevocations', () => undefined],
  ]

  test.each(reads)('G-04: %s: who, from where, through what, and of whom', async (_, path, operation, things) => {
    expect((await get(owner, path())).status).toBe(200)
    const [event, ...more] = await events('access.read')
    expect(more).toEqual([])
    expect(event).toMatchObject({
      outcome: 'ok',
      actor: ownerActor.userId,
      target: { kind: 'operation', id: operation },
      details: { role: 'owner' },
    })
    expect(event?.details.things).toEqual(things())
    expect(event?.session).toMatch(/^ses_/)
    expect(event?.request).toMatch(/^req_/)
  })

  test('G-04: many in a minute are two events that count them and name what was read', async () => {
    for (let round = 0; round < 4; round += 1)
      for (const { token } of [memberThings, ownThings]) expect((await get(owner, `tokens/${token}`)).status).toBe(200)
    expect(await events('access.read')).toHaveLength(1)
    await minuteLater()
    const all = await events('access.read')
    expect(all).toHaveLength(2)
    expect(acts(all)).toBe(4)
    expect(all[1]?.details).toMatchObject({ count: 3, things: [memberThings.token] })
  })

  test('what is one’s own is nobody’s business, for members and overseers alike', async () => {
    for (const [jar, things] of [
      [owner, ownThings],
      [member, memberThings],
    ] as const)
      for (const path of [
        `connections/${things.connection}`,
        `tokens/${things.token}`,
        'tokens',
        'connections',
        'projects',
      ])
        expect((await get(jar, path)).status).toBe(200)
    expect((await get(member, 'audit-events')).status).toBe(200)
    expect(await events('access.read')).toEqual([])
  })

  test('G-04: what cannot be recorded is not shown; what needs no record is', async () => {
    await app.rows('acme', 'REVOKE INSERT ON access_tally FROM valetkey_app')
    try {
      for (const [, path] of reads) {
        const answer = await get(owner, path())
        expect(answer.status, path()).toBe(500)
        expect(answer.text).not.toMatch(/con_|tok_/)
      }
      expect((await get(owner, `tokens/${ownThings.token}`)).status).toBe(200)
    } finally {
      await app.rows('acme', 'GRANT INSERT ON access_tally TO valetkey_app')
    }
  })
})

describe('columns for actor and target', () => {
  test('say what the body says, of events sealed before them as well, and break no hash', async () => {
    const columns = ['actor_id', 'target_kind', 'target_id']
    // As a database that comes from the version before.
    await app.rows('acme', `ALTER TABLE audit_event ${columns.map((name) => `DROP COLUMN ${name}`).join(', ')}`)
    const exported = async () => {
      const pieces: string[] = []
      for await (const piece of await exportChain(app.ctx, ownerActor)) pieces.push(piece)
      return pieces.join('').trimEnd().split('\n')
    }
    await exported()
    const migration = await readFile('prisma/migrations/20261124040000_growth/migration.sql', 'utf8')
    await app.rows('acme', migration.slice(migration.indexOf('ALTER TABLE "audit_event"'), migration.indexOf(';') + 1))
    for (const index of migration.match(/CREATE INDEX audit_event_\w+ ON [^;]*;/g) ?? []) await app.rows('acme', index)
    await get(owner, 'audit-events')
    expect(await verifyExport(await exported())).toMatchObject({ fault: null, unsealed: 0 })
    const [differing] = await app.rows(
      'acme',
      `SELECT count(*)::int AS all, count(*) FILTER (WHERE (actor_id, target_kind, target_id) IS DISTINCT FROM
        (body->>'actor', body->'target'->>'kind', body->'target'->>'id'))::int AS differing FROM audit_event`,
    )
    expect(differing).toMatchObject({ differing: 0 })
    expect(Number(differing?.all)).toBeGreaterThan(20)
  })

  test('G-03: nobody writes them, and no length of theirs keeps an event out', async () => {
    const attempt = (sql: string) =>
      asSystem(app.ctx, ownerActor.tenantId, 'job', (tx) => tx.$executeRawUnsafe(sql, ownerActor.tenantId))
    for (const column of ['actor_id', 'target_kind', 'target_id']) {
      const values = `VALUES ($1, 'evt_x', now(), '{}', 'usr_else')`
      await expect(attempt(`INSERT INTO audit_event (tenant_id, id, at, body, ${column}) ${values}`)).rejects.toThrow(
        /non-DEFAULT|denied/,
      )
      await expect(attempt(`UPDATE audit_event SET ${column} = 'usr_else' WHERE tenant_id = $1`)).rejects.toThrow(
        /only be updated to DEFAULT|denied/,
      )
    }
    // Of bytes that do not compress, as an index would have it.
    const long = () => randomBytes(6_000).toString('base64')
    await asSystem(app.ctx, ownerActor.tenantId, 'job', async (tx) => {
      const body = {
        action: 'link.started',
        outcome: 'ok',
        actor: long(),
        target: { kind: long(), id: long() },
      }
      await insertEvent(tx, ownerActor.tenantId, app.ctx.now(), body)
    })
  })
})

describe('open invitations', () => {
  const invite = () => app.call(owner, 'POST', '/tenants/acme/invitations', { role: 'member' })
  const fill = (count: number) =>
    app.rows(
      'acme',
      `INSERT INTO invitation (tenant_id, id, token_hash, role, created_by, created_at, expires_at)
       SELECT $1, 'inv_0180' || lpad(to_hex(n), 28, '0'), sha256(n::text::bytea), 'member', $2, now(), vk_now() + interval '1 day'
       FROM generate_series(1, $3::int) n`,
      [ownerActor.tenantId, ownerActor.userId, count],
    )
  beforeEach(() => app.rows('acme', 'DELETE FROM invitation'))

  test('a hundred at most, and the refusal says what to do; one that is withdrawn makes room', async () => {
    await fill(99)
    const last = await app.call<{ id: string }>(owner, 'POST', '/tenants/acme/invitations', { role: 'member' })
    expect(last.status).toBe(201)
    const refused = await app.call<{ code: string; next: string }>(owner, 'POST', '/tenants/acme/invitations', {
      role: 'member',
    })
    expect([refused.status, refused.body.code]).toEqual([409, 'too_many_invitations'])
    expect(refused.body.next).toMatch(/Withdraw/)
    expect((await app.call(owner, 'DELETE', `/tenants/acme/invitations/${last.body.id}`)).status).toBe(204)
    expect((await invite()).status).toBe(201)
  })

  test('used and expired ones do not count', async () => {
    await fill(100)
    await app.rows('acme', `UPDATE invitation SET used_at = now() WHERE id < 'inv_01800000000000000000000000000002'`)
    expect((await invite()).status).toBe(201)
    expect((await invite()).status).toBe(409)
    await app.rows('acme', 'UPDATE invitation SET expires_at = vk_now() WHERE used_at IS NULL')
    expect((await invite()).status).toBe(201)
  })

  test('the cap holds when many are made at once', async () => {
    await fill(97)
    const statuses = (await Promise.all(Array.from({ length: 12 }, invite))).map(({ status }) => status)
    expect(statuses.filter((status) => status === 201)).toHaveLength(3)
    expect(statuses.filter((status) => status === 409)).toHaveLength(9)
  })
})
