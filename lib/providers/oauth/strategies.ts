import type { StrategyOffer } from '../kind.ts'
import type { Facts, OauthSettings } from './settings.ts'

/** How limited tokens can be made there, and why not otherwise. */
export function offers(
  { senderConstrained }: Pick<OauthSettings, 'senderConstrained'>,
  { narrowing, tokens }: Pick<Facts, 'narrowing' | 'tokens'>,
): StrategyOffer[] {
  const [offered, reason] = ((): [boolean, string] => {
    if (senderConstrained)
      return [false, 'Its tokens are bound to a key of the connection, so nobody else can use them.']
    if (tokens.refresh === 'none') return [false, 'It has no refresh tokens, so it cannot make a smaller one.']
    if (!narrowing.offered && narrowing.full_scope_remains === null)
      return [false, 'It is not known whether a refresh makes tokens with fewer scopes than the connection has.']
    if (!narrowing.offered) return [false, 'It does not make tokens with fewer scopes than the connection has.']
    if (narrowing.full_scope_remains === false)
      return [false, 'A smaller token would take the other scopes from the connection for good.']
    if (narrowing.full_scope_remains === null)
      return [false, 'It is not known whether the connection keeps its scopes when a smaller token is made.']
    return [true, 'A refresh with fewer scopes makes a smaller token (RFC 6749, section 6).']
  })()
  return [
    { strategy: 'mint', offered: false, reason: 'It has no API that creates tokens.' },
    { strategy: 'exchange', offered: false, reason: 'Token exchange (RFC 8693) is offered for Keycloak alone.' },
    { strategy: 'narrow', offered, reason },
    {
      strategy: 'proxy',
      offered: true,
      reason: 'Requests go through Valetkey, which lets pass what the token allows.',
    },
    { strategy: 'sign', offered: false, reason: 'It accepts only its own tokens.' },
  ]
}
