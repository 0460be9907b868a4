import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { isStorable, readJson } from '../../security/json.ts'
import type { OutboundInit } from '../../security/outbound.ts'
import { SetupError } from '../kind.ts'
import { scopeName } from '../oauth/rights.ts'
import { Server } from '../oauth/settings.ts'
import { checkedAddress } from '../oauth/setup.ts'
import type { ProviderDeps } from '../provider.ts'

/** Of an MCP server: what it says of itself, and of the authorization server whose tokens it takes. */
export type Discovered =
  | { by: 'nothing'; title: string | undefined }
  | {
      by: 'oauth'
      /** As its metadata spells it: the `resource` of every request (RFC 8707). */
      url: string
      title: string | undefined
      /** Whose tokens it takes, the chosen one first. */
      servers: string[]
      server: AuthorizationServer
      /** What a link asks for (upstreams.md 3.6.6). */
      scopes: string[]
    }

const AuthorizationServer = Server.extend({
  registration_endpoint: z.string().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
})
export type AuthorizationServer = z.infer<typeof AuthorizationServer>

/** RFC 9728 2, as far as it counts here. */
const ResourceMetadata = z.object({
  resource: z.string().max(2_000),
  authorization_servers: z.array(z.string().max(2_000)).max(50).optional(),
  scopes_supported: z.array(z.string()).optional(),
  bearer_methods_supported: z.array(z.string()).optional(),
  resource_name: z.string().optional(),
})
type ResourceMetadata = z.infer<typeof ResourceMetadata>

type Deps = Pick<ProviderDeps, 'fetch' | 'config'>

/** All calls of one discovery together: somebody waits, and each of a dozen may take ten seconds. */
const discoveryMs = 20_000
const scopesMax = 50

/**
 * Who may call a server, and by whose tokens: it is called without credentials, its challenge leads to its metadata
 * (RFC 9728), that to an authorization server, and that server's metadata is read (RFC 8414, OIDC Discovery).
 * `chosen`: which of several authorization servers.
 * @throws SetupError
 */
export async function discoverServer(given: Deps, url: URL, chosen: string | undefined): Promise<Discovered> {
  const end = AbortSignal.timeout(discoveryMs)
  const deps: Deps = { ...given, fetch: (input, init) => given.fetch(input, { ...init, signal: end }) }
  const answer = await askWhoMayCall(deps, url)
  if (answer.is === 'open') return { by: 'nothing', title: answer.title }
  const resource = await resourceMetadata(deps, url, answer.challenge.resource_metadata)
  const issuers = [...new Set(resource.authorization_servers)]
  const issuer = chosen === undefined ? issuers[0] : issuers.find((one) => isSameAddress(one, chosen))
  if (issuer === undefined && chosen !== undefined)
    throw new SetupError({
      authorization_server: `The server does not name this one. Choose one of: ${listed(deps, issuers)}.`,
    })
  if (issuer === undefined) throw new SetupError({ url: 'The server names no authorization server.' })
  const server = await serverMetadata(deps, issuer)
  return {
    by: 'oauth',
    url: resource.resource,
    title: titleOf(resource.resource_name),
    servers: [server.issuer, ...issuers.filter((one) => one !== issuer)].slice(0, 20),
    server,
    scopes: scopesOf(answer.challenge.scope?.split(/\s+/) ?? resource.scopes_supported ?? [], server),
  }
}

/** What a server calls itself, if that can be shown. */
const titleOf = (text: unknown): string | undefined =>
  typeof text === 'string' && text.trim() && isStorable(text) ? text.trim().slice(0, 80) : undefined

/** Those addresses among what a stranger names that may be shown. */
function listed(deps: Deps, issuers: string[]): string {
  const shown = issuers.filter((one) => {
    try {
      return checkedAddress(deps, 'authorization_server', one) !== undefined
    } catch {
      return false
    }
  })
  return shown.slice(0, 5).join(', ') || 'none that can be used'
}

/** What is asked for: never what is no scope, and `offline_access` exactly where the server has it. */
function scopesOf(named: string[], { scopes_supported: known = [] }: AuthorizationServer): string[] {
  const scopes = named
    .filter((name) => scopeName.safeParse(name).success && name !== 'offline_access')
    .slice(0, scopesMax)
  return [...new Set([...scopes, ...(known.includes('offline_access') ? ['offline_access'] : [])])]
}

type Challenge = { resource_metadata?: string | undefined; scope?: string | undefined }
type WhoMayCall = { is: 'open'; title: string | undefined } | { is: 'guarded'; challenge: Challenge }

const rpc = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const clientInfo = { name: 'valetkey', version: '1' }

/** What a client of each revision sends first, the newest first; a server may understand one of them alone. */
const firstCalls: OutboundInit[] = [
  {
    method: 'POST',
    headers: { ...rpc, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'server/discover',
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': clientInfo,
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  },
  {
    method: 'POST',
    headers: rpc,
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
    }),
  },
  // Some ask for credentials only here.
  { method: 'GET', headers: { accept: 'text/event-stream' } },
]

async function askWhoMayCall(deps: Deps, url: URL): Promise<WhoMayCall> {
  for (const call of firstCalls) {
    const response = await deps.fetch(url, call).catch((cause: unknown) => {
      throw new SetupError({ url: 'The server did not answer as an MCP server does. Check the address.' }, cause)
    })
    if (response.status === 401) return { is: 'guarded', challenge: await challengeIn(response) }
    const result = response.ok ? await resultIn(response) : undefined
    const info = result?._meta?.[serverInfo] ?? result?.serverInfo
    if (result) return { is: 'open', title: titleOf(info?.title ?? info?.name) }
  }
  throw new SetupError({ url: 'The server did not answer as an MCP server does. Check the address.' })
}

/** The first challenge for bearer tokens that leads somewhere, in whatever form it came (RFC 9110 11.6.1). */
async function challengeIn(response: Response): Promise<Challenge> {
  const bearer = (await challengesIn(response)).filter(({ scheme }) => scheme === 'bearer')
  const [first] = [...bearer.filter(({ parameters }) => parameters.resource_metadata), ...bearer]
  return { resource_metadata: first?.parameters.resource_metadata, scope: first?.parameters.scope || undefined }
}

/** The library reads them where it sends a token; here none is sent. */
async function challengesIn(response: Response): Promise<oauth.WWWAuthenticateChallenge[]> {
  const answered = { [oauth.customFetch]: async () => response, [oauth.allowInsecureRequests]: true }
  try {
    await oauth.protectedResourceRequest('-', 'GET', new URL('https://resource'), undefined, null, answered)
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.cause
  }
  return []
}

/** Where revision 2026-07-28 has what a server says of itself. */
const serverInfo = 'io.modelcontextprotocol/serverInfo'
const Info = z.object({ title: z.unknown(), name: z.unknown() }).partial().optional().catch(undefined)
const Result = z.object({
  jsonrpc: z.literal('2.0'),
  result: z.object({
    serverInfo: Info,
    _meta: z
      .object({ [serverInfo]: Info })
      .optional()
      .catch(undefined),
  }),
})

/** The result of a JSON-RPC answer, plain or as the first event of a stream. */
async function resultIn(response: Response): Promise<z.infer<typeof Result>['result'] | undefined> {
  const isStream = /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')
  const answers = isStream ? eventsIn(await response.text()) : [await readJson(response)]
  for (const answer of answers) {
    const { data } = Result.safeParse(answer)
    if (data) return data.result
  }
  return undefined
}

function* eventsIn(text: string): Generator<unknown> {
  for (const [, data = ''] of text.slice(0, 65_536).matchAll(/^data: ?(.*)$/gm)) {
    try {
      yield JSON.parse(data)
    } catch {
      // Not a message.
    }
  }
}

/** The JSON that an address answers with 200; `cause`: why there is none. */
async function readAt(deps: Deps, url: string | URL): Promise<{ body?: unknown; cause?: unknown }> {
  try {
    const response = await deps.fetch(url, { headers: { accept: 'application/json' } })
    if (response.status !== 200) return { cause: new Error(`it answers ${response.status}`) }
    return { body: await readJson(response) }
  } catch (cause) {
    return { cause }
  }
}

const trimmed = (path: string) => path.replace(/\/$/, '')

/** The same but for how a URL may be written, and one slash at its end. */
function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [URL.parse(one), URL.parse(other)]
  return a !== null && b !== null && trimmed(a.href) === trimmed(b.href)
}

/** The server's own metadata: where its challenge says, else below its path, else at the root (RFC 9728 3.1, 5.1). */
async function resourceMetadata(deps: Deps, url: URL, named: string | undefined): Promise<ResourceMetadata> {
  const wellKnown = `${url.origin}/.well-known/oauth-protected-resource`
  const path = trimmed(url.pathname)
  const places = named !== undefined ? [named] : [...(path ? [wellKnown + path + url.search] : []), wellKnown]
  let why: unknown
  for (const place of places) {
    const { body, cause } = await readAt(deps, place)
    why ??= cause
    if (body === undefined) continue
    const { data, error } = ResourceMetadata.safeParse(body)
    if (!data) throw new SetupError({ url: 'What the server says of its authorization cannot be read.' }, error)
    // F-08, RFC 9728 3.3: what speaks for another resource says nothing about this one.
    if (!isSameAddress(data.resource, url.href) || data.resource.includes('#'))
      throw new SetupError({
        url: 'The metadata there is of another address. Enter the address exactly as the server names it.',
      })
    if (data.bearer_methods_supported && !data.bearer_methods_supported.includes('header'))
      throw new SetupError({ url: 'The server takes no tokens in a header, and Valetkey sends them nowhere else.' })
    return data
  }
  throw new SetupError(
    {
      url: 'The server asks for credentials and does not say where they come from. If it takes a key in a header, enter that.',
    },
    why,
  )
}

/** Where the metadata of an issuer may be (upstreams.md 3.6.3); the last two only as a server of before has them. */
function metadataPlaces(issuer: URL): string[] {
  const { origin } = issuer
  const path = trimmed(issuer.pathname)
  const before = (name: string) => `${origin}/.well-known/${name}${path}`
  const roots = ['oauth-authorization-server', 'openid-configuration']
  if (!path) return roots.map(before)
  return [
    ...roots.map(before),
    `${origin}${path}/.well-known/openid-configuration`,
    ...roots.map((name) => `${origin}/.well-known/${name}`),
  ]
}

const unfit = (text: string, cause?: unknown) => new SetupError({ authorization_server: text }, cause)

/** Metadata of an authorization server that names itself as it was named, and does what a link needs. */
async function serverMetadata(deps: Deps, issuer: string): Promise<AuthorizationServer> {
  const asked = checkedAddress(deps, 'authorization_server', issuer)
  let isAnother = false
  let why: unknown
  for (const place of metadataPlaces(asked)) {
    const { body, cause } = await readAt(deps, place)
    why ??= cause
    if (body === undefined) continue
    const { data, error } = AuthorizationServer.safeParse(body)
    why ??= error
    // Identical, but for the slash that an address without a path may be written with (RFC 8414 3.3, F-08).
    const isItself = data && (data.issuer === issuer || (asked.pathname === '/' && isSameAddress(data.issuer, issuer)))
    isAnother ||= data !== undefined && !isItself
    if (data && isItself) return checkedServer(deps, data)
  }
  if (isAnother) throw unfit('The metadata of the authorization server names another issuer, so it is not believed.')
  throw unfit('The authorization server publishes no metadata that can be used.', why)
}

function checkedServer(deps: Deps, server: AuthorizationServer): AuthorizationServer {
  for (const [name, value] of Object.entries(server))
    if (/_endpoint$|^jwks_uri$/.test(name) && typeof value === 'string') {
      try {
        checkedAddress(deps, name, value)
      } catch (cause) {
        throw unfit(`The authorization server names an address that cannot be used: its ${name}.`, cause)
      }
    }
  // L-03: without it a code that is caught can be used.
  if (!server.code_challenge_methods_supported?.includes('S256'))
    throw unfit('The authorization server does not offer PKCE with S256, which Valetkey requires.')
  if (server.grant_types_supported && !server.grant_types_supported.includes('authorization_code'))
    throw unfit('The authorization server does not offer the authorization code flow.')
  return server
}
