import { decodeJwt } from 'jose'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { seal, startSealing } from '../../lib/audit/chain.ts'
import { exportChain } from '../../lib/audit/export.ts'
import { signDueHeads, signHead } from '../../lib/audit/heads.ts'
import { auditSigner } from '../../lib/audit/keys.ts'
import { instanceTenant, record } from '../../lib/audit/record.ts'
import { eventHash, verifyExport } from '../../lib/audit/verify.ts'
import type { Context } from '../../lib/context.ts'
import { environmentKeys } from '../../lib/security/key-source.ts'
import { sealedWith } from '../../lib/security/seal.ts'
import { sealEvents, unsealedTail } from '../../lib/store/audit-chain.ts'
import { upsertMember } from '../../lib/store/members.ts'
import { asSystem } from '../../lib/store/system.ts'
import { checkInstanceKeys } from '../../lib/vault/keys.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let ctx: Context
let actor: Actor
let owner: Jar
let acme: string
beforeAll(async () => {
  app = await startTestApp()
  ctx = app.ctx
  owner = await app.signIn('owner@acme.test')
  actor = await app.actorOf('owner@acme.test')
  acme = actor.tenantId
})
afterAll(() => app.stop({ forged: true }))
afterEach(() => app.forgetLimits())

const write = (tenantId = acme, details: Record<string, string | number> = {}, on: Context = ctx) =>
  asSystem(on, tenantId, 'job', (tx) =>
    // Facts of no act of ours, for the chain to carry.
    record(tx, tenantId, on.now(), { userId: null }, { action: 'link.started', outcome: 'ok', details } as never),
  )
/** The owner, who is made one of any tenant that a test makes up. */
async function member(tenantId: string): Promise<Actor> {
  if (tenantId !== acme)
    await asSystem(ctx, tenantId, 'demo', (tx) =>
      upsertMember(tx, { tenantId, userId: actor.userId, role: 'owner', createdAt: ctx.now() }),
    )
  return actor
}

/** The lines of a tenant's export, as the edge would stream them. */
async function exported(tenantId = acme): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of await exportChain(ctx, { ...(await member(tenantId)), tenantId })) pieces.push(piece)
  return pieces.join('').trimEnd().split('\n')
}
/** Heads as they left the database. */
const loggedHeads = () => app.logged.filter((line) => line.includes('"msg":"audit head"'))
const headsOf = (tenantId: string) =>
  loggedHeads()
    .map((line) => JSON.parse(line) as { tenant: string; seq: number; hash: string; key: string; head: string })
    .filter(({ tenant }) => tenant === tenantId)

async function asApp<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: app.database.appUrl })
  await client.connect()
  try {
    await client.query(`SELECT set_config('app.tenant_id', $1, false)`, [acme])
    return await work(client)
  } finally {
    await client.end()
  }
}

describe('who may write what', () => {
  it('G-03: the app role inserts events and heads, and neither changes, numbers nor deletes any of it', async () => {
    await write()
    await seal(ctx)
    await signHead(ctx, acme)
    await asApp(async (client) => {
      for (const sql of [
        `UPDATE audit_event SET body = '{}'`,
        'DELETE FROM audit_event',
        'TRUNCATE audit_event',
        `INSERT INTO audit_event (tenant_id, id, at, body, seq) VALUES ('${acme}', 'evt_x', now(), '{}', 1)`,
        'DELETE FROM audit_unsealed',
        `INSERT INTO audit_unsealed VALUES ('${acme}', 'evt_x', now())`,
        'UPDATE audit_chain SET seq = 1',
        'DELETE FROM audit_chain',
        `INSERT INTO audit_chain VALUES ('${acme}', 1, 'evt_x', '')`,
        'UPDATE audit_tip SET seq = 0',
        'DELETE FROM audit_tip',
        `INSERT INTO audit_tip VALUES ('${acme}', 1, '')`,
        'UPDATE audit_head SET seq = 0',
        'DELETE FROM audit_head',
        'DELETE FROM audit_key',
        `UPDATE audit_key SET public_jwk = '{}'`,
        'SET ROLE vk_sealer',
        `SELECT sealing.event_hash('', '', 1, '', now(), '{}')`,
      ])
        await expect(client.query(sql), sql).rejects.toThrow(/permission denied/)
    })
  })

  it('G-03: what is appended refuses changes, to the sealer and to the owner as well', async () => {
    await write()
    const change = (sql: string) => expect(app.rows('acme', sql), sql).rejects
    // From its first moment, sealed or not.
    await change(`UPDATE audit_event SET body = '{}'`).toThrow(/audit_event is append-only/)
    await change('DELETE FROM audit_event').toThrow(/audit_event is append-only/)
    await seal(ctx)
    await change(`UPDATE audit_chain SET hash = ''`).toThrow(/audit_chain is append-only/)
    await change('DELETE FROM audit_chain').toThrow(/audit_chain is append-only/)
    await app.owner.query('SET ROLE vk_sealer')
    try {
      for (const sql of [
        `UPDATE audit_event SET body = '{}'`,
        `UPDATE audit_event SET seq = 1, hash = ''`,
        'DELETE FROM audit_event',
        `UPDATE audit_chain SET hash = ''`,
        'DELETE FROM audit_chain',
        'SELECT FROM connection',
      ])
        await change(sql).toThrow(/permission denied/)
    } finally {
      await app.owner.query('RESET ROLE')
    }
  })
})

describe('the sealer', () => {
  it('chains every tenant and the instance, in order, and the database hashes as the verifier does', async () => {
    const odd = 'ünïcode \u{1f511} "quoted" \\ back\nline \u2028'
    await write(acme, { odd, number: 12.5, big: 1e21, tiny: 1e-9 })
    await write(instanceTenant, { odd })
    await seal(ctx)
    for (const tenantId of [acme, instanceTenant]) {
      const verdict = await verifyExport(await exported(tenantId))
      expect(verdict).toMatchObject({ tenant: tenantId, fault: null, unsealed: 0 })
      expect(verdict.events).toBeGreaterThan(0)
      expect(verdict.anchor?.seq).toBe(verdict.events)
    }
  })

  it('an event that commits late, with an older id, is chained next and breaks nothing', async () => {
    const late = new pg.Client({ connectionString: app.database.appUrl })
    await late.connect()
    await late.query('BEGIN')
    await late.query(`SELECT set_config('app.tenant_id', $1, true)`, [acme])
    await late.query(`INSERT INTO audit_event (tenant_id, id, at, body) VALUES ($1, 'evt_000', now(), '{}')`, [acme])
    await write()
    await seal(ctx)
    await late.query('COMMIT')
    await late.end()
    await seal(ctx)
    const last = (await app.rows('acme', 'SELECT event_id AS id FROM audit_chain ORDER BY seq DESC LIMIT 1'))[0]
    expect(last).toEqual({ id: 'evt_000' })
    expect(await verifyExport(await exported())).toMatchObject({ fault: null })
  })

  it('G-03: two sealers at once, and others that are killed at it, leave no bad link and no gap', async () => {
    const second = await app.makeContext()
    const tenants = [acme, instanceTenant, String(await app.tenantId('globex'))]
    const writers = 6
    const each = 40
    let writing = true
    let kills = 0
    let longestTail = 0
    const sealing = async (on: Context) => {
      while (writing) {
        await sealEvents(on, 25)
        longestTail = Math.max(longestTail, (await unsealedTail(on)).count)
      }
    }
    const killing = async () => {
      while (writing && kills < 200) {
        const victim = new pg.Client({ connectionString: app.database.appUrl })
        victim.on('error', () => {})
        await victim.connect()
        const { rows } = await victim.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
        await victim.query('BEGIN')
        const sealed = victim.query('SELECT sealing.audit_seal(1000)').catch(() => {})
        // At every moment: before it has the lock, while it seals, and when it has sealed and not committed.
        if (kills % 3 === 0) await sealed
        if (kills % 3 === 1) await new Promise((resolve) => setImmediate(resolve))
        await ctx.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
        await sealed
        await victim.end().catch(() => {})
        kills += 1
      }
    }
    const background = [sealing(ctx), sealing(second), killing()]
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let number = 0; number < each; number += 1)
          await write(tenants[(writer + number) % tenants.length], { writer, number }, writer % 2 ? second : ctx)
      }),
    )
    writing = false
    await Promise.all(background)
    await second.close()
    expect(kills).toBeGreaterThan(3)
    expect(longestTail).toBeLessThan(writers * each)
    await seal(ctx)
    expect(await unsealedTail(ctx)).toEqual({ count: 0, oldestAt: null })
    let numbered = 0
    for (const tenantId of tenants) {
      const lines = await exported(tenantId)
      expect(await verifyExport(lines, { heads: loggedHeads() })).toMatchObject({ fault: null, unsealed: 0 })
      numbered += lines.filter((line) => line.includes('\\"writer\\"')).length
    }
    expect(numbered).toBe(writers * each)
  })

  it('one seals at a time: who comes second does nothing and says so', async () => {
    const first = new pg.Client({ connectionString: app.database.appUrl })
    await first.connect()
    await first.query('BEGIN')
    await first.query('SELECT sealing.audit_seal(10)')
    await write()
    expect(await seal(ctx)).toBeUndefined()
    expect((await unsealedTail(ctx)).count).toBe(1)
    await first.query('COMMIT')
    await first.end()
    expect(await seal(ctx)).toBe(1)
  })

  it('runs by itself, and stops', async () => {
    const stop = startSealing(ctx)
    await write()
    await expect.poll(async () => (await unsealedTail(ctx)).count).toBe(0)
    await stop()
    await write()
    expect((await unsealedTail(ctx)).count).toBe(1)
  })
})

describe('signed heads', () => {
  it('leave the database once a place, after a minute or a thousand events, whichever instance signs', async () => {
    await seal(ctx)
    await app.advance(61)
    await signDueHeads(ctx)
    const before = headsOf(acme).length
    await write()
    await seal(ctx)
    expect(await signDueHeads(ctx)).toBe(0)
    await app.advance(61)
    const second = await app.makeContext()
    await Promise.all([signDueHeads(ctx), signDueHeads(second)])
    await second.close()
    expect(headsOf(acme).length).toBe(before + 1)
    expect(await signDueHeads(ctx)).toBe(0)

    await app.rows(
      'acme',
      `INSERT INTO audit_event (tenant_id, id, at, body)
       SELECT $1, 'evt_many_' || n, now(), '{}' FROM generate_series(1, 1000) n`,
      [acme],
    )
    await seal(ctx)
    expect(await signDueHeads(ctx)).toBe(1)
    const last = headsOf(acme).at(-1)
    expect(decodeJwt(last?.head ?? '')).toMatchObject({ tenant: acme, seq: last?.seq, hash: last?.hash })
  })

  it('the key is its own, its private half sealed, its public half logged; instances that start together share one', async () => {
    await app.owner.query('UPDATE audit_key SET retired_at = now()')
    const contexts = await Promise.all([ctx, app.makeContext(), app.makeContext()])
    const signers = await Promise.all(contexts.map(auditSigner))
    expect(new Set(signers.map(({ keyId }) => keyId)).size).toBe(1)
    const { rows } = await app.owner.query(
      'SELECT id, sealed_private, public_jwk FROM audit_key WHERE retired_at IS NULL',
    )
    expect(rows).toHaveLength(1)
    expect(rows[0].sealed_private.split('.')).toHaveLength(5)
    expect(rows[0].public_jwk).not.toHaveProperty('d')
    expect(app.logged.filter((line) => line.includes('"msg":"audit key"') && line.includes(rows[0].id))).toHaveLength(1)
    for (const one of contexts.slice(1)) await one.close()
    // Heads of the key before are verified all the same.
    expect(await verifyExport(await exported(), { heads: loggedHeads() })).toMatchObject({
      fault: null,
      anchor: { keyId: rows[0].id },
    })
  })

  it('the key never moves back under an instance key that was retired', async () => {
    const added = { id: 'k3', bytes: crypto.getRandomValues(new Uint8Array(32)) }
    const newer = { ...ctx, keys: environmentKeys([added, ...ctx.config.keys]) }
    const behind = { ...ctx, keys: environmentKeys([...ctx.config.keys, added]) }
    await checkInstanceKeys(newer)
    await auditSigner(newer)
    await app.owner.query(`UPDATE instance_key SET retired_at = now() WHERE id <> 'k3'`)
    await auditSigner(behind)
    const { rows } = await app.owner.query('SELECT sealed_private FROM audit_key WHERE retired_at IS NULL')
    expect(rows.map((row) => sealedWith(row.sealed_private))).toEqual(['k3'])
    await app.owner.query('UPDATE instance_key SET retired_at = NULL')
    await auditSigner(behind)
    await app.owner.query(`DELETE FROM instance_key WHERE id = 'k3'`)
  })

  it('the key moves to a new instance key as soon as there is one, and does not open without', async () => {
    const added = { id: 'k2', bytes: crypto.getRandomValues(new Uint8Array(32)) }
    const under = (...keys: typeof ctx.config.keys) => ({ ...ctx, keys: environmentKeys(keys) })
    // A key that no instance has started with could not be held against being retired.
    await checkInstanceKeys(under(added, ...ctx.config.keys))
    const { keyId } = await auditSigner(under(added, ...ctx.config.keys))
    expect((await auditSigner(under(added))).keyId).toBe(keyId)
    await expect(auditSigner(ctx)).rejects.toThrow(/cannot be opened/)
    await auditSigner(under(...ctx.config.keys, added))
  })
})

describe('export', () => {
  const path = '/tenants/acme/audit-events/exports'
  const asMember = (role: string) =>
    app.rows(
      'acme',
      `UPDATE member SET role = $1 WHERE user_id = (SELECT id FROM "user" WHERE email = 'member@acme.test')`,
      [role],
    )

  it('G-04: whoever oversees gets the whole chain as a file, and the taking of it is in it', async () => {
    const answer = await app.call(owner, 'POST', path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="audit-acme-[\d-]{10}\.ndjson"$/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const lines = answer.text.trimEnd().split('\n')
    const verdict = await verifyExport(lines, { heads: loggedHeads() })
    expect(verdict).toMatchObject({ tenant: acme, fault: null, unsealed: 0, anchor: { seq: verdict.events } })
    // More than one page.
    expect(verdict.events).toBeGreaterThan(1_000)
    const last = JSON.parse(lines.findLast((line) => line.includes('"body"')) ?? '{}') as { body: string }
    expect(JSON.parse(last.body)).toMatchObject({ action: 'audit.exported', actor: actor.userId, outcome: 'ok' })
  })

  it('G-04: members may not, auditors may, and nobody from another tenant', async () => {
    const member = await app.signIn('member@acme.test')
    expect((await app.call(member, 'POST', path)).status).toBe(403)
    await asMember('auditor')
    expect((await app.call(member, 'POST', path)).status).toBe(200)
    await asMember('member')
    expect((await app.call(await app.signIn('owner@globex.test'), 'POST', path)).status).toBe(404)
  })

  it('B-01: taking it again and again is 429', async () => {
    const statuses: number[] = []
    for (let call = 0; call < 11; call += 1) statuses.push((await app.call(owner, 'POST', path)).status)
    expect(statuses.filter((status) => status === 429)).toHaveLength(1)
  })

  it('what is committed and not sealed yet is counted at its end', async () => {
    const chain = await exportChain(ctx, actor)
    await write()
    await write()
    const pieces: string[] = []
    for await (const piece of chain) pieces.push(piece)
    expect((await verifyExport(pieces.join('').split('\n'))).unsealed).toBe(2)
  })
})

describe('somebody who owns the database', () => {
  /** What only an owner can do: take the trigger away, then change what is there. */
  async function rewrite(table: string, sql: string, values: unknown[] = [], tenant = 'acme') {
    await app.rows(tenant, `ALTER TABLE ${table} DISABLE TRIGGER ${table}_stays`)
    await app.rows(tenant, sql, values)
    await app.rows(tenant, `ALTER TABLE ${table} ENABLE TRIGGER ${table}_stays`)
  }
  const numbered = (seq: number | string) => `id = (SELECT event_id FROM audit_chain WHERE seq = ${seq})`

  it('G-03: changes one event: the export names it', async () => {
    await seal(ctx)
    const [before] = await app.rows('acme', `SELECT id, body::text AS body FROM audit_event WHERE ${numbered(5)}`)
    await rewrite('audit_event', `UPDATE audit_event SET body = '{"action": "other"}' WHERE ${numbered(5)}`)
    expect((await verifyExport(await exported())).fault).toMatchObject({ seq: 5, id: before?.id })
    await rewrite('audit_event', `UPDATE audit_event SET body = $1::jsonb WHERE ${numbered(5)}`, [before?.body])
    expect((await verifyExport(await exported())).fault).toBeNull()
  })

  it('G-03: deletes the newest events, tip and heads included: a head in the log tells', async () => {
    const globex = String(await app.tenantId('globex'))
    for (let count = 0; count < 3; count += 1) await write(globex)
    await exported(globex)
    const kept = loggedHeads()
    const [end] = await app.rows('globex', 'SELECT max(seq)::int AS seq FROM audit_chain')
    const newest = Number(end?.seq)
    const newer = 'SELECT event_id FROM audit_chain WHERE seq > $1'
    await rewrite('audit_event', `DELETE FROM audit_event WHERE id IN (${newer})`, [newest - 2], 'globex')
    await rewrite('audit_chain', 'DELETE FROM audit_chain WHERE seq > $1', [newest - 2], 'globex')
    await app.rows('globex', 'DELETE FROM audit_head WHERE seq > $1', [newest - 2])
    await app.rows('globex', 'UPDATE audit_tip SET seq = $1, hash = (SELECT hash FROM audit_chain WHERE seq = $1)', [
      newest - 2,
    ])
    const lines = await exported(globex)
    expect((await verifyExport(lines)).fault).toBeNull()
    expect((await verifyExport(lines, { heads: kept })).fault?.reason).toMatch(/different hash|missing/)
  })

  it('G-03: rewrites an event, every hash after it, tip and heads: the heads in the log tell from where on', async () => {
    await exported()
    const kept = loggedHeads()
    const first = headsOf(acme)[0]
    const rows = await app.rows(
      'acme',
      `SELECT c.seq::int AS seq, id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, body::text AS body
       FROM audit_event JOIN audit_chain c ON event_id = id ORDER BY c.seq`,
    )
    let hash = '0'.repeat(64)
    const hashes = (rows as { seq: number; id: string; at: string; body: string }[]).map((event) => {
      hash = eventHash(hash, acme, event.seq === 1 ? { ...event, body: '{}' } : event)
      return hash
    })
    await rewrite('audit_event', `UPDATE audit_event SET body = '{}' WHERE ${numbered(1)}`)
    await rewrite(
      'audit_chain',
      'UPDATE audit_chain SET hash = decode(h, $2) FROM unnest($1::text[]) WITH ORDINALITY AS made (h, n) WHERE seq = n',
      [hashes, 'hex'],
    )
    await app.rows('acme', `UPDATE audit_tip SET hash = decode($1, 'hex')`, [hash])
    await app.rows('acme', 'DELETE FROM audit_head')
    const lines = await exported()
    // Inside the database everything fits again; the product itself signs it.
    expect((await verifyExport(lines)).fault).toBeNull()
    const { fault } = await verifyExport(lines, { heads: kept })
    expect(fault).toMatchObject({ seq: first?.seq, reason: 'A head kept outside was signed over a different hash.' })
  })
})
