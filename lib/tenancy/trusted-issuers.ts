import { type Actor, requirePermission, type Scope } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { discover } from '../security/discovery.ts'
import { newId } from '../security/ids.ts'
import type { RefusalReason } from '../security/incoming-token.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { act } from '../store/authority.ts'
import { readTenant, type Tx } from '../store/database.ts'
import {
  countMembersBy,
  deleteTrustedClient,
  deleteTrustedIssuer,
  findTrustedClient,
  findTrustedIssuer,
  insertTrustedClient,
  insertTrustedIssuer,
  listTrusted,
  listTrustedClients,
  type TrustedClientRow,
  type TrustedIssuerRow,
  trustedIssuersLocked,
  trustedSecretPlace,
  updateTrustedClient,
  updateTrustedIssuer,
} from '../store/trust.ts'
import { vaultOf } from '../vault/keys.ts'

export const trustedIssuersMax = 10
export const trustedClientsMax = 50

export type TrustedClientView = {
  id: string
  /** What the issuer calls it. */
  clientId: string
  name: string
  scopes: Scope[]
  createdBy: string
  createdAt: Date
}

export type TrustedIssuerView = {
  id: string
  issuer: string
  name: string
  audience: string
  /** Our client there, by which the issuer is asked about tokens; null: it is not asked. */
  clientId: string | null
  /** Tokens that name no issuer are asked about here. */
  opaque: boolean
  createdBy: string
  createdAt: Date
  /** How many active members have an identity of this issuer: nobody else can get in by it. */
  members: number
  clients: TrustedClientView[]
  /** Why tokens were refused last, newest first, one a reason. */
  refusals: { reason: RefusalReason; clientId: string | null; at: Date }[]
}

const toClient = (row: TrustedClientRow): TrustedClientView => ({
  id: row.id,
  clientId: row.clientId,
  name: row.name,
  scopes: row.scopes as Scope[],
  createdBy: row.createdBy,
  createdAt: row.createdAt,
})

const toView = (row: TrustedIssuerRow): Omit<TrustedIssuerView, 'members' | 'clients' | 'refusals'> => ({
  id: row.id,
  issuer: row.issuer,
  name: row.name,
  audience: row.audience,
  clientId: row.clientId,
  opaque: row.opaque,
  createdBy: row.createdBy,
  createdAt: row.createdAt,
})

/** @throws BrokerError forbidden */
export async function trustedIssuerList(ctx: Context, actor: Actor): Promise<TrustedIssuerView[]> {
  requirePermission(actor, 'oversee')
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listTrusted(tx, actor.tenantId)
    const members = await countMembersBy(
      tx,
      actor.tenantId,
      rows.map(({ issuer }) => issuer),
    )
    return rows.map(({ clients, refusals, ...row }) => ({
      ...toView(row),
      members: members.get(row.issuer) ?? 0,
      clients: clients.map(toClient),
      refusals: refusals.map(({ reason, clientId, at }) => ({ reason: reason as RefusalReason, clientId, at })),
    }))
  })
}

export type NewTrustedIssuer = {
  issuer: string
  name: string
  audience?: string | undefined
  clientId?: string | undefined
  clientSecret?: string | undefined
  opaque?: boolean | undefined
}

const refuse = (fields: Record<string, string>, cause?: unknown) => new BrokerError('bad_request', { fields, cause })

/**
 * Trusts an issuer. Where it answers is read from its own metadata, and never typed: whoever names the place that its keys or
 * its answers come from could make up anybody (N-12).
 * @throws BrokerError forbidden, bad_request, trusted_issuer_exists, opaque_taken, too_many_trusted
 */
export async function trustIssuer(
  ctx: Context,
  actor: Actor,
  input: NewTrustedIssuer,
): Promise<{ id: string; issuer: string }> {
  const { issuer, name, clientId, clientSecret, opaque = false } = input
  const audience = checkedAudience(ctx, issuer, input.audience ?? ctx.config.origin)
  if ((clientId === undefined) !== (clientSecret === undefined))
    throw refuse({ client_secret: 'Enter the client and its secret together.' })
  if (opaque && clientId === undefined)
    throw refuse({ opaque: 'Tokens that name no issuer need a client to ask with.' })
  // It asks a server that somebody names, so it is for who administers at this moment.
  await act(ctx, actor, 'administer', async () => undefined)
  await assertDiscovers(ctx, issuer, clientId !== undefined)
  const { tenantId, userId } = actor
  const id = newId('trusted_issuer')
  const sealed = clientSecret === undefined ? null : await sealedSecret(ctx, tenantId, id, clientSecret)
  const now = ctx.now()
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const known = await trustedIssuersLocked(tx, tenantId)
    if (known.some((one) => one.issuer === issuer)) return 'trusted_issuer_exists' as const
    if (opaque && known.some((one) => one.opaque)) return 'opaque_taken' as const
    if (known.length >= trustedIssuersMax) return 'too_many_trusted' as const
    const asked = { clientId: clientId ?? null, clientSecret: sealed, opaque }
    await insertTrustedIssuer(tx, { tenantId, id, issuer, name, audience, ...asked, createdBy: userId, createdAt: now })
    await record(tx, tenantId, now, actor, {
      action: 'trusted_issuer.added',
      outcome: 'ok',
      target: { kind: 'trusted_issuer', id },
      details: { issuer, audience, client: asked.clientId, opaque },
    })
    return { id, issuer }
  })
  if (typeof done === 'string') throw new BrokerError(done)
  return done
}

async function sealedSecret(ctx: Context, tenantId: string, id: string, secret: string): Promise<string> {
  return (await vaultOf(ctx, tenantId)).seal(trustedSecretPlace(id), secret)
}

/**
 * A token must be for us: for our origin or an address below it, or, at the issuer that people sign in with, for our client
 * there. If an admin could name any audience, they could name one of an application of their own, and whatever members give to
 * that would act for them here.
 */
function checkedAudience({ config }: Pick<Context, 'config'>, issuer: string, audience: string): string {
  const { origin, signin } = config
  const isOurs = audience === origin || audience.startsWith(`${origin}/`)
  const isOurClient = issuer === signin.issuer && audience === signin.clientId
  if (isOurs || isOurClient) return audience
  throw refuse({ audience: `must be ${origin} or an address below it, so that only tokens made for Valetkey count` })
}

/** The issuer's own metadata, read now. */
async function assertDiscovers(ctx: Context, issuer: string, asks: boolean): Promise<void> {
  try {
    assertOutboundUrl(issuer, ctx.config)
  } catch (cause) {
    throw refuse({ issuer: 'Enter a public https address, exactly as the issuer’s tokens name it in iss.' }, cause)
  }
  const server = await discover({ ...ctx, discoveries: new Map() }, issuer).catch((cause: unknown) => {
    const words =
      'Its metadata cannot be read, or names another issuer. Copy the issuer exactly as its metadata names it.'
    throw refuse({ issuer: words }, cause)
  })
  if (!server.jwks_uri) throw refuse({ issuer: 'Its metadata names no keys.' })
  if (asks && !server.introspection_endpoint)
    throw refuse({ client_id: 'The issuer’s metadata names no place to ask about tokens. Leave the client empty.' })
}

export type TrustedIssuerChange = {
  trustedIssuerId: string
  name?: string | undefined
  audience?: string | undefined
  /** Null: the issuer is asked no more. */
  clientId?: string | null | undefined
  clientSecret?: string | undefined
  opaque?: boolean | undefined
}

/** Changes how its tokens are judged, from the next request on. @throws BrokerError forbidden, not_found, bad_request, opaque_taken */
export async function changeTrustedIssuer(
  ctx: Context,
  actor: Actor,
  { trustedIssuerId: id, ...input }: TrustedIssuerChange,
): Promise<void> {
  requirePermission(actor, 'administer')
  const { tenantId } = actor
  const before = await readTenant(ctx, tenantId, (tx) => findTrustedIssuer(tx, tenantId, id))
  if (!before) throw new BrokerError('not_found')
  const { name, clientId, clientSecret } = input
  const isOther = typeof clientId === 'string' && clientId !== before.clientId
  if (isOther && clientSecret === undefined) throw refuse({ client_secret: 'Enter the secret of the client.' })
  if (clientSecret !== undefined && (clientId === null || !(clientId ?? before.clientId)))
    throw refuse({ client_secret: 'Enter the client as well.' })
  const audience = input.audience === undefined ? undefined : checkedAudience(ctx, before.issuer, input.audience)
  if (isOther) await assertDiscovers(ctx, before.issuer, true)
  const sealed = clientSecret === undefined ? undefined : await sealedSecret(ctx, tenantId, id, clientSecret)
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const known = await trustedIssuersLocked(tx, tenantId)
    const row = known.find((one) => one.id === id)
    if (!row) return 'not_found' as const
    const opaque = input.opaque ?? (row.opaque && clientId !== null)
    if (opaque && known.some((one) => one.opaque && one.id !== id)) return 'opaque_taken' as const
    if (opaque && (clientId === undefined ? row.clientId : clientId) === null) return 'unasked' as const
    await updateTrustedIssuer(tx, tenantId, id, {
      ...(name !== undefined && { name }),
      ...(audience !== undefined && { audience }),
      ...(clientId !== undefined && { clientId }),
      ...(clientId === null ? { clientSecret: null } : sealed !== undefined && { clientSecret: sealed }),
      ...(opaque !== row.opaque && { opaque }),
    })
    const changed = Object.entries(input).flatMap(([field, value]) => (value === undefined ? [] : [field]))
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'trusted_issuer.changed',
      outcome: 'ok',
      target: { kind: 'trusted_issuer', id },
      details: { changed },
    })
    return undefined
  })
  if (done === 'unasked') throw refuse({ opaque: 'Tokens that name no issuer need a client to ask with.' })
  if (done) throw new BrokerError(done)
}

/** Its tokens count no more from now on, on every instance. @throws BrokerError forbidden, not_found */
export async function removeTrustedIssuer(ctx: Context, actor: Actor, id: string): Promise<void> {
  const { tenantId } = actor
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const known = await findTrustedIssuer(tx, tenantId, id)
    if (!known) return false
    const clients = (await listTrustedClients(tx, tenantId, id)).length
    if ((await deleteTrustedIssuer(tx, tenantId, id)).count === 0) return false
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'trusted_issuer.removed',
      outcome: 'ok',
      target: { kind: 'trusted_issuer', id },
      details: { issuer: known.issuer, clients },
    })
    return true
  })
  if (!done) throw new BrokerError('not_found')
}

type At = { trustedIssuerId: string }

/** @throws BrokerError forbidden, not_found, trusted_client_exists, too_many_trusted */
export async function trustClient(
  ctx: Context,
  actor: Actor,
  { trustedIssuerId: issuerId, clientId, name, scopes }: At & { clientId: string; name: string; scopes: Scope[] },
): Promise<TrustedClientView> {
  const { tenantId, userId } = actor
  const id = newId('trusted_client')
  const now = ctx.now()
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const issuer = (await trustedIssuersLocked(tx, tenantId)).find((one) => one.id === issuerId)
    if (!issuer) return 'not_found' as const
    const known = await listTrustedClients(tx, tenantId, issuerId)
    if (known.some((one) => one.clientId === clientId)) return 'trusted_client_exists' as const
    if (known.length >= trustedClientsMax) return 'too_many_trusted' as const
    const row = { tenantId, id, issuerId, clientId, name, scopes, createdBy: userId, createdAt: now }
    const made = await insertTrustedClient(tx, row)
    await record(tx, tenantId, now, actor, {
      action: 'trusted_client.added',
      outcome: 'ok',
      target: { kind: 'trusted_client', id },
      details: { issuer: issuer.issuer, client: clientId, scopes },
    })
    return toClient(made)
  })
  if (typeof done === 'string') throw new BrokerError(done)
  return done
}

type ClientAt = At & { trustedClientId: string }

/** @throws BrokerError forbidden, not_found */
export const changeTrustedClient = (
  ctx: Context,
  actor: Actor,
  { name, scopes, ...at }: ClientAt & { name?: string | undefined; scopes?: Scope[] | undefined },
): Promise<TrustedClientView> =>
  onClient(ctx, actor, at, async (tx, actor, row) => {
    const made = await updateTrustedClient(tx, actor.tenantId, row.id, {
      ...(name !== undefined && { name }),
      ...(scopes !== undefined && { scopes }),
    })
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'trusted_client.changed',
      outcome: 'ok',
      target: { kind: 'trusted_client', id: row.id },
      details: { client: row.clientId, scopes: made.scopes },
    })
    return toClient(made)
  })

/** @throws BrokerError forbidden, not_found */
export const removeTrustedClient = (ctx: Context, actor: Actor, at: ClientAt): Promise<void> =>
  onClient(ctx, actor, at, async (tx, actor, row) => {
    await deleteTrustedClient(tx, actor.tenantId, row.id)
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'trusted_client.removed',
      outcome: 'ok',
      target: { kind: 'trusted_client', id: row.id },
      details: { client: row.clientId },
    })
  })

/** One act on a client that is there. */
async function onClient<T>(
  ctx: Context,
  actor: Actor,
  { trustedIssuerId, trustedClientId }: ClientAt,
  work: (tx: Tx, actor: Actor, row: TrustedClientRow) => Promise<T>,
): Promise<T> {
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    // One after the other, so that none of them finds a row that another has just taken away.
    await trustedIssuersLocked(tx, actor.tenantId)
    const row = await findTrustedClient(tx, actor.tenantId, trustedIssuerId, trustedClientId)
    return row && { value: await work(tx, actor, row) }
  })
  if (!done) throw new BrokerError('not_found')
  return done.value
}
