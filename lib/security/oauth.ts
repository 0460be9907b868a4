import * as oauth from 'oauth4webapi'
import { readJson } from './json.ts'

/** How far the clock of another server may be from ours, either way (J-07). */
export const clockToleranceSeconds = 60

/** A client whose answers are judged by this clock and not by the process's. */
export const clientAt = (now: Date, client: oauth.Client): oauth.Client => ({
  ...client,
  // The library counts whole seconds and adds this.
  [oauth.clockSkew]: now.getTime() / 1000 - Math.floor(Date.now() / 1000),
  [oauth.clockTolerance]: clockToleranceSeconds,
})

/** An answer that breaks the protocol. The message is ours and holds nothing of the answer, so a log may show it. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** Told apart by name: two bundles load this file, and they share what the context keeps. */
export const isProtocolError = (error: unknown): error is ProtocolError =>
  error instanceof Error && error.name === 'ProtocolError'

export type ClientAuthMethod = 'basic' | 'post'

/**
 * How a client with a secret authenticates at the token endpoint: as told, else as the metadata says, and by HTTP Basic
 * where it says nothing (RFC 8414 2).
 */
export function clientAuth(
  { token_endpoint_auth_methods_supported: known }: oauth.AuthorizationServer,
  secret: string,
  told?: ClientAuthMethod,
): oauth.ClientAuth {
  const isPost = known?.includes('client_secret_post') && !known.includes('client_secret_basic')
  const method = told ?? (isPost ? 'post' : 'basic')
  return method === 'post' ? oauth.ClientSecretPost(secret) : clientSecretBasic(secret)
}

/**
 * HTTP Basic with id and secret form-encoded (RFC 6749 2.3.1). The library also encodes `-._~`, as a form need not; what
 * does not decode at all, such as Glewlwyd, then refuses every secret with a hyphen.
 */
const clientSecretBasic =
  (secret: string): oauth.ClientAuth =>
  (_server, client, _body, headers) =>
    headers.set('authorization', `Basic ${btoa(`${formEncoded(client.client_id)}:${formEncoded(secret)}`)}`)

const formEncoded = (text: string) =>
  encodeURIComponent(text).replace(/%20|[!'()*]/g, (sign) =>
    sign === '%20' ? '+' : `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )

/** An error answer of a token endpoint: status, headers, and its `error` fields if present. */
export type ErrorAnswer = {
  status: number
  headers: Headers
  error: string | undefined
  error_description: string | undefined
}

/** The answer that an error of oauth4webapi is about; undefined where there was none, or none of this kind. */
export async function answerOf(error: unknown): Promise<ErrorAnswer | undefined> {
  if (error instanceof oauth.ResponseBodyError) {
    const { status, response } = error
    return { status, headers: response.headers, error: error.error, error_description: error.error_description }
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    const { status, response } = error
    const body = await readJson(response)
    const field = (name: string) =>
      typeof body === 'object' && body !== null && name in body
        ? String((body as Record<string, unknown>)[name])
        : undefined
    // Without the field it may be a proxy that speaks, and no verdict on our client (K-29).
    return { status, headers: response.headers, error: field('error'), error_description: field('error_description') }
  }
  const response = error instanceof oauth.OperationProcessingError ? error.cause : undefined
  return response instanceof Response
    ? { status: response.status, headers: response.headers, error: undefined, error_description: undefined }
    : undefined
}
