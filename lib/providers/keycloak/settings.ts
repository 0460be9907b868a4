import { z } from 'zod'
import type { ChangeableSetting } from '../kind.ts'
import { changeable as changeableThere, OauthSettings } from '../oauth/settings.ts'

/** Of a row of kind `keycloak`: a realm is an OAuth server that exchanges tokens. */
export const KeycloakSettings = OauthSettings.extend({
  /** Clients of the realm that tokens may be for, beside those that the bases name. */
  audiences: z.array(z.strictObject({ name: z.string(), text: z.string() })).default([]),
  /** The realm exchanges tokens, as its metadata said or an admin says. */
  exchange: z.boolean().default(true),
  /** It makes tokens that name an actor, as an admin says: nothing that it publishes tells. */
  delegation: z.boolean().default(false),
})
export type KeycloakSettings = z.infer<typeof KeycloakSettings>

export const changeable: readonly ChangeableSetting[] = [
  ...changeableThere,
  {
    is: 'switch',
    name: 'exchange',
    label: 'The realm exchanges tokens',
    hint: 'Keycloak 26.2 and newer do, where it is switched on for the client. The check of the provider shows how.',
    byDefault: true,
  },
  {
    is: 'switch',
    name: 'delegation',
    label: 'Tokens may name Valetkey as the one who acts',
    hint: 'Needs Keycloak 26.8 or newer, and a service account of the client.',
    byDefault: false,
  },
]

/**
 * Clients that a token of an API may be for: its own, and those that belong to no other API. What another API's project
 * forbids cannot be had through this one.
 */
export function audiencesOf({ bases, audiences }: Pick<KeycloakSettings, 'bases' | 'audiences'>, project: string) {
  const own = bases.flatMap(({ url, name, audience }) =>
    url === project && audience !== undefined ? [{ name: audience, text: name }] : [],
  )
  const taken = new Set(bases.map(({ audience }) => audience))
  return [...own, ...audiences.filter(({ name }) => !taken.has(name))]
}

/** Base URL and name of a realm, as Keycloak's own tools want them. */
export function realmAt(issuer: string): { server: string; realm: string } {
  const [, server = '', realm = ''] = /^(.*)\/realms\/([^/]+)\/?$/.exec(issuer) ?? []
  return { server, realm: decodeURIComponent(realm) }
}

/** What a person allows at the link so that tokens about them may name our client as the one who acts (Keycloak 26.8). */
export const delegationScope = (clientId: string) => `delegation:client:${clientId}`
