import { isOutboundError } from '../../security/outbound.ts'
import { randomToken } from '../../security/secrets.ts'
import { line, watched } from '../check.ts'
import { shellQuoted } from '../kind.ts'
import { reaching, speak } from '../oauth/index.ts'
import { noOwnToken } from '../oauth/protocol.ts'
import { factsOf } from '../oauth/settings.ts'
import { findMetadata } from '../oauth/setup.ts'
import { type CheckLine, isUpstreamError, type ProviderDeps, type ProviderSettings } from '../provider.ts'
import { exchangeIsOn } from './exchange.ts'
import { delegationScope, type KeycloakSettings, realmAt } from './settings.ts'
import { exchangeGrant } from './setup.ts'

type Row = ProviderSettings<KeycloakSettings>
type Check = {
  row: Row
  deps: ProviderDeps
  redirectUri: string
  /** What is seen of any OAuth server. */
  seen: CheckLine[] | undefined
}

/** What linking and exchanging at a realm stand on, and for each setting that is missing the lines that set it. */
export async function checkRealm({ row, deps: given, redirectUri, seen = [] }: Check): Promise<CheckLine[]> {
  const { settings } = row
  const { deps: all } = watched(given)
  const deps = reaching(settings, all)
  const admin = adminLines(row)
  const [trial, announced, asked] = await Promise.all([
    exchangeTrial(row, all),
    announces(deps, settings),
    requestsTaken(deps, row, redirectUri),
  ])
  const own = [
    exchangeLine(trial, announced, settings, admin),
    confidentialLine(trial, admin),
    serviceAccountLine(trial, settings, admin),
    ...(settings.delegation ? [delegationLine(asked)] : []),
    offlineLine(asked, settings, admin),
    pkceLine(asked, admin),
    rotationLine(settings, admin),
    logoutLine(redirectUri, admin),
  ]
  const redirect = admin.client(`redirectUris=${JSON.stringify([redirectUri])}`)
  const there = seen
    .filter(({ id }) => id !== 'pkce')
    .map((one) => {
      if (one.id !== 'redirect' || one.state === 'ok') return one
      // Of a request with all scopes it may be one of those that the realm does not take.
      if (asked.usual)
        return line(one.id, one.title, 'ok', 'The realm takes an authorization request with our redirect URI.')
      return { ...one, ...admin.how(redirect, one.next) }
    })
  return [...there, ...own]
}

type Admin = ReturnType<typeof adminLines>

/** Lines for Keycloak's admin CLI, each part of them quoted for a shell. */
export function adminLines({ issuer, clientId }: Pick<Row, 'issuer' | 'clientId'>) {
  const { server, realm } = realmAt(issuer)
  const inRealm = `-r ${shellQuoted(realm)}`
  const find = `CLIENT=$(kcadm.sh get clients ${inRealm} -q ${shellQuoted(`clientId=${clientId}`)} --fields id --format csv --noquotes)`
  const signIn = `Sign in with “kcadm.sh config credentials --server ${server} --realm master --user” and your name there, then run these lines.`
  return {
    inRealm,
    find,
    /** Sets something of our client. */
    client: (...settings: string[]) => [
      find,
      `kcadm.sh update "clients/$CLIENT" ${inRealm} ${settings.map((one) => `-s ${shellQuoted(one)}`).join(' ')}`,
    ],
    realm: (...settings: string[]) => [
      `kcadm.sh update ${shellQuoted(`realms/${encodeURIComponent(realm)}`)} ${settings.map((one) => `-s ${shellQuoted(one)}`).join(' ')}`,
    ],
    /** What is to be done, and with which lines. */
    how: (commands: string[], next?: string | null) => ({ next: [next, signIn].filter(Boolean).join(' '), commands }),
  }
}

type Trial = 'on' | 'lax' | 'off' | 'no_account' | 'untold'

const refreshTokenType = 'urn:ietf:params:oauth:token-type:refresh_token'

/**
 * An exchange of the client's own token for an audience that is made up: nothing can come of it, and nobody's grant is asked.
 * Once more for a refresh token: the standard exchange gives none unless told to, the legacy one always does.
 */
async function exchangeTrial(row: Row, deps: ProviderDeps): Promise<Trial> {
  const protocol = speak(row, factsOf(row.settings), deps)
  try {
    if (!(await exchangeIsOn(protocol, 'own'))) return 'off'
    return (await exchangeIsOn(protocol, 'own', refreshTokenType)) ? 'lax' : 'on'
  } catch (error) {
    if (!isUpstreamError(error)) throw error
    return error.code === noOwnToken ? 'no_account' : 'untold'
  }
}

/** The client got a token for itself. */
const hasOwnToken = (trial: Trial) => trial === 'on' || trial === 'lax' || trial === 'off'

/** Whether the realm's metadata names the grant now; undefined: it does not come, or does not say. */
async function announces(deps: ProviderDeps, { server, alias }: KeycloakSettings): Promise<boolean | undefined> {
  const url = new URL(server.issuer)
  const { metadata } = await findMetadata(deps, alias ? new URL(url.pathname, new URL(alias).origin) : url, ['oidc'])
  const grants = (metadata as { grant_types_supported?: unknown } | undefined)?.grant_types_supported
  return Array.isArray(grants) ? grants.includes(exchangeGrant) : undefined
}

type Taken = Record<'usual' | 'offline' | 'withoutPkce' | 'delegated', boolean | undefined>

/**
 * Authorization requests that nobody follows up: one that is in order, one with `offline_access`, one without PKCE,
 * one that lets us be named as the one who acts. A realm
 * shows its sign-in page, or sends back what it does not take; where it sends everybody away, nothing is told.
 */
async function requestsTaken(deps: ProviderDeps, { clientId, settings }: Row, redirectUri: string): Promise<Taken> {
  const takes = async (scope: string, more: Record<string, string>): Promise<boolean | undefined> => {
    const url = new URL(settings.server.authorization_endpoint)
    const query = { client_id: clientId, response_type: 'code', redirect_uri: redirectUri, scope, ...more }
    for (const [name, value] of Object.entries({ ...query, state: randomToken(), nonce: randomToken() }))
      url.searchParams.set(name, value)
    try {
      const { status } = await deps.fetch(url, { headers: { accept: 'text/html' } })
      return status === 200 ? true : undefined
    } catch (error) {
      if (!isOutboundError(error)) throw error
      return error.status === undefined ? undefined : false
    }
  }
  // RFC 7636 4.2: any 43 characters of the alphabet can be a challenge.
  const pkce = { code_challenge: randomToken(), code_challenge_method: 'S256' }
  const [usual, offline, withoutPkce, delegated] = await Promise.all([
    takes('openid', pkce),
    takes('openid offline_access', pkce),
    takes('openid', {}),
    takes(`openid ${delegationScope(clientId)}`, pkce),
  ])
  if (usual) return { usual, offline, withoutPkce, delegated }
  return { usual, offline: undefined, withoutPkce: undefined, delegated: undefined }
}

function exchangeLine(
  trial: Trial,
  announced: boolean | undefined,
  { exchange }: KeycloakSettings,
  admin: Admin,
): CheckLine {
  const say = (state: CheckLine['state'], seen: string, more: Partial<CheckLine> = {}): CheckLine => ({
    ...line('exchange', 'Token exchange', state, seen),
    ...more,
  })
  const switchOn = admin.how(admin.client('attributes."standard.token.exchange.enabled"=true'))
  if (announced === false)
    return say('failed', 'The realm does not announce token exchange.', {
      next: 'Keycloak 26.2 and newer do it. If it was switched off, start it with “--features=token-exchange-standard”.',
    })
  if (trial === 'off') return say('failed', 'It is not switched on for the client.', switchOn)
  if (trial === 'lax')
    return say(
      'attention',
      'The realm would give the client a refresh token by an exchange, or the legacy exchange serves it.',
      {
        ...admin.how(
          admin.client(
            'attributes."standard.token.exchange.enabled"=true',
            'attributes."standard.token.exchange.enableRefreshRequestedTokenType"=NO',
          ),
        ),
      },
    )
  if (trial === 'on' && !exchange)
    return say('attention', 'The realm exchanges tokens for the client, and this provider does not use it.', {
      next: 'Switch it on in the settings of this provider.',
    })
  if (trial === 'on') return say('ok', 'The realm exchanges tokens for the client.')
  return say(
    'unknown',
    trial === 'no_account'
      ? 'Only a client with a service account can try it without anybody’s grant. The first token shows it.'
      : 'The token endpoint was not reached, or its answer says nothing about it.',
    trial === 'no_account' ? switchOn : { next: 'See “Name and connection” and “Client authentication”.' },
  )
}

function confidentialLine(trial: Trial, admin: Admin): CheckLine {
  const title = 'Confidential client'
  if (hasOwnToken(trial))
    return line(
      'confidential',
      title,
      'ok',
      'The realm gives the client a token for itself, which no public client gets.',
    )
  return {
    ...line(
      'confidential',
      title,
      'unknown',
      'It cannot be told whether the realm takes the client for a public one, which may exchange nothing.',
    ),
    ...admin.how(admin.client('publicClient=false')),
  }
}

function serviceAccountLine(trial: Trial, { delegation }: KeycloakSettings, admin: Admin): CheckLine {
  const title = 'Service account'
  if (hasOwnToken(trial))
    return line('service_account', title, 'ok', 'The client has one. Its token is exchanged, and no API ever sees it.')
  if (trial === 'untold')
    return line('service_account', title, 'unknown', 'It cannot be told whether the client has one.')
  const on = admin.how(admin.client('serviceAccountsEnabled=true'))
  return delegation
    ? {
        ...line(
          'service_account',
          title,
          'failed',
          'The client has none, so no token can name it as the one who acts.',
        ),
        ...on,
      }
    : {
        ...line(
          'service_account',
          title,
          'ok',
          'The client has none. Only a token that names Valetkey as the one who acts needs it.',
        ),
      }
}

/** Where an admin says that the realm can do it. */
function delegationLine({ usual, delegated }: Taken): CheckLine {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('delegation', 'Naming who acts', ...rest)
  if (delegated) return say('ok', 'The realm lets people allow that Valetkey is named as the one who acts.')
  if (!usual) return say('unknown', 'Only a browser sees whether the realm lets people allow it.')
  return say(
    'failed',
    'The realm does not know the scope by which people allow it, so nobody can link.',
    'It needs Keycloak 26.8 or newer, started with “--features=token-exchange-delegation,parameterized-scopes”. Until then switch it off in the settings of this provider.',
  )
}

function offlineLine({ usual, offline }: Taken, { scopes }: KeycloakSettings, admin: Admin): CheckLine {
  const say = (state: CheckLine['state'], seen: string, more: Partial<CheckLine> = {}): CheckLine => ({
    ...line('offline_access', 'Offline access', state, seen),
    ...more,
  })
  if (!scopes.includes('offline_access'))
    return say('ok', 'Not asked for: a connection ends with the person’s session there.')
  if (offline) return say('ok', 'The client may ask for it, so connections last beyond the person’s session there.')
  const scope = `SCOPE=$(kcadm.sh get client-scopes ${admin.inRealm} --fields id,name --format csv --noquotes | sed -n 's/,offline_access$//p')`
  const add = `kcadm.sh update "clients/$CLIENT/optional-client-scopes/$SCOPE" ${admin.inRealm}`
  if (usual && offline === false)
    return say('failed', 'The client may not ask for the scope “offline_access”, so nobody can link.', {
      ...admin.how([admin.find, scope, add]),
    })
  return say('unknown', 'Only a browser sees whether the client may ask for it.', admin.how([admin.find, scope, add]))
}

function pkceLine({ usual, withoutPkce }: Taken, admin: Admin): CheckLine {
  const title = 'PKCE'
  if (usual && withoutPkce === false)
    return line('pkce', title, 'ok', 'The realm takes no link without it. It is sent in every link.')
  const demand = admin.how(admin.client('attributes."pkce.code.challenge.method"=S256'))
  return withoutPkce
    ? {
        ...line('pkce', title, 'attention', 'It is sent in every link, but the realm would also take one without it.'),
        ...demand,
      }
    : {
        ...line('pkce', title, 'unknown', 'It is sent in every link. Whether the realm demands it cannot be told.'),
        ...demand,
      }
}

/** Only renewals show it, and they may come late: the recommended setting is told. */
function rotationLine({ refreshGraceSeconds }: KeycloakSettings, admin: Admin): CheckLine {
  const seen =
    refreshGraceSeconds > 0
      ? `This provider expects that a used refresh token is still answered for ${refreshGraceSeconds} seconds.`
      : 'This provider expects that a refresh token works once. Whether the realm keeps to that cannot be told without a grant.'
  const set = admin.realm('revokeRefreshToken=true', 'refreshTokenMaxReuse=0')
  return { ...line('refresh_rotation', 'Used refresh tokens', 'unknown', seen), ...admin.how(set) }
}

function logoutLine(redirectUri: string, admin: Admin): CheckLine {
  const url = `${new URL(redirectUri).origin}/oauth/backchannel-logout`
  return {
    ...line(
      'backchannel_logout',
      'Back-channel logout',
      'unknown',
      `The realm can tell ${url} that a person’s session there has ended. Whether it does cannot be told.`,
    ),
    ...admin.how(
      admin.client(
        `attributes."backchannel.logout.url"=${url}`,
        'attributes."backchannel.logout.session.required"=true',
      ),
    ),
  }
}
