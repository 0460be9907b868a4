import type { IncomingMessage } from 'node:http'
import { tokenChallenge } from '../actor.ts'
import { takeProofAtResource } from '../broker/proofs.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { isToken } from '../security/secrets.ts'

/** Basic is for programs that know nothing else, such as git and docker. */
const basic = 'Basic realm="valetkey", charset="UTF-8"'
/** RFC 9110 11.6.1. */
const challenge = `Bearer realm="valetkey", ${basic}, DPoP realm="valetkey"`
export const unauthenticated = (code: 'unauthenticated' | 'token_unknown') =>
  new BrokerError(code, {
    challenge,
    ...(code === 'unauthenticated' && {
      detail:
        'Send a token of this project: as Bearer, or as the password of Basic. One that is bound to a key: as DPoP.',
    }),
  })

/** What an upstream's access token must still have to live, in seconds. */
export const marginSeconds = 30

/** A token as it was sent; `bound`: by the scheme DPoP, as one that is bound to a key. */
export type Presented = { token: string; bound: boolean }

/**
 * The token that a request brings: as Bearer (RFC 6750 2.1), as the password of Basic (RFC 7617), as DPoP (RFC 9449 7.1), or by
 * the scheme `token`, which nobody registered and GitHub's own programs send (docs.github.com, "Authenticating to the REST API").
 * Never a cookie.
 * @throws BrokerError unauthenticated, token_unknown
 */
export function credentialOf({ rawHeaders, headers }: IncomingMessage): Presented {
  const sent = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization')
  const [, given = '', value = ''] =
    /^(Bearer|Basic|token|DPoP) +([\w.~+/=-]+)$/i.exec(headers.authorization ?? '') ?? []
  const scheme = given.toLowerCase()
  const token = scheme === 'basic' ? passwordIn(value) : value
  if (sent.length !== 1 || token === '') throw unauthenticated('unauthenticated')
  if (!isToken('px', token)) throw unauthenticated('token_unknown')
  return { token, bound: scheme === 'dpop' }
}

const passwordIn = (basic: string) => {
  const text = Buffer.from(basic, 'base64').toString('utf8')
  return text.slice(text.indexOf(':') + 1)
}

/** A bound token that comes as Bearer or Basic, or one that is not bound as DPoP. */
export const wrongScheme = ({ bound }: Presented) =>
  new BrokerError('unauthenticated', {
    challenge: bound ? `${tokenChallenge('bearer')}, ${basic}` : tokenChallenge('dpop'),
    detail: bound
      ? 'This token is not bound to a key: send it as Bearer, or as the password of Basic.'
      : 'This token is bound to a key: send it as DPoP, with a proof of that key.',
  })

/**
 * Demands that the holder of the key that a token is bound to makes this request, now and once. Its address is ours, as it was
 * asked, whatever the request says of the host.
 * @throws BrokerError unauthenticated
 */
export async function refuseUnproven(
  ctx: Context,
  { method = '', url = '', headers: { dpop: proof } }: IncomingMessage,
  { token, key }: { token: string; key: string },
): Promise<void> {
  const refuse = (detail: string) => new BrokerError('unauthenticated', { challenge: tokenChallenge('dpop'), detail })
  if (typeof proof !== 'string') throw refuse('Send a proof of its key in the header DPoP.')
  const proven = await takeProofAtResource(ctx, proof, { method, url: ctx.config.origin + url, token })
  if (proven !== key) throw refuse('The proof is of another key than this token is bound to.')
}
