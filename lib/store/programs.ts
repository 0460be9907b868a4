import type { GrantScope, Role } from '../actor.ts'
import type { Context } from '../context.ts'
import { query } from './database.ts'
import { queryTogether } from './together.ts'

/** What programs do at the authorization server and with its tokens: each act is one prepared statement. */
type Store = Pick<Context, 'pool' | 'config'>

/** Who a program says it is, and what it shows for it: hash of a secret, or the generation whose keys verified its assertion. */
export type Presented = { id: string; secret: Uint8Array | null; asserted: number | null }

/** A client as it is registered. */
export type ClientRow = {
  id: string
  /** Null: of the instance. */
  tenantId: string | null
  name: string
  authentication: 'none' | 'secret' | 'private_key_jwt'
  redirectUris: string[]
  grantTypes: string[]
  scopes: GrantScope[]
  keys: unknown
  needsProof: boolean
  needsPush: boolean
  generation: number
  /** Where it says itself what it is; null: somebody registered it. */
  document: string | null
}

const bytes = (value: Uint8Array | null | undefined) => (value ? Buffer.from(value) : null)
const shown = ({ id, secret, asserted }: Presented) => [id, bytes(secret), asserted]

const clientColumns = `c.id, c.tenant_id AS "tenantId", c.name, c.authentication, c.redirect_uris AS "redirectUris",
  c.grant_types AS "grantTypes", c.scopes, c.keys, c.needs_proof AS "needsProof", c.needs_push AS "needsPush", c.generation, c.document`

/** A living client by its id, whoever asks; undefined: there is none. */
export async function findClient(ctx: Store, id: string): Promise<ClientRow | undefined> {
  const text = `SELECT ${clientColumns} FROM vk.client_enter($1) c`
  return (await query<ClientRow>(ctx, 'client_enter', text, [id]))[0]
}

/**
 * The client that stands behind what a program shows, by its hash, where that client says itself at this address what it is:
 * each tenant knows such a program by another id. undefined: there is none.
 */
export async function findDocumentClient(
  ctx: Store,
  document: string,
  shows: Asked & { code?: Uint8Array | undefined },
) {
  const text = `SELECT c.id FROM (
      SELECT client_id FROM authorization_request WHERE secret_hash = $1 AND kind = 'code'
      UNION ALL SELECT lookup.client_of_token($2, $3)) f,
    LATERAL vk.client_enter(f.client_id) c WHERE c.document = $4 LIMIT 1`
  const values = [bytes(shows.code), bytes(shows.access), bytes(shows.family), document]
  return (await query<{ id: string }>(ctx, 'document_client', text, values))[0]?.id
}

/** The same for a program that has proved that it is this client. */
export async function admittedClient(ctx: Store, presented: Presented): Promise<ClientRow | undefined> {
  const text = `SELECT ${clientColumns} FROM vk.client_enter($1) c WHERE vk.client_admits(c, $2, $3)`
  return (await query<ClientRow>(ctx, 'client_admitted', text, shown(presented)))[0]
}

/** vk.client_used. */
export const noteClientUse = (ctx: Store, { id, secret }: Presented) =>
  query(ctx, 'client_used', 'SELECT vk.client_used($1, $2)', [id, bytes(secret)])

/** A request as a program makes it; what a person answers is added later. */
export type NewRequest = {
  id: string
  kind: 'device' | 'code'
  status: 'pending' | 'pushed'
  clientId: string
  userCodeHash?: Uint8Array
  secretHash?: Uint8Array
  scopes: GrantScope[]
  resource: string
  proofKey?: string | undefined
  redirectUri?: string
  state?: string | undefined
  codeChallenge?: string
  prompt?: string | undefined
  maxAge?: number | undefined
  address?: string | undefined
  agent?: string | undefined
}

/** False: one that waits has the same user code. */
export async function insertRequest(ctx: Store, request: NewRequest, lifeSeconds: number): Promise<boolean> {
  const text = `INSERT INTO authorization_request (id, kind, status, client_id, user_code_hash, secret_hash, scopes, resource,
      proof_key, redirect_uri, state, code_challenge, prompt, max_age, address, agent, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, vk_now(), vk_now() + make_interval(secs => $17))
    ON CONFLICT (user_code_hash) DO NOTHING RETURNING 1`
  const { id, kind, status, clientId, scopes, resource, proofKey, redirectUri, state, codeChallenge } = request
  const rows = await query(ctx, 'insert_request', text, [
    id,
    kind,
    status,
    clientId,
    bytes(request.userCodeHash),
    bytes(request.secretHash),
    scopes,
    resource,
    proofKey ?? null,
    redirectUri ?? null,
    state ?? null,
    codeChallenge ?? null,
    request.prompt ?? null,
    request.maxAge ?? null,
    request.address ?? null,
    request.agent ?? null,
    lifeSeconds,
  ])
  return rows.length > 0
}

/** What a client asked a person for, by the hash of its code; undefined: there is no such request. */
export async function resourceOfRequest(
  ctx: Store,
  clientId: string,
  secretHash: Uint8Array,
): Promise<string | null | undefined> {
  const text = 'SELECT resource FROM authorization_request WHERE secret_hash = $1 AND client_id = $2'
  const values = [bytes(secretHash), clientId]
  return (await query<{ resource: string | null }>(ctx, 'resource_of_request', text, values))[0]?.resource
}

/** What a browser goes on with, of a request that was pushed. */
export type PushedRequest = { id: string; redirectUri: string; state: string | null; prompt: string | null }

/**
 * A pushed request of this client, by the hash of its address, once: from now on it waits for a person, or for nobody where
 * nobody is to be asked. undefined: there is none, or no longer.
 */
export async function takePushed(
  ctx: Store,
  clientId: string,
  reference: Uint8Array,
  lifeSeconds: number,
): Promise<PushedRequest | undefined> {
  const text = `UPDATE authorization_request SET secret_hash = NULL, expires_at = vk_now() + make_interval(secs => $3),
      status = CASE WHEN prompt = 'none' THEN 'denied' ELSE 'pending' END
    WHERE secret_hash = $1 AND client_id = $2 AND kind = 'code' AND status = 'pushed' AND expires_at > vk_now()
    RETURNING id, redirect_uri AS "redirectUri", state, prompt`
  return (await query<PushedRequest>(ctx, 'take_pushed', text, [bytes(reference), clientId, lifeSeconds]))[0]
}

/** What the three ways to tokens answer. */
export type TokenOutcome = {
  /** `ok` and `repeated` give tokens; the rest are codes of RFC 6749, 8628, 8707 and 9449, or `reuse`. */
  outcome: string
  /** Of a device, in seconds. */
  pause: number | null
  tenantId: string | null
  userId: string | null
  grantId: string | null
  scopes: GrantScope[] | null
  resource: string | null
  /** The client may have a refresh token. */
  renews: boolean | null
  salt: Buffer | null
  expiresIn: number | null
}
const outcomeColumns = `outcome, pause, tenant_id AS "tenantId", user_id AS "userId", grant_id AS "grantId", scopes, resource,
  renews, salt, expires_in AS "expiresIn"`

async function tokenOutcome(ctx: Store, name: string, count: number, values: unknown[]): Promise<TokenOutcome> {
  const places = Array.from({ length: count }, (_, index) => `$${index + 1}`)
  const [row] = await query<TokenOutcome>(
    ctx,
    name,
    `SELECT ${outcomeColumns} FROM vk.${name}(${places.join(', ')})`,
    values,
  )
  if (!row) throw new Error(`vk.${name} answered nothing`)
  return row
}

/** How long what is given lives, in seconds: an access token; a refresh token between two uses; the grant whatever happens. */
export type Lives = { access: number; refresh: number; grant: number }
const intervals = ({ access, refresh, grant }: Lives) => [access, refresh, grant].map((seconds) => `${seconds} seconds`)

/** Hashes of the tokens that a client is about to hold. */
export type NewTokens = { access: Uint8Array; family: Uint8Array; refresh: Uint8Array }
/** From where, for the event of a new grant. */
export type From = { address?: string | undefined; agent?: string | undefined; requestId: string }
const from = ({ address, agent, requestId }: From) => [address ?? null, agent ?? null, requestId]
const hashes = ({ access, family, refresh }: NewTokens) => [access, family, refresh].map(bytes)

type Made = { grantId: string; tokens: NewTokens; lives: Lives; proof: string | undefined }

/** How many seconds a device that asks too early is told to wait: vk.device_early. Undefined: {@link pollDevice} decides. */
export async function earlyPoll(ctx: Store, who: Presented, code: Uint8Array): Promise<number | undefined> {
  const text = `SELECT pause, n::int FROM unnest($1::text[], $2::bytea[], $3::int[], $4::bytea[])
      WITH ORDINALITY AS q (client, secret, asserted, code, n), vk.device_early(q.client, q.secret, q.asserted, q.code) pause
    WHERE pause IS NOT NULL`
  const [row] = await queryTogether<{ pause: number }>(ctx, 'device_early', text, [...shown(who), bytes(code)])
  return row?.pause
}

/** One poll of a device: vk.device_poll. */
export const pollDevice = (ctx: Store, who: Presented, code: Uint8Array, made: Made, origin: From) =>
  tokenOutcome(ctx, 'device_poll', 13, [
    ...shown(who),
    bytes(code),
    made.proof ?? null,
    made.grantId,
    ...hashes(made.tokens),
    intervals(made.lives),
    ...from(origin),
  ])

/** Redeems an authorization code: vk.code_redeem. `challenge`: what the verifier hashes to. */
export const redeemCode = (
  ctx: Store,
  who: Presented,
  { code, redirectUri, challenge }: { code: Uint8Array; redirectUri: string; challenge: string },
  made: Made,
  origin: From,
) =>
  tokenOutcome(ctx, 'code_redeem', 15, [
    ...shown(who),
    bytes(code),
    redirectUri,
    challenge,
    made.proof ?? null,
    made.grantId,
    ...hashes(made.tokens),
    intervals(made.lives),
    ...from(origin),
  ])

export type Rotation = {
  family: Uint8Array
  presented: Uint8Array
  /** Hashes of what `salt` makes of it. */
  next: Uint8Array
  access: Uint8Array
  salt: Uint8Array
  scopes: GrantScope[] | undefined
  resource: string | undefined
  proof: string | undefined
  lives: Lives
  /** How long the same answer is given again, in seconds. */
  windowSeconds: number
}

/** One use of a refresh token: vk.grant_refresh. */
export const refreshGrant = (ctx: Store, who: Presented, rotation: Rotation, { address }: Pick<From, 'address'>) =>
  tokenOutcome(ctx, 'grant_refresh', 14, [
    ...shown(who),
    bytes(rotation.family),
    bytes(rotation.presented),
    bytes(rotation.next),
    bytes(rotation.salt),
    bytes(rotation.access),
    rotation.scopes ?? null,
    rotation.resource ?? null,
    rotation.proof ?? null,
    intervals(rotation.lives),
    `${rotation.windowSeconds} seconds`,
    address ?? null,
  ])

/** Hashes of a token that somebody asks about; one of them is given. */
export type Asked = {
  access?: Uint8Array | undefined
  family?: Uint8Array | undefined
  refresh?: Uint8Array | undefined
  issued?: Uint8Array | undefined
}

export type Introspected = {
  outcome: 'invalid_client' | 'unauthorized_client' | 'inactive' | 'active'
  kind: 'access' | 'refresh' | 'sign'
  clientId: string | null
  userId: string
  scopes: string[]
  audience: string
  proofKey: string | null
  tokenId: string | null
  /** Of a token for one of the tenant's own audiences, whose issuer the tenant is. */
  slug: string | null
  issuedAt: Date
  expiresAt: Date
}

/** What a client may know of a token: vk.introspect. */
export async function introspectToken(ctx: Store, who: Presented, asked: Asked): Promise<Introspected> {
  const text = `SELECT outcome, kind, client_id AS "clientId", user_id AS "userId", scopes, audience, proof_key AS "proofKey",
    token_id AS "tokenId", tenant_slug AS slug, issued_at AS "issuedAt", expires_at AS "expiresAt", n::int
    FROM unnest($1::text[], $2::bytea[], $3::int[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[])
      WITH ORDINALITY AS q (client, secret, asserted, access, family, refresh, issued, n),
      LATERAL vk.introspect(q.client, q.secret, q.asserted, q.access, q.family, q.refresh, q.issued)`
  const values = [...shown(who), bytes(asked.access), bytes(asked.family), bytes(asked.refresh), bytes(asked.issued)]
  const [row] = await queryTogether<Introspected>(ctx, 'introspect', text, values)
  if (!row) throw new Error('vk.introspect answered nothing')
  return row
}

/** Revokes a client's own token: vk.token_revoke. `grant`: it is to end, which the caller does. */
export async function revokeToken(ctx: Store, who: Presented, { access, family }: Asked) {
  const text = `SELECT outcome, tenant_id AS "tenantId", grant_id AS "grantId" FROM vk.token_revoke($1, $2, $3, $4, $5)`
  const [row] = await query<
    | { outcome: 'invalid_client' | 'done'; tenantId: string | null; grantId: string | null }
    | { outcome: 'grant'; tenantId: string; grantId: string }
  >(ctx, 'token_revoke', text, [...shown(who), bytes(access), bytes(family)])
  if (!row) throw new Error('vk.token_revoke answered nothing')
  return row
}

/** Who calls with an access token. */
export type Entered = { state: 'unknown' | 'ended' | 'revoked' | 'frozen' } | ({ state: 'live' } & EnteredFacts)
type EnteredFacts = {
  tenantId: string
  slug: string
  tenantName: string
  role: Role
  grantId: string
  clientId: string
  userId: string
  issuer: string
  subject: string
  name: string
  email: string | null
  scopes: GrantScope[]
  resource: string | null
  /** Thumbprint of the key that it is bound to. */
  proofKey: string | null
  authTime: Date
  createdAt: Date
  expiresAt: Date
  /** {@link noteGrantUse} is worth a call. */
  touch: boolean
}

/** vk.access_enter: an access token, and all that it was made under, as it is now. */
export async function enterByAccess(ctx: Store, hash: Uint8Array): Promise<Entered> {
  const text = `SELECT state, tenant_id AS "tenantId", slug, tenant_name AS "tenantName", role, grant_id AS "grantId",
      client_id AS "clientId", user_id AS "userId", issuer, subject, name, email, scopes, resource, proof_key AS "proofKey",
      auth_time AS "authTime", created_at AS "createdAt", expires_at AS "expiresAt", touch, n::int
    FROM unnest($1::bytea[]) WITH ORDINALITY AS q (hash, n), LATERAL vk.access_enter(q.hash)`
  const [row] = await queryTogether<Entered>(ctx, 'access_enter', text, [bytes(hash)])
  return row ?? { state: 'unknown' }
}

/** vk.grant_used. */
export const noteGrantUse = (ctx: Store, tenantId: string, grantId: string, address: string | undefined) =>
  query(ctx, 'grant_used', 'SELECT vk.grant_used($1, $2, $3)', [tenantId, grantId, address ?? null])

/** Takes what counts once for a while, over all processes; false: somebody has taken it. */
export async function takeOnce(ctx: Store, hash: Uint8Array, seconds: number): Promise<boolean> {
  const text = `INSERT INTO seen_once (hash, expires_at) VALUES ($1, vk_now() + make_interval(secs => $2))
    ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at WHERE seen_once.expires_at < vk_now() RETURNING 1`
  return (await query(ctx, 'take_once', text, [bytes(hash), seconds])).length > 0
}

/** Sweeps one batch of what is of no tenant and over: requests a day after their end, and what was seen once. How many. */
export async function sweepPrograms(ctx: Store, limit: number): Promise<number> {
  const counts: number[] = []
  for (const [name, table, key, kept] of [
    ['sweep_requests', 'authorization_request', 'id', '1 day'],
    ['sweep_seen', 'seen_once', 'hash', '0'],
  ] as const) {
    const text = `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table}
      WHERE expires_at < (SELECT vk_now()) - interval '${kept}' LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING 1`
    counts.push((await query(ctx, name, text, [limit])).length)
  }
  return Math.max(...counts)
}
