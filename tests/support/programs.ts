import { createHash, randomBytes } from 'node:crypto'
import type { GrantScope } from '../../lib/actor.ts'
import { hash, newToken } from '../../lib/security/secrets.ts'
import type { TestApp } from './app.ts'
import { origin } from './broker.ts'

/** What a program reads of an answer of the authorization server. */
export type Tokens = {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
  scope: string
}
export type OAuthError = { error: string; error_description: string }

/** A form that a program posts. `basic`: id and secret in the header. */
export async function post<T = Tokens & OAuthError>(
  app: TestApp,
  path: string,
  form: Record<string, string>,
  { basic, headers = {} }: { basic?: [string, string]; headers?: Record<string, string> } = {},
) {
  const authorization = basic && `Basic ${Buffer.from(basic.map(encodeURIComponent).join(':')).toString('base64')}`
  const request = new Request(`${origin}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization && { authorization }),
      ...headers,
    },
    body: new URLSearchParams(form),
  })
  const answer = await app.send(new Map(), request)
  return { ...answer, body: answer.body as unknown as T }
}

/** A client as an admin of the tenant would have registered it; null: of the instance. */
export async function insertClient(
  app: TestApp,
  tenant: string,
  given: Partial<{
    id: string
    secret: string
    authentication: string
    redirectUris: string[]
    grantTypes: string[]
    scopes: readonly GrantScope[]
    audiences: string[]
    needsProof: boolean
    needsPush: boolean
    keys: unknown
  }> = {},
): Promise<{ id: string; secret: string }> {
  const id = given.id ?? `cli_${randomBytes(16).toString('hex')}`
  const secret = given.secret ?? newToken('cs').reveal()
  const authentication = given.authentication ?? 'secret'
  await app.rows(
    tenant,
    `INSERT INTO api_client (id, tenant_id, name, authentication, redirect_uris, grant_types, scopes, audiences, needs_proof,
       needs_push, keys, created_at)
     VALUES ($1, current_setting('app.tenant_id'), 'A test client', $2, $3, $4, $5, $6, $7, $8, $9, vk_now())`,
    [
      id,
      authentication,
      given.redirectUris ?? ['https://app.example/callback'],
      given.grantTypes ?? ['authorization_code', 'device_code', 'refresh_token'],
      given.scopes ?? ['projects:read', 'tokens:issue', 'tokens:revoke', 'tenant:read'],
      given.audiences ?? [],
      given.needsProof ?? false,
      given.needsPush ?? false,
      given.keys ? JSON.stringify(given.keys) : null,
    ],
  )
  if (authentication === 'secret')
    await app.rows(
      tenant,
      `INSERT INTO client_secret (tenant_id, id, client_id, secret_hash, created_by, created_at)
       VALUES (current_setting('app.tenant_id'), $1, $2, $3, 'usr_test', vk_now())`,
      [`cls_${randomBytes(16).toString('hex')}`, id, Buffer.from(hash(secret))],
    )
  return { id, secret }
}

/** A grant as a poll would have made it, with a client of its own; its id. */
export async function insertGrant(
  app: TestApp,
  tenant: string,
  given: { id?: string; client: string; user: string; scopes: readonly GrantScope[]; ceilings?: object },
): Promise<string> {
  const id = given.id ?? `grt_${randomBytes(16).toString('hex')}`
  await insertClient(app, tenant, { id: given.client, scopes: given.scopes })
  await app.rows(
    tenant,
    `INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, scopes, ceilings, generations, created_at, expires_at)
     VALUES (current_setting('app.tenant_id'), $1, $2, $3, $4, $5,
       vk.grant_generations(current_setting('app.tenant_id'), $2, $3, NULL), vk_now(), vk_now() + interval '30 days')`,
    [id, given.user, given.client, given.scopes, JSON.stringify(given.ceilings ?? {})],
  )
  return id
}

/** Another access token of a grant, as the token endpoint makes them. */
export async function insertAccessToken(
  app: TestApp,
  tenant: string,
  grant: string,
  scopes: readonly GrantScope[],
): Promise<string> {
  const token = newToken('at').reveal()
  await app.rows(
    tenant,
    `INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
     SELECT $1, g.tenant_id, g.id, $2, $3, g.generations, vk_now(), vk_now() + interval '1 hour' FROM oauth_grant g WHERE g.id = $4`,
    [Buffer.from(hash(token)), scopes, origin, grant],
  )
  return token
}

type Answer = { user: string; scopes: readonly GrantScope[]; ceilings?: object }

/** A person's answer, as the page would write it. `where` names one request. */
async function approve(
  app: TestApp,
  tenant: string,
  where: string,
  value: unknown,
  { user, scopes, ceilings = {} }: Answer,
) {
  const rows = await app.rows(
    tenant,
    `UPDATE authorization_request a SET status = 'approved', claimed_by = $2, tenant_chosen = current_setting('app.tenant_id'),
       scopes_granted = $3, ceilings = $4, auth_time = vk_now(), decided_at = vk_now(),
       generations = vk.grant_generations(current_setting('app.tenant_id'), $2, a.client_id, NULL)
     WHERE ${where} = $1 AND status = 'pending' RETURNING id`,
    [value, user, scopes, JSON.stringify(ceilings)],
  )
  if (rows.length !== 1) throw new Error('there is no such request')
}

export const approveDevice = (app: TestApp, tenant: string, deviceCode: string, answer: Answer) =>
  approve(app, tenant, 'secret_hash', Buffer.from(hash(deviceCode)), answer)

/** Approves the only device that waits. */
export const approveWaitingDevice = (app: TestApp, tenant: string, answer: Answer) =>
  approve(app, tenant, 'kind', 'device', answer)

/** Approves a code request; the code. */
export async function approveCode(app: TestApp, tenant: string, request: string, answer: Answer): Promise<string> {
  await approve(app, tenant, 'id', request, answer)
  const code = newToken('ac').reveal()
  await app.rows(
    tenant,
    `UPDATE authorization_request SET secret_hash = $2, expires_at = vk_now() + interval '60 seconds' WHERE id = $1`,
    [request, Buffer.from(hash(code))],
  )
  return code
}

/** A PKCE pair (RFC 7636 4.1, 4.2). */
export function pkce() {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** A whole device login; the tokens. */
export async function deviceLogin(
  app: TestApp,
  tenant: string,
  { client = { client_id: 'valetkey' }, ...answer }: Answer & { client?: Record<string, string> },
): Promise<Tokens> {
  const started = await post<{ device_code: string }>(app, '/oauth/device_authorization', client)
  await approveDevice(app, tenant, started.body.device_code, answer)
  const { body, status } = await post(app, '/oauth/token', {
    ...client,
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: started.body.device_code,
  })
  if (status !== 200) throw new Error(`the login answered ${status}: ${JSON.stringify(body)}`)
  return body
}
