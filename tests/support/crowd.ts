import pg from 'pg'
import type { TestApp } from './app.ts'

/** What a tenant has that has been used for years. */
const amounts = {
  members: 500,
  projects: 200,
  connections: 10_000,
  events: 300_000,
  livingTokens: 50_000,
  pastTokens: 20_000,
  notifications: 20_000,
  revocations: 20_000,
  invitations: 2_000,
  sessions: 1_000,
  /** Of people of other tenants, in the same table. */
  sessionsElsewhere: 200_000,
  requests: 20_000,
}

/** An SQL expression for the id of the `n`th, older than any that is made now. */
const nth = (kind: string, n: string) => `'${kind}_0180' || lpad(to_hex(${n}), 28, '0')`
const idOf = (kind: string, n: number) => `${kind}_0180${n.toString(16).padStart(28, '0')}`

/**
 * Fills a tenant with {@link amounts}, in a few seconds and as the tables' owner, then lets Postgres count it. Uneven,
 * as real ones are: one connection has a third of all events, another only the forty oldest; one script made every token
 * that has ended; who signs in has next to nothing. Answers the ids of these.
 */
export async function crowd(app: TestApp, tenant: string) {
  const t = `'${await app.tenantId(tenant)}'`
  const provider = `(SELECT min(id) FROM provider WHERE tenant_id = ${t})`
  const series = (count: number) => `generate_series(1, ${count}) n`
  const statements = [
    `INSERT INTO "user" (id, issuer, subject, name, email, created_at)
      SELECT ${nth('usr', 'n')}, 'https://crowd.example', n::text, 'Person ' || n, n || '@crowd.example', now()
      FROM ${series(amounts.members)}`,
    `INSERT INTO member (tenant_id, user_id, role, created_at)
      SELECT ${t}, ${nth('usr', 'n')}, 'member', now() FROM ${series(amounts.members)}`,
    `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
      SELECT ${t}, ${nth('prj', 'n')}, ${provider}, 'crowd-' || n, 'Project ' || n, 'crowd-' || n, now()
      FROM ${series(amounts.projects)}`,
    `INSERT INTO project_alias (tenant_id, alias, project_id, created_at)
      SELECT tenant_id, alias, id, created_at FROM project WHERE external_id LIKE 'crowd-%'`,
    `INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since, linked_at,
        refresh_due_at)
      SELECT ${t}, ${nth('con', 'n')}, ${nth('usr', `1 + n % ${amounts.members}`)}, ${provider}, n::text, 'account ' || n,
        CASE WHEN n % 50 = 0 THEN 'revoked' WHEN n % 60 = 0 THEN 'needs_relink' ELSE 'linked' END, now(), now(),
        now() + interval '1 day'
      FROM ${series(amounts.connections)}`,
    `INSERT INTO connection_project (tenant_id, connection_id, project_id, user_id)
      SELECT ${t}, ${nth('con', 'n')}, ${nth('prj', `1 + (n / ${amounts.members} + n * 7) % ${amounts.projects}`)},
        ${nth('usr', `1 + n % ${amounts.members}`)}
      FROM ${series(amounts.connections)}`,
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
        scopes_asked, fingerprint, generations, expires_at, created_at, revoked_at)
      SELECT ${t}, ${nth('tok', 'n')}, l.user_id, l.project_id, l.connection_id, ${provider}, 'mint', s.status, n::text,
        'nightly export', '{"components":[],"buckets":{"in.c-crm":"read"},"manage_buckets":false,"read_all_files":false}',
        lpad(to_hex(n), 12, '0'), '{0,0,0,0,0,0,0}', now() + make_interval(mins => n - ${amounts.pastTokens}),
        now() - interval '2 days', CASE WHEN s.status = 'revoked' THEN now() END
      FROM ${series(amounts.pastTokens + amounts.livingTokens)}
        CROSS JOIN LATERAL (SELECT CASE WHEN n > ${amounts.pastTokens} OR n % 20 > 1 THEN 'live'
          WHEN n % 20 = 1 THEN 'failed' ELSE 'revoked' END AS status) s
        JOIN connection_project l ON l.tenant_id = ${t} AND l.connection_id =
          CASE WHEN n <= ${amounts.pastTokens} THEN ${nth('con', '1')} ELSE ${nth('con', `1 + n % ${amounts.connections}`)} END`,
    `INSERT INTO upstream_revocation (tenant_id, id, kind, provider_id, connection_id, token_id, state, created_at, finished_at)
      SELECT ${t}, ${nth('rev', 'n')}, 'token', ${provider}, ${nth('con', `1 + n % ${amounts.connections}`)}, ${nth('tok', 'n')},
        CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'done' END, now(), now()
      FROM ${series(amounts.revocations)}`,
    `INSERT INTO notification (tenant_id, id, user_id, kind, created_at, read_at)
      SELECT ${t}, ${nth('ntf', 'n')}, ${nth('usr', `1 + n % ${amounts.members}`)}, 'connection.degraded', now(),
        CASE WHEN n % 3 = 0 THEN now() END
      FROM ${series(amounts.notifications)}`,
    `INSERT INTO invitation (tenant_id, id, token_hash, role, created_by, created_at, expires_at, used_at, used_by)
      SELECT ${t}, ${nth('inv', 'n')}, sha256(n::text::bytea), 'member', ${nth('usr', '1')}, now(), now() + interval '7 days',
        CASE WHEN n > 80 THEN now() END, CASE WHEN n > 80 THEN ${nth('usr', 'n')} END
      FROM ${series(amounts.invitations)}`,
  ]
  // What is open among what was: one in two hundred.
  const open = 'n % 200 = 0'
  statements.push(
    `INSERT INTO session (id, token_hash, user_id, agent, auth_time, created_at, last_active_at, expires_at)
      SELECT ${nth('ses', 'n')}, sha256(('crowd' || n)::bytea), ${nth('usr', `1 + n % ${amounts.members}`)}, 'Firefox ' || n,
        now(), now(), now(), now() + interval '1 day' FROM ${series(amounts.sessions)}`,
    `INSERT INTO "user" (id, issuer, subject, name, created_at)
      SELECT ${nth('usr', '1000000 + n')}, 'https://elsewhere.example', n::text, 'Person ' || n, now() FROM ${series(5_000)}`,
    `INSERT INTO session (id, token_hash, user_id, agent, auth_time, created_at, last_active_at, expires_at)
      SELECT ${nth('ses', '1000000 + n')}, sha256(('elsewhere' || n)::bytea), ${nth('usr', '1000001 + n % 5000')}, 'Firefox ' || n,
        now(), now(), now(), now() + interval '1 day' FROM ${series(amounts.sessionsElsewhere)}`,
    `INSERT INTO attempt (tenant_id, id, state_hash, browser_hash, session_id, user_id, provider_id, purpose, callback_key, issuer,
        redirect_uri, status, created_at, expires_at)
      SELECT ${t}, ${nth('att', 'n')}, sha256(('crowd' || n)::bytea), '\\x00', ${nth('ses', `1 + n % ${amounts.sessions}`)},
        ${nth('usr', `1 + n % ${amounts.members}`)}, ${provider}, 'link', 'crowd', 'https://crowd.example', 'https://crowd.example/',
        CASE WHEN ${open} THEN 'pending' ELSE 'done' END, now(), now() + interval '1 day' FROM ${series(amounts.requests)}`,
    `INSERT INTO link_request (tenant_id, id, user_id, provider_id, project_id, cause, subject, status, created_at, expires_at)
      SELECT ${t}, ${nth('lrq', 'n')}, ${nth('usr', `1 + n % ${amounts.members}`)}, ${provider}, ${nth('prj', '1')}, 'link',
        sha256(n::text::bytea), CASE WHEN ${open} THEN 'asked' ELSE 'completed' END, now(), now() + interval '1 day'
      FROM ${series(amounts.requests)}`,
    `INSERT INTO authorization_request (id, kind, client_id, status, scopes, tenant_chosen, claimed_by, scopes_granted, created_at, expires_at)
      SELECT ${nth('aut', 'n')}, 'device', 'valetkey', CASE WHEN ${open} THEN 'approved' ELSE 'consumed' END, '{}', ${t},
        ${nth('usr', `1 + n % ${amounts.members}`)}, '{}', now(), now() + interval '1 day' FROM ${series(amounts.requests)}`,
  )
  const trail = [
    'ALTER TABLE audit_event DISABLE TRIGGER await_seal',
    `INSERT INTO audit_event (tenant_id, id, at, body)
      SELECT ${t}, ${nth('evt', 'n')}, now(), jsonb_build_object('action', 'refresh.succeeded', 'outcome', 'ok',
        'actor', CASE WHEN n % 10 > 0 THEN ${nth('usr', `1 + n % ${amounts.members}`)} END, 'session', NULL,
        'target', jsonb_build_object('kind', 'connection', 'id', CASE WHEN n <= 40 THEN ${nth('con', '2')}
          WHEN n % 3 = 0 THEN ${nth('con', '1')} ELSE ${nth('con', `3 + n % ${amounts.connections - 3}`)} END),
        'address', '203.0.113.7', 'agent', 'Mozilla/5.0 (X11; Linux x86_64)', 'request', 'req_' || n,
        'details', jsonb_build_object('scheduled', true))
      FROM ${series(amounts.events)}`,
    `INSERT INTO audit_chain (tenant_id, seq, event_id, hash) SELECT ${t}, n, ${nth('evt', 'n')}, '\\x00' FROM ${series(amounts.events)}`,
    'ALTER TABLE audit_event ENABLE TRIGGER await_seal',
    `INSERT INTO audit_tip (tenant_id, seq, hash) VALUES (${t}, ${amounts.events}, '\\x00')`,
  ]
  // Beside each other, because each takes one core.
  const beside = new pg.Client({ connectionString: app.database.ownerUrl })
  await beside.connect()
  await beside.query(`SELECT set_config('app.tenant_id', ${t}, false)`)
  await Promise.all([
    (async () => {
      for (const statement of statements) await app.rows(tenant, statement)
    })(),
    (async () => {
      for (const statement of trail) await beside.query(statement)
    })(),
  ])
  await beside.end()
  // A database that has been used for years has been counted; VACUUM for what index-only scans look at.
  await app.rows(tenant, 'VACUUM ANALYZE')
  return {
    busyConnection: idOf('con', 1),
    quietConnection: idOf('con', 2),
    busyPerson: idOf('usr', 2),
    quietProject: idOf('prj', amounts.projects),
    token: idOf('tok', 9),
    /** In the middle of each list: where somebody is who has paged a while. */
    middle: {
      token: idOf('tok', amounts.pastTokens + amounts.livingTokens / 2),
      endedToken: idOf('tok', amounts.pastTokens / 2),
      connection: idOf('con', amounts.connections / 2),
      event: idOf('evt', amounts.events / 2),
      notification: idOf('ntf', amounts.notifications / 2),
      invitation: idOf('inv', 60),
    },
  }
}

/** A token as somebody has had ten thousand of it before: all of them have ended. */
export const pastOf = (app: TestApp, tenant: string, token: string) =>
  app.rows(
    tenant,
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
        scopes_asked, generations, expires_at, created_at)
      SELECT tenant_id, ${nth('tok', 'n')}, user_id, project_id, connection_id, provider_id, strategy, 'live', n::text, purpose,
        scopes_asked, generations, now() - make_interval(mins => 10000 - n), now() - interval '9 days'
      FROM issued_token, generate_series(1, 10000) n WHERE id = $1`,
    [token],
  )
