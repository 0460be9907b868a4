import { randomBytes } from 'node:crypto'
import { decodeJwt, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { base, Check, Prompt, Provider } from './engine.ts'
import { findInteraction, isAnswer, resume, resumeSignedIn } from './interaction.ts'
import { engineKey, sign } from './keys.ts'
import { errorPage, signInPage } from './pages.ts'
import { expiresInField, note, type Part, type World, withoutFields } from './part.ts'
import { type Answer, field, type Incoming, makeEngine } from './wire.ts'
import { ACCOUNTS, accountByEmail, accountBySub } from './world.ts'

const MOUNT = '/idp'
const CODE_SECONDS = 60
const HOUR_SECONDS = 3600
const WRONG_ISSUER = 'https://somebody-else.example'

/** The identity provider people sign in with: OpenID Connect, issuer `{url}/idp`. */
export async function makeIdentityProvider(world: World): Promise<Part> {
  const { url, clock, store, modes, signinClient } = world
  const issuer = url + MOUNT
  const accessTokenSeconds = () => modes.current.accessTokenSeconds
  const provider = new Provider(issuer, {
    adapter: store.adapter('idp'),
    clients: [
      {
        client_id: signinClient.id,
        client_secret: signinClient.secret,
        redirect_uris: signinClient.redirectUris,
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        require_auth_time: true,
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [await engineKey()] },
    cookies: {
      keys: [randomBytes(32).toString('base64url')],
      names: { session: 'demo_idp_session', interaction: 'demo_idp_interaction', resume: 'demo_idp_resume' },
      long: { httpOnly: true, sameSite: 'lax', signed: true },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
    },
    responseTypes: ['code'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    findAccount: (_ctx, sub) => {
      const account = accountBySub(sub)
      if (!account) return undefined
      return {
        accountId: sub,
        claims: () => ({ sub, email: account.email, email_verified: true, name: account.name }),
      }
    },
    interactions: {
      policy: signInPolicy(world),
      url: (_ctx, interaction) => `${MOUNT}/interaction/${interaction.uid}`,
    },
    // Signing in to the product needs no consent page: the grant is made on the way.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        accountId: ctx.oidc.session?.accountId,
        clientId: ctx.oidc.client?.clientId,
      })
      grant.addOIDCScope('openid email profile')
      await grant.save()
      return grant
    },
    pkce: { required: () => true },
    renderError(ctx, out) {
      ctx.type = 'html'
      ctx.body = errorPage(400, 'This sign-in cannot continue', out.error_description ?? out.error).body
    },
    routes: { authorization: '/authorize', token: '/token', userinfo: '/userinfo', jwks: '/jwks' },
    scopes: ['openid', 'email', 'profile'],
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: CODE_SECONDS,
      Grant: HOUR_SECONDS,
      IdToken: HOUR_SECONDS,
      Interaction: HOUR_SECONDS,
      Session: 24 * HOUR_SECONDS,
    },
  })

  const engine = makeEngine(provider, MOUNT, async (ctx, incoming) => {
    if (ctx.oidc?.route === 'discovery') changeMetadata(ctx)
    if (ctx.oidc?.route === 'jwks') ctx.body = { keys: await publishedKeys() }
    if (ctx.oidc?.route === 'authorization' || ctx.oidc?.route === 'resume') changeRedirect(ctx, incoming)
    if (ctx.oidc?.route === 'token') await changeTokens(ctx, incoming)
  })

  function changeMetadata(ctx: KoaContextWithOIDC) {
    const { metadataIssuer, iss } = modes.current
    ctx.body = {
      ...(ctx.body as Record<string, unknown>),
      ...(metadataIssuer !== null && { issuer: metadataIssuer }),
      authorization_response_iss_parameter_supported: iss !== 'off',
      id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    }
  }

  async function publishedKeys() {
    const number = modes.current.signingKey
    const current = await Promise.all([world.keys.key('RS256', number), world.keys.key('ES256', number)])
    return current.map((key) => key.publicJwk)
  }

  function changeRedirect(ctx: KoaContextWithOIDC, incoming: Incoming) {
    const account = accountBySub(ctx.oidc.session?.accountId)
    note(incoming, { account: account?.email, client: ctx.oidc.client?.clientId })
    const location = ctx.response.get('location')
    if (!URL.canParse(location)) return
    const target = new URL(location)
    if (!target.searchParams.has('code') && !target.searchParams.has('error')) return
    const { iss } = modes.current
    if (iss === 'off') target.searchParams.delete('iss')
    if (iss === 'wrong') target.searchParams.set('iss', WRONG_ISSUER)
    ctx.set('location', target.href)
    const code = target.searchParams.get('code')
    if (!code || !account) return
    const expiresAt = clock.now() + CODE_SECONDS * 1000
    const client = ctx.oidc.client?.clientId
    world.ledger.issue(code, store.addToken(code, { kind: 'code', system: 'idp', sub: account.sub, client, expiresAt }))
  }

  async function changeTokens(ctx: KoaContextWithOIDC, incoming: Incoming) {
    const body = ctx.body as Record<string, unknown>
    const sub = ctx.oidc.entities.Account?.accountId
    const client = ctx.oidc.client?.clientId
    note(incoming, { account: accountBySub(sub)?.email, client })
    if (ctx.status !== 200 || !sub) return
    const idToken = typeof body.id_token === 'string' ? await faultyIdToken(decodeJwt(body.id_token)) : undefined
    const { expires_in: seconds, id_token: _, ...rest } = body
    const issued = { access: rest.access_token, id: idToken }
    for (const kind of ['access', 'id'] as const) {
      const value = issued[kind]
      if (typeof value !== 'string') continue
      const expiresAt = clock.now() + Number(seconds) * 1000
      world.ledger.issue(value, store.addToken(value, { kind, system: 'idp', sub, client, expiresAt }))
    }
    ctx.body = withoutFields(world, {
      ...rest,
      ...expiresInField(world, Number(seconds)),
      ...(idToken !== undefined && { id_token: idToken }),
    })
  }

  /** Signs the ID token's claims again, on the demo's clock and with whatever the modes say is wrong with it. */
  async function faultyIdToken(claims: JWTPayload): Promise<string | undefined> {
    const now = clock.seconds()
    const lifetime = Number(claims.exp) - Number(claims.iat)
    const current = { ...claims, iat: now, exp: now + lifetime }
    const { idToken: fault, idTokenAlg, signingKey } = modes.current
    const key = await world.keys.key(idTokenAlg, signingKey)
    switch (fault) {
      case null:
        return sign(current, key)
      case 'missing':
        return undefined
      case 'wrong-key':
        return sign(current, await world.keys.key(idTokenAlg, signingKey + 1_000_000), key.kid)
      case 'alg-none':
        return new UnsecuredJWT(current).encode()
      case 'hs256':
        return new SignJWT(current)
          .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
          .sign(new TextEncoder().encode(signinClient.secret.padEnd(32, '\0')))
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

  async function interact(incoming: Incoming): Promise<Answer> {
    const interaction = await findInteraction(provider, engine, incoming)
    if (isAnswer(interaction)) return interaction
    const current = accountBySub(interaction.session?.accountId)
    const again = interaction.prompt.name === 'login'
    note(incoming, { account: current?.email, client: String(interaction.params.client_id) })
    if (incoming.method !== 'POST') {
      const client = 'Valetkey'
      return signInPage({ system: 'idp', client, accounts: ACCOUNTS, current, again, refusal: 'Do not sign in' })
    }
    if (field(incoming, 'deny')) {
      const refusal = { error: 'access_denied', error_description: 'The person did not sign in.' }
      return (await resume(provider, engine, incoming, refusal)).answer
    }
    const account = accountByEmail(field(incoming, 'account'))
    if (!account) return errorPage(400, 'No such account', 'Go back and pick one from the list.')
    note(incoming, { account: account.email })
    const more = { select_account: {} }
    const resumed =
      account === current && !again
        ? await resume(provider, engine, incoming, more)
        : await resumeSignedIn(provider, engine, incoming, interaction, account, { clock, more })
    return resumed.answer
  }

  return async (incoming) => {
    const { pathname } = incoming.url
    if (pathname.startsWith(`${MOUNT}/interaction/`)) return interact(incoming)
    if (pathname.startsWith(`${MOUNT}/`)) return engine.answer(incoming)
    return undefined
  }
}

/** oidc-provider's own checks, with the age of a session told by the demo's clock, and the account always asked for. */
function signInPolicy({ clock }: World) {
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
  policy.remove('consent')
  policy.add(
    new Prompt(
      { name: 'select_account', requestable: true },
      new Check('account_not_chosen', 'an account has to be picked', ({ oidc }) =>
        oidc.prompts.has('none') || oidc.result?.select_account ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
      ),
    ),
  )
  return policy
}
