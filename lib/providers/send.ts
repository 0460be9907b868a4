import { isOutboundError, type OutboundInit } from '../security/outbound.ts'
import { type ProviderDeps, UpstreamError } from './provider.ts'
import { retryAfterSeconds } from './retry.ts'

/** Sends a request that no protocol describes, and judges its answer by the status alone. @throws UpstreamError unless it is a 2xx */
export async function sendUpstream(
  deps: Pick<ProviderDeps, 'fetch' | 'now'>,
  url: string,
  init: OutboundInit,
): Promise<Response> {
  const response = await deps.fetch(url, init).catch((error: unknown) => {
    if (!isOutboundError(error)) throw error
    throw new UpstreamError(error.reached ? 'ambiguous' : 'unreached', 'no answer', { cause: error })
  })
  if (response.ok) return response
  const { status } = response
  const more = { status, retryAfterSeconds: retryAfterSeconds(response.headers, deps.now()) }
  if (status === 429) throw new UpstreamError('unreached', 'the upstream asks to wait', more)
  if (status >= 500) throw new UpstreamError('ambiguous', 'the upstream failed', more)
  if (status === 401) throw new UpstreamError('refused', 'the token was refused', more)
  if (status === 403) throw new UpstreamError('forbidden', 'it is not allowed', more)
  throw new UpstreamError('protocol', 'the upstream refused the request', more)
}
