// Who may do what to what: every operation of a tenant, by every role, through a browser and through programs with more and fewer
// scopes, with one's own things, others' and none, in one's tenant and in another one. What is to come of it follows from the
// declaration of the operation and from one table.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Permission, permissions, type Role, type Scope, scopes } from '../../lib/actor.ts'
import { type Operation, paramNames } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { toChoose } from '../support/choosing.ts'
import { bodyFor, neededBy, queries } from '../support/operations.ts'
import { insertAccessToken, insertGrant } from '../support/programs.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { makeThings, pathOf, type Things } from '../support/things.ts'

/**
 * Who else reaches what an operation names, if it is somebody's: nobody at all (`own`); who oversees the tenant (`overseen`); who
 * administers it (`administered`; `managed`: whoever oversees may know that it is there, and is told so before it is looked up).
 * `linked`: who oversees sees the thing, and needs a connection of their own all the same. Only what any role may try has an entry
 * here: the rest is the tenant's and goes by role alone.
 */
const reach: Record<string, 'own' | 'linked' | 'overseen' | 'administered' | 'managed'> = {
  readAttempt: 'own',
  adoptLink: 'own',
  resumeLink: 'own',
  cancelLink: 'own',
  declineLinkRequest: 'own',
  startLinkRequest: 'own',
  readProjectChoices: 'own',
  chooseProjects: 'own',
  changeConnection: 'own',
  changePastedToken: 'own',
  rotateToken: 'own',
  renewConnection: 'administered',
  leaveProject: 'administered',
  readUpstreamSessions: 'own',
  endUpstreamSession: 'own',
  checkLastUse: 'own',
  issueToken: 'linked',
  makeComponentUrl: 'linked',
  readScopes: 'linked',
  readIssueOffer: 'overseen',
  refreshTools: 'linked',
  readProject: 'overseen',
  listTools: 'overseen',
  readProjectUse: 'overseen',
  readAuditEvent: 'overseen',
  readConnection: 'overseen',
  readGrant: 'overseen',
  readToken: 'overseen',
  readTokenUse: 'overseen',
  readRevocationAct: 'overseen',
  signRevocationReceipt: 'overseen',
  previewEnding: 'overseen',
  listMemberSessions: 'overseen',
  changeProject: 'administered',
  removeMember: 'managed',
  revokeEverything: 'managed',
  endMemberSession: 'managed',
}

const inTenant = operations.filter(({ path }) => path.startsWith('/api/v1/tenants/{tenant}/'))
const named = ({ path }: Operation) => paramNames(path).length > 1
const somebodys = inTenant.filter((one) => ['read', 'work'].includes(one.permission) && named(one))

let app: TestApp
let receiver: Receiver
/** Whose role changes. */
let caller: Jar
let userId: string
let grant: string
/** Of the caller; of somebody else in their tenant; of nobody. */
let things: Record<'own' | 'others' | 'none', Things>
/** Of the caller's as well, where an operation is about one in a state of its own. */
let special: Record<string, Things>
const tokens = new Map<string, string>()
const roles: Role[] = ['owner', 'admin', 'member', 'auditor']

beforeAll(async () => {
  app = await startTestApp()
  receiver = await startReceiver()
  const owner = await app.signIn('owner@acme.test')
  caller = await app.signIn('member@acme.test')
  userId = (await app.call<{ id: string }>(caller, 'GET', '/me')).body.id
  for (const tenant of ['acme', 'globex'])
    await app.rows(
      tenant,
      `INSERT INTO member (tenant_id, user_id, role, created_at) VALUES (current_setting('app.tenant_id'), $1, 'admin', now())
       ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = 'admin'`,
      [userId],
    )
  const others = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
  await app.forgetLimits()
  const made = await makeThings(app, caller, {
    account: 'owner@acme.test',
    project: '10232',
    receiver,
    rights: { buckets: { 'in.c-experiments': 'read' } },
  })
  // What a tenant has once is everybody's.
  const own = { ...others, ...Object.fromEntries(Object.entries(made).filter(([, id]) => id)) }
  const nobodys = Object.entries(own).map(([name, id]) => [name, id.replace(/[0-9a-f]{32}$/, '0'.repeat(32))])
  things = { own, others, none: Object.fromEntries(nobodys) }
  special = { readProjectChoices: { attempt: await toChoose(app, { jar: caller, admin: owner }) } }
  grant = await insertGrant(app, 'acme', { client: 'cli_matrix', user: userId, scopes })
}, 60_000)
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
beforeEach(() => app.forgetLimits())

/** An access token with exactly these. */
async function tokenWith(some: readonly Scope[]): Promise<string> {
  const key = some.join(' ')
  const known = tokens.get(key) ?? (await insertAccessToken(app, 'acme', grant, some))
  tokens.set(key, known)
  return known
}

type Cell = {
  role: Role
  /** None: a browser. */
  scopes?: readonly Scope[]
  object: keyof typeof things
  /** Where the caller is somebody as well; what they name is not of there. */
  elsewhere: boolean
}

/** All that make a difference to an operation. */
function cellsOf(operation: Operation): Cell[] {
  const needed = operation.scope === 'cookie only' ? [] : neededBy(operation)
  const whole: (readonly Scope[] | undefined)[] = [undefined, scopes]
  const parts: (readonly Scope[])[] = needed.map((missing) => scopes.filter((scope) => scope !== missing))
  if (needed.length > 0) parts.push(needed)
  if (needed.length > 0 && !needed.includes('tenant:read')) parts.push([...needed, 'tenant:read'])
  const objects = named(operation) ? (['own', 'others', 'none'] as const) : (['own'] as const)
  // People are the same ones everywhere.
  const places = operation.path.includes('{user}') ? [false] : [false, true]
  return places.flatMap((elsewhere) =>
    roles.flatMap((role) =>
      (elsewhere ? whole : [...whole, ...parts]).flatMap((some) =>
        objects.map((object) => ({ role, ...(some && { scopes: some }), object, elsewhere })),
      ),
    ),
  )
}

/** What is to come of it: a refusal, or undefined where nothing stands in the way. */
function refusalOf(operation: Operation, { role, scopes: held, object, elsewhere }: Cell): string | undefined {
  const may = (permission: Permission) => (permissions[permission] as readonly Role[]).includes(role)
  const lacks = (...some: Scope[]) => held !== undefined && some.some((scope) => !held.includes(scope))
  if (held && elsewhere) return '404 not_found'
  if (held && operation.scope === 'cookie only') return '403 browser_only'
  if (!may(operation.permission as Permission)) return '403 forbidden'
  if (operation.scope !== 'cookie only' && lacks(...neededBy(operation))) return '403 insufficient_scope'
  if (!named(operation)) return undefined
  const kind = reach[operation.id]
  const oversees = may('oversee') && !lacks('tenant:read')
  const administers = may('administer') && !lacks('tenant:manage')
  if (kind === 'managed' && object !== 'own' && oversees && !administers) return '403 forbidden'
  if (object === 'none' || elsewhere) return '404 not_found'
  if (object === 'own' || !kind) return undefined
  if (kind === 'own' || !oversees || (kind === 'administered' && !administers)) return '404 not_found'
  if (kind === 'linked') return '409 not_linked'
  return undefined
}

async function ask(operation: Operation, cell: Cell, body: unknown): Promise<string> {
  const tenant = cell.elsewhere ? 'globex' : 'acme'
  const named = { ...things[cell.object], ...(cell.object === 'own' && special[operation.id]) }
  const path = `${pathOf(operation.path, tenant, named)}${queries[operation.id] ?? ''}`
  const isChange = operation.method !== 'GET'
  const answer = cell.scopes
    ? await app.send(
        new Map(),
        new Request(`${origin}/api/v1${path}`, {
          method: operation.method,
          headers: { authorization: `Bearer ${await tokenWith(cell.scopes)}`, 'content-type': 'application/json' },
          ...(isChange && { body: JSON.stringify(body) }),
        }),
      )
    : await app.call(caller, operation.method, path, isChange ? body : undefined)
  return answer.status < 400 ? String(answer.status) : `${answer.status} ${(answer.body as { code?: string }).code}`
}

const kept = [
  'provider',
  'project',
  'connection',
  'issued_token',
  'attempt',
  'member',
  'invitation',
  'webhook',
  'oauth_grant',
  'session_refusal',
]
const everyRow = kept
  .map((name) => `SELECT '${name}' AS name, (to_jsonb(t) - 'role' - 'last_used_at')::text AS row FROM ${name} t`)
  .join(' UNION ALL ')
const rowsOf = async () => [
  await app.rows('acme', `${everyRow} ORDER BY 1, 2`),
  await app.rows('globex', `${everyRow} ORDER BY 1, 2`),
]

it('Z-02: every operation about what is somebody’s has an entry, and no other', () => {
  expect(Object.keys(reach).sort()).toEqual(somebodys.map(({ id }) => id).sort())
})

it.each(byAddress(inTenant))('Z-01 Z-02 %s: each cell answers as the table says', async (_, operation) => {
  const before = await rowsOf()
  const wrong: string[] = []
  let role: Role | undefined
  let asked = 0
  for (const cell of cellsOf(operation)) {
    const refusal = refusalOf(operation, cell)
    // What nothing stands in the way of is sent a body that cannot be read, so that it changes nothing.
    if (!refusal && operation.method !== 'GET' && !operation.body) continue
    if (role !== cell.role)
      for (const tenant of ['acme', 'globex'])
        await app.rows(tenant, 'UPDATE member SET role = $1 WHERE user_id = $2', [cell.role, userId])
    role = cell.role
    asked += 1
    if (asked % 6 === 0) await app.forgetLimits()
    const body = refusal ? bodyFor(operation, things[cell.object], receiver) : { 'nobody knows': 1 }
    const expected = refusal ?? (operation.method === 'GET' ? String(operation.answer.status) : '400 bad_request')
    const seen = await ask(operation, cell, body)
    if (seen !== expected)
      wrong.push(
        `${cell.role} ${cell.scopes?.join(' ') ?? 'browser'} ${cell.object}${cell.elsewhere ? ' elsewhere' : ''}: ${seen}, not ${expected}`,
      )
  }
  expect(wrong).toEqual([])
  expect(await rowsOf()).toEqual(before)
})
