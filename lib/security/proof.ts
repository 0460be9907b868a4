import { createHmac } from 'node:crypto'
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose'
import { z } from 'zod'
import { BrokerError } from '../errors.ts'
import { PublicJwk, publicKeyAlgorithms } from './jwk.ts'
import { numericDate, partOf } from './jwt.ts'
import { clockToleranceSeconds } from './oauth.ts'
import { hash } from './secrets.ts'

/** Algorithms of proofs, as our metadata lists them. */
export const proofAlgorithms = publicKeyAlgorithms

type Deps = { now: () => Date; secrets: { nonces: Uint8Array } }

/** A proof that is right: the thumbprint of its key, and what is to be taken once while anybody would accept it again. */
export type Proof = { key: string; once: Uint8Array; onceSeconds: number }

/** Longer than a proof with a key of 4096 bits. */
const lengthMax = 4096
/** A proof counts for twice the tolerance at most. The rest is what the clocks of two processes may differ by. */
const onceSeconds = 3 * clockToleranceSeconds

const Header = z.looseObject({ jwk: PublicJwk })
const Claims = z.object({
  htm: z.string(),
  htu: z.string().max(2048),
  iat: numericDate,
  jti: z.string().min(1).max(256),
  ath: z.string().optional(),
  nonce: z.string().optional(),
})

/** A nonce counts for one window and for the next one. */
const windowMs = 5 * 60_000

const nonceAt = ({ secrets }: Deps, window: number) =>
  createHmac('sha256', secrets.nonces).update(`dpop ${window}`).digest('base64url')
const windowOf = ({ now }: Deps) => Math.floor(now().getTime() / windowMs)

/**
 * The nonce that a proof made now has to have (RFC 9449 8). It is made of the time, so that every process knows it and none
 * keeps it; nobody can know those to come (docs/decisions/0065).
 */
export const currentNonce = (deps: Deps) => nonceAt(deps, windowOf(deps))

const isNonce = (deps: Deps, nonce: string) => [0, 1].some((ago) => nonceAt(deps, windowOf(deps) - ago) === nonce)

/**
 * Verifies a proof of possession (RFC 9449 4.3): that the holder of a key makes this request, now, and at a resource with
 * this token. `url`: our own address of it, whatever the request says of its host. Whether it was used before is the caller's
 * to ask.
 * @throws BrokerError invalid_dpop_proof; use_dpop_nonce with the nonce where it is right but for that
 */
export async function readProof(
  deps: Deps,
  proof: string,
  asked: { method: string; url: string; token?: string | undefined },
): Promise<Proof> {
  // Two headers come as one with a comma, which no JWT has.
  if (proof.length > lengthMax) throw refused('is too long')
  const head = Header.safeParse(partOf(proof, 'header'))
  if (!head.success) throw refused('names no public key that counts here')
  const payload = await verified(deps, proof)
  const read = Claims.safeParse(payload)
  if (!read.success) throw refused('lacks a claim, or has one of another type')
  const { htm, htu, iat, jti, ath, nonce } = read.data
  if (htm !== asked.method) throw refused('is for another method')
  if (withoutQuery(htu) !== withoutQuery(asked.url)) throw refused('is for another address')
  if (Math.abs(iat - deps.now().getTime() / 1000) > clockToleranceSeconds)
    throw refused('is not of this minute. Check your clock')
  if (asked.token !== undefined && ath !== Buffer.from(hash(asked.token)).toString('base64url'))
    throw refused('is for another token')
  if (nonce === undefined || !isNonce(deps, nonce))
    throw new BrokerError('use_dpop_nonce', { nonce: currentNonce(deps) })
  const key = await calculateJwkThumbprint(head.data.jwk)
  return { key, once: hash(`dpop ${key} ${jti}`), onceSeconds }
}

const refused = (what: string, cause?: unknown) =>
  new BrokerError('invalid_dpop_proof', { detail: `The proof ${what}.`, cause })

async function verified({ now }: Deps, proof: string): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...proofAlgorithms],
      currentDate: now(),
      clockTolerance: clockToleranceSeconds,
    })
    return payload
  } catch (cause) {
    throw refused('is not a signed JWT of type dpop+jwt', cause)
  }
}

/** As a URL is compared (RFC 9449 4.3, 9); undefined: it is none. */
function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  url.search = ''
  url.hash = ''
  return url.href
}
