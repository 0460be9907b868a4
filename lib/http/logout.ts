import { endUpstreamSessions, logoutPath } from '../broker/upstream-logout.ts'
import { BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { isKeysUnavailable } from '../security/issuer-keys.ts'
import { addresseeOf } from '../security/logout-token.ts'
import { isProtocolError } from '../security/oauth.ts'
import { providersAt } from '../store/lookups.ts'
import { endIssuerSessions } from '../tenancy/sessions.ts'
import { takeLimit } from './limits.ts'
import { asBrokerError, dataHeaders } from './problem.ts'
import { type Call, type Edge, edge, readBody } from './request.ts'
import { readSigninLogout } from './signin/identity.ts'

const bodyMax = 16 * 1024
/** Providers that are served at once. */
const atOnce = 10

/**
 * Where issuers say that a session of theirs is over (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8): the one that people
 * sign in with, and the upstreams of providers. No cookie is read; the token's signature is all that counts.
 */
export const backchannelLogout = (): Edge =>
  edge(
    { kind: 'oauth', name: 'backchannelLogout', method: 'POST', path: logoutPath },
    async (call) => {
      await takeLimit(call.ctx, 'logout', { address: call.address })
      const ended = await serve(call, await readToken(call.request))
      return { response: new Response(null, { headers: dataHeaders }), log: { ended } }
    },
    refusal,
  )

/** The one logout token of a form body (2.5); other fields mean nothing. @throws BrokerError bad_request */
async function readToken(request: Request): Promise<string> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers.get('content-type') ?? ''))
    throw new BrokerError('bad_request', { detail: 'The body must be a form.' })
  const form = new URLSearchParams(await readBody(request, bodyMax))
  const names = [...form.keys()]
  const token = form.get('logout_token')
  if (!token || new Set(names).size !== names.length)
    throw new BrokerError('bad_request', { detail: 'Send one logout_token, and no field twice.' })
  return token
}

/**
 * Hands the token to everybody whom it may concern: each verifies it by their own keys, and one who does not believe it
 * takes nothing from another who does. How many sessions and connections ended.
 * @throws BrokerError bad_request where nobody believes it; a failure of ours before that, so that it is sent again
 */
async function serve(call: Call, token: string): Promise<number> {
  const { ctx, requestId, address, agent } = call
  const origin = { requestId, address, agent }
  const { issuer, clients } = await refusing(async () => addresseeOf(token))
  const { signin } = ctx.config
  const concerned = (await providersAt(ctx, issuer, clients)).map(
    (place) => () => endUpstreamSessions(ctx, origin, place, token),
  )
  if (issuer === signin.issuer && clients.includes(signin.clientId))
    concerned.unshift(async () => endIssuerSessions(ctx, origin, issuer, await readSigninLogout(ctx, token)))
  const results: PromiseSettledResult<number | undefined>[] = []
  while (concerned.length > 0)
    results.push(...(await Promise.allSettled(concerned.splice(0, atOnce).map((each) => refusing(each)))))

  const failures = results.flatMap((one) => (one.status === 'rejected' ? [asBrokerError(one.reason)] : []))
  const counts = results.flatMap((one) => (one.status === 'fulfilled' && one.value !== undefined ? [one.value] : []))
  // Ours: whoever was served does not mind that it comes again, and the others must hear of it.
  const ours = failures.find((error) => isBrokerError(error, 'unavailable', 'internal'))
  if (ours) throw ours
  if (counts.length > 0) return counts.reduce((sum, count) => sum + count, 0)
  const undecided = failures.find(({ code }) => errorCodes[code].status >= 500)
  if (undecided) throw undecided
  const reasons = results.map((one) => (one.status === 'rejected' ? reasonOf(one.reason) : 'it was used before'))
  ctx.log.warn({ request: requestId, issuer: issuer.slice(0, 200), reasons }, 'a logout token was refused')
  throw new BrokerError('bad_request', { detail: 'This logout token is not valid here.' })
}

/** In words of ours; none where nobody here is a client of that issuer. */
const reasonOf = (error: unknown) =>
  error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined

/** What is wrong with the token is a bad request; keys that cannot be had say nothing of it. */
const refusing = <T>(work: () => Promise<T>): Promise<T> =>
  work().catch((cause: unknown) => {
    if (isProtocolError(cause)) throw new BrokerError('bad_request', { cause })
    if (isKeysUnavailable(cause)) throw new BrokerError('signin_unavailable', { cause })
    throw cause
  })

/** As 2.8 has it, in the form of RFC 6749 5.2. What fails on our side is no verdict on the token: it may be sent again. */
function refusal(error: BrokerError): Response {
  const { status } = errorCodes[error.code]
  const isPassing = status >= 500 || error.code === 'rate_limited'
  const body = {
    error: !isPassing ? 'invalid_request' : error.code === 'internal' ? 'server_error' : 'temporarily_unavailable',
    ...(error.detail && { error_description: error.detail }),
  }
  const retry = error.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  const headers = { ...dataHeaders, ...(retry !== undefined && { 'retry-after': String(Math.ceil(retry)) }) }
  return Response.json(body, { status: isPassing ? status : 400, headers })
}
