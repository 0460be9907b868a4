import * as oauth from 'oauth4webapi'
import type { Cli } from './cli.ts'
import { Failure, noAnswer, notValetkey } from './failure.ts'
import { reasonOf } from './http.ts'

/** The instance knows us by this name; a public client, because nothing that is on everybody's machine is a secret. */
export const client: oauth.Client = { client_id: 'valetkey' }

/** Its addresses are a contract (docs/programs.md), so nobody has to be asked for them. */
export const serverOf = (server: string): oauth.AuthorizationServer => ({
  issuer: server,
  authorization_endpoint: `${server}/oauth/authorize`,
  token_endpoint: `${server}/oauth/token`,
  device_authorization_endpoint: `${server}/oauth/device_authorization`,
  revocation_endpoint: `${server}/oauth/revoke`,
  authorization_response_iss_parameter_supported: true,
})

/** For oauth4webapi: our way out. http passes for this machine alone (place.ts). */
export const requests = (cli: Pick<Cli, 'http' | 'signal'>) => ({
  [oauth.customFetch]: (
    url: string,
    { method, headers, body, redirect, signal }: oauth.CustomFetchOptions<string, URLSearchParams | undefined>,
  ) =>
    cli.http(
      new Request(url, { method, headers, redirect, ...(body !== undefined && { body }), ...(signal && { signal }) }),
    ),
  [oauth.allowInsecureRequests]: true,
  signal: cli.signal,
})

/** Answered with an error of RFC 6749 5.2 or 8628 3.5. */
export const refusalOf = (error: unknown): string | undefined =>
  error instanceof oauth.ResponseBodyError ? error.error : undefined

/** Seconds that an answer asks to wait; undefined where it asks nothing. */
export const retryAfterOf = (error: unknown): number | undefined => {
  const given = error instanceof oauth.ResponseBodyError ? error.response.headers.get('retry-after') : null
  return given !== null && /^\d+$/.test(given) ? Number(given) : undefined
}

/** Whether the same request may be answered otherwise in a moment: no answer, an overload, a server that cannot work. */
export function isPassing(error: unknown): boolean {
  if (error instanceof oauth.ResponseBodyError)
    return error.status === 429 || error.error === 'temporarily_unavailable' || error.error === 'server_error'
  if (error instanceof oauth.OperationProcessingError) return (statusOf(error) ?? 0) >= 500 || statusOf(error) === 429
  // What fetch throws where there was no answer, and a time-out of ours.
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')
}

const statusOf = ({ cause }: oauth.OperationProcessingError): number | undefined =>
  cause instanceof Response ? cause.status : undefined

/** Anything that went wrong at the authorization server, as the end of a command. */
export function failureOf(error: unknown, server: string): Failure {
  if (error instanceof Failure) return error
  if (error instanceof oauth.ResponseBodyError)
    return new Failure(isPassing(error) ? 'unreachable' : 'refused', error.error_description ?? error.error, {
      code: error.error,
      cause: error,
      next: isPassing(error) ? 'Try again in a moment.' : undefined,
    })
  if (error instanceof oauth.OperationProcessingError || error instanceof SyntaxError)
    return notValetkey(server, {
      status: error instanceof oauth.OperationProcessingError ? statusOf(error) : undefined,
      cause: error,
    })
  return noAnswer(server, { reason: reasonOf(error), cause: error })
}

/** Sends until it is answered, as long as what came may pass: twice as long a pause each time, 30 s at most (O-11). */
export async function persistently<T>(
  cli: Pick<Cli, 'wait' | 'out'>,
  tries: number,
  send: () => Promise<T>,
): Promise<T> {
  for (let pause = 0.5; ; pause = Math.min(30, pause * 2)) {
    tries -= 1
    try {
      return await send()
    } catch (error) {
      const seconds = retryAfterOf(error) ?? pause
      if (tries <= 0 || !isPassing(error) || seconds > 60) throw error
      cli.out.progress(`The server does not answer. Trying again in ${Math.ceil(seconds)} s …`)
      await cli.wait(seconds)
    }
  }
}
