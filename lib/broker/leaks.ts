import { type Actor, requirePermission } from '../actor.ts'
import { record, recordAllAnyway, recordAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { isJwt } from '../security/incoming-token.ts'
import { type Scan, type Sighting, scan } from '../security/scan.ts'
import { familyOf, fingerprint, hash, isToken, type TokenKind, tokenKinds } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { findConnections } from '../store/connections.ts'
import type { ReadTx, Tx } from '../store/database.ts'
import { findGrants, standingOf } from '../store/grants.ts'
import {
  claimReport,
  clientName,
  connectionsByFingerprint,
  deleteReport,
  dropSecret,
  endRequestByCode,
  grantForNotice,
  grantsByAccess,
  grantsByCode,
  grantsByFamily,
  insertReport,
  issuedByFingerprint,
  issuedByHash,
  type Lead,
  type LeakEntry,
  type LeakForm,
  leakedThing,
  type Reporter,
  type ReportRow,
  secretsByHash,
  tokenForNotice,
} from '../store/leaks.ts'
import { insertNotifications } from '../store/notifications.ts'
import { asSystem, withInstance } from '../store/system.ts'
import { findTokens, lockRevocable } from '../store/tokens.ts'
import { endGrants, tokenEvents } from './end-grants.ts'
import { endTokens } from './end-tokens.ts'
import { pastedOf } from './read/connection.ts'
import { peopleNames } from './read/people.ts'
import { toTokenView } from './read/token.ts'
import { settleWithin } from './upstream-revocation.ts'

/** What was shown: one of our own tokens by what its prefix names, a signed one, or an upstream's. */
export type LeakShown =
  | 'proxy_token'
  | 'own_token'
  | 'access_token'
  | 'refresh_token'
  | 'device_code'
  | 'authorization_code'
  | 'client_secret'
  | 'upstream_token'

const shownAs: Record<TokenKind, LeakShown> = {
  px: 'proxy_token',
  sg: 'own_token',
  at: 'access_token',
  rt: 'refresh_token',
  dc: 'device_code',
  ac: 'authorization_code',
  cs: 'client_secret',
}

/** What a value is looked up as, and by which hash; undefined: it has no form of ours. */
function entryOf(value: string): (LeakEntry & { shown: LeakShown }) | undefined {
  const kind = tokenKinds.find((one) => isToken(one, value))
  if (kind) return { form: formOf[kind], hash: kind === 'rt' ? familyOf(value) : hash(value), shown: shownAs[kind] }
  // Of the tenant's own audiences, verified without us.
  return isJwt(value) && value.length <= jwtMax ? { form: 'issued', hash: hash(value), shown: 'own_token' } : undefined
}

const jwtMax = 8_192
const formOf: Record<TokenKind, LeakForm> = {
  px: 'issued',
  sg: 'issued',
  at: 'access',
  rt: 'family',
  dc: 'code',
  ac: 'code',
  cs: 'secret',
}

/** Something of the tenant that what was pasted opens. Never a value. */
export type LeakFound = {
  /** What there is to revoke: a token, a grant with all that was made of it, a secret of a client, or what a connection stands on. */
  kind: 'token' | 'grant' | 'client_secret' | 'connection'
  id: string
  /** What was shown of it; several where an access token and a refresh token of one grant were. */
  shown: LeakShown[]
  /** Null: of a client, which is nobody's own. */
  ownerId: string | null
  /** The purpose of a token, the name of a program. */
  name: string
  clientId: string | null
  project: { id: string; name: string } | null
  provider: string | null
  fingerprint: string | null
  /** It still opens something, so there is something to revoke. */
  stands: boolean
  /** What it can do, in words. */
  rights: string[]
  /** Living tokens that end with it. */
  tokens: number
  createdAt: Date
  endsAt: Date | null
  lastUsedAt: Date | null
  /** Where it stood in what was pasted; twenty at most. */
  places: string[]
  times: number
}

export type LeakFindings = {
  readAs: Scan['format']
  found: LeakFound[]
  /** How many different values were looked up. */
  candidates: number
  /** Of our form, and nothing of this tenant: expired long ago, of another tenant, or of another instance. */
  unknown: number
  /** They begin as ours do, and their checksum is wrong. */
  damaged: number
  /** There was more than is looked at. */
  isCut: boolean
  /** What the owners are called, by id. */
  names: Record<string, string>
}

type Looked = Sighting & { shown: LeakShown }
type Hits = Map<string, Looked[]>

/**
 * Looks through what somebody found for tokens of this tenant (product.md, the leak desk). The text is kept, logged and traced
 * nowhere: values leave this function as hashes and fingerprints, to be looked up. What is another tenant's is as unknown as
 * what is nobody's.
 * @throws BrokerError forbidden
 */
export async function inspectLeak(ctx: Context, actor: Actor, { text }: { text: string }): Promise<LeakFindings> {
  requirePermission(actor, 'oversee')
  const seen = scan(text)
  const lookups = lookupsOf(ctx, seen)
  const findings = await act(ctx, actor, 'oversee', async (tx, actor) => {
    const found = await findLeaked(ctx, tx, actor, lookups)
    const candidates = seen.own.size + seen.others.size
    const details = { candidates, found: found.items.length }
    await record(tx, actor.tenantId, ctx.now(), actor, { action: 'leak.inspected', outcome: 'ok', details })
    const unknown = seen.own.size - found.ownFound
    const { format: readAs, damaged, isCut } = seen
    return { readAs, found: found.items, candidates, unknown, damaged, isCut }
  })
  const owners = findings.found.map(({ ownerId }) => ownerId)
  return { ...findings, names: Object.fromEntries(await peopleNames(ctx, actor.tenantId, owners)) }
}

type Lookups = {
  own: { form: LeakForm; by: string; hash: Uint8Array; looked: Looked }[]
  fingerprints: Map<string, Looked>
}

/** From here on there are hashes alone. */
function lookupsOf({ secrets }: Pick<Context, 'secrets'>, seen: Scan): Lookups {
  const own: Lookups['own'] = []
  const add = (value: string, sighting: Sighting) => {
    const entry = entryOf(value)
    if (!entry) return
    const by = Buffer.from(entry.hash).toString('hex')
    own.push({ form: entry.form, by, hash: entry.hash, looked: { ...sighting, shown: entry.shown } })
  }
  for (const [value, sighting] of seen.own) add(value, sighting)
  const fingerprints = new Map<string, Looked>()
  for (const [value, sighting] of seen.others) {
    fingerprints.set(fingerprint(secrets.fingerprint, value), { ...sighting, shown: 'upstream_token' })
    if (value.startsWith('eyJ')) add(value, sighting)
  }
  return { own, fingerprints }
}

async function findLeaked(ctx: Context, tx: ReadTx, { tenantId }: Actor, { own, fingerprints }: Lookups) {
  const now = ctx.now()
  const ownHits = new Set<string>()
  const tokens: Hits = new Map()
  const grants: Hits = new Map()
  const byHash = new Map(own.map((one) => [one.by, one.looked]))
  const of = (form: LeakForm) => own.filter((one) => one.form === form).map((one) => one.hash)
  const note = (hits: Hits, leads: Lead[], looked: (by: string) => Looked | undefined, isOwn: boolean) => {
    for (const { by, id } of leads) {
      const seen = looked(by)
      if (!seen) continue
      hits.set(id, [...(hits.get(id) ?? []), seen])
      if (isOwn && seen.shown !== 'upstream_token') ownHits.add(by)
    }
  }
  const ours = (by: string) => byHash.get(by)
  note(tokens, await issuedByHash(tx, tenantId, of('issued')), ours, true)
  // A signed token has been found by its hash; everything else of an upstream by its fingerprint.
  const known = new Set(tokens.keys())
  const byMark = await issuedByFingerprint(tx, tenantId, [...fingerprints.keys()])
  note(
    tokens,
    byMark.filter(({ id }) => !known.has(id)),
    (by) => fingerprints.get(by),
    false,
  )
  const connections: Hits = new Map()
  const pasted = await connectionsByFingerprint(tx, tenantId, [...fingerprints.keys()])
  note(connections, pasted, (by) => fingerprints.get(by), false)
  note(grants, await grantsByAccess(tx, tenantId, of('access')), ours, true)
  note(grants, await grantsByFamily(tx, tenantId, of('family')), ours, true)
  note(grants, await grantsByCode(tx, tenantId, of('code')), ours, true)
  const secrets = await secretsByHash(tx, tenantId, of('secret'), now)
  for (const { by } of secrets) ownHits.add(by)

  const tokenRows = await findTokens(tx, tenantId, [...tokens.keys()])
  const grantRows = await findGrants(tx, tenantId, [...grants.keys()])
  const standing = await standingOf(tx, tenantId, [...grants.keys()], now)
  const items: LeakFound[] = [
    ...tokenRows.map((row): LeakFound => {
      const view = toTokenView(row, now)
      return {
        kind: 'token',
        id: row.id,
        ...sightingsOf(tokens.get(row.id) ?? []),
        ownerId: row.userId,
        name: row.purpose,
        clientId: row.clientId,
        project: { id: view.project.id, name: view.project.name },
        provider: view.provider.name,
        fingerprint: row.fingerprint,
        stands: view.state === 'live' || view.state === 'issuing',
        rights: (view.rights.granted ?? view.rights.asked).map(({ text }) => text),
        tokens: 0,
        createdAt: row.createdAt,
        endsAt: row.expiresAt,
        lastUsedAt: row.lastUsedAt,
      }
    }),
    ...grantRows.map((row): LeakFound => {
      const { state = 'revoked', tokens = 0 } = standing.get(row.id) ?? {}
      return {
        kind: 'grant',
        id: row.id,
        ...sightingsOf(grants.get(row.id) ?? []),
        ownerId: row.userId,
        name: row.client.name,
        clientId: row.clientId,
        project: null,
        provider: null,
        fingerprint: null,
        stands: state === 'live' || state === 'frozen',
        rights: row.scopes,
        tokens,
        createdAt: row.createdAt,
        endsAt: row.expiresAt,
        lastUsedAt: row.lastUsedAt,
      }
    }),
    ...(await findConnections(tx, tenantId, [...connections.keys()])).map((row): LeakFound => {
      const [link] = row.projects
      return {
        kind: 'connection',
        id: row.id,
        ...sightingsOf(connections.get(row.id) ?? []),
        ownerId: row.userId,
        name: row.accountName,
        clientId: null,
        project: link ? { id: link.project.id, name: link.project.name } : null,
        provider: row.provider.name,
        fingerprint: row.pastedMark,
        stands: row.status !== 'revoked',
        rights: pastedOf(row, row.provider.kind)?.rights.map(({ text }) => text) ?? [],
        tokens: 0,
        createdAt: row.linkedAt,
        endsAt: row.grantExpiresAt,
        lastUsedAt: row.usedAt,
      }
    }),
    ...secrets.map(
      (row): LeakFound => ({
        kind: 'client_secret',
        id: row.id,
        ...sightingsOf([byHash.get(row.by)].filter((one) => one !== undefined)),
        ownerId: null,
        name: row.name,
        clientId: row.clientId,
        project: null,
        provider: null,
        fingerprint: null,
        stands: row.stands,
        rights: [],
        tokens: 0,
        createdAt: row.createdAt,
        endsAt: null,
        lastUsedAt: null,
      }),
    ),
  ]
  return { items: items.sort((a, b) => Number(b.stands) - Number(a.stands)), ownFound: ownHits.size }
}

const sightingsOf = (looked: Looked[]) => ({
  shown: [...new Set(looked.map(({ shown }) => shown))],
  places: [...new Set(looked.flatMap(({ places }) => [...places]))].slice(0, 20),
  times: looked.reduce((sum, { times }) => sum + times, 0),
})

/** How many values one report may have. */
export const reportMax = 100

/**
 * Takes a report at the public door: whoever holds a credential may end it. Keeps the hashes of what has a form of ours, one row
 * whatever is known of them, so that an answer says nothing by what it costs; the rest happens after it
 * (docs/decisions/0093). `values`: whole ones, {@link reportMax} at most.
 * @throws BrokerError unavailable: nothing was taken
 */
export async function reportLeak(ctx: Context, values: readonly string[], from: Reporter): Promise<void> {
  const entries = new Map<string, LeakEntry>()
  for (const value of values.slice(0, reportMax)) {
    const entry = entryOf(value)
    if (entry) entries.set(`${entry.form} ${Buffer.from(entry.hash).toString('hex')}`, entry)
  }
  const id = await insertReport(ctx, { ...from, entries: [...entries.values()], now: ctx.now() })
  ctx.background('leak reports', () => settleReport(ctx, id))
}

/** A report that nobody finishes in this time is somebody else's. */
const leaseMilliseconds = 60_000

/** Ends what a report's values open, if it is due. Safe to run again: what is ended is left, and told once. */
export async function settleReport(ctx: Context, id: string): Promise<void> {
  const now = ctx.now()
  const report = await claimReport(ctx, id, now, new Date(now.getTime() + leaseMilliseconds))
  if (!report) return
  let failure: unknown
  for (const [at, form] of report.forms.entries()) {
    const hash = report.hashes[at]
    // One that cannot be ended does not keep the others.
    if (hash) await endLeaked(ctx, { form, hash }, report).catch((error: unknown) => (failure = error))
  }
  if (failure) throw failure
  await deleteReport(ctx, id)
}

/** Why, in the trail. */
const reason = 'reported as leaked'

async function endLeaked(ctx: Context, entry: LeakEntry, report: ReportRow): Promise<void> {
  const thing = await leakedThing(ctx, entry)
  if (!thing) return
  if (entry.form === 'code') return endCode(ctx, thing.id, report)
  const { tenantId, id } = thing
  const work = await asSystem(ctx, tenantId, 'report of a leak', (tx) => {
    if (entry.form === 'issued') return endToken(ctx, tx, { tenantId, id }, report)
    if (entry.form === 'secret') return endSecret(ctx, tx, { tenantId, id, clientId: thing.clientId ?? '' }, report)
    // An access token opens the program's whole place for as long as it lives, and what was made of it nobody can tell from
    // what the program made: its grant ends, as with a refresh token.
    return endGrantOf(
      ctx,
      tx,
      { tenantId, id, shown: entry.form === 'family' ? 'refresh_token' : 'access_token' },
      report,
    )
  })
  await settleWithin(ctx, tenantId, work)
}

type Place = { tenantId: string; id: string }

const originOf = ({ address, agent, requestId }: ReportRow) => ({
  userId: null,
  address: address ?? undefined,
  agent: agent ?? undefined,
  requestId: requestId ?? undefined,
})

async function endToken(ctx: Context, tx: Tx, { tenantId, id }: Place, report: ReportRow): Promise<string[]> {
  const now = ctx.now()
  const origin = originOf(report)
  const living = (await lockRevocable(tx, tenantId, { ids: [id] })).filter(
    (token) => token.generation === 0 && token.expiresAt > now,
  )
  const [token] = living
  if (!token) return []
  const work = await endTokens(tx, living, { tenantId, by: null, now })
  const shown = token.strategy === 'proxy' ? 'proxy_token' : 'own_token'
  await recordAllAnyway(ctx, tx, tenantId, now, origin, [
    {
      action: 'leak.reported',
      outcome: 'ok',
      target: { kind: 'token', id },
      details: { form: shown, owner: token.userId },
    },
    ...tokenEvents(living, reason),
  ])
  const told = await tokenForNotice(tx, tenantId, id)
  if (told)
    await insertNotifications(tx, [
      {
        tenantId,
        id: newId('notification'),
        userId: told.userId,
        kind: 'token.leaked',
        connectionId: told.connectionId,
        providerId: told.providerId,
        details: { about: { kind: 'token', id, name: told.purpose }, projects: [told.project] },
        dedupeKey: `leaked:${id}`,
        createdAt: now,
      },
    ])
  return work
}

async function endGrantOf(
  ctx: Context,
  tx: Tx,
  { tenantId, id, shown }: Place & { shown: LeakShown },
  report: ReportRow,
): Promise<string[]> {
  const now = ctx.now()
  const origin = originOf(report)
  const { grants, work } = await endGrants(ctx, tx, { tenantId, ids: [id], cause: 'revoked', by: null, origin, reason })
  if (grants[0]?.already !== false) return work
  const told = await grantForNotice(tx, tenantId, id)
  if (!told) return work
  const details = { form: shown, owner: told.userId }
  await recordAnyway(ctx, tx, tenantId, now, origin, {
    action: 'leak.reported',
    outcome: 'ok',
    target: { kind: 'grant', id },
    details,
  })
  await insertNotifications(tx, [
    {
      tenantId,
      id: newId('notification'),
      userId: told.userId,
      kind: 'grant.leaked',
      details: { about: { kind: 'grant', id, name: told.client.name } },
      dedupeKey: `leaked:${id}`,
      createdAt: now,
    },
  ])
  return work
}

/** The secret alone: without it nobody gets in as the client, and what people gave the client is not in it. */
async function endSecret(
  ctx: Context,
  tx: Tx,
  { tenantId, id, clientId }: Place & { clientId: string },
  report: ReportRow,
): Promise<string[]> {
  if (!(await dropSecret(tx, tenantId, id))) return []
  const now = ctx.now()
  const name = await clientName(tx, clientId)
  const target = { kind: 'client', id: clientId } as const
  await recordAllAnyway(ctx, tx, tenantId, now, originOf(report), [
    { action: 'leak.reported', outcome: 'ok', target, details: { form: 'client_secret', owner: null } },
    { action: 'client.secret_ended', outcome: 'ok', target, details: { secret: id } },
  ])
  await insertNotifications(tx, [
    {
      tenantId,
      id: newId('notification'),
      kind: 'client.secret_leaked',
      details: { about: { kind: 'client', id: clientId, name } },
      dedupeKey: `leaked:${id}`,
      createdAt: now,
    },
  ])
  return []
}

/**
 * A code that nobody has used is good for nothing any more. A used one is harmless in a log, where the codes of browsers stand as
 * a matter of course; a device may fetch its tokens with it again for a moment, so there the grant ends.
 */
async function endCode(ctx: Context, id: string, report: ReportRow): Promise<void> {
  const spent = await withInstance(ctx, (tx) => endRequestByCode(tx, id, ctx.now()))
  if (!spent?.grantId || !spent.tenantId) return
  const { tenantId, grantId } = spent
  const work = await asSystem(ctx, tenantId, 'report of a leak', (tx) =>
    endGrantOf(ctx, tx, { tenantId, id: grantId, shown: 'device_code' }, report),
  )
  await settleWithin(ctx, tenantId, work)
}
