// An upstream says that a session is over in which something was linked: connections of two tenants at issuers of scripted
// answers, real sockets, two processes on one database.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider, type ProviderView, providerList } from '../../lib/broker/providers.ts'
import { connectionDetail, connectionPage } from '../../lib/broker/read/connection.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { hash } from '../../lib/security/secrets.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { selfSigned } from '../support/certificate.ts'
import { type Key, rowOf } from '../support/connection.ts'
import { type Issuer, type IssuerAnswers, type LogoutChange, startIssuer } from '../support/issuer.ts'
import { deliverToken } from '../support/logout.ts'
import { startPassing } from '../support/passing.ts'

const clientId = 'valetkey-upstream'
let broker: Broker
let second: Context
let issuer: Issuer
let acme: BrowserActor
let member: BrowserActor
let globex: BrowserActor
let ours: ProviderView
let theirs: ProviderView
beforeAll(async () => {
  broker = await startBroker()
  second = await broker.makeContext()
  issuer = await startIssuer(clientId, () => broker.ctx.now().getTime())
  acme = await broker.actorOf('owner@acme.test')
  member = await broker.actorOf('member@acme.test')
  globex = await broker.actorOf('owner@globex.test')
  ours = await provider(acme)
  theirs = await provider(globex)
})
afterAll(async () => {
  await second.close()
  await issuer.stop()
  await broker.stop()
})
beforeEach(async () => {
  putContext(broker.ctx)
  issuer.answer({})
  await broker.owner.query('DELETE FROM rate_limit')
  // Each account is linked anew.
  for (const { tenantId } of [acme, globex]) {
    for (const table of ['token_use', 'use_tally', 'issued_token', 'connection_project'])
      await inTenant(tenantId, `DELETE FROM ${table}`)
    await inTenant(tenantId, 'DELETE FROM connection')
  }
  await broker.advance(60)
})

/** As the tables' owner, inside one tenant. */
async function inTenant(tenantId: string, sql: string, values: unknown[] = []) {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
  return broker.owner.query(sql, values)
}
const keysAt = ({ tenantId }: BrowserActor, { id }: ProviderView, uri: string) =>
  inTenant(
    tenantId,
    `UPDATE provider SET settings = jsonb_set(settings, '{server,jwks_uri}', to_jsonb($2::text)) WHERE id = $1`,
    [id, uri],
  )

function provider(actor: BrowserActor, change: Record<string, unknown> = {}, client = clientId): Promise<ProviderView> {
  return createProvider(broker.ctx, actor, {
    kind: 'oauth',
    name: `An upstream of ${actor.slug} ${client}`,
    clientId: client,
    clientSecret: 'a-secret-of-the-client',
    setup: {
      issuer: issuer.url,
      scopes: ['openid', 'offline_access', 'read'],
      api_bases: [{ name: 'Items', url: `${issuer.url}/items` }],
      ...change,
    },
  })
}

/** Comes back with a code to a started link. `scope`: what is granted. */
async function link(
  actor: BrowserActor,
  at: ProviderView,
  claims: IssuerAnswers['claims'],
  { scope = 'openid read', ...answers }: Partial<IssuerAnswers> = {},
  server = issuer,
) {
  const { url } = await startLink(broker.ctx, actor, { providerId: at.id, browser: actor.browser })
  const asked = new URL(url).searchParams
  const back = new URL(asked.get('redirect_uri') ?? '')
  back.searchParams.set('state', asked.get('state') ?? '')
  back.searchParams.set('code', 'any')
  server.answer({ ...answers, scope, claims: { nonce: asked.get('nonce'), sub: actor.userId, ...claims } })
  return completeLink(broker.ctx, broker.callbackOf(back.href, actor))
}
async function linked(...given: Parameters<typeof link>): Promise<Key> {
  const [actor, at] = given
  expect((await link(...given)).kind).toBe('linked')
  const { items } = await connectionPage(broker.ctx, actor, {})
  return { tenantId: actor.tenantId, connectionId: items.find((each) => each.provider.id === at.id)?.id ?? '' }
}
const state = async (key: Key) => {
  const { status, cause } = await rowOf(broker, key)
  return cause ? `${status} ${cause}` : status
}
const ended = 'needs_relink signed_out'
const send = async (change: LogoutChange, from = issuer) => deliverToken(await from.logoutToken(change))
const taken = { status: 200, cache: 'no-store' }
const refused = { status: 400, error: 'invalid_request', cache: 'no-store' }

describe('a session at an upstream that is over', () => {
  test('A-05: by sid ends what was linked in it, everywhere at once, says so, and nothing of it is served', async () => {
    const gone = await linked(acme, ours, { sid: 's-1' })
    const other = await linked(member, ours, { sid: 's-2' })
    const { tokenVersion } = await rowOf(broker, gone)
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect([await state(gone), await state(other)]).toEqual([ended, 'linked'])
    for (const ctx of [broker.ctx, second])
      await expect(freshTokens(ctx, gone)).rejects.toMatchObject({ code: 'needs_relink' })
    const row = await rowOf(broker, gone)
    expect(row).toMatchObject({
      refreshToken: null,
      accessToken: null,
      refreshDueAt: null,
      tokenVersion: tokenVersion + 1,
    })
    const { timeline } = await connectionDetail(broker.ctx, acme, gone.connectionId)
    expect(timeline[0]).toMatchObject({
      action: 'connection.signed_out',
      actorId: null,
      outcome: 'ok',
      details: { owner: acme.userId, offline: false },
    })
    const told = 'SELECT details FROM notification WHERE connection_id = $1'
    expect((await inTenant(acme.tenantId, told, [gone.connectionId])).rows).toMatchObject([
      { details: { cause: 'signed_out' } },
    ])
  })

  test('A-05: by sub ends all of that account at that provider', async () => {
    const mine = await linked(acme, ours, { sid: 's-1', sub: 'an account' })
    const same = await linked(member, ours, { sub: 'an account' })
    expect(await send({ sub: 'an account' })).toMatchObject(taken)
    expect([await state(mine), await state(same)]).toEqual([ended, ended])
  })

  test('A-05: another account’s, another session’s and one of unknown session stay', async () => {
    const mine = await linked(acme, ours, { sid: 's-1' })
    const untold = await linked(member, ours, {})
    for (const change of [
      { sub: 'nobody' },
      { sid: 's-9' },
      { sid: 's-1', sub: member.userId },
      { sid: 's-9', sub: member.userId },
    ])
      expect(await send(change)).toMatchObject(taken)
    expect([await state(mine), await state(untold)]).toEqual(['linked', 'linked'])
  })

  test('N-05: offline access outlives it, unless the upstream takes that back as well', async () => {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const offline = await linked(acme, ours, { sid: 's-1' }, { scope: 'openid offline_access read' })
    const online = await linked(member, ours, { sid: 's-1' })
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect([await state(offline), await state(online)]).toEqual(['linked', ended])
    for (const more of [false, 'true', 1, {}])
      expect(await send({ sid: 's-1', events: { ...events, revoke_offline_access: more } })).toMatchObject(taken)
    expect(await state(offline)).toBe('linked')
    expect(await send({ sid: 's-1', events: { ...events, revoke_offline_access: true } })).toMatchObject(taken)
    expect(await state(offline)).toBe(ended)
  })

  test('A-05: linking again makes the same connection work, in its new session', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    await broker.advance(1)
    expect(await linked(acme, ours, { sid: 's-2' })).toEqual(key)
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect(await state(key)).toBe('linked')
    expect(await send({ sid: 's-2' })).toMatchObject(taken)
    expect(await state(key)).toBe(ended)
  })

  test('A-05: what a refresh under way brings back finds nothing to write to', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    const { tokenVersion } = await rowOf(broker, key)
    issuer.answer({ meanwhile: () => send({ sid: 's-1' }), claims: { sub: acme.userId } })
    await expect(freshTokens(broker.ctx, { ...key, staleVersion: tokenVersion })).rejects.toMatchObject({
      code: 'needs_relink',
    })
    expect(await state(key)).toBe(ended)
  })

  test('A-05: one that is linked again while its end waits for it is of another session, and stays', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    await inTenant(acme.tenantId, 'BEGIN')
    // Held as linking does.
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, true)`, [acme.tenantId])
    await broker.owner.query('UPDATE connection SET upstream_session = $2 WHERE id = $1', [
      key.connectionId,
      hash('s-2'),
    ])
    const ending = send({ sid: 's-1' })
    const waiting = `SELECT count(*)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted AND locktype = 'transactionid'`
    await expect.poll(async () => (await broker.owner.query<{ n: number }>(waiting)).rows[0]?.n).toBe(1)
    await broker.owner.query('COMMIT')
    expect(await ending).toMatchObject(taken)
    expect(await state(key)).toBe('linked')
  })

  test('A-05: what works through Valetkey stops with the connection', async () => {
    const passing = await startPassing(broker.ctx)
    try {
      const key = await linked(acme, ours, { sid: 's-1' })
      const [{ id: project } = { id: '' }] = (await connectionDetail(broker.ctx, acme, key.connectionId)).projects
      const { value, baseUrl } = await issueToken(broker.ctx, acme, {
        project,
        scopes: { access: 'everything' },
        strategy: 'proxy',
        lifetimeSeconds: 600,
        purpose: 'a test',
      })
      const ask = async () => (await passing.ask(baseUrl, '/', { token: value.reveal() })).status
      // The issuer has no such page.
      expect(await ask()).toBe(404)
      expect(await send({ sid: 's-1' })).toMatchObject(taken)
      expect(await ask()).toBe(409)
    } finally {
      await passing.stop()
    }
  })

  test('A-05: one that was revoked stays revoked', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    await revoke(broker.ctx, acme, { tokens: [], connections: [key.connectionId] })
    expect(await send({ sid: 's-1' })).toMatchObject(taken)
    expect(await state(key)).toBe('revoked')
  })
})

describe('a link that is under way', () => {
  test.each([
    ['its session', { sid: 's-1' }],
    ['its account', { sub: 'an account' }],
  ])('A-05: does not come about once a logout token of %s has come', async (_, change) => {
    const before = issuer.requests.length
    const came = await link(member, ours, { sid: 's-1', sub: 'an account' }, { meanwhile: () => send(change) })
    expect(came).toMatchObject({ kind: 'failed', error: { code: 'upstream_signed_out' } })
    expect(issuer.requests.slice(before).map(({ path }) => path)).toContain('/token')
    await broker.advance(1)
    expect((await link(member, ours, { sid: 's-1', sub: 'an account' })).kind).toBe('linked')
  })

  test('A-05: is not disturbed by what was sent to another client', async () => {
    await provider(acme, {}, 'a-third-client')
    const meanwhile = () => send({ sid: 's-1', sub: 'an account', aud: 'a-third-client' })
    expect((await link(acme, ours, { sid: 's-1', sub: 'an account' }, { meanwhile })).kind).toBe('linked')
  })

  test('A-05: with offline access it does, unless that was taken back', async () => {
    const scope = 'openid offline_access read'
    const meanwhile = () => send({ sid: 's-1' })
    expect((await link(member, ours, { sid: 's-1' }, { scope, meanwhile })).kind).toBe('linked')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {}, revoke_offline_access: true }
    const took = await link(member, ours, { sid: 's-1' }, { scope, meanwhile: () => send({ sid: 's-1', events }) })
    expect(took).toMatchObject({ kind: 'failed', error: { code: 'upstream_signed_out' } })
  })
})

describe('rows of one issuer', () => {
  test('A-05: each tenant’s row with this issuer and client is served, and its token counts once for each', async () => {
    const mine = await linked(acme, ours, { sid: 's-1', sub: 'an account' })
    const there = await linked(globex, theirs, { sid: 's-1', sub: 'an account' })
    const token = await issuer.logoutToken({ sid: 's-1' })
    expect(await deliverToken(token)).toMatchObject(taken)
    expect([await state(mine), await state(there)]).toEqual([ended, ended])
    expect(await deliverToken(token)).toMatchObject(refused)
  })

  test('A-06: a token for another client of the same issuer ends nothing of this one', async () => {
    const other = await provider(acme, {}, 'another-client')
    const key = await linked(acme, ours, { sid: 's-1' })
    expect(other.clientId).toBe('another-client')
    expect(await send({ sid: 's-1', aud: 'another-client' })).toMatchObject(taken)
    expect(await state(key)).toBe('linked')
  })

  test('A-05: an issuer that people sign in with as well has its sessions ended, too', async () => {
    const both = await broker.makeContext({
      VALETKEY_SIGNIN_ISSUER: issuer.url,
      VALETKEY_SIGNIN_CLIENT_ID: clientId,
      VALETKEY_DEMO: '',
      VALETKEY_DEMO_STACK: '',
      VALETKEY_DEMO_TICKETS: '',
    })
    try {
      const key = await linked(acme, ours, { sid: 's-1', sub: 'an account' })
      await broker.ctx.pool.query(
        `INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES ('usr_there', $1, 'an account', 'X', now())`,
        [issuer.url],
      )
      const session = await broker.sessionOf('usr_there')
      putContext(both)
      expect(await send({ sub: 'an account' })).toMatchObject(taken)
      expect(await state(key)).toBe(ended)
      expect((await broker.ctx.pool.query('SELECT 1 FROM session WHERE id = $1', [session])).rowCount).toBe(0)
    } finally {
      await both.close()
    }
  })

  test('Z-02 A-06: whoever registers a foreign issuer with keys of their own ends nothing but their own connections', async () => {
    // The attacker's server signs with its own keys, and the row says that it is the issuer.
    const attacker = await startIssuer(clientId, () => broker.ctx.now().getTime())
    try {
      const key = await linked(acme, ours, { sid: 's-1' })
      const own = await linked(globex, theirs, { sid: 's-1', sub: 'an account' })
      await keysAt(globex, theirs, `${attacker.url}/jwks`)
      const token = await attacker.logoutToken({ iss: issuer.url, sid: 's-1' })
      expect(await deliverToken(token)).toMatchObject(taken)
      expect([await state(key), await state(own)]).toEqual(['linked', ended])
      // Nor does it use up what is sent to the others under the same id.
      const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
      expect(await send({ sid: 's-1', jti })).toMatchObject(taken)
      expect(await state(key)).toBe(ended)
    } finally {
      await keysAt(globex, theirs, `${issuer.url}/jwks`)
      await attacker.stop()
    }
  })

  test('A-06: a row whose keys cannot be had keeps nobody else from being served; alone it is 503', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    await keysAt(globex, theirs, `${issuer.url}/nowhere`)
    try {
      expect(await send({ sid: 's-1' })).toMatchObject(taken)
      expect(await state(key)).toBe(ended)
      const alone = await provider(globex, {}, 'alone')
      await keysAt(globex, alone, `${issuer.url}/nowhere`)
      expect(await send({ sid: 's-1', aud: 'alone' })).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    } finally {
      await keysAt(globex, theirs, `${issuer.url}/jwks`)
    }
  })

  test('N-33: the issuer’s other name is as good, for its own row', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    const alias = 'https://inside.example'
    expect(await send({ sid: 's-1', iss: alias })).toMatchObject(refused)
    const settings = `UPDATE provider SET settings = settings || jsonb_build_object('alias', $2::text) WHERE id = $1`
    await inTenant(acme.tenantId, settings, [ours.id, alias])
    try {
      expect(await send({ sid: 's-1', iss: alias })).toMatchObject(taken)
      expect(await state(key)).toBe(ended)
    } finally {
      await inTenant(acme.tenantId, `UPDATE provider SET settings = settings - 'alias' WHERE id = $1`, [ours.id])
    }
  })

  test('A-06: an algorithm that is not sound is refused, whatever the issuer announced', async () => {
    const key = await linked(acme, ours, { sid: 's-1' })
    expect(await send({ sid: 's-1', alg: 'RS512' })).toMatchObject(refused)
    expect(await state(key)).toBe('linked')
  })

  test('A-05 H-02: where one cannot be served for want of the database it is 503; the same token then serves the rest', async () => {
    const mine = await linked(acme, ours, { sid: 's-1' })
    const there = await linked(globex, theirs, { sid: 's-1' })
    await broker.owner.query(`CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '57P03'; END $$`)
    await broker.owner.query(`CREATE TRIGGER away BEFORE INSERT ON issuer_logout FOR EACH ROW
      WHEN (NEW.tenant_id = '${globex.tenantId}') EXECUTE FUNCTION away()`)
    const token = await issuer.logoutToken({ sid: 's-1' })
    try {
      expect(await deliverToken(token)).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
      expect([await state(mine), await state(there)]).toEqual([ended, 'linked'])
    } finally {
      await broker.owner.query('DROP TRIGGER away ON issuer_logout')
      await broker.owner.query('DROP FUNCTION away()')
    }
    expect(await deliverToken(token)).toMatchObject(taken)
    expect(await state(there)).toBe(ended)
  })

  test('A-05: an upstream behind a CA of its own is verified by that', async () => {
    const tls = selfSigned('localhost', { isAuthority: true })
    const secure = await startIssuer(clientId, () => broker.ctx.now().getTime(), { tls })
    try {
      const made = await provider(acme, {
        issuer: secure.url,
        certificates: tls.cert,
        api_bases: [{ name: 'A', url: `${secure.url}/a` }],
      })
      const key = await linked(acme, made, { sid: 's-1' }, {}, secure)
      expect(await send({ sid: 's-1' }, secure)).toMatchObject(taken)
      expect(await state(key)).toBe(ended)
    } finally {
      await secure.stop()
    }
  })

  test('A-06: a provider whose kind verifies no logout tokens refuses them', async () => {
    const stack = await broker.providerOf(acme)
    const token = await issuer.logoutToken({ iss: stack.issuer, aud: stack.clientId, sid: 's-1' })
    expect(await deliverToken(token)).toMatchObject(refused)
  })
})

test('A-05: the address to register is among the facts of a provider that publishes keys', async () => {
  const found = (await providerList(broker.ctx, acme)).find(({ id }) => id === ours.id)
  const fact = found?.facts.find(({ label }) => label === 'Signing out at the upstream')
  expect(fact?.lines).toMatchObject([{ text: 'http://localhost:3000/oauth/backchannel-logout', form: 'copy' }])
})
