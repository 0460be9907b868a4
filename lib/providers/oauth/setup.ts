import { X509Certificate } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { requestOptions } from '../../security/discovery.ts'
import { assertOutboundUrl } from '../../security/outbound.ts'
import { type ClientKey, type Found as FoundView, type Prepared, SetupError } from '../kind.ts'
import type { ProviderDeps } from '../provider.ts'
import { authorizationNames, tokenNames } from './parameters.ts'
import { filledIn, isRfc7009, isVariableError, type Preset } from './preset.ts'
import { presets } from './presets/index.ts'
import { DescribedScope, scopeName } from './rights.ts'
import { authentications, Narrowing, OauthSettings, Server } from './settings.ts'

const parameters = <N extends string>(names: readonly N[]) =>
  z.partialRecord(z.enum(names), z.string().regex(/^[ -~]{1,500}$/, 'printable ASCII'))

export const webAddress = z
  .string()
  .max(500)
  .regex(/^https?:\/\/[!-~]+$/, 'an http or https address')
  // What no pattern says, such as a host with a bracket in it.
  .refine((text) => URL.canParse(text), 'an http or https address')

/** What an admin enters for a provider of kind `oauth`: a preset, an issuer to discover, or the endpoints themselves. */
export const OauthSetup = z.strictObject({
  preset: z.string().max(40).optional(),
  /** What the preset asks, by name. */
  variables: z.record(z.string().max(20), z.string().max(200)).optional(),
  /** Alone: its metadata is read once, now (OIDC Discovery, then RFC 8414). Beside endpoints: its name, where it has one. */
  issuer: webAddress.optional(),
  authorization_endpoint: webAddress.optional(),
  token_endpoint: webAddress.optional(),
  userinfo_endpoint: webAddress.optional(),
  jwks_uri: webAddress.optional(),
  revocation_endpoint: webAddress.optional(),
  client_authentication: z.enum(authentications).optional(),
  /** Asked for in every link. Left out: what the preset suggests. */
  scopes: z
    .array(z.union([scopeName, DescribedScope]))
    .max(100)
    .optional(),
  scope_separator: z.enum([' ', ',']).optional(),
  authorization_parameters: parameters(authorizationNames).optional(),
  token_parameters: parameters(tokenNames).optional(),
  /** Each is a project that every connection reaches. */
  api_bases: z
    .array(
      z.strictObject({ name: z.string().min(1).max(80), url: webAddress, audience: z.string().max(500).optional() }),
    )
    .min(1)
    .max(20)
    .optional(),
  /** GET and HEAD change nothing at the API, and reading needs nothing else. Left out: as the preset says, else no. */
  methods_carry_meaning: z.boolean().optional(),
  /** PEM. Fits into a request (64 KiB) beside everything else. */
  certificates: z.string().max(50_000).optional(),
  /** How the issuer is reached from here, where that is not how browsers do (N-33). */
  internal_origin: webAddress.optional(),
  sender_constrained: z.boolean().optional(),
  /** What the server does at a refresh with fewer scopes, where an admin knows it. */
  narrowing: Narrowing.optional(),
})
export type OauthSetup = z.infer<typeof OauthSetup>

/** Fixes what a new row stands on. @throws SetupError */
export async function prepare(input: OauthSetup, deps: ProviderDeps): Promise<Prepared> {
  const isTyped = input.authorization_endpoint !== undefined
  if ([input.preset !== undefined, isTyped || input.issuer !== undefined].filter(Boolean).length !== 1)
    throw new SetupError({ setup: 'Name one of: preset, issuer, or authorization_endpoint with token_endpoint.' })
  const certificates = input.certificates === undefined ? undefined : checkedCertificates(input.certificates)
  const reached = { ...deps, ...(certificates && deps.trusting(certificates)) }
  const found = input.preset !== undefined ? await fromPreset(input, reached) : await asEntered(input, reached)
  const settings: OauthSettings = {
    ...found,
    certificates,
    senderConstrained: checkedBinding(input, found.server),
    ...(input.narrowing && { narrowing: input.narrowing }),
    ...(input.methods_carry_meaning !== undefined && { methodsCarryMeaning: input.methods_carry_meaning }),
    ...(await clientKeys(found)),
  }
  for (const [field, value] of addressesOf(settings)) checkedAddress(deps, field, value)
  const { privateKey, ...stored } = settings as typeof settings & { privateKey?: string }
  return {
    issuer: found.server.issuer,
    settings: JSON.parse(JSON.stringify(stored)) as Record<string, unknown>,
    ...(privateKey && { clientSecret: privateKey }),
    isPublic: found.authentication === 'none',
  }
}

type Found = Omit<OauthSettings, 'certificates' | 'senderConstrained' | 'keys' | 'methodsCarryMeaning'>

async function fromPreset(input: OauthSetup, deps: ProviderDeps): Promise<Found> {
  const known = presets.get(input.preset ?? '')
  if (!known) throw new SetupError({ preset: `There is no preset "${input.preset}".` })
  try {
    return await settingsOf(filledIn(known, input.variables ?? {}), input, deps)
  } catch (error) {
    if (!isVariableError(error)) throw error
    const variable = known.variables.find(({ name }) => name === error.variable)
    throw new SetupError({
      [`variables.${error.variable}`]: `This does not fit. Write it like ${variable?.placeholder}.`,
    })
  }
}

/** What a preset, with its variables filled in, becomes for a row. @throws SetupError */
export async function settingsOf(preset: Preset, input: OauthSetup, deps: ProviderDeps): Promise<Found> {
  const { discovery, ...typed } = preset.server
  const discovered = discovery ? await discover(deps, typed.issuer, [discovery], input.internal_origin) : undefined
  const { scopes, client, api, authorization, tokens, revocation, account } = preset
  const server = discovered?.server ?? Server.parse(typed)
  const suggested = scopes.known.filter((scope) => scope.suggested).map(({ name }) => name)
  return {
    preset: preset.name,
    server: isRfc7009(revocation)
      ? { ...server, revocation_endpoint: server.revocation_endpoint ?? revocation?.url }
      : server,
    ...(discovered?.alias && { alias: discovered.alias }),
    bases: input.api_bases ?? api.bases,
    ...(tokens.refresh_endpoint && { refreshEndpoint: tokens.refresh_endpoint }),
    ...(account && { account }),
    ...(revocation && { revocation }),
    authentication: input.client_authentication ?? client.authentication,
    ...scopesOf(scopes.always, input.scopes ?? suggested),
    separator: input.scope_separator ?? scopes.separator,
    authorizationParameters: { ...authorization.parameters, ...input.authorization_parameters },
    tokenParameters: { ...input.token_parameters },
    refreshTokenDays: Math.min(Math.floor(tokens.idleDays ?? 0), 3_650),
    refreshGraceSeconds: Math.min(tokens.graceSeconds, 300),
  }
}

async function asEntered(input: OauthSetup, deps: ProviderDeps): Promise<Found> {
  const { issuer, api_bases: bases, scopes = [] } = input
  if (!bases) throw new SetupError({ api_bases: 'Name at least one API that the tokens are for, with its address.' })
  const { server, alias } =
    issuer && !input.authorization_endpoint
      ? await discover(deps, issuer, ['oidc', 'oauth2'], input.internal_origin)
      : { server: typedServer(input), alias: undefined }
  const known = server.token_endpoint_auth_methods_supported
  const isPost = known?.includes('client_secret_post') && !known.includes('client_secret_basic')
  return {
    server,
    ...(alias && { alias }),
    bases,
    authentication: input.client_authentication ?? (isPost ? 'post' : 'basic'),
    ...scopesOf([], scopes),
    separator: input.scope_separator ?? ' ',
    authorizationParameters: { ...input.authorization_parameters },
    tokenParameters: { ...input.token_parameters },
    refreshTokenDays: 0,
    refreshGraceSeconds: 0,
  }
}

/** A server that publishes nothing goes by the origin of its sign-in page. */
function typedServer(input: OauthSetup): Server {
  const { authorization_endpoint = '', token_endpoint, userinfo_endpoint, jwks_uri, revocation_endpoint } = input
  if (!token_endpoint) throw new SetupError({ token_endpoint: 'Enter the token endpoint as well.' })
  const { issuer = new URL(authorization_endpoint).origin } = input
  return { issuer, authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri, revocation_endpoint }
}

/** Scopes by name, with what is said of each. */
function scopesOf(always: string[], chosen: NonNullable<OauthSetup['scopes']>) {
  const names = chosen.map((scope) => (typeof scope === 'string' ? scope : scope.name))
  const described = chosen.filter((scope) => typeof scope !== 'string')
  return { scopes: [...new Set([...always, ...names])], ...(described.length > 0 && { described }) }
}

type Algorithm = 'oidc' | 'oauth2'

/**
 * The metadata of an issuer, read once (RFC 8414 3, OIDC Discovery 4). Where it is reached from inside under another name,
 * both names are its own: browsers are sent to the public one, everything else goes inside (N-33).
 * @throws SetupError
 */
async function discover(
  deps: ProviderDeps,
  issuer: string,
  algorithms: readonly Algorithm[],
  internalOrigin: string | undefined,
): Promise<{ server: Server; alias?: string }> {
  const url = checkedAddress(deps, 'issuer', issuer)
  const inside = internalOrigin === undefined ? undefined : checkedAddress(deps, 'internal_origin', internalOrigin)
  const { metadata, cause } = await findMetadata(deps, inside ? new URL(url.pathname, inside) : url, algorithms)
  return discovered(metadata, url, inside, cause)
}

/** What the first of the well-known addresses of an issuer answers that has something; `cause`: why there is nothing. */
export async function findMetadata(
  deps: Pick<ProviderDeps, 'fetch'>,
  asked: URL,
  algorithms: readonly Algorithm[],
): Promise<{ metadata?: unknown; cause?: unknown }> {
  let cause: unknown
  for (const algorithm of algorithms) {
    try {
      const response = await oauth.discoveryRequest(asked, { ...requestOptions(deps), algorithm })
      if (response.status === 200) return { metadata: await response.json() }
    } catch (error) {
      cause = error
    }
  }
  return { cause }
}

/** Metadata as it is fixed in a row. @throws SetupError */
export function discovered(
  metadata: unknown,
  url: URL,
  inside: URL | undefined,
  cause?: unknown,
): { server: Server; alias?: string } {
  const field = 'issuer'
  const asked = inside ? new URL(url.pathname, inside) : url
  const parsed = Server.safeParse(metadata)
  if (!parsed.success)
    throw new SetupError(
      {
        [field]:
          metadata === undefined
            ? 'No metadata was found there. Check the address, or enter the endpoints yourself.'
            : `Its metadata lacks: ${missingIn(parsed.error)}.`,
      },
      cause,
    )
  const server = parsed.data
  const names = [url.href, asked.href].flatMap((href) => [href, href.replace(/\/$/, '')])
  // Identical, but for the slash that an address without a path may be written with (RFC 8414 3.3, F-08).
  if (!names.includes(server.issuer))
    throw new SetupError({
      [field]: 'The metadata there names another issuer. Enter the issuer exactly as the server names it.',
    })
  if (!inside) return { server }
  const moved = Object.fromEntries(
    Object.entries(server).map(([name, value]) => [
      name,
      typeof value === 'string' && name !== 'issuer'
        ? movedTo(value, name === 'authorization_endpoint' ? url : inside, [url, inside])
        : value,
    ]),
  )
  const alias = server.issuer.startsWith(inside.origin)
    ? server.issuer.replace(inside.origin, url.origin)
    : server.issuer.replace(url.origin, inside.origin)
  const isInside = server.issuer.startsWith(inside.origin)
  return {
    server: { ...(moved as Server), issuer: isInside ? alias : server.issuer },
    alias: isInside ? server.issuer : alias,
  }
}

/** The same address on another origin, if it is on one of those that are the server's own. */
function movedTo(address: string, { origin }: URL, own: URL[]): string {
  const url = URL.parse(address)
  return url && own.some((each) => each.origin === url.origin) ? origin + address.slice(url.origin.length) : address
}

const missingIn = (error: z.ZodError) =>
  [...new Set(error.issues.map(({ path }) => path.join('.') || 'everything'))].join(', ')

export function checkedAddress({ config }: Pick<ProviderDeps, 'config'>, field: string, text: string): URL {
  try {
    return assertOutboundUrl(text, config)
  } catch (cause) {
    throw new SetupError(
      {
        [field]:
          'Only public https addresses can be used. For a host inside your network, ask the operator to add it to VALETKEY_INTERNAL_HOSTS.',
      },
      cause,
    )
  }
}

function* addressesOf({
  server,
  bases,
  refreshEndpoint,
  account,
  revocation,
}: OauthSettings): Generator<[string, string]> {
  for (const [name, value] of Object.entries(server))
    if (/_endpoint$|^jwks_uri$|^issuer$/.test(name) && typeof value === 'string') yield [name, value]
  for (const { url } of bases) yield ['api_bases', url]
  if (refreshEndpoint) yield ['refresh_endpoint', refreshEndpoint]
  if (account?.url) yield ['account', account.url]
  if (revocation) yield ['revocation', revocation.url.replaceAll(/[{}]/g, '')]
}

/** What an admin checks before a provider with these settings is made. */
export function found(settings: Record<string, unknown>): FoundView {
  const { server, authentication, scopes, bases, certificates } = OauthSettings.parse(settings)
  const endpoints = Object.entries(server).flatMap(([name, url]) =>
    /_endpoint$|^jwks_uri$/.test(name) && typeof url === 'string' ? [{ name, url }] : [],
  )
  const apiBases = bases.map(({ name, url }) => ({ name, url }))
  return { endpoints, authentication, scopes, apiBases, certificates: certificatesIn(certificates) }
}

/** Whom each certificate of a PEM file names, and when it ends. */
export const certificatesIn = (pem = ''): FoundView['certificates'] =>
  blocksOf(pem)
    .map((block) => new X509Certificate(block))
    .map(({ subject, validTo }) => ({ subject: subject.replaceAll('\n', ', '), expiresAt: new Date(validTo) }))

const blocksOf = (text: string): string[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [])
    // As some programs write them, with empty lines.
    .map((block) => block.replaceAll(/\s+/g, (blanks) => (blanks.includes('\n') ? '\n' : blanks)))

/** One certificate of a CA or more, as they stand in a PEM file. @throws SetupError */
export function checkedCertificates(text: string): string {
  try {
    const read = blocksOf(text).map((block) => new X509Certificate(block))
    if (read.length === 0 || /PRIVATE KEY/.test(text)) throw new Error('no certificates, or more than that')
    // A server's own certificate vouches for nobody else, unless it made itself.
    if (read.some((each) => !each.ca && !each.checkIssued(each))) throw new Error('not of a CA')
    return read.map(String).join('')
  } catch (cause) {
    throw new SetupError({ certificates: 'Enter the certificates of your CA in PEM, and nothing else.' }, cause)
  }
}

/** @throws SetupError where the server does not offer it */
function checkedBinding({ sender_constrained }: OauthSetup, { dpop_signing_alg_values_supported }: Server): boolean {
  if (sender_constrained && !dpop_signing_alg_values_supported?.includes('ES256'))
    throw new SetupError({ sender_constrained: 'The server does not offer DPoP with ES256.' })
  return sender_constrained ?? false
}

/** A key of its own for a client that signs (RFC 7523), whose public half is served beside its redirect URI. */
async function clientKeys({
  authentication,
  server,
}: Found): Promise<{ keys: OauthSettings['keys']; privateKey?: string }> {
  if (authentication !== 'private_key_jwt') return { keys: [] }
  const offered = server.token_endpoint_auth_signing_alg_values_supported ?? ['ES256']
  const alg = ['ES256', 'EdDSA', 'PS256', 'RS256'].find((name) => offered.includes(name))
  if (!alg) throw new SetupError({ client_authentication: 'The server takes no signature that is sound.' })
  const { publicKey, privateKey } = await newClientKey(alg)
  return { keys: [publicKey], privateKey }
}

/** A key pair as it is kept: the private half to be sealed, the public one to be published. */
export async function newClientKey(alg: string): Promise<ClientKey> {
  const pair = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(pair.publicKey)
  const named = { alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
  return {
    publicKey: { ...jwk, ...named },
    privateKey: JSON.stringify({ ...(await exportJWK(pair.privateKey)), ...named }),
  }
}
