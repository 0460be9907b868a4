import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { configured } from '../providers/index.ts'
import { type ClientDocument, isSetupError, type Registered } from '../providers/kind.ts'
import { isUpstreamError } from '../providers/provider.ts'
import { newId } from '../security/ids.ts'
import { type Prisma, readTenant } from '../store/database.ts'
import { lockTarget } from '../store/freezes.ts'
import { clientDocumentTenant } from '../store/lookups.ts'
import { findProvider, type ProviderRow, updateProvider } from '../store/providers.ts'
import {
  claimRegistration,
  deleteRegistration,
  insertRegistration,
  postponeRegistration,
  retireRegistrations,
} from '../store/registrations.ts'
import { openWork } from '../store/revocations.ts'
import { asSystem } from '../store/system.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'
import { registrationPlace } from '../vault/places.ts'
import { hereOf } from './addresses.ts'
import { openProvider, sealClientSecret } from './upstream.ts'

/**
 * A row whose client its upstream still knows, where that client came to be by itself: one whose end has come, or that the
 * upstream has forgotten, is replaced first (N-32). Twice at once leaves one: who stores second takes theirs back.
 * @throws BrokerError client_not_registered
 */
export async function withLivingClient(ctx: Context, vault: Vault, row: ProviderRow): Promise<ProviderRow> {
  const made = configured(row)
  const registration = made?.kind.registration
  if (!made || !registration?.isDynamic(made.settings)) return row
  const isOver = registration.state(made.settings, ctx.now()) === 'over'
  if (!isOver && (await (await openProvider(ctx, vault, row)).tryClient?.()) !== 'unknown') return row
  const client = await registration.make(made.settings, hereOf(ctx, row), ctx).catch((error: unknown) => {
    if (!isSetupError(error)) throw error
    const detail = Object.values(error.fields).join(' ')
    throw new BrokerError('client_not_registered', { detail, cause: error })
  })
  return replaceClient(ctx, vault, row, client)
}

/** Puts a new client in the place of the very one that was found dead. */
async function replaceClient(ctx: Context, vault: Vault, row: ProviderRow, client: Registered): Promise<ProviderRow> {
  const { tenantId, id } = row
  const now = ctx.now()
  const clientSecret = client.clientSecret === undefined ? null : await sealClientSecret(vault, id, client.clientSecret)
  return asSystem(ctx, tenantId, 'registration', async (tx) => {
    await lockTarget(tx, tenantId, 'provider', id)
    const known = await findProvider(tx, tenantId, id)
    const isFirst = known?.clientId === row.clientId
    const kept = await registrationRow(vault, { tenantId, providerId: id, client, now, dueAt: isFirst ? null : now })
    if (kept) await insertRegistration(tx, kept)
    if (!known) throw new BrokerError('not_found')
    if (!isFirst) return known
    await retireRegistrations(tx, tenantId, id, now, client.clientId)
    const settings = client.settings as Prisma.InputJsonObject
    const changed = { clientId: client.clientId, clientSecret, clientSecretBefore: null, settings }
    const renewed = await updateProvider(tx, tenantId, id, changed)
    const target = { kind: 'provider', id } as const
    const details = { changed: ['registration'] }
    await record(tx, tenantId, now, { userId: null }, { action: 'provider.changed', outcome: 'ok', target, details })
    return renewed
  })
}

type Kept = { tenantId: string; providerId: string; client: Registered; now: Date; dueAt: Date | null }

/** What is kept to take a client back, where there is a way. */
export async function registrationRow(vault: Vault, kept: Kept) {
  const { tenantId, providerId, client, now: createdAt, dueAt } = kept
  if (client.handle === undefined) return undefined
  const id = newId('registration')
  const handle = await vault.seal(registrationPlace(id), client.handle)
  return { tenantId, id, providerId, clientId: client.clientId, handle, dueAt, createdAt }
}

const leaseSeconds = 60
/** Over three days with the pauses below: a server that is down for a weekend is asked again. */
const maximumTries = 60
const longestPauseSeconds = 2 * 3600
/** What is still to be ended with this client goes first; this long it is waited for. */
const patienceMs = 24 * 3600_000

/** Takes one client back that is due (RFC 7592 2.3), if nobody else has it. Never throws for what the upstream does. */
export async function settleRegistration(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<void> {
  const now = ctx.now()
  const row = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const claimed = await claimRegistration(tx, tenantId, id, now, leaseSeconds)
    const isInUse = claimed && claimed.clientId === claimed.provider.clientId
    const removedAt = claimed?.provider.removedAt ?? now
    if (!isInUse || now.getTime() - removedAt.getTime() > patienceMs) return claimed
    if ((await openWork(tx, tenantId, claimed.providerId)) === 0) return claimed
    await postponeRegistration(tx, tenantId, id, new Date(now.getTime() + 60_000))
    return undefined
  })
  if (!row) return
  const told = { tenant: tenantId, provider: row.providerId, tries: row.tries }
  const done = (outcome: string) =>
    asSystem(ctx, tenantId, 'job', async (tx) => {
      await deleteRegistration(tx, tenantId, id)
      const target = { kind: 'provider', id: row.providerId } as const
      const isFailed = outcome === 'failed'
      const event = {
        action: 'provider.unregistered',
        outcome: isFailed ? 'failed' : 'ok',
        target,
        details: { state: outcome, tries: row.tries },
      } as const
      await record(tx, tenantId, ctx.now(), { userId: null }, event)
      ctx.log[isFailed ? 'warn' : 'info']({ ...told, outcome }, 'a client was taken back')
    })
  try {
    const made = configured(row.provider)
    if (!made?.kind.registration || row.handle === null) return await done('impossible')
    const handle = await (await vaultOf(ctx, tenantId)).open(registrationPlace(id), row.handle)
    await done(await made.kind.registration.end(made.settings, handle, ctx))
  } catch (error) {
    if (row.tries >= maximumTries) return done('failed')
    const asked = (isUpstreamError(error) && error.retryAfterSeconds) || 1
    const pause = Math.max(asked, Math.random() * Math.min(2 ** row.tries, longestPauseSeconds))
    await asSystem(ctx, tenantId, 'job', (tx) =>
      postponeRegistration(tx, tenantId, id, new Date(ctx.now().getTime() + pause * 1000)),
    )
    const reason = isUpstreamError(error) ? error.failure : error instanceof Error ? error.name : 'unknown'
    ctx.log.warn({ ...told, reason }, 'a client could not be taken back yet')
  }
}

/** The document that the client id of a provider is the address of; undefined: it is not known by one. */
export async function clientDocument(ctx: Context, providerId: string): Promise<ClientDocument | undefined> {
  const tenantId = await clientDocumentTenant(ctx, providerId)
  const row = tenantId && (await readTenant(ctx, tenantId, (tx) => findProvider(tx, tenantId, providerId)))
  const made = row ? configured(row) : undefined
  return row && made ? made.kind.registration?.document?.(made.settings, hereOf(ctx, row)) : undefined
}
