import { isOutboundError } from '../../security/outbound.ts'
import { randomToken } from '../../security/secrets.ts'
import { clientLines, clockLine, connectionLine, line, tlsLine, watched } from '../check.ts'
import type { Protocol } from '../oauth/protocol.ts'
import type { CheckLine, ProviderDeps, ProviderSettings } from '../provider.ts'
import type { KeboolaSettings } from './settings.ts'

type Row = ProviderSettings<KeboolaSettings>

/** Whether a stack is there, knows our client (K-26) and answers for tokens. With nobody's grant. */
export async function checkStack(
  row: Row,
  given: ProviderDeps,
  { speak, redirectUri }: { speak: (row: Row, deps: ProviderDeps) => Protocol; redirectUri: string },
): Promise<CheckLine[]> {
  const { deps, hosts } = watched(given)
  const { clientSecretBefore } = row
  const former = clientSecretBefore && { ...row, clientSecret: clientSecretBefore, clientSecretBefore: undefined }
  const [current, before, redirect, verify] = await Promise.all([
    speak(row, deps).tryClient(),
    former && speak(former, deps).tryClient(),
    redirectLine(deps, speak(row, deps), redirectUri),
    verifyLine(row, deps),
  ])
  const clients = clientLines({
    current,
    before,
    by: row.clientSecret ? 'secret' : 'nothing',
    unknown: `This stack has no client registered for Valetkey, or not ${row.clientSecret ? 'with this secret' : 'as a public client'}.`,
    next: 'Ask whoever runs the stack to register one with the redirect URI of this provider. Then enter its client id and secret here.',
  })
  return [
    connectionLine(hosts),
    tlsLine(deps, { hosts, urls: [row.issuer] }),
    clockLine(hosts, deps.issuerClocks),
    ...clients,
    redirect,
    verify,
  ]
}

/**
 * An authorization request that nobody follows up. League answers an unknown client or redirect URI with a page of its own,
 * so that whoever links is stranded there: only this look tells beforehand.
 */
async function redirectLine(
  deps: ProviderDeps,
  { authorizationUrl }: Protocol,
  redirectUri: string,
): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('redirect', 'Redirect URI', ...rest)
  const random = { state: randomToken(), nonce: randomToken(), codeVerifier: randomToken() }
  const url = await authorizationUrl({ ...random, redirectUri })
  const compare = `Have the stack’s client registered with exactly this redirect URI: ${redirectUri}`
  const status = await deps.fetch(url, { headers: { accept: 'text/html' } }).then(
    (response) => response.status,
    (error: unknown) => {
      if (!isOutboundError(error)) throw error
      return error.status
    },
  )
  if (status === undefined) return say('unknown', 'The sign-in page was not reached.', 'See “Name and connection”.')
  if (status === 404)
    return say('failed', 'There is no sign-in page at its path.', 'Ask whoever runs the stack which path it has.')
  if (status >= 500 || status === 429)
    return say('unknown', `The sign-in page answers ${status}.`, 'Run the check again later.')
  if (status >= 400) return say('failed', `The stack refuses our client or our redirect URI (${status}).`, compare)
  return say('ok', 'The sign-in page takes our client with our redirect URI.')
}

/** A token that is made up is refused there, and nothing else happens. */
async function verifyLine({ issuer }: Row, deps: ProviderDeps): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) => line('verify', 'Storage API', ...rest)
  try {
    const { status } = await deps.fetch(`${issuer}/v2/storage/tokens/verify`, {
      headers: { accept: 'application/json', 'x-storageapi-token': 'none' },
    })
    if ([400, 401, 403].includes(status)) return say('ok', 'The call that verifies tokens is there.')
    if (status >= 500 || status === 429)
      return say('unknown', `The call that verifies tokens answers ${status}.`, 'Run the check again later.')
    return say(
      'failed',
      `The call that verifies tokens answers ${status}.`,
      'Check that the address is that of a Keboola stack.',
    )
  } catch (error) {
    if (!isOutboundError(error)) throw error
    return say('unknown', 'The call that verifies tokens was not reached.', 'See “Name and connection”.')
  }
}
