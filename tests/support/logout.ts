import { backchannelLogout } from '../../lib/http/logout.ts'
import { origin } from './signin.ts'

const post = backchannelLogout()

/** Delivers a body as an issuer does; the product is called as a function. */
export async function deliver(
  body: string | URLSearchParams,
  headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' },
) {
  const answer = await post(new Request(`${origin}/oauth/backchannel-logout`, { method: 'POST', body, headers }), {
    params: Promise.resolve({}),
  })
  const text = await answer.text()
  const error = text ? (JSON.parse(text) as { error?: string }).error : undefined
  return { status: answer.status, error, cache: answer.headers.get('cache-control'), headers: answer.headers }
}

/** The one field that counts. */
export const deliverToken = (token: string) => deliver(new URLSearchParams({ logout_token: token }))
