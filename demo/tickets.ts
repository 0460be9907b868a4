import { Provider } from './engine.ts'
import { isAnswer, resume, whoDecides } from './interaction.ts'
import { cookiesOf, issuerSettings, makeFinish, makeTurns } from './issuer.ts'
import { engineKey, makeKeyRing } from './keys.ts'
import { scopesPage } from './pages.ts'
import type { Part, World } from './part.ts'
import { type Answer, type Incoming, makeEngine } from './wire.ts'

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
    ...issuerSettings(world, MOUNT),
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
    routes: {
      authorization: '/authorize',
      token: '/token',
      userinfo: '/userinfo',
      jwks: '/jwks',
      revocation: '/revoke',
      pushed_authorization_request: '/par',
    },
    scopes,
  })

  const finish = makeFinish(world, {
    system: 'tickets',
    keys: makeKeyRing(),
    clientSecret: ticketsClient.secret,
    iss: () => modes.current.ticketsIss,
  })
  const engine = makeEngine(provider, MOUNT, finish)
  const inTurn = makeTurns()

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

  return async (incoming) => {
    const { pathname } = incoming.url
    if (pathname.startsWith(`${MOUNT}/interaction/`)) return consent(incoming)
    if (pathname === `${MOUNT}/token` || pathname === `${MOUNT}/revoke`) return inTurn(() => engine.answer(incoming))
    if (pathname.startsWith(`${MOUNT}/`)) return engine.answer(incoming)
    return undefined
  }
}
