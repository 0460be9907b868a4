import { randomBytes } from 'node:crypto'
import {
  type GrantCredential,
  grantKind,
  type Principal,
  type Scope,
  scopes,
  type TokenCredential,
} from '../../lib/actor.ts'
import { putContext } from '../../lib/context.ts'
import { newId } from '../../lib/security/ids.ts'
import type { TestApp } from './app.ts'
import { origin } from './broker.ts'

/** What a grant is given; the instance's own client and everything where it is not said. */
export type GrantGiven = {
  tenant?: string
  userId: string
  client?: string
  via?: 'device' | 'code'
  scopes?: readonly Scope[]
  ceilings?: Record<string, { rights?: object | null; proxy?: object | null }>
  createdAt?: Date
  lastUsedAt?: Date
  expiresAt?: Date
  address?: string
  agent?: string
}

/** A grant that stands, with an access token, as the token endpoint leaves them. Its id. */
export async function giveGrant(
  app: TestApp,
  userId: string,
  { tenant = 'acme', client: clientId = 'valetkey', ...given }: Omit<GrantGiven, 'userId'> = {},
): Promise<string> {
  const id = newId('grant')
  const tenantId = await app.tenantId(tenant)
  const now = app.ctx.now()
  const later = new Date(now.getTime() + 30 * 86_400_000)
  await app.rows(
    tenant,
    `INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, via, scopes, ceilings, generations, address, agent, last_used_at,
       created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, vk.grant_generations($1, $3, $4, NULL), $8, $9, $10, $11, $12)`,
    [
      tenantId,
      id,
      userId,
      clientId,
      given.via ?? 'device',
      given.scopes ?? scopes,
      given.ceilings ?? {},
      given.address ?? '203.0.113.7',
      given.agent ?? 'valetkey-cli/1.0 (linux)',
      given.lastUsedAt ?? null,
      given.createdAt ?? now,
      given.expiresAt ?? later,
    ],
  )
  await app.rows(
    tenant,
    `INSERT INTO access_token (hash, tenant_id, grant_id, scopes, generations, created_at, expires_at)
     SELECT $1, tenant_id, id, scopes, generations, $3, $4 FROM oauth_grant WHERE id = $2`,
    [randomBytes(32), id, now, later],
  )
  return id
}

/**
 * Programs with grants that are written as the token endpoint leaves them, each with an access token, and recognised by a
 * token that only the test knows.
 */
export function startPrograms(app: TestApp) {
  const known = new Map<string, Principal<TokenCredential>>()
  putContext({ ...app.ctx, authenticators: [async ({ kind, token }) => known.get(`${kind} ${token}`)] })

  /** A program of a tenant. Its id. */
  async function client(tenant: string, name = 'Report agent'): Promise<string> {
    const id = newId('client')
    await app.rows(
      tenant,
      `INSERT INTO api_client (id, tenant_id, name, grant_types, scopes, created_at)
       VALUES ($1, $2, $3, ARRAY['authorization_code', 'device_code', 'refresh_token'], $4, vk_now())`,
      [id, await app.tenantId(tenant), name, scopes],
    )
    return id
  }

  const grant = ({ userId, ...given }: GrantGiven) => giveGrant(app, userId, given)

  /** What a program sends that came with a token of this grant, of the person who gave it. */
  async function headersOf(
    grantId: string,
    { tenant = 'acme', kind = 'bearer' }: { tenant?: string; kind?: GrantCredential['kind'] } = {},
  ): Promise<Record<string, string>> {
    const text = 'SELECT user_id, client_id, scopes FROM oauth_grant WHERE id = $1'
    const [row] = (await app.rows(tenant, text, [grantId])) as { user_id: string; client_id: string; scopes: Scope[] }[]
    if (!row) throw new Error(`there is no ${grantId}`)
    const person = await app.ctx.db.user.findUniqueOrThrow({ where: { id: row.user_id } })
    const now = app.ctx.now()
    const token = newId('request')
    known.set(`${kind} ${token}`, {
      userId: person.id,
      issuer: person.issuer,
      subject: person.subject,
      name: person.name,
      email: person.email,
      operator: false,
      authTime: now,
      createdAt: now,
      expiresAt: new Date(now.getTime() + 3_600_000),
      credential: {
        ...grantKind(kind === 'dpop' ? 'a key' : null),
        client: row.client_id,
        grant: grantId,
        scopes: row.scopes,
      },
    })
    return { authorization: `${kind === 'dpop' ? 'DPoP' : 'Bearer'} ${token}` }
  }

  /** A call of a program: no cookie, and nothing of a browser. */
  async function send<T = Record<string, unknown>>(
    headers: Record<string, string>,
    method: string,
    path: string,
    body?: object,
  ) {
    const request = new Request(`${origin}/api/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
    })
    const answer = await app.send(new Map(), request)
    return { ...answer, body: answer.body as T }
  }
  const call = async <T = Record<string, unknown>>(grantId: string, method: string, path: string, body?: object) =>
    send<T>(await headersOf(grantId), method, path, body)

  /** How the database says that it stands, and how many access tokens it has. */
  async function stateOf(grantId: string, tenant = 'acme') {
    const [row] = await app.rows(
      tenant,
      `SELECT vk.grant_state(g) AS state, g.generation, g.ended_by AS by, g.end_cause AS cause,
         (SELECT count(*)::int FROM access_token a WHERE a.grant_id = g.id) AS tokens FROM oauth_grant g WHERE g.id = $1`,
      [grantId],
    )
    return row as { state: string; generation: number; by: string | null; cause: string | null; tokens: number }
  }

  return { client, grant, headersOf, send, call, stateOf }
}

export type Programs = ReturnType<typeof startPrograms>
