// Tokens of strategy `proxy` that are bound to a key (RFC 9449). Two processes on one database, real sockets.
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import type { Context } from '../../lib/context.ts'
import { currentNonce, proofAlgorithms } from '../../lib/security/proof.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { newProver, type ProofFor, type Prover } from '../support/dpop.ts'
import { startPassing } from '../support/passing.ts'
import { approveDevice, post, type Tokens } from '../support/programs.ts'
import { pointAt, startApi } from '../support/streaming.ts'

let app: TestApp
let other: Context
let here: Awaited<ReturnType<typeof startPassing>>
let there: Awaited<ReturnType<typeof startPassing>>
let api: Awaited<ReturnType<typeof startApi>>
let browser: Jar
let user: string
let tickets: string
let prover: Prover
let thief: Prover
beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  api = await startApi()
  browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  await pointAt(app, await app.actorOf('owner@acme.test'), '', api.url)
  tickets = await app.linkProject(browser, 'acme', { provider: 'Demo tickets', account: 'owner@acme.test' })
  here = await startPassing(app.ctx)
  there = await startPassing(other)
  prover = await newProver(app.ctx.now)
  thief = await newProver(app.ctx.now)
})
afterAll(async () => {
  await here.stop()
  await there.stop()
  await api.stop()
  await other.close()
  await app.stop()
})
beforeEach(async () => {
  api.seen.length = 0
  api.answerWith((request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'dpop-nonce': 'of-the-upstream' }).end('{}'))
  })
  await app.forgetLimits()
})

type Issued = {
  value: string
  token_type: string
  base_url: string
  token: { id: string; dpop_jkt: string | null }
  code?: string
  fields?: Record<string, string>
}
const asked = { strategy: 'proxy', scopes: { access: 'everything' }, expires_in: 900, purpose: 'a test' }
const path = () => `/tenants/acme/projects/${tickets}/tokens`
const issue = async (more: object = { dpop_jkt: prover.key }) => {
  const { status, body } = await app.call<Issued>(browser, 'POST', path(), { ...asked, ...more })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

/** What the proxy says to a token, by this scheme and with this proof. */
type Sent = {
  scheme?: string
  proof?: string | string[] | undefined
  at?: typeof here
  method?: 'GET' | 'POST'
  path?: string
}
const use = ({ base_url, value }: Issued, { scheme = 'DPoP', proof, at = here, path = '/v1/items', method }: Sent) =>
  at.ask(base_url, path, {
    ...(method && { method }),
    // undici takes several values of one header.
    headers: { authorization: `${scheme} ${value}`, ...(proof !== undefined && { dpop: proof as string }) },
  })
const proofOf = ({ base_url, value }: Issued, more: Partial<ProofFor> = {}, by = prover) =>
  by.proof({ method: 'GET', url: `${base_url}/v1/items`, nonce: currentNonce(app.ctx), token: value, ...more })
const dpop = (error: string) => `DPoP realm="valetkey", error="${error}", algs="${proofAlgorithms.join(' ')}"`

describe('a token that is bound to a key', () => {
  it('J-10: is told as such by API and issue, and passes with a proof, which no upstream sees', async () => {
    const issued = await issue()
    expect([issued.token_type, issued.token.dpop_jkt]).toEqual(['DPoP', prover.key])
    const read = await app.call<Issued['token']>(browser, 'GET', `/tenants/acme/tokens/${issued.token.id}`)
    expect(read.body.dpop_jkt).toBe(prover.key)
    const answer = await use(issued, { proof: await proofOf(issued) })
    expect(answer.status).toBe(200)
    // The next nonce is ours, whatever the upstream says.
    expect(answer.headers['dpop-nonce']).toBe(currentNonce(app.ctx))
    expect(api.seen.map(({ headers }) => [headers.authorization?.slice(0, 7), headers.dpop])).toEqual([
      ['Bearer ', undefined],
    ])
  })

  it.each(['Bearer', 'token', 'Basic'])(
    'J-10: by %s it is refused with a proof and without, and told how it is sent',
    async (scheme) => {
      const issued = await issue()
      const value = scheme === 'Basic' ? Buffer.from(`x:${issued.value}`).toString('base64') : issued.value
      for (const proof of [undefined, await proofOf(issued)]) {
        const refused = await use({ ...issued, value }, { scheme, proof })
        expect([refused.status, refused.json().code]).toEqual([401, 'unauthenticated'])
        expect(refused.headers['www-authenticate']).toBe(dpop('invalid_token'))
      }
      expect(api.seen).toEqual([])
    },
  )

  it('J-10: without a proof, or with one of another key, it is as good as none', async () => {
    const issued = await issue()
    for (const proof of [undefined, await proofOf(issued, {}, thief)]) {
      const refused = await use(issued, { proof })
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, dpop('invalid_token')])
    }
    expect(api.seen).toEqual([])
  })

  test.each<[string, (base: string) => Partial<ProofFor>]>([
    ['of another method', () => ({ method: 'POST' })],
    ['of another path', (base) => ({ url: `${base}/v1/items/7` })],
    ['of the upstream’s address', () => ({ url: `${api.url}/v1/items` })],
    ['of another host', (base) => ({ url: `${base.replace('localhost', 'other.example')}/v1/items` })],
    ['of another token', () => ({ token: 'another' })],
    ['of no token', () => ({ claims: { ath: undefined } })],
    ['of an hour ago', () => ({ claims: { iat: Math.floor(app.ctx.now().getTime() / 1000) - 3600 } })],
    ['with another’s key in it', () => ({ header: { jwk: thief.jwk } })],
  ])('J-10: a proof %s is refused in the challenge, and reaches nobody', async (_, fault) => {
    const issued = await issue()
    const refused = await use(issued, { proof: await proofOf(issued, fault(issued.base_url)) })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, dpop('invalid_dpop_proof')])
    expect(api.seen).toEqual([])
  })

  it('J-10: two proofs at once are none', async () => {
    const issued = await issue()
    const refused = await use(issued, { proof: [await proofOf(issued), await proofOf(issued)] })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, dpop('invalid_dpop_proof')])
  })

  it('J-10: without a nonce of this server it is told the next one, with which it passes', async () => {
    const issued = await issue()
    const refused = await use(issued, { proof: await proofOf(issued, { nonce: undefined }) })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, dpop('use_dpop_nonce')])
    const nonce = String(refused.headers['dpop-nonce'])
    expect((await use(issued, { proof: await proofOf(issued, { nonce }) })).status).toBe(200)
  })

  it('J-10: a proof is taken once over two processes, and of fifty at once with it one passes', async () => {
    const issued = await issue()
    const proof = await proofOf(issued)
    expect((await use(issued, { proof })).status).toBe(200)
    expect((await use(issued, { proof, at: there })).json().detail).toBe('The proof was used before.')
    const another = await proofOf(issued)
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => use(issued, { proof: another, at: index % 2 ? here : there })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(api.seen).toHaveLength(2)
  })

  it('J-10: the address is that of the request, by whichever name of the project, and its query plays no part', async () => {
    const issued = await issue()
    const byId = { ...issued, base_url: `${origin}/api/v1/tenants/acme/projects/${tickets}/proxy` }
    const proof = await proofOf(byId, { url: `${byId.base_url}/v1/items?other=1#x` })
    expect((await use(byId, { proof, path: '/v1/items?page=2' })).status).toBe(200)
    const ofAlias = await use(byId, { proof: await proofOf(issued) })
    expect(ofAlias.status).toBe(401)
    // Where nothing follows, the address ends as it was asked.
    const bare = await use(issued, { path: '', proof: await proofOf(issued, { url: issued.base_url }) })
    expect(bare.status).toBe(200)
  })

  it('J-10: nothing is told of it to whoever cannot prove its key: not its end, nor its project', async () => {
    const issued = await issue()
    await app.rows('acme', 'UPDATE issued_token SET generation = generation + 1 WHERE id = $1', [issued.token.id])
    const elsewhere = { ...issued, base_url: issued.base_url.replace(/projects\/[^/]+/, 'projects/nothing') }
    for (const one of [issued, elsewhere])
      for (const sent of [{ scheme: 'Bearer' }, {}, { proof: await proofOf(one, {}, thief) }]) {
        const refused = await use(one, sent)
        expect([refused.status, refused.json().code]).toEqual([401, 'unauthenticated'])
      }
    expect((await use(issued, { proof: await proofOf(issued) })).json().code).toBe('token_ended')
    expect((await use(elsewhere, { proof: await proofOf(elsewhere) })).json().code).toBe('not_found')
  })

  it('H-06: to a process of the version before, which knows no scheme, it is unknown', async () => {
    const { value } = await issue()
    const states = await Promise.all(
      [value, (await issue({})).value].map(async (token) => {
        const text = `SELECT state FROM vk.proxy_enter(ARRAY[encode(sha256($1::bytea), 'hex')], ARRAY['acme'], ARRAY[$2], ARRAY[''], '30 seconds')`
        return (await app.ctx.pool.query(text, [token, tickets])).rows[0]?.state
      }),
    )
    expect(states).toEqual(['unknown', 'live'])
  })
})

describe('a token that is bound to no key', () => {
  it('J-10: is none by DPoP, with a proof or without, and told how it is sent', async () => {
    const issued = await issue({})
    expect([issued.token_type, issued.token.dpop_jkt]).toEqual(['Bearer', null])
    for (const proof of [undefined, await proofOf(issued)]) {
      const refused = await use(issued, { proof })
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([
        401,
        'Bearer realm="valetkey", error="invalid_token", Basic realm="valetkey", charset="UTF-8"',
      ])
    }
  })

  it('J-10: asks no statement more than before, and a proof beside it goes nowhere', async () => {
    const issued = await issue({})
    await use(issued, { scheme: 'Bearer' })
    const statements: string[] = []
    const stop = app.watchStatements((text) => statements.push(text))
    const answer = await use(issued, { scheme: 'Bearer', proof: await proofOf(issued) })
    stop()
    expect(answer.status).toBe(200)
    expect(answer.headers['dpop-nonce']).toBeUndefined()
    expect(statements).toEqual([expect.stringContaining('vk.proxy_enter')])
    expect(api.seen.at(-1)?.headers.dpop).toBeUndefined()
  })
})

describe('an issue', () => {
  it.each([
    ['no thumbprint', { dpop_jkt: 'short' }],
    [
      'a token that is not ours to ask about',
      { dpop_jkt: 'A'.repeat(43), strategy: 'narrow', scopes: { scopes: ['read'] } },
    ],
  ])('J-10: binds by %s nothing, and makes nothing', async (_, more) => {
    const count = () => app.rows('acme', 'SELECT count(*)::int AS count FROM issued_token')
    const before = await count()
    const { status, body } = await app.call<Issued>(browser, 'POST', path(), { ...asked, ...more })
    expect([status, body.code, Object.keys(body.fields ?? {})]).toEqual([400, 'bad_request', ['dpop_jkt']])
    expect(await count()).toEqual(before)
  })

  it('J-10: by a program whose own token is bound gives one of the same key, unless it says otherwise', async () => {
    const scopes: Scope[] = ['tokens:issue']
    const client = { client_id: 'valetkey' }
    const started = await post<{ device_code: string }>(app, '/oauth/device_authorization', client)
    const ceilings = { [tickets]: { rights: null, proxy: null } }
    await approveDevice(app, 'acme', started.body.device_code, { user, scopes, ceilings })
    const form = {
      ...client,
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: started.body.device_code,
    }
    const at = { nonce: currentNonce(app.ctx), method: 'POST' }
    const headers = { dpop: await prover.proof({ ...at, url: `${origin}/oauth/token` }) }
    const { access_token: token } = (await post<Tokens>(app, '/oauth/token', form, { headers })).body
    const url = `${origin}/api/v1${path()}`
    const bound = async (more: object) => {
      const request = new Request(url, {
        method: 'POST',
        headers: {
          authorization: `DPoP ${token}`,
          dpop: await prover.proof({ ...at, url, token }),
          'content-type': 'application/json',
        },
        body: JSON.stringify({ ...asked, ...more }),
      })
      const { body } = (await app.send(new Map(), request)) as unknown as { body: Issued }
      return [body.token_type, body.token.dpop_jkt]
    }
    expect(await bound({})).toEqual(['DPoP', prover.key])
    expect(await bound({ dpop_jkt: thief.key })).toEqual(['DPoP', thief.key])
    expect(await bound({ dpop_jkt: null })).toEqual(['Bearer', null])
  })
})
