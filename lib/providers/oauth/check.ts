import { z } from 'zod'
import { readJson } from '../../security/json.ts'
import { isOutboundError } from '../../security/outbound.ts'
import { randomToken, Secret } from '../../security/secrets.ts'
import { clientLines, clockLine, connectionLine, line, tlsLine, watched } from '../check.ts'
import { isSetupError } from '../kind.ts'
import { type CheckLine, isUpstreamError, type ProviderDeps, type ProviderSettings } from '../provider.ts'
import { isRfc7009, type Preset } from './preset.ts'
import type { Protocol } from './protocol.ts'
import { clientProof, type Facts, type OauthSettings, type Server } from './settings.ts'
import { discovered, findMetadata } from './setup.ts'

type Row = ProviderSettings<OauthSettings>
type Check = {
  row: Row
  facts: Facts
  deps: ProviderDeps
  /** The protocol of a row over another way out. */
  open: (row: Row, deps: ProviderDeps) => Protocol
  redirectUri: string
}

/** Everything that linking and renewing at a server stand on, asked beside each other, with nobody's grant. */
export async function checkServer({ row, facts, deps: given, open, redirectUri }: Check): Promise<CheckLine[]> {
  const { settings, clientSecretBefore } = row
  const { deps: all, hosts } = watched(given)
  const deps = { ...all, ...(settings.certificates && all.trusting(settings.certificates)) }
  const opened = open(row, all)
  const former =
    clientSecretBefore && open({ ...row, clientSecret: clientSecretBefore, clientSecretBefore: undefined }, all)
  const [discovery, keys, current, before, redirect, revocation] = await Promise.all([
    discoveryLine(deps, settings),
    keysLine(deps, settings),
    opened.tryClient(),
    former?.tryClient(),
    redirectLine(deps, settings, opened, redirectUri),
    revocationLine(settings, opened),
  ])
  const by = clientProof(settings)
  const clients = clientLines({
    current,
    before,
    by,
    unknown: 'The upstream does not know the client, or not by this secret.',
    next:
      by === 'key'
        ? 'Compare the client id, and register the address of our public keys there. A new key may take a while to be noticed.'
        : 'Compare the client id there, and enter its secret again.',
  })
  const urls = [settings.server.token_endpoint, settings.server.authorization_endpoint]
  const tls = tlsLine(deps, { hosts, urls, certificates: settings.certificates })
  return [
    connectionLine(hosts),
    tls,
    clockLine(hosts, deps.issuerClocks),
    discovery,
    keys,
    ...clients,
    redirect,
    pkceLine(facts.pkce, settings.server),
    revocation,
  ]
}

/** The fields of the metadata that the row has fixed: where anything is sent. */
const fixed = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'userinfo_endpoint',
  'jwks_uri',
  'revocation_endpoint',
  'pushed_authorization_request_endpoint',
] as const satisfies (keyof Server)[]

/** What only metadata says, so that a row that has it was made by discovery. */
const wasDiscovered = ({
  token_endpoint_auth_methods_supported: auth,
  code_challenge_methods_supported: pkce,
}: Server) => auth !== undefined || pkce !== undefined

/** Reads the metadata again. It changes nothing: where tokens go is fixed (docs/decisions/0049). */
async function discoveryLine(deps: ProviderDeps, { server, alias }: OauthSettings): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('discovery', 'Discovery', ...rest)
  const url = new URL(server.issuer)
  const inside = alias === undefined ? undefined : new URL(new URL(alias).origin)
  const found = await findMetadata(deps, inside ? new URL(url.pathname, inside) : url, ['oidc', 'oauth2'])
  if (found.metadata === undefined && !wasDiscovered(server))
    return say('unknown', 'The server publishes no metadata at its issuer, so there is nothing to compare with.')
  if (found.metadata === undefined)
    return say(
      'attention',
      'The metadata that this provider was made from was not found.',
      'Nothing was changed here. Ask whoever runs the server whether it has moved.',
    )
  let published: Server
  try {
    published = discovered(found.metadata, url, inside).server
  } catch (error) {
    if (!isSetupError(error)) throw error
    return say(
      'failed',
      'The metadata names another issuer, or lacks an endpoint.',
      'Nothing was changed here. Ask whoever runs the server. If it has moved, add it as a new provider.',
    )
  }
  // What an admin left out when they typed the endpoints is no difference.
  const differences = fixed.filter(
    (name) => published[name] !== server[name] && (server[name] !== undefined || wasDiscovered(server)),
  )
  if (differences.length === 0) return say('ok', 'The metadata names the same addresses as when the provider was made.')
  return say(
    differences.some((name) => name === 'authorization_endpoint' || name === 'token_endpoint') ? 'failed' : 'attention',
    `The metadata now says something else for: ${differences.join(', ')}.`,
    'Nothing was changed here, because members’ tokens go to these addresses. If the server has moved, add it as a new provider.',
  )
}

const Keys = z.object({ keys: z.array(z.unknown()) })
const Key = z.object({ kty: z.enum(['RSA', 'EC', 'OKP']), use: z.literal('sig').optional() })

/** Whether there is a key that an ID token can be verified with. */
async function keysLine(deps: ProviderDeps, { server, scopes }: OauthSettings): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('keys', 'Signing keys', ...rest)
  if (!server.jwks_uri || !scopes.includes('openid'))
    return say('ok', 'Not needed: no ID token is asked for at this provider.')
  const next = 'Ask whoever runs the server. Nobody can link until its keys are there.'
  try {
    const response = await deps.fetch(server.jwks_uri, { headers: { accept: 'application/json' } })
    const parsed = Keys.safeParse(response.status === 200 ? await readJson(response) : undefined)
    if (!parsed.success)
      return say('failed', `Its key set was answered with ${response.status} and cannot be read.`, next)
    const usable = parsed.data.keys.filter((key) => Key.safeParse(key).success).length
    if (usable === 0) return say('failed', 'Its key set has no key that verifies signatures.', next)
    return say('ok', `Its key set has ${usable} usable ${usable === 1 ? 'key' : 'keys'}.`)
  } catch (error) {
    if (!isOutboundError(error)) throw error
    return say('unknown', 'Its key set was not reached.', 'See “Name and connection”.')
  }
}

/** An authorization request that nobody follows up. */
async function redirectLine(
  deps: ProviderDeps,
  { server }: OauthSettings,
  { authorizationUrl }: Protocol,
  redirectUri: string,
): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('redirect', 'Redirect URI', ...rest)
  const compare = `Compare the redirect URI that is registered there with this one, letter by letter: ${redirectUri}`
  const isPushed = server.pushed_authorization_request_endpoint !== undefined
  const random = { state: randomToken(), nonce: randomToken(), codeVerifier: randomToken() }
  try {
    const url = await authorizationUrl({ ...random, redirectUri })
    if (isPushed) return say('ok', 'The server takes an authorization request with our redirect URI.')
    const { status } = await deps.fetch(url, { headers: { accept: 'text/html' } })
    if (status >= 400 && status < 500)
      return say('attention', `The authorization endpoint answers ${status} to a request of ours.`, compare)
  } catch (error) {
    const { failure, status } = isUpstreamError(error) ? error : { failure: undefined, status: undefined }
    if (isPushed && failure === 'rejected')
      return say('failed', `The server refuses an authorization request with our redirect URI (${status}).`, compare)
    if (!isUpstreamError(error) && !isOutboundError(error)) throw error
  }
  return say('unknown', 'Only a browser sees whether the server takes our redirect URI.', compare)
}

function pkceLine(known: Facts['pkce'], { code_challenge_methods_supported: announced }: Server): CheckLine {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('pkce', 'PKCE', ...rest)
  if (announced?.includes('S256')) return say('ok', 'The server announces S256. It is sent in every link.')
  if (known === 'checked')
    return say('ok', 'This server checks it, as its documentation says. It is sent in every link.')
  if (known === 'ignored')
    return say(
      'attention',
      'This server ignores it, as its documentation says. State and browser binding still protect links.',
    )
  return say('unknown', 'The server does not say whether it checks it. It is sent in every link.')
}

const endsWords = {
  token: 'It ends the token that is sent, not the whole grant.',
  grant: 'It ends the grant. Access tokens that are out end by themselves.',
  both: 'It ends the grant and its access tokens.',
  account: 'It ends every grant of that account to our client.',
  nothing: 'It ends nothing there.',
} as const satisfies Record<NonNullable<Preset['revocation']>['ends'], string>

/** RFC 7009 answers 200 to a token that it does not know, so a made-up one can be sent there. */
async function revocationLine({ server, revocation }: OauthSettings, { revoke }: Protocol): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('revocation', 'Revocation', ...rest)
  const way = revocation as Preset['revocation'] | undefined
  const ends = way ? endsWords[way.ends] : 'How much it ends is not known.'
  if (way && !isRfc7009(way))
    return say('unknown', `The server has a way of its own, which cannot be tried without a token. ${ends}`)
  if (!server.revocation_endpoint)
    return say(
      'attention',
      'The server has no revocation endpoint. Disconnecting destroys our copy alone.',
      'Tell members to end the access at the upstream as well.',
    )
  try {
    await revoke(new Secret(randomToken()), 'refresh_token')
    return say('ok', `The revocation endpoint answers. ${ends}`)
  } catch (error) {
    if (!isUpstreamError(error)) throw error
    const { status, code } = error
    if (status === 404 || status === 405)
      return say(
        'attention',
        `The revocation endpoint answers ${status}, so nothing can be revoked there.`,
        'Ask whoever runs the server. Until then disconnecting destroys our copy alone.',
      )
    if (code === 'invalid_client') return say('unknown', 'It does not know the client. See “Client authentication”.')
    if (code !== undefined) return say('ok', `The revocation endpoint answers. ${ends}`)
    return say('unknown', 'The revocation endpoint was not reached, or it fails.', 'Run the check again later.')
  }
}
