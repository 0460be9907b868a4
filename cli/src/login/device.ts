import * as oauth from 'oauth4webapi'
import { openBrowser } from '../browser.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { client, failureOf, isPassing, persistently, refusalOf, requests, retryAfterOf, serverOf } from '../oauth.ts'

/** Signs in from where no browser can come back to (RFC 8628): the person types a code. @throws Failure */
export async function byDevice(
  cli: Cli,
  { server: origin, scope, opens }: { server: string; scope: string; opens: boolean },
): Promise<oauth.TokenEndpointResponse> {
  const server = serverOf(origin)
  const began = cli.monotonicSeconds()
  const asked = await persistently(cli, 4, async () => {
    const response = await oauth.deviceAuthorizationRequest(server, client, oauth.None(), { scope }, requests(cli))
    return oauth.processDeviceAuthorizationResponse(server, client, response)
  }).catch((error: unknown) => {
    throw failureOf(error, origin)
  })
  show(cli, asked)
  if (opens) await openBrowser(cli, asked.verification_uri_complete ?? asked.verification_uri)
  try {
    return await poll(cli, server, asked, began + asked.expires_in)
  } catch (error) {
    const said = { access_denied: 'The request was denied.', expired_token: 'Nobody answered in time.' }[
      refusalOf(error) ?? ''
    ]
    if (said)
      throw new Failure('denied', said, {
        code: refusalOf(error) ?? 'denied',
        cause: error,
        next: 'Start again if that was a mistake: valetkey login --device',
      })
    throw failureOf(error, origin)
  }
}

function show({ out }: Cli, { user_code, verification_uri }: oauth.DeviceAuthorizationResponse): void {
  if (out.json) out.note(JSON.stringify({ user_code, verification_uri }))
  else {
    out.note('Open ', { text: verification_uri, style: 'underline' }, ' and type this code:')
    out.note('')
    out.note('    ', { text: user_code, style: 'bold' })
    out.note('')
  }
}

/**
 * Asks until there is an answer (O-11): the end is that of the codes, on a clock that never jumps; `slow_down` stays; without an answer
 * it asks less and less often, every 30 seconds at least, and as usual once it is answered again.
 */
async function poll(
  cli: Cli,
  server: oauth.AuthorizationServer,
  { device_code, interval: asked = 5 }: oauth.DeviceAuthorizationResponse,
  end: number,
): Promise<oauth.TokenEndpointResponse> {
  let interval = asked
  let pause = interval
  for (;;) {
    await countDown(cli, Math.min(pause, Math.max(0, end - cli.monotonicSeconds())), end)
    if (cli.monotonicSeconds() >= end)
      throw new Failure('denied', 'Nobody answered in time.', {
        code: 'expired_token',
        next: 'Start again: valetkey login --device',
      })
    try {
      const response = await oauth.deviceCodeGrantRequest(server, client, oauth.None(), device_code, requests(cli))
      return await oauth.processDeviceCodeResponse(server, client, response)
    } catch (error) {
      if (refusalOf(error) === 'slow_down') interval += 5
      else if (isPassing(error)) {
        pause = Math.max(retryAfterOf(error) ?? 0, Math.min(30, pause * 2))
        continue
      } else if (refusalOf(error) !== 'authorization_pending') throw error
      pause = interval
    }
  }
}

/** Waits, and says how much time is left. */
async function countDown(cli: Cli, seconds: number, end: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 1) {
    const remaining = Math.max(0, Math.round(end - cli.monotonicSeconds()))
    const clock = `${Math.floor(remaining / 60)}:${String(remaining % 60).padStart(2, '0')}`
    cli.out.progress(`Waiting for you in the browser … ${clock}`)
    await cli.wait(Math.min(1, left))
  }
}
