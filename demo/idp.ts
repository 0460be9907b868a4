import { Check, Prompt, Provider } from './engine.ts'
import { findInteraction, isAnswer, resume, resumeSignedIn } from './interaction.ts'
import { basePolicy, CODE_SECONDS, cookiesOf, HOUR_SECONDS, makeFinish } from './issuer.ts'
import { engineKey } from './keys.ts'
import { errorPage, signInPage, signOutPage } from './pages.ts'
import { note, type Part, type World } from './part.ts'
import { type Answer, field, type Incoming, makeEngine } from './wire.ts'
import { ACCOUNTS, accountByEmail, accountBySub } from './world.ts'

const MOUNT = '/idp'

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
        post_logout_redirect_uris: signinClient.redirectUris.map((uri) => new URL('/signin', uri).href),
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        require_auth_time: true,
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [await engineKey()] },
    cookies: cookiesOf('idp'),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) {
          ctx.type = 'html'
          ctx.body = signOutPage({ client: 'Valetkey', form }).body
        },
      },
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

  const finish = makeFinish(world, {
    system: 'idp',
    keys: world.keys,
    clientSecret: signinClient.secret,
    iss: () => modes.current.iss,
    metadataIssuer: () => modes.current.metadataIssuer,
  })
  const engine = makeEngine(provider, MOUNT, finish)

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

/** The account is always asked for, consent never. */
function signInPolicy(world: World) {
  const policy = basePolicy(world)
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
