import { InvalidTarget, Provider } from './engine.ts'
import { isAnswer, resume, whoDecides } from './interaction.ts'
import { cookiesOf, issuerSettings, makeFinish, makeTurns } from './issuer.ts'
import { engineKey, makeKeyRing } from './keys.ts'
import { scopesPage } from './pages.ts'
import type { Part, World } from './part.ts'
import { type Answer, type Incoming, json, makeEngine } from './wire.ts'

export const MOUNT = '/notes'
/** The MCP endpoint: the resource of all tokens of this issuer (RFC 8707). */
export const MCP = `${MOUNT}/mcp`

/** What each scope lets a client do, in the words of the consent page. */
const SCOPES = {
  offline_access: 'Go on while you are away, until you end it',
  'notes:read': 'Read and search your notes',
  'notes:write': 'Add notes and write them anew',
  'notes:delete': 'Delete notes',
}
export const NOTE_SCOPES = Object.keys(SCOPES).filter((name) => name.startsWith('notes:'))
/** What its metadata asks for; deleting is asked for when somebody does it. */
export const FIRST_SCOPES = NOTE_SCOPES.slice(0, 2)

/**
 * The authorization server of the notes' MCP server, `{url}/notes`: clients register themselves (RFC 7591), or are known; PKCE, resource
 * indicators and rotation are obligatory, as MCP has it.
 */
export async function makeNotes(world: World): Promise<Part> {
  const { url, store, modes, notesClient } = world
  // Those of the notes belong to their resource; a token without one has none of them.
  const scopes = ['offline_access']
  const resource = url + MCP
  const provider = new Provider(url + MOUNT, {
    ...issuerSettings(world, MOUNT),
    adapter: store.adapter('notes'),
    clients: notesClient
      ? [
          {
            client_id: notesClient.id,
            client_secret: notesClient.secret,
            redirect_uris: notesClient.redirectUris,
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'client_secret_basic',
          },
        ]
      : [],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [await engineKey()] },
    cookies: cookiesOf('notes'),
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        useGrantedResource: () => false,
        getResourceServerInfo(_ctx, asked) {
          if (asked !== resource) throw new InvalidTarget()
          return {
            scope: NOTE_SCOPES.join(' '),
            audience: resource,
            accessTokenTTL: modes.current.accessTokenSeconds,
            accessTokenFormat: 'opaque',
          }
        },
      },
    },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    routes: {
      authorization: '/authorize',
      token: '/token',
      jwks: '/jwks',
      revocation: '/revoke',
      registration: '/register',
    },
    scopes,
  })

  const finish = makeFinish(world, {
    system: 'notes',
    keys: makeKeyRing(),
    clientSecret: notesClient?.secret ?? '',
    iss: () => modes.current.notesIss,
  })
  const engine = makeEngine(provider, MOUNT, finish)
  const inTurn = makeTurns()

  async function consent(incoming: Incoming): Promise<Answer> {
    const decided = await whoDecides(world, { system: 'notes', provider, engine }, incoming)
    if (isAnswer(decided)) return decided
    const { interaction, account, client } = decided
    const asked = String(interaction.params.scope ?? '').split(' ')
    if (incoming.method !== 'POST') {
      const known = Object.entries(SCOPES).filter(([name]) => asked.includes(name))
      const list = known.map(([name, text]) => ({ name, text }))
      return scopesPage({ system: 'notes', things: 'notes', client, account, scopes: list })
    }
    const grant = new provider.Grant({ accountId: account.sub, clientId: String(interaction.params.client_id) })
    grant.addOIDCScope(asked.filter((name) => scopes.includes(name)).join(' '))
    grant.addResourceScope(resource, asked.filter((name) => NOTE_SCOPES.includes(name)).join(' '))
    return (await resume(provider, engine, incoming, { consent: { grantId: await grant.save() } })).answer
  }

  const discovery = { path: '/.well-known/openid-configuration' }
  return async (incoming) => {
    const { pathname } = incoming.url
    // RFC 8414 3.1: before the path of the issuer.
    if (pathname === `/.well-known/oauth-authorization-server${MOUNT}`) return engine.answer(incoming, discovery)
    if (pathname === `/.well-known/oauth-protected-resource${MCP}`)
      return json(200, { resource, authorization_servers: [url + MOUNT], scopes_supported: FIRST_SCOPES })
    if (pathname === MCP || !pathname.startsWith(`${MOUNT}/`)) return undefined
    if (pathname.startsWith(`${MOUNT}/interaction/`)) return consent(incoming)
    if (pathname === `${MOUNT}/token` || pathname === `${MOUNT}/revoke`) return inTurn(() => engine.answer(incoming))
    return engine.answer(incoming)
  }
}
