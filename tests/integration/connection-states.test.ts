// Random walks over the states of a connection, through the real writers, against the table in lib/store/connection-states.ts.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { storeGrant } from '../../lib/broker/link/store-grant.ts'
import { byOf, revokeHere } from '../../lib/broker/revoke.ts'
import { turnAway } from '../../lib/broker/turn-away.ts'
import { Secret } from '../../lib/security/secrets.ts'
import { act } from '../../lib/store/authority.ts'
import { move, transitions, usable } from '../../lib/store/connection-states.ts'
import {
  beginRefresh,
  type ConnectionRow,
  claimRefresh,
  failRefresh,
  type RefreshClaim,
  releaseRefresh,
  storeRefresh,
} from '../../lib/store/connections.ts'
import { expireGrant } from '../../lib/store/notifications.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Vault, vaultOf } from '../../lib/vault/keys.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList, type Key } from '../support/connection.ts'

let broker: Broker
let actor: BrowserActor
let vault: Vault
let attempt: Parameters<typeof storeGrant>[2]['attempt']
let key: Key
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
  const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (linked.kind === 'failed') throw linked.error
  const [connection] = await connectionList(broker.ctx, actor)
  key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
  vault = await vaultOf(broker.ctx, key.tenantId)
  const row = await inTenant((tx) => tx.attempt.findFirst())
  if (!row) throw new Error('no attempt')
  attempt = { ...row, status: 'consumed', connectionId: null }
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [key.tenantId])
})
afterAll(() => broker.stop())

type Name = keyof typeof transitions
type Row = ConnectionRow & Record<string, unknown>
const camel = (column: string) => column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
/** The row, past Prisma: two reads a step add up. */
const read = async (): Promise<Row> => {
  const { rows } = await broker.owner.query('SELECT * FROM connection WHERE id = $1', [key.connectionId])
  return Object.fromEntries(Object.entries(rows[0]).map(([column, value]) => [camel(column), value])) as Row
}
const letGrantEnd = () =>
  broker.owner.query(
    `UPDATE connection SET grant_expires_at = vk_now() - interval '1 s', grant_fixed = true WHERE id = $1 AND status <> 'revoked'`,
    [key.connectionId],
  )
const inTenant = <T>(work: Parameters<typeof asSystem<T>>[3]) => asSystem(broker.ctx, key.tenantId, 'job', work)

async function relink(): Promise<Name> {
  const grant = {
    accessToken: new Secret('an access token'),
    refreshToken: new Secret('a refresh token'),
    expiresInSeconds: 3600,
    scopes: [],
    account: { id: 'acct-3001', name: 'Owner' },
    projects: [{ externalId: '10231', name: 'Marketing', region: undefined, role: undefined }],
  }
  const kept = await storeGrant(broker.ctx, vault, {
    attempt,
    grant,
    person: actor,
    alias: null,
    habits: { endsAccount: false, ofOneAccount: false },
  })
  expect(kept).toMatchObject({ kind: 'linked', connectionId: key.connectionId })
  return 'relink'
}

/** Claims that some process still believes to hold; how old ones end is part of the walk. */
let held: RefreshClaim[] = []
const kinds = [
  'claim',
  'begin',
  'renew',
  'flag',
  'fail',
  'refuse',
  'unreadable',
  'release',
  'later',
  'muchLater',
  'revoke',
  'shred',
  'signOut',
  'turnAway',
  'expire',
  'relink',
] as const
type Step = { kind: (typeof kinds)[number]; claim: number; reached: boolean }

/** What the step was, by name; undefined where nobody wrote. */
async function take({ kind, claim: index, reached }: Step, before: Row): Promise<Name | undefined> {
  const { ctx } = broker
  const claim = held.at(-1 - (index % Math.max(held.length, 1)))
  const own = {
    sentVersion: claim?.version ?? 0,
    fence: claim?.fence ?? 0,
    leaseSeconds: 15,
    uncertain: claim?.uncertain ?? false,
  }
  const ending = { ...own, reached, restSeconds: 1, upstream: null, retryAfterSeconds: null, details: {} }
  switch (kind) {
    case 'claim': {
      const made = await claimRefresh(ctx, key, { leaseSeconds: 15, mode: 'now', staleVersion: 2 ** 31 - 1 })
      if (made.outcome === 'claimed') held.push(made)
      if (made.outcome === 'claimed')
        return before.status === 'needs_relink' ? 'revive' : made.uncertain ? 'interrupt' : 'claim'
      const wasUsable = usable.some((status) => status === before.status)
      return made.outcome === 'dead' && wasUsable ? 'lose' : undefined
    }
    case 'begin':
      return (await beginRefresh(ctx, key, own)) ? 'begin' : undefined
    case 'release': {
      await releaseRefresh(ctx, key, own)
      const isOwn = before.tokenVersion === own.sentVersion && before.fence === own.fence
      return isOwn && usable.some((status) => status === before.status) ? 'release' : undefined
    }
    case 'renew':
    case 'flag': {
      const { outcome } = await storeRefresh(ctx, key, {
        ...own,
        refreshToken: 'a rotated one',
        accessToken: 'its access token',
        lifeSeconds: 3600,
        scopes: null,
        grantSeconds: reached ? 86_400 : null,
        keepAliveSeconds: 604_800,
        scheduled: false,
        flag: kind === 'flag' ? 'another_account' : null,
      })
      return outcome === 'stored' ? kind : undefined
    }
    case 'fail': {
      const status = before.status === 'uncertain' ? 'uncertain' : 'degraded'
      const { changed } = await failRefresh(ctx, key, { ...ending, status, cause: 'upstream_unavailable' })
      return changed ? (status === 'uncertain' ? 'stayUncertain' : 'degrade') : undefined
    }
    case 'refuse':
    case 'unreadable': {
      const cause = kind === 'refuse' ? 'refused' : 'unreadable'
      return (await failRefresh(ctx, key, { ...ending, status: 'needs_relink', cause })).changed ? 'refuse' : undefined
    }
    case 'later':
      return void (await broker.advance(16))
    case 'muchLater':
      return void (await broker.advance(5 * 60))
    case 'revoke': {
      const input = { tokens: [], connections: [key.connectionId] }
      const { targets } = await act(ctx, actor, 'work', (tx, actor) => revokeHere(ctx, vault, tx, byOf(actor), input))
      return targets[0]?.already ? undefined : 'revoke'
    }
    case 'shred':
    case 'signOut':
      return (await inTenant((tx) => move(tx, { tenantId: key.tenantId }, kind, ctx.now(), {}))) > 0 ? kind : undefined
    case 'turnAway': {
      const place = { tenantId: key.tenantId, connectionId: key.connectionId }
      const refused = { ...place, projectId: 'any', userId: actor.userId, version: before.tokenVersion }
      return (await turnAway(ctx, refused)) ? kind : undefined
    }
    case 'expire':
      return (await inTenant((tx) => expireGrant(tx, key.tenantId, key.connectionId, ctx.now()))) ? 'expire' : undefined
    case 'relink':
      held = reached ? held : []
      return relink()
  }
}

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)

/** What the table says of a transition, column by column; without one nothing may have changed. */
function follows(name: Name | undefined, before: Row, after: Row): void {
  const ruled = new Set(['status', 'cause', 'statusSince', 'grantFixed'])
  if (!name) {
    expect(after).toEqual(before)
    return
  }
  const { from, to, cause, sets }: { from: readonly string[]; to: string; cause: string | null; sets: object } =
    transitions[name]
  expect(from, `${name} from`).toContain(before.status)
  expect(after.status, `${name} to`).toBe(to === 'same' ? before.status : to)
  if (to === 'same') expect(after.cause, `${name}: cause`).toBe(before.cause)
  else if (cause === 'given') expect(after.cause, `${name}: cause`).not.toBeNull()
  else expect(after.cause, `${name}: cause`).toBe(cause)
  if (after.status === before.status) expect(after.statusSince, `${name}: since`).toEqual(before.statusSince)
  else expect(after.statusSince.getTime(), `${name}: since`).toBeGreaterThan(before.statusSince.getTime())
  for (const [column, effect] of Object.entries(sets)) {
    ruled.add(column)
    if (effect === 'next') expect(after[column], `${name}: ${column}`).toBe(Number(before[column]) + 1)
    else if (effect !== 'given') expect(after[column], `${name}: ${column}`).toBe(effect)
  }
  const others = Object.keys(after).filter((column) => !ruled.has(column) && !same(before[column], after[column]))
  expect(others, `${name} sets no more than it says`).toEqual([])
}

/** What holds in each state, however it was reached. */
function holds(row: Row, before: Row): void {
  for (const counter of ['tokenVersion', 'fence', 'generation'] as const)
    expect(row[counter], `${counter} never falls`).toBeGreaterThanOrEqual(before[counter])
  if (row.refreshToken !== null && row.refreshToken !== before.refreshToken)
    expect(row.tokenVersion, 'another token, another version').toBeGreaterThan(before.tokenVersion)
  expect(row.intentAt === null || row.claimUntil !== null, 'an intent belongs to a claim').toBe(true)
  const isUsable = ['linked', 'degraded', 'uncertain'].includes(row.status)
  if (isUsable) expect(row.refreshToken, 'what is usable holds a token').not.toBeNull()
  else
    expect(
      [row.claimUntil, row.intentAt, row.nextTryAt, row.refreshDueAt],
      `${row.status}: nobody is at it, nothing is due`,
    ).toEqual([null, null, null, null])
  if (row.status === 'linked') expect([row.cause, row.failures], 'linked has no cause').toEqual([null, 0])
  if (row.status === 'degraded' || row.status === 'needs_relink') expect(row.cause, 'it says why').not.toBeNull()
  if (row.status === 'needs_relink' && !['unreadable', 'another_account', 'turned_away'].includes(row.cause ?? ''))
    expect(row.refreshToken, 'a token that is worth nothing is not kept').toBeNull()
  if (row.status === 'revoked')
    expect([row.refreshToken, row.accessToken, row.accessExpiresAt, row.grantExpiresAt, row.cause, row.doubt]).toEqual([
      null,
      null,
      null,
      null,
      null,
      false,
    ])
}

const weights: Partial<Record<Step['kind'], number>> = { claim: 8, begin: 8, later: 3, renew: 3, fail: 3, relink: 2 }
const step: fc.Arbitrary<Step> = fc.oneof(
  ...kinds.map((kind) => ({
    weight: weights[kind] ?? 1,
    arbitrary: fc.record({
      kind: fc.constant(kind),
      // Most often the newest claim.
      claim: fc.constantFrom(0, 0, 0, 1, 2),
      reached: fc.boolean(),
    }),
  })),
)

it('RR-05 RR-08 K-37: every transition is one of the table, sets what it says and nothing else, and leaves a state that holds', async () => {
  const seen = new Set<string>()
  const walk = async (steps: Step[]) => {
    held = []
    await relink()
    for (const one of steps) {
      if (one.kind === 'expire') await letGrantEnd()
      const before = await read()
      const name = await take(one, before)
      const after = await read()
      follows(name, before, after)
      holds(after, before)
      if (name) seen.add(name)
    }
  }
  const again = (kind: Step['kind']): Step => ({ kind, claim: 0, reached: true })
  const twiceCutOff = ['claim', 'begin', 'later', 'claim', 'begin', 'later', 'claim'] as const
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 24 }), walk), {
    numRuns: 26,
    endOnFailure: true,
    examples: [
      [twiceCutOff.map(again)],
      [[...twiceCutOff, 'renew' as const].map(again)],
      [(['claim', 'begin', 'later', 'claim', 'begin', 'fail'] as const).map(again)],
      [(['expire', 'relink'] as const).map(again)],
      [(['turnAway', 'muchLater', 'claim', 'begin', 'renew'] as const).map(again)],
      [
        (
          [
            'turnAway',
            'muchLater',
            'claim',
            'begin',
            'later',
            'claim',
            'begin',
            'refuse',
            'muchLater',
            'claim',
          ] as const
        ).map(again),
      ],
      [
        (
          ['claim', 'begin', 'unreadable', 'claim', 'muchLater', 'claim', 'turnAway', 'muchLater', 'claim'] as const
        ).map(again),
      ],
      ...(
        [
          'flag',
          'refuse',
          'unreadable',
          'release',
          'fail',
          'renew',
          'revoke',
          'shred',
          'signOut',
          'turnAway',
          'expire',
        ] as const
      ).map((kind): [Step[]] => [[again('claim'), again('begin'), again(kind), again('relink')]]),
    ],
  })
  expect([...seen].sort(), 'all of the table was walked').toEqual(Object.keys(transitions).sort())
}, 60_000)
