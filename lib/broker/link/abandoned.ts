import type { Context } from '../../context.ts'
import type { LinkedGrant } from '../../providers/provider.ts'
import { newId } from '../../security/ids.ts'
import type { Secret } from '../../security/secrets.ts'
import { type AttemptRow, endAttempt, takeAbandoned } from '../../store/attempts.ts'
import { insertConnection } from '../../store/connections.ts'
import type { Tx } from '../../store/database.ts'
import { insertRevocations } from '../../store/revocations.ts'
import { asSystem } from '../../store/system.ts'
import { type Vault, vaultOf } from '../../vault/keys.ts'
import { grantPlace } from '../../vault/places.ts'
import { settleAll } from '../upstream-revocation.ts'
import { secretsPlace } from './attempt.ts'
import { grantFromJson } from './grant-json.ts'

type Of = Pick<AttemptRow, 'tenantId' | 'userId' | 'providerId' | 'flow'>

/**
 * A grant that came and that no project will be linked with is ended upstream, and that is seen to: it is written down as a
 * connection that is revoked and reaches nothing, whose end is queued, told and retried like any other (K-37). Ids of the work.
 */
export async function endUnlinked(
  ctx: Pick<Context, 'now'>,
  vault: Vault,
  tx: Tx,
  { tenantId, userId, providerId, flow }: Of,
  { refreshToken, account }: { refreshToken: Secret | undefined; account?: LinkedGrant['account'] },
): Promise<string[]> {
  if (!refreshToken) return []
  const now = ctx.now()
  const connectionId = newId('connection')
  await insertConnection(tx, {
    tenantId,
    id: connectionId,
    userId,
    providerId,
    accountId: account?.id ?? '-',
    accountName: account?.name ?? 'an account that was not told',
    flow,
    status: 'revoked',
    statusSince: now,
    linkedAt: now,
  })
  const id = newId('revocation')
  const handle = await vault.seal(grantPlace({ id, userId }), refreshToken)
  await insertRevocations(tx, [
    { tenantId, id, kind: 'grant', providerId, connectionId, handle, nextTryAt: now, createdAt: now },
  ])
  return [id]
}

/** The same of what an attempt keeps; one that cannot be read any more is forgotten. In the transaction that has taken it. */
export async function endKept(ctx: Context, vault: Vault, tx: Tx, attempt: AttemptRow): Promise<string[]> {
  const { tenantId, id, status, outcome, detail, secrets } = attempt
  const opened = secrets && (await vault.open(secretsPlace(attempt), secrets).catch(() => undefined))
  const work = opened ? await endUnlinked(ctx, vault, tx, attempt, grantFromJson(opened)) : []
  await endAttempt(tx, tenantId, id, {
    status: 'failed',
    outcome: status === 'choosing' ? 'attempt_expired' : (outcome ?? 'attempt_expired'),
    detail,
  })
  return work
}

/** Ends a batch of grants that nobody has chosen anything for in time. How many. */
export async function endAbandoned(ctx: Context, tenantId: string, most: number): Promise<number> {
  const vault = await vaultOf(ctx, tenantId)
  const { count, work } = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const taken = await takeAbandoned(tx, tenantId, ctx.now(), most)
    const work: string[] = []
    for (const attempt of taken) work.push(...(await endKept(ctx, vault, tx, attempt)))
    return { count: taken.length, work }
  })
  await settleAll(ctx, tenantId, work)
  return count
}
