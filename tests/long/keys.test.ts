import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { changeProvider, createProvider } from '../../lib/broker/providers.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { clientSecretPlace, openProvider } from '../../lib/broker/upstream.ts'
import type { Context } from '../../lib/context.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { deriveKey } from '../../lib/security/secrets.ts'
import { tenantIds } from '../../lib/store/lookups.ts'
import { sealedColumns } from '../../lib/store/sealed.ts'
import { asSystem } from '../../lib/store/system.ts'
import { createTenant } from '../../lib/tenancy/tenants.ts'
import { trustIssuer } from '../../lib/tenancy/trusted-issuers.ts'
import { checkInstanceKeys, checkSecret, createTenantKey, vaultOf } from '../../lib/vault/keys.ts'
import { registrationPlace } from '../../lib/vault/places.ts'
import {
  publishMilliseconds,
  publishTenantKey,
  resealTenant,
  retireInstanceKey,
  rewrapTenantKeys,
  rotateTenantKeys,
  settleMilliseconds,
  settleTenantKeys,
} from '../../lib/vault/rotate.ts'
import { shredTenant } from '../../lib/vault/shred.ts'
import { keyStatus } from '../../lib/vault/status.ts'
import { createWebhook, deleteWebhook, rotateWebhookSecret } from '../../lib/webhooks/webhooks.ts'
import { bundle } from '../../scripts/lib/prepare.mjs'
import { freePort } from '../../scripts/lib/processes.mjs'
import { type Broker, type BrowserActor, type Email, startBroker } from '../support/broker.ts'
import { connectionList, setFrozen } from '../support/connection.ts'
import { startIssuer } from '../support/issuer.ts'

type Person = BrowserActor

let broker: Broker
let owner: Person
let globex: Person
/** The value of the key that the database begins with. */
let k1: string
const newSecret = () => randomBytes(32).toString('base64url')
const newKey = (id: string) => `${id}:${newSecret()}`
let opened: { close(): Promise<void> }[]
beforeEach(async () => {
  broker = await startBroker()
  k1 = broker.environment.VALETKEY_KEYS
  opened = []
  owner = await broker.actorOf('owner@acme.test')
  globex = await broker.actorOf('owner@globex.test')
})
afterEach(async () => {
  for (const one of opened) await one.close()
  await broker.stop()
})

/** Another process with these instance keys. */
async function processWith(keys: string): Promise<Context> {
  const ctx = await broker.makeContext({ VALETKEY_KEYS: keys })
  opened.push(ctx)
  return ctx
}

async function link(actor: Person, email: Email, project: string) {
  const linked = await broker.link(actor, email, { project })
  if (linked.kind === 'failed') throw linked.error
  const [connection] = await connectionList(broker.ctx, actor)
  if (!connection) throw new Error('not linked')
  return { projectId: linked.projectId, key: { tenantId: actor.tenantId, connectionId: connection.id } }
}

/** Two tenants with something sealed in every column: grants, handles, a replaced grant, an open attempt, a signing key. */
async function fill() {
  await link(owner, 'owner@acme.test', '10231')
  const acme = await link(owner, 'owner@acme.test', '10231')
  const other = await link(globex, 'owner@globex.test', '20880')
  await issueToken(broker.ctx, owner, {
    project: acme.projectId,
    scopes: { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false },
    lifetimeSeconds: 900,
    purpose: 'nightly export',
  })
  await startLink(broker.ctx, owner, { providerId: (await broker.providerOf(owner)).id, browser: owner.browser })
  const { webhook } = await createWebhook(broker.ctx, owner, { url: 'http://localhost:9/hook' })
  await rotateWebhookSecret(broker.ctx, owner, webhook.id)
  const { id } = await broker.providerOf(owner)
  const former = await (await vaultOf(broker.ctx, owner.tenantId)).seal(
    clientSecretPlace(id, 'client_secret_before'),
    'former',
  )
  await rows(owner.tenantId, 'UPDATE provider SET client_secret_before = $1 WHERE id = $2', [former, id])
  await createProvider(broker.ctx, owner, { kind: 'own', name: 'Own APIs' }).catch((error: unknown) => {
    if (!isBrokerError(error, 'provider_exists')) throw error
  })
  filled.push(webhook.id)
  return { acme: acme.key, globex: other.key }
}
/** Webhooks to take away again: a tenant has five at most. */
const filled: string[] = []
afterEach(async () => {
  for (const id of filled.splice(0)) await deleteWebhook(broker.ctx, owner, id).catch(() => undefined)
})

/** All values under keys that are not current, by place. */
const older = async (ctx = broker.ctx) =>
  (await keyStatus(ctx)).places.filter((place) => place.older + place.unknown > 0).map(({ place }) => place)
const stateOf = async (actor: Person) => {
  const [connection] = await connectionList(broker.ctx, actor)
  return [connection?.status, connection?.cause]
}
/** Lets a published key begin. */
const begin = () => broker.advance(publishMilliseconds / 1000 + 1)
/** Rows as the owner sees them in one tenant. */
async function rows(tenantId: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
  return (await broker.owner.query(text, values)).rows
}
/** Another connection of the owner, for a transaction that holds locks. */
async function holder(tenantId: string) {
  const client = new pg.Client({ connectionString: broker.database.ownerUrl })
  await client.connect()
  opened.push({ close: () => client.end() })
  await client.query('BEGIN')
  await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenantId])
  return client
}
const blocked = async (): Promise<number[]> => {
  const { rows } = await broker.ctx.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' ORDER BY query_start`,
  )
  return rows.map(({ pid }) => pid)
}
/** Waits, within bounds, until so many statements wait for a lock. */
async function untilBlocked(count: number): Promise<number[]> {
  for (let tries = 0; tries < 3000; tries += 1) {
    const pids = await blocked()
    if (pids.length >= count) return pids
    await new Promise((done) => setTimeout(done, 10))
  }
  throw new Error(`never were ${count} statements blocked`)
}

const root = resolve(import.meta.dirname, '../..')
const programs = ['server.ts', 'scripts/keys.ts'] as const
type Program = (typeof programs)[number]
/** Bundled once, as the product is: they are started a dozen times, and reading file by file takes longest then. */
const bundleOf = (program: Program) => resolve(root, `dist/keys-${process.pid}-${program.replace(/\W/g, '-')}.mjs`)
beforeAll(async () => {
  for (const program of programs) await bundle(program, bundleOf(program))
})
afterAll(async () => {
  for (const program of programs)
    for (const end of ['', '.map']) await rm(`${bundleOf(program)}${end}`, { force: true })
})

/** A process of its own: how to kill it, and how it ended. */
function run(program: Program, args: string[], environment: Record<string, string>) {
  const child = spawn(process.execPath, [bundleOf(program), ...args], {
    cwd: root,
    env: { NODE_ENV: 'test', PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const ended = new Promise<{ code: number | null; out: string; err: string }>((done) =>
    child.on('close', (code) => done({ code, out, err })),
  )
  return { kill: () => child.kill('SIGKILL'), ended }
}

/** What a server that would not start said: every line of it is JSON. */
const problemsIn = (out: string) =>
  out
    .trim()
    .split('\n')
    .flatMap((line) => (JSON.parse(line) as { problems?: string[] }).problems ?? [])
    .join('\n')

describe('rotation', () => {
  it('V-05: under load from two processes keys rotate without one failure, nothing is left under the old ones, and the old instance key can go', {
    timeout: 60_000,
  }, async () => {
    const keys = await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    const k2 = newKey('k2')
    const [a, b] = [await processWith(`${k2},${k1}`), await processWith(`${k2},${k1}`)]
    await checkInstanceKeys(a)
    await checkInstanceKeys(b)
    expect(await retireInstanceKey(a, 'k1')).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('2 keys'),
    })

    // Each round forces a rotation at the upstream, in both processes and both tenants at once. The clock jumps between
    // rounds only: a jump within one would end its lease, which is another test's matter (RR-05).
    const failures: unknown[] = []
    let rounds = 0
    let over = false
    let gate = Promise.resolve()
    const versions = new Map<string, number>()
    async function round() {
      const calls = [a, b, a, b].flatMap((ctx) => [keys.acme, keys.globex].map((key) => ({ ctx, key })))
      await Promise.all(
        calls.map(async ({ ctx, key }) => {
          const staleVersion = versions.get(key.connectionId) ?? 0
          const { version } = await freshTokens(ctx, { ...key, staleVersion })
          versions.set(key.connectionId, Math.max(version, versions.get(key.connectionId) ?? 0))
        }),
      ).catch((error: unknown) => failures.push(error))
      rounds += 1
    }
    async function load() {
      while (!over && rounds < 500) {
        await gate
        running = round()
        await running
      }
    }
    let running = Promise.resolve()
    const loading = load()
    const operator: Context = {
      ...(await processWith(`${k2},${k1}`)),
      async sleep(milliseconds) {
        let open = () => {}
        gate = new Promise((done) => {
          open = done
        })
        await running
        await broker.advance(milliseconds / 1000)
        open()
      },
    }

    expect(await rewrapTenantKeys(operator)).toEqual({ rewrapped: 2, unreadable: [] })
    const before = rounds
    const rotation = await rotateTenantKeys(operator, await tenantIds(operator))
    expect(rotation).toMatchObject({ tenants: 2, published: 2, unreadable: [], dropped: 0 })
    expect(rotation.resealed).toBeGreaterThan(5)
    // What a process sealed just before the turn and stored after it is found by the next pass.
    for (const tenantId of await tenantIds(operator)) await settleTenantKeys(operator, tenantId)
    await operator.sleep(settleMilliseconds + 1)
    for (const tenantId of await tenantIds(operator))
      expect((await settleTenantKeys(operator, tenantId)).dropped).toBe(1)
    const after = rounds
    over = true
    await loading
    expect(failures).toEqual([])
    expect(after - before).toBeGreaterThan(2)

    expect(await older()).toEqual([])
    const { dataKeys } = await keyStatus(operator)
    expect(dataKeys.map(({ state, wrappedWith }) => [state, wrappedWith])).toEqual([
      ['current', 'k2'],
      ['current', 'k2'],
    ])
    expect(await retireInstanceKey(operator, 'k1')).toEqual({ kind: 'retired' })
    expect(await retireInstanceKey(operator, 'k1')).toEqual({ kind: 'already' })

    const alone = await processWith(k2)
    await checkInstanceKeys(alone)
    for (const key of [keys.acme, keys.globex]) {
      const { degraded } = await freshTokens(alone, { ...key, staleVersion: versions.get(key.connectionId) ?? 0 })
      expect(degraded).toBe(false)
    }
    // Two keys of one tenant, and nothing in a log tells one: neither instance key nor wrapping.
    for (const value of [k1, k2]) expect(broker.logged.join('\n')).not.toContain(value.split(':')[1])
  })

  it('V-05: re-sealing that was killed in the middle leaves a mixed table that works, and is continued by running it again', {
    timeout: 60_000,
  }, async () => {
    const keys = await fill()
    // The killed process has a clock of its own, so the keys are made older, not the time later.
    const age = () => rows(owner.tenantId, `UPDATE tenant_key SET used_from = used_from - interval '1 hour'`)
    await age()
    expect(await publishTenantKey(broker.ctx, owner.tenantId)).toBe(true)
    // Continuing is not beginning anew.
    expect(await publishTenantKey(broker.ctx, owner.tenantId)).toBe(false)
    await age()
    const lock = await holder(owner.tenantId)
    await lock.query('SELECT FROM provider FOR UPDATE')
    const dying = run('scripts/keys.ts', ['rotate'], broker.environment)
    await untilBlocked(1)
    dying.kill()
    expect(await dying.ended).toMatchObject({ code: null })
    await lock.query('ROLLBACK')

    const left = await older()
    expect(left).toContain('provider.client_secret')
    expect(left).not.toContain('connection.refresh_token')
    expect((await freshTokens(broker.ctx, { ...keys.acme, staleVersion: 99 })).degraded).toBe(false)

    const again = await run('scripts/keys.ts', ['rotate'], broker.environment).ended
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).toMatch(/Resealed: [1-9]/)
    expect(await older()).toEqual([])
  })

  it('V-05: of re-sealing and a refresh of the same row the refresh wins, whichever way they meet', async () => {
    const { acme } = await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    await publishTenantKey(broker.ctx, owner.tenantId)
    await begin()
    const other = await processWith(k1)

    // Re-sealed while the upstream works: the write-back goes by version, which re-sealing leaves alone.
    broker.demo.faults.push('POST /oauth/token', { hold: { barrier: 'before', at: 'after' } })
    const first = freshTokens(broker.ctx, { ...acme, staleVersion: 99 })
    await broker.demo.faults.barrier('before').arrived()
    expect((await resealTenant(other, owner.tenantId)).overtaken).toBe(0)
    broker.demo.faults.barrier('before').release()
    const { version } = await first

    // Re-sealing has read the row, the refresh writes, re-sealing writes last. A rotation back to the older key makes
    // work for it again; the row's lock queues the two in this order.
    const [{ id } = {}] = await rows(owner.tenantId, 'SELECT id FROM tenant_key ORDER BY used_from LIMIT 1')
    await broker.owner.query('UPDATE tenant_key SET used_from = vk_now() WHERE id = $1', [id])
    await broker.advance(61)
    broker.demo.faults.push('POST /oauth/token', { hold: { barrier: 'during', at: 'after' } })
    const second = freshTokens(broker.ctx, { ...acme, staleVersion: version })
    await broker.demo.faults.barrier('during').arrived()
    const lock = await holder(owner.tenantId)
    await lock.query('SELECT FROM connection FOR UPDATE')
    broker.demo.faults.barrier('during').release()
    await untilBlocked(1)
    const resealing = resealTenant(other, owner.tenantId)
    await untilBlocked(2)
    await lock.query('ROLLBACK')
    const winner = await second
    expect(winner.version).toBe(version + 1)
    expect((await resealing).overtaken).toBe(1)

    // What is stored is the winner's, and it opens.
    const kept = await freshTokens(other, acme)
    expect(kept.accessToken.reveal()).toBe(winner.accessToken.reveal())
    expect((await freshTokens(other, { ...acme, staleVersion: winner.version })).degraded).toBe(false)
    expect(await stateOf(owner)).toEqual(['linked', null])
  })

  it('V-05: a key seals only when every process can know it, and is deleted only when nobody can be sealing with it', async () => {
    await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    const other = await processWith(k1)
    const cached = await vaultOf(other, owner.tenantId)
    await publishTenantKey(broker.ctx, owner.tenantId)
    expect((await vaultOf(broker.ctx, owner.tenantId)).keyId()).toBe(cached.keyId())
    await broker.advance(61)
    expect((await vaultOf(other, owner.tenantId)).keyId()).toBe(cached.keyId())
    await broker.advance(publishMilliseconds / 1000 - 60)
    const begun = await vaultOf(broker.ctx, owner.tenantId)
    expect(begun.keyId()).not.toBe(cached.keyId())
    // A straggler: sealed under the older key and stored late.
    const place = { table: 'provider', column: 'client_secret', row: 'prv_x', user: '-', version: 0 } as const
    const late = await begun.seal(place, 'a client secret')
    expect((await cached.open(place, late)).reveal()).toBe('a client secret')
    const ids = async () => (await keyStatus(broker.ctx)).dataKeys.filter(({ tenant }) => tenant === 'acme').length
    await sweep(broker.ctx)
    expect([await older(), await ids()]).toEqual([[], 2])
    await broker.advance(settleMilliseconds / 1000 + 1)
    await sweep(broker.ctx)
    expect(await ids()).toBe(1)
  })

  it('V-05: a key is not deleted while a value that does not open still names it', async () => {
    await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    const [{ secrets } = {}] = await rows(owner.tenantId, 'SELECT secrets FROM attempt WHERE secrets IS NOT NULL')
    await rows(owner.tenantId, 'UPDATE attempt SET secrets = $1 WHERE secrets IS NOT NULL', [
      `${String(secrets).slice(0, -4)}AAAA`,
    ])
    await publishTenantKey(broker.ctx, owner.tenantId)
    await begin()
    await broker.advance(settleMilliseconds / 1000 + 1)
    expect(await settleTenantKeys(broker.ctx, owner.tenantId)).toMatchObject({
      dropped: 0,
      unreadable: [{ place: 'attempt.secrets' }],
    })
  })

  it('V-03 V-04: values that were moved, edited or are no values at all stay as they are, are reported, and stop nothing', async () => {
    await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    // A client secret where a grant's handle belongs; another tenant's value; text.
    const [{ client_secret } = {}] = await rows(globex.tenantId, 'SELECT client_secret FROM provider')
    await rows(
      owner.tenantId,
      'UPDATE upstream_revocation SET handle = (SELECT client_secret FROM provider WHERE client_secret IS NOT NULL LIMIT 1)',
    )
    await rows(owner.tenantId, 'UPDATE provider SET client_secret = $1 WHERE client_secret IS NOT NULL', [
      client_secret,
    ])
    await rows(owner.tenantId, `UPDATE attempt SET secrets = 'no value' WHERE secrets IS NOT NULL`)
    const broken = () =>
      rows(
        owner.tenantId,
        `SELECT handle AS value FROM upstream_revocation UNION ALL SELECT client_secret FROM provider UNION ALL SELECT secrets FROM attempt`,
      )
    const before = await broken()
    await publishTenantKey(broker.ctx, owner.tenantId)
    await begin()
    const { unreadable, resealed } = await resealTenant(broker.ctx, owner.tenantId)
    expect(unreadable.map(({ place }) => place).sort()).toEqual([
      'attempt.secrets',
      // Of both providers that have one.
      'provider.client_secret',
      'provider.client_secret',
      'upstream_revocation.handle',
    ])
    // The connection's two, the webhook's two, the token's handle, the former client secret and the signing key.
    expect(resealed).toBe(7)
    expect(await broken()).toEqual(before)
    expect(await older()).toEqual(['provider.client_secret', 'upstream_revocation.handle', 'attempt.secrets'])
    const connection = (await keyStatus(broker.ctx)).places.find(({ place }) => place === 'connection.refresh_token')
    expect(connection).toEqual({ place: 'connection.refresh_token', current: 2, older: 0, unknown: 0 })
  })

  it('V-02: what a key has sealed is counted, and a key that has sealed too much is replaced without being asked', async () => {
    await fill()
    await broker.advance(settleMilliseconds / 1000 + 1)
    const place = { table: 'provider', column: 'client_secret', row: 'prv_x', user: '-', version: 0 } as const
    const vault = await vaultOf(broker.ctx, owner.tenantId)
    await broker.advance(61)
    const seals = async () =>
      (await keyStatus(broker.ctx)).dataKeys.find(({ tenant }) => tenant === 'acme')?.seals ?? 0n
    await vaultOf(broker.ctx, owner.tenantId)
    const before = await seals()
    expect(before).toBeGreaterThan(6n)
    for (let index = 0; index < 5; index += 1) await vault.seal(place, 'same')
    await broker.advance(61)
    await vaultOf(broker.ctx, owner.tenantId)
    expect(await seals()).toBe(before + 5n)
    await settleTenantKeys(broker.ctx, owner.tenantId)
    expect((await keyStatus(broker.ctx)).dataKeys).toHaveLength(2)
    await rows(owner.tenantId, 'UPDATE tenant_key SET seals = 1 + 2^30::bigint')
    await settleTenantKeys(broker.ctx, owner.tenantId)
    const mine = (await keyStatus(broker.ctx)).dataKeys.filter(({ tenant }) => tenant === 'acme')
    expect(mine.map(({ state }) => state)).toEqual(['published', 'current'])
  })

  it('V-05: nothing is wrapped with a key that no instance has started with, nor with a retired one', async () => {
    const k2 = newKey('k2')
    const operator = await processWith(`${k2},${k1}`)
    await expect(rewrapTenantKeys(operator)).rejects.toMatchObject({
      code: 'keys_unavailable',
      message: expect.stringContaining('"k2"'),
    })
    await checkInstanceKeys(operator)
    expect((await rewrapTenantKeys(operator)).rewrapped).toBe(2)
    expect(await retireInstanceKey(operator, 'k2')).toMatchObject({
      why: expect.stringContaining('is the current key'),
    })
    expect(await retireInstanceKey(operator, 'k9')).toMatchObject({ kind: 'refused' })
    expect(await retireInstanceKey(operator, 'k1')).toEqual({ kind: 'retired' })
    // A process that was not restarted, with the retired key in front.
    const late = createTenant(broker.ctx, { ...owner, operator: true }, { name: 'Late', slug: 'late' })
    await expect(late).rejects.toMatchObject({ code: 'keys_unavailable' })
  })

  it('V-05: a key that comes to wrap something while it is being retired stays in use', async () => {
    const k2 = newKey('k2')
    const operator = await processWith(`${k2},${k1}`)
    await checkInstanceKeys(operator)
    await rewrapTenantKeys(operator)
    let wrapped = () => {}
    const wrapping = new Promise<void>((done) => {
      wrapped = done
    })
    // A process that was not restarted: its transaction ends only after the key was counted as unused.
    const late = asSystem(broker.ctx, owner.tenantId, 'job', async (tx) => {
      await createTenantKey(broker.ctx, tx, owner.tenantId)
      wrapped()
      await untilBlocked(1)
    })
    await wrapping
    expect(await retireInstanceKey(operator, 'k1')).toMatchObject({ why: expect.stringContaining('still wraps one') })
    await late
    expect((await keyStatus(operator)).instanceKeys).toMatchObject([{ id: 'k1', state: 'in use' }, { id: 'k2' }])
  })

  it('V-05: a process without the instance key of a tenant says so, and breaks no connection', async () => {
    const { acme } = await fill()
    const k2 = newKey('k2')
    const operator = await processWith(`${k2},${k1}`)
    await checkInstanceKeys(operator)
    await rewrapTenantKeys(operator)
    await broker.advance(61)
    await expect(freshTokens(broker.ctx, acme)).rejects.toMatchObject({ code: 'keys_unavailable' })
    await expect(freshTokens(broker.ctx, { ...acme, staleVersion: 99 })).rejects.toMatchObject({
      code: 'keys_unavailable',
    })
    await broker.advance(20)
    expect((await freshTokens(operator, { ...acme, staleVersion: 99 })).degraded).toBe(false)
    expect(await stateOf(owner)).toEqual(['linked', null])
  })
})

describe('at boot', () => {
  const refusal = (keys: string) => processWith(keys).then(checkInstanceKeys)
  const raw = (entry: string) => entry.split(':')[1] ?? ''

  it('V-06: a missing, wrong or retired key is refused by name, without a value, and nothing is registered', async () => {
    const k2 = newKey('k2')
    const wrong = newKey('k1')
    const operator = await processWith(`${k2},${k1}`)
    const cases: [string, string][] = [
      [k2, 'lacks the key "k1"'],
      [wrong, 'a different value for "k1"'],
      [`${k2},${wrong}`, 'a different value for "k1"'],
    ]
    for (const [keys, message] of cases) {
      const error = await refusal(keys).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringContaining(message) })
      for (const entry of keys.split(',')) expect(String(error)).not.toContain(raw(entry))
    }
    expect((await keyStatus(operator)).instanceKeys).toMatchObject([
      { id: 'k1', canary: 'ok' },
      { id: 'k2', canary: 'unregistered' },
    ])
    await checkInstanceKeys(operator)
    await rewrapTenantKeys(operator)
    // Known and not retired: still asked for, though it wraps nothing.
    await expect(refusal(k2)).rejects.toThrow('lacks the key "k1"')
    await retireInstanceKey(operator, 'k1')
    await expect(refusal(`${k1},${k2}`)).rejects.toThrow('begins with "k1", which is retired')
    await expect(refusal(`${k2},${newKey('k1')}`)).rejects.toThrow('a different value for "k1"')
    await refusal(k2)
  })

  it('V-06: of two first boots at once with two values under one id one is refused', async () => {
    const both = [await processWith(`${newKey('k2')},${k1}`), await processWith(`${newKey('k2')},${k1}`)]
    // Both have seen that the id is free before either takes it.
    const lock = await holder(owner.tenantId)
    await lock.query('LOCK TABLE instance_key IN SHARE ROW EXCLUSIVE MODE')
    const boots = Promise.allSettled(both.map(checkInstanceKeys))
    await untilBlocked(2)
    await lock.query('ROLLBACK')
    const ends = await boots
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('V-06: the server itself ends with the message and without a value', { timeout: 60_000 }, async () => {
    const wrong = newKey('k1')
    const { code, out, err } = await run('server.ts', [], {
      ...broker.environment,
      NODE_ENV: 'production',
      PORT: String(await freePort()),
      VALETKEY_KEYS: wrong,
    }).ended
    expect(code).toBe(1)
    expect(problemsIn(out)).toContain('VALETKEY_KEYS has a different value for "k1"')
    expect(out + err).not.toContain(raw(wrong))
    expect(out).not.toContain('ready')
  })

  it('the command tells where keys stand, refuses plainly, and prints no value', { timeout: 120_000 }, async () => {
    await fill()
    const environment = { ...broker.environment, VALETKEY_LOG: 'error' }
    const status = await run('scripts/keys.ts', ['status'], environment).ended
    expect(status).toMatchObject({ code: 0, err: '' })
    expect(status.out).toMatch(/k1 +current +2 +ok/)
    expect(status.out).toMatch(/connection\.refresh_token +2 +0 +0/)
    const retire = await run('scripts/keys.ts', ['retire', 'k1'], environment).ended
    expect([retire.code, retire.err.trim()]).toEqual([
      1,
      expect.stringMatching(/^Not retired. "k1" is the current key/),
    ])
    const shred = await run('scripts/keys.ts', ['shred', 'acme'], environment).ended
    expect([shred.code, shred.err.trim()]).toEqual([
      1,
      expect.stringMatching(/^Nothing was done. "acme" holds 1 grants/),
    ])
    const rotated = await run('scripts/keys.ts', ['signing', 'acme', '--rotate'], environment).ended
    expect(rotated).toMatchObject({ code: 0, err: '' })
    expect(rotated.out).toMatch(
      /The next key is published, and signs from \S+Z: [\w-]{43}\n[\s\S]*published[\s\S]*signing/,
    )
    const back = await run('scripts/keys.ts', ['signing', 'acme', '--back'], environment).ended
    expect(back).toMatchObject({ code: 0, out: expect.stringContaining('Withdrawn: ') })
    const none = await run('scripts/keys.ts', ['signing', 'globex', '--rotate'], environment).ended
    expect([none.code, none.err.trim()]).toEqual([1, expect.stringMatching(/^"globex" has no key that signs/)])
    const away = await run('scripts/keys.ts', ['status'], {
      ...environment,
      DATABASE_URL: 'postgres://x@127.0.0.1:9/x',
    }).ended
    expect([away.code, away.err.trim()]).toEqual([1, expect.stringMatching(/^The database does not answer/)])
    for (const { out, err } of [status, retire, shred, rotated, back, none, away])
      expect(out + err).not.toContain(raw(k1))
  })
})

describe('the root secret', () => {
  const other = newSecret()
  const withSecret = (secret: string) => broker.makeContext({ VALETKEY_SECRET: secret })
  const refusal =
    /^Valetkey cannot start:\n {2}- VALETKEY_SECRET is not the one this database was first started with: .* \(npm run keys -- secret --accept\)$/
  /** Boots as far as the check, and ends. */
  async function boots(secret = broker.environment.VALETKEY_SECRET) {
    const ctx = await withSecret(secret)
    try {
      await checkSecret(ctx)
    } finally {
      await ctx.close()
    }
  }

  it('V-06: another one than the first is refused at boot, in one sentence and without a value, and changes nothing', async () => {
    await boots()
    for (let times = 0; times < 2; times += 1) {
      const error = await boots(other).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'ConfigError', message: expect.stringMatching(refusal) })
      for (const value of [other, broker.environment.VALETKEY_SECRET]) expect(String(error)).not.toContain(value)
    }
    await boots()
  })

  it('V-06: of two first boots at once with two values one is refused', async () => {
    const lock = await holder(owner.tenantId)
    await lock.query('SELECT FROM instance FOR UPDATE')
    const both = Promise.allSettled([boots(newSecret()), boots(newSecret())])
    await untilBlocked(2)
    await lock.query('ROLLBACK')
    expect((await both).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('V-06: what is stored says nothing of the secret: a keyed hash, another one for another value', async () => {
    const stored = async () =>
      (await broker.owner.query<{ canary: string }>('SELECT secret_canary AS canary FROM instance')).rows[0]?.canary ??
      ''
    await boots()
    const first = await stored()
    expect(first).toMatch(/^[\w-]{43}$/)
    await broker.owner.query('UPDATE instance SET secret_canary = NULL')
    await boots(other)
    expect(await stored()).not.toBe(first)
    // Neither the secret, nor a key that is derived from it for another use.
    const root = Buffer.from(broker.environment.VALETKEY_SECRET, 'base64url')
    for (const value of [
      root,
      ...(['signin', 'fingerprint', 'lookup', 'canary'] as const).map((use) => deriveKey(root, use)),
    ])
      expect(first).not.toBe(Buffer.from(value).toString('base64url'))
  })

  it('V-06: the server ends with a wrong one, and starts with it once an operator has accepted it on purpose', {
    timeout: 60_000,
  }, async () => {
    await boots()
    const server = { NODE_ENV: 'production', PORT: String(await freePort()) }
    const environment = { ...broker.environment, ...server, VALETKEY_LOG: 'error', VALETKEY_SECRET: other }
    const { code, out, err } = await run('server.ts', [], environment).ended
    expect(code).toBe(1)
    expect(problemsIn(out)).toContain('VALETKEY_SECRET is not the one this database was first started with')
    expect(out + err).not.toContain(other)
    const command = (...args: string[]) => run('scripts/keys.ts', ['secret', ...args], environment).ended
    expect(await command()).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^\nVALETKEY_SECRET is not .*--accept\n$/),
    })
    await expect(boots(other)).rejects.toThrow('VALETKEY_SECRET')
    expect(await command('--accept')).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^Accepted\./) })
    await boots(other)
    await expect(boots()).rejects.toThrow('VALETKEY_SECRET')
    expect(await command()).toMatchObject({ code: 0, out: expect.stringContaining('matches this database') })
    const events = await rows(
      'instance',
      `SELECT body->>'outcome' AS outcome FROM audit_event WHERE body->>'action' = 'secret.accepted'`,
    )
    expect(events).toEqual([{ outcome: 'ok' }])
  })

  it('the command makes nothing known by looking', { timeout: 60_000 }, async () => {
    const environment = { ...broker.environment, VALETKEY_LOG: 'error', VALETKEY_SECRET: other }
    const looked = await run('scripts/keys.ts', ['secret'], environment).ended
    expect(looked).toMatchObject({ code: 1, err: expect.stringContaining('has no VALETKEY_SECRET yet') })
    await boots()
  })
})

describe('a process without the key', () => {
  it('blocks what it revokes, and leaves the grant to be ended by one that has the key', async () => {
    const keys = await fill()
    const without = await processWith(newKey('k9'))
    const [result] = await revoke(without, owner, { tokens: [], connections: [keys.acme.connectionId] })
    expect(result).toMatchObject({ upstream: 'pending' })
    const work = () =>
      rows(
        owner.tenantId,
        `SELECT state, last_error, handle IS NOT NULL AS kept FROM upstream_revocation WHERE kind = 'grant' AND connection_id = $1
         ORDER BY id DESC LIMIT 1`,
        [keys.acme.connectionId],
      )
    expect(await work()).toMatchObject([{ state: 'pending', kept: true }])
    await broker.advance(700)
    await tick(broker.ctx)
    // The stack has no endpoint to end a grant by; it was asked with what was opened here.
    expect(await work()).toEqual([{ state: 'impossible', last_error: null, kept: false }])
  })
})

describe('a shredded tenant', () => {
  it('opens nothing, says so plainly, and leaves the other tenant as it was', async () => {
    const keys = await fill()
    const other = await processWith(k1)
    const sealed = sealedColumns.map(
      ({ table, column }) => `SELECT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL AND ${column} <> ''`,
    )
    const before = await rows(owner.tenantId, sealed.join(' UNION ALL '))
    expect(before.length).toBeGreaterThan(5)
    await vaultOf(other, owner.tenantId)
    // Frozen first, as one does in an incident.
    const second = await link(owner, 'owner@acme.test', '10232')
    await setFrozen(broker.ctx, owner, { ...second.key, frozen: true })

    // A refresh that is under way finds nothing to write to.
    broker.demo.faults.push('POST /oauth/token', { hold: { barrier: 'shred', at: 'after' } })
    const running = freshTokens(other, { ...keys.acme, staleVersion: 99 })
    const dead = expect(running).rejects.toMatchObject({ code: 'needs_relink' })
    await broker.demo.faults.barrier('shred').arrived()
    expect(await shredTenant(broker.ctx, owner.tenantId)).toEqual({ keys: 1, values: before.length + 2 })
    broker.demo.faults.barrier('shred').release()
    await dead

    expect(await rows(owner.tenantId, sealed.join(' UNION ALL '))).toEqual([])
    expect(await stateOf(owner)).toEqual(['needs_relink', 'shredded'])
    const provider = await asSystem(broker.ctx, globex.tenantId, 'job', (tx) => tx.provider.findFirstOrThrow())
    for (const ctx of [broker.ctx, await processWith(k1)]) {
      const vault = await vaultOf(ctx, owner.tenantId)
      for (const { value } of before) {
        const place = { table: 'provider', column: 'client_secret', row: provider.id, user: '-', version: 0 } as const
        await expect(vault.open(place, String(value))).rejects.toMatchObject({ code: 'tenant_shredded' })
      }
      await expect(
        vault.seal({ table: 'attempt', column: 'secrets', row: 'x', user: '-', version: 0 }, 'x'),
      ).rejects.toMatchObject({
        code: 'tenant_shredded',
      })
      await expect(freshTokens(ctx, keys.acme)).rejects.toMatchObject({ code: 'needs_relink' })
    }
    await expect(
      startLink(broker.ctx, owner, { providerId: (await broker.providerOf(owner)).id, browser: owner.browser }),
    ).rejects.toMatchObject({ code: 'tenant_shredded' })
    // Rotation and status walk past it.
    expect(await publishTenantKey(broker.ctx, owner.tenantId)).toBe(false)
    expect((await keyStatus(broker.ctx)).dataKeys.map(({ tenant }) => tenant)).toEqual(['globex'])

    expect((await freshTokens(broker.ctx, { ...keys.globex, staleVersion: 99 })).degraded).toBe(false)
    await openProvider(broker.ctx, await vaultOf(broker.ctx, globex.tenantId), provider)
    expect(await shredTenant(broker.ctx, owner.tenantId)).toEqual({ keys: 0, values: 0 })
  })
})

describe('the list of sealed columns', () => {
  it('V-01: names every column in which a sealed value is found, and each one exists', async () => {
    await fill()
    // What the upstream does not tell of is kept beside the one before.
    broker.demo.faults.push('POST /tickets/token', { status: 503, body: { kind: 'empty' } })
    const { id: providerId } = await broker.providerOf(owner, 'Demo tickets')
    await changeProvider(broker.ctx, owner, { providerId, clientSecret: 'another-one' })
    const asker = { clientId: 'valetkey-api', clientSecret: 'introspection-secret' }
    const issuer = await startIssuer('unused', () => Date.now())
    await trustIssuer(broker.ctx, owner, { issuer: issuer.url, name: 'Asked', ...asker })
    await issuer.stop()
    const handle = await (await vaultOf(broker.ctx, owner.tenantId)).seal(registrationPlace('reg_test'), 'a handle')
    await rows(
      owner.tenantId,
      `INSERT INTO client_registration (tenant_id, id, provider_id, client_id, handle, created_at) VALUES ($1, 'reg_test', $2, 'a', $3, now())`,
      [owner.tenantId, providerId, handle],
    )
    const { rows: columns } = await broker.owner.query<{ table: string; column: string; nullable: boolean }>(`
      SELECT table_name AS table, column_name AS column, is_nullable = 'YES' AS nullable FROM information_schema.columns
      WHERE table_schema = 'public' AND data_type IN ('text', 'character varying') ORDER BY 1, 2`)
    const found: string[] = []
    for (const { table, column } of columns) {
      // A protected header in base64url begins like this: {"alg":"dir"
      const hits = await rows(
        owner.tenantId,
        `SELECT FROM "${table}" WHERE "${column}" LIKE 'eyJhbGciOiJkaXIi%' LIMIT 1`,
      )
      if (hits.length > 0) found.push(`${table}.${column}`)
    }
    const listed = sealedColumns.map(({ table, column }) => `${table}.${column}`)
    // These two are keys themselves: wrapped by instance keys.
    expect(found.sort()).toEqual([...listed, 'instance_key.canary', 'tenant_key.wrapped'].sort())
    for (const entry of sealedColumns) {
      const column = columns.find(({ table, column }) => table === entry.table && column === entry.column)
      expect(column?.nullable).toBe(!('required' in entry))
    }
  })
})
