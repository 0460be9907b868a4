import { z } from 'zod'
import { isLoopback } from '../../security/addresses.ts'
import { isStorable, readJson } from '../../security/json.ts'
import { assertOutboundUrl } from '../../security/outbound.ts'
import type { Secret } from '../../security/secrets.ts'
import { type ClientDocument, type Here, type Registered, SetupError } from '../kind.ts'
import { newClientKey } from '../oauth/setup.ts'
import { isUpstreamError, type ProviderDeps } from '../provider.ts'
import { sendUpstream } from '../send.ts'
import type { AuthorizationServer } from './discovery.ts'
import type { ByOauth, McpSettings } from './settings.ts'

const clientName = 'Valetkey'

/** Whether a server elsewhere can read what we serve: the document of a client is fetched from its id. */
export function isReachable(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' && hostname !== 'localhost' && !isLoopback(hostname.replace(/^\[|\]$/g, ''))
}

type Way = ByOauth['oauth']['authentication']

/** How a client proves itself that has no secret in common with the server: its document is public. */
export const documentWay = ({ token_endpoint_auth_methods_supported: known }: AuthorizationServer): Way | undefined => {
  if (!known || known.includes('none')) return 'none'
  return known.includes('private_key_jwt') ? 'private_key_jwt' : undefined
}

const registrable = { client_secret_basic: 'basic', client_secret_post: 'post', none: 'none' } as const
type Method = keyof typeof registrable
const isMethod = (text: string): text is Method => Object.hasOwn(registrable, text)

/** The method that is asked for: a secret where the server knows one (RFC 7591 2: Basic where it does not say). */
export const dynamicMethod = ({
  token_endpoint_auth_methods_supported: known,
}: Pick<AuthorizationServer, 'token_endpoint_auth_methods_supported'>): Method | undefined =>
  (Object.keys(registrable) as Method[]).find((method) => (known ?? ['client_secret_basic']).includes(method))

const grants = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

/** The document that a client id is the address of (draft-ietf-oauth-client-id-metadata-document). */
export function clientDocument({ oauth }: ByOauth, { document, origin, redirectUri }: Here): ClientDocument {
  const alg = oauth.authentication === 'private_key_jwt' ? oauth.keys[0]?.alg : undefined
  return {
    clientId: document,
    clientName,
    clientUri: origin,
    redirectUris: [redirectUri],
    grantTypes: grants.grant_types,
    responseTypes: grants.response_types,
    tokenEndpointAuthMethod: oauth.authentication === 'private_key_jwt' ? 'private_key_jwt' : 'none',
    tokenEndpointAuthSigningAlg: typeof alg === 'string' ? alg : undefined,
    jwksUri: oauth.authentication === 'private_key_jwt' ? `${document}/jwks.json` : undefined,
  }
}

/** A number, or one in a string; what is neither is not there (trap 12). */
const seconds = z.coerce.number().int().min(0).optional().catch(undefined)

/** RFC 7591 3.2.1; what is not needed is not read. */
const Answer = z.object({
  client_id: z
    .string()
    .min(1)
    .max(500)
    .refine((text) => isStorable(text)),
  client_secret: z.string().min(1).max(2_000).nullish(),
  client_secret_expires_at: seconds,
  token_endpoint_auth_method: z.string().nullish(),
  redirect_uris: z.array(z.string()).nullish(),
  grant_types: z.array(z.string()).nullish(),
  registration_access_token: z.string().min(1).max(4_000).nullish(),
  registration_client_uri: z.string().max(2_000).nullish(),
})
type Answer = z.infer<typeof Answer>

const Handle = z.object({ uri: z.string(), token: z.string() })

const byHand = (here: Here) => `Register a client there with the redirect URI ${here.redirectUri}, and enter its id.`

/** Makes the client of a row: an address of ours, or what the server answers to a registration. @throws SetupError */
export async function makeClient(settings: McpSettings, here: Here, deps: ProviderDeps): Promise<Registered> {
  const { authorization } = settings
  if (authorization.by !== 'oauth') throw new Error('a server without an authorization server has no client')
  if (authorization.registration === 'metadata_document') return byDocument(settings, authorization, here)
  return registered(settings, authorization, here, deps)
}

async function byDocument(settings: McpSettings, by: ByOauth, { document }: Here): Promise<Registered> {
  const { oauth } = by
  if (oauth.authentication === 'none') return { clientId: document, isPublic: true, settings }
  const offered = oauth.server.token_endpoint_auth_signing_alg_values_supported ?? ['ES256']
  const alg = ['ES256', 'EdDSA', 'PS256', 'RS256'].find((name) => offered.includes(name))
  if (!alg) throw new SetupError({ client_id: 'The authorization server takes no signature that is sound.' })
  const { publicKey, privateKey } = await newClientKey(alg)
  const authorization = { ...by, oauth: { ...oauth, keys: [publicKey] } }
  return { clientId: document, clientSecret: privateKey, isPublic: false, settings: { ...settings, authorization } }
}

/** Registers a client (RFC 7591 3.1). What came is judged, and a client that is of no use is taken back at once. */
async function registered(settings: McpSettings, by: ByOauth, here: Here, given: ProviderDeps): Promise<Registered> {
  const deps = reaching(settings, given)
  const { server } = by.oauth
  const method = dynamicMethod(server)
  if (!by.registrationEndpoint || !method)
    throw new SetupError({ client_id: `No client can register itself. ${byHand(here)}` })
  const body = {
    client_name: clientName,
    client_uri: here.origin,
    redirect_uris: [here.redirectUri],
    ...grants,
    application_type: 'web',
    // No `scope`: a client that is registered with some gets no others later, when a tool asks for them.
    token_endpoint_auth_method: method,
  }
  const response = await deps
    .fetch(by.registrationEndpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
    })
    .catch((cause: unknown) => {
      throw new SetupError(
        { client_id: 'The authorization server did not answer to the registration. Try again later.' },
        cause,
      )
    })
  const answered = await readJson(response)
  if (response.status !== 200 && response.status !== 201) throw refusal(response.status, answered, here)
  const { data: answer, error } = Answer.safeParse(answered)
  if (!answer)
    throw new SetupError(
      { client_id: `The registration was answered with something that is no client. ${byHand(here)}` },
      error,
    )
  const handle = handleOf(answer, deps)
  try {
    return { ...judged(settings, by, answer, method, here, deps.now()), ...(handle && { handle }) }
  } catch (error) {
    if (handle) await endClient(settings, handle, given).catch(() => undefined)
    throw error
  }
}

const reaching = ({ certificates }: McpSettings, deps: ProviderDeps): ProviderDeps => ({
  ...deps,
  ...(certificates && deps.trusting(certificates)),
})

/** What the server made of what was asked (RFC 7591 3.2.1: it may change any of it). @throws SetupError */
function judged(settings: McpSettings, by: ByOauth, answer: Answer, asked: Method, here: Here, now: Date): Registered {
  const unfit = (what: string) => new SetupError({ client_id: `${what} ${byHand(here)}` })
  if (answer.redirect_uris && !answer.redirect_uris.includes(here.redirectUri))
    throw unfit('The server registered a client with another redirect URI.')
  if (answer.grant_types && !answer.grant_types.includes('authorization_code'))
    throw unfit('The server registered a client that people cannot link with.')
  // Left out, the method is what the answer fits.
  const method =
    answer.token_endpoint_auth_method ??
    (answer.client_secret ? (asked === 'none' ? 'client_secret_basic' : asked) : 'none')
  if (!isMethod(method) || (method !== 'none' && !answer.client_secret))
    throw unfit('The server registered a client that proves itself in a way that Valetkey does not know.')
  const endsAt = method === 'none' ? 0 : (answer.client_secret_expires_at ?? 0)
  if (endsAt > 0 && endsAt * 1000 <= now.getTime())
    throw unfit('The server registered a client that has ended already.')
  const { clientEndsAt: _, ...rest } = by
  const authorization = {
    ...rest,
    oauth: { ...by.oauth, authentication: registrable[method] },
    ...(endsAt > 0 && { clientEndsAt: endsAt }),
  }
  return {
    clientId: answer.client_id,
    ...(method !== 'none' && answer.client_secret && { clientSecret: answer.client_secret }),
    isPublic: method === 'none',
    settings: { ...settings, authorization },
  }
}

function handleOf(
  { registration_client_uri: uri, registration_access_token: token }: Answer,
  { config }: Pick<ProviderDeps, 'config'>,
): string | undefined {
  if (!uri || !token) return undefined
  try {
    return JSON.stringify({ uri: assertOutboundUrl(uri, config).href, token })
  } catch {
    // Where it may not be called, nothing can be taken back (F-07).
    return undefined
  }
}

const reasons: Record<string, string> = {
  invalid_redirect_uri: 'The authorization server does not accept the redirect URI of this Valetkey.',
  invalid_client_metadata: 'The authorization server does not accept a client like Valetkey.',
  invalid_software_statement: 'The authorization server registers only clients that somebody vouches for.',
  unapproved_software_statement: 'The authorization server registers only clients that it approved.',
}

/** Why nothing was registered, by status and code alone (RFC 7591 3.2.2): never the server's text. */
function refusal(status: number, answer: unknown, here: Here): SetupError {
  const code = z.object({ error: z.string() }).safeParse(answer).data?.error ?? ''
  const why = Object.hasOwn(reasons, code) ? reasons[code] : undefined
  if (why) return new SetupError({ client_id: `${why} ${byHand(here)}` })
  if (status === 429 || status >= 500)
    return new SetupError({ client_id: `The registration failed there (HTTP ${status}). Try again later.` })
  return new SetupError({
    client_id: `The authorization server registered no client (HTTP ${status}). ${byHand(here)}`,
  })
}

/** Takes a client back (RFC 7592 2.3). A server that does not know it any more says 401, or 404. @throws UpstreamError */
export async function endClient(
  settings: McpSettings,
  handle: Secret | string,
  given: ProviderDeps,
): Promise<'done' | 'impossible'> {
  const deps = reaching(settings, given)
  const { uri, token } = Handle.parse(JSON.parse(typeof handle === 'string' ? handle : handle.reveal()))
  const init = { method: 'DELETE', headers: { authorization: `Bearer ${token}`, accept: 'application/json' } }
  return sendUpstream(deps, uri, init).then(
    () => 'done' as const,
    (error: unknown) => {
      if (!isUpstreamError(error)) throw error
      if (error.failure === 'refused' || error.status === 404 || error.status === 410) return 'done' as const
      if (error.failure === 'forbidden' || error.status === 405 || error.status === 501) return 'impossible' as const
      throw error
    },
  )
}
