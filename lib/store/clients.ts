import type { GrantScope } from '../actor.ts'
import type { Prisma, ReadTx, Tx } from './database.ts'
import { livingTokens } from './tokens.ts'

const withSecrets = { secrets: { orderBy: { id: 'desc' } } } as const
export type ClientRow = Prisma.ApiClientGetPayload<{ include: typeof withSecrets }>
export type ClientSecretRow = Prisma.ClientSecretGetPayload<object>

/** How a client is known; null: of the instance, and of every tenant. Ended ones are none. */
const living = (tenantId: string | null) => ({ tenantId, endedAt: null })

/** A tenant's own, newest first. */
export const listClients = (
  tx: ReadTx,
  tenantId: string,
  { before, take }: { before?: string | undefined; take: number },
) =>
  tx.apiClient.findMany({
    where: { ...living(tenantId), ...(before && { id: { lt: before } }) },
    orderBy: { id: 'desc' },
    take,
    include: withSecrets,
  })

/** Those of the instance, which every tenant sees and none changes. */
export const listInstanceClients = (tx: ReadTx) =>
  tx.apiClient.findMany({ where: living(null), orderBy: { id: 'asc' }, include: withSecrets })

/** The same and the tenant's own, by name. */
export const listClientNames = (tx: ReadTx, tenantId: string) =>
  tx.apiClient.findMany({
    where: { OR: [living(tenantId), living(null)] },
    orderBy: [{ name: 'asc' }, { id: 'asc' }],
    select: { id: true, name: true },
  })

/** One of the tenant's, or of the instance. */
export const findClient = (tx: ReadTx, tenantId: string, id: string) =>
  tx.apiClient.findFirst({ where: { id, OR: [living(tenantId), living(null)] }, include: withSecrets })

/**
 * One of the tenant's own, to change. Whoever asks for it next, or holds a grant of it still, waits for this transaction
 * (vk.grant_hold): two cannot pass a limit together.
 */
export async function lockClient(tx: Tx, tenantId: string, id: string): Promise<ClientRow | null> {
  await tx.$queryRaw`SELECT id FROM api_client WHERE tenant_id = ${tenantId} AND id = ${id} FOR UPDATE`
  return tx.apiClient.findFirst({ where: { id, ...living(tenantId) }, include: withSecrets })
}

/** How many the tenant has; whoever counts next waits for this transaction, so that two cannot pass a limit together. */
export async function countClientsLocked(tx: Tx, tenantId: string): Promise<number> {
  await tx.$queryRaw`SELECT id FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`
  return tx.apiClient.count({ where: { ...living(tenantId), document: null } })
}

/** A program that nobody registered, as its document says what it is. */
export type DocumentClient = { tenantId: string; id: string; document: string; name: string; redirectUris: string[] }

/** How many of them one tenant knows. */
const documentsMax = 100

/** Such a program, also one that an admin removed. */
export const clientDocumentOf = (tx: ReadTx, tenantId: string, id: string) =>
  tx.apiClient.findFirst({
    where: { id, tenantId },
    select: { document: true, documentReadAt: true, endedAt: true },
  })

/**
 * Keeps what the document of a program says. It may ask for gateways and for nothing else, by a browser. `changed`: it was not known,
 * or said something else. `full`: there are too many; those that nobody let in within a day make room.
 */
export async function keepDocumentClient(
  tx: Tx,
  { tenantId, id, document, name, redirectUris }: DocumentClient,
  now: Date,
): Promise<'same' | 'changed' | 'full'> {
  const [before] = await tx.$queryRaw<{ same: boolean }[]>`
    SELECT c.name = ${name} AND c.redirect_uris = ${redirectUris}::text[] AS same FROM api_client c
    WHERE c.tenant_id = ${tenantId} AND c.id = ${id} FOR UPDATE`
  if (!before) {
    // Whoever counts next waits, as for those that are registered.
    await tx.$queryRaw`SELECT id FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`
    await tx.$executeRaw`
      DELETE FROM api_client c WHERE c.tenant_id = ${tenantId} AND c.document IS NOT NULL AND c.ended_at IS NULL
        AND c.document_read_at < ${now}::timestamptz - interval '1 day'
        AND NOT EXISTS (SELECT FROM oauth_grant g WHERE g.tenant_id = ${tenantId} AND g.client_id = c.id)
        AND NOT EXISTS (SELECT FROM authorization_request a WHERE a.client_id = c.id)`
    const known = await tx.apiClient.count({ where: { ...living(tenantId), document: { not: null } } })
    if (known >= documentsMax) return 'full'
  }
  await tx.$executeRaw`
    INSERT INTO api_client AS c (id, tenant_id, name, authentication, redirect_uris, grant_types, scopes, document, document_read_at, created_at)
    VALUES (${id}, ${tenantId}, ${name}, 'none', ${redirectUris}, '{authorization_code,refresh_token}', '{mcp:use}', ${document}, ${now}, ${now})
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, redirect_uris = excluded.redirect_uris,
      document_read_at = excluded.document_read_at
    WHERE c.ended_at IS NULL`
  return before?.same ? 'same' : 'changed'
}

export const insertClient = (tx: Tx, row: Prisma.ApiClientUncheckedCreateInput) =>
  tx.apiClient.create({ data: row, include: withSecrets })

export type ClientData = {
  name?: string
  redirectUris?: string[]
  grantTypes?: string[]
  scopes?: GrantScope[]
  keys?: Prisma.InputJsonObject
  audiences?: string[]
  needsProof?: boolean
  needsPush?: boolean
}

/** `ends`: its generation is raised, so that nothing counts that was made under the one before. */
export const updateClient = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: ClientData & { endedAt?: Date },
  { ends }: { ends: boolean },
) =>
  tx.apiClient.update({
    where: { id, tenantId },
    data: { ...data, ...(ends && { generation: { increment: 1 } }) },
    include: withSecrets,
  })

export const insertClientSecret = (tx: Tx, row: Prisma.ClientSecretUncheckedCreateInput) =>
  tx.clientSecret.create({ data: row })

/** What counts no more now, or at `until`; never later than it would anyway. */
export async function endClientSecrets(
  tx: Tx,
  tenantId: string,
  clientId: string,
  { now, until }: { now: Date; until: Date },
): Promise<void> {
  const which = { tenantId, clientId }
  if (until > now)
    await tx.clientSecret.updateMany({
      where: { ...which, OR: [{ expiresAt: null }, { expiresAt: { gt: until } }] },
      data: { expiresAt: until },
    })
  await tx.clientSecret.deleteMany({ where: until > now ? { ...which, expiresAt: { lte: now } } : which })
}

export const deleteClientSecret = async (tx: Tx, tenantId: string, clientId: string, id: string): Promise<boolean> =>
  (await tx.clientSecret.deleteMany({ where: { tenantId, clientId, id } })).count > 0

/** What waits for a person, or for its program to fetch the answer, is refused: it was asked under other rules. */
export const denyWaitingRequests = (tx: Tx, clientId: string, now: Date) =>
  tx.authorizationRequest.updateMany({
    where: { clientId, status: { in: ['pushed', 'pending', 'approved'] } },
    data: { status: 'denied', decidedAt: now },
  })

/** How many grants of it there are, how many people gave them, and how many tokens that live were issued through them. */
export async function countHeldBy(tx: ReadTx, tenantId: string, clientId: string, now: Date) {
  const where = { tenantId, clientId, endedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] }
  const people = await tx.oauthGrant.groupBy({ by: ['userId'], where, _count: true })
  return {
    grants: people.reduce((sum, { _count }) => sum + _count, 0),
    people: people.length,
    tokens: await tx.issuedToken.count({
      where: { ...livingTokens(tenantId, now), clientId },
    }),
  }
}

/** Ids of its grants that nobody has ended, also of those whose time is over: what was issued through them may live. */
export const unendedGrantsOf = async (tx: ReadTx, tenantId: string, clientId: string): Promise<string[]> =>
  (await tx.oauthGrant.findMany({ where: { tenantId, clientId, endedAt: null }, select: { id: true } })).map(
    ({ id }) => id,
  )

/** Those of `ids` that are the tenant's own audiences: projects of a provider of kind `own`. */
export const ownAudiences = async (tx: ReadTx, tenantId: string, ids: string[]): Promise<string[]> =>
  (
    await tx.project.findMany({
      where: { tenantId, id: { in: ids }, provider: { kind: 'own' } },
      select: { id: true },
    })
  ).map(({ id }) => id)

/** All of them, for choosing. */
export const listOwnAudiences = (tx: ReadTx, tenantId: string) =>
  tx.project.findMany({
    where: { tenantId, provider: { kind: 'own' } },
    select: { id: true, name: true },
    orderBy: { name: 'asc' },
  })
