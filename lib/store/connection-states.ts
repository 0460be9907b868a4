import type { ConnectionRow } from './connections.ts'
import type { Prisma, Tx } from './database.ts'

/** Tokens can be had from it; `uncertain` once more, to find out. */
export const usable = ['linked', 'degraded', 'uncertain'] as const
const standing = [...usable, 'needs_relink'] as const
const every = [...standing, 'revoked'] as const
export type ConnectionStatus = (typeof every)[number]

type Column = Exclude<
  keyof ConnectionRow,
  'tenantId' | 'id' | 'userId' | 'providerId' | 'status' | 'cause' | 'statusSince'
>
/** What a column becomes: this value, one more than it was, or what the writer gives. Others stay as they are. */
type Effect = null | boolean | 0 | 'next' | 'given'
type Transition = {
  from: readonly ConnectionStatus[]
  /** `same`: it stays in whichever it was. */
  to: ConnectionStatus | 'same'
  /** `given`: the writer names one. */
  cause: string | null
  sets: Partial<Record<Column, Effect>>
}

/** Nobody is at it, and nothing is to come of a try: neither claim nor intent nor pause. */
const idle = { claimUntil: null, intentAt: null, nextTryAt: null } as const
/** Earlier troubles do not count any more. */
const settled = { ...idle, doubt: false, recoveries: 0, failures: 0 } as const
/** Only a person can bring it back, so the background leaves it alone. */
const ended = { ...idle, refreshDueAt: null } as const
const wiped = {
  refreshToken: null,
  accessToken: null,
  accessExpiresAt: null,
  grantExpiresAt: null,
  refreshDueAt: null,
  pastedMark: null,
  rotateDays: null,
  rotateAt: null,
} as const
const pair = {
  tokenVersion: 'next',
  refreshToken: 'given',
  accessToken: 'given',
  accessExpiresAt: 'given',
  grantExpiresAt: 'given',
  scopesGranted: 'given',
} as const

/** Of a pasted token. */
const noted = { held: 'given', pastedMark: 'given', rotateAt: 'given', rotatedAt: 'given' } as const

/**
 * Everything that writes the state of a connection, by name: from where to where, and which columns it sets. The first six
 * are made here ({@link move}); the rest are the vk.refresh_* functions, and tests/integration/connection-states.test.ts
 * walks all of them against this table. What only plans (use, a lifted freeze, a turn in the background) is no transition.
 */
export const transitions = {
  relink: {
    from: every,
    to: 'linked',
    cause: null,
    sets: {
      ...settled,
      ...pair,
      revivals: 0,
      refreshDueAt: 'given',
      usedAt: 'given',
      linkedAt: 'given',
      accountId: 'given',
      accountName: 'given',
      upstreamSession: 'given',
      grantedBy: 'given',
      held: 'given',
      pastedMark: 'given',
      rotateDays: 'given',
      rotateAt: 'given',
      rotatedAt: null,
      warningOff: 'given',
      flow: 'given',
    },
  },
  revoke: {
    from: standing,
    to: 'revoked',
    cause: null,
    sets: { ...settled, ...wiped, tokenVersion: 'next', generation: 'next' },
  },
  // Version and fence move on, so that a refresh that is under way finds nothing to write to.
  shred: {
    from: standing,
    to: 'needs_relink',
    cause: 'shredded',
    sets: { ...settled, ...wiped, tokenVersion: 'next', fence: 'next' },
  },
  // The upstream's own word; what is under way finds nothing to write to here either.
  signOut: {
    from: usable,
    to: 'needs_relink',
    cause: 'signed_out',
    sets: { ...wiped, ...settled, tokenVersion: 'next', fence: 'next' },
  },
  // An MCP server refused an access token that had just been renewed. Nobody has refused the refresh token, so it stays, with
  // what is known of it.
  turnAway: {
    from: usable,
    to: 'needs_relink',
    cause: 'turned_away',
    sets: { ...ended, accessToken: null, accessExpiresAt: null, fence: 'next' },
  },
  // Whoever still holds a claim has lost it.
  expire: { from: usable, to: 'needs_relink', cause: 'expired', sets: { ...ended, refreshToken: null, fence: 'next' } },

  // vk.refresh_claim: an ordinary claim, one of an interrupted rotation, a silent try of what needs its person though its refresh
  // token was refused by nobody, and the end after a second interruption.
  claim: {
    from: usable,
    to: 'same',
    cause: 'given',
    sets: { fence: 'next', claimUntil: 'given', intentAt: null, doubt: 'given' },
  },
  interrupt: { from: usable, to: 'uncertain', cause: null, sets: { fence: 'next', claimUntil: 'given', doubt: true } },
  revive: {
    from: ['needs_relink'],
    to: 'degraded',
    cause: 'given',
    sets: { fence: 'next', claimUntil: 'given', doubt: 'given', revivals: 'next', refreshDueAt: 'given' },
  },
  lose: { from: usable, to: 'needs_relink', cause: 'lost_in_rotation', sets: { ...ended, refreshToken: null } },
  // vk.refresh_begin, vk.refresh_release
  begin: {
    from: usable,
    to: 'same',
    cause: 'given',
    sets: { claimUntil: 'given', intentAt: 'given', recoveries: 'given' },
  },
  release: {
    from: usable,
    to: 'same',
    cause: 'given',
    sets: { claimUntil: 'given', intentAt: 'given', nextTryAt: 'given', recoveries: 'given' },
  },
  // vk.refresh_store: a holder that was paused heals what its successor lost. `flag`: good tokens of somebody else.
  renew: {
    from: standing,
    to: 'linked',
    cause: null,
    sets: { ...settled, ...pair, ...noted, lastRefreshAt: 'given', refreshDueAt: 'given' },
  },
  flag: {
    from: standing,
    to: 'needs_relink',
    cause: 'given',
    sets: { ...settled, ...pair, ...noted, lastRefreshAt: 'given', refreshDueAt: null },
  },
  // vk.refresh_fail: it is tried again; or it is not. An unreadable token stays, for its key may come back.
  degrade: {
    from: ['linked', 'degraded'],
    to: 'degraded',
    cause: 'given',
    sets: { ...idle, nextTryAt: 'given', refreshDueAt: 'given', failures: 'next', doubt: 'given', recoveries: 'given' },
  },
  stayUncertain: {
    from: ['uncertain'],
    to: 'uncertain',
    cause: 'given',
    sets: { ...idle, nextTryAt: 'given', refreshDueAt: 'given', failures: 'next', doubt: 'given', recoveries: 'given' },
  },
  refuse: {
    from: usable,
    to: 'needs_relink',
    cause: 'given',
    sets: { ...ended, refreshToken: 'given', failures: 'next', doubt: 'given', recoveries: 'given' },
  },
} as const satisfies Record<string, Transition>

type Moves = 'relink' | 'revoke' | 'shred' | 'signOut' | 'turnAway' | 'expire'
type Sets<Name extends Moves> = (typeof transitions)[Name]['sets']
type Given<Name extends Moves> = {
  [Key in keyof Sets<Name> & Column as Sets<Name>[Key] extends 'given' ? Key : never]: ConnectionRow[Key]
}

/**
 * Makes a transition of every connection that matches and may make it. `given`: the columns that the table leaves to the
 * writer. How many made it.
 */
export async function move<Name extends Moves>(
  tx: Tx,
  where: Prisma.ConnectionWhereInput & { tenantId: string },
  name: Name,
  now: Date,
  given: Given<Name>,
): Promise<number> {
  const { from, to, cause, sets }: Transition = transitions[name]
  const fixed = Object.entries(sets).filter(([, effect]) => effect !== 'given')
  const columns = Object.fromEntries(fixed.map(([key, effect]) => [key, effect === 'next' ? { increment: 1 } : effect]))
  const data = { ...columns, ...given, status: to, cause }
  const update = (status: Prisma.ConnectionWhereInput['status'] & object, more = {}) =>
    tx.connection.updateMany({ where: { AND: [where, { status }] }, data: { ...data, ...more } })
  // First those that stay in their state, and keep its beginning: the others are among them afterwards.
  const stayed = from.some((status) => status === to) ? (await update({ equals: to })).count : 0
  return stayed + (await update({ in: [...from], not: to }, { statusSince: now })).count
}
