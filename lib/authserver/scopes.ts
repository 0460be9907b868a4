import { type GrantScope, gatewayScope, grantScopes } from '../actor.ts'
import { BrokerError } from '../errors.ts'
import type { ClientRow } from '../store/programs.ts'

const isScope = (text: string): text is GrantScope => (grantScopes as readonly string[]).includes(text)

/**
 * The scopes that a `scope` parameter names (RFC 6749 3.3), in the order of our list.
 * @throws BrokerError invalid_scope for one that we do not have
 */
export function readScopes(given: string): GrantScope[] {
  const named = new Set(given.split(' ').filter(Boolean))
  const unknown = [...named].find((one) => !isScope(one))
  if (unknown !== undefined)
    throw new BrokerError('invalid_scope', { detail: 'One of these scopes does not exist here.' })
  return grantScopes.filter((one) => named.has(one))
}

/**
 * What a client asks a person for; left out: everything that it is registered for and that makes sense at the resource.
 * `tenant:manage` never goes to a device: who reads a code out to a stranger gives away no more than their own (RFC 8628 5.4).
 * @throws BrokerError invalid_scope
 */
export function scopesAsked(
  client: Pick<ClientRow, 'scopes'>,
  given: string | undefined,
  { via, isGateway }: { via: 'device' | 'code'; isGateway: boolean },
): GrantScope[] {
  const allowed = client.scopes.filter(
    (one) => (one === gatewayScope) === isGateway && (via === 'code' || one !== 'tenant:manage'),
  )
  const asked = given === undefined ? allowed : readScopes(given)
  const beyond = asked.filter((one) => !allowed.includes(one))
  if (beyond.length > 0)
    throw new BrokerError('invalid_scope', {
      detail: `This client may not ask for ${beyond.join(', ')} ${isGateway ? 'at a gateway' : 'in this way'}.`,
    })
  if (asked.length === 0) throw new BrokerError('invalid_scope', { detail: 'No scope was asked for.' })
  return asked
}
