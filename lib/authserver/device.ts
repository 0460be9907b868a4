import { createHmac } from 'node:crypto'
import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { hash, newToken } from '../security/secrets.ts'
import { newUserCode, shownUserCode } from '../security/user-code.ts'
import { type From, insertRequest, type Presented } from '../store/programs.ts'
import { askedFor, requireClient } from './clients.ts'
import { deviceSeconds } from './lifetimes.ts'

/** What a request is found by when a person types its code: 38 bits are too few to be hashed without a key. */
export const userCodeHash = ({ secrets }: Pick<Context, 'secrets'>, code: string) =>
  new Uint8Array(createHmac('sha256', secrets.lookup).update(`user code ${code}`).digest())

/** RFC 8628 3.2. */
export type DeviceAnswer = {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
}

const interval = 5
const tries = 5

/**
 * A device begins to wait for a person (RFC 8628 3.1). What it asks for is frozen here (D-10).
 * @throws BrokerError invalid_client, unauthorized_client, invalid_scope, invalid_target
 */
export async function startDevice(
  ctx: Context,
  presented: Presented,
  asked: { scope: string | undefined; resource: string | undefined },
  { address, agent }: From,
): Promise<DeviceAnswer> {
  const client = await requireClient(ctx, presented, 'device_code')
  const { scopes, resource } = askedFor(ctx, client, asked, 'device')
  const device = newToken('dc').reveal()
  const common = { kind: 'device', status: 'pending', clientId: client.id, scopes, resource, address, agent } as const
  // One of 282 billion is taken by another that waits: very rarely, and not five times (O-03).
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const code = newUserCode()
    const request = {
      ...common,
      id: newId('authorization'),
      secretHash: hash(device),
      userCodeHash: userCodeHash(ctx, code),
    }
    if (!(await insertRequest(ctx, request, deviceSeconds))) continue
    const verification = `${ctx.config.origin}/device`
    return {
      device_code: device,
      user_code: shownUserCode(code),
      verification_uri: verification,
      verification_uri_complete: `${verification}?user_code=${shownUserCode(code)}`,
      expires_in: deviceSeconds,
      interval,
    }
  }
  throw new Error('no user code was free')
}
