// Strategy `proxy`: real sockets on both sides, the server's own edge in between, tokens of the demo's upstreams.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { changeMember } from '../../lib/broker/end.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { readToken, tokenPage } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import type { Rules } from '../../lib/providers/rules.ts'
import { isToken, newToken } from '../../lib/security/secrets.ts'
import { readTenant } from '../../lib/store/database.ts'
import { usesByDay } from '../../lib/store/proxy.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { startPassing } from '../support/passing.ts'
import { pointAt, startApi } from '../support/streaming.ts'

let broker: Broker
let owner: BrowserActor
let member: BrowserActor
let passing: Awaited<ReturnType<typeof startPassing>>
let api: Awaited<ReturnType<typeof startApi>>
/** Reaches {@link api}; the owner's, and the member's. */
let tickets: string
let stack: string
beforeAll(async () => {
  broker = await startBroker()
  api = await startApi()
  owner = await broker.actorOf('owner@acme.test')
  member = await broker.actorOf('member@acme.test')
  const linked = async (actor: BrowserActor, email: 'owner@acme.test' | 'member@acme.test', provider?: string) => {
    const result = await broker.link(actor, email, provider ? { provider } : {})
    if (result.kind !== 'linked') throw result.error
    return result.projectId
  }
  tickets = await linked(owner, 'owner@acme.test', 'Demo tickets')
  await linked(member, 'member@acme.test', 'Demo tickets')
  stack = await linked(owner, 'owner@acme.test')
  await pointAt(broker, owner, tickets, `${api.url}/api`)
  passing = await startPassing(broker.ctx)
})
afterAll(async () => {
  await passing.stop()
  await api.stop()
  await broker.stop()
})
beforeEach(async () => {
  broker.demo.faults.clear()
  api.seen.length = 0
  api.answerWith((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}'))
  })
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
})

type Wanted = { project?: string; lifetimeSeconds?: number; actor?: BrowserActor }
async function issue(scopes: Rules, { project = tickets, lifetimeSeconds = 3600, actor = owner }: Wanted = {}) {
  const issued = await issueToken(broker.ctx, actor, {
    project,
    scopes,
    strategy: 'proxy',
    lifetimeSeconds,
    purpose: 'a test',
  })
  return { id: issued.token.id, view: issued.token, token: issued.value.reveal(), base: issued.baseUrl }
}
const paths = (...patterns: string[]): Rules => ({ access: 'paths', paths: patterns })
const codeOf = async (answer: Promise<{ status: number; text: string }>) => {
  const { status, text } = await answer
  return status === 200 ? 200 : [status, (JSON.parse(text) as { code: string }).code]
}
const connectionId = async (actor: BrowserActor, project = tickets) => {
  const rows = await broker.owner.query<{ connection_id: string }>(
    'SELECT connection_id FROM connection_project WHERE user_id = $1 AND project_id = $2',
    [actor.userId, project],
  )
  return rows.rows[0]?.connection_id ?? ''
}
const eventsOf = async (token: string) => {
  type Event = { action: string; details: { minute?: string; requests?: number } }
  const { rows } = await broker.owner.query<{ body: Event }>(
    `SELECT body FROM audit_event WHERE body -> 'target' ->> 'id' = $1 ORDER BY id`,
    [token],
  )
  return rows.map(({ body }) => ({ action: body.action, ...body.details }))
}

describe('a proxy token', () => {
  it('is 256 random bits with a checksum, is stored as a hash, and says how it is used', async () => {
    const { token, base, view } = await issue({ access: 'read_only' })
    expect(token).toMatch(/^vk_px_[\w-]{49}$/)
    expect(isToken('px', token)).toBe(true)
    expect(isToken('px', `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`)).toBe(false)
    expect(base).toMatch(/^http:\/\/localhost:3000\/api\/v1\/tenants\/acme\/projects\/[a-z0-9-]+\/proxy$/)
    expect(view).toMatchObject({ strategy: 'proxy', state: 'live', granted: { access: 'read_only' }, exclusive: false })
    const { rows } = await broker.owner.query('SELECT * FROM issued_token WHERE id = $1', [view.id])
    expect(JSON.stringify(rows)).not.toContain(token)
    expect(rows[0]).toMatchObject({ handle: null, upstream_id: null, endless: false })
    expect(rows[0].secret_hash).toHaveLength(32)
    expect((await eventsOf(view.id)).map(({ action }) => action)).toEqual(['token.requested', 'token.issued'])
    expect(broker.logged.join('')).not.toContain(token)
  })

  it.each([
    ['no credential', {}],
    ['a token of another kind', { authorization: 'Bearer vk_at_something' }],
    ['a token that nobody has', { authorization: `Bearer ${newToken('px').reveal()}` }],
    ['a scheme that is not spoken', { authorization: `DPoP ${newToken('px').reveal()}` }],
    ['a cookie alone', { cookie: '__Host-valetkey.session=abc' }],
  ])('V-09: %s is 401, says how to authenticate, and reaches nobody', async (_name, headers) => {
    const { base } = await issue({ access: 'everything' })
    const answer = await passing.ask(base, '/tickets', { headers })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('Basic realm="valetkey"')
    expect(api.seen).toEqual([])
  })

  it('is taken as the password of Basic, for git and docker, whoever the user is said to be', async () => {
    const { token, base } = await issue({ access: 'everything' })
    const basic = Buffer.from(`x-access-token:${token}`).toString('base64')
    expect((await passing.ask(base, '/tickets', { headers: { authorization: `Basic ${basic}` } })).status).toBe(200)
  })

  it('is taken by the scheme `token`, in any case, as Bearer is: so do programs of GitHub send it', async () => {
    const { token, base } = await issue({ access: 'everything' })
    for (const scheme of ['token', 'Token', 'BEARER'])
      expect((await passing.ask(base, '/tickets', { headers: { authorization: `${scheme} ${token}` } })).status).toBe(
        200,
      )
    expect(api.seen.every(({ headers }) => /^Bearer (?!vk_)/.test(headers.authorization ?? ''))).toBe(true)
    for (const authorization of [
      `DPoP ${token}`,
      `token${token}`,
      `token token=${token}`,
      `tokens ${token}`,
      `x token ${token}`,
    ])
      expect((await passing.ask(base, '/tickets', { headers: { authorization } })).status).toBe(401)
  })

  it('V-09: two of them at once are none', async () => {
    const { token, base } = await issue({ access: 'everything' })
    const answer = await passing.ask(base, '/tickets', {
      headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] as never },
    })
    expect(answer.status).toBe(401)
  })

  it('Z-02: at another project or tenant there is nothing', async () => {
    const { token, base } = await issue({ access: 'everything' })
    expect(await codeOf(passing.ask(base.replace('/acme/', '/globex/'), '/tickets', { token }))).toEqual([
      404,
      'not_found',
    ])
    const { rows } = await broker.owner.query('SELECT alias FROM project WHERE id = $1', [stack])
    for (const other of [stack, rows[0].alias])
      expect(await codeOf(passing.ask(base.replace(/projects\/[^/]+/, `projects/${other}`), '/x', { token }))).toEqual([
        404,
        'not_found',
      ])
    expect(api.seen).toEqual([])
  })

  it('is found by the project’s id and by every alias that it had', async () => {
    const { token, base } = await issue({ access: 'everything' })
    expect((await passing.ask(base.replace(/projects\/[^/]+/, `projects/${tickets}`), '/t', { token })).status).toBe(
      200,
    )
  })

  it('S-04: the upstream’s token goes to the upstream alone, in place of ours', async () => {
    const { token, base } = await issue({ access: 'everything' })
    await passing.ask(base, '/tickets?a=b&c[]=d', {
      token,
      headers: { accept: 'text/x', 'x-unknown': '1', cookie: 'a=b' },
    })
    const [asked] = api.seen
    const { authorization, ...others } = asked?.headers ?? {}
    expect(asked).toMatchObject({ method: 'GET', url: '/api/tickets?a=b&c[]=d' })
    expect(authorization).toMatch(/^Bearer (?!vk_)/)
    expect(others).toEqual({ host: new URL(api.url).host, accept: 'text/x', connection: 'keep-alive' })
    expect(broker.logged.join('')).not.toContain(authorization?.slice(7))
  })
})

describe('rules', () => {
  it.each<[string, Rules, [string, string, boolean][]]>([
    [
      'read only',
      { access: 'read_only' },
      [
        ['GET', '/a/b', true],
        ['HEAD', '/a', true],
        ['POST', '/a', false],
        ['OPTIONS', '/a', false],
      ],
    ],
    [
      'everything',
      { access: 'everything' },
      [
        ['DELETE', '/a/b', true],
        ['PATCH', '/', true],
      ],
    ],
    [
      'a path',
      paths('GET /repos/*/issues'),
      [
        ['GET', '/repos/x/issues', true],
        ['HEAD', '/repos/x/issues', true],
        ['GET', '/repos/x/y/issues', false],
        ['GET', '/repos//issues', false],
        ['GET', '/repos/x/issues/', false],
        ['GET', '/repos/x/Issues', false],
        ['POST', '/repos/x/issues', false],
        ['GET', '/repos/%2e%2e/issues', false],
      ],
    ],
    [
      'a tree',
      paths('GET,PUT /files/**'),
      [
        ['PUT', '/files/a/b', true],
        ['GET', '/files', true],
        ['GET', '/files/', true],
        ['GET', '/filesystem', false],
        ['DELETE', '/files/a', false],
      ],
    ],
  ])('%s: what passes is what they say', async (_name, rules, asked) => {
    const { token, base } = await issue(rules)
    for (const [method, path, passes] of asked) {
      const { status } = await passing.ask(base, path, { token, method: method as 'GET' })
      expect([method, path, status < 300], path).toEqual([method, path, passes])
    }
    expect(api.seen.length).toBe(asked.filter(([, , passes]) => passes).length)
  })

  it('a refusal names the rule and the next step', async () => {
    const { token, base } = await issue(paths('GET /tickets'))
    const answer = await passing.ask(base, '/tickets', { token, method: 'DELETE' })
    expect(answer.json()).toMatchObject({
      code: 'rule_refused',
      status: 403,
      detail: 'DELETE /tickets is not among what it allows: GET /tickets.',
      next: expect.stringContaining('rules'),
    })
    expect(answer.headers['proxy-status']).toBe('valetkey; error=http_request_denied')
  })

  it.each([
    [{ access: 'paths', paths: [] }],
    [{ access: 'paths', paths: ['GET repos'] }],
    [{ access: 'paths', paths: ['FETCH /repos'] }],
    [{ access: 'paths', paths: ['GET /a/../b'] }],
    [{ access: 'paths', paths: ['GET /a/**/b'] }],
    [{ access: 'all' }],
    [{ access: 'read_only', paths: ['GET /x'] }],
    [{}],
  ])('%j is refused, with the field', async (rules) => {
    await expect(issue(rules as Rules)).rejects.toMatchObject({
      code: 'bad_request',
      fields: expect.objectContaining({}),
    })
  })

  it('read only is not to be had where methods carry no meaning', async () => {
    const set = (value: string) =>
      broker.owner.query(
        `UPDATE provider SET settings = jsonb_set(settings, '{methodsCarryMeaning}', $1) WHERE kind = 'oauth'`,
        [value],
      )
    await set('false')
    try {
      await expect(issue({ access: 'read_only' })).rejects.toMatchObject({
        fields: { 'scopes.access': expect.stringContaining('read_only') },
      })
      await issue(paths('POST /graphql'))
    } finally {
      await set('true')
    }
  })

  it('no rule lets pass what would outlive the token: a stack’s tokens are not made through us', async () => {
    const { token, base } = await issue({ access: 'everything' }, { project: stack })
    expect((await passing.ask(base, '/v2/storage/buckets', { token })).status).toBe(200)
    for (const [method, path] of [
      ['POST', '/v2/storage/tokens'],
      ['POST', '/v2/storage/tokens/1/refresh'],
      ['GET', '/oauth/token'],
    ] as const)
      expect(await codeOf(passing.ask(base, path, { token, method }))).toEqual([403, 'rule_refused'])
  })

  describe('against policy', () => {
    const limit = (rights: unknown, strategies: string[] | null = null) =>
      broker.owner.query(
        `INSERT INTO policy (tenant_id, level, target_id, rights, strategies) VALUES ($1, 'project', $2, $3, $4)
         ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET rights = $3, strategies = $4`,
        [owner.tenantId, tickets, JSON.stringify(rights), strategies],
      )
    afterAll(() => broker.owner.query(`DELETE FROM policy WHERE level = 'project'`))

    it.each<[string, unknown, Rules, boolean]>([
      ['within', { proxy: paths('* /tickets/**') }, paths('GET /tickets/*'), true],
      ['beyond its path', { proxy: paths('* /tickets/**') }, paths('GET /people'), false],
      ['beyond its methods', { proxy: { access: 'read_only' } }, paths('POST /tickets'), false],
      ['reading within reading', { proxy: { access: 'read_only' } }, { access: 'read_only' }, true],
      ['methods that two limits share', { proxy: paths('GET /a/*', 'POST /a/*') }, paths('GET,POST /a/b'), true],
      ['a wildcard within a literal', { proxy: paths('GET /a/b') }, paths('GET /a/*'), false],
      ['a limit that says nothing of the proxy', { scopes: ['tickets:read'] }, { access: 'read_only' }, false],
    ])('%s', async (_name, rights, asked, isAllowed) => {
      await limit(rights)
      const issued = issue(asked)
      if (isAllowed) await issued
      else
        await expect(issued).rejects.toMatchObject({
          code: 'over_policy',
          detail: expect.stringContaining('by the project'),
        })
    })

    it('a strategy that is not allowed is refused', async () => {
      await limit({ proxy: { access: 'everything' } }, ['narrow'])
      await expect(issue({ access: 'read_only' })).rejects.toMatchObject({ code: 'over_policy' })
    })
  })
})

describe('A-03: what ends a token ends the next request', () => {
  const works = async (made: { token: string; base: string }) => codeOf(passing.ask(made.base, '/tickets', made))

  it('its revocation, in three truths', async () => {
    const made = await issue({ access: 'everything' })
    expect(await works(made)).toBe(200)
    const [result] = await revoke(broker.ctx, owner, { tokens: [made.id], connections: [] })
    expect(result).toMatchObject({ upstream: 'none', latestMoment: null, already: false, over: false })
    expect(await works(made)).toEqual([401, 'token_ended'])
    const view = await readToken(broker.ctx, owner, made.id)
    expect(view).toMatchObject({ state: 'revoked', revocation: { upstream: 'none', latestMoment: null } })
    expect((await revoke(broker.ctx, owner, { tokens: [made.id], connections: [] }))[0]).toMatchObject({
      already: true,
    })
    const { rows } = await broker.owner.query('SELECT * FROM upstream_revocation WHERE token_id = $1', [made.id])
    expect(rows).toEqual([])
  })

  it('its end', async () => {
    const made = await issue({ access: 'everything' }, { lifetimeSeconds: 60 })
    await broker.advance(61)
    expect(await works(made)).toEqual([401, 'token_ended'])
  })

  it.each(['connection', 'project', 'provider', 'member'] as const)(
    'a freeze of its %s, until it is lifted',
    async (kind) => {
      const made = await issue({ access: 'everything' }, { actor: member })
      const { rows } = await broker.owner.query('SELECT * FROM issued_token WHERE id = $1', [made.id])
      const ids = {
        connection: rows[0].connection_id,
        project: tickets,
        provider: rows[0].provider_id,
        member: member.userId,
      }
      const target = { kind, id: ids[kind] }
      await freeze(broker.ctx, owner, { ...target, reason: 'a test', until: undefined } as never)
      expect(await works(made)).toEqual([409, 'frozen'])
      const seen = async () => {
        const { items } = await tokenPage(broker.ctx, member, {})
        return [await readToken(broker.ctx, member, made.id), items.find(({ id }) => id === made.id)]
      }
      // Shown over its state, as long as it lives; by whom only to those who oversee the tenant.
      const frozen = { kind, reason: 'a test', by: null }
      expect(await seen()).toMatchObject([
        { state: 'live', frozen },
        { state: 'live', frozen },
      ])
      await liftFreeze(broker.ctx, owner, target)
      expect(await works(made)).toBe(200)
      expect(await seen()).toMatchObject([{ frozen: null }, { frozen: null }])
    },
  )

  it('the end of its connection', async () => {
    const made = await issue({ access: 'everything' }, { actor: member })
    await revoke(broker.ctx, member, { tokens: [], connections: [await connectionId(member)] })
    expect(await works(made)).toEqual([401, 'token_ended'])
    expect(await readToken(broker.ctx, member, made.id)).toMatchObject({ state: 'revoked' })
    const again = await broker.link(member, 'member@acme.test', { provider: 'Demo tickets' })
    if (again.kind !== 'linked') throw again.error
    expect(await works(made)).toEqual([401, 'token_ended'])
  })

  it('the suspension of its owner', async () => {
    const made = await issue({ access: 'everything' }, { actor: member })
    await changeMember(broker.ctx, owner, { userId: member.userId, status: 'suspended' } as never)
    expect((await passing.ask(made.base, '/tickets', made)).status).toBeGreaterThanOrEqual(400)
    await changeMember(broker.ctx, owner, { userId: member.userId, status: 'active' } as never)
  })

  it('a revocation while it is issued', async () => {
    await broker.owner.query('BEGIN')
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, true)`, [owner.tenantId])
    await broker.owner.query('UPDATE connection SET generation = generation + 1 WHERE id = $1', [
      await connectionId(owner),
    ])
    // Asked at once: it may be refused before our COMMIT is answered.
    const refused = expect(issue({ access: 'everything' })).rejects.toMatchObject({ code: 'revoked_meanwhile' })
    const waits = async (): Promise<void> => {
      const { rows } = await broker.ctx.pool.query(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      )
      if (rows.length === 0) return waits()
    }
    await waits()
    await broker.owner.query('COMMIT')
    await refused
  })
})

describe('the connection behind it', () => {
  const route = 'POST /tickets/token'
  const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' }).length
  const refusing = (times: number) => {
    let left = times
    api.answerWith((request, response) => {
      const isRefused = left-- > 0
      request.resume().on('end', () => response.writeHead(isRefused ? 401 : 200).end(isRefused ? 'no' : 'yes'))
    })
  }
  beforeEach(() => broker.advance(120))

  it('an access token that is over is renewed once, however many requests need it', async () => {
    const { token, base } = await issue({ access: 'everything' })
    await broker.advance(3700)
    const fresh = await issue({ access: 'everything' })
    const before = refreshes()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => passing.ask(base, '/tickets', { token: fresh.token })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(refreshes() - before).toBe(1)
    expect(await codeOf(passing.ask(base, '/tickets', { token }))).toEqual([401, 'token_ended'])
  })

  it('a 401 leads to one renewal, and a GET is sent again', async () => {
    const { token, base } = await issue({ access: 'everything' })
    refusing(1)
    const before = refreshes()
    const answer = await passing.ask(base, '/tickets', { token })
    expect([answer.status, answer.text]).toEqual([200, 'yes'])
    expect(refreshes() - before).toBe(1)
    expect(new Set(api.seen.map(({ headers }) => headers.authorization)).size).toBe(2)
  })

  it('a 401 with a token that was just renewed is the upstream’s word, and passed on', async () => {
    const { token, base } = await issue({ access: 'everything' })
    refusing(10)
    const before = refreshes()
    const answer = await passing.ask(base, '/tickets', { token })
    expect([answer.status, answer.text, answer.headers['proxy-status']]).toEqual([
      401,
      'no',
      'valetkey; received-status=401',
    ])
    expect(answer.headers['www-authenticate']).toBe(undefined)
    expect((await passing.ask(base, '/tickets', { token })).status).toBe(401)
    expect(refreshes() - before).toBe(1)
    expect(api.seen.length).toBe(3)
  })

  it('what has a body is not sent again: its 401 is passed on, and the next request has a new token', async () => {
    const { token, base } = await issue({ access: 'everything' })
    refusing(1)
    const before = refreshes()
    expect((await passing.ask(base, '/tickets', { token, method: 'POST', body: '{"a":1}' })).status).toBe(401)
    expect(api.seen.length).toBe(1)
    const answer = await passing.ask(base, '/tickets', { token, method: 'POST', body: '{"a":1}' })
    expect(answer.status).toBe(200)
    expect(refreshes() - before).toBe(1)
  })

  it('H-04: an upstream that is away is 503 with Retry-After, and costs the connection nothing', async () => {
    const { token, base } = await issue({ access: 'everything' })
    api.answerWith((request) => request.socket.destroy())
    const answer = await passing.ask(base, '/tickets', { token, method: 'POST', body: 'x' })
    expect([answer.status, answer.json().code, answer.headers['retry-after']]).toEqual([
      503,
      'upstream_unavailable',
      '5',
    ])
  })

  it('a connection that needs a person says so', async () => {
    const { token, base } = await issue({ access: 'everything' })
    const id = await connectionId(owner)
    await broker.owner.query(`UPDATE connection SET status = 'needs_relink', cause = 'refused' WHERE id = $1`, [id])
    expect(await codeOf(passing.ask(base, '/tickets', { token }))).toEqual([409, 'needs_relink'])
    await broker.owner.query(`UPDATE connection SET status = 'linked', cause = NULL WHERE id = $1`, [id])
  })
})

describe('what is seen of it', () => {
  it('G-01: one event for the first use before anything is sent, then one a minute with counts', async () => {
    const { id, token, base } = await issue(paths('GET /tickets', 'POST /tickets'))
    await Promise.all([1, 2, 3].map(() => passing.ask(base, '/tickets', { token })))
    await passing.ask(base, '/tickets', { token, method: 'POST', body: 'twelve bytes' })
    await passing.ask(base, '/people', { token })
    expect((await eventsOf(id)).filter(({ action }) => action === 'token.used')).toEqual([
      { action: 'token.used', project: tickets, first: true },
    ])
    await passing.proxy.tell()
    await broker.advance(180)
    await tick(broker.ctx)
    await tick(broker.ctx)
    expect((await eventsOf(id)).filter(({ action }) => action === 'token.used').slice(1)).toEqual([
      {
        action: 'token.used',
        project: tickets,
        minute: expect.any(String),
        requests: 4,
        refused: 1,
        bytes_sent: 12,
        bytes_received: 4 * '{"ok":true}'.length,
      },
    ])
    const days = await readTenant(broker.ctx, owner.tenantId, (tx) =>
      usesByDay(tx, owner.tenantId, { tokenId: id }, new Date(0)),
    )
    expect(days).toEqual([{ day: expect.any(String), requests: 4, refused: 1, bytesSent: 12, bytesReceived: 44 }])
    expect((await readToken(broker.ctx, owner, id)).lastUsedAt).toBeInstanceOf(Date)
  })

  it('what two processes counted is one event, and what the database did not take is told later', async () => {
    const other = await broker.makeContext()
    const beside = await startPassing(other)
    const { id, token, base } = await issue({ access: 'everything' })
    await passing.ask(base, '/a', { token })
    await beside.ask(base, '/a', { token })
    const { query } = broker.ctx.pool
    broker.ctx.pool.query = (() => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }))) as never
    await passing.proxy.tell()
    broker.ctx.pool.query = query
    await passing.proxy.tell()
    await beside.proxy.tell()
    await broker.advance(180)
    await tick(broker.ctx)
    const told = (await eventsOf(id)).filter(({ action, minute }) => action === 'token.used' && minute)
    expect(told.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(2)
    await beside.stop()
    await other.close()
  })

  it('where the first use cannot be recorded nothing is sent', async () => {
    const { token, base } = await issue({ access: 'everything' })
    await broker.owner.query('REVOKE INSERT ON audit_event FROM valetkey_app')
    try {
      expect((await passing.ask(base, '/a', { token })).status).toBe(500)
      expect(api.seen).toEqual([])
    } finally {
      await broker.owner.query('GRANT INSERT (tenant_id, id, at, body) ON audit_event TO valetkey_app')
    }
    expect((await passing.ask(base, '/a', { token })).status).toBe(200)
  })
})

/** Lets statements fail as they do without a database. */
function failing(which: (text: string) => boolean): () => void {
  const { pool } = broker.ctx
  const { query } = pool
  pool.query = ((...given: unknown[]) => {
    const [statement] = given as [{ text?: string } | string]
    const text = typeof statement === 'string' ? statement : (statement.text ?? '')
    if (which(text)) return Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }))
    return Reflect.apply(query, pool, given)
  }) as never
  return () => {
    pool.query = query
  }
}

describe('limits', () => {
  const limits = (token: number, open = 100) => ({
    token: { perMinute: token, open },
    person: { perMinute: 10_000, open: 1000 },
    tenant: { perMinute: 10_000, open: 1000 },
  })

  it('B-03: of a token exactly the limit passes over two processes, never more, and others pass', async () => {
    const other = await broker.makeContext()
    const [one, two] = [
      await startPassing(broker.ctx, { limits: limits(50) }),
      await startPassing(other, { limits: limits(50) }),
    ]
    const { token, base } = await issue({ access: 'everything' })
    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, index) => (index % 2 ? one : two).ask(base, '/a', { token })),
    )
    const passed = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ status }) => status === 429)
    expect([passed.length, refused.length]).toEqual([50, 30])
    expect(api.seen.length).toBe(50)
    expect(refused[0]?.json()).toMatchObject({ code: 'rate_limited', detail: expect.stringContaining('this token') })
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0)
    const beside = await issue({ access: 'everything' })
    expect((await one.ask(base, '/a', { token: beside.token })).status).toBe(200)
    await one.stop()
    await two.stop()
    await other.close()
  })

  it('B-04: who is over a limit is refused without a word to the database', async () => {
    const one = await startPassing(broker.ctx, { limits: limits(1) })
    const { token, base } = await issue({ access: 'everything' })
    expect((await one.ask(base, '/a', { token })).status).toBe(200)
    expect((await one.ask(base, '/a', { token })).status).toBe(429)
    const { query } = broker.ctx.pool
    let asked = 0
    broker.ctx.pool.query = ((...given: Parameters<typeof query>) => {
      asked += 1
      return Reflect.apply(query, broker.ctx.pool, given)
    }) as never
    expect((await one.ask(base, '/a', { token })).status).toBe(429)
    broker.ctx.pool.query = query
    expect(asked).toBe(0)
    await one.stop()
  })

  it('B-04: who is over a limit waits a second for the answer, so that a flood of retries is slow', async () => {
    const pauses: { milliseconds: number; signal: AbortSignal; end: () => void }[] = []
    const one = await startPassing(broker.ctx, {
      limits: limits(1),
      pause: (milliseconds, signal) => new Promise<void>((end) => pauses.push({ milliseconds, signal, end })),
    })
    const { token, base } = await issue({ access: 'everything' })
    expect((await one.ask(base, '/a', { token })).status).toBe(200)
    let answered = false
    const refused = one.ask(base, '/a', { token }).finally(() => {
      answered = true
    })
    await vi.waitFor(() => expect(pauses).toMatchObject([{ milliseconds: 1000 }]))
    expect(answered).toBe(false)
    pauses[0]?.end()
    expect((await refused).status).toBe(429)

    const leaving = new AbortController()
    const left = one.ask(base, '/a', { token, signal: leaving.signal }).catch(() => 'left')
    await vi.waitFor(() => expect(pauses).toHaveLength(2))
    leaving.abort()
    expect(await left).toBe('left')
    await vi.waitFor(() => expect(pauses[1]?.signal.aborted).toBe(true))
    pauses[1]?.end()
    await one.stop()
  })

  it('H-04: without the database nothing passes', async () => {
    const { token, base } = await issue({ access: 'everything' })
    await passing.ask(base, '/a', { token })
    const restore = failing(() => true)
    expect(await codeOf(passing.ask(base, '/a', { token }))).toEqual([503, 'unavailable'])
    restore()
    expect((await passing.ask(base, '/a', { token })).status).toBe(200)
  })

  it('B-05: what cannot be counted is not let through', async () => {
    const { token, base } = await issue({ access: 'everything' })
    const restore = failing((text) => text.includes('rate_limit'))
    expect(await codeOf(passing.ask(base, '/a', { token }))).toEqual([503, 'unavailable'])
    expect(api.seen).toEqual([])
    restore()
    expect((await passing.ask(base, '/a', { token })).status).toBe(200)
  })

  it('B-04: only so many are open at a time with one token; who waits is told to come back', async () => {
    const one = await startPassing(broker.ctx, { limits: limits(1000, 2) })
    const { token, base } = await issue({ access: 'everything' })
    api.answerWith(undefined)
    const running = [one.ask(base, '/a', { token }), one.ask(base, '/b', { token })]
    const held = [await api.next(), await api.next()]
    expect(await codeOf(one.ask(base, '/c', { token }))).toEqual([429, 'rate_limited'])
    for (const { response } of held) response.end()
    await Promise.all(running)
    const last = one.ask(base, '/d', { token })
    ;(await api.next()).response.end()
    expect((await last).status).toBe(200)
    await one.stop()
  })
})
