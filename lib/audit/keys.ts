import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { loud } from '../log.ts'
import { type Location, sealedWith, UnsealError } from '../security/seal.ts'
import { findCurrentAuditKey, insertAuditKey, listPublicAuditKeys, updateSealedPrivate } from '../store/audit-chain.ts'
import { holdInstanceKey } from '../store/keys.ts'
import { withInstance } from '../store/system.ts'
import { headType, type receiptType } from './verify.ts'

type KeyContext = Pick<Context, 'db' | 'keys' | 'now' | 'log'>

/**
 * Signs heads, and receipts over them, with the current audit key; `keyId` is its JWK thumbprint (RFC 7638). Audit keys sign nothing
 * else, and each of the two says what it is in its `typ`, so nothing can be made to look like a head.
 */
export type Signer = {
  keyId: string
  sign(statement: object, type?: typeof headType | typeof receiptType): Promise<string>
}

const place = (row: string): Location => ({
  tenant: '-',
  table: 'audit_key',
  row,
  column: 'sealed_private',
  user: '-',
  version: 0,
})

/**
 * The current audit key, made where there is none, and moved to the current instance key where it is sealed under an
 * older one.
 * @throws UnsealError when no instance key opens it
 */
export async function auditSigner(ctx: KeyContext): Promise<Signer> {
  const row = (await withInstance(ctx, findCurrentAuditKey)) ?? (await createAuditKey(ctx))
  const keys = await ctx.keys.list()
  const key = keys.find(({ id }) => id === sealedWith(row.sealedPrivate))
  if (!key) throw new UnsealError()
  const secret = await key.open(place(row.id), row.sealedPrivate)
  const [current] = keys
  if (current && current.id !== key.id) {
    const sealedPrivate = await current.seal(place(row.id), secret)
    // Never under a key that was retired meanwhile: an instance with an older list must not take it back.
    await withInstance(ctx, async (tx) => {
      if (await holdInstanceKey(tx, current.id)) await updateSealedPrivate(tx, row.id, sealedPrivate)
    })
  }
  const signingKey = await importJWK(JSON.parse(secret.reveal()), 'EdDSA')
  return {
    keyId: row.id,
    sign: (statement, typ = headType) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(statement)))
        .setProtectedHeader({ alg: 'EdDSA', kid: row.id, typ })
        .sign(signingKey),
  }
}

/** Makes a key; where another instance was faster, answers that one's. */
async function createAuditKey(ctx: KeyContext) {
  const [current] = await ctx.keys.list()
  if (!current) throw new UnsealError()
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const { kty, crv, x } = await exportJWK(publicKey)
  if (!kty || !crv || !x) throw new Error('an Ed25519 key without its parts')
  const id = await calculateJwkThumbprint({ kty, crv, x })
  const sealedPrivate = await current.seal(place(id), JSON.stringify(await exportJWK(privateKey)))
  const publicJwk = { kty, crv, x, kid: id, alg: 'EdDSA', use: 'sig' }
  return withInstance(ctx, async (tx) => {
    if (!(await holdInstanceKey(tx, current.id))) throw new BrokerError('keys_unavailable')
    const { count } = await insertAuditKey(tx, { id, publicJwk, sealedPrivate, createdAt: ctx.now() })
    // Outside the database, so that whoever owns it cannot put another key in its place unseen.
    if (count === 1) loud(ctx.log).info({ key: publicJwk }, 'audit key')
    const row = await findCurrentAuditKey(tx)
    if (!row) throw new Error('no audit key after making one')
    return row
  })
}

/** Every public audit key there ever was, as JWKs: what heads of any age are verified with. */
export const publicAuditKeys = async (ctx: Pick<Context, 'db'>): Promise<JWK[]> =>
  // Written by createAuditKey and by nothing else.
  (await withInstance(ctx, listPublicAuditKeys)) as JWK[]
