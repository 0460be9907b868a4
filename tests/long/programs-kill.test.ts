// App processes killed with SIGKILL while they answer a program at the token endpoint: before what it brings is consumed, and
// between that and the answer. `npm run torture` does it at length.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import { familyOf, hash } from '../../lib/security/secrets.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { bundleProcesses, type Processes, type Worker } from '../support/processes.ts'
import { approveCode, approveDevice, deviceLogin, pkce, post, type Tokens } from '../support/programs.ts'
import type { Exchange } from '../support/worker.ts'

const repetitions = Number(process.env.TORTURE_REPETITIONS ?? 1)
const scopes: Scope[] = ['tenant:read']

let app: TestApp
let processes: Processes
let survivor: Worker
let user: string
beforeAll(async () => {
  processes = await bundleProcesses()
  app = await startTestApp()
  const jar = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
  survivor = await processes.start(app.ctx.config)
})
// At length it begins more logins than an address may.
beforeEach(() => app.forgetLimits())
afterAll(async () => {
  await processes?.stop()
  await app?.stop()
})

const exchange = (worker: Worker, given: Exchange) => worker.ask({ kind: 'exchange', exchange: given })

/** Sends this to a process that is killed at the point. */
async function dieAt(point: 'consuming' | 'consumed', given: Exchange): Promise<void> {
  const dying = await processes.start(app.ctx.config)
  await dying.ask({ kind: 'hold', point })
  const asked = exchange(dying, given).catch(() => undefined)
  await dying.reached()
  await dying.kill()
  await asked
}

/** Living grants that came of a request, or of a family. */
const grantsOfCode = (code: string) =>
  app.rows(
    'acme',
    `SELECT g.id, g.ended_at FROM authorization_request a JOIN oauth_grant g ON g.id = a.grant_id WHERE a.secret_hash = $1`,
    [Buffer.from(hash(code))],
  )
const grantOfFamily = async (token: string) =>
  (await app.rows('acme', 'SELECT * FROM oauth_grant WHERE family_hash = $1', [Buffer.from(familyOf(token))]))[0]
const works = async ({ access_token }: Tokens) => {
  const headers = { authorization: `Bearer ${access_token}` }
  return (await app.send(new Map(), new Request(`${origin}/api/v1/me`, { headers }))).status === 200
}

async function waitingDevice(): Promise<Exchange & { code: string }> {
  const { body } = await post<{ device_code: string }>(app, '/oauth/device_authorization', { client_id: 'valetkey' })
  await approveDevice(app, 'acme', body.device_code, { user, scopes })
  return { with: 'device_code', code: body.device_code }
}

async function waitingCode(): Promise<Exchange & { code: string }> {
  const { verifier, challenge } = pkce()
  const redirectUri = 'http://127.0.0.1:49152/callback'
  const query = new URLSearchParams({
    client_id: 'valetkey',
    response_type: 'code',
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  const { headers } = await app.send(new Map(), new Request(`${origin}/oauth/authorize?${query}`))
  const request = /(aut_\w+)$/.exec(headers.get('location') ?? '')?.[1] ?? ''
  const code = await approveCode(app, 'acme', request, { user, scopes })
  return { with: 'authorization_code', code, redirectUri, verifier }
}

const times = Array.from({ length: repetitions }, (_, index) => index + 1)

describe('a process that is killed at the token endpoint', () => {
  it.each(times)('D-05: before a device code is consumed: the next poll gets its tokens, once (%i)', async () => {
    const waiting = await waitingDevice()
    await dieAt('consuming', waiting)
    const tokens = (await exchange(survivor, waiting)) as Tokens
    expect(await works(tokens)).toBe(true)
    expect(await exchange(survivor, waiting)).toEqual({ error: 'invalid_grant' })
    expect(await grantsOfCode(waiting.code)).toMatchObject([{ ended_at: null }])
  })

  it.each(times)(
    'D-05: after it is consumed: the next poll gets the tokens that were lost, of one grant (%i)',
    async () => {
      const waiting = await waitingDevice()
      await dieAt('consumed', waiting)
      expect(await exchange(survivor, waiting)).toEqual({ error: 'invalid_grant' })
      await app.advance(5)
      const tokens = (await exchange(survivor, waiting)) as Tokens
      expect(await works(tokens)).toBe(true)
      expect(await grantsOfCode(waiting.code)).toMatchObject([{ ended_at: null }])
      const next = (await exchange(survivor, { with: 'refresh_token', token: tokens.refresh_token })) as Tokens
      expect(await works(next)).toBe(true)
      expect(await exchange(survivor, waiting)).toEqual({ error: 'invalid_grant' })
    },
  )

  it.each(times)('T-07: before a code is consumed: it is still good, once (%i)', async () => {
    const waiting = await waitingCode()
    await dieAt('consuming', waiting)
    const tokens = (await exchange(survivor, waiting)) as Tokens
    expect(await works(tokens)).toBe(true)
    expect(await grantsOfCode(waiting.code)).toMatchObject([{ ended_at: null }])
  })

  it.each(times)('T-07: after it is consumed: its second use leaves nothing that lives (%i)', async () => {
    const waiting = await waitingCode()
    await dieAt('consumed', waiting)
    expect(await exchange(survivor, waiting)).toEqual({ error: 'invalid_grant' })
    const grants = await grantsOfCode(waiting.code)
    expect(grants).toHaveLength(1)
    expect(grants[0]?.ended_at).not.toBeNull()
    expect(await works((await exchange(survivor, await waitingCode())) as Tokens)).toBe(true)
  })

  it.each(times)('T-06: before a refresh token rotates: the next use rotates it (%i)', async () => {
    const first = await deviceLogin(app, 'acme', { user, scopes })
    const given = { with: 'refresh_token', token: first.refresh_token } as const
    await dieAt('consuming', given)
    const tokens = (await exchange(survivor, given)) as Tokens
    expect(await works(tokens)).toBe(true)
    expect(await works((await exchange(survivor, { ...given, token: tokens.refresh_token })) as Tokens)).toBe(true)
  })

  it.each(times)(
    'T-06: after it has rotated: the next use gets the answer that was lost, and goes on (%i)',
    async () => {
      const first = await deviceLogin(app, 'acme', { user, scopes })
      const given = { with: 'refresh_token', token: first.refresh_token } as const
      await dieAt('consumed', given)
      const tokens = (await exchange(survivor, given)) as Tokens
      const row = await grantOfFamily(first.refresh_token)
      expect(Buffer.from(hash(tokens.refresh_token)).equals(row?.refresh_hash as Buffer)).toBe(true)
      expect(await works(tokens)).toBe(true)
      expect(await works((await exchange(survivor, { ...given, token: tokens.refresh_token })) as Tokens)).toBe(true)
    },
  )

  it.each(times)('T-06: while a reuse is found: nothing was given, and the next one ends the grant (%i)', async () => {
    const first = await deviceLogin(app, 'acme', { user, scopes })
    const second = (await exchange(survivor, { with: 'refresh_token', token: first.refresh_token })) as Tokens
    const third = (await exchange(survivor, { with: 'refresh_token', token: second.refresh_token })) as Tokens
    const reused = { with: 'refresh_token', token: first.refresh_token } as const
    await dieAt('consumed', reused)
    expect(await exchange(survivor, reused)).toEqual({ error: 'invalid_grant' })
    expect(await works(third)).toBe(false)
    expect(await grantOfFamily(first.refresh_token)).toMatchObject({ end_cause: 'reuse' })
  })
})
