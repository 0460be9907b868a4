import { randomBytes } from 'node:crypto'
import { decodeJwt, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { base, Check } from './engine.ts'
import { type KeyRing, sign } from './keys.ts'
import type { Modes } from './modes.ts'
import { errorPage } from './pages.ts'
import { expiresInField, isInGrace, note, type World, withoutFields } from './part.ts'
import type { System } from './store.ts'
import type { Answer, Incoming } from './wire.ts'
import { accountBySub } from './world.ts'

// What OpenID issuers of the demo have in common; the stack is none.

export const CODE_SECONDS = 60
export const HOUR_SECONDS = 3600
const WRONG_ISSUER = 'https://somebody-else.example'

/** Cookies that one server on this origin does not share with the others. */
export function cookiesOf(system: System): Configuration['cookies'] {
  const options = { httpOnly: true, sameSite: 'lax', signed: true } as const
  return {
    keys: [randomBytes(32).toString('base64url')],
    names: {
      session: `demo_${system}_session`,
      interaction: `demo_${system}_interaction`,
      resume: `demo_${system}_resume`,
    },
    long: options,
    short: options,
  }
}

/** oidc-provider's own checks, with the age of a session told by the demo's clock. */
export function basePolicy({ clock }: World) {
  const policy = base()
  policy.get('login')?.checks.remove('max_age')
  policy.get('login')?.checks.add(
    new Check('max_age', 'the sign-in is older than max_age', ({ oidc }) => {
      const maxAge = oidc.params?.max_age
      if (maxAge === undefined || oidc.result?.login || !oidc.session?.accountId) return Check.NO_NEED_TO_PROMPT
      return clock.seconds() - Number(oidc.session.loginTs) > Number(maxAge)
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT
    }),
  )
  return policy
}

/**
 * What the authorization servers with accounts of their own configure alike: who signs in, how somebody decides, that each approval is a
 * grant of its own, PKCE, rotation and how long things last.
 */
export const issuerSettings = (world: World, mount: string): Configuration => {
  const { store, modes } = world
  return {
    clientBasedCORS: () => false,
    responseTypes: ['code'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    findAccount(_ctx, sub, token) {
      // Asked after all other checks of a refresh and before the one for reuse.
      const record = token?.kind === 'RefreshToken' ? store.token(token.jti) : undefined
      if (token && record && isInGrace(world, record)) Object.assign(token, { consumed: undefined })
      return accountBySub(sub) && { accountId: sub, claims: () => ({ sub }) }
    },
    interactions: {
      policy: basePolicy(world),
      url: (_ctx, interaction) => `${mount}/interaction/${interaction.uid}`,
    },
    loadExistingGrant: async (ctx) => {
      const grantId = ctx.oidc.result?.consent?.grantId
      return grantId ? await ctx.oidc.provider.Grant.find(grantId) : undefined
    },
    expiresWithSession: () => false,
    pkce: { required: () => true },
    renderError(ctx, out) {
      ctx.type = 'html'
      ctx.body = errorPage(400, 'This request cannot continue', out.error_description ?? out.error).body
    },
    rotateRefreshToken: () => modes.current.rotation !== 'none' && modes.current.refreshReturnsToken,
    ttl: {
      AccessToken: () => modes.current.accessTokenSeconds,
      AuthorizationCode: CODE_SECONDS,
      // Outlives every refresh token made under it; each rotation starts a new term.
      Grant: 10 * 365 * 24 * HOUR_SECONDS,
      IdToken: HOUR_SECONDS,
      Interaction: HOUR_SECONDS,
      RefreshToken: () => modes.current.refreshTokenSeconds,
      Session: 24 * HOUR_SECONDS,
    },
  }
}

/** The engine looks whether a token is spent or revoked, and acts later: only one after the other is it spent once. */
export function makeTurns() {
  let turn: Promise<unknown> = Promise.resolve()
  return (work: () => Promise<Answer>): Promise<Answer> => {
    const answered = turn.then(work)
    turn = answered.catch(() => {})
    return answered
  }
}

type Issuer = {
  system: System
  keys: KeyRing
  clientSecret: string
  /** The `iss` parameter (RFC 9207) of authorization responses. */
  iss: () => Modes['iss']
  /** What the metadata calls the issuer; null: what it is. */
  metadataIssuer?: () => string | null
}

/**
 * What is done to an answer of oidc-provider before it leaves: the faults that modes ask for, keys of the ring, ID tokens
 * on the demo's clock, and an entry in the books for whatever was issued.
 */
export function makeFinish(world: World, { system, keys, clientSecret, iss, metadataIssuer = () => null }: Issuer) {
  const { clock, store, modes, ledger } = world

  function changeMetadata(ctx: KoaContextWithOIDC) {
    const issuer = metadataIssuer()
    const { end_session_endpoint, ...metadata } = ctx.body as Record<string, unknown>
    ctx.body = {
      ...metadata,
      ...(modes.current.endSession && { end_session_endpoint }),
      ...(issuer !== null && { issuer }),
      authorization_response_iss_parameter_supported: iss() !== 'off',
      id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    }
  }

  async function publishedKeys() {
    const number = modes.current.signingKey
    const current = await Promise.all([keys.key('RS256', number), keys.key('ES256', number)])
    return current.map((key) => key.publicJwk)
  }

  function changeRedirect(ctx: KoaContextWithOIDC, incoming: Incoming) {
    const account = accountBySub(ctx.oidc.session?.accountId)
    const client = ctx.oidc.client?.clientId
    note(incoming, { account: account?.email, client })
    const location = ctx.response.get('location')
    if (!URL.canParse(location)) return
    const target = new URL(location)
    if (!target.searchParams.has('code') && !target.searchParams.has('error')) return
    if (iss() === 'off') target.searchParams.delete('iss')
    if (iss() === 'wrong') target.searchParams.set('iss', WRONG_ISSUER)
    ctx.set('location', target.href)
    const code = target.searchParams.get('code')
    if (!code || !account) return
    const about = { kind: 'code' as const, system, sub: account.sub, client, grant: ctx.oidc.entities.Grant?.jti }
    ledger.issue(code, store.addToken(code, { ...about, expiresAt: clock.now() + CODE_SECONDS * 1000 }))
  }

  async function changeTokens(ctx: KoaContextWithOIDC, incoming: Incoming) {
    const body = ctx.body as Record<string, unknown>
    const sub = ctx.oidc.entities.Account?.accountId
    const client = ctx.oidc.client?.clientId
    note(incoming, { account: accountBySub(sub)?.email, client })
    if (ctx.status !== 200 || !sub) return
    const { expires_in: seconds, id_token: made, refresh_token: refresh, ...rest } = body
    const idToken = typeof made === 'string' ? await faultyIdToken(decodeJwt(made)) : undefined
    const { refreshReturnsToken, refreshTokenSeconds } = modes.current
    const scope = typeof rest.scope === 'string' ? rest.scope : undefined
    const about = { system, sub, client, grant: ctx.oidc.entities.Grant?.jti }
    for (const { kind, value, lifetime, ...more } of [
      { kind: 'access' as const, value: rest.access_token, lifetime: Number(seconds), scope },
      { kind: 'id' as const, value: idToken, lifetime: Number(seconds) },
      { kind: 'refresh' as const, value: refresh, lifetime: refreshTokenSeconds },
    ]) {
      if (typeof value !== 'string') continue
      const expiresAt = clock.now() + lifetime * 1000
      ledger.issue(value, store.addToken(value, { ...about, ...more, kind, expiresAt }))
    }
    const returned = refreshReturnsToken || ctx.oidc.params?.grant_type !== 'refresh_token'
    ctx.body = withoutFields(world, {
      ...rest,
      ...expiresInField(world, Number(seconds)),
      ...(idToken !== undefined && { id_token: idToken }),
      ...(returned && refresh !== undefined && { refresh_token: refresh }),
    })
  }

  /** Signs the ID token's claims again, on the demo's clock and with whatever the modes say is wrong with it. */
  async function faultyIdToken(claims: JWTPayload): Promise<string | undefined> {
    const now = clock.seconds()
    const lifetime = Number(claims.exp) - Number(claims.iat)
    const current = { ...claims, iat: now, exp: now + lifetime }
    const { idToken: fault, idTokenAlg, signingKey } = modes.current
    const key = await keys.key(idTokenAlg, signingKey)
    switch (fault) {
      case null:
        return sign(current, key)
      case 'missing':
        return undefined
      case 'wrong-key':
        return sign(current, await keys.key(idTokenAlg, signingKey + 1_000_000), key.kid)
      case 'alg-none':
        return new UnsecuredJWT(current).encode()
      case 'hs256':
        return new SignJWT(current)
          .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
          .sign(new TextEncoder().encode(clientSecret.padEnd(32, '\0')))
      case 'wrong-iss':
        return sign({ ...current, iss: WRONG_ISSUER }, key)
      case 'wrong-aud':
        return sign({ ...current, aud: 'another-client' }, key)
      case 'wrong-nonce':
        return sign({ ...current, nonce: 'another-nonce' }, key)
      case 'missing-nonce':
        return sign({ ...current, nonce: undefined }, key)
      case 'expired':
        return sign({ ...current, iat: now - 7200, exp: now - 3600 }, key)
      case 'other-sub':
        return sign({ ...current, sub: 'acct-9999' }, key)
      case 'stale-auth-time':
        return sign({ ...current, auth_time: now - 86_400 }, key)
      default:
        return fault satisfies never
    }
  }

  return async (ctx: KoaContextWithOIDC, incoming: Incoming): Promise<void> => {
    switch (ctx.oidc?.route) {
      case 'discovery':
        return changeMetadata(ctx)
      case 'jwks':
        ctx.body = { keys: await publishedKeys() }
        return
      case 'authorization':
      case 'resume':
        return changeRedirect(ctx, incoming)
      case 'token':
        return changeTokens(ctx, incoming)
    }
  }
}
