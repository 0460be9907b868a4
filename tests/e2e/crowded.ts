import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { BrowserContext } from 'playwright/test'
import { cookieNames } from '../../lib/http/cookies.ts'
import { newId } from '../../lib/security/ids.ts'
import { refusalReasons } from '../../lib/security/incoming-token.ts'

/** Names that break layouts: 80 characters without a gap, 80 with gaps, written from right to left, and a short one. */
const names = [
  'Donaudampfschiffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschafts'.slice(0, 80),
  'Quarterly consolidated revenue and cost reporting for every region of the groups',
  'مستودع بيانات المبيعات والتقارير المالية الموحدة لجميع المناطق والشركات التابعة',
  'Sales',
] as const
const grantScopes = [
  'projects:read',
  'tokens:issue',
  'tokens:revoke',
  'connections:manage',
  'tenant:read',
  'tenant:manage',
]
const nameOf = (index: number) => String(names[index % names.length])
const rows = 60
const each = Array.from({ length: rows }, (_, index) => index)

export type Crowd = {
  tenantId: string
  /** An example of every parameter that a page's path can have. */
  params: Record<string, string>
  /** The part of an invitation's link behind the #. */
  invitation: string
  /** Ids of users. */
  people: { owner: string; suspended: string }
  signIn(context: BrowserContext, who: 'owner' | 'suspended'): Promise<void>
  /** What somebody else does meanwhile. Answers the rows. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  stop(): Promise<void>
}

const hours = (count: number) => new Date(Date.now() + count * 3_600_000)
const hash = (text: string) => createHash('sha256').update(text).digest()

/**
 * A tenant of its own in which everything is there sixty times, in every state and under long names.
 * Written straight into the run's database as the role that the product uses; nothing in it is due, so no job touches it.
 */
export async function startCrowd(): Promise<Crowd> {
  const client = await connect()
  const tenant = newId('tenant')
  const slug = `crowd-${randomBytes(4).toString('hex')}`
  await client.query("SELECT set_config('app.tenant_id', $1, false)", [tenant])

  /** Inserts rows that all have the same columns; objects become JSON. */
  async function insert(table: string, list: Record<string, unknown>[]): Promise<void> {
    for (const row of list) {
      const columns = Object.keys(row)
      const values = columns.map((column) => row[column])
      const places = columns.map((_, index) => `$${index + 1}`)
      await client.query(`INSERT INTO "${table}" (${columns.join(', ')}) VALUES (${places.join(', ')})`, values)
    }
  }
  /** An MCP server with tools that have long names and say much, of the owner's. Its project. */
  async function insertServer(): Promise<string> {
    const [provider, project, connection] = [newId('provider'), newId('project'), newId('connection')]
    const url = `https://${'mcp-server'.repeat(5)}.example/mcp`
    const settings = { url, authorization: { by: 'nothing' }, holdChangedTools: true }
    const of = { provider_id: provider, created_at: hours(-900) }
    const origin = new URL(url).origin
    await insert('provider', [
      {
        tenant_id: tenant,
        id: provider,
        kind: 'mcp',
        name: nameOf(1),
        issuer: origin,
        callback_key: 'crowd-mcp',
        client_id: 'c',
        settings,
        created_at: hours(-999),
      },
    ])
    const alias = `mcp-${'alias-'.repeat(9)}`.slice(0, 60)
    await insert('project', ofTenant([{ ...of, id: project, external_id: url, name: nameOf(2), alias }]))
    await insert(
      'connection',
      ofTenant([
        {
          id: connection,
          user_id: owner,
          provider_id: provider,
          account_id: 'a',
          account_name: 'a'.repeat(80),
          status: 'linked',
          status_since: hours(-3),
          scopes_granted: [],
          linked_at: hours(-800),
        },
      ]),
    )
    await insert(
      'connection_project',
      ofTenant([{ connection_id: connection, project_id: project, user_id: owner, role: null }]),
    )
    const said = { name: 'server'.repeat(30), title: nameOf(3), version: '1'.repeat(100), revision: '2026-07-28' }
    await insert('mcp_server', ofTenant([{ ...said, project_id: project, seen_at: hours(-1) }]))
    const definition = (index: number) => ({
      title: nameOf(index),
      description: `${'word'.repeat(40)}\n`.repeat(index),
      inputSchema: { ['property'.repeat(20)]: {} },
      outputSchema: null,
      annotations: {},
      isCut: true,
    })
    await insert(
      'mcp_tool',
      ofTenant(
        each.map((index) => ({
          project_id: project,
          name: `${'tool_'.repeat(index % 3 === 0 ? 60 : 2)}${index}`,
          hash: `${index}`.padStart(64, '0'),
          definition: definition(index % 12),
          read_only: index % 2 === 0,
          destructive: index % 2 === 1,
          first_seen_at: hours(-900),
          changed_at: hours(-2),
          seen_at: hours(-1),
          gone_at: index % 10 === 9 ? hours(-1) : null,
          reviewed_hash: [null, '0'.repeat(64), `${index}`.padStart(64, '0')][index % 3],
          reviewed_definition: index % 3 === 1 ? definition(7) : null,
          reviewed_by: index % 3 === 0 ? null : owner,
          reviewed_at: index % 3 === 0 ? null : hours(-100),
        })),
      ),
    )
    return project
  }
  const ofTenant = (list: Record<string, unknown>[]) => list.map((row) => ({ tenant_id: tenant, ...row }))

  await insert('tenant', [{ id: tenant, slug, name: nameOf(0), created_at: hours(-999) }])
  const people = each.map(() => newId('user'))
  const owner = String(people[0])
  await insert(
    'user',
    people.map((id, index) => ({
      id,
      issuer: 'https://crowd.test',
      subject: id,
      name: nameOf(index),
      email: index % 4 === 3 ? null : `${index}.${'long'.repeat(15)}@${'mail'.repeat(3)}.example`,
      created_at: hours(-999),
    })),
  )
  const roles = ['owner', 'admin', 'member', 'auditor']
  await insert(
    'member',
    ofTenant(
      people.map((user_id, index) => ({
        user_id,
        role: roles[index % 4],
        status: index % 5 === 4 ? 'suspended' : 'active',
        created_at: hours(-index),
      })),
    ),
  )
  const invitation = `vk_inv_${randomBytes(32).toString('base64url')}`
  await insert(
    'invitation',
    ofTenant(
      each.slice(0, 12).map((index) => ({
        id: newId('invitation'),
        token_hash: index === 0 ? hash(invitation) : randomBytes(32),
        role: roles[index % 4],
        note: index % 4 === 3 ? null : nameOf(index),
        created_by: owner,
        created_at: hours(-1),
        expires_at: hours(100),
      })),
    ),
  )
  const providers = each.slice(0, 4).map(() => newId('provider'))
  await insert(
    'provider',
    ofTenant(
      providers.map((id, index) => ({
        id,
        kind: 'keboola',
        name: nameOf(index),
        issuer: `https://${'connection'.repeat(4)}-${index}.example`,
        callback_key: `crowd-${index}`,
        client_id: 'c'.repeat(120),
        created_at: hours(-999),
      })),
    ),
  )
  const seen = ['ok', 'attention', 'failed', 'unknown'].map((state, index) => ({
    id: `line-${index}`,
    title: nameOf(index),
    state,
    seen: `Not reached: ${'connection'.repeat(12)}.example. ${nameOf(index)}`,
    next:
      index === 0 ? null : `Compare it letter by letter: https://${'valetkey'.repeat(9)}.example/oauth/callback/crowd`,
  }))
  await insert(
    'provider_check',
    ofTenant([
      {
        provider_id: providers[0],
        due_at: hours(20),
        checked_at: hours(-3),
        checked_by: owner,
        lines: JSON.stringify(seen),
      },
    ]),
  )
  const projects = each.map(() => newId('project'))
  await insert(
    'project',
    ofTenant(
      projects.map((id, index) => ({
        id,
        provider_id: providers[index % 4],
        external_id: `${index}`.padStart(40, '9'),
        name: nameOf(index),
        alias: `${'alias-'.repeat(9)}${index}`,
        region: 'eu-central-1',
        created_at: hours(-900),
      })),
    ),
  )
  const statuses = ['linked', 'degraded', 'uncertain', 'needs_relink', 'linked', 'revoked']
  const connections = each.map(() => newId('connection'))
  await insert(
    'connection',
    ofTenant(
      connections.map((id, index) => ({
        id,
        user_id: index < 30 ? owner : people[index],
        provider_id: providers[index % 4],
        account_id: `account-${index}`,
        account_name: `${'account'.repeat(11)}@${index}`.slice(0, 80),
        status: statuses[index % 6],
        cause: [null, 'upstream_unavailable', null, 'refused', null, null][index % 6],
        status_since: hours(-3),
        scopes_granted: [],
        access_expires_at: index % 6 === 5 ? null : hours(1),
        last_refresh_at: index % 3 === 0 ? null : hours(-2),
        next_try_at: index % 6 === 1 || index % 6 === 2 ? hours(1) : null,
        linked_at: hours(-800),
      })),
    ),
  )
  await insert(
    'connection_project',
    ofTenant(
      connections.map((connection_id, index) => ({
        connection_id,
        project_id: projects[index],
        user_id: index < 30 ? owner : people[index],
        role: 'guest',
      })),
    ),
  )
  const server = await insertServer()
  const clients = each.slice(0, 4).map(() => newId('client'))
  const frozen = connections.filter((_, index) => index % 6 === 4).map((id) => ({ kind: 'connection', target_id: id }))
  const alsoFrozen = [
    { kind: 'member', target_id: people[33] },
    { kind: 'client', target_id: clients[1] },
    { kind: 'project', target_id: projects[1] },
  ]
  await insert(
    'freeze_fact',
    ofTenant(
      [...frozen, ...alsoFrozen].map((target, index) => ({
        ...target,
        frozen_by: owner,
        frozen_at: hours(-5),
        reason: nameOf(index),
        until: index % 2 === 0 ? null : hours(30),
      })),
    ),
  )
  const scopes = {
    components: ['a'.repeat(80), 'keboola.ex-db-snowflake'],
    buckets: { [`in.c-${'bucket'.repeat(12)}`]: 'read', 'out.c-main': 'write' },
    manage_buckets: true,
    read_all_files: true,
  }
  await insert(
    'api_client',
    ofTenant(clients.map((id, index) => ({ id, name: nameOf(index), created_by: owner, created_at: hours(-999) }))),
  )
  const grants = each.map(() => newId('grant'))
  await insert(
    'oauth_grant',
    ofTenant(
      grants.map((id, index) => ({
        id,
        user_id: index < 40 ? owner : people[index],
        client_id: index % 3 === 0 ? 'valetkey' : clients[index % 4],
        via: index % 2 === 0 ? 'device' : 'code',
        scopes: index % 5 === 4 ? [] : grantScopes.slice(0, 1 + (index % grantScopes.length)),
        ceilings: {
          [String(projects[index])]: {
            rights: scopes,
            proxy: { access: 'paths', paths: [`GET /${'path/'.repeat(20)}**`] },
          },
          [String(projects[index + 1] ?? projects[0])]: { rights: null },
        },
        generations: [0, 0, 0, 0, 0],
        generation: index % 6 === 5 ? 1 : 0,
        address: index % 4 === 3 ? null : 'fd00:1111:2222:3333:4444:5555:6666:7777',
        agent: index % 4 === 2 ? null : 'agent'.repeat(40),
        last_used_at: index % 3 === 2 ? null : hours(-index),
        last_address: 'fd00:1111:2222:3333:4444:5555:6666:7777',
        refresh_expires_at: hours(200),
        created_at: hours(-index - 100),
        expires_at: index % 7 === 6 ? hours(-1) : hours(500),
        ended_at: index % 6 === 5 ? hours(-2) : null,
        ended_by: index % 6 === 5 ? owner : null,
        end_cause: index % 6 === 5 ? ['revoked', 'reuse', 'signed_out'][index % 3] : null,
      })),
    ),
  )
  const tokens = each.map(() => newId('token'))
  /** A live one and a revoked one. */
  const throughGrant = (index: number) => index === 2 || index === 3
  const tokenStatuses = ['live', 'live', 'live', 'revoked', 'issuing', 'failed', 'live']
  await insert(
    'issued_token',
    ofTenant(
      tokens.map((id, index) => {
        const status = tokenStatuses[index % 7]
        return {
          id,
          user_id: index < 40 ? owner : people[index],
          project_id: projects[index],
          connection_id: connections[index],
          provider_id: providers[index % 4],
          client_id: throughGrant(index) ? 'valetkey' : null,
          grant_id: throughGrant(index) ? grants[0] : null,
          strategy: 'mint',
          status,
          nonce: id,
          purpose: nameOf(index),
          scopes_asked: scopes,
          scopes_granted: status === 'issuing' || status === 'failed' ? null : { ...scopes, manage_buckets: false },
          fingerprint: status === 'issuing' || status === 'failed' ? null : randomBytes(6).toString('hex'),
          generations: Array.from({ length: throughGrant(index) ? 9 : 7 }, () => 0),
          failure: status === 'failed' ? 'cut_off' : null,
          expires_at: index % 7 === 6 ? hours(-1) : hours(index % 3 === 0 ? 0.9 : 5),
          created_at: hours(-2 - index / 60),
          revoked_at: status === 'revoked' ? hours(-1) : null,
          revoked_by: status === 'revoked' ? owner : null,
          next_try_at: status === 'issuing' ? hours(100) : null,
        }
      }),
    ),
  )
  await insert(
    'upstream_revocation',
    ofTenant(
      each.map((index) => ({
        id: newId('revocation'),
        kind: ['token', 'grant', 'orphans'][index % 3],
        provider_id: providers[index % 4],
        connection_id: connections[index],
        token_id: index % 3 === 1 ? null : tokens[index],
        state: index % 2 === 0 ? 'pending' : 'failed',
        tries: index,
        last_error: ['upstream_unavailable', null, 'upstream_protocol'][index % 3],
        next_try_at: index % 2 === 0 ? hours(100) : null,
        created_at: hours(-1),
        finished_at: index % 2 === 0 ? null : hours(-0.5),
      })),
    ),
  )
  // Before the webhooks: each would be told of it.
  const kinds = ['degraded', 'uncertain', 'needs_relink', 'frozen', 'revoked', 'recovered'].map(
    (kind) => `connection.${kind}`,
  )
  await insert(
    'notification',
    ofTenant(
      each.map((index) => ({
        id: newId('notification'),
        user_id: owner,
        kind: kinds[index % 6],
        connection_id: connections[index % 30],
        provider_id: providers[index % 4],
        details: { cause: 'upstream_unavailable' },
        created_at: hours(-index),
        read_at: index % 2 === 0 ? null : hours(-1),
      })),
    ),
  )
  const issuers = each.slice(0, 3).map(() => newId('trusted_issuer'))
  await insert(
    'trusted_issuer',
    ofTenant(
      issuers.map((id, index) => ({
        id,
        issuer: `https://${'identity'.repeat(6)}.example/realms/${'realm'.repeat(20)}${index}`,
        name: 'Issuer'.repeat(13),
        audience: `http://localhost/${'audience'.repeat(12)}`,
        client_id: index === 1 ? null : 'client'.repeat(30),
        opaque: index === 0,
        created_by: owner,
        created_at: hours(-40),
      })),
    ),
  )
  await insert(
    'trusted_client',
    ofTenant(
      each.map((index) => ({
        id: newId('trusted_client'),
        issuer_id: issuers[0],
        client_id: `${'program'.repeat(25)}${index}`,
        name: 'Program'.repeat(11),
        scopes: index % 3 === 0 ? [] : ['projects:read', 'connections:manage', 'tokens:issue', 'tokens:revoke'],
        created_by: owner,
        created_at: hours(-index),
      })),
    ),
  )
  await insert(
    'trusted_issuer_refusal',
    ofTenant(
      refusalReasons.map((reason, index) => ({
        issuer_id: issuers[0],
        reason,
        client_id: index % 2 === 0 ? null : 'stranger'.repeat(25),
        at: hours(-index),
      })),
    ),
  )
  const webhooks = each.slice(0, 5).map(() => newId('webhook'))
  await insert(
    'webhook',
    ofTenant(
      webhooks.map((id, index) => ({
        id,
        url: `https://${'receiver'.repeat(6)}.example/${'path'.repeat(20)}`,
        secret: 'sealed',
        enabled: index !== 2,
        disabled_cause: index === 2 ? 'failing' : null,
        created_by: owner,
        created_at: hours(-50),
        failing_since: index === 1 ? hours(-9) : null,
        failures: index === 1 ? 7 : 0,
      })),
    ),
  )
  await insert(
    'webhook_delivery',
    ofTenant(
      each.map((index) => ({
        id: newId('message'),
        webhook_id: webhooks[0],
        kind: 'provider.client_refused',
        payload: {},
        state: ['pending', 'delivered', 'failed'][index % 3],
        tries: index,
        next_try_at: index % 3 === 0 ? hours(100) : null,
        last_status: index % 3 === 1 ? 200 : null,
        last_error: index % 3 === 1 ? null : 'not_reached',
        created_at: hours(-index),
        finished_at: index % 3 === 0 ? null : hours(-index),
      })),
    ),
  )
  const acts: [string, string, object][] = [
    ['provider.created', 'ok', { issuer: `https://${'issuer'.repeat(12)}.example` }],
    ['connection.frozen', 'ok', { reason: nameOf(0) }],
    ['revocation.finished', 'failed', { state: 'failed', tries: 20 }],
    ['refresh.failed', 'failed', { cause: 'refused', status: 'needs_relink' }],
    ['access.denied', 'refused', { role: 'member' }],
  ]
  await insert(
    'audit_event',
    ofTenant(
      each.map((index) => {
        const [action, outcome, details] = acts[index % acts.length] ?? []
        const target = { kind: 'connection', id: connections[index % 2] }
        const body = { action, outcome, actor: people[index], session: null, target, details }
        const origin = {
          address: 'fd00:1111:2222:3333:4444:5555:6666:7777',
          agent: 'x'.repeat(200),
          request: newId('request'),
        }
        return { id: newId('event'), at: hours(-index), body: { ...body, ...origin } }
      }),
    ),
  )
  const attempt = newId('attempt')
  await insert(
    'attempt',
    ofTenant([
      {
        id: attempt,
        state_hash: randomBytes(32),
        browser_hash: randomBytes(32),
        session_id: newId('session'),
        user_id: owner,
        provider_id: providers[0],
        purpose: 'link',
        callback_key: 'crowd-0',
        issuer: 'https://crowd.test',
        redirect_uri: 'https://crowd.test/callback',
        status: 'failed',
        outcome: 'link_denied',
        created_at: hours(-0.1),
        expires_at: hours(1),
      },
    ]),
  )

  const apiClient = newId('client')
  const asked = ['projects:read', 'connections:manage', 'tokens:issue', 'tenant:manage', 'audit:read']
  await insert('api_client', ofTenant([{ id: apiClient, name: nameOf(0), scopes: asked, created_at: hours(-9) }]))
  // From another network than the browser's, and claimed by the owner.
  const authorization = newId('authorization')
  await insert('authorization_request', [
    {
      id: authorization,
      kind: 'device',
      client_id: apiClient,
      scopes: asked,
      address: '2001:db8:1111:2222:3333:4444:5555:6666',
      agent: `${'program'.repeat(30)}/1.0`,
      claimed_by: owner,
      created_at: hours(-0.1),
      expires_at: hours(1),
    },
  ])

  // What programs ask their person for, with names that break layouts.
  await insert(
    'link_request',
    ofTenant(
      (['link', 'reconnect', 'step_up'] as const).map((cause, index) => ({
        id: newId('link_request'),
        user_id: owner,
        provider_id: providers[index % 4],
        project_id: projects[index],
        cause,
        subject: hash(cause),
        token_id: tokens[index],
        created_at: hours(-0.1),
        expires_at: hours(1),
      })),
    ),
  )

  const sessions: string[] = []
  const known = { owner, suspended: String(people[4]) }
  const revocation = newId('revocation_act')
  await insert(
    'revocation_act',
    ofTenant([
      {
        id: revocation,
        kind: 'held',
        revoked_by: owner,
        user_id: String(people[1]),
        generation: 1,
        reason: `${'reason '.repeat(20)}${'because'.repeat(8)}`.slice(0, 200),
        as_of: hours(-1),
        created_at: hours(-1),
        done_at: hours(-1),
        settled_at: hours(-1),
      },
    ]),
  )
  return {
    tenantId: tenant,
    people: known,
    invitation,
    params: {
      tenant: slug,
      project: String(projects[0]),
      server,
      connection: String(connections[1]),
      token: String(tokens[3]),
      grant: String(grants[0]),
      webhook: String(webhooks[0]),
      provider: String(providers[0]),
      attempt,
      authorization,
      user: owner,
      act: revocation,
    },
    async signIn(context, who) {
      const value = randomBytes(32).toString('base64url')
      const id = newId('session')
      sessions.push(id)
      await client.query(
        `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
         VALUES ($1, $2, $3, now(), now(), now(), now() + interval '1 day')`,
        [id, hash(value), known[who]],
      )
      // Chromium takes a __Host- cookie from a secure address only, and sends it to localhost all the same.
      const cookie = { name: cookieNames.session, value, url: 'https://localhost', secure: true, httpOnly: true }
      await context.addCookies([{ ...cookie, sameSite: 'Lax' }])
    },
    sql: async (text, values = []) => (await client.query(text, values)).rows,
    async stop() {
      await client.query('DELETE FROM session WHERE id = ANY ($1)', [sessions])
      await client.query('DELETE FROM authorization_request WHERE id = $1', [authorization])
      await client.end()
    },
  }
}

/** The run's database, as the role that the product uses. */
export async function connect(): Promise<pg.Client> {
  const file = join(String(process.env.VALETKEY_E2E_DATA), 'instance.json')
  const { postgres } = JSON.parse(readFileSync(file, 'utf8')) as { postgres: { port: number; appPassword: string } }
  const client = new pg.Client({
    host: '127.0.0.1',
    port: postgres.port,
    user: 'valetkey_app',
    password: postgres.appPassword,
    database: 'valetkey',
  })
  await client.connect()
  return client
}
