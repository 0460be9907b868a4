import { noOwnToken } from '../oauth/protocol.ts'
import { type Refusal, UpstreamError } from '../provider.ts'
import type { KeycloakRights } from './rights.ts'

/** What was asked, as far as a refusal may be about it. */
type Asked = KeycloakRights

const listed = (names: string[], one: string, many: string) =>
  `${names.length === 1 ? one : many} ${names.map((name) => `“${name}”`).join(', ')}`
const audienceWords = ({ audience }: Asked) => listed(audience, 'the audience', 'one of the audiences')
const scopeWords = ({ scopes }: Asked) => listed(scopes, 'the scope', 'one of the scopes')

/** Every way in which a realm turns an exchange down, in words (upstreams.md 3.5.2 and 3.5.3). */
const words = {
  exchange_unsupported: () => ({
    means: 'The realm does not exchange tokens.',
    next: 'Keycloak 26.2 and newer do. Ask an admin to run the check of this provider.',
  }),
  exchange_off: () => ({
    means: 'Token exchange is not switched on for the client of this provider.',
    next: 'Ask an admin to run the check of this provider: it shows the command that switches it on.',
  }),
  offline_scope: () => ({
    means: 'A token cannot be exchanged for one with the scope “offline_access”.',
    next: 'Leave that scope out.',
  }),
  audience_foreign: (asked) => ({
    means: `This API does not have ${audienceWords(asked)}.`,
    next: 'Choose an audience of this API. Another API is a project of its own.',
  }),
  audience_unknown: (asked) => ({
    means: `The realm does not know ${audienceWords(asked)}, or it is switched off there.`,
    next: 'An audience is the id of a client in that realm. Ask an admin to compare it.',
  }),
  audience_unavailable: (asked) => ({
    means: `Your account cannot get a token for ${audienceWords(asked)} with these scopes.`,
    next: 'Choose a scope that belongs to that audience, or ask an admin of the realm for a role there.',
  }),
  not_permitted: (asked) => ({
    means: `The realm does not permit this client to exchange its token for ${audienceWords(asked)}.`,
    next: 'The connection’s token must be for the client of this provider, or name it as an audience. Ask an admin of the realm.',
  }),
  scope_refused: (asked) => ({
    means: `The client of this provider cannot have ${scopeWords(asked)}, or you have not consented to it.`,
    next: 'Choose other scopes, ask an admin of the realm to add it to the client, or reconnect to consent.',
  }),
  impersonation_unsupported: () => ({
    means: 'The realm’s token exchange keeps the person: it makes no token about somebody else.',
    next: 'Leave that out. Only the legacy token exchange of Keycloak, a preview feature, can do it.',
  }),
  impersonation_refused: ({ impersonate = '' }) => ({
    means: `The realm does not let its client make tokens about “${impersonate}”. It does not say whether that person exists.`,
    next: 'The service account of the client needs the role “impersonation” of “realm-management”, and the client that role in its scope. Ask an admin of the realm.',
  }),
  delegation_off: () => ({
    means: 'Tokens that name Valetkey as the one who acts are not switched on for this provider.',
    next: 'Keycloak 26.8 and newer can make them. An admin switches it on in the provider’s settings.',
  }),
  delegation_refused: () => ({
    means: 'The realm makes no token that names Valetkey as the one who acts.',
    next: 'It needs Keycloak 26.8 or newer with its feature “token-exchange-delegation”. Reconnect, so that you allow it there.',
  }),
  no_service_account: () => ({
    means: 'The client of this provider has no service account, so it cannot be named as the one who acts.',
    next: 'Ask an admin to run the check of this provider: it shows the command that switches it on.',
  }),
  client_not_allowed: () => ({
    means: 'The realm does not allow token exchange to the client of this provider.',
    next: 'It must be a confidential client with token exchange switched on. Ask an admin to run the check of this provider.',
  }),
} as const satisfies Record<string, (asked: Asked) => Omit<Refusal, 'reason'>>
export type Reason = keyof typeof words

export const refusalOf = (reason: Reason, asked: Asked): Refusal => ({ reason, ...words[reason](asked) })

export const refused = (reason: Reason, asked: Asked, error?: UpstreamError): UpstreamError =>
  new UpstreamError('rejected', 'the exchange was turned down', {
    ...error,
    refusal: refusalOf(reason, asked),
    cause: error,
  })

/**
 * Why an exchange was turned down, by status, the `error` code, and what was sent (K-29): never by the text that came with
 * it. `unclear`: the code is one that Keycloak uses for several things. Undefined: not the exchange's fault at all.
 */
export function reasonOf({ status, code }: UpstreamError, asked: Asked): Reason | 'unclear' | undefined {
  switch (code) {
    case noOwnToken:
      return 'no_service_account'
    case 'unsupported_grant_type':
      return 'exchange_unsupported'
    // 401 is about our secret; 400 about the client that is named as the audience.
    case 'invalid_client':
      return status === 400 ? 'audience_unknown' : undefined
    case 'unauthorized_client':
      return status === 401 ? undefined : 'client_not_allowed'
    case 'invalid_scope':
      return 'scope_refused'
    case 'invalid_target':
      return 'audience_unavailable'
    case 'access_denied':
      return asked.impersonate === undefined ? 'not_permitted' : 'impersonation_refused'
    case 'invalid_request':
      if (asked.impersonate !== undefined) return 'impersonation_unsupported'
      return asked.delegate ? 'delegation_refused' : 'unclear'
    default:
      return undefined
  }
}
