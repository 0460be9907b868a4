import { type IdKind, idPattern } from '../security/ids.ts'
import type { ReadTx } from './database.ts'
import { Prisma } from './database.ts'

/** What people and programs look for, of which a list reads what {@link lookUp} makes of it. */
export type Asked = {
  /** Whatever somebody has at hand: how a purpose or an account's name begins, a fingerprint, an id, a person. */
  search?: string | undefined
  /** Of the provider. */
  providerKind?: string | undefined
}

/** A thing by its id, or a text that is compared with several columns. */
export type Found =
  | { kind: (typeof named)[number]; id: string }
  | {
      kind: 'text'
      text: string
      /** As the database keeps what is searched: Postgres and JavaScript have two opinions of lower case. */
      key: string
      /** The text may be a fingerprint, or how one begins. */
      isFingerprint: boolean
      /** Members whose name or e-mail has it, and programs whose name has it. */
      people: string[]
      clients: string[]
    }

/** What was asked, looked up; `never`: what is not looked up yet is no condition, so that no list reads past it. */
export type LookedUp = {
  search?: never
  providerKind?: never
  found?: Found | undefined
  providerIds?: string[] | undefined
}

const named = [
  'token',
  'connection',
  'grant',
  'session',
  'attempt',
  'link_request',
  'authorization',
  'user',
  'project',
  'provider',
  'client',
] as const satisfies IdKind[]
/** Beyond what one statement takes as a list, a search narrows nothing anyway. */
const most = 10_000

/** Looks up what people call things, once for all statements of a transaction. */
export async function lookUp<F extends Asked>(
  tx: ReadTx,
  tenantId: string,
  { search, providerKind, ...rest }: F,
): Promise<Omit<F, keyof Asked> & LookedUp> {
  const providers =
    providerKind === undefined
      ? undefined
      : await tx.provider.findMany({ where: { tenantId, kind: providerKind }, select: { id: true } })
  return {
    ...rest,
    found: search === undefined ? undefined : await find(tx, tenantId, search),
    providerIds: providers?.map(({ id }) => id),
  }
}

async function find(tx: ReadTx, tenantId: string, text: string): Promise<Found> {
  const kind = named.find((kind) => idPattern(kind).test(text))
  if (kind) return { kind, id: text }
  const [row] = await tx.$queryRaw<[{ key: string; people: string[]; clients: string[] }]>`
    SELECT q.key, ARRAY(SELECT m.user_id FROM member m JOIN "user" u ON u.id = m.user_id WHERE m.tenant_id = ${tenantId}
        AND (strpos(lower(u.name), q.key) > 0 OR strpos(lower(u.email), q.key) > 0) LIMIT ${most}) AS people,
      ARRAY(SELECT c.id FROM api_client c WHERE (c.tenant_id = ${tenantId} OR c.tenant_id IS NULL)
        AND strpos(lower(c.name), q.key) > 0 LIMIT ${most}) AS clients
    FROM (SELECT lower(${text}::text) AS key) q`
  return { kind: 'text', text, isFingerprint: /^[0-9a-f]{4,12}$/.test(row.key), ...row }
}

/** A condition on text whose column is in the order of bytes: it begins so. */
export const beginsWith = (key: string) => ({ gte: key, lt: `${key}\u{10ffff}` })
/** The same for hexadecimal digits, which every order keeps together. */
export const digitsFrom = (digits: string) => ({ gte: digits, lt: `${digits}g` })

/** A condition that nothing meets. */
const nothing = { id: { in: [] as string[] } }

/** Of tokens, a condition on `issued_token o`: purpose, fingerprint, id here and upstream, owner. */
export function tokensFound(found: Found): Prisma.Sql {
  if (found.kind === 'text') {
    const { key, text, isFingerprint, people } = found
    const purpose = beginsWith(key)
    const any = [
      Prisma.sql`o.purpose_key >= ${purpose.gte} AND o.purpose_key < ${purpose.lt}`,
      Prisma.sql`o.upstream_id = ${text}`,
    ]
    if (isFingerprint) {
      const digits = digitsFrom(key)
      any.push(Prisma.sql`o.fingerprint >= ${digits.gte} AND o.fingerprint < ${digits.lt}`)
    }
    if (people.length > 0) any.push(Prisma.sql`o.user_id = ANY(${people})`)
    return Prisma.sql`(${Prisma.join(any, ' OR ')})`
  }
  const columns: { [kind in (typeof named)[number]]?: Prisma.Sql } = {
    token: Prisma.sql`o.id`,
    connection: Prisma.sql`o.connection_id`,
    grant: Prisma.sql`o.grant_id`,
    user: Prisma.sql`o.user_id`,
    project: Prisma.sql`o.project_id`,
    provider: Prisma.sql`o.provider_id`,
    client: Prisma.sql`o.client_id`,
  }
  const column = columns[found.kind]
  return column ? Prisma.sql`${column} = ${found.id}` : Prisma.sql`false`
}

/** Of connections: the account's name and id, id here, owner. */
export function connectionsFound(found: Found): Prisma.ConnectionWhereInput {
  switch (found.kind) {
    case 'text':
      return {
        OR: [
          { accountKey: beginsWith(found.key) },
          { accountId: found.text },
          ...(found.people.length > 0 ? [{ userId: { in: found.people } }] : []),
        ],
      }
    case 'connection':
      return { id: found.id }
    case 'user':
      return { userId: found.id }
    case 'project':
      return { projects: { some: { projectId: found.id } } }
    case 'provider':
      return { providerId: found.id }
    default:
      return nothing
  }
}

/** Of grants, a condition on `oauth_grant o`: the program's name, whence it came, id here, owner. */
export function grantsFound(found: Found): Prisma.Sql {
  switch (found.kind) {
    case 'text':
      return Prisma.sql`(o.user_id = ANY(${found.people}) OR o.client_id = ANY(${found.clients}) OR o.address = ${found.text})`
    case 'grant':
      return Prisma.sql`o.id = ${found.id}`
    case 'user':
      return Prisma.sql`o.user_id = ${found.id}`
    case 'client':
      return Prisma.sql`o.client_id = ${found.id}`
    case 'project':
      return Prisma.sql`o.ceilings ? ${found.id}`
    default:
      return Prisma.sql`false`
  }
}
