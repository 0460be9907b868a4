import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, randomToken } from '../security/secrets.ts'
import { type From, insertRequest, type Presented } from '../store/programs.ts'
import { type Parameters, pushedPrefix, readRequest, redirectFor } from './authorize.ts'
import { requireClient } from './clients.ts'
import { pushedSeconds } from './lifetimes.ts'

/** RFC 9126 2.2. */
export type Pushed = { request_uri: string; expires_in: number }

/**
 * Takes an authorization request from the program itself (RFC 9126 2): nobody can change it on the way through a browser, and
 * what is wrong with it is told here. `proof`: thumbprint of the key that the program has proved, to which the code is then
 * bound (RFC 9449 10.1).
 * @throws BrokerError invalid_client, unauthorized_client, redirect_unknown, bad_request, invalid_scope, invalid_target,
 *   unsupported_response_type, invalid_dpop_proof
 */
export async function pushRequest(
  ctx: Context,
  presented: Presented,
  given: Parameters,
  proof: string | undefined,
  { address, agent }: From,
): Promise<Pushed> {
  const client = await requireClient(ctx, presented, 'authorization_code')
  // What a document says is found out for a person alone, and here is none.
  if (client.document !== null) throw new BrokerError('unauthorized_client')
  // RFC 9126 2.1: one that names another.
  if (given.request_uri !== undefined)
    throw new BrokerError('bad_request', { detail: 'request_uri is not taken here.' })
  const redirectUri = redirectFor(ctx, client, given.redirect_uri)
  const request = readRequest(ctx, client, given)
  if (proof !== undefined && (request.proofKey ?? proof) !== proof)
    throw new BrokerError('invalid_dpop_proof', { detail: 'dpop_jkt is the thumbprint of another key.' })
  const reference = randomToken()
  const row = { kind: 'code', status: 'pushed', clientId: client.id, redirectUri, address, agent } as const
  const known = { id: newId('authorization'), secretHash: hash(reference), proofKey: request.proofKey ?? proof }
  await insertRequest(ctx, { ...row, ...request, ...known }, pushedSeconds)
  return { request_uri: pushedPrefix + reference, expires_in: pushedSeconds }
}
