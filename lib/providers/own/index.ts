import { type Environment, envSample } from '../environment.ts'
import { type Kind, shellQuoted } from '../kind.ts'
import { describe, missing, narrows, OauthRights, summary } from '../oauth/rights.ts'
import { UpstreamError } from '../provider.ts'
import { Audience, OwnSettings } from './settings.ts'

/** There is no upstream: nobody links it, and what would speak to it says so. */
const noUpstream = async (): Promise<never> => {
  throw new UpstreamError('misconfigured', 'the tenant’s own APIs have no upstream')
}

/** An audience need not be an address: then who uses the token knows one. */
const addressOf = (audience: string) => (/^https?:/.test(audience) ? shellQuoted(audience) : '"$API_URL"')

/** An audience is no address that a program could be sent to. */
const environment: Environment = { token: ['API_TOKEN'], values: {} }

/** The tenant's own resource servers. Their tokens are made and vouched for by us alone (docs/own-apis.md). */
export const ownApis: Kind<OwnSettings, OauthRights> = {
  name: 'own',
  title: 'set of own APIs',
  issuer: { hint: 'The issuer of your tenant.', placeholder: '' },
  settings: OwnSettings,
  changeable: [],
  rights: OauthRights,
  describe: (rights, settings) => describe(rights, settings?.scopes),
  summary,
  narrows,
  missing,
  strategies: ({ offline }) => [
    {
      strategy: 'sign',
      offered: true,
      reason: offline
        ? 'Valetkey signs the token. The API verifies it by itself, without asking.'
        : 'Valetkey makes the token and keeps it. The API asks Valetkey about it.',
    },
  ],
  tokenType: 'Bearer',
  authenticatesBy: () => 'nothing',
  own: {
    audience: Audience,
    most: ({ scopes }) => ({ scopes: scopes.map(({ name }) => name) }),
    offline: ({ offline }) => offline,
    scope: ({ scopes }) => scopes.join(' '),
    choices: ({ scopes, offline }) => ({ scopes, offline }),
  },
  samples: ({ baseUrl }, token) => [
    {
      id: 'curl',
      label: 'curl',
      code: [`curl --header @- ${addressOf(baseUrl)} <<'END'`, `Authorization: Bearer ${token}`, 'END'].join('\n'),
    },
    envSample(environment, token),
  ],
  environment: () => environment,
  baseUrl: ({ externalId }) => externalId,
  refreshGraceSeconds: () => 0,
  revokesGrants: false,
  endsTokens: ({ offline }) => !offline,
  findsOrphans: true,
  open: () => ({
    authorizationUrl: noUpstream,
    exchangeCode: noUpstream,
    refresh: noUpstream,
    issue: noUpstream,
    revoke: noUpstream,
  }),
}
