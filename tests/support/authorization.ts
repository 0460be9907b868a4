import type { Jar, TestApp } from './app.ts'
import { origin } from './broker.ts'
import { pkce, post } from './programs.ts'

export type Device = { device_code: string; user_code: string; verification_uri_complete: string }

/** A program begins to wait (RFC 8628 3.1); `from`: its address. */
export async function startDevice(
  app: TestApp,
  form: Record<string, string> = { client_id: 'valetkey' },
  from = '203.0.113.7',
): Promise<Device> {
  const headers = { 'x-forwarded-for': from, 'user-agent': 'valetkey-cli/1.0' }
  const { body, status } = await post<Device>(app, '/oauth/device_authorization', form, { headers })
  if (status !== 200) throw new Error(`a device was answered ${status}: ${JSON.stringify(body)}`)
  return body
}

/** What a device hears that asks once more. */
export const pollDevice = (
  app: TestApp,
  { device_code }: Device,
  client: Record<string, string> = { client_id: 'valetkey' },
) =>
  post(app, '/oauth/token', {
    ...client,
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
  })

/** Types a code. */
export const claim = (app: TestApp, jar: Jar, user_code: string, from = '198.51.100.20') =>
  app.call<{ id: string; code: string }>(
    jar,
    'POST',
    '/authorizations/claim',
    { user_code },
    { 'x-forwarded-for': from },
  )

/** A device that somebody has claimed. */
export async function claimed(
  app: TestApp,
  jar: Jar,
  client?: Record<string, string>,
): Promise<Device & { id: string }> {
  const device = await startDevice(app, client)
  const { body, status } = await claim(app, jar, device.user_code)
  if (status !== 200) throw new Error(`the claim was answered ${status}: ${JSON.stringify(body)}`)
  return { ...device, id: body.id }
}

/** A browser that a program sends here; the request's id, and what redeems its code. */
export async function startCode(app: TestApp, given: Record<string, string>) {
  const { verifier, challenge } = pkce()
  const query = new URLSearchParams({
    response_type: 'code',
    state: 'its-own-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...given,
  })
  const answer = await app.send(new Map(), new Request(`${origin}/oauth/authorize?${query}`))
  const id = /\/authorize\/(aut_[0-9a-f]{32})$/.exec(answer.headers.get('location') ?? '')?.[1]
  if (!id) throw new Error(`sent to ${answer.headers.get('location')}`)
  return { id, verifier }
}
