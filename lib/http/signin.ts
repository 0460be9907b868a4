import { denyAtSignIn } from '../authserver/answers.ts'
import { BrokerError, type ErrorCode, isBrokerError } from '../errors.ts'
import { hash, sameSecret } from '../security/secrets.ts'
import { consumeState } from '../store/sessions.ts'
import { endSessions, recordFailedSignin, startSession } from '../tenancy/sessions.ts'
import { type CookieName, clearedCookies, cookieNames, cookieValue } from './cookies.ts'
import { requireNavigation } from './csrf.ts'
import { documentResponse, errorDocument } from './document.ts'
import { takeLimit } from './limits.ts'
import { problemResponse } from './problem.ts'
import { type Call, type Edge, edge, edgeOf, markEdge, readBody } from './request.ts'
import { safePath } from './safe-path.ts'
import { presentedSessions, readSession } from './session.ts'
import { beginConfirmation, confirmationOf, requireConfirmation } from './signin/confirmation.ts'
import { refused, SigninFailure } from './signin/failure.ts'
import { assertIssuerAnswers, issuerSignOut, judgeCallback, providerId, signedOutStates } from './signin/identity.ts'
import { openState, runNextAuth, stateSeconds } from './signin/next-auth.ts'

/** Cookies of a sign-in under way. */
const transient = ['state', 'nonce', 'verifier', 'returnTo', 'confirm'] as const satisfies CookieName[]

/** Everything under /api/auth. What is not here does not exist: next-auth's other actions are closed. */
const acts: Record<string, (call: Call) => Promise<Response>> = {
  'GET signin': showSignIn,
  [`POST signin/${providerId}`]: (call) => startSignIn(call, signin),
  'POST confirm': (call) => startSignIn(call, confirmation),
  [`GET callback/${providerId}`]: completeSignIn,
  'POST signout': signOut,
  'GET error': showError,
}

/** The two reasons to be sent to the issuer, and the page of each, where its failures show. */
const signin = { page: '/signin', back: 'Back to sign-in', again: false }
/** Whoever is signed in signs in once more: a session may be stolen, and what outlasts it needs its person. */
const confirmation = { page: '/confirm', back: 'Back', again: true }

const label = { kind: 'signin', name: 'signin', path: '/api/auth/*' }
const handle = edge(
  label,
  async (call) => {
    const { pathname } = new URL(call.request.url)
    const act = acts[`${call.request.method} ${pathname.replace(/^\/api\/auth\//, '')}`]
    if (!act) throw new BrokerError('not_found')
    return { response: await act(call) }
  },
  (error, requestId, call) => errorResponse(error, requestId, call, { href: '/signin', text: 'Go to sign-in' }),
)

const wantsJson = ({ headers }: Request) => headers.get('accept')?.includes('application/json') === true

/** An error as a page, or as a problem for clients that ask for JSON. */
const errorResponse = (
  error: BrokerError,
  requestId: string,
  call: Pick<Call, 'request'> | undefined,
  link: { href: string; text: string },
) => (call && wantsJson(call.request) ? problemResponse(error, requestId) : errorDocument(error, requestId, link))

/** Sign-in and sign-out, as a pure function from request to response. */
export const handleAuth: Edge<(request: Request) => Promise<Response>> = markEdge(
  (request: Request) => handle(request, { params: Promise.resolve({}) }),
  edgeOf(handle) ?? label,
)

/** The address that next-auth uses for the page. */
async function showSignIn({ request }: Call): Promise<Response> {
  return seeOther(pathTo({ returnTo: returnPath(new URL(request.url).searchParams) }))
}

async function showError(_call: Call): Promise<Response> {
  return seeOther(pathTo({ error: 'signin_failed' }))
}

/**
 * Starts a sign-in, once the issuer is seen to answer. It answers a page that moves on by itself, not a redirect:
 * `form-action 'self'` covers every hop of a redirect after a form, so Chromium would stop at the identity provider.
 * A `Refresh` needs no script either.
 */
async function startSignIn(call: Call, { page, back, again }: typeof signin): Promise<Response> {
  const { ctx, request } = call
  refuseForeignForm(call)
  await takeLimit(ctx, 'signin', { address: call.address })
  const returnTo = returnPath(new URLSearchParams(await readBody(request, 8192)))
  try {
    await assertIssuerAnswers(ctx)
    const { location, cookies } = await runNextAuth({ ctx, action: 'signin', returnTo, again, cookies: {} })
    if (!location || !URL.canParse(location)) throw new BrokerError('signin_failed')
    const { href, searchParams } = new URL(location)
    if (again) cookies.push(await beginConfirmation(ctx, searchParams.get('state') ?? ''))
    return documentResponse(
      { title: 'Signing in', lines: [], link: { href, text: `Continue with ${ctx.config.signin.name}` } },
      { headers: [['refresh', `0;url=${href}`], ...setCookies(only(cookies, ...transient))] },
    )
  } catch (error) {
    if (!isBrokerError(error, 'signin_unavailable')) return failed(call, error, { page, returnTo, cookies: [] })
    // Nobody has left yet: that the issuer is away is answered as what it is, here.
    logFailure(call, error)
    return errorResponse(error, call.requestId, call, { href: pathTo({ page, returnTo }), text: back })
  }
}

/**
 * The way back. Guards first, and nothing is used up before the state is known to be this browser's own (L-01, C-06);
 * from then on it is, whatever comes of it, and one delivery alone gets further (L-09).
 */
async function completeSignIn(call: Call): Promise<Response> {
  const { ctx, request } = call
  requireNavigation(request.headers)
  await takeLimit(ctx, 'callback', { address: call.address })
  const parameters = new URL(request.url).searchParams
  const names = [...parameters.keys()]
  if (new Set(names).size !== names.length)
    throw new BrokerError('bad_request', { detail: 'A parameter appears twice.' })

  const cookies = {
    state: cookieValue(request.headers, 'state'),
    nonce: cookieValue(request.headers, 'nonce'),
    verifier: cookieValue(request.headers, 'verifier'),
  }
  const returnTo = safePath(decoded(cookieValue(request.headers, 'returnTo'))) ?? '/'
  const state = await openState(ctx, cookies.state)
  if (!state || !sameSecret(state, parameters.get('state') ?? ''))
    return failed(call, refused('signin_failed', 'state', 'not a state of this browser'), { returnTo, cookies: [] })
  const expiresAt = new Date(ctx.now().getTime() + stateSeconds * 1000)
  if (!(await consumeState(ctx, hash(state), expiresAt)))
    return failed(call, refused('signin_failed', 'state', 'the state was used before'), { returnTo, cookies: [] })

  const confirms = await confirmationOf(ctx, cookieValue(request.headers, 'confirm'), state)
  const cleared = clearedCookies(...transient)
  try {
    const callback = await judgeCallback(ctx, parameters, state)
    const acted = await runNextAuth({
      ctx,
      action: 'callback',
      returnTo,
      cookies,
      callback,
      startSession: async (signedIn, token) => {
        if (confirms) requireConfirmation(ctx, confirms, await readSession(ctx, request.headers), signedIn)
        const presented = presentedSessions(request.headers)
        const endsAt = await startSession(ctx, originOf(call), { ...signedIn, tokenHash: hash(token), presented })
        if (!endsAt) throw refused('signin_failed', 'session', 'the issuer ended its own session meanwhile')
        return endsAt
      },
    })
    const session = only(acted.cookies, 'session')
    if (session.length !== 1) throw refused('signin_failed', 'session', 'no session was created')
    return seeOther(returnTo, [...session, ...cleared])
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'unavailable') await recordFailedSignin(ctx, originOf(call), code)
    if (code === 'signin_denied' && !confirms) await denyAtSignIn(ctx, originOf(call), codeIn(returnTo))
    const { page } = confirms ? confirmation : signin
    return failed(call, error, { page, returnTo, cookies: cleared })
  }
}

/**
 * Ends the session's row, then deletes the cookies; if the first fails, the cookies stay (S-09). Only then the person goes on
 * to the identity provider, if it has a place to sign out: whatever they answer there, nothing here comes back.
 */
async function signOut(call: Call): Promise<Response> {
  const { ctx, request } = call
  refuseForeignForm(call)
  const presented = presentedSessions(request.headers)
  if (presented.length > 0) {
    // next-auth asks for one id only to know that there is one; which rows end is decided here.
    const session = cookieNames.session
    await runNextAuth({
      ctx,
      action: 'signout',
      returnTo: '/',
      cookies: { session },
      endSession: () => endSessions(ctx, originOf(call), presented),
    })
  }
  const cleared = clearedCookies('session', 'csrf', 'link', ...transient)
  const there = presented.length > 0 ? await issuerSignOut(ctx) : undefined
  const here = `/signin?state=${signedOutStates.here}`
  // A script goes on by itself: what its fetch is redirected to, it never sees.
  if (wantsJson(request)) {
    const headers: [string, string][] = [['cache-control', 'no-store'], ['vary', 'Cookie'], ...setCookies(cleared)]
    return Response.json({ next: there?.href ?? here }, { headers })
  }
  if (!there) return seeOther(here, cleared)
  const { name } = ctx.config.signin
  return documentResponse(
    {
      title: 'Signed out of Valetkey',
      lines: [`You may still be signed in at ${name}, which can sign you out as well.`],
      link: { href: there.href, text: `Continue to ${name}` },
    },
    { headers: [['refresh', `0;url=${there.href}`], ...setCookies(cleared)] },
  )
}

/**
 * Forms of ours alone: the exact Origin, which browsers send with every POST, and no other site where the browser says so.
 * A custom header is not asked for: signing in and out work without scripts.
 */
function refuseForeignForm({ ctx, request: { headers } }: Call): void {
  const site = headers.get('sec-fetch-site')
  if (headers.get('origin') !== ctx.config.origin || (site !== null && site !== 'same-origin'))
    throw new BrokerError('cross_site')
}

/** Where to go afterwards: a path on this site, or none. Anything else is refused at once (L-12). */
function returnPath(parameters: URLSearchParams): string {
  const given = parameters.getAll('return_to')
  if (given.length === 0) return '/'
  const path = given.length === 1 ? safePath(given[0]) : undefined
  if (!path) throw new BrokerError('bad_request', { detail: 'return_to must be a path on this site.' })
  return path
}

const originOf = ({ address, agent, requestId }: Call) => ({ address, agent, requestId })

/** An unexpected error is `signin_failed` to the person; the log has the cause. */
const codeOf = (error: unknown): ErrorCode => (isBrokerError(error) ? error.code : 'signin_failed')

type Failed = { page?: string; returnTo: string; cookies: string[] }

/** Back to the page that led here, with our code, never with text from the upstream (L-10). An outage stays an outage. */
function failed(call: Call, error: unknown, { page, returnTo, cookies }: Failed): Response {
  return seeOther(pathTo({ page, error: logFailure(call, error), returnTo }), cookies)
}

/** Answers the code of a failure; what the log says of it is for operators. @throws what is an outage of ours */
function logFailure({ ctx, requestId }: Call, error: unknown): ErrorCode {
  if (isBrokerError(error, 'unavailable')) throw error
  const cause = error instanceof Error && error.cause ? error.cause : error
  const code = codeOf(error)
  const facts = cause instanceof SigninFailure ? cause.facts : { reason: undefined, alarm: undefined }
  // Where the reason is known, type and stack of a library's error add nothing: both are minified.
  const err = cause instanceof SigninFailure ? cause.cause : cause
  const line = { request: requestId, problem: code, ...facts, ...(!facts.reason && { err }) }
  if (facts.alarm) ctx.log.error(line, 'sign-in failed')
  else ctx.log.warn(line, 'sign-in failed')
  return code
}

type Way = { page?: string | undefined; error?: ErrorCode; returnTo?: string }

/** Pages that answer a program. It waits meanwhile, so what fails on the way to one is told there (O-21). */
const answers = /^\/(device|authorize\/aut_[0-9a-f]{32})(\?|$)/

/** The device code that a page was to be opened with. */
const codeIn = (path: string) =>
  path.startsWith('/device?') ? (new URLSearchParams(path.slice('/device?'.length)).get('user_code') ?? '') : ''

function pathTo({ page = signin.page, error, returnTo = '/' }: Way): string {
  if (error && page === signin.page && answers.test(returnTo)) {
    const [path = '', query] = returnTo.split(/\?(.*)/s)
    const asked = new URLSearchParams(query)
    asked.set('error', error)
    return `${path}?${asked}`
  }
  const query = new URLSearchParams({ ...(error && { error }), ...(returnTo !== '/' && { return_to: returnTo }) })
  return query.size > 0 ? `${page}?${query}` : page
}

const setCookies = (cookies: string[]) => cookies.map((line): [string, string] => ['set-cookie', line])

/** Set-Cookie lines under these names; next-auth's others stay here. */
const only = (cookies: string[], ...names: CookieName[]) =>
  cookies.filter((line) => names.some((name) => line.startsWith(`${cookieNames[name]}=`)))

/** 303: whatever method led here, the next one is a GET without a body (C-12, RFC 9700 4.12). */
const seeOther = (path: string, cookies: string[] = []) =>
  new Response(null, {
    status: 303,
    headers: [['location', path], ['cache-control', 'no-store'], ['vary', 'Cookie'], ...setCookies(cookies)],
  })

function decoded(cookie: string | undefined): string | undefined {
  try {
    const text = decodeURIComponent(cookie ?? '')
    return URL.canParse(text) ? text.slice(new URL(text).origin.length) : text
  } catch {
    return undefined
  }
}
