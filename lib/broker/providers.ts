import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Actor, may, type Origin, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError, fieldsOf } from '../errors.ts'
import { type Configured, configured, kinds, providerFor } from '../providers/index.ts'
import {
  type ClientKey,
  type ClientProof,
  type Fact,
  type Flow,
  type Found,
  isSetupError,
  type Kind,
  type PastedTokens,
  type Prepared,
  type PresetView,
  type Registered,
} from '../providers/kind.ts'
import { newId } from '../security/ids.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { Secret } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { countLinked, countStanding } from '../store/connections.ts'
import { isDuplicate, type Prisma, type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { lockTarget } from '../store/freezes.ts'
import { findMember } from '../store/members.ts'
import {
  findPolicies,
  type OverLife,
  type PolicyRow,
  putImpersonation,
  putLongestLife,
  putOverLife,
} from '../store/policies.ts'
import {
  findProvider,
  insertProvider,
  listProviders,
  type ProviderRow,
  removeProviderRow,
  updateProvider,
} from '../store/providers.ts'
import { insertRegistration, retireRegistrations } from '../store/registrations.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { beginSigning } from '../vault/signing.ts'
import { callbackPath, clientKeysPath, hereOf } from './addresses.ts'
import { registrationRow } from './registrations.ts'
import { tenantIssuer } from './tenant-issuer.ts'
import { clientSecretPlace, sealClientSecret } from './upstream.ts'
import { logoutPath } from './upstream-logout.ts'

export type ProviderView = {
  id: string
  kind: string
  name: string
  issuer: string
  clientId: string
  /** Whether a secret is stored; its value is never shown again. */
  hasSecret: boolean
  /** Whether the secret or key from before the last change still counts. */
  hasPreviousSecret: boolean
  /** What the client proves itself by; null: its settings cannot be read. */
  clientAuthentication: ClientProof | null
  /** The header in which everybody’s calls bring its secret, in place of a client; null: it has a client, or nobody is asked for. */
  sharedKeyHeader: string | null
  /** To be registered at the upstream, exactly so. */
  redirectUri: string
  maxLifetimeSeconds: number | null
  /** What its policy says of tokens that live longer upstream than is allowed; null: nothing. */
  overLife: OverLife | null
  /** Whether tokens about other people can be had there at all. */
  canImpersonate: boolean
  /** Whom members may become upstream. */
  impersonation: { member: string; usernames: string[] }[]
  /** Those that may be changed, by their names on the wire; empty where the stored ones cannot be read. */
  settings: Record<string, unknown>
  /** Ways to link beside the ordinary one. */
  flows: Flow[]
  /** Its kind is unknown here, or its settings cannot be read: nothing is linked, renewed or issued with it. */
  misconfigured: boolean
  /** Whether it can be found out what its upstream does with smaller tokens. */
  canProbe: boolean
  /** Whether its upstream alone says how long a token lives. */
  decidesLife: boolean
  /** Without an upstream: its projects are audiences of the tenant's own, which nobody links. */
  own: boolean
  /** What may be pasted there in place of a consent, and where it is found; null: nothing, or an admin has not allowed it. */
  pastes: Pick<PastedTokens, 'title' | 'hint'> | null
  /** What its kind tells about it, for who oversees the tenant. */
  facts: Fact[]
}

type NewProviderRow = Pick<
  ProviderRow,
  | 'tenantId'
  | 'id'
  | 'kind'
  | 'name'
  | 'issuer'
  | 'callbackKey'
  | 'clientId'
  | 'clientSecret'
  | 'resource'
  | 'createdAt'
> & { clientSecretBefore?: null; settings: Prisma.InputJsonObject }

/** What the own policy of a provider says of how long tokens live. */
type Lives = Pick<PolicyRow, 'maxLifetimeSeconds' | 'overLife'> & Partial<Pick<PolicyRow, 'impersonation'>>

/** A provider that is not there yet, and what its policy will say. */
export type PreparedProvider = {
  row: NewProviderRow
  lives: Partial<Lives>
  /** The client that was registered for it (RFC 7591). */
  client?: Registered | undefined
  registration?: Awaited<ReturnType<typeof registrationRow>>
}

function toView(
  ctx: Pick<Context, 'config' | 'now'>,
  row: NewProviderRow | ProviderRow,
  { maxLifetimeSeconds = null, overLife = null, impersonation = null }: Partial<Lives> = {},
): ProviderView {
  const made = configured(row)
  const { origin } = ctx.config
  const at = { now: ctx.now(), clientKeys: origin + clientKeysPath(row.id), logout: origin + logoutPath }
  const gateway = made?.kind.gateway?.(made.settings)
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    issuer: row.issuer,
    clientId: row.clientId,
    hasSecret: row.clientSecret !== null,
    hasPreviousSecret: Boolean(row.clientSecretBefore),
    clientAuthentication: made ? authenticatesBy(made) : null,
    sharedKeyHeader: gateway?.shared ? (gateway.header ?? null) : null,
    redirectUri: ctx.config.origin + callbackPath(row.callbackKey),
    maxLifetimeSeconds,
    overLife,
    canImpersonate: made?.kind.impersonates !== undefined,
    impersonation: Object.entries(impersonation ?? {}).map(([member, usernames]) => ({ member, usernames })),
    settings: made ? settingsShown(made.kind, made.settings) : {},
    flows: [...(made?.kind.flows?.(made.settings) ?? [])],
    canProbe: made?.kind.probe !== undefined,
    decidesLife: made?.kind.decidesLife ?? false,
    misconfigured: made === undefined,
    own: made?.kind.own !== undefined,
    pastes: made?.kind.pasted?.allowed(made.settings)
      ? { title: made.kind.pasted.title, hint: made.kind.pasted.hint }
      : null,
    facts: made?.kind.facts?.(made.settings, at) ?? [],
  }
}

const authenticatesBy = ({ kind, settings }: Pick<Configured, 'kind' | 'settings'>) =>
  kind.authenticatesBy?.(settings) ?? 'secret'

/** A setting's name on the wire. */
const wireName = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const settingsShown = ({ changeable }: Kind, settings: unknown) =>
  Object.fromEntries(changeable.map(({ name }) => [wireName(name), (settings as Record<string, unknown>)[name]]))

/** Settings to store: `known` with what is given changed. @throws BrokerError bad_request */
function changedSettings(kind: Kind, known: unknown, given: Record<string, unknown>): Prisma.InputJsonObject {
  const names = new Map(kind.changeable.map(({ name }) => [wireName(name), name]))
  const unknown = Object.keys(given).filter((name) => !names.has(name))
  const changes = Object.entries(given).map(([name, value]) => [names.get(name) ?? name, value])
  const stored = { ...(known as Prisma.InputJsonObject), ...Object.fromEntries(changes) }
  const issues = kind.settings.safeParse(stored).error?.issues ?? []
  const wrong = issues.map((issue) => ({ ...issue, path: issue.path.map((at) => wireName(String(at))) }))
  const notKnown = { code: 'unrecognized_keys', path: [], message: '', keys: unknown }
  const fields = fieldsOf(unknown.length > 0 ? [notKnown] : wrong, 'settings', ['settings'])
  if (Object.keys(fields).length > 0) throw new BrokerError('bad_request', { fields })
  return stored
}

/** Of a kind, what a form for its providers asks, with its defaults. */
export type KindView = Pick<Kind, 'name' | 'title' | 'issuer'> & {
  /** What is asked beside name and client is the kind's own form, not an address. */
  hasSetup: boolean
  /** Nothing is asked but its name: there is no upstream. */
  own: boolean
  /** Whether its upstreams alone say how long a token lives. */
  decidesLife: boolean
  settings: (Kind['changeable'][number] & { value: unknown })[]
}

/** The kinds that a provider may be of. */
export const kindList = (): KindView[] =>
  [...kinds.values()].map((kind) => {
    const defaults = settingsShown(kind, kind.settings.safeParse({}).data ?? {})
    const asked = kind.changeable.map((one) => ({
      ...one,
      name: wireName(one.name),
      value: defaults[wireName(one.name)] ?? (one.is === 'switch' ? one.byDefault : undefined),
    }))
    return {
      name: kind.name,
      title: kind.title,
      issuer: kind.issuer,
      hasSetup: kind.setup !== undefined,
      own: kind.own !== undefined,
      decidesLife: kind.decidesLife ?? false,
      settings: asked,
    }
  })

/** JSON Schemas of what kinds ask for a new provider. */
export const setupSchemas = (): Record<string, unknown>[] =>
  [...kinds.values()].flatMap(({ setup }) => (setup ? [z.toJSONSchema(setup.schema, { io: 'input' })] : []))

/** Servers that some kind knows, with the name of that kind. */
export const presetList = (): (PresetView & { kind: string })[] =>
  [...kinds.values()]
    .flatMap(({ name, setup }) => (setup?.presets ?? []).map((preset) => ({ ...preset, kind: name })))
    .sort((a, b) => a.title.localeCompare(b.title, 'en'))

/** The tenant's upstreams. Client ids are shown to who oversees the tenant. */
export async function providerList(ctx: Context, actor: Actor): Promise<ProviderView[]> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listProviders(tx, actor.tenantId)
    const lives = await ownLives(
      tx,
      actor.tenantId,
      rows.map(({ id }) => id),
    )
    return rows.map((row) => ({
      ...toView(ctx, row, lives.get(row.id)),
      ...(may(actor, 'oversee') ? {} : { clientId: '', facts: [], impersonation: [] }),
    }))
  })
}

/** What the providers' own policies say. */
async function ownLives(tx: ReadTx, tenantId: string, ids: string[]): Promise<Map<string, Lives>> {
  const rows = await findPolicies(
    tx,
    tenantId,
    ids.map((targetId) => ({ level: 'provider', targetId })),
  )
  return new Map(rows.map((row) => [row.targetId, row]))
}

export type NewProvider = {
  kind: string
  name: string
  /** Base URL of the upstream: an origin; left out where the kind's setup tells it. */
  issuer?: string | undefined
  /** Left out where there is no upstream that could know us. */
  clientId?: string | undefined
  /** Left out for a public client, and where the kind makes a key of its own. */
  clientSecret?: string | undefined
  /** What the kind asks beside; it reads it. */
  setup?: unknown
  maxLifetimeSeconds?: number | undefined
  overLife?: OverLife | undefined
  /** By their names on the wire. */
  settings?: Record<string, unknown> | undefined
  /** Only the demo names it itself; otherwise it follows from the issuer. */
  callbackKey?: string | undefined
  /** What the setup would find, of a server that need not run yet: the demo's. */
  stored?: Prepared | undefined
}

/**
 * One key an upstream issuer, shared by rows and tenants: host for people, hash for uniqueness. 128 bits
 * of it, so that nobody can make up an issuer that shares the key of another (RFC 9700 4.4). A row keeps the key that it
 * was made with, because it is registered upstream.
 */
export function callbackKeyOf(issuer: string): string {
  const host = new URL(issuer).hostname.replace(/[^a-z0-9]+/g, '-').slice(0, 40)
  return `${host}-${createHash('sha256').update(issuer).digest('hex').slice(0, 32)}`
}

/** What a provider would be made of. */
export type ProviderPreview = Omit<Found, 'mcp'> & {
  mcp: NonNullable<Found['mcp']> | null
  issuer: string
  /** To be registered at the upstream, exactly so. */
  redirectUri: string
  clientAuthentication: ClientProof
}

/**
 * Does what {@link createProvider} does before it writes, and writes nothing.
 * @throws BrokerError forbidden, bad_request as createProvider
 */
export async function previewProvider(
  ctx: Context,
  actor: Actor,
  input: Pick<NewProvider, 'kind' | 'issuer' | 'setup'>,
): Promise<ProviderPreview> {
  // It asks servers that others name, so it is for who administers at this moment.
  await act(ctx, actor, 'administer', async () => undefined)
  const kind = kindNamed(input.kind)
  const { issuer, settings, isPublic, clientSecret } = await preparedBy(kind, ctx, actor.slug, input)
  const nothing: Found = { endpoints: [], authentication: null, scopes: [], apiBases: [], certificates: [] }
  const { mcp = null, ...found } = kind.setup?.found(settings, issuer) ?? nothing
  return {
    ...found,
    mcp,
    issuer,
    redirectUri: ctx.config.origin + callbackPath(callbackKeyOf(issuer)),
    clientAuthentication: isPublic ? 'nothing' : clientSecret ? 'key' : 'secret',
  }
}

/** @throws BrokerError bad_request */
function kindNamed(name: string): Kind {
  const kind = kinds.get(name)
  if (kind) return kind
  throw new BrokerError('bad_request', { fields: { kind: `must be one of: ${[...kinds.keys()].join(', ')}` } })
}

/** @throws BrokerError forbidden, bad_request for an issuer that may not be used, provider_exists */
export async function createProvider(ctx: Context, actor: Actor, input: NewProvider): Promise<ProviderView> {
  requirePermission(actor, 'administer')
  const prepared = await preparedProvider(ctx, actor, input)
  const vault = await vaultOf(ctx, actor.tenantId)
  try {
    await act(ctx, actor, 'administer', async (tx, actor) => {
      await addProvider(tx, actor, prepared)
      if (kindNamed(input.kind).own) await beginSigning(ctx, tx, vault, actor.tenantId)
    })
    return toView(ctx, prepared.row, prepared.lives)
  } catch (error) {
    endUnkept(ctx, prepared)
    if (isDuplicate(error)) throw new BrokerError('provider_exists')
    throw error
  }
}

/** A client that registered itself for a row that did not come to be is taken back. */
function endUnkept(ctx: Context, { row, client }: PreparedProvider): void {
  const { registration } = kindNamed(row.kind)
  if (!client?.handle || !registration) return
  const handle = new Secret(client.handle)
  ctx.background('take a client back', () => registration.end(client.settings, handle, ctx))
}

/** The row that an input becomes, its secret sealed. @throws BrokerError bad_request */
export async function preparedProvider(
  ctx: Context,
  { tenantId, slug }: { tenantId: string; slug: string },
  input: NewProvider,
): Promise<PreparedProvider> {
  const kind = kindNamed(input.kind)
  const lacks = (field: string, text: string) => new BrokerError('bad_request', { fields: { [field]: text } })
  if (!kind.own && !kind.registration && !input.clientId) throw lacks('client_id', 'Enter the id of the client.')
  const { issuer, ...prepared } = await preparedBy(kind, ctx, slug, input)
  const id = newId('provider')
  const callbackKey = input.callbackKey ?? callbackKeyOf(issuer)
  const client = await registeredBy(kind, ctx, prepared, { id, callbackKey })
  const { isPublic, settings } = client ?? prepared
  const vault = await vaultOf(ctx, tenantId)
  const secret = client ? client.clientSecret : (prepared.clientSecret ?? input.clientSecret)
  if (!secret && !isPublic) throw lacks('client_secret', 'Enter the secret of the client.')
  const row = {
    tenantId,
    id,
    kind: input.kind,
    name: input.name,
    issuer,
    callbackKey,
    clientId: kind.own ? '' : (client?.clientId ?? prepared.clientId ?? input.clientId ?? ''),
    clientSecret: secret && !isPublic ? await sealClientSecret(vault, id, secret) : null,
    settings: changedSettings(kind, settings, input.settings ?? {}),
    resource: prepared.resource ?? '',
    createdAt: ctx.now(),
  }
  const lives = given({ maxLifetimeSeconds: input.maxLifetimeSeconds, overLife: input.overLife })
  const kept = { tenantId, providerId: id, now: row.createdAt, dueAt: null }
  return { row, lives, client, registration: client && (await registrationRow(vault, { ...kept, client })) }
}

/** The client that a kind makes by itself, where nobody entered one. @throws BrokerError bad_request */
async function registeredBy(
  { registration }: Kind,
  ctx: Context,
  { clientId, settings }: Omit<Prepared, 'issuer'>,
  row: Pick<ProviderRow, 'id' | 'callbackKey'>,
): Promise<Registered | undefined> {
  if (!registration || clientId !== undefined) return undefined
  return registration.make(settings, hereOf(ctx, row), ctx).catch((error: unknown) => refuseSetup(error))
}

/** @throws BrokerError bad_request, by the names of the fields on the wire */
function refuseSetup(error: unknown, issuer = 'setup.issuer'): never {
  if (!isSetupError(error)) throw error
  const fields = Object.fromEntries(
    Object.entries(error.fields).map(([name, text]) => [name === 'issuer' ? issuer : `setup.${name}`, text]),
  )
  throw new BrokerError('bad_request', { fields, cause: error })
}

/** What the kind's setup makes of an input; without one, its address. @throws BrokerError bad_request */
async function preparedBy(
  { setup, own, registration }: Kind,
  ctx: Context,
  slug: string,
  { issuer, setup: asked, clientId, clientSecret, stored }: Omit<NewProvider, 'kind' | 'name'>,
): Promise<Prepared> {
  if (stored) return stored
  if (own && asked !== undefined) throw new BrokerError('bad_request', { fields: { setup: 'is not for this kind' } })
  // We are its issuer ourselves, so there is one of it in a tenant.
  if (own) return { issuer: tenantIssuer(ctx.config, slug), settings: {}, isPublic: true }
  if (!setup) {
    if (issuer === undefined) throw new BrokerError('bad_request', { fields: { issuer: 'Enter the address.' } })
    return { issuer: checkedIssuer(ctx, issuer), settings: {}, isPublic: false }
  }
  // Where a client may come to be by itself, whether one was entered is part of the setup.
  const client = registration ? given({ client_id: clientId, client_secret: clientSecret }) : {}
  // An address alone is a setup of nothing else.
  const whole = asked ?? given({ issuer })
  const named = asked === undefined ? 'issuer' : 'setup.issuer'
  const parsed = setup.schema.safeParse({ ...client, ...whole })
  if (!parsed.success)
    throw new BrokerError('bad_request', { fields: fieldsOf(parsed.error.issues, 'setup', ['setup']) })
  return setup.prepare(parsed.data, ctx, ctx.config).catch((error: unknown) => refuseSetup(error, named))
}

export async function addProvider(
  tx: Tx,
  origin: Origin,
  { row, lives, registration }: PreparedProvider,
): Promise<void> {
  await insertProvider(tx, row)
  if (registration) await insertRegistration(tx, registration)
  await putLives(tx, row.tenantId, row.id, lives)
  await record(tx, row.tenantId, row.createdAt, origin, {
    action: 'provider.created',
    outcome: 'ok',
    target: { kind: 'provider', id: row.id },
    details: { kind: row.kind, issuer: row.issuer },
  })
}

/** Says what is given in a provider's own policy. */
async function putLives(tx: Tx, tenantId: string, targetId: string, lives: Partial<Lives>): Promise<void> {
  const place = { level: 'provider', targetId } as const
  if (lives.maxLifetimeSeconds !== undefined) await putLongestLife(tx, tenantId, place, lives.maxLifetimeSeconds)
  if (lives.overLife !== undefined) await putOverLife(tx, tenantId, place, lives.overLife)
}

/** An origin alone that the way out allows (F-07). What its name resolves to is judged at each call, not here (F-10). */
function checkedIssuer({ config }: Pick<Context, 'config'>, text: string): string {
  try {
    const url = assertOutboundUrl(text, config)
    if (url.href === `${url.origin}/`) return url.origin
  } catch (cause) {
    throw new BrokerError('bad_request', {
      fields: {
        issuer:
          'Enter a public https address such as https://connection.example.com. For a host inside your network, ask the operator to add it to VALETKEY_INTERNAL_HOSTS.',
      },
      cause,
    })
  }
  throw new BrokerError('bad_request', { fields: { issuer: 'Enter the address without a path.' } })
}

export type ProviderChange = {
  providerId: string
  name?: string | undefined
  clientId?: string | undefined
  /** Tried at the upstream first; the one before still counts until it is dropped. */
  clientSecret?: string | undefined
  /** Another key for a client that signs; the one before still counts until it is dropped. */
  rotateClientKey?: true | undefined
  dropPreviousSecret?: true | undefined
  maxLifetimeSeconds?: number | null | undefined
  overLife?: OverLife | null | undefined
  /** Whom members may become upstream; null: nobody anybody. */
  impersonation?: { member: string; usernames: string[] }[] | null | undefined
  /** By their names on the wire; they count from the next renewal of each connection. */
  settings?: Record<string, unknown> | undefined
}

/**
 * Takes a provider away. What stands with it comes first: its connections and tokens are revoked where those are. A client
 * that had registered itself is taken back afterwards (RFC 7592).
 * @throws BrokerError forbidden, not_found; provider_in_use with how many connections, tokens and audiences stand
 */
export async function removeProvider(ctx: Context, actor: Actor, providerId: string): Promise<void> {
  const refused = await act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const now = ctx.now()
    // Whoever links or issues holds the row: they are seen here, or see it gone.
    if (!(await lockTarget(tx, tenantId, 'provider', providerId))) return new BrokerError('not_found')
    const known = await findProvider(tx, tenantId, providerId)
    if (!known) return new BrokerError('not_found')
    const standing = await countStanding(tx, tenantId, providerId, now)
    const counted = Object.entries(standing).filter(([, count]) => count > 0)
    if (counted.length > 0) {
      const what = counted.map(([name, count]) => `${count} ${count === 1 ? name.replace(/s$/, '') : name}`).join(', ')
      return new BrokerError('provider_in_use', {
        detail: `It still has ${what}. Revoke them first.`,
        fields: Object.fromEntries(counted.map(([name, count]) => [name, String(count)])),
      })
    }
    await removeProviderRow(tx, tenantId, providerId, now)
    await retireRegistrations(tx, tenantId, providerId, now)
    const target = { kind: 'provider', id: providerId } as const
    const details = { issuer: known.issuer }
    await record(tx, tenantId, now, actor, { action: 'provider.removed', outcome: 'ok', target, details })
    return undefined
  })
  if (refused) throw refused
}

/** What is there of it. */
const given = <T extends Record<string, unknown>>(changes: T): Partial<T> =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Partial<T>

/** How the upstream took a new client secret; null: there was none. */
export type ChangedProvider = ProviderView & { secretTrial: 'known' | 'untold' | null }

/**
 * Changes name, client or policy. The issuer of a row never changes. A new client secret is tried at the upstream before
 * anything is changed.
 * @throws BrokerError forbidden, not_found, bad_request, also for a secret that the upstream does not know;
 *   provider_misconfigured where the kind is unknown
 */
export async function changeProvider(
  ctx: Context,
  actor: Actor,
  { providerId, maxLifetimeSeconds, overLife, impersonation, settings: asked, ...input }: ProviderChange,
): Promise<ChangedProvider> {
  requirePermission(actor, 'administer')
  const { clientSecret, rotateClientKey, dropPreviousSecret, ...change } = input
  const vault = await vaultOf(ctx, actor.tenantId)
  const before = await readTenant(ctx, actor.tenantId, (tx) => findProvider(tx, actor.tenantId, providerId))
  if (!before) throw new BrokerError('not_found')
  const renewed = await newClientProof(ctx, before, input)
  const changed = given(change)
  const policy = given({ maxLifetimeSeconds, overLife })
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    // Two admins who change the secret at once do so one after the other, so that each finds the other's as the one before.
    if (!(await lockTarget(tx, actor.tenantId, 'provider', providerId))) return 'not_found' as const
    const known = await findProvider(tx, actor.tenantId, providerId)
    if (!known) return 'not_found' as const
    // A refresh token belongs to the client it was given to: under another id the upstream would refuse each of them.
    const renamed = change.clientId !== undefined && change.clientId !== known.clientId
    if (renamed && (await countLinked(tx, actor.tenantId, providerId)) > 0) return 'provider_in_use' as const
    const kind = kinds.get(known.kind)
    if (!kind && Object.keys(asked ?? {}).length > 0) return 'provider_misconfigured' as const
    if (impersonation) await refuseImpersonation(tx, actor.tenantId, kind, impersonation)
    const proof = await changedProof(vault, known, { renewed, renamed, drops: dropPreviousSecret ?? false })
    const stored = { ...(known.settings as Prisma.InputJsonObject), ...proof.settings }
    const settings = (asked || proof.settings) && kind ? { settings: changedSettings(kind, stored, asked ?? {}) } : {}
    const row = await updateProvider(tx, actor.tenantId, providerId, { ...changed, ...proof.secrets, ...settings })
    await putLives(tx, actor.tenantId, providerId, policy)
    if (impersonation !== undefined)
      await putImpersonation(tx, actor.tenantId, providerId, impersonation && namesByMember(impersonation))
    const target = { kind: 'provider', id: providerId } as const
    const details = {
      changed: [
        ...Object.keys({ ...changed, ...policy, ...given({ impersonation }), ...(asked && settings) }),
        ...proof.changed,
      ],
      ...(impersonation !== undefined && { impersonation: impersonation ?? [] }),
      ...(renewed?.trial && { trial: renewed.trial }),
    }
    await record(tx, actor.tenantId, ctx.now(), actor, { action: 'provider.changed', outcome: 'ok', target, details })
    const lives = (await ownLives(tx, actor.tenantId, [providerId])).get(providerId)
    return { ...toView(ctx, row, lives), secretTrial: renewed?.trial ?? null }
  }).catch((error: unknown) => {
    if (isDuplicate(error)) return 'provider_exists' as const
    throw error
  })
  if (typeof done === 'string') throw new BrokerError(done)
  return done
}

const namesByMember = (entries: NonNullable<ProviderChange['impersonation']>) =>
  Object.fromEntries(entries.map(({ member, usernames }) => [member, [...new Set(usernames)]]))

/** Only people of the tenant are named, each once, and only where the kind can do it. @throws BrokerError bad_request */
async function refuseImpersonation(
  tx: Tx,
  tenantId: string,
  kind: Kind | undefined,
  entries: NonNullable<ProviderChange['impersonation']>,
): Promise<void> {
  const refuse = (why: string) => new BrokerError('bad_request', { fields: { impersonation: why } })
  if (!kind?.impersonates) throw refuse('Nobody can become somebody else at this kind of upstream.')
  if (new Set(entries.map(({ member }) => member)).size < entries.length) throw refuse('Name each member once.')
  for (const { member } of entries) {
    const found = await findMember(tx, tenantId, member)
    if (!found || found.status === 'removed') throw refuse('Name members of this tenant alone.')
  }
}

/** What a client is going to prove itself by: a secret that was tried, or a key that was made. */
type NewProof = { secret: string; key?: ClientKey; trial: 'known' | 'untold' | null }

/** @throws BrokerError bad_request, also where the upstream does not know the client by it */
async function newClientProof(
  ctx: Context,
  row: ProviderRow,
  { clientId = row.clientId, clientSecret, rotateClientKey }: Omit<ProviderChange, 'providerId'>,
): Promise<NewProof | undefined> {
  const refuse = (field: string, why: string) => new BrokerError('bad_request', { fields: { [field]: why } })
  const made = configured(row)
  const by = made && authenticatesBy(made)
  if (rotateClientKey) {
    const keys = by === 'key' ? made?.kind.clientKeys : undefined
    if (!keys) throw refuse('rotate_client_key', 'This client does not sign with a key.')
    if (clientSecret !== undefined) throw refuse('client_secret', 'Rotate the key, or enter a secret.')
    const key = await keys.make(made?.settings)
    return { secret: key.privateKey, key, trial: null }
  }
  if (clientSecret === undefined) return undefined
  if (by === 'key') throw refuse('client_secret', 'This client signs with a key. Rotate the key instead.')
  if (by === 'nothing') throw refuse('client_secret', 'This client is public: it has no secret.')
  const tried = { ...row, clientId, clientSecret: new Secret(clientSecret), clientSecretBefore: undefined }
  const trial = (await providerFor(tried, ctx)?.tryClient?.()) ?? 'untold'
  if (trial === 'unknown')
    throw refuse(
      'client_secret',
      `The upstream does not know the client ${clientId} by this secret. Nothing was changed. Copy the secret again, or make a new one there.`,
    )
  return { secret: clientSecret, trial }
}

/**
 * The columns and settings by which the client proves itself afterwards. What was the current one still counts beside the
 * new one: connections that renew right now have it, and the upstream may take over the new one later.
 */
async function changedProof(
  vault: Vault,
  row: ProviderRow,
  { renewed, renamed, drops }: { renewed: NewProof | undefined; renamed: boolean; drops: boolean },
): Promise<{
  secrets: { clientSecret?: string; clientSecretBefore?: string | null }
  settings?: Record<string, Prisma.InputJsonValue>
  changed: string[]
}> {
  const made = configured(row)
  /** Where the client signs: what is published afterwards, the keys that count alone. */
  const publish = (...keys: [] | [ClientKey | undefined, 'alone' | 'beside']) => {
    const { publish } = made && authenticatesBy(made) === 'key' ? (made.kind.clientKeys ?? {}) : {}
    if (!made || !publish) return {}
    const [key, place] = keys
    const both = publish(made.settings, key) as object
    const settings = place === 'alone' ? publish({ ...(made.settings as object), ...both }) : both
    return { settings: settings as Record<string, Prisma.InputJsonValue> }
  }
  // Of another client id it is no secret at all.
  const forgets = (drops || renamed) && (row.clientSecretBefore !== null || renewed !== undefined)
  const forgotten = forgets ? ['previousSecret'] : []
  if (!renewed)
    return forgets
      ? { secrets: { clientSecretBefore: null }, ...publish(), changed: forgotten }
      : { secrets: {}, changed: [] }
  // One that cannot be opened would help nobody.
  const present =
    row.clientSecret === null
      ? undefined
      : await vault.open(clientSecretPlace(row.id), row.clientSecret).catch(() => undefined)
  const changed = [renewed.key ? 'clientKey' : 'clientSecret', ...forgotten]
  const clientSecret = await sealClientSecret(vault, row.id, renewed.secret)
  if (forgets) return { secrets: { clientSecret, clientSecretBefore: null }, ...publish(renewed.key, 'alone'), changed }
  // Entered again, it has not replaced anything.
  if (!present || present.reveal() === renewed.secret) return { secrets: { clientSecret }, changed }
  const clientSecretBefore = await vault.seal(clientSecretPlace(row.id, 'client_secret_before'), present)
  return { secrets: { clientSecret, clientSecretBefore }, ...publish(renewed.key, 'beside'), changed }
}
