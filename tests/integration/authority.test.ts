import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { operations } from '../../lib/http/wire.ts'
import { act, requireStanding } from '../../lib/store/authority.ts'
import { readTenant, type Tx } from '../../lib/store/database.ts'
import { type Answer, byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { bodiesFor, makeThings, pathOf, type Things } from '../support/things.ts'

let app: TestApp
let owner: Jar
let admin: Jar
let receiver: Receiver
let things: Things
let acme: string
/** The admin's id: member@acme.test, who is made one. */
let userId: string
beforeAll(async () => {
  app = await startTestApp()
  acme = String(await app.tenantId('acme'))
  receiver = await startReceiver()
  owner = await app.signIn('owner@acme.test')
  admin = await app.signIn('member@acme.test')
  userId = (await app.call<{ id: string }>(admin, 'GET', '/me')).body.id
  await set('admin', 'active')
  things = {
    ...(await makeThings(app, admin, { account: 'member@acme.test', project: '10231', receiver })),
    handle: '0'.repeat(16),
  }
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
beforeEach(async () => {
  await set('admin', 'active')
  if ((await app.call(admin, 'GET', '/me')).status === 401) admin = await app.signIn('member@acme.test')
})
afterEach(() => app.forgetLimits())

const set = (role: string, status: string) =>
  app.rows('acme', 'UPDATE member SET role = $1, status = $2 WHERE user_id = $3', [role, status, userId])

/**
 * Runs `request` so that its wrapper sees things as they are, and then, before it has committed anything, `change` commits:
 * the member's row is locked until the request waits for it.
 */
async function overtaken(change: (client: pg.Client) => Promise<unknown>, request: () => Promise<Answer>) {
  const client = new pg.Client({ connectionString: app.database.appUrl })
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [acme])
    await client.query('SELECT FROM member WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE', [acme, userId])
    let answered = false
    const racing = request().finally(() => {
      answered = true
    })
    let waited = false
    while (!waited && !answered)
      waited =
        (
          await client.query(
            'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted',
          )
        ).rows.length > 0
    await change(client)
    await client.query('COMMIT')
    return { ...(await racing), waited }
  } finally {
    await client.end()
  }
}

const demote = (client: pg.Client) =>
  client.query(`UPDATE member SET role = 'auditor' WHERE tenant_id = $1 AND user_id = $2`, [acme, userId])
const suspend = (client: pg.Client) =>
  client.query(`UPDATE member SET status = 'suspended' WHERE tenant_id = $1 AND user_id = $2`, [acme, userId])
const signOut = (client: pg.Client) => client.query('DELETE FROM session WHERE user_id = $1', [userId])

/** Rows of acme that an act could leave; refusals leave events alone. */
async function rows() {
  const tables =
    'provider project project_alias connection issued_token attempt invitation upstream_revocation notification webhook webhook_delivery'
  const found: unknown[] = []
  for (const name of tables.split(' '))
    found.push(await app.rows('acme', `SELECT t::text AS row FROM ${name} t ORDER BY 1`))
  return found
}

// Adopting and choosing find nothing kept before they ask, and pasting asks the stack first: they have tests of their own.
const mutations = operations.filter(
  ({ method, path, id }) =>
    method !== 'GET' &&
    path.startsWith('/api/v1/tenants/{tenant}/') &&
    !['adoptLink', 'chooseProjects', 'pasteToken'].includes(id),
)
const request = (operation: (typeof mutations)[number]) => () =>
  app.call(
    admin,
    operation.method,
    pathOf(operation.path, 'acme', things),
    bodiesFor(things, receiver)[operation.id] ?? {},
  )

describe('Z-06, T-05: authority is read inside the transaction, whatever the wrapper saw', () => {
  const needsMore = mutations.filter(({ permission }) => permission !== 'read')
  // An auditor may still do these.
  it.each(byAddress(needsMore.filter(({ id }) => !['exportEvents', 'inspectLeak'].includes(id))))(
    '%s: a demotion that commits first wins',
    async (_, operation) => {
      const before = await rows()
      const { status, waited } = await overtaken(demote, request(operation))
      expect({ waited, status }).toEqual({ waited: true, status: 403 })
      expect(await rows()).toEqual(before)
    },
  )

  it.each(byAddress(mutations))('%s: a suspension that commits first wins', async (_, operation) => {
    const before = await rows()
    const { status, waited } = await overtaken(suspend, request(operation))
    expect({ waited, status }).toEqual({ waited: true, status: 404 })
    expect(await rows()).toEqual(before)
  })

  it.each(byAddress(mutations))('%s: a sign-out that commits first wins', async (_, operation) => {
    const before = await rows()
    const { status, waited } = await overtaken(signOut, request(operation))
    expect({ waited, status }).toEqual({ waited: true, status: 401 })
    expect(await rows()).toEqual(before)
  })

  it('an admin with requests in flight does not undo their own demotion', async () => {
    const path = `/tenants/acme/members/${userId}`
    const undo = () => app.call(admin, 'PATCH', path, { role: 'admin', status: 'active' })
    for (let round = 0; round < 8; round += 1) {
      await set('admin', 'active')
      const inFlight = Array.from({ length: 4 }, undo)
      const demoted = await app.call(owner, 'PATCH', path, { role: 'member' })
      expect(demoted.status).toBe(204)
      // Whoever came before the demotion succeeded, to no effect; whoever came after is refused.
      for (const { status } of await Promise.all([...inFlight, undo()])) expect([204, 403]).toContain(status)
      expect(await app.rows('acme', 'SELECT role FROM member WHERE user_id = $1', [userId])).toEqual([
        { role: 'member' },
      ])
    }
  })

  it('an act and a change of the same person’s rights wait for each other, the act first', async () => {
    const actor = { ...(await app.actorOf('member@acme.test')), role: 'admin' as const }
    let demotion: Promise<Answer> | undefined
    let order = ''
    await act(app.ctx, actor, 'administer', async () => {
      demotion = app.call(owner, 'PATCH', `/tenants/acme/members/${userId}`, { role: 'member' }).finally(() => {
        order += 'demoted'
      })
      while (
        (
          await app.owner.query(
            'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted',
          )
        ).rows.length === 0
      );
      order += 'acted '
    })
    await demotion
    expect(order).toBe('acted demoted')
  })
})

describe('Z-06: what is one statement asks for the session as all others do', () => {
  it.each([
    ['is over', 'UPDATE session SET expires_at = vk_now() WHERE id = $1'],
    ['was idle for too long', `UPDATE session SET last_active_at = vk_now() - make_interval(secs => $2) WHERE id = $1`],
    [
      'is refused here',
      `INSERT INTO session_refusal (tenant_id, session_id, created_at) VALUES (current_setting('app.tenant_id'), $1, vk_now())`,
    ],
    ['is gone', 'DELETE FROM session WHERE id = $1'],
    [
      'is somebody else’s',
      `UPDATE session SET user_id = (SELECT id FROM "user" WHERE email = 'owner@acme.test') WHERE id = $1`,
    ],
  ])('one that %s counts no more', async (_, change) => {
    const actor = await app.actorOf('member@acme.test', { role: 'admin' })
    await requireStanding(app.ctx, actor, 'administer')
    const { idleSeconds } = app.ctx.config.session
    await app.rows('acme', change, [actor.credential.session, ...(change.includes('$2') ? [idleSeconds] : [])])
    await expect(requireStanding(app.ctx, actor, 'administer')).rejects.toMatchObject({ code: 'unauthenticated' })
  })
})

describe('what a person began and may no longer finish', () => {
  const living = () =>
    app.demo.ledger.tokens.filter(
      ({ kind, account, live }) => kind === 'storage' && account === 'member@acme.test' && live,
    )

  it.each([
    ['made an auditor', demote],
    ['suspended', suspend],
    ['signed out', signOut],
  ])(
    'Z-06: whoever is %s while a token is made gets none, and what came back is ended upstream',
    async (how, change) => {
      const before = living().length
      app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: how, at: 'after' } })
      const racing = app.issue(admin, 'acme', String(things.project))
      await app.demo.faults.barrier(how).arrived()
      await overtaken(change, async () => ({ status: 0 }) as Answer)
      app.demo.faults.barrier(how).release()
      expect((await racing).body).toMatchObject({ code: 'revoked_meanwhile' })
      expect(living()).toHaveLength(before)
      await set('admin', 'active')
      admin = await app.signIn('member@acme.test')
    },
  )

  it('A-03: a link is kept only while session and membership stand', async () => {
    for (const [how, change] of [
      ['linking suspended', suspend],
      ['linking signed out', signOut],
    ] as const) {
      app.demo.faults.push('POST /oauth/token', { hold: { barrier: how, at: 'after' } })
      const linking = app.link(admin, 'acme', { account: 'member@acme.test', project: '10240' })
      await app.demo.faults.barrier(how).arrived()
      await overtaken(change, async () => ({ status: 0 }) as Answer)
      app.demo.faults.barrier(how).release()
      const { headers } = await linking
      expect(headers.get('location')).toMatch(/^\/connect\//)
      expect(await app.rows('acme', `SELECT 1 FROM project WHERE external_id = '10240'`)).toEqual([])
      await set('admin', 'active')
      admin = await app.signIn('member@acme.test')
    }
  })

  it('A-03: a pasted token is kept only while session and membership stand', async () => {
    const settings = { allow_pasted_tokens: true }
    const allowed = await app.call(owner, 'PATCH', `/tenants/acme/providers/${things.provider}`, { settings })
    expect(allowed.status).toBe(200)
    const value = app.demo.makeStorageToken({ account: 'member@acme.test', project: '10240', kind: 'limited' })
    for (const [how, change, status] of [
      ['pasting suspended', suspend, 403],
      ['pasting signed out', signOut, 401],
    ] as const) {
      app.demo.faults.push('GET /v2/storage/tokens/verify', { hold: { barrier: how, at: 'after' } })
      const pasting = app.call(admin, 'POST', '/tenants/acme/connections', { provider: things.provider, token: value })
      await app.demo.faults.barrier(how).arrived()
      await overtaken(change, async () => ({ status: 0 }) as Answer)
      app.demo.faults.barrier(how).release()
      expect((await pasting).status, how).toBe(status)
      expect(await app.rows('acme', `SELECT 1 FROM project WHERE external_id = '10240'`)).toEqual([])
      await set('admin', 'active')
      admin = await app.signIn('member@acme.test')
    }
  })

  it('issues at once never pass the cap of living tokens', async () => {
    const cap = 100
    await app.rows('acme', `UPDATE issued_token SET status = 'failed' WHERE user_id = $1`, [userId])
    await app.rows(
      'acme',
      `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
         scopes_asked, generations, expires_at, created_at)
       SELECT tenant_id, 'tok_cap' || n, user_id, project_id, connection_id, provider_id, strategy, 'live', 'n' || n, purpose,
         scopes_asked, generations, now() + interval '1 hour', now()
       FROM issued_token, generate_series(1, $2) n WHERE id = $1`,
      [things.token, cap - 3],
    )
    const many = await Promise.all(Array.from({ length: 12 }, () => app.issue(admin, 'acme', String(things.project))))
    expect(many.map(({ status }) => status).sort()).toEqual([...Array(3).fill(201), ...Array(9).fill(409)])
    await app.rows('acme', `DELETE FROM issued_token WHERE id LIKE 'tok_cap%'`)
  })

  it('an issue counts what the one before it of the same member has made', async () => {
    await app.rows('acme', `UPDATE issued_token SET status = 'failed' WHERE user_id = $1`, [userId])
    await app.rows(
      'acme',
      `INSERT INTO policy (tenant_id, level, target_id, max_tokens) VALUES ($1, 'person', $2, 1)`,
      [acme, userId],
    )
    const before = new pg.Client({ connectionString: app.database.appUrl })
    await before.connect()
    try {
      await before.query('BEGIN')
      await before.query(`SELECT set_config('app.tenant_id', $1, true)`, [acme])
      await before.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`issue ${acme} ${userId}`])
      let answered = false
      const issued = app.issue(admin, 'acme', String(things.project)).finally(() => {
        answered = true
      })
      const waiting = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted AND locktype = 'advisory'`
      while (!answered && (await app.owner.query(waiting)).rowCount === 0);
      await before.query(
        `UPDATE issued_token SET status = 'live', expires_at = now() + interval '1 hour' WHERE id = $1`,
        [things.token],
      )
      await before.query('COMMIT')
      const { status, body } = await issued
      expect([status, body.code]).toEqual([409, 'too_many_tokens'])
    } finally {
      await before.end()
      await app.rows('acme', 'DELETE FROM policy WHERE target_id = $1', [userId])
    }
  })
})

describe('a kept grant is bound to the session and browser that began it', () => {
  /** A finished link whose grant waits for another alias. */
  async function kept(jar: Jar): Promise<string> {
    const taken = (await app.rows('acme', 'SELECT alias FROM project LIMIT 1'))[0]?.alias as string
    const { attempt } = await app.link(jar, 'acme', { account: 'member@acme.test', project: '10240', alias: taken })
    const { body } = await app.call(jar, 'GET', `/tenants/acme/attempts/${attempt}`)
    expect(body).toMatchObject({ outcome: 'alias_taken', can_adopt: true })
    return attempt
  }
  const adopt = (jar: Jar, attempt: string) =>
    app.call(jar, 'POST', `/tenants/acme/attempts/${attempt}/adopt`, { alias: 'adopted-here' })

  it('LK-01: another session or another browser of the same person cannot adopt it', async () => {
    const attempt = await kept(admin)
    const elsewhere = await app.signIn('member@acme.test')
    expect((await adopt(elsewhere, attempt)).body).toMatchObject({ code: 'attempt_unknown' })
    const otherBrowser = new Map([...admin].filter(([name]) => !name.includes('link')))
    expect((await adopt(otherBrowser, attempt)).body).toMatchObject({ code: 'attempt_unknown' })
  })

  it('L-01: nobody adopts it once the time of its attempt is over', async () => {
    const attempt = await kept(admin)
    await app.rows('acme', 'UPDATE attempt SET expires_at = created_at WHERE id = $1', [attempt])
    expect((await adopt(admin, attempt)).status).toBe(404)
  })

  it('LK-01: signing out wipes it', async () => {
    const attempt = await kept(admin)
    const sealed = () => app.rows('acme', 'SELECT secrets FROM attempt WHERE id = $1', [attempt])
    expect((await sealed())[0]?.secrets).not.toBeNull()
    await app.signOut(admin)
    expect((await sealed())[0]?.secrets).toBeNull()
    admin = await app.signIn('member@acme.test')
    expect((await adopt(admin, attempt)).status).toBe(404)
  })
})

it('Z-06: a session that the tenant refuses begins nothing there, whatever the wrapper saw', async () => {
  const actor = await app.actorOf('member@acme.test')
  await app.rows('acme', 'INSERT INTO session_refusal VALUES ($1, $2, now())', [acme, actor.credential.session])
  await expect(act(app.ctx, actor, 'read', async () => 'begun')).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('a reading transaction cannot write, whatever the types are told', async () => {
  const write = readTenant(app.ctx, acme, (tx) => (tx as Tx).tenant.updateMany({ data: { name: 'written' } }))
  await expect(write).rejects.toThrow()
  expect(await app.rows('acme', `SELECT 1 FROM tenant WHERE name = 'written'`)).toEqual([])
})
