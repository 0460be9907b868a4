import type { Origin } from '../actor.ts'
import { recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { Tx } from '../store/database.ts'
import { type EndCause, type GrantRow, lockGrants, markGrantsEnded } from '../store/grants.ts'
import { asSystem } from '../store/system.ts'
import { lockRevocable, type TokenRow } from '../store/tokens.ts'
import { endTokens } from './end-tokens.ts'
import { settleWithin } from './upstream-revocation.ts'

export type GrantsEnd = {
  tenantId: string
  ids: string[]
  cause: EndCause
  /** Who ended them; null: nobody's act. */
  by: string | null
  origin: Origin
  reason?: string | null | undefined
}

export type EndedGrants = {
  /** What was found, in id order. `already`: it had been ended before, and nothing was done now. */
  grants: { id: string; already: boolean }[]
  /** Ids of the issued tokens that ended with them. */
  tokens: string[]
  /** Whose they were, and how many of each. */
  owners: { userId: string; grants: number; tokens: number }[]
  /** What is to be settled after the commit (settleWithin). */
  work: string[]
}

/**
 * Ends grants in the transaction of whoever ends them: their generation raised, their access tokens gone, no refresh
 * token of theirs good for another, and the tokens that were issued through them revoked, with their upstream work (D-12, I-06). Grants are locked before tokens. A
 * transaction that ends connections as well names all of it to {@link import('./revoke.ts').revokeHere}, which keeps the order.
 */
export async function endGrants(ctx: Context, tx: Tx, end: GrantsEnd): Promise<EndedGrants> {
  const { tenantId, by } = end
  const now = ctx.now()
  const { grants, ending } = await closeGrants(tx, end, now)
  const grantIds = ending.map(({ id }) => id)
  const living = (await lockRevocable(tx, tenantId, { grantIds })).filter(
    (token) => token.generation === 0 && token.expiresAt > now,
  )
  const work = await endTokens(tx, living, { tenantId, by, now })
  const events = [...grantEvents(ending, living, end), ...tokenEvents(living, end.reason)]
  await recordAllAnyway(ctx, tx, tenantId, now, end.origin, events)
  const countOf = (rows: { userId: string }[], owner: string) => rows.filter(({ userId }) => userId === owner).length
  const owners = [...new Set([...ending, ...living].map(({ userId }) => userId))].map((userId) => ({
    userId,
    grants: countOf(ending, userId),
    tokens: countOf(living, userId),
  }))
  return { grants, owners, tokens: living.map(({ id }) => id), work }
}

/** {@link endGrants} for one, where no person's act is running: a program signs out, or its refresh token was brought twice. */
export async function endGrant(
  ctx: Context,
  { tenantId, grantId, cause, origin }: { tenantId: string; grantId: string; cause: EndCause; origin: Origin },
): Promise<{ already: boolean }> {
  const { grants, work } = await asSystem(ctx, tenantId, 'end of a grant', (tx) =>
    endGrants(ctx, tx, { tenantId, ids: [grantId], cause, by: origin.userId, origin }),
  )
  await settleWithin(ctx, tenantId, work)
  return { already: grants[0]?.already ?? true }
}

/**
 * The part of {@link endGrants} that comes before connections and tokens are locked: whoever issues through one of them
 * either has committed by then, so that the token is found, or finds it ended. `of`: of this member alone.
 */
export async function closeGrants(
  tx: Tx,
  { tenantId, ids, cause, by }: Pick<GrantsEnd, 'tenantId' | 'ids' | 'cause' | 'by'>,
  now: Date,
  of?: string,
): Promise<{ grants: EndedGrants['grants']; ending: GrantRow[] }> {
  const rows = await lockGrants(tx, tenantId, ids, of)
  const ending = rows.filter(({ endedAt }) => endedAt === null)
  if (ending.length > 0)
    await markGrantsEnded(
      tx,
      tenantId,
      ending.map(({ id }) => id),
      { cause, by, now },
    )
  return { grants: rows.map(({ id, endedAt }) => ({ id, already: endedAt !== null })), ending }
}

export const grantEvents = (
  ending: GrantRow[],
  tokens: TokenRow[],
  { cause, reason = null }: Pick<GrantsEnd, 'cause' | 'reason'>,
) =>
  ending.map(({ id, userId, clientId }) => {
    const ended = tokens.filter(({ grantId }) => grantId === id).length
    const details = { owner: userId, client: clientId, cause, tokens: ended, reason }
    return { action: 'grant.ended', outcome: 'ok', target: { kind: 'grant', id }, details } as const
  })

export const tokenEvents = (tokens: TokenRow[], reason: string | null = null) =>
  tokens.map(({ id, userId, projectId, fingerprint }) => {
    const details = { owner: userId, project: projectId, fingerprint, reason }
    return { action: 'token.revoked', outcome: 'ok', target: { kind: 'token', id }, details } as const
  })
