import { type Actor, type GrantScope, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, newToken, type Secret } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import {
  type ClientData,
  type ClientRow,
  countClientsLocked,
  deleteClientSecret,
  endClientSecrets,
  findClient,
  insertClient,
  insertClientSecret,
  listClients,
  listInstanceClients,
  listOwnAudiences,
  lockClient,
  ownAudiences,
} from '../store/clients.ts'
import { type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { type ClientKey, keyFault, redirectFault } from './client-metadata.ts'

export const clientsMax = 100
/** That work at the same time: one in use, and the one that takes over from it. */
export const secretsMax = 2
const pageSize = 50

/** How it authenticates, in the words of RFC 7591 2, and in those of its row. It never changes: another kind is another client. */
const authMethods = { none: 'none', client_secret_basic: 'secret', private_key_jwt: 'private_key_jwt' } as const
export type AuthMethod = keyof typeof authMethods

/** How it gets in, in the words of RFC 7591 2, and in those of its row: what the token endpoint serves, and no more. */
const grantTypes = {
  'urn:ietf:params:oauth:grant-type:device_code': 'device_code',
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
  'urn:ietf:params:oauth:grant-type:token-exchange': 'token_exchange',
} as const
export type GrantType = keyof typeof grantTypes
export const grantTypeNames = Object.keys(grantTypes) as [GrantType, ...GrantType[]]

/** Seconds for which the secret before goes on counting. */
export const graces = [0, 3_600, 86_400, 604_800] as const
export type Grace = (typeof graces)[number]

export type ClientSecretView = {
  id: string
  createdBy: string
  createdAt: Date
  /** When it stops counting; null: once somebody ends it. */
  expiresAt: Date | null
  lastUsedAt: Date | null
}

export type ClientView = {
  /** Its `client_id`. */
  id: string
  name: string
  /** Of the instance: every tenant sees it, and none changes it. */
  ofServer: boolean
  tokenEndpointAuthMethod: AuthMethod
  redirectUris: string[]
  grantTypes: GrantType[]
  /** Of our own API: what it may be granted at most. */
  scopes: GrantScope[]
  jwks: { keys: { [Name in keyof Required<ClientKey>]: ClientKey[Name] }[] } | null
  /** Projects of the tenant's own whose tokens it may ask about (RFC 7662). */
  audiences: string[]
  dpopBoundAccessTokens: boolean
  requirePushedAuthorizationRequests: boolean
  /** Where it says itself what it is; null: somebody registered it. */
  document: string | null
  createdBy: string | null
  createdAt: Date
  lastUsedAt: Date | null
  /** Those that count at this moment, newest first. Never their values. */
  secrets: ClientSecretView[]
}

const nameOf = <T extends string, V>(names: Record<T, V>, value: unknown): T[] =>
  (Object.keys(names) as T[]).filter((name) => names[name] === value)

const isLiving = (now: Date) => (secret: { expiresAt: Date | null }) =>
  secret.expiresAt === null || secret.expiresAt > now

export const toClientView = (row: ClientRow, now: Date): ClientView => ({
  id: row.id,
  name: row.name,
  ofServer: row.tenantId === null,
  tokenEndpointAuthMethod: nameOf(authMethods, row.authentication)[0] ?? 'none',
  redirectUris: row.redirectUris,
  grantTypes: row.grantTypes.flatMap((type) => nameOf(grantTypes, type)),
  scopes: row.scopes as GrantScope[],
  jwks: row.keys as ClientView['jwks'],
  audiences: row.audiences,
  dpopBoundAccessTokens: row.needsProof,
  requirePushedAuthorizationRequests: row.needsPush,
  document: row.document,
  createdBy: row.createdBy,
  createdAt: row.createdAt,
  lastUsedAt: row.lastUsedAt,
  secrets: row.secrets.filter(isLiving(now)).map(({ id, createdBy, createdAt, expiresAt, lastUsedAt }) => ({
    id,
    createdBy,
    createdAt,
    expiresAt,
    lastUsedAt,
  })),
})

/** The tenant's own, newest first, and before them those of the instance. @throws BrokerError forbidden */
export async function clientPage(
  ctx: Context,
  actor: Actor,
  { before }: { before?: string | undefined },
): Promise<{ items: ClientView[]; next: string | null }> {
  requirePermission(actor, 'oversee')
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listClients(tx, actor.tenantId, { before, take: pageSize + 1 })
    const own = rows.slice(0, pageSize)
    const shown = before ? own : [...(await listInstanceClients(tx)), ...own]
    const next = rows.length > pageSize ? (own.at(-1)?.id ?? null) : null
    return { items: shown.map((row) => toClientView(row, ctx.now())), next }
  })
}

/** @throws BrokerError forbidden, not_found */
export async function clientOf(ctx: Context, actor: Actor, id: string): Promise<ClientView> {
  requirePermission(actor, 'oversee')
  const row = await readTenant(ctx, actor.tenantId, (tx) => findClient(tx, actor.tenantId, id))
  if (!row) throw new BrokerError('not_found')
  return toClientView(row, ctx.now())
}

/** The tenant's own audiences, by name. @throws BrokerError forbidden */
export async function audienceChoices(ctx: Context, actor: Actor): Promise<{ id: string; name: string }[]> {
  requirePermission(actor, 'oversee')
  return readTenant(ctx, actor.tenantId, (tx) => listOwnAudiences(tx, actor.tenantId))
}

type Optional<T> = { [Name in keyof T]?: T[Name] | undefined }
/** What may be said of a client, and changed later. */
export type ClientMetadata = Optional<
  Pick<
    ClientView,
    | 'name'
    | 'redirectUris'
    | 'grantTypes'
    | 'scopes'
    | 'audiences'
    | 'dpopBoundAccessTokens'
    | 'requirePushedAuthorizationRequests'
  > & { jwks: { keys: ClientKey[] } }
>
export type NewClient = ClientMetadata & { name: string; tokenEndpointAuthMethod: AuthMethod }

/** What of it is said, in the words of the row. */
export const toClientData = (given: ClientMetadata): ClientData =>
  Object.fromEntries(
    Object.entries({
      name: given.name,
      redirectUris: given.redirectUris,
      grantTypes: given.grantTypes?.map((type) => grantTypes[type]),
      scopes: given.scopes,
      keys: given.jwks,
      audiences: given.audiences,
      needsProof: given.dpopBoundAccessTokens,
      needsPush: given.requirePushedAuthorizationRequests,
    }).filter(([, value]) => value !== undefined),
  )

/**
 * Registers a program that members may let in. One with a secret gets it here: the value is in this answer alone.
 * @throws BrokerError forbidden, bad_request, too_many_clients
 */
export async function createClient(
  ctx: Context,
  actor: Actor,
  { tokenEndpointAuthMethod, ...given }: NewClient,
): Promise<{ client: ClientView; clientSecret: Secret | null }> {
  const { tenantId, userId } = actor
  const id = newId('client')
  const now = ctx.now()
  const authentication = authMethods[tokenEndpointAuthMethod]
  const secret = authentication === 'secret' ? newToken('cs') : null
  const whole = {
    redirectUris: [],
    grantTypes: [],
    audiences: [],
    scopes: [],
    ...toClientData(given),
    name: given.name,
    authentication,
  }
  const made = await act(ctx, actor, 'administer', async (tx, actor) => {
    await assertSound(ctx, tx, tenantId, given, whole)
    if ((await countClientsLocked(tx, tenantId)) >= clientsMax) return undefined
    await insertClient(tx, { ...whole, tenantId, id, createdBy: userId, createdAt: now })
    await record(tx, tenantId, now, actor, {
      action: 'client.created',
      outcome: 'ok',
      target: { kind: 'client', id },
      details: { authentication, grant_types: whole.grantTypes, scopes: whole.scopes },
    })
    if (secret) await addSecret(tx, actor, { clientId: id, secret, now, beforeUntil: null })
    return findClient(tx, tenantId, id)
  })
  if (!made) throw new BrokerError('too_many_clients')
  return { client: toClientView(made, now), clientSecret: secret }
}

/** As it would be: what only holds together is judged together. */
type Whole = Pick<ClientRow, 'authentication' | 'redirectUris' | 'grantTypes' | 'audiences'> & { keys?: unknown }

/** @throws BrokerError bad_request with what is wrong with which field */
export async function assertSound(
  ctx: Pick<Context, 'config'>,
  tx: ReadTx,
  tenantId: string,
  given: ClientMetadata,
  { authentication, redirectUris, grantTypes, audiences, keys }: Whole,
): Promise<void> {
  const fields: Record<string, string> = {}
  const fault = (field: string, words: string | false | undefined) => {
    if (words) fields[field] ??= words
  }
  const isPublic = authentication === 'none'
  const has = (type: string) => grantTypes.includes(type)
  for (const [index, uri] of (given.redirectUris ?? []).entries())
    fault(`redirect_uris.${index}`, redirectFault(uri, { origin: ctx.config.origin, isPublic }))
  for (const [index, key] of (given.jwks?.keys ?? []).entries()) fault(`jwks.keys.${index}`, keyFault(key))
  // RFC 7591 2: where answers go is for what is answered through a browser.
  fault('redirect_uris', has('authorization_code') && redirectUris.length === 0 && 'are needed for authorization_code')
  fault('redirect_uris', !has('authorization_code') && redirectUris.length > 0 && 'are for authorization_code alone')
  fault('grant_types', grantTypes.length + audiences.length === 0 && 'name none, and no audience either')
  fault(
    'grant_types',
    grantTypes.length > 0 &&
      !has('authorization_code') &&
      !has('device_code') &&
      'name none by which somebody lets it in: authorization_code, or the device code',
  )
  //
  fault('grant_types', isPublic && has('token_exchange') && 'name token exchange, which is not for public clients')
  // I-01: only who has authenticated asks about tokens.
  fault('audiences', isPublic && audiences.length > 0 && 'are not for public clients')
  fault('jwks', (authentication === 'private_key_jwt') !== Boolean(keys) && 'goes together with private_key_jwt')
  if (given.audiences?.length) {
    const known = await ownAudiences(tx, tenantId, given.audiences)
    fault('audiences', given.audiences.some((id) => !known.includes(id)) && 'must be the tenant’s own audiences')
  }
  if (Object.keys(fields).length > 0) throw new BrokerError('bad_request', { fields })
}

/**
 * Gives it another secret, which is in this answer alone. Those before count for `graceSeconds` more.
 * @throws BrokerError forbidden, not_found, bad_request, too_many_secrets
 */
export async function makeClientSecret(
  ctx: Context,
  actor: Actor,
  { clientId, graceSeconds }: { clientId: string; graceSeconds: Grace },
): Promise<{ client: ClientView; clientSecret: Secret }> {
  const { tenantId } = actor
  const secret = newToken('cs')
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const client = await lockClient(tx, tenantId, clientId)
    if (!client) return 'not_found' as const
    if (client.authentication !== 'secret') return 'no_secret' as const
    const now = ctx.now()
    const before = client.secrets.filter(isLiving(now))
    if (graceSeconds > 0 && before.length >= secretsMax) return 'too_many_secrets' as const
    const until = new Date(now.getTime() + graceSeconds * 1000)
    await endClientSecrets(tx, tenantId, clientId, { now, until })
    const beforeUntil = graceSeconds > 0 && before.length > 0 ? until : null
    await addSecret(tx, actor, { clientId, secret, now, beforeUntil })
    return findClient(tx, tenantId, clientId)
  })
  if (done === 'no_secret')
    throw new BrokerError('bad_request', { detail: 'This client does not authenticate with a secret.' })
  if (typeof done === 'string' || !done) throw new BrokerError(done ?? 'not_found')
  return { client: toClientView(done, ctx.now()), clientSecret: secret }
}

async function addSecret(
  tx: Tx,
  actor: Actor,
  { clientId, secret, now, beforeUntil }: { clientId: string; secret: Secret; now: Date; beforeUntil: Date | null },
): Promise<void> {
  const { tenantId, userId } = actor
  const id = newId('client_secret')
  const secretHash = Buffer.from(hash(secret.reveal()))
  await insertClientSecret(tx, { tenantId, id, clientId, secretHash, createdBy: userId, createdAt: now })
  await record(tx, tenantId, now, actor, {
    action: 'client.secret_made',
    outcome: 'ok',
    target: { kind: 'client', id: clientId },
    details: { secret: id, before_until: beforeUntil?.toISOString() ?? null },
  })
}

/** One that counts no more from the next request on; what was made with it stays. @throws BrokerError forbidden, not_found */
export async function endClientSecret(
  ctx: Context,
  actor: Actor,
  { clientId, secretId }: { clientId: string; secretId: string },
): Promise<void> {
  const { tenantId } = actor
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    if (!(await lockClient(tx, tenantId, clientId))) return false
    if (!(await deleteClientSecret(tx, tenantId, clientId, secretId))) return false
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'client.secret_ended',
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      details: { secret: secretId },
    })
    return true
  })
  if (!done) throw new BrokerError('not_found')
}
