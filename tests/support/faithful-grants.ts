import { randomBytes } from 'node:crypto'
import type { Preset } from '../../lib/providers/oauth/preset.ts'

/** A refusal in the words of RFC 6749. `about` helps a server that has words of its own to choose among them. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: string
  readonly about: string
  constructor(code: string, message: string, about = '') {
    super(`${code}: ${message}`)
    this.code = code
    this.about = about
  }
}

export type Person = { id: string | number; name: string }

/**
 * What a person allowed. `usedAt`: the last refresh; without refresh tokens, the last use of the access token. Ended: no
 * refresh any more; access tokens end by themselves.
 */
export type Grant = { person: Person; scopes: string[]; startedAt: number; usedAt: number; ended: boolean }

export type AccessToken = { token: string; grant: Grant; scopes: string[]; expiresAt: number | null; ended: boolean }
export type Pair = { access: AccessToken; refresh: string | undefined }
type Use = { at: number; pair: Pair }
type RefreshToken = { grant: Grant; scopes: string[]; ended: boolean; used?: Use }

/** What an authorization request asked for, as it is kept until its code comes back. */
export type Request = {
  scopes: string[]
  state: string
  challenge: string | undefined
  nonce: string | undefined
}
type Code = { request: Request; person: Person; scopes: string[]; madeAt: number; used: boolean; grant?: Grant }

/** RFC 6749 4.1.2: ten minutes at most. */
const codeSeconds = 600
const dayMilliseconds = 86_400_000

/** The codes, grants and tokens of a server which a preset describes. Knows nothing of HTTP. */
export function startGrants({ tokens, narrow, revocation, quirks }: Preset, now: () => number) {
  const issued: string[] = []
  const grants: Grant[] = []
  const codes = new Map<string, Code>()
  const accessTokens = new Map<string, AccessToken>()
  const refreshTokens = new Map<string, RefreshToken>()
  /** Where an answer names no lifetime, the token lives as long as the preset says of that case. */
  const lifetimeSeconds = quirks?.unnamedLifetimeSeconds ?? tokens.lifetimeSeconds

  function make(kind: string): string {
    const value = `${kind}-${randomBytes(24).toString('base64url')}`
    issued.push(value)
    return value
  }

  const after = (at: number, days: number | null) => days !== null && now() >= at + days * dayMilliseconds
  const isOver = ({ ended, usedAt, startedAt }: Grant) =>
    ended || after(usedAt, tokens.idleDays) || after(startedAt, tokens.absoluteDays)

  /** An access token outlives the refresh token that made it, but not a grant that it is all of. */
  const lives = ({ ended, expiresAt, grant }: AccessToken) =>
    !ended && !(tokens.refresh === 'none' && isOver(grant)) && (expiresAt === null || now() < expiresAt)

  function endAccess(grant: Grant): void {
    for (const access of accessTokens.values()) if (access.grant === grant) access.ended = true
  }

  function endAll(grant: Grant): void {
    grant.ended = true
    endAccess(grant)
  }

  const isSpent = (used: Use) => now() >= used.at + tokens.graceSeconds * 1000

  function newAccess(grant: Grant, scopes: string[]): AccessToken {
    const expiresAt = lifetimeSeconds === null ? null : now() + lifetimeSeconds * 1000
    const made = { token: make('access'), grant, scopes, expiresAt, ended: false }
    accessTokens.set(made.token, made)
    return made
  }

  function newRefresh(grant: Grant, scopes: string[]): string | undefined {
    if (tokens.refresh === 'none') return undefined
    const token = make('refresh')
    refreshTokens.set(token, { grant, scopes, ended: false })
    return token
  }

  /** A used refresh token: answered with what its use was answered with, or the end of all (RFC 9700 4.14.2). */
  function again(grant: Grant, used: Use): Pair {
    if (isSpent(used)) {
      endAll(grant)
      throw new Refusal('invalid_grant', 'the refresh token was used before; its grant has ended', 'refresh')
    }
    // A grace can be longer than an access token lives.
    if (!lives(used.pair.access)) used.pair.access = newAccess(grant, used.pair.access.scopes)
    return used.pair
  }

  /** What a token is, if it still is one. */
  function find(token: string) {
    const access = accessTokens.get(token)
    if (access) return lives(access) ? { kind: 'access_token' as const, found: access } : undefined
    const refresh = refreshTokens.get(token)
    if (!refresh || refresh.ended || isOver(refresh.grant) || (refresh.used && isSpent(refresh.used))) return undefined
    return { kind: 'refresh_token' as const, found: refresh }
  }

  return {
    issued,
    grants,
    make,

    newCode(request: Request, person: Person, scopes: string[]): string {
      const code = make('code')
      codes.set(code, { request, person, scopes, madeAt: now(), used: false })
      return code
    },

    /** The grant of a code, which counts once; `check` compares the request with the one that got it. */
    exchange(code: string, check: (request: Request) => void): Pair & { nonce: string | undefined } {
      const kept = codes.get(code)
      if (!kept) throw new Refusal('invalid_grant', 'no such code', 'code')
      if (kept.used) {
        if (kept.grant) endAll(kept.grant)
        throw new Refusal('invalid_grant', 'the code was used before; its grant has ended', 'code')
      }
      kept.used = true
      if (now() >= kept.madeAt + codeSeconds * 1000) throw new Refusal('invalid_grant', 'the code has expired', 'code')
      check(kept.request)
      const { person, scopes, request } = kept
      const grant: Grant = { person, scopes, startedAt: now(), usedAt: now(), ended: false }
      kept.grant = grant
      grants.push(grant)
      return { access: newAccess(grant, scopes), refresh: newRefresh(grant, scopes), nonce: request.nonce }
    },

    refresh(token: string, asked: string[] | undefined): Pair {
      const sent = refreshTokens.get(token)
      if (!sent || sent.ended || isOver(sent.grant))
        throw new Refusal('invalid_grant', 'the refresh token is unknown, revoked or too old', 'refresh')
      const { grant, used } = sent
      if (used) return again(grant, used)
      const scopes = (narrow.offered && asked) || sent.scopes
      if (scopes.some((scope) => !sent.scopes.includes(scope)))
        throw new Refusal('invalid_scope', 'more is asked for than the refresh token has')

      if (narrow.oldTokenSurvives === false) endAccess(grant)
      grant.usedAt = now()
      const kept = narrow.fullScopeRemains === false ? scopes : sent.scopes
      const access = newAccess(grant, scopes)
      if (tokens.refresh === 'stays') {
        sent.scopes = kept
        return { access, refresh: undefined }
      }
      const pair = { access, refresh: newRefresh(grant, kept) }
      sent.used = { at: now(), pair }
      return pair
    },

    /** The token that an access token is, while it works. Looking at it is using it. */
    use(token: string): AccessToken | undefined {
      const access = find(token)
      if (access?.kind !== 'access_token') return undefined
      if (tokens.refresh === 'none') access.found.grant.usedAt = now()
      return access.found
    },

    grantOf: (token: string): Grant | undefined => find(token)?.found.grant,

    /** Ends what the preset says that revoking this token ends. */
    revoke(token: string): 'done' | 'unknown' | 'unsupported' {
      const sent = find(token)
      if (!sent || !revocation) return 'unknown'
      const { kind, found } = sent
      const isTaken = kind === revocation.takes
      // That revoking one access token does this or that to the grant says that one can be revoked.
      if (!isTaken && (kind === 'refresh_token' || narrow.revokeKeepsGrant === null)) return 'unsupported'
      const ends = isTaken ? revocation.ends : narrow.revokeKeepsGrant ? 'token' : 'both'
      const { grant } = found
      if (ends === 'token') found.ended = true
      if (ends === 'grant') grant.ended = true
      if (ends === 'both') endAll(grant)
      if (ends === 'account') grants.filter(({ person }) => person.id === grant.person.id).forEach(endAll)
      return 'done'
    },

    works(token: string): boolean {
      const access = accessTokens.get(token)
      return access !== undefined && lives(access)
    },
  }
}
