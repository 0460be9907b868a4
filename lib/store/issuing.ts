import type { Role } from '../actor.ts'
import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import type { ActRefusal } from './authority.ts'
import type { ConnectionStatus } from './connection-states.ts'
import type { ConnectionRow } from './connections.ts'
import { query } from './database.ts'
import type { Ceilings } from './grants.ts'
import type { Claim, Kept } from './idempotency.ts'
import type { PolicyRow } from './policies.ts'
import type { ProjectRow } from './projects.ts'
import type { ProviderFacts } from './providers.ts'
import type { SigningKeyRow } from './signing-keys.ts'
import type { TokenRow } from './tokens.ts'

/** What an issue reads and writes: each act is one prepared statement, which locks before it decides. */
type Store = Pick<Context, 'pool' | 'config'>

export type IssueProject = Pick<ProjectRow, 'id' | 'providerId' | 'externalId' | 'name' | 'alias' | 'settings'>

/** A connection as far as tokens are made and renewed through it. */
export type IssueConnection = Pick<
  ConnectionRow,
  | 'tenantId'
  | 'id'
  | 'userId'
  | 'providerId'
  | 'accountId'
  | 'scopesGranted'
  | 'flow'
  | 'failures'
  | 'linkedAt'
  | 'lastRefreshAt'
> & { status: ConnectionStatus }
type Keys = Pick<SigningKeyRow, 'id' | 'sealedPrivate' | 'signsFrom' | 'withdrawnAt'>[]

/** What an issue is decided on, as it stood at one moment: vk.issue_ground says what each is. */
export type IssueGround = {
  role: Role | null
  status: 'active' | 'suspended' | null
  project: IssueProject | null
  provider: ProviderFacts | null
  connection: IssueConnection | null
  client: { id: string; name: string } | null
  ceilings: Ceilings | null
  generations: number[] | null
  policies: PolicyRow[]
  frozen: boolean
  keys: Keys
}

/** As JSON tells it, which has no moments. */
type Told<T> = { [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] }
type Row = Omit<IssueGround, 'connection' | 'keys'> & {
  connection: Omit<Told<IssueConnection>, 'tenantId' | 'userId' | 'providerId'> | null
  keys: Told<Keys[number]>[] | null
}
const moment = (text: string | null) => (text === null ? null : new Date(text))

/** A project by its id or an alias, a former one too; an audience of the tenant's own by its URI as well. */
export type ProjectNamed = string | { audience: string }

/** Who asks, through which of our own clients and by which grant. */
type Asking = Pick<TokenRow, 'tenantId' | 'userId' | 'clientId' | 'grantId'> & {
  project: ProjectNamed
  /** The roles in which they see what only others have linked. */
  overseers: Role[]
}

/** vk.issue_ground. */
export async function findGround(
  ctx: Store,
  { tenantId, userId, clientId, grantId, project, overseers }: Asking,
): Promise<IssueGround> {
  const text = `SELECT role, status, project, provider, connection, client, ceilings, generations, policies, frozen, keys
    FROM vk.issue_ground($1, $2, $3, $4, $5, $6, $7)`
  const named = typeof project === 'string' ? [project, null] : [null, project.audience]
  const values = [tenantId, userId, ...named, clientId, grantId, overseers]
  const [row] = await query<Row>(ctx, 'issue_ground', text, values)
  if (!row) throw new Error('vk.issue_ground answered nothing')
  const { connection, keys, provider } = row
  return {
    ...row,
    connection: connection &&
      provider && {
        ...connection,
        tenantId,
        userId,
        providerId: provider.id,
        linkedAt: new Date(connection.linkedAt),
        lastRefreshAt: moment(connection.lastRefreshAt),
      },
    keys: (keys ?? []).map((key) => ({
      ...key,
      signsFrom: new Date(key.signsFrom),
      withdrawnAt: moment(key.withdrawnAt),
    })),
  }
}

/** Why an act that locks first did nothing. `changed`: it was decided on what is so no more. */
export type Refusal = ActRefusal | 'too_many_tokens' | 'token_outstanding' | 'revoked_meanwhile' | 'idempotency_running'

/** Where an act's answer is kept for who asks again. */
export type Keeping = Claim & { kept?: Kept | undefined }
const once = (keeping: Keeping | undefined) =>
  keeping
    ? JSON.stringify({
        id: keeping.id,
        claim: keeping.claim,
        ...(keeping.kept && { answer: keeping.kept.sealed, seconds: keeping.kept.answerSeconds }),
      })
    : null
const event = (body: object) => ({ id: newId('event'), body })

/** vk.issue_begin. Undefined: it is written. `by`: {@link import('./authority.ts').heldBy}. */
export async function beginIssue(
  ctx: Store,
  by: string,
  row: TokenRow,
  {
    role,
    most,
    signer,
    keeping,
    events,
  }: {
    /** In which it was decided. */
    role: Role
    /** Living tokens that the member may hold. */
    most: number
    /** The key that has signed it. */
    signer: string | undefined
    keeping: Keeping | undefined
    events: object[]
  },
): Promise<{ code: Refusal | 'changed' | undefined; until: Date | null }> {
  const text = 'SELECT outcome, until FROM vk.issue_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)'
  const [done] = await query<{ outcome: Refusal | 'changed' | null; until: Date | null }>(ctx, 'issue_begin', text, [
    row.tenantId,
    row.userId,
    by,
    role,
    JSON.stringify({
      id: row.id,
      project_id: row.projectId,
      connection_id: row.connectionId,
      provider_id: row.providerId,
      client_id: row.clientId,
      grant_id: row.grantId,
      strategy: row.strategy,
      status: row.status,
      nonce: row.nonce,
      purpose: row.purpose,
      scopes_asked: row.scopesAsked,
      scopes_granted: row.scopesGranted,
      fingerprint: row.fingerprint,
      secret_hash: row.secretHash && `\\x${Buffer.from(row.secretHash).toString('hex')}`,
      proof_key: row.proofKey,
      offline: row.offline,
      generations: row.generations,
      expires_at: row.expiresAt,
      endless: row.endless,
      exclusive: row.exclusive,
      created_at: row.createdAt,
    }),
    most,
    signer ?? null,
    once(keeping),
    JSON.stringify(events.map(event)),
    row.createdAt,
  ])
  if (!done) throw new Error('vk.issue_begin answered nothing')
  return { code: done.outcome ?? undefined, until: done.until }
}

/** What comes back fills these. */
export type MadeColumns = Pick<
  TokenRow,
  'upstreamId' | 'handle' | 'fingerprint' | 'scopesGranted' | 'expiresAt' | 'revokeAt'
>

/** vk.issue_complete. Undefined: it lives. */
export async function completeIssue(
  ctx: Store,
  by: string,
  { tenantId, userId, id }: Pick<TokenRow, 'tenantId' | 'userId' | 'id'>,
  {
    roles,
    made,
    keeping,
    body,
    now,
  }: { roles: Role[]; made: MadeColumns; keeping: Keeping | undefined; body: object; now: Date },
): Promise<Refusal | undefined> {
  const text = 'SELECT vk.issue_complete($1, $2, $3, $4, $5, $6, $7, $8, $9) AS refusal'
  const [done] = await query<{ refusal: Refusal | null }>(ctx, 'issue_complete', text, [
    tenantId,
    userId,
    by,
    roles,
    id,
    JSON.stringify({
      upstream_id: made.upstreamId,
      handle: made.handle,
      fingerprint: made.fingerprint,
      scopes_granted: made.scopesGranted,
      expires_at: made.expiresAt,
      revoke_at: made.revokeAt,
    }),
    once(keeping),
    JSON.stringify(event(body)),
    now,
  ])
  if (!done) throw new Error('vk.issue_complete answered nothing')
  return done.refusal ?? undefined
}
