import { importJWK } from 'jose'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import {
  isRotationDue,
  type KeyState,
  keyStateOf,
  makeSigningKey,
  type PublicSigningKey,
  publishedBeforeSeconds,
  type Signer,
  signerWith,
  signingAlg,
  signingKeyOf,
} from '../security/signing.ts'
import { readTenant, type Tx } from '../store/database.ts'
import {
  deleteSigningKeys,
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  type SigningKeyRow,
  withdrawSigningKey,
} from '../store/signing-keys.ts'
import { asSystem } from '../store/system.ts'
import { type Vault, vaultOf } from './keys.ts'
import { signingKeyPlace } from './places.ts'

/** What seals the private halves: a tenant's vault; for another issuer whatever seals as one does. */
type Sealer = Pick<Vault, 'seal' | 'open'>

/** Private halves that a process keeps opened; beyond them the oldest go. */
const keptKeys = 1_000

/**
 * What signs for an issuer now, of its `keys` as they were just read; only its opened half is kept. Whoever stores what it signs
 * holds the key, so that one which was withdrawn or destroyed signs nothing more (vk.issue_begin).
 * @throws BrokerError tenant_shredded where the issuer has no key (any more), keys_unavailable; UnsealError
 */
export async function signerOf(
  { now, signingKeys }: Pick<Context, 'now' | 'signingKeys'>,
  keys: Pick<SigningKeyRow, 'id' | 'sealedPrivate' | 'signsFrom' | 'withdrawnAt'>[],
  sealer: Sealer,
): Promise<Signer> {
  const row = signingKeyOf(keys, now())
  if (!row?.sealedPrivate) throw new BrokerError('tenant_shredded')
  const kept = signingKeys.get(row.id)
  if (kept) return signerWith(row.id, kept)
  const opened = await sealer.open(signingKeyPlace(row.id), row.sealedPrivate)
  const key = await importJWK(JSON.parse(opened.reveal()), signingAlg, { extractable: false })
  if (!(key instanceof CryptoKey)) throw new Error('a signing key that is none')
  const [oldest] = signingKeys.keys()
  if (oldest !== undefined && signingKeys.size >= keptKeys) signingKeys.delete(oldest)
  signingKeys.set(row.id, key)
  return signerWith(row.id, key)
}

/** Makes a key, in the transaction that needs it. Answers its id. */
async function addKey(
  ctx: Pick<Context, 'now'>,
  tx: Tx,
  sealer: Sealer,
  tenantId: string,
  signsFrom: Date,
): Promise<string> {
  const { id, publicJwk, privateJwk } = await makeSigningKey()
  const sealedPrivate = await sealer.seal(signingKeyPlace(id), privateJwk)
  await insertSigningKey(tx, { tenantId, id, publicJwk, sealedPrivate, signsFrom, createdAt: ctx.now() })
  return id
}

/**
 * Gives an issuer its first key, where it has none. It signs at once: no verifier can have read a set without it, because
 * without a key there is no set.
 */
export async function beginSigning(ctx: Pick<Context, 'now'>, tx: Tx, sealer: Sealer, tenantId: string): Promise<void> {
  if ((await lockSigningKeys(tx, tenantId)).length === 0) await addKey(ctx, tx, sealer, tenantId, ctx.now())
}

/** What publishing the next key came to: one that waits already is not joined by another. */
export type Rotation = { kind: 'published' | 'waiting'; key: string; signsFrom: Date } | { kind: 'none' }

/**
 * Publishes the next key of an issuer; it signs once every verifier has had the time to read it. `onlyDue`: only where the
 * present one is old. Of two processes at once one makes it.
 */
export async function rotateSigningKey(
  ctx: Context,
  tenantId: string,
  { onlyDue = false }: { onlyDue?: boolean } = {},
): Promise<Rotation> {
  const vault = await vaultOf(ctx, tenantId)
  return asSystem(ctx, tenantId, 'keys', async (tx) => {
    const keys = await lockSigningKeys(tx, tenantId)
    const now = ctx.now()
    const signing = signingKeyOf(keys, now)
    // Where the tenant's keys were destroyed nothing is signed any more.
    if (!signing?.sealedPrivate) return { kind: 'none' }
    const waiting = keys.find((key) => keyStateOf(key, keys, now) === 'published')
    if (waiting) return { kind: 'waiting', key: waiting.id, signsFrom: waiting.signsFrom }
    if (onlyDue && !isRotationDue(keys, now)) return { kind: 'none' }
    const signsFrom = new Date(now.getTime() + publishedBeforeSeconds * 1000)
    const key = await addKey(ctx, tx, vault, tenantId, signsFrom)
    const target = { kind: 'tenant', id: tenantId } as const
    const details = { key, signs_from: signsFrom.toISOString() }
    await record(tx, tenantId, now, { userId: null }, { action: 'signing.rotated', outcome: 'ok', target, details })
    return { kind: 'published', key, signsFrom }
  })
}

/**
 * Takes the newest key back: the one before goes on signing. What the withdrawn one signed is verified until it ends.
 * Answers the ids of both; undefined: there is no key before it that is still published.
 */
export function rollBackSigningKey(
  ctx: Context,
  tenantId: string,
): Promise<{ withdrawn: string; signs: string } | undefined> {
  return asSystem(ctx, tenantId, 'keys', async (tx) => {
    const keys = await lockSigningKeys(tx, tenantId)
    const now = ctx.now()
    const [newest] = keys.filter(({ withdrawnAt }) => withdrawnAt === null)
    const before =
      newest &&
      signingKeyOf(
        keys.filter(({ id }) => id !== newest.id),
        now,
      )
    // One that is needed no more may have been forgotten by verifiers.
    if (!newest || !before?.sealedPrivate || keyStateOf(before, keys, now) === 'retired') return undefined
    await withdrawSigningKey(tx, tenantId, newest.id, now)
    const target = { kind: 'tenant', id: tenantId } as const
    const details = { key: newest.id }
    await record(tx, tenantId, now, { userId: null }, { action: 'signing.rolled_back', outcome: 'ok', target, details })
    return { withdrawn: newest.id, signs: before.id }
  })
}

/** What the schedule does for an issuer: publishes the next key in time, and forgets those that nobody needs. */
export async function settleSigningKeys(ctx: Context, tenantId: string): Promise<void> {
  const now = ctx.now()
  const keys = await readTenant(ctx, tenantId, (tx) => listSigningKeys(tx, tenantId))
  if (keys.length === 0) return
  if (isRotationDue(keys, now)) await rotateSigningKey(ctx, tenantId, { onlyDue: true })
  if (!keys.some((key) => keyStateOf(key, keys, now) === 'retired')) return
  await asSystem(ctx, tenantId, 'keys', async (tx) => {
    const keys = await lockSigningKeys(tx, tenantId)
    const over = keys.filter((key) => keyStateOf(key, keys, now) === 'retired').map(({ id }) => id)
    await deleteSigningKeys(tx, tenantId, over)
    for (const id of over) ctx.signingKeys.delete(id)
  })
}

/** What verifiers of an issuer need: every key that signs, is going to, or may have signed something that lives. */
export async function publishedKeys(ctx: Pick<Context, 'db' | 'now'>, tenantId: string): Promise<PublicSigningKey[]> {
  const keys = await readTenant(ctx, tenantId, (tx) => listSigningKeys(tx, tenantId))
  const now = ctx.now()
  // Written by addKey and by nothing else.
  return keys.filter((key) => keyStateOf(key, keys, now) !== 'retired').map((key) => key.publicJwk as PublicSigningKey)
}

export type SigningKeyView = { id: string; state: KeyState; signsFrom: Date; withdrawnAt: Date | null }

/** An issuer's keys for people, newest first. */
export async function signingKeyList(ctx: Pick<Context, 'db' | 'now'>, tenantId: string): Promise<SigningKeyView[]> {
  const keys = await readTenant(ctx, tenantId, (tx) => listSigningKeys(tx, tenantId))
  const view = (key: SigningKeyRow) => ({
    id: key.id,
    state: keyStateOf(key, keys, ctx.now()),
    signsFrom: key.signsFrom,
    withdrawnAt: key.withdrawnAt,
  })
  return keys.map(view)
}
