import type { Kind, StrategyOffer } from '../kind.ts'
import { fromSecret } from '../oauth/credential.ts'
import { issuable, oauthServer, reaching, speak, standingOf } from '../oauth/index.ts'
import { factsOf } from '../oauth/settings.ts'
import { found } from '../oauth/setup.ts'
import type { Provider, ProviderDeps, ProviderSettings } from '../provider.ts'
import { checkRealm } from './check.ts'
import { end, exchange } from './exchange.ts'
import { facts } from './facts.ts'
import { describe, KeycloakRights, missing, narrows, summary } from './rights.ts'
import { audiencesOf, changeable, delegationScope, KeycloakSettings } from './settings.ts'
import { KeycloakSetup, prepare } from './setup.ts'

/** What a realm has no use for: a smaller token by a refresh says nothing of the audience. */
const { probe: _, oneAtATime: __, upgrade: ___, ...server } = oauthServer

/** A Keycloak realm: an OAuth server that exchanges tokens. */
export const keycloak: Kind<KeycloakSettings, KeycloakRights> = {
  ...server,
  name: 'keycloak',
  title: 'Keycloak realm',
  issuer: { hint: 'The address of the realm.', placeholder: 'https://login.example.com/realms/acme' },
  settings: KeycloakSettings,
  changeable,
  setup: {
    schema: KeycloakSetup,
    prepare: (input, deps) => prepare(KeycloakSetup.parse(input), deps),
    found: ({ audiences: _, exchange: __, delegation: ___, ...settings }) => found(settings),
  },
  rights: KeycloakRights,
  describe,
  summary,
  impersonates: ({ impersonate }) => impersonate,
  narrows,
  missing,
  strategies,
  facts,
  decidesLife: true,
  endsTokens: ({ server }) => server.revocation_endpoint !== undefined,
  open,
}

function strategies(settings: KeycloakSettings): StrategyOffer[] {
  const { senderConstrained, authentication, exchange, delegation } = settings
  const exchanged = ((): Pick<StrategyOffer, 'offered' | 'reason'> => {
    if (senderConstrained)
      return { offered: false, reason: 'Its tokens are bound to a key of the connection, so nobody else can use them.' }
    if (authentication === 'none') return { offered: false, reason: 'A public client may exchange nothing.' }
    if (!exchange) return { offered: false, reason: 'The realm does not exchange tokens; Keycloak 26.2 and newer can.' }
    if (settings.bases.every(({ url }) => audiencesOf(settings, url).length === 0))
      return { offered: false, reason: 'No audience is known that a token could be for.' }
    const actor = delegation ? '' : ' It cannot name Valetkey as the one who acts: that needs Keycloak 26.8 or newer.'
    return { offered: true, reason: `The realm makes a smaller token, about the same person (RFC 8693).${actor}` }
  })()
  return server.strategies(settings).map((offer) => {
    if (offer.strategy === 'exchange') return { ...offer, ...exchanged }
    if (offer.strategy === 'narrow')
      return { ...offer, offered: false, reason: 'An exchange says what the token is for; a refresh does not.' }
    return offer
  })
}

function open(given: ProviderSettings<KeycloakSettings>, deps: ProviderDeps): Provider<KeycloakRights> {
  const { settings } = given
  const actor = settings.delegation ? [delegationScope(given.clientId)] : []
  const row = { ...given, settings: { ...settings, scopes: [...settings.scopes, ...actor] } }
  const known = factsOf(settings)
  const { narrow: _, ...verbs } = server.open(row, deps)
  const protocol = speak(row, known, deps)
  const stands = verbs.stands ?? (async () => undefined)
  const realm = { row, protocol, stands, deps: reaching(settings, deps) }
  return {
    ...verbs,
    issue: (input) => exchange(realm, input),
    standing: async (target) =>
      target.kind === 'token'
        ? standingOf(
            { protocol, stands, introspects: settings.server.introspection_endpoint !== undefined },
            { access: fromSecret(target.handle).access },
          )
        : ((await verbs.standing?.(target)) ?? 'untold'),
    revoke: (target) => (target.kind === 'token' ? end(protocol, target.handle) : verbs.revoke(target)),
    check: async ({ redirectUri }) =>
      checkRealm({ row, deps, redirectUri, seen: await verbs.check?.({ redirectUri }) }),
    async choices({ granted, project, impersonates }) {
      const asked = new Set(settings.scopes)
      const all = [...new Set([...settings.scopes, ...granted])].filter((name) => !name.startsWith('delegation:'))
      const held = issuable({ ...settings, scopes: all }, known, granted)
      const texts = new Map(known.scopes.known.map((scope) => [scope.name, scope]))
      const scopes = held.map((name) => {
        const { text, risk } = texts.get(name) ?? {}
        // What nobody asked for and everybody gets is a default scope of the client: every token has it.
        return { name, text: text ?? null, risk: risk ?? 'medium', always: !asked.has(name) }
      })
      return {
        scopes,
        audiences: audiencesOf(settings, project),
        delegation: settings.delegation,
        impersonates,
        revocable: settings.server.revocation_endpoint !== undefined,
      }
    },
  }
}
