import type { Context } from '../context.ts'
import { query, type Tx } from './database.ts'

/** Canary tokens, which measure how fast every process refuses what was revoked. Moments are those of the database's clock. */
type Store = Pick<Context, 'pool' | 'config'>

/** The person that canary tokens are about: nobody signs in from this issuer, and they are a member of nothing. */
const nobody = { id: 'usr_canary', issuer: 'valetkey canary', name: 'Canary' }
/** Where its grants are: beside all tenants. */
export const canaryTenant = 'instance'
const client = 'valetkey'

/**
 * Makes a canary token, unless there was another within `everySeconds`; another process that is at it does. It stands on a grant like any
 * program's, whose ground is the instance alone. In a transaction in {@link canaryTenant}.
 */
export async function insertCanary(
  tx: Tx,
  { id, hash, inSeconds, everySeconds }: { id: string; hash: Uint8Array; inSeconds: number; everySeconds: number },
): Promise<boolean> {
  const [lock] = await tx.$queryRaw<
    [{ got: boolean }]
  >`SELECT pg_try_advisory_xact_lock(hashtext('valetkey.canary')) AS got`
  if (!lock.got) return false
  const made = await tx.$executeRaw`
    INSERT INTO refusal_canary (id, ends_at) SELECT ${id}, clock_timestamp() + make_interval(secs => ${inSeconds})
    WHERE NOT EXISTS (SELECT FROM refusal_canary WHERE ends_at > clock_timestamp() + make_interval(secs => ${inSeconds - everySeconds}))`
  if (made === 0) return false
  await tx.$executeRaw`
    INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES (${nobody.id}, ${nobody.issuer}, 'canary', ${nobody.name}, clock_timestamp())
    ON CONFLICT DO NOTHING`
  // No member and no tenant, so that nothing lists, counts or limits it.
  await tx.$executeRaw`
    INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, generations, auth_time, created_at)
    SELECT ${canaryTenant}, ${id}, ${nobody.id}, c.id, ARRAY[0, c.generation, NULL, NULL, i.generation], clock_timestamp(), clock_timestamp()
    FROM api_client c, instance i WHERE c.id = ${client} AND i.id = 1`
  await tx.$executeRaw`
    INSERT INTO access_token (hash, tenant_id, grant_id, scopes, generations, created_at, expires_at)
    SELECT ${Buffer.from(hash)}, g.tenant_id, g.id, '{}', g.generations, clock_timestamp(), vk_now() + interval '1 hour'
    FROM oauth_grant g WHERE g.tenant_id = ${canaryTenant} AND g.id = ${id}`
  return true
}

/** Deletes what earlier canaries stood on, and what was read of them an hour ago. In {@link canaryTenant}. */
export async function sweepCanaries(tx: Tx): Promise<void> {
  const over = await tx.$queryRaw<{ id: string }[]>`
    SELECT g.id FROM oauth_grant g WHERE g.tenant_id = ${canaryTenant} AND g.user_id = ${nobody.id}
      AND g.created_at < clock_timestamp() - interval '1 minute' FOR UPDATE SKIP LOCKED`
  const ids = over.map(({ id }) => id)
  await tx.accessToken.deleteMany({ where: { tenantId: canaryTenant, grantId: { in: ids } } })
  await tx.oauthGrant.deleteMany({ where: { tenantId: canaryTenant, id: { in: ids } } })
  await tx.$executeRaw`DELETE FROM refusal_canary WHERE ends_at < clock_timestamp() - interval '1 hour'`
}

/** The canary that ends next, and in how many milliseconds. */
export async function nextCanary(ctx: Store): Promise<{ id: string; milliseconds: number } | undefined> {
  const text = `SELECT id, (extract(epoch FROM ends_at - clock_timestamp()) * 1000)::float8 AS milliseconds FROM refusal_canary
    WHERE revoked_at IS NULL AND ends_at > clock_timestamp() ORDER BY ends_at LIMIT 1`
  return (await query<{ id: string; milliseconds: number }>(ctx, 'canary_next', text, []))[0]
}

/** Notes that its end begins now, in the transaction that ends it. False: it has ended. */
export const beginCanaryEnd = async (tx: Tx, id: string): Promise<boolean> =>
  (await tx.$executeRaw`UPDATE refusal_canary SET revoked_at = clock_timestamp() WHERE id = ${id} AND revoked_at IS NULL`) >
  0

/** Asks as a request with this access token would be judged: vk.access_enter. `at`: when it answered. */
export async function askForCanary(ctx: Store, hash: Uint8Array): Promise<{ stands: boolean; at: number }> {
  const text = `SELECT state = 'live' AS stands, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at FROM vk.access_enter($1)`
  const [row] = await query<{ stands: boolean; at: number }>(ctx, 'canary_ask', text, [Buffer.from(hash)])
  return row ?? { stands: false, at: 0 }
}

/** Keeps what a process has read, refused `at`. Milliseconds; undefined: nobody revoked it. */
export async function keepReading(
  ctx: Store,
  { id, process, at }: { id: string; process: string; at: number },
): Promise<number | undefined> {
  const text = `INSERT INTO refusal_reading (canary_id, process, milliseconds)
    SELECT id, $2, $3 - extract(epoch FROM revoked_at) * 1000 FROM refusal_canary WHERE id = $1 AND revoked_at IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING milliseconds`
  return (await query<{ milliseconds: number }>(ctx, 'canary_keep', text, [id, process, at]))[0]?.milliseconds
}

/** How long processes took to refuse what was revoked, in the last hour: milliseconds, null before the first reading. */
export type Refusal = { p50: number | null; p99: number | null; readings: number; processes: number }

export async function readRefusal(ctx: Store): Promise<Refusal> {
  const text = `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.milliseconds) AS p50,
      percentile_cont(0.99) WITHIN GROUP (ORDER BY r.milliseconds) AS p99, count(*)::int AS readings,
      (count(DISTINCT r.process) FILTER (WHERE c.ends_at > clock_timestamp() - interval '1 minute'))::int AS processes
    FROM refusal_canary c JOIN refusal_reading r ON r.canary_id = c.id WHERE c.ends_at > clock_timestamp() - interval '1 hour'`
  const [row] = await query<Refusal>(ctx, 'canary_read', text, [])
  return row ?? { p50: null, p99: null, readings: 0, processes: 0 }
}
