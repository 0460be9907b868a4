import { readJson } from '../../security/json.ts'
import type { Secret } from '../../security/secrets.ts'
import { type ProviderDeps, UpstreamError } from '../provider.ts'
import { type CallKind, withRetries } from '../retry.ts'
import { sendUpstream } from '../send.ts'

/** A call that no protocol describes: of an account, of a revocation of the server's own. */
export type Call = {
  url: string
  method: string
  headers?: Record<string, string>
  body?: string
  bearer?: Secret | undefined
  /** Refusals come with 200: as `ok: false`, or with an `error`. */
  refusesWith200?: boolean | undefined
}

/** Sends a call, judged by its status alone. Answers the JSON that came, if any. @throws UpstreamError */
export const callUpstream = (deps: ProviderDeps, kind: CallKind, call: Call): Promise<unknown> =>
  withRetries(deps, kind, async () => {
    const headers = new Headers({ accept: 'application/json', ...call.headers })
    if (call.bearer) headers.set('authorization', `Bearer ${call.bearer.reveal()}`)
    const init = { method: call.method, headers, ...(call.body !== undefined && { body: call.body }) }
    const response = await sendUpstream(deps, call.url, init)
    const body = await readJson(response)
    if (call.refusesWith200 && isRefusal(body))
      throw new UpstreamError('protocol', 'the upstream refused the request', { status: response.status })
    return body
  })

const isRefusal = (body: unknown) =>
  typeof body === 'object' && body !== null && ('error' in body || ('ok' in body && body.ok === false))
