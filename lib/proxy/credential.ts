import type { IncomingMessage } from 'node:http'
import { BrokerError } from '../errors.ts'
import { isToken } from '../security/secrets.ts'

/** RFC 9110 11.6.1; Basic is for programs that know nothing else, such as git and docker. */
const challenge = 'Bearer realm="valetkey", Basic realm="valetkey", charset="UTF-8"'
export const unauthenticated = (code: 'unauthenticated' | 'token_unknown') =>
  new BrokerError(code, {
    challenge,
    ...(code === 'unauthenticated' && {
      detail: 'Send a token of this project: as Bearer, or as the password of Basic.',
    }),
  })

/**
 * The token that a request brings: as Bearer (RFC 6750 2.1), as the password of Basic (RFC 7617), or by the scheme `token`,
 * which nobody registered and GitHub's own programs send (docs.github.com, "Authenticating to the REST API"). Never a cookie.
 * @throws BrokerError unauthenticated, token_unknown
 */
export function credentialOf({ rawHeaders, headers }: IncomingMessage): string {
  const sent = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization')
  const [, scheme = '', value = ''] = /^(Bearer|Basic|token) +([\w.~+/=-]+)$/i.exec(headers.authorization ?? '') ?? []
  const token = scheme.toLowerCase() === 'basic' ? passwordIn(value) : value
  if (sent.length !== 1 || token === '') throw unauthenticated('unauthenticated')
  if (!isToken('px', token)) throw unauthenticated('token_unknown')
  return token
}

const passwordIn = (basic: string) => {
  const text = Buffer.from(basic, 'base64').toString('utf8')
  return text.slice(text.indexOf(':') + 1)
}
