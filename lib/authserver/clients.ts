import type { GrantScope } from '../actor.ts'
import { readGatewayUrl } from '../broker/proxy-url.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { admittedClient, type ClientRow, type Presented, resourceOfRequest } from '../store/programs.ts'
import { scopesAsked } from './scopes.ts'

export type GrantType = 'authorization_code' | 'device_code' | 'refresh_token' | 'token_exchange'

/** The client that a program has proved to be. @throws BrokerError invalid_client; unauthorized_client without `grantType` */
export async function requireClient(ctx: Context, presented: Presented, grantType: GrantType): Promise<ClientRow> {
  const client = await admittedClient(ctx, presented)
  if (!client) throw new BrokerError('invalid_client')
  if (!client.grantTypes.includes(grantType)) throw new BrokerError('unauthorized_client')
  return client
}

/**
 * What a grant is to be for (RFC 8707): our own API, or the gateway of one MCP server; one of them, never several. The tenants'
 * own audiences have tokens of strategy `sign`. Whether the gateway's project is there is told to its person alone.
 * @throws BrokerError invalid_target
 */
export function resourceAsked({ config }: Pick<Context, 'config'>, given: string | undefined): string {
  if (given === undefined || given === config.origin || given === `${config.origin}/`) return config.origin
  if (readGatewayUrl(config, given)) return given
  throw new BrokerError('invalid_target')
}

/** The same with what may be asked for there. @throws BrokerError invalid_target, invalid_scope */
export function askedFor(
  ctx: Pick<Context, 'config'>,
  client: ClientRow,
  asked: { scope: string | undefined; resource: string | undefined },
  via: 'device' | 'code',
): { scopes: GrantScope[]; resource: string } {
  const resource = resourceAsked(ctx, asked.resource)
  const isGateway = resource !== ctx.config.origin
  // The gateway takes Bearer tokens: one that is bound to a key would be of no use there.
  if (isGateway && client.needsProof)
    throw new BrokerError('invalid_target', { detail: 'A gateway takes no tokens that are bound to a key.' })
  return { scopes: scopesAsked(client, asked.scope, { via, isGateway }), resource }
}

/**
 * A client that names a resource as it fetches its tokens names the one that it asked a person for (RFC 8707 2.2): nothing is
 * consumed otherwise (T-04).
 * @throws BrokerError invalid_target
 */
export async function refuseOtherResource(
  ctx: Context,
  clientId: string,
  secretHash: Uint8Array,
  given: string | undefined,
): Promise<void> {
  if (given === undefined) return
  const resource = resourceAsked(ctx, given)
  const asked = await resourceOfRequest(ctx, clientId, secretHash)
  if (asked !== undefined && asked !== resource) throw new BrokerError('invalid_target')
}
