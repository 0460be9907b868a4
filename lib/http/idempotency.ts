import type { Actor, Credential, Permission } from '../actor.ts'
import { BrokerError } from '../errors.ts'
import { open, seal, sealKey } from '../security/seal.ts'
import { callersKey, keyedHash, randomToken } from '../security/secrets.ts'
import { type Claim, claimKey, type Kept, keepLate, type Once, releaseKey } from '../store/idempotency.ts'
import type { Operation } from './operation.ts'
import type { Call } from './request.ts'

export const idempotencyHeader = 'Idempotency-Key'
export const keyLength = { min: 16, max: 255 }

/**
 * The key of a request. A structured string (draft-ietf-httpapi-idempotency-key-header 2.1), or the same text without quotes, as
 * many programs send it.
 * @throws BrokerError bad_request
 */
export function keyIn(headers: Headers): string | undefined {
  const given = headers.get(idempotencyHeader)
  if (given === null) return undefined
  const key = /^("?)([\x21\x23-\x5b\x5d-\x7e]+)\1$/.exec(given)?.[2] ?? ''
  if (key.length >= keyLength.min && key.length <= keyLength.max) return key
  const fault = `must have ${keyLength.min} to ${keyLength.max} visible ASCII characters, without quotes or backslashes inside`
  throw new BrokerError('bad_request', { fields: { [idempotencyHeader]: fault } })
}

/** What a handler makes of {@link Once}: given how the thing that it makes is answered. */
export type OnceOf<Answer> = <T>(toAnswer: (done: T) => Answer) => Once<T> | undefined

/** The try that holds a key, and how the body that it answers with is kept. */
export type Notes = { claim: Claim; keep: (body: unknown) => Promise<Kept> }

export const onceOf =
  <Answer>(notes: Notes | undefined, bodyOf: (answer: Answer) => unknown): OnceOf<Answer> =>
  (toAnswer) =>
    notes && { claim: notes.claim, keep: (done) => notes.keep(bodyOf(toAnswer(done))) }

/**
 * Does `work` once for a key of this person through this credential. The same request under the same key gets the same answer
 * while it is kept, and never a second token (docs/decisions/0059). `ageSeconds`: it was given before.
 * @throws BrokerError idempotency_running, idempotency_spent, idempotency_mismatch; whatever `work` throws, and then it may be tried
 *   again unless something that it made is or may be there
 */
export async function once(
  { ctx }: Call,
  actor: Actor,
  { operation, key, asked }: { operation: Operation; key: string; asked: unknown },
  work: (notes: Notes) => Promise<unknown>,
): Promise<{ body: string | null; ageSeconds?: number }> {
  const { idempotent, id, permission } = operation
  if (!idempotent) throw new Error(`${id} takes no key`)
  const { tenantId, userId, credential } = actor
  const { lookup } = ctx.secrets
  const hashOf = (...parts: unknown[]) => keyedHash(lookup, JSON.stringify(parts))
  const row = Buffer.from(hashOf(userId, ...holderOf(credential), key)).toString('base64url')
  const claim = { tenantId, id: row, claim: randomToken() }
  const found = await claimKey(ctx, actor, claim, {
    permission: permission as Permission,
    request: hashOf(id, asked),
    keySeconds: idempotent.keySeconds,
  })
  const sealing = await sealKey('caller', callersKey(key, lookup, 'answer'))
  const place = { tenant: tenantId, table: 'idempotency_key', row, column: 'answer', user: userId, version: 0 }
  if (found.outcome === 'answered')
    return { body: toBody((await open(sealing, place, found.answer)).reveal()), ageSeconds: found.seconds }
  // The longer it takes, the longer is it worth to wait: a try that was cut off is cleared away after two minutes.
  if (found.outcome === 'running')
    throw new BrokerError('idempotency_running', { retryAfterSeconds: Math.min(30, Math.max(1, found.seconds)) })
  if (found.outcome === 'other') throw new BrokerError('idempotency_mismatch')
  if (found.outcome === 'spent')
    throw new BrokerError(
      'idempotency_spent',
      found.token === null ? {} : { detail: `It made the token ${found.token}.` },
    )

  const toKeep = async (body: unknown) => ({
    sealed: await seal(sealing, place, toText(body)),
    answerSeconds: idempotent.answerSeconds,
  })
  let kept: string | undefined
  const keep = (body: unknown) => {
    kept = toText(body)
    return toKeep(body)
  }
  try {
    const body = await work({ claim, keep })
    if (kept !== undefined) return { body: toBody(kept) }
    // It is done by now, and to do it again does no harm.
    await keepLate(ctx, claim, await toKeep(body)).catch((error: unknown) =>
      ctx.log.warn({ err: error, operation: id }, 'an answer could not be kept for a repeat'),
    )
    return { body: toBody(toText(body)) }
  } catch (error) {
    await releaseKey(ctx, claim).catch((reason: unknown) =>
      ctx.log.warn({ err: reason, operation: id }, 'a key could not be given back; it is free when its time is over'),
    )
    throw error
  }
}

/** An answer without a body is kept as an empty text. */
const toText = (body: unknown): string => (typeof body === 'string' ? body : '')
const toBody = (text: string): string | null => text || null

/** What a key belongs to beside its person: a token that was renewed is still the same program's. */
function holderOf(credential: Credential): string[] {
  if (credential.kind === 'cookie') return ['session', credential.session]
  if (credential.kind === 'incoming') return ['incoming', credential.trustedIssuer, credential.client]
  return ['grant', credential.grant]
}
