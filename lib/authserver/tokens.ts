import { createHmac, randomBytes } from 'node:crypto'
import type { GrantScope } from '../actor.ts'
import type { Context } from '../context.ts'
import { isJwt } from '../security/incoming-token.ts'
import {
  bytesOfRefresh,
  familyBytes,
  familyOf,
  hash,
  isToken,
  newToken,
  type Secret,
  tokenOf,
} from '../security/secrets.ts'
import type { NewTokens } from '../store/programs.ts'

/** What a client is about to hold, and its hashes. */
export type Tokens = { access: Secret; refresh: Secret; hashes: NewTokens }

const hashesOf = (access: Secret, refresh: Secret): NewTokens => ({
  access: hash(access.reveal()),
  refresh: hash(refresh.reveal()),
  family: familyOf(refresh.reveal()),
})

export function newTokens(): Tokens {
  const access = newToken('at')
  const refresh = newToken('rt')
  return { access, refresh, hashes: hashesOf(access, refresh) }
}

export const newSalt = () => new Uint8Array(randomBytes(32))

/**
 * The tokens that follow a refresh token: made of it, of a salt that is stored and of a key of the instance. So the same are
 * made again while the salt is there, and whoever has the database, or an old refresh token, or both, makes nothing
 * (docs/decisions/0061).
 */
export function tokensAfter({ secrets }: Pick<Context, 'secrets'>, refresh: string, salt: Uint8Array): Tokens {
  const made = (what: string) => createHmac('sha256', secrets.grants).update(salt).update(what).update(refresh).digest()
  const access = tokenOf('at', made('access'))
  const family = bytesOfRefresh(refresh).subarray(0, familyBytes)
  const next = tokenOf('rt', Buffer.concat([family, made('refresh')]))
  return { access, refresh: next, hashes: hashesOf(access, next) }
}

/**
 * The first tokens of a device, made of its code and of a key of the instance: each poll makes the same, so that the answer that
 * got lost can be given again, and nothing of it has to be kept (docs/decisions/0067).
 */
export function tokensOfDevice({ secrets }: Pick<Context, 'secrets'>, code: string): Tokens {
  const made = (what: string) => createHmac('sha256', secrets.grants).update(`device ${what}`).update(code).digest()
  const access = tokenOf('at', made('access'))
  const refresh = tokenOf('rt', Buffer.concat([made('family').subarray(0, familyBytes), made('refresh')]))
  return { access, refresh, hashes: hashesOf(access, refresh) }
}

/** RFC 6749 5.1. `scope` is always told. */
export type TokenAnswer = {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  refresh_token?: string
  scope: string
}

export function tokenAnswer(
  { access, refresh }: Pick<Tokens, 'access' | 'refresh'>,
  given: { scopes: GrantScope[] | null; expiresIn: number | null; renews: boolean | null; proof: string | undefined },
): TokenAnswer {
  return {
    access_token: access.reveal(),
    token_type: given.proof === undefined ? 'Bearer' : 'DPoP',
    expires_in: Math.max(0, Math.floor(given.expiresIn ?? 0)),
    ...(given.renews && { refresh_token: refresh.reveal() }),
    scope: (given.scopes ?? []).join(' '),
  }
}

/** What a token that somebody brings may be found by; nothing where it has none of our forms. */
export function askedOf(token: string) {
  if (isToken('at', token)) return { access: hash(token) }
  if (isToken('rt', token)) return { family: familyOf(token), refresh: hash(token) }
  // Of the tenant's own audiences: opaque ones, and those that are verified without us as well.
  if (isToken('sg', token) || isJwt(token)) return { issued: hash(token) }
  return undefined
}
