import { z } from 'zod'
import { type Found, type Here, type Prepared, SetupError } from '../kind.ts'
import { type OauthSettings, Server } from '../oauth/settings.ts'
import { certificatesIn, checkedAddress, checkedCertificates, webAddress } from '../oauth/setup.ts'
import type { ProviderDeps } from '../provider.ts'
import { type Discovered, discoverServer } from './discovery.ts'
import { documentWay, dynamicMethod, isReachable } from './registration.ts'
import { type Authorization, McpSettings } from './settings.ts'

/** What belongs to the connection or to the messages themselves, so that nobody's key goes there. */
const ownHeaders =
  /^(?:host|cookie|content-.*|accept.*|connection|transfer-encoding|te|trailer|upgrade|proxy-.*|mcp-.*|origin|referer|expect|keep-alive|last-event-id|via|forwarded|x-forwarded-.*)$/i

/** What an admin enters for an MCP server: its address, mostly nothing else. */
export const McpSetup = z.strictObject({
  url: webAddress,
  /** Whose tokens, where the server takes those of several. */
  authorization_server: webAddress.optional(),
  /** Of a client that was registered by hand; left out: one comes to be by itself. */
  client_id: z
    .string()
    .regex(/^[ -~]{1,200}$/, 'printable ASCII')
    .optional(),
  /** Left out for a public client. */
  client_secret: z
    .string()
    .regex(/^[ -~]{1,500}$/, 'printable ASCII')
    .optional(),
  /** A header that tells the server who calls, instead of tokens. */
  header_name: z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'a name of a header')
    .optional(),
  header_value: z
    .string()
    .regex(/^[!-~](?:[ -~]{0,1998}[!-~])?$/, 'printable ASCII')
    .optional(),
  /** PEM. */
  certificates: z.string().max(50_000).optional(),
})
export type McpSetup = z.infer<typeof McpSetup>

/** Finds out how a server is told who calls, and fixes it. Registers nothing. @throws SetupError */
export async function prepare(input: McpSetup, deps: ProviderDeps, here: Pick<Here, 'origin'>): Promise<Prepared> {
  const certificates = input.certificates === undefined ? undefined : checkedCertificates(input.certificates)
  const reached = { ...deps, ...(certificates && deps.trusting(certificates)) }
  const url = checkedAddress(reached, 'url', input.url)
  if (input.header_name !== undefined || input.header_value !== undefined) return byHeader(input, url, certificates)
  const found = await discoverServer(reached, url, input.authorization_server)
  if (found.by === 'nothing') return byNothing(input, url, found.title, certificates)
  const authorization = await byOauth(found, input, here)
  const { server } = authorization.oauth
  return {
    issuer: server.issuer,
    settings: stored({ url: found.url, title: found.title, authorization, certificates }),
    isPublic: authorization.oauth.authentication === 'none',
    resource: found.url,
    ...(input.client_id !== undefined && { clientId: input.client_id }),
    ...(input.client_secret !== undefined && { clientSecret: input.client_secret }),
  }
}

type Fixed = Omit<McpSettings, 'holdChangedTools'>
const stored = (settings: Fixed) => JSON.parse(JSON.stringify(settings)) as Record<string, unknown>

function refuseClient({ client_id, client_secret, authorization_server }: McpSetup, why: string): void {
  const entered = Object.entries({ client_id, client_secret, authorization_server }).filter(
    ([, value]) => value !== undefined,
  )
  if (entered.length > 0) throw new SetupError(Object.fromEntries(entered.map(([name]) => [name, why])))
}

function byNothing(input: McpSetup, url: URL, title: string | undefined, certificates: string | undefined): Prepared {
  refuseClient(input, 'The server answers everybody, so there is nothing to authorize. Leave this empty.')
  const settings = stored({ url: url.href, title, authorization: { by: 'nothing' }, certificates })
  return { issuer: url.href, settings, isPublic: true, clientId: '', resource: url.href }
}

function byHeader(input: McpSetup, url: URL, certificates: string | undefined): Prepared {
  refuseClient(input, 'Enter either a header or a client.')
  const { header_name: name = '', header_value: value = '' } = input
  if (!name || !value)
    throw new SetupError({ [name ? 'header_value' : 'header_name']: 'Enter both the header and its value.' })
  if (ownHeaders.test(name))
    throw new SetupError({ header_name: 'This header has a meaning of its own. Enter the one that holds the key.' })
  const isBearer = name.toLowerCase() === 'authorization'
  const token = isBearer ? /^bearer +(\S+)$/i.exec(value)?.[1] : value
  if (!token) throw new SetupError({ header_value: 'With this header only "Bearer" and a token can be used.' })
  const settings = stored({ url: url.href, authorization: { by: 'header', name: name.toLowerCase() }, certificates })
  return { issuer: url.href, settings, isPublic: false, clientId: '', clientSecret: token, resource: url.href }
}

async function byOauth(
  found: Extract<Discovered, { by: 'oauth' }>,
  input: McpSetup,
  { origin }: Pick<Here, 'origin'>,
): Promise<Extract<Authorization, { by: 'oauth' }>> {
  const { registration_endpoint, client_id_metadata_document_supported: takesDocuments } = found.server
  const server = Server.parse(found.server)
  const oauth = (authentication: OauthSettings['authentication']): OauthSettings => ({
    server,
    bases: [{ name: found.title ?? new URL(found.url).host, url: found.url }],
    authentication,
    keys: [],
    scopes: found.scopes,
    separator: ' ',
    // RFC 8707: in every request, also those that renew.
    authorizationParameters: { resource: found.url },
    tokenParameters: { resource: found.url },
    senderConstrained: false,
    refreshTokenDays: 0,
    refreshGraceSeconds: 0,
  })
  const by = { by: 'oauth' as const, servers: found.servers }
  if (input.client_id !== undefined) {
    const known = server.token_endpoint_auth_methods_supported
    const isPost = known?.includes('client_secret_post') && !known.includes('client_secret_basic')
    const way = input.client_secret === undefined ? 'none' : isPost ? 'post' : 'basic'
    return { ...by, registration: 'given', oauth: oauth(way) }
  }
  if (input.client_secret !== undefined) throw new SetupError({ client_id: 'Enter the id of the client as well.' })
  const document = takesDocuments && isReachable(origin) ? documentWay(found.server) : undefined
  if (document) return { ...by, registration: 'metadata_document', oauth: oauth(document) }
  const method = dynamicMethod(server)
  if (registration_endpoint && method)
    return {
      ...by,
      registration: 'dynamic',
      registrationEndpoint: registration_endpoint,
      oauth: oauth(method === 'none' ? 'none' : method === 'client_secret_post' ? 'post' : 'basic'),
    }
  throw new SetupError({
    client_id: 'Clients cannot register themselves at this authorization server. Register one there, and enter its id.',
  })
}

/** What an admin checks before a provider with these settings is made. */
export function found(settings: Record<string, unknown>): Found {
  const { url, title, authorization, certificates } = McpSettings.parse(settings)
  const oauth = authorization.by === 'oauth' ? authorization.oauth : undefined
  const endpoints = Object.entries(oauth?.server ?? {}).flatMap(([name, value]) =>
    /_endpoint$|^jwks_uri$/.test(name) && typeof value === 'string' ? [{ name, url: value }] : [],
  )
  return {
    endpoints,
    authentication: oauth?.authentication ?? null,
    scopes: oauth?.scopes ?? [],
    apiBases: [{ name: title ?? new URL(url).host, url }],
    certificates: certificatesIn(certificates),
    mcp: {
      by: authorization.by,
      registration: authorization.by === 'oauth' ? authorization.registration : null,
      authorizationServers: authorization.by === 'oauth' ? authorization.servers : [],
      title: title ?? null,
    },
  }
}
