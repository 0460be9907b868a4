import { z } from 'zod'
import { type Prepared, SetupError } from '../kind.ts'
import { OauthSetup, prepare as prepareServer } from '../oauth/setup.ts'
import type { ProviderDeps } from '../provider.ts'
import { audienceName } from './rights.ts'
import { KeycloakSettings } from './settings.ts'

const { issuer, scopes, certificates, internal_origin, sender_constrained, methods_carry_meaning } = OauthSetup.shape

/** What an admin enters for a realm. */
export const KeycloakSetup = z.strictObject({
  /** Of the realm, such as https://login.example.com/realms/acme; older ones have /auth before it. */
  issuer: issuer.unwrap(),
  /** A public client may exchange nothing (security X-06). */
  client_authentication: z.enum(['basic', 'post', 'private_key_jwt']).optional(),
  /** Beside `openid`, and `offline_access` unless that is declined. */
  scopes,
  /** Connections last beyond the person's session there. Left out: they do. */
  offline: z.boolean().optional(),
  api_bases: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(80),
        url: issuer.unwrap(),
        /** The client of the realm that stands for this API. */
        audience: audienceName.optional(),
      }),
    )
    .min(1)
    .max(20),
  /** Clients that tokens may be for, beside those of the APIs. */
  audiences: z
    .array(z.strictObject({ name: audienceName, text: z.string().min(1).max(200) }))
    .max(50)
    .optional(),
  methods_carry_meaning,
  certificates,
  internal_origin,
  sender_constrained,
  delegation: z.boolean().optional(),
})
export type KeycloakSetup = z.infer<typeof KeycloakSetup>

/** Fixes what a new row stands on. @throws SetupError */
export async function prepare(input: KeycloakSetup, deps: ProviderDeps): Promise<Prepared> {
  const { offline = true, audiences = [], delegation, scopes = [], ...rest } = input
  const always = offline ? ['openid', 'offline_access'] : ['openid']
  const asked = scopes.filter((scope) => typeof scope !== 'string' || !always.includes(scope))
  const { settings, ...prepared } = await prepareServer(
    { ...rest, issuer: realmAddress(input.issuer), scopes: [...always, ...asked] },
    deps,
  )
  const { server } = KeycloakSettings.parse(settings)
  // Where it does not say what it offers, an issue tells.
  const exchange = server.grant_types_supported?.includes(exchangeGrant) ?? true
  return { ...prepared, settings: { ...settings, audiences, exchange, ...(delegation && { delegation }) } }
}

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** The issuer of a realm, of whichever of its pages the address was copied from. @throws SetupError */
function realmAddress(text: string): string {
  const url = new URL(text)
  const [, path] = /^((?:\/[^/]+)*?\/realms\/[^/]+)(?:\/|$)/.exec(url.pathname) ?? []
  if (path) return url.origin + path
  throw new SetupError({ issuer: 'Enter the address of the realm, such as https://login.example.com/realms/acme.' })
}
