// Pages, programs and jobs reach what operations do past the edge of the API. So what asks for a role there is asked here without it:
// each operation is declared to be anybody's who is in the tenant, and nothing but what it does stands in the way.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Permission, permissions, type Role } from '../../lib/actor.ts'
import { choicesOf } from '../../lib/broker/read/choices.ts'
import { refusal } from '../../lib/broker/read/refusal.ts'
import { unconfirmedCount } from '../../lib/broker/read/revocation.ts'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { toChoose } from '../support/choosing.ts'
import { bodyFor, queries } from '../support/operations.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { makeThings, pathOf, type Things } from '../support/things.ts'

/** They read what is one's own and change nothing, so whoever is in the tenant may. */
const readOwn = ['listAttempts', 'readAttempt', 'readProjectChoices', 'readIssueOffer', 'previewRevocation']
const ofRoles = operations.filter(
  ({ id, permission }) => ['work', 'oversee', 'administer'].includes(permission) && !readOwn.includes(id),
)

/** What would be refused for itself, or ask somebody outside, if it came to that. */
const odd: Record<string, object> = {
  createProvider: { kind: 'keboola', name: 'X', issuer: 'https://10.0.0.1', client_id: 'a', client_secret: 'b' },
}

let app: TestApp
let receiver: Receiver
let owner: Jar
let userId: string
let things: Things
/** Of nobody. */
let nothing: Things

beforeAll(async () => {
  app = await startTestApp()
  receiver = await startReceiver()
  owner = await app.signIn('owner@acme.test')
  userId = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
  // There is another owner, so that the role of this one may change.
  const other = await app.signIn('member@acme.test')
  const { id } = (await app.call<{ id: string }>(other, 'GET', '/me')).body
  await app.rows('acme', `UPDATE member SET role = 'owner' WHERE user_id = $1`, [id])
  things = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
  things = { ...things, attempt: await toChoose(app, { jar: owner, admin: owner }), handle: '0'.repeat(16) }
  const nobodys = Object.entries(things).map(([name, id]) => [name, id.replace(/[0-9a-f]{32}$/, '0'.repeat(32))])
  nothing = Object.fromEntries(nobodys)
}, 60_000)
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
beforeEach(() => app.forgetLimits())

it.each(byAddress(ofRoles))('Z-01 %s: what it does asks for the role itself, and first', async (_, operation) => {
  const { permission } = operation
  const without = permissions.read.filter(
    (role: Role) => !permissions[permission as Permission].includes(role as never),
  )
  Object.assign(operation, { permission: 'read' })
  try {
    for (const role of without) {
      await app.rows('acme', 'UPDATE member SET role = $1 WHERE user_id = $2', [role, userId])
      // What is not there is not looked for. A project is read by its name first, which everybody may.
      for (const named of operation.id === 'changeProject' ? [things] : [things, nothing]) {
        const path = `${pathOf(operation.path, 'acme', named)}${queries[operation.id] ?? ''}`
        const body = operation.method === 'GET' ? undefined : (odd[operation.id] ?? bodyFor(operation, named, receiver))
        const answer = await app.call(owner, operation.method, path, body)
        expect([role, answer.status, answer.body.code]).toEqual([role, 403, 'forbidden'])
      }
    }
  } finally {
    Object.assign(operation, { permission })
  }
})

it.each([
  ['names to choose among', choicesOf],
  ['how long refusing takes', refusal],
  ['how much is not confirmed upstream', unconfirmedCount],
] as const)('Z-01 %s: what pages alone read asks for the role itself', async (_, read) => {
  const member = await app.actorOf('member@acme.test', { role: 'member' })
  await expect(read(app.ctx, member)).rejects.toMatchObject({ code: 'forbidden' })
  const auditor = await app.actorOf('member@acme.test', { role: 'auditor' })
  await read(app.ctx, auditor)
})
