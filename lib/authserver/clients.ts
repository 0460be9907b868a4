import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { admittedClient, type ClientRow, type Presented } from '../store/programs.ts'

export type GrantType = 'authorization_code' | 'device_code' | 'refresh_token' | 'token_exchange'

/** The client that a program has proved to be. @throws BrokerError invalid_client; unauthorized_client without `grantType` */
export async function requireClient(ctx: Context, presented: Presented, grantType: GrantType): Promise<ClientRow> {
  const client = await admittedClient(ctx, presented)
  if (!client) throw new BrokerError('invalid_client')
  if (!client.grantTypes.includes(grantType)) throw new BrokerError('unauthorized_client')
  return client
}

/**
 * Our own API is the one resource that grants are for (RFC 8707); the tenants' own audiences have tokens of strategy `sign`.
 * @throws BrokerError invalid_target
 */
export function resourceAsked({ config }: Pick<Context, 'config'>, given: string | undefined): string {
  if (given === undefined || given === config.origin || given === `${config.origin}/`) return config.origin
  throw new BrokerError('invalid_target')
}
