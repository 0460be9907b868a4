// Every operation is sent what its own schema describes, thousands of times, with things that are really there, and with one
// thing in it that is wrong. Never a failure of ours, and every refusal a problem. `npm run fuzz` does it at length.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { errorsOf, type Operation, paramNames } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import {
  type Answer,
  encoded,
  formedTexts,
  judge,
  randomText,
  serveForFuzzing,
  withoutLimits,
} from '../support/fuzzing.ts'
import { hostileJson, hostileTexts, placesOf, schemaOf, withJsonAt } from '../support/hostile.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { valuesOf } from '../support/schema-cases.ts'
import { bodiesFor, makeThings, type Things } from '../support/things.ts'

/** Another seed is another run: VALETKEY_FUZZ_SEED=… */
const seed = Number(process.env.VALETKEY_FUZZ_SEED ?? 20_261_129)
const cases = Number(process.env.VALETKEY_FUZZ_CASES ?? 10)
/** After so many it is asked whether things are still there, and at once so many are under way. */
const batch = 250
const atOnce = 8
/** Operations that do what outlasts a session need a sign-in of the last ten minutes. */
const signInMilliseconds = 300_000

let app: TestApp
let receiver: Receiver
let owner: Jar
let signedInAt: number
let things: Things
let served: Awaited<ReturnType<typeof serveForFuzzing>>
let limit: () => void

/** A product in which something of everything is there, as its owner sees it. */
async function furnish(): Promise<void> {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  signedInAt = Date.now()
  things = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
  served = await serveForFuzzing(app)
}
async function clear(): Promise<void> {
  await served?.stop()
  await app?.stop()
}

/** Where each thing is read, and what the answer says of one that nothing has happened to. */
const readings = (): Record<string, [path: string, ...says: string[]]> => {
  const { project, connection, client, grant, authorization, attempt, token } = things
  return {
    project: [`tenants/acme/projects/${project}`],
    connection: [`tenants/acme/connections/${connection}`, '"status":"linked"'],
    client: [`tenants/acme/clients/${client}`],
    client_secret: [`tenants/acme/clients/${client}`],
    grant: [`tenants/acme/grants/${grant}`, '"state":"live"'],
    authorization: [`authorizations/${authorization}`, '"state":"open"'],
    attempt: [`tenants/acme/attempts/${attempt}`, '"status":"pending"'],
    token: [`tenants/acme/tokens/${token}`, '"state":"live"'],
    invitation: ['tenants/acme/invitations'],
    webhook: ['tenants/acme/webhooks'],
    audience: ['tenants/acme/audiences'],
    trusted_issuer: ['tenants/acme/trusted-issuers'],
    trusted_client: ['tenants/acme/trusted-issuers'],
  }
}

/** What was sent may have taken away what the next case is about: then all of it is made anew. */
async function keepFurnished({ path }: Operation): Promise<void> {
  receiver.forget()
  const all = readings()
  const read = async (what: string) => (await app.call(owner, 'GET', `/${what}`)).text
  const stands = async (name: string) => {
    const [place, ...says] = all[name] ?? []
    const text = place === undefined ? things[name] : await read(place)
    return [things[name], ...says].every((mark) => text?.includes(mark ?? ''))
  }
  const isFree = !(await read('tenants/acme/freezes')).includes('"kind"')
  const named = ['project', 'connection', ...paramNames(path).filter((name) => name in things)]
  const found = await Promise.all(named.map(stands))
  if (!isFree || found.includes(false)) {
    await clear()
    await furnish()
  } else if (Date.now() - signedInAt > signInMilliseconds) {
    owner = await app.signIn('owner@acme.test')
    signedInAt = Date.now()
  }
}

beforeAll(async () => {
  limit = withoutLimits()
  receiver = await startReceiver()
  await furnish()
}, 60_000)
afterAll(async () => {
  limit()
  await clear()
  await receiver.stop()
})

type Case = { query: string; params: Record<string, string>; body: string | undefined; type: string }

/** As it should be, most of the time. */
const mostly = <T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: right }, { weight: 1, arbitrary: wrong })
const wrongText = fc.oneof(fc.constantFrom(...hostileTexts.filter(Boolean)), randomText.filter(Boolean))
/** The biggest are another test's: here many are sent. */
const wrongJson = fc.oneof(
  fc.constantFrom(...hostileJson.filter((text) => text.length < 50_000)),
  fc.json(),
  randomText.map((text) => JSON.stringify(text)),
)
const withoutExample = z.strictObject({})

function casesOf(operation: Operation): fc.Arbitrary<Case> {
  const known = [...formedTexts(), ...Object.values(things)]
  const params = fc.record(
    Object.fromEntries(
      paramNames(operation.path).map((name) => {
        const there = name === 'tenant' ? 'acme' : (things[name] ?? 'none')
        const unknown = fc.constant(there.replace(/[0-9a-f]{32}$/, '0'.repeat(32)))
        return [name, mostly(fc.constant(there), fc.oneof(unknown, wrongText))]
      }),
    ),
  )
  const asked = schemaOf(operation.query ?? withoutExample)
  const pairs = Object.entries(asked.properties ?? {}).map(([name, schema]) =>
    fc.option(mostly(valuesOf(schema, known).map(String), wrongText).map((value) => `${name}=${encoded(value)}`)),
  )
  const query = mostly(
    fc.tuple(...pairs).map((list) => list.filter(Boolean).join('&')),
    wrongText.map((name) => `${encoded(name)}=1`),
  )
  const types = fc.constantFrom('application/json', ...(operation.media ?? []))
  return fc.record({ query, params, body: bodiesOf(operation, known), type: mostly(types, fc.constant('text/plain')) })
}

/** Of the schema, or one that is known to be taken; with something wrong at one place, half of the time. */
function bodiesOf(operation: Operation, known: string[]): fc.Arbitrary<string | undefined> {
  if (operation.method === 'GET') return fc.constant(undefined)
  const schema = schemaOf(operation.body ?? withoutExample)
  const example = bodiesFor(things, receiver)[operation.id]
  const described = valuesOf(schema, known)
  const right = example === undefined ? described : fc.oneof(described, fc.constant(example))
  const wrong = fc
    .tuple(right, fc.constantFrom(...placesOf(schema)), wrongJson)
    .map(([document, place, json]) => withJsonAt(document, place, json))
  return fc.oneof(
    { weight: 5, arbitrary: right.map((document) => JSON.stringify(document)) },
    { weight: 4, arbitrary: wrong },
    { weight: 1, arbitrary: wrongText },
  )
}

const pathOf = ({ path }: Operation, { params, query }: Case) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name) => encoded(params[name] ?? '')) + (query && `?${query}`)

/** Of upstreams and issuers that are not there somebody is told, in the operation's own words; nothing else is a 5xx. */
function judgeOf(operation: Operation, answer: Answer): void {
  if (answer.status < 500) {
    judge(answer)
    return
  }
  const { code } = JSON.parse(answer.text) as { code: string }
  expect([502, 503, 504], answer.text).toContain(answer.status)
  expect(errorsOf(operation), answer.text).toContain(code)
  expect(['internal', 'unavailable', 'timeout', 'not_serving']).not.toContain(code)
}

describe('IV-01: whatever an operation is sent of what it describes, the answer is no failure of ours', () => {
  it.each(byAddress(operations))(
    '%s',
    async (_, operation) => {
      const seen = new Map<number, number>()
      const begun = performance.now()
      for (let done = 0; done < cases; done += batch) {
        await keepFurnished(operation)
        const numRuns = Math.min(batch, cases - done)
        const left = fc.sample(casesOf(operation), { seed: seed + done, numRuns })
        const sender = async () => {
          for (let one = left.pop(); one; one = left.pop()) {
            const answer = await served.send(owner, operation.method, pathOf(operation, one), one.body, one.type)
            seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1)
            try {
              judgeOf(operation, answer)
            } catch (error) {
              throw new Error(`seed ${seed + done}: ${JSON.stringify(one).slice(0, 2000)}`, { cause: error })
            }
          }
        }
        await Promise.all(Array.from({ length: atOnce }, sender))
      }
      const counts = [...seen].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      if (cases > batch) console.info(`${operation.id}: ${cases} cases in ${seconds} s (${counts.join(', ')})`)
    },
    20_000 + cases * 100,
  )
})
