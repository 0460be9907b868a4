import { requestOfAttempt } from '../broker/link/ask.ts'
import { completeLink, type LinkResult } from '../broker/link/complete.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'
import { refreshCatalogue } from '../mcp/catalogue.ts'
import { tenantSlug } from '../tenancy/tenants.ts'
import { linkBrowser } from './browser.ts'
import { requireNavigation } from './csrf.ts'
import { errorDocument } from './document.ts'
import { takeLimit } from './limits.ts'
import { type Call, type Edge, edge } from './request.ts'
import { readSession } from './session.ts'

const path = '/oauth/callback/{key}'

/**
 * The callback of every link flow: a navigation that comes from another site and changes something, which
 * a state and this browser's secret allow instead of the CSRF layers. Answers with a redirect to a clean address: neither
 * code nor state stays in the browser, and nothing that the upstream wrote is shown (L-10, L-15).
 */
export const linkCallback = (): Edge =>
  edge(
    { kind: 'callback', name: 'linkCallback', method: 'GET', path },
    async (call, route) => {
      const { key } = await route.params
      return { response: await comeBack(call, String(key)) }
    },
    refusal,
  )

async function comeBack(call: Call, key: string): Promise<Response> {
  const { ctx, request, address, agent, requestId } = call
  // HEAD too: a link preview must not use up an attempt.
  if (request.method !== 'GET') throw new BrokerError('method_not_allowed')
  requireNavigation(request.headers)
  await takeLimit(ctx, 'callback', { address })
  const session = await readSession(ctx, request.headers)
  if (session) await takeLimit(ctx, 'linkReturn', { userId: session.userId })
  const result = await completeLink(ctx, {
    key,
    parameters: new URL(request.url).searchParams,
    browser: linkBrowser(request.headers),
    session: session && { id: session.credential.session, userId: session.userId },
    origin: { address, agent, requestId },
  })
  if (result.kind === 'linked') {
    const { tenantId, connectionId } = result
    // What an MCP server offers shows once somebody has linked it; their browser does not wait for that.
    ctx.background('read a catalogue', () => refreshCatalogue(ctx, { tenantId, connectionId }))
  }
  return seeOther(await targetOf(call, result))
}

async function targetOf({ ctx }: Call, result: LinkResult): Promise<string> {
  // An id alone: how it ended, whoever opened the pop-up asks the server.
  if (result.popup) return `/connect/${result.attemptId}?popup=1`
  if (result.kind === 'failed') return `/connect/${result.attemptId}`
  // Who was sent here by a program is told to go back to it.
  const request = await requestOfAttempt(ctx, result.tenantId, result.attemptId)
  if (request) return `/connect/${request}`
  return `/t/${await tenantSlug(ctx, result.tenantId)}/projects/${result.projectId}?linked=1`
}

const nothingConsumed: ReadonlySet<ErrorCode> = new Set(['attempt_unknown', 'attempt_used', 'attempt_expired'])

/** Where a person goes on who came back to nothing: their attempt, if it is theirs, is as open as before. */
function refusal(error: BrokerError, requestId: string): Response {
  if (error.code === 'unauthenticated') return seeOther('/signin')
  if (nothingConsumed.has(error.code)) return seeOther(`/connect/failed?code=${error.code}`)
  const response = errorDocument(error, requestId, { href: '/', text: 'Go to Valetkey' })
  if (error.code === 'method_not_allowed') response.headers.set('allow', 'GET')
  return response
}

const seeOther = (location: string) =>
  new Response(null, {
    status: 303,
    headers: {
      location,
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    },
  })
