import { isOutboundError } from '../../security/outbound.ts'
import { randomToken } from '../../security/secrets.ts'
import { line } from '../check.ts'
import { type CheckLine, isUpstreamError, type ProviderDeps } from '../provider.ts'
import type { Sessions } from './session.ts'

/**
 * Whether a stack has its own sign-in for programs, and takes our client there with our redirect URI: an authorization request
 * that nobody follows up, as for the ordinary way.
 */
export async function sessionLine(
  deps: Pick<ProviderDeps, 'fetch'>,
  { authorizationUrl }: Pick<Sessions, 'authorizationUrl'>,
  redirectUri: string,
): Promise<CheckLine> {
  const say = (...rest: [CheckLine['state'], string, string?]) =>
    line('session', 'One sign-in for several projects', ...rest)
  const random = { state: randomToken(), nonce: randomToken(), codeVerifier: randomToken() + randomToken() }
  try {
    const url = await authorizationUrl({ ...random, redirectUri })
    const { status } = await deps.fetch(url, { headers: { accept: 'text/html' } })
    if (status === 404) return absent(say)
    if (status >= 500 || status === 429)
      return say('unknown', `Its sign-in page answers ${status}.`, 'Run the check again later.')
    if (status >= 400)
      return say(
        'failed',
        `The stack refuses our client or our redirect URI there (${status}).`,
        `Have a client registered for it with exactly this redirect URI: ${redirectUri}`,
      )
    return say('ok', 'Its sign-in page takes our client with our redirect URI.')
  } catch (error) {
    if (isUpstreamError(error) && error.failure === 'not_offered') return absent(say)
    if (!isOutboundError(error)) throw error
    return say('unknown', 'Its sign-in page was not reached.', 'See “Name and connection”.')
  }
}

const absent = (say: (...rest: [CheckLine['state'], string, string?]) => CheckLine) =>
  say(
    'failed',
    'The stack does not offer it yet.',
    'Turn it off in the settings of this provider, or ask whoever runs the stack. The ordinary way works without it.',
  )
