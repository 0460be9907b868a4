import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { query, type ReadTx, type Tx } from './database.ts'

type Store = Pick<Context, 'pool' | 'config'>

/**
 * What a hash is looked up as: a token that was issued, an access token, a refresh family, a secret of a client, a code of a
 * browser or of a device.
 */
export type LeakForm = 'issued' | 'access' | 'family' | 'secret' | 'code'
export type LeakEntry = { form: LeakForm; hash: Uint8Array }

const hex = (hashes: readonly Uint8Array[]) => hashes.map((hash) => Buffer.from(hash).toString('hex'))

/** What a hash leads to, by the hash in hex. */
export type Lead = { by: string; id: string }

/** Tokens of the tenant, by the hashes of their values. */
export const issuedByHash = (tx: ReadTx, tenantId: string, hashes: readonly Uint8Array[]) =>
  tx.$queryRaw<Lead[]>`SELECT encode(t.secret_hash, 'hex') AS by, t.id FROM issued_token t
    WHERE t.tenant_id = ${tenantId} AND t.secret_hash IN (SELECT decode(h, 'hex') FROM unnest(${hex(hashes)}::text[]) AS h)`

/** The same by fingerprint, which is all that is known of a token that an upstream made. Two may have one. */
export const issuedByFingerprint = (tx: ReadTx, tenantId: string, fingerprints: readonly string[]) =>
  tx.$queryRaw<Lead[]>`SELECT t.fingerprint AS by, t.id FROM issued_token t
    WHERE t.tenant_id = ${tenantId} AND t.fingerprint = ANY(${[...fingerprints]}::text[])`

/** Connections of the tenant, by the fingerprints of pasted tokens that they stand on. */
export const connectionsByFingerprint = (tx: ReadTx, tenantId: string, fingerprints: readonly string[]) =>
  tx.$queryRaw<Lead[]>`SELECT c.pasted_mark AS by, c.id FROM connection c
    WHERE c.tenant_id = ${tenantId} AND c.pasted_mark = ANY(${[...fingerprints]}::text[])`

/** Grants of the tenant, by the hashes of their access tokens. */
export const grantsByAccess = (tx: ReadTx, tenantId: string, hashes: readonly Uint8Array[]) =>
  tx.$queryRaw<Lead[]>`SELECT encode(a.hash, 'hex') AS by, a.grant_id AS id FROM access_token a
    WHERE a.tenant_id = ${tenantId} AND a.hash IN (SELECT decode(h, 'hex') FROM unnest(${hex(hashes)}::text[]) AS h)`

/** Grants of the tenant, by the hashes of what all their refresh tokens share. */
export const grantsByFamily = (tx: ReadTx, tenantId: string, hashes: readonly Uint8Array[]) =>
  tx.$queryRaw<Lead[]>`SELECT encode(g.family_hash, 'hex') AS by, g.id FROM oauth_grant g
    WHERE g.tenant_id = ${tenantId} AND g.family_hash IN (SELECT decode(h, 'hex') FROM unnest(${hex(hashes)}::text[]) AS h)`

/** Grants of the tenant that came of codes, by the hashes of these. */
export const grantsByCode = (tx: ReadTx, tenantId: string, hashes: readonly Uint8Array[]) =>
  tx.$queryRaw<Lead[]>`SELECT h AS by, g.id FROM unnest(${hex(hashes)}::text[]) AS h
    CROSS JOIN LATERAL (SELECT r.grant_id FROM authorization_request r
      WHERE r.secret_hash = decode(h, 'hex') AND r.tenant_chosen = ${tenantId} OFFSET 0) r
    JOIN oauth_grant g ON g.tenant_id = ${tenantId} AND g.id = r.grant_id`

export type SecretLead = Lead & { clientId: string; name: string; createdAt: Date; createdBy: string; stands: boolean }

/** Secrets of the tenant's clients, by their hashes. `stands`: it is still taken at `now`. */
export const secretsByHash = (tx: ReadTx, tenantId: string, hashes: readonly Uint8Array[], now: Date) =>
  tx.$queryRaw<SecretLead[]>`SELECT encode(s.secret_hash, 'hex') AS by, s.id, s.client_id AS "clientId", c.name,
      s.created_at AS "createdAt", s.created_by AS "createdBy",
      c.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ${now}) AS stands
    FROM client_secret s JOIN api_client c ON c.id = s.client_id
    WHERE s.tenant_id = ${tenantId} AND s.secret_hash IN (SELECT decode(h, 'hex') FROM unnest(${hex(hashes)}::text[]) AS h)`

/** Who reported, as far as that is known. */
export type Reporter = { address?: string | undefined; agent?: string | undefined; requestId?: string | undefined }

/** Keeps a report until it is worked on. Its id. */
export async function insertReport(
  ctx: Store,
  { entries, now, address, agent, requestId }: Reporter & { entries: readonly LeakEntry[]; now: Date },
): Promise<string> {
  const id = newId('report')
  const text = `INSERT INTO leak_report (id, forms, hashes, address, agent, request_id, created_at, next_try_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`
  const hashes = entries.map(({ hash }) => Buffer.from(hash))
  const forms = entries.map(({ form }) => form)
  await query(ctx, 'report_leak', text, [id, forms, hashes, address ?? null, agent ?? null, requestId ?? null, now])
  return id
}

export type ReportRow = {
  forms: LeakForm[]
  hashes: Uint8Array[]
  address: string | null
  agent: string | null
  requestId: string | null
}

/** Takes a report for a while; undefined: it is not due, or done. */
export async function claimReport(ctx: Store, id: string, now: Date, until: Date): Promise<ReportRow | undefined> {
  const text = `UPDATE leak_report SET next_try_at = $3 WHERE id = $1 AND next_try_at <= $2
    RETURNING forms, hashes, address, agent, request_id AS "requestId"`
  return (await query<ReportRow>(ctx, 'claim_report', text, [id, now, until]))[0]
}

export const deleteReport = (ctx: Store, id: string) =>
  query(ctx, 'delete_report', 'DELETE FROM leak_report WHERE id = $1', [id])

export async function dueReports(ctx: Store, now: Date, limit: number): Promise<string[]> {
  const text = 'SELECT id FROM leak_report WHERE next_try_at <= $1 ORDER BY next_try_at LIMIT $2'
  return (await query<{ id: string }>(ctx, 'due_reports', text, [now, limit])).map(({ id }) => id)
}

/** The look-ups that precede the tenant. */
export async function leakedThing(ctx: Store, { form, hash }: LeakEntry) {
  const bytes = Buffer.from(hash)
  const find = async (name: string, text: string) =>
    (await query<{ tenantId: string; id: string; clientId: string | null }>(ctx, name, text, [bytes]))[0]
  switch (form) {
    case 'issued':
      return find(
        'leaked_token',
        'SELECT tenant_id AS "tenantId", id, NULL AS "clientId" FROM lookup.token_by_secret($1)',
      )
    case 'access':
      return find(
        'leaked_access',
        'SELECT tenant_id AS "tenantId", grant_id AS id, NULL AS "clientId" FROM lookup.grant_of_access($1)',
      )
    case 'family':
      return find(
        'leaked_family',
        'SELECT tenant_id AS "tenantId", grant_id AS id, NULL AS "clientId" FROM lookup.grant_of_family($1)',
      )
    case 'secret':
      return find(
        'leaked_secret',
        'SELECT tenant_id AS "tenantId", id, client_id AS "clientId" FROM lookup.client_by_secret($1)',
      )
    case 'code':
      // Of no tenant until a person has chosen one, so no policy stands before it.
      return find(
        'leaked_code',
        `SELECT coalesce(tenant_chosen, '') AS "tenantId", id, client_id AS "clientId" FROM authorization_request
         WHERE secret_hash = $1`,
      )
  }
}

/** What a code leads to no more; `grantId`: a device got its tokens for it, and gets the same again for a moment. */
export type SpentCode = { clientId: string; kind: 'device' | 'code'; grantId: string | null; tenantId: string | null }

/** Ends a request whose code somebody reported, if its program has not fetched the answer. */
export async function endRequestByCode(tx: Tx, id: string, now: Date): Promise<SpentCode | undefined> {
  const rows = await tx.$queryRaw<(SpentCode & { status: string })[]>`
    SELECT client_id AS "clientId", kind, grant_id AS "grantId", tenant_chosen AS "tenantId", status
    FROM authorization_request WHERE id = ${id} FOR UPDATE`
  const [row] = rows
  if (!row) return undefined
  if (row.status === 'consumed') return row.kind === 'device' ? row : undefined
  if (row.status === 'denied') return undefined
  await tx.authorizationRequest.updateMany({ where: { id }, data: { status: 'denied', decidedAt: now } })
  return { ...row, grantId: null }
}

/** A token with what its owner should be told of it. */
export const tokenForNotice = (tx: ReadTx, tenantId: string, id: string) =>
  tx.issuedToken.findFirst({
    where: { tenantId, id },
    select: {
      userId: true,
      purpose: true,
      connectionId: true,
      providerId: true,
      project: { select: { id: true, alias: true } },
    },
  })

/** A grant with what its giver should be told of it. */
export const grantForNotice = (tx: ReadTx, tenantId: string, id: string) =>
  tx.oauthGrant.findFirst({ where: { tenantId, id }, select: { userId: true, client: { select: { name: true } } } })

/** What a client is called; empty: there is none. */
export const clientName = async (tx: ReadTx, id: string): Promise<string> =>
  (await tx.apiClient.findFirst({ where: { id }, select: { name: true } }))?.name ?? ''

/** Takes away a secret, wherever its client stands. Whether it was there. */
export const dropSecret = async (tx: Tx, tenantId: string, id: string): Promise<boolean> =>
  (await tx.clientSecret.deleteMany({ where: { tenantId, id } })).count > 0
