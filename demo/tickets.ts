import { Provider } from './engine.ts'
import { isAnswer, resume, whoDecides } from './interaction.ts'
import { basePolicy, CODE_SECONDS, cookiesOf, HOUR_SECONDS, makeFinish } from './issuer.ts'
import { engineKey, makeKeyRing } from './keys.ts'
import { errorPage, scopesPage } from './pages.ts'
import { isInGrace, type Part, type World } from './part.ts'
import { type Answer, type Incoming, makeEngine } from './wire.ts'
import { accountBySub } from './world.ts'

export const MOUNT = '/tickets'

/** What each scope lets a client do, in the words of the consent page. */
const SCOPES = {
  openid: 'Know who you are',
  offline_access: 'Go on while you are away, until you end it',
  'tickets:read': 'Read the tickets of your organisation',
  'tickets:write': 'Write new tickets and change existing ones',
  'tickets:delete': 'Delete tickets',
}
export type TicketScope = Extract<keyof typeof SCOPES, `tickets:${string}`>

/**
 * The ticket service's own issuer, `{url}/tickets`: OpenID Connect as a strict server of today speaks it. oidc-provider
 * answers for nearly all of it; the exceptions say why.
 */
export async function makeTickets(world: World): Promise<Part> {
  const { url, store, modes, ticketsClient } = world
  const scopes = Object.keys(SCOPES)
  const provider = new Provider(url + MOUNT, {
    adapter: store.adapter('tickets'),
    clients: [
      {
        client_id: ticketsClient.id,
        client_secret: ticketsClient.secret,
        redirect_uris: ticketsClient.redirectUris,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    clientAuthMethods: ['client_secret_basic'],
    jwks: { keys: [await engineKey()] },
    cookies: cookiesOf('tickets'),
    claims: { openid: ['sub'] },
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: true },
      revocation: {
        enabled: true,
        async allowedPolicy(_ctx, client, token) {
          if (token.clientId !== client.clientId) return false
          if (token.kind !== 'AccessToken') return true
          // The engine would end the refresh token with it. RFC 7009 2.1 leaves that open; here the grant stays.
          await token.destroy()
          return false
        },
      },
    },
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
      url: (_ctx, interaction) => `${MOUNT}/interaction/${interaction.uid}`,
    },
    // Every approval is a grant of its own.
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
    routes: {
      authorization: '/authorize',
      token: '/token',
      userinfo: '/userinfo',
      jwks: '/jwks',
      revocation: '/revoke',
      pushed_authorization_request: '/par',
    },
    scopes,
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
  })

  const finish = makeFinish(world, {
    system: 'tickets',
    keys: makeKeyRing(),
    clientSecret: ticketsClient.secret,
    iss: () => modes.current.ticketsIss,
  })
  const engine = makeEngine(provider, MOUNT, finish)

  async function consent(incoming: Incoming): Promise<Answer> {
    const decided = await whoDecides(world, { system: 'tickets', provider, engine }, incoming)
    if (isAnswer(decided)) return decided
    const { interaction, account, client } = decided
    const asked = String(interaction.params.scope ?? '').split(' ')
    if (incoming.method !== 'POST') {
      const known = Object.entries(SCOPES).filter(([name]) => asked.includes(name))
      return scopesPage({ client, account, scopes: known.map(([name, text]) => ({ name, text })) })
    }
    const grant = new provider.Grant({ accountId: account.sub, clientId: String(interaction.params.client_id) })
    grant.addOIDCScope(asked.filter((name) => scopes.includes(name)).join(' '))
    return (await resume(provider, engine, incoming, { consent: { grantId: await grant.save() } })).answer
  }

  let turn: Promise<unknown> = Promise.resolve()
  /** The engine looks whether a token is spent or revoked, and acts later: only one after the other is it spent once. */
  function inTurn(work: () => Promise<Answer>): Promise<Answer> {
    const answered = turn.then(work)
    turn = answered.catch(() => {})
    return answered
  }

  return async (incoming) => {
    const { pathname } = incoming.url
    if (pathname.startsWith(`${MOUNT}/interaction/`)) return consent(incoming)
    if (pathname === `${MOUNT}/token` || pathname === `${MOUNT}/revoke`) return inTurn(() => engine.answer(incoming))
    if (pathname.startsWith(`${MOUNT}/`)) return engine.answer(incoming)
    return undefined
  }
}
