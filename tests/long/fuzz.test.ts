// Every field of every operation is sent what nobody should send, over real sockets. Never a 5xx; every refusal a problem.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Operation, paramNames } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { newId } from '../../lib/security/ids.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { encoded, formedTexts, judge, randomText, serveForFuzzing, withoutLimits } from '../support/fuzzing.ts'
import { hostileJson, hostileTexts, placesOf, sampleOf, schemaOf, withJsonAt } from '../support/hostile.ts'

/** Another seed is another run: VALETKEY_FUZZ_SEED=… */
const seed = Number(process.env.VALETKEY_FUZZ_SEED ?? 20_261_124)
const randomRuns = 8

/** Fields of a sample that are refused for what they say: a secret is tried at the upstream, and is none beside a key. */
const refusedTogether: Record<string, string[]> = {
  // A stack is a known one or an address; never both.
  createProvider: ['setup'],
  previewProvider: ['setup'],
  // Keys are for clients that sign, audiences are projects of the tenant's own, and redirect URIs lead to what has a path.
  createClient: ['jwks', 'audiences', 'redirect_uris'],
  changeProvider: ['client_secret', 'rotate_client_key'],
  // Of grants alone, of tokens, and of requests.
  freezeSelection: ['client', 'program', 'strategy', 'request'],
  // Of strategy proxy alone.
  issueToken: ['dpop_jkt'],
  // Tokens are not chosen by these.
  revokeSelection: ['status', 'program', 'request'],
  // The audience must be ours; a client is for issuers that can be asked.
  trustIssuer: ['audience', 'opaque', 'client_id', 'client_secret'],
}

let app: TestApp
let owner: Jar
let served: Awaited<ReturnType<typeof serveForFuzzing>>
let limit: () => void
/** What really is there, by the name of the parameter. */
let ids: Record<string, string>

beforeAll(async () => {
  console.info(`fuzz seed ${seed}`)
  limit = withoutLimits()
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  const member = await app.signIn('member@acme.test')
  const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  const read = async (path: string) =>
    (await app.call<{ items: Record<string, string>[] }>(owner, 'GET', `/tenants/acme/${path}`)).body.items
  const theirs = (await read('connections?everybody=1')).find(
    (one) => one.account_name !== 'owner@acme.test' && one.owner_id !== undefined,
  )
  const invitation = await app.call<{ id: string }>(owner, 'POST', '/tenants/acme/invitations', { role: 'member' })
  ids = {
    tenant: 'acme',
    project,
    connection: String(theirs?.id),
    user: String(theirs?.owner_id),
    provider: await app.demoProvider(owner, 'acme'),
    token: (await app.issue(owner, 'acme', project)).body.token.id,
    attempt: (await app.startLink(owner, 'acme')).id,
    invitation: invitation.body.id,
    revocation: newId('revocation'),
    grant: newId('grant'),
    client: newId('client'),
    client_secret: newId('client_secret'),
    authorization: newId('authorization'),
    // A real one would be written to, somewhere else.
    webhook: newId('webhook'),
    delivery: newId('message'),
  }
  served = await serveForFuzzing(app)
}, 60_000)
afterAll(async () => {
  limit()
  await served.stop()
  await app.stop()
})

const send = (method: string, path: string, body?: string, type?: string) =>
  served.send(owner, method, path, body, type)

/** The address of an operation; `odd` takes the place of one parameter. */
const pathOf = ({ path }: Operation, odd: Record<string, string> = {}) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name) => (name in odd ? String(odd[name]) : String(ids[name])))

const samples = () => [...formedTexts(), ids.provider ?? '', ids.client ?? '']

/** Sends each of `fixed`, then random ones. What fails is shrunk, and shown with its seed. */
const assertFor = <T>(fixed: readonly T[], random: fc.Arbitrary<T>, check: (value: T) => Promise<void>) =>
  fc.assert(fc.asyncProperty(random, check), {
    seed,
    numRuns: fixed.length + randomRuns,
    examples: fixed.map((one): [T] => [one]),
    interruptAfterTimeLimit: 60_000,
    markInterruptAsFailure: true,
  })

describe('IV-01: whatever stands in a field, the answer is no 5xx, and a refusal is a problem with a code and what to do', () => {
  describe.each(byAddress(operations))('%s', (_, operation) => {
    const { method, body, query } = operation
    const types = ['application/json', ...(operation.media ?? [])]
    const content = method === 'GET' ? undefined : '{}'

    it.each(paramNames(operation.path))('parameter %s', async (name) => {
      // An address is cut by the parser at 16 KiB, so no longer one arrives.
      const texts = [...hostileTexts.filter((text) => text !== ''), 'x'.repeat(9_000), 'x'.repeat(17_000)]
      await assertFor(texts, randomText.filter(Boolean), async (text) =>
        judge(await send(method, pathOf(operation, { [name]: encoded(text) }), content)),
      )
    })

    const names = Object.keys(query ? (schemaOf(query).properties ?? {}) : {})
    it.each([...names, 'name'])('query %s', async (name) => {
      await assertFor([...hostileTexts, 'x'.repeat(9_000), 'x'.repeat(17_000)], randomText, async (text) => {
        const pair = names.includes(name) ? `${name}=${encoded(text)}` : `${encoded(text)}=1`
        judge(await send(method, `${pathOf(operation)}?${pair}`, content))
      })
    })
    if (method === 'GET') return

    const schema = schemaOf(body ?? z.strictObject({}))
    const sample = () => sampleOf(schema, samples())

    it.each(placesOf(schema).map((place) => [place.join('.') || 'whole', place] as const))(
      'body %s',
      async (_name, place) => {
        const values = fc.oneof(
          randomText.map((text) => JSON.stringify(text)),
          fc.json(),
        )
        // Where one property excludes another, each is tried alone.
        const beside = schema.maxProperties ? {} : sample()
        await assertFor(hostileJson, values, async (value) => {
          const text = withJsonAt(beside, place, value)
          for (const type of types) judge(await send(method, pathOf(operation), text, type))
        })
      },
    )

    it('body that is no JSON of ours', async () => {
      const bodies = [
        '',
        '{',
        '[]',
        '"\\ud800"',
        '{"\\u0000":1}',
        '{"a":1,"a":2}',
        '\ufeff{}',
        'x',
        '[['.repeat(30_000),
      ]
      for (const text of bodies)
        for (const type of [...types, 'application/json; charset=utf-16', 'text/plain', 'multipart/form-data', ''])
          judge(await send(method, pathOf(operation), text, type))
    })

    // Last, because it may change what is there; and a DELETE would.
    if (method === 'DELETE') return
    it('the sample itself is understood', async () => {
      const body = { ...(sample() as Record<string, unknown>) }
      for (const name of refusedTogether[operation.id] ?? []) delete body[name]
      // One that answers.
      if (operation.id === 'trustIssuer') body.issuer = app.ctx.config.signin.issuer
      const answer = await send(method, pathOf(operation), JSON.stringify(body))
      judge(answer)
      expect(answer.text).not.toContain('"bad_request"')
    })
  })
})
