import { authorize } from '../authserver/authorize.ts'
import { startDevice } from '../authserver/device.ts'
import { isDocumentId } from '../authserver/documents.ts'
import { authorizationCode } from '../authserver/grants/authorization-code.ts'
import { deviceCode } from '../authserver/grants/device-code.ts'
import { refreshToken } from '../authserver/grants/refresh-token.ts'
import { accessTokenType, type ExchangeAnswer, tokenExchange } from '../authserver/grants/token-exchange.ts'
import { introspect } from '../authserver/introspect.ts'
import { gatewayMetadata, grantTypes, metadata, resourceMetadata } from '../authserver/metadata.ts'
import { pushRequest } from '../authserver/par.ts'
import { revokeOwn } from '../authserver/revoke.ts'
import type { TokenAnswer } from '../authserver/tokens.ts'
import { gatewayUrl, readGatewayUrl } from '../broker/proxy-url.ts'
import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode, isBrokerError } from '../errors.ts'
import { currentNonce } from '../security/proof.ts'
import { jsonAnswer } from './answer.ts'
import { toAnswerer } from './authenticate.ts'
import { resourceMetadataPath } from './challenge.ts'
import { takeLimit } from './limits.ts'
import { type OAuthCall, oauthEndpoint, required } from './oauth.ts'
import { dataHeaders } from './problem.ts'
import { proofOf } from './proofs.ts'
import { type Edge, edge, readQuery } from './request.ts'
import { safePath } from './safe-path.ts'
import { readSession } from './session.ts'

/** What each grant type reads of the form (RFC 6749 4.1.3 and 6, RFC 8628 3.4, RFC 8693 2.1). */
const grants: Record<string, (call: OAuthCall, proof: string | undefined) => Promise<TokenAnswer | ExchangeAnswer>> = {
  [grantTypes.device_code]: ({ ctx, who, form, origin }, proof) =>
    deviceCode(ctx, who, { code: required(form, 'device_code'), proof, resource: form.resource }, origin),
  [grantTypes.authorization_code]: ({ ctx, who, form, origin }, proof) => {
    const code = required(form, 'code')
    const bound = { redirectUri: required(form, 'redirect_uri'), verifier: required(form, 'code_verifier') }
    return authorizationCode(ctx, who, { code, ...bound, proof, resource: form.resource }, origin)
  },
  [grantTypes.refresh_token]: ({ ctx, who, form, origin }, proof) => {
    const { scope, resource } = form
    return refreshToken(ctx, who, { token: required(form, 'refresh_token'), scope, resource, proof }, origin)
  },
  [grantTypes.token_exchange]: ({ ctx, who, form, origin }, proof) => {
    const types = [required(form, 'subject_token_type'), form.requested_token_type ?? accessTokenType]
    if (types.some((one) => one !== accessTokenType) || form.actor_token !== undefined)
      throw new BrokerError('bad_request', {
        detail: 'Access tokens alone are exchanged, for access tokens, by nobody else.',
      })
    if ((form.audience === undefined) === (form.resource === undefined))
      throw new BrokerError('bad_request', { detail: 'Name one audience, or one resource.' })
    const audience = form.audience ?? required(form, 'resource')
    const asked = { subject: required(form, 'subject_token'), audience, scope: required(form, 'scope'), proof }
    return tokenExchange(ctx, who, asked, origin)
  },
}

export const tokenEndpoint = (): Edge =>
  oauthEndpoint('token', '/oauth/token', async (call) => {
    const grant = Object.hasOwn(grants, required(call.form, 'grant_type')) && grants[call.form.grant_type ?? '']
    if (!grant) throw new BrokerError('unsupported_grant_type')
    const proof = await proofOf(call)
    // For the next proof, at our API as well (RFC 9449 8.2).
    if (proof !== undefined) call.headers['dpop-nonce'] = currentNonce(call.ctx)
    return grant(call, proof)
  })

/** RFC 9126 2: a request that the browser only names. */
export const pushedRequestEndpoint = (): Edge =>
  oauthEndpoint(
    'pushedRequest',
    '/oauth/par',
    async (call) => {
      const { ctx, who, form, origin, address } = call
      await takeLimit(ctx, 'authorize', { address })
      return pushRequest(ctx, who, form, await proofOf(call), origin)
    },
    201,
  )

export const deviceAuthorizationEndpoint = (): Edge =>
  oauthEndpoint('deviceAuthorization', '/oauth/device_authorization', async ({ ctx, who, form, origin, address }) => {
    await takeLimit(ctx, 'device', { address })
    return startDevice(ctx, who, { scope: form.scope, resource: form.resource }, origin)
  })

export const introspectionEndpoint = (): Edge =>
  oauthEndpoint('introspect', '/oauth/introspect', ({ ctx, who, form }) =>
    introspect(ctx, who, required(form, 'token')),
  )

export const revocationEndpoint = (): Edge =>
  oauthEndpoint('revoke', '/oauth/revoke', async ({ ctx, who, form, origin }) => {
    const token = required(form, 'token')
    // Of a program that nobody registered, and of no token of its own: as good as revoked (RFC 7009 2.2).
    if (!isDocumentId(who.id)) await revokeOwn(ctx, who, token, origin)
    return undefined
  })

const notCached = { headers: { ...dataHeaders, 'referrer-policy': 'no-referrer' } }
const seeOther = (location: string) => new Response(null, { status: 303, headers: { ...notCached.headers, location } })

/** Signing in, and then the same request again. */
function signinFor(url: string): string {
  const { pathname, search } = new URL(url)
  const path = safePath(pathname + search)
  return path ? `/signin?${new URLSearchParams({ return_to: path })}` : '/signin'
}

const pageErrors = [
  'client_document_refused',
  'client_document_invalid',
  'invalid_client',
  'redirect_unknown',
  'request_uri_unknown',
  'bad_request',
  'rate_limited',
] as const satisfies ErrorCode[]

/**
 * Where a program sends a browser (RFC 6749 3.1). Everything is answered by another address: a page of ours, or the program's
 * own. What is wrong with the program itself is told on a page, because its address is not to be trusted then.
 */
export const authorizationEndpoint = (): Edge =>
  edge({ kind: 'oauth', name: 'authorize', method: 'GET', path: '/oauth/authorize' }, async (call) => {
    const { ctx, request, address, agent, requestId } = call
    try {
      await takeLimit(ctx, 'authorize', { address })
      const given = readQuery(request.url)
      const signedIn = async () => {
        const session = await readSession(ctx, request.headers, { passive: true })
        return session && toAnswerer(session, call)
      }
      const next = await authorize(ctx, given, { address, agent, requestId }, signedIn)
      const { origin } = ctx.config
      const location =
        next.kind === 'page'
          ? `${origin}/authorize/${next.request}`
          : next.kind === 'answer'
            ? next.url
            : origin + signinFor(request.url)
      return { response: seeOther(location), log: { client: given.client_id?.slice(0, 64) } }
    } catch (error) {
      if (!isBrokerError(error, ...pageErrors)) throw error
      return {
        response: seeOther(`${ctx.config.origin}/authorize/failed?code=${error.code}`),
        log: { problem: error.code },
      }
    }
  })

/** How long others may keep what hardly ever changes, in seconds. */
const keptSeconds = 3600

const documentEndpoint = (
  name: string,
  path: string,
  document: (ctx: Context, params: Record<string, unknown>) => object | undefined | Promise<object | undefined>,
): Edge =>
  edge({ kind: 'oauth', name, method: 'GET', path }, async ({ ctx }, route) => {
    const headers = { ...dataHeaders, 'cache-control': `public, max-age=${keptSeconds}` }
    const found = await document(ctx, await route.params)
    if (!found) throw new BrokerError('not_found')
    return { response: jsonAnswer(found, 200, headers) }
  })

export const metadataEndpoint = () => documentEndpoint('metadata', '/.well-known/oauth-authorization-server', metadata)

export const resourceMetadataEndpoint = () =>
  documentEndpoint('resourceMetadata', resourceMetadataPath, resourceMetadata)

/** The same of a gateway to an MCP server (RFC 9728 3.1). Any name has one, so that nobody learns which projects there are. */
export const gatewayMetadataEndpoint = () =>
  documentEndpoint('gatewayMetadata', `${resourceMetadataPath}/mcp/{tenant}/{project}`, (ctx, { tenant, project }) => {
    const url = gatewayUrl(ctx.config, { slug: String(tenant), project: String(project) })
    return readGatewayUrl(ctx.config, url) ? gatewayMetadata(ctx, url) : undefined
  })
