import type { Actor, CookieCredential, Person } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { hash, type Secret } from '../../security/secrets.ts'
import { type AttemptRow, findAttempt, listOpenAttempts } from '../../store/attempts.ts'
import { readTenant } from '../../store/database.ts'
import type { SealedPlace } from '../../store/sealed.ts'

export type AttemptSecrets = { state: string; nonce: string; codeVerifier: string }

export const secretsPlace = (attempt: Pick<AttemptRow, 'id' | 'userId'>): SealedPlace => ({
  table: 'attempt',
  row: attempt.id,
  column: 'secrets',
  user: attempt.userId,
  version: 0,
})

export const parseSecrets = (sealed: Secret) => JSON.parse(sealed.reveal()) as AttemptSecrets

/** What an attempt asks for, where that is not what its provider says. */
export const askedFor = (scopes: string[]): { scopes?: string[] } => (scopes.length > 0 ? { scopes } : {})

/** By which way it goes, where that is not the ordinary one. */
export const byFlow = (flow: string | null): { flow?: string } => (flow === null ? {} : { flow })

/** Whether an attempt was begun by this person in this session and this browser. */
export const isOwn = (attempt: AttemptRow, { userId, credential }: Person<CookieCredential>, browser: string) =>
  attempt.userId === userId &&
  attempt.sessionId === credential.session &&
  Buffer.from(attempt.browserHash).equals(Buffer.from(hash(browser)))

/** What a link is about as far as freezes go. */
export const subjectOf = ({ userId, providerId, connectionId }: AttemptRow) => ({
  userId,
  providerId,
  connectionId: connectionId ?? undefined,
})

export type AttemptView = {
  id: string
  providerId: string
  purpose: 'link' | 'relink'
  /**
   * `going_on`: its person came back, and what they brought is being exchanged and stored. `choosing`: they are to say which
   * projects it is for.
   */
  status: 'pending' | 'going_on' | 'choosing' | 'expired' | 'done' | 'failed'
  /** Why it failed: a code of errors.ts, `cancelled` by its person, or `withdrawn` by an admin. */
  outcome: string | null
  detail: string | null
  /** The grant that came back is kept for the rest of the ten minutes: it can be linked as new, or under another alias. */
  canAdopt: boolean
  connectionId: string | null
  projectId: string | null
  flow: string | null
  createdAt: Date
  expiresAt: Date
}

/**
 * How long coming back may take: a few calls of ten seconds each, and storing. Whoever is at it ends it by then, or is gone: a
 * code is spent once (docs/decisions/0007), so nobody else takes it up.
 */
const exchangeMilliseconds = 120_000

function statusOf({ status, expiresAt, consumedAt, createdAt }: AttemptRow, now: Date): AttemptView['status'] {
  if (status === 'done' || status === 'failed') return status
  if (status === 'consumed')
    return (consumedAt ?? createdAt).getTime() + exchangeMilliseconds > now.getTime() ? 'going_on' : 'failed'
  if (expiresAt <= now) return 'expired'
  return status === 'choosing' ? 'choosing' : 'pending'
}

function toAttemptView(row: AttemptRow, now: Date): AttemptView {
  const open = row.expiresAt > now
  const status = statusOf(row, now)
  const isGone = row.status === 'consumed' && status === 'failed'
  return {
    id: row.id,
    providerId: row.providerId,
    purpose: row.purpose as AttemptView['purpose'],
    status,
    outcome: isGone ? 'link_interrupted' : row.status === 'consumed' ? null : row.outcome,
    detail: isGone ? 'The link was cut off while it was being finished. Link again.' : row.detail,
    canAdopt: row.status === 'failed' && row.flow === null && row.secrets !== null && open,
    connectionId: row.connectionId,
    projectId: row.resultProjectId,
    flow: row.flow,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
  }
}

/** @throws BrokerError not_found, for another person's attempt as well */
export async function readAttempt(ctx: Context, actor: Actor, attemptId: string): Promise<AttemptView> {
  const row = await readTenant(ctx, actor.tenantId, (tx) => findAttempt(tx, actor.tenantId, attemptId))
  if (row?.userId !== actor.userId) throw new BrokerError('not_found')
  return toAttemptView(row, ctx.now())
}

/** A person's attempts that can still be resumed. */
export async function openAttempts(ctx: Context, actor: Actor<CookieCredential>): Promise<AttemptView[]> {
  const rows = await readTenant(ctx, actor.tenantId, (tx) =>
    listOpenAttempts(tx, actor.tenantId, actor.credential.session, ctx.now()),
  )
  return rows.map((row) => toAttemptView(row, ctx.now()))
}
