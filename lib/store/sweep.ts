import type { Context } from '../context.ts'
import { query, type Tx, underSavepoint } from './database.ts'
import { asSystem } from './system.ts'

/** What is over and goes, each as "which" ($1 tenant, $2 how many at most) and "how" ($1 tenant, $2 ids). */
type Sweep = { which: string; how: string }

/** Ended tokens and finished upstream work stay to be looked up for this long. */
const kept = "interval '90 days'"

/**
 * Rows that somebody is at work on are skipped, so any number of instances may sweep at once. The clock is read once, by a SELECT of
 * its own: asked for row by row, no index is of use.
 * Audit events are never swept.
 */
export const sweeps = {
  'secrets of attempts': {
    // A grant that is kept is ended first (broker/link/abandoned.ts).
    which: `SELECT id FROM attempt WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) AND secrets IS NOT NULL
      AND NOT (flow IS NOT NULL AND status IN ('choosing', 'failed'))`,
    how: 'UPDATE attempt SET secrets = NULL WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  attempts: {
    which:
      "SELECT id FROM attempt WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) - interval '1 day' AND secrets IS NULL",
    how: 'DELETE FROM attempt WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'link requests': {
    which: "SELECT id FROM link_request WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) - interval '1 day'",
    how: 'DELETE FROM link_request WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'logout tokens': {
    which: 'SELECT id FROM issuer_logout WHERE tenant_id = $1 AND kept_until < (SELECT vk_now())',
    how: 'DELETE FROM issuer_logout WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  invitations: {
    which: "SELECT id FROM invitation WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) - interval '30 days'",
    how: 'DELETE FROM invitation WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  freezes: {
    which: `SELECT kind || ' ' || target_id AS id FROM freeze_fact WHERE tenant_id = $1 AND until < (SELECT vk_now()) - interval '30 days'`,
    how: `DELETE FROM freeze_fact WHERE tenant_id = $1 AND kind || ' ' || target_id = ANY ($2)`,
  },
  'handles of ended tokens': {
    which: `SELECT id FROM issued_token t WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) AND handle IS NOT NULL AND NOT endless
      AND NOT EXISTS (SELECT FROM upstream_revocation r WHERE r.tenant_id = $1 AND r.token_id = t.id AND r.state = 'pending')`,
    how: 'UPDATE issued_token SET handle = NULL WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'answers to repeat': {
    which:
      'SELECT id FROM idempotency_key WHERE tenant_id = $1 AND answer IS NOT NULL AND answer_until < (SELECT vk_now())',
    how: 'UPDATE idempotency_key SET answer = NULL WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'idempotency keys': {
    which: 'SELECT id FROM idempotency_key WHERE tenant_id = $1 AND expires_at < (SELECT vk_now())',
    how: 'DELETE FROM idempotency_key WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'ended tokens': {
    which: `SELECT id FROM issued_token t WHERE tenant_id = $1 AND expires_at < (SELECT vk_now()) - ${kept} AND status <> 'issuing' AND handle IS NULL
      AND NOT EXISTS (SELECT FROM upstream_revocation r WHERE r.tenant_id = $1 AND r.token_id = t.id AND r.state = 'pending')`,
    how: `WITH work AS (DELETE FROM upstream_revocation WHERE tenant_id = $1 AND token_id = ANY ($2))
      DELETE FROM issued_token WHERE tenant_id = $1 AND id = ANY ($2)`,
  },
  'days of use': {
    which: `SELECT token_id || ' ' || day AS id FROM token_use WHERE tenant_id = $1 AND day < ((SELECT vk_now()) - interval '31 days')::date`,
    how: `DELETE FROM token_use WHERE tenant_id = $1 AND token_id || ' ' || day = ANY ($2)`,
  },
  'days of calls': {
    which: `SELECT holder_id || ' ' || project_id || ' ' || day || ' ' || tool AS id FROM mcp_use
      WHERE tenant_id = $1 AND day < ((SELECT vk_now()) - interval '31 days')::date`,
    how: `DELETE FROM mcp_use WHERE tenant_id = $1 AND holder_id || ' ' || project_id || ' ' || day || ' ' || tool = ANY ($2)`,
  },
  'tools that are gone': {
    which: `SELECT project_id || ' ' || name AS id FROM mcp_tool WHERE tenant_id = $1 AND gone_at < (SELECT vk_now()) - interval '100 days'`,
    how: `DELETE FROM mcp_tool WHERE tenant_id = $1 AND project_id || ' ' || name = ANY ($2)`,
  },
  'access tokens': {
    which: "SELECT encode(hash, 'hex') AS id FROM access_token WHERE tenant_id = $1 AND expires_at < (SELECT vk_now())",
    how: `DELETE FROM access_token WHERE tenant_id = $1 AND hash = ANY (SELECT decode(id, 'hex') FROM unnest($2::text[]) AS id)`,
  },
  'former secrets of clients': {
    which: 'SELECT id FROM client_secret WHERE tenant_id = $1 AND expires_at < (SELECT vk_now())',
    how: 'DELETE FROM client_secret WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'acts of revocation': {
    which: `SELECT id FROM revocation_act WHERE tenant_id = $1 AND settled_at < (SELECT vk_now()) - interval '365 days'`,
    how: 'DELETE FROM revocation_act WHERE tenant_id = $1 AND id = ANY ($2)',
  },
  'finished revocations': {
    which: `SELECT id FROM upstream_revocation WHERE tenant_id = $1 AND token_id IS NULL AND finished_at < (SELECT vk_now()) - ${kept}`,
    how: 'DELETE FROM upstream_revocation WHERE tenant_id = $1 AND id = ANY ($2)',
  },
} as const satisfies Record<string, Sweep>

export type SweepName = keyof typeof sweeps
export const sweepNames = Object.keys(sweeps) as SweepName[]

const pick = (tx: Tx, tenantId: string, { which }: Sweep, limit: number) =>
  tx.$queryRawUnsafe<{ id: string }[]>(`${which} LIMIT $2 FOR UPDATE SKIP LOCKED`, tenantId, limit)

const drop = (tx: Tx, tenantId: string, { how }: Sweep, ids: string[]) => tx.$executeRawUnsafe(how, tenantId, ids)

/** Which sweeps of a tenant have something to do, in one statement: mostly none has. */
export const dueSweeps = async (ctx: Pick<Context, 'db'>, tenantId: string): Promise<SweepName[]> =>
  (await asSystem(ctx, tenantId, 'job', (tx) => tx.$queryRawUnsafe<{ name: SweepName }[]>(whichAreDue, tenantId))).map(
    ({ name }) => name,
  )
const whichAreDue = Object.entries(sweeps)
  .map(([name, { which }]) => `SELECT '${name}' AS name WHERE EXISTS (${which})`)
  .join(' UNION ALL ')

/** Sweeps one batch in one transaction. How many rows it found. */
export const sweepBatch = (ctx: Pick<Context, 'db'>, tenantId: string, name: SweepName, limit: number) =>
  asSystem(ctx, tenantId, 'job', async (tx) => {
    const ids = (await pick(tx, tenantId, sweeps[name], limit)).map(({ id }) => id)
    if (ids.length > 0) await drop(tx, tenantId, sweeps[name], ids)
    return ids.length
  })

/**
 * The same batch entry by entry, each under a savepoint: what cannot go is left and told to `broken`. In one transaction, because its
 * locks are what keeps an entry as over as it was found: a freeze set again or a key claimed anew is not swept.
 */
export async function sweepSingly(
  ctx: Pick<Context, 'db'>,
  tenantId: string,
  name: SweepName,
  limit: number,
  broken: (id: string, error: unknown) => void,
): Promise<void> {
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    for (const { id } of await pick(tx, tenantId, sweeps[name], limit)) {
      const failure = await underSavepoint(tx, async () => void (await drop(tx, tenantId, sweeps[name], [id])))
      if (failure !== undefined) broken(id, failure)
    }
  })
}

/** Deletes one batch of sessions past their idle or absolute limit. How many. */
export async function sweepSessions(ctx: Pick<Context, 'pool' | 'config'>, limit: number): Promise<number> {
  const text = `DELETE FROM session WHERE id IN (SELECT id FROM session
    WHERE expires_at < (SELECT vk_now()) OR last_active_at < (SELECT vk_now()) - make_interval(secs => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1`
  return (await query(ctx, 'sweep_sessions', text, [ctx.config.session.idleSeconds, limit])).length
}
