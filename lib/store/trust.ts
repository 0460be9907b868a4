import type { IncomingCredential, Scope } from '../actor.ts'
import type { Context } from '../context.ts'
import { type Prisma, query, type ReadTx, type Tx } from './database.ts'
import type { SealedPlace } from './sealed.ts'

type Store = Pick<Context, 'pool' | 'config'>

/** How a tenant judges the tokens of an issuer. */
export type Trust = {
  tenantId: string
  id: string
  issuer: string
  audience: string
  /** Our client there, with its sealed secret, by which the issuer is asked; null: it is not asked. */
  clientId: string | null
  clientSecret: string | null
  generation: number
}

/** What the tenant with this slug says of an issuer; of a token that names none, of whom is asked about those. */
export async function trustIn(ctx: Store, slug: string, issuer: string | null): Promise<Trust | undefined> {
  const text = `SELECT tenant_id AS "tenantId", id, issuer, audience, client_id AS "clientId", client_secret AS "clientSecret",
    generation FROM vk.trusted_issuer($1, $2)`
  return (await query<Trust>(ctx, 'trusted_issuer', text, [slug, issuer]))[0]
}

/** Whose a verified token is; null: the client is not listed, or nobody active here has this identity. */
export type Incoming = {
  client: string | null
  scopes: Scope[] | null
  userId: string | null
  name: string | null
  email: string | null
}

/** Trust, client and member in one look. undefined: the issuer is trusted no more, or is judged in another way by now. */
export async function incomingPerson(
  ctx: Store,
  { tenantId, id, generation }: Trust,
  token: { clientId: string; subject: string; issuedAt: Date | undefined },
): Promise<Incoming | undefined> {
  const text = `SELECT client, scopes, user_id AS "userId", name, email FROM vk.incoming_person($1, $2, $3, $4, $5, $6)`
  const values = [tenantId, id, generation, token.clientId, token.subject, token.issuedAt ?? null]
  return (await query<Incoming>(ctx, 'incoming_person', text, values))[0]
}

/** Whether a program is still let in with all its scopes. It stays so until the transaction ends. */
export async function isStillTrusted(
  tx: Tx,
  tenantId: string,
  { trustedIssuer, generation, client, scopes }: IncomingCredential,
): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ scopes: Scope[] | null }[]>`
    SELECT vk.incoming_hold(${tenantId}, ${trustedIssuer}, ${generation}::int, ${client}) AS scopes`
  const now = row?.scopes
  return now ? scopes.every((scope) => now.includes(scope)) : false
}

/** Where our client secret at a trusted issuer is sealed. */
export const trustedSecretPlace = (id: string): SealedPlace => ({
  table: 'trusted_issuer',
  row: id,
  column: 'client_secret',
  user: '-',
  version: 0,
})

const at = (tenantId: string, id: string) => ({ tenantId_id: { tenantId, id } })

export type TrustedIssuerRow = Prisma.TrustedIssuerGetPayload<object>
export type TrustedClientRow = Prisma.TrustedClientGetPayload<object>

/** All that the tenant trusts, with the clients listed and the last refusals. */
export const listTrusted = (tx: ReadTx, tenantId: string) =>
  tx.trustedIssuer.findMany({
    where: { tenantId },
    orderBy: { id: 'asc' },
    include: {
      clients: { orderBy: { id: 'asc' } },
      refusals: { orderBy: { at: 'desc' } },
    },
  })

export const findTrustedIssuer = (tx: ReadTx, tenantId: string, id: string) =>
  tx.trustedIssuer.findUnique({ where: at(tenantId, id) })

/** All issuers that the tenant trusts; whoever asks next waits for this transaction, so that two cannot pass a limit together. */
export async function trustedIssuersLocked(tx: Tx, tenantId: string): Promise<TrustedIssuerRow[]> {
  await tx.$queryRaw`SELECT id FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`
  return tx.trustedIssuer.findMany({ where: { tenantId } })
}

export const insertTrustedIssuer = (tx: Tx, row: Prisma.TrustedIssuerUncheckedCreateInput) =>
  tx.trustedIssuer.create({ data: row })

/** A change of how tokens are judged, not of the name, raises the generation: what was judged before counts no more. */
export const updateTrustedIssuer = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: { name?: string; audience?: string; clientId?: string | null; clientSecret?: string | null; opaque?: boolean },
) =>
  tx.trustedIssuer.update({
    where: at(tenantId, id),
    data: { ...data, generation: { increment: Object.keys(data).some((field) => field !== 'name') ? 1 : 0 } },
  })

/** With the clients listed. */
export const deleteTrustedIssuer = (tx: Tx, tenantId: string, id: string) =>
  tx.trustedIssuer.deleteMany({ where: { tenantId, id } })

export const listTrustedClients = (tx: ReadTx, tenantId: string, issuerId: string) =>
  tx.trustedClient.findMany({ where: { tenantId, issuerId } })

export const findTrustedClient = (tx: ReadTx, tenantId: string, issuerId: string, id: string) =>
  tx.trustedClient.findFirst({ where: { tenantId, issuerId, id } })

export const insertTrustedClient = (tx: Tx, row: Prisma.TrustedClientUncheckedCreateInput) =>
  tx.trustedClient.create({ data: row })

export const updateTrustedClient = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: { name?: string; scopes?: readonly Scope[] },
) =>
  tx.trustedClient.update({
    where: at(tenantId, id),
    data: { ...(data.name && { name: data.name }), ...(data.scopes && { scopes: [...data.scopes] }) },
  })

export const deleteTrustedClient = (tx: Tx, tenantId: string, id: string) =>
  tx.trustedClient.deleteMany({ where: { tenantId, id } })

/** How many active members have an identity of each of these issuers. */
export async function countMembersBy(tx: ReadTx, tenantId: string, issuers: string[]): Promise<Map<string, number>> {
  const rows = await tx.$queryRaw<{ issuer: string; count: number }[]>`
    SELECT u.issuer, count(*)::int AS count FROM member m JOIN "user" u ON u.id = m.user_id
    WHERE m.tenant_id = ${tenantId} AND m.status = 'active' AND u.issuer = ANY (${issuers}) GROUP BY 1`
  return new Map(rows.map(({ issuer, count }) => [issuer, count]))
}

/** Notes why a token was refused; nothing where the issuer is trusted no more. */
export const noteIncomingRefusal = (
  tx: Tx,
  { tenantId, id }: Trust,
  { reason, clientId, at }: { reason: string; clientId: string | undefined; at: Date },
) =>
  tx.$executeRaw`INSERT INTO trusted_issuer_refusal (tenant_id, issuer_id, reason, client_id, at)
    SELECT i.tenant_id, i.id, ${reason}, ${clientId ?? null}, ${at}::timestamptz FROM trusted_issuer i
      WHERE i.tenant_id = ${tenantId} AND i.id = ${id}
    ON CONFLICT (tenant_id, issuer_id, reason) DO UPDATE SET client_id = EXCLUDED.client_id, at = EXCLUDED.at`
