// A connection that needs its person, and a refresh token that nobody has refused: it is tried before anybody is asked.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askForLink, readLinkRequest, startAsked } from '../../lib/broker/link/ask.ts'
import { readAttempt } from '../../lib/broker/link/attempt.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { freshTokens, renew } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { turnAway } from '../../lib/broker/turn-away.ts'
import { claimRefresh } from '../../lib/store/connections.ts'
import { type Broker, type BrowserActor, origin, startBroker } from '../support/broker.ts'
import { beginAndDie, type Key, rowOf, setFrozen } from '../support/connection.ts'
import {
  type Behind,
  type GatewayProcess,
  json,
  linkedMcp,
  mcpToken,
  result,
  startBehind,
  startGateway,
} from '../support/mcp-gateway.ts'

let broker: Broker
let actor: BrowserActor
let behind: Behind
let gate: GatewayProcess
let linked: Awaited<ReturnType<typeof linkedMcp>>
let key: Key
let token: string
/** What the project is called at the authorization server. */
let tickets: string
/** Whether the server takes tokens. */
let isWilling = true
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
  behind = await startBehind((_request, response, got) =>
    isWilling
      ? json(response, result(got, { content: [{ type: 'text', text: 'done' }] }))
      : response.writeHead(401).end(),
  )
  await broker.link(actor, 'owner@acme.test', { provider: 'Demo tickets' })
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  const { rows } = await broker.owner.query(`SELECT external_id FROM project WHERE name ILIKE '%tickets%'`)
  tickets = rows[0].external_id
  await linkedAgain()
  gate = await startGateway(broker.ctx)
}, 60_000)
afterAll(async () => {
  await gate.stop()
  await behind.stop()
  await broker.stop()
})
beforeEach(async () => {
  isWilling = true
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await broker.owner.query(`DELETE FROM link_request; DELETE FROM upstream_pace`)
})

const refreshes = () => broker.demo.ledger.find('POST /tickets/token', { grant_type: 'refresh_token' }).length
const stateOf = async () => {
  const { status, cause } = await rowOf(broker, key)
  return [status, cause]
}
const call = () =>
  gate
    .modern(linked.alias, 'tools/call', { name: 'close', arguments: {} }, { token })
    .then(({ messages }) => messages[0])
const fresh = () => freshTokens(broker.ctx, key)
const asking = { error: { data: { cause: 'reconnect' } } }
const done = { result: { content: [{ text: 'done' }] } }

/** Linked as it was at first, whatever happened to it; and long enough ago that a 401 is no word on the token. */
async function linkedAgain(): Promise<void> {
  await broker.owner.query(
    `UPDATE provider SET kind = 'oauth', settings = settings->'authorization'->'oauth' WHERE name = 'Demo tickets' AND kind = 'mcp'`,
  )
  await broker.owner.query(`UPDATE project SET external_id = $1 WHERE external_id = $2`, [tickets, behind.url])
  linked = await linkedMcp(broker, actor, 'owner@acme.test', behind.url)
  key = { tenantId: actor.tenantId, connectionId: linked.connection }
  token = (await mcpToken(broker, actor, linked.project, { all_tools: true })).token
  await broker.owner.query(`UPDATE issued_token SET expires_at = vk_now() + interval '7 days' WHERE generation = 0`)
  await broker.advance(60)
}

/** The server refuses a renewed token: what a person would have to help with. */
async function turnedAway(): Promise<void> {
  await linkedAgain()
  isWilling = false
  expect(await call()).toMatchObject(asking)
  expect(await stateOf()).toEqual(['needs_relink', 'turned_away'])
  isWilling = true
}
const minutes = (count: number) => broker.advance(count * 60)

describe('R-10: through the gateway', () => {
  it('R-10: a server that refused a token is called again with a new one, and nobody is asked', async () => {
    await turnedAway()
    const before = refreshes()
    expect(await call()).toMatchObject(asking)
    expect(refreshes() - before, 'it was renewed a moment ago').toBe(0)
    await minutes(5)
    expect(await call()).toMatchObject(done)
    expect(refreshes() - before).toBe(1)
    expect(await stateOf()).toEqual(['linked', null])
  })

  it('R-10 R-27: a server that goes on refusing costs one refresh a try, and tries come twice as late each time', async () => {
    await turnedAway()
    isWilling = false
    const counts: number[] = []
    for (let minute = 0; minute < 75; minute += 5) {
      await minutes(5)
      const before = refreshes()
      for (let times = 0; times < 3; times += 1) expect(await call()).toMatchObject(asking)
      counts.push(refreshes() - before)
    }
    expect(counts).toEqual([1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    expect(await stateOf()).toEqual(['needs_relink', 'turned_away'])
  })

  it('R-10: twenty calls at once, in two processes, send one refresh', async () => {
    await turnedAway()
    await minutes(5)
    const before = refreshes()
    const process = await broker.makeContext()
    const other = await startGateway(process)
    const near = Array.from({ length: 10 }, call)
    const far = Array.from({ length: 10 }, () =>
      other
        .modern(linked.alias, 'tools/call', { name: 'close', arguments: {} }, { token })
        .then((one) => one.messages[0]),
    )
    const answers = await Promise.all([...near, ...far])
    expect(answers.every((one) => one?.result !== undefined)).toBe(true)
    expect(refreshes() - before).toBe(1)
    await other.stop()
    await process.close()
  })
})

describe('R-10: which connections', () => {
  it.each(['refused', 'expired', 'lost_in_rotation', 'signed_out', 'another_account', 'shredded'])(
    'R-10: what is dead because of "%s" is never tried, whatever it still holds',
    async (cause) => {
      await linkedAgain()
      await broker.owner.query(`UPDATE connection SET status = 'needs_relink', cause = $2 WHERE id = $1`, [
        key.connectionId,
        cause,
      ])
      await minutes(24 * 60)
      const before = refreshes()
      await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
      expect(refreshes() - before).toBe(0)
      expect(await stateOf()).toEqual(['needs_relink', cause])
    },
  )

  it('R-10: what could not be read is tried when its key is back, though its old token lives', async () => {
    await linkedAgain()
    await broker.owner.query(
      `UPDATE connection SET status = 'needs_relink', cause = 'unreadable', status_since = vk_now() WHERE id = $1`,
      [key.connectionId],
    )
    await minutes(5)
    const before = refreshes()
    expect((await fresh()).degraded).toBe(false)
    expect(refreshes() - before).toBe(1)
    expect(await stateOf()).toEqual(['linked', null])
  })

  it('R-10: a token that is refused now is never sent again', async () => {
    await turnedAway()
    await minutes(5)
    broker.demo.faults.push('POST /tickets/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    const before = refreshes()
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await stateOf()).toEqual(['needs_relink', 'refused'])
    await minutes(24 * 60)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes() - before).toBe(1)
  })

  it('R-10: frozen, none is made; revoked meanwhile, the revocation wins', async () => {
    await turnedAway()
    await minutes(5)
    const before = refreshes()
    await setFrozen(broker.ctx, actor, { connectionId: key.connectionId, frozen: true })
    await expect(fresh()).rejects.toMatchObject({ code: 'frozen' })
    expect(refreshes() - before).toBe(0)
    await setFrozen(broker.ctx, actor, { connectionId: key.connectionId, frozen: false })
    broker.demo.faults.push('POST /tickets/token', { hold: { barrier: 'revoked', at: 'after' } })
    const running = fresh()
    await broker.demo.faults.barrier('revoked').arrived()
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    broker.demo.faults.barrier('revoked').release()
    await expect(running).rejects.toMatchObject({ code: 'not_linked' })
    expect((await stateOf())[0]).toBe('revoked')
  })

  it('R-10: the background makes none', async () => {
    await turnedAway()
    await minutes(24 * 60)
    const before = refreshes()
    await expect(renew(broker.ctx, key, 'due')).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes() - before).toBe(0)
  })
})

describe('R-10 RR-05: killed', () => {
  it('RR-05: before anything was sent, the next caller takes it up, and so does the schedule', async () => {
    await turnedAway()
    await minutes(5)
    expect(await claimRefresh(broker.ctx, key, { leaseSeconds: 15 })).toMatchObject({
      outcome: 'claimed',
      doubt: false,
    })
    expect(await stateOf()).toEqual(['degraded', 'turned_away'])
    const { refreshDueAt } = await rowOf(broker, key)
    expect(refreshDueAt).not.toBeNull()
    await broker.advance(16)
    expect((await fresh()).degraded).toBe(false)
    expect(await stateOf()).toEqual(['linked', null])
  })

  it('RR-05: after it was sent, it is one recovery try and no more', async () => {
    await turnedAway()
    await minutes(5)
    await beginAndDie(broker.ctx, key)
    await broker.advance(16)
    const before = refreshes()
    broker.demo.faults.push('POST /tickets/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await stateOf()).toEqual(['needs_relink', 'lost_in_rotation'])
    await minutes(24 * 60)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes() - before).toBe(1)
  })

  it('RR-08: a connection is not turned away while its next token is on its way, which finds its row', async () => {
    await linkedAgain()
    const { tokenVersion: version } = await rowOf(broker, key)
    broker.demo.faults.push('POST /tickets/token', { hold: { barrier: 'rotating', at: 'after' } })
    const running = freshTokens(broker.ctx, { ...key, staleVersion: version })
    await broker.demo.faults.barrier('rotating').arrived()
    const refused = { ...key, projectId: linked.project, userId: actor.userId, version }
    expect(await turnAway(broker.ctx, refused)).toBe(false)
    broker.demo.faults.barrier('rotating').release()
    expect((await running).version).toBe(version + 1)
    // Nor for the one before, once it is there.
    expect(await turnAway(broker.ctx, refused)).toBe(false)
    expect(await stateOf()).toEqual(['linked', null])
  })
})

describe('R-10 R-11: a person who presses Reconnect', () => {
  const start = (more: { scopes?: string[]; popup?: boolean } = {}) =>
    startLink(broker.ctx, actor, {
      providerId: linked.provider,
      connectionId: key.connectionId,
      browser: actor.browser,
      ...more,
    })

  it('R-10: is sent nowhere where a silent refresh does it, and is told so', async () => {
    await turnedAway()
    await minutes(5)
    const started = await start({ popup: true })
    expect(started).toMatchObject({ isDone: true, url: `${origin}/connect/${started.attemptId}?popup=1` })
    expect(await stateOf()).toEqual(['linked', null])
    const { rows } = await broker.owner.query(`SELECT status, secrets FROM attempt WHERE id = $1`, [started.attemptId])
    expect(rows).toEqual([{ status: 'done', secrets: null }])
    expect(await readAttempt(broker.ctx, actor, started.attemptId)).toMatchObject({
      status: 'done',
      purpose: 'relink',
      projectId: linked.project,
    })
    const told = await broker.owner.query(
      `SELECT body->'details' AS details FROM audit_event WHERE body->>'action' = 'connection.worked_again' AND body->'details'->>'attempt' = $1`,
      [started.attemptId],
    )
    expect(told.rows).toEqual([{ details: { attempt: started.attemptId } }])
  })

  it('R-10: is asked at the upstream where that was tried a moment ago, where more scopes are wanted, and where it works', async () => {
    await turnedAway()
    expect(await start(), 'too early').toMatchObject({ isDone: false })
    await minutes(5)
    const before = refreshes()
    expect(await start({ scopes: ['tickets:delete'] }), 'a refresh brings no new scopes').toMatchObject({
      isDone: false,
    })
    expect(refreshes() - before).toBe(0)
    await fresh()
    expect(await start(), 'they want another approval').toMatchObject({ isDone: false })
  })

  it('R-10: is asked at the upstream where the refresh fails, whyever', async () => {
    await turnedAway()
    await minutes(5)
    broker.demo.faults.push(
      'POST /tickets/token',
      ...Array.from({ length: 3 }, () => ({ status: 503, body: { kind: 'empty' as const } })),
    )
    const started = await start()
    expect(started.isDone).toBe(false)
    expect(new URL(started.url).pathname).toBe('/tickets/authorize')
  })

  it('N-15 R-10: what a program asked for is completed by it, and the page of the request says so', async () => {
    await turnedAway()
    await minutes(5)
    const { id } = await askForLink(broker.ctx, {
      tenantId: actor.tenantId,
      slug: actor.slug,
      userId: actor.userId,
      providerId: linked.provider,
      projectId: linked.project,
      connectionId: key.connectionId,
      cause: 'reconnect',
    })
    const asked = { requestId: id, browser: actor.browser }
    expect(await startAsked(broker.ctx, actor, asked)).toMatchObject({ isDone: true, url: `${origin}/connect/${id}` })
    expect(await readLinkRequest(broker.ctx, actor, id)).toMatchObject({ status: 'completed' })
    await expect(startAsked(broker.ctx, actor, asked)).rejects.toMatchObject({ code: 'attempt_used' })
  })

  it('LK-01: nobody else’s connection is tried', async () => {
    await turnedAway()
    await minutes(5)
    const member = await broker.actorOf('member@acme.test')
    const before = refreshes()
    const input = { providerId: linked.provider, connectionId: key.connectionId, browser: member.browser }
    await expect(startLink(broker.ctx, member, input)).rejects.toMatchObject({ code: 'not_found' })
    expect(refreshes() - before).toBe(0)
  })
})
