import { createHash, randomBytes } from 'node:crypto'
import type { NextApiRequest, NextApiResponse } from 'next'
import imported, { type AuthOptions } from 'next-auth'
import { decode, encode, type JWT } from 'next-auth/jwt'
import type { Provider } from 'next-auth/providers/index'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { randomToken } from '../../security/secrets.ts'
import { type CookieName, cookieAttributes, cookieNames } from '../cookies.ts'
import { providerId, redeemCode, redirectUri, type SignedIn, signinServer } from './identity.ts'

// Outside a bundler the package's exports arrive as one object whose `default` is the function.
const nextAuth = 'default' in imported ? (imported as unknown as { default: typeof imported }).default : imported

/** A state is good for ten minutes (L-01). */
export const stateSeconds = 600

/** What one request wants from next-auth, and what its callbacks did. */
export type Act = {
  ctx: Context
  action: 'signin' | 'callback' | 'signout'
  /** A path on this site (safePath). */
  returnTo: string
  /** Whoever is signed in at the issuer signs in there again, too (OIDC Core 3.1.2.1). */
  again?: boolean
  cookies: Partial<Record<CookieName, string>>
  /** The authorization response, judged; on `callback` alone. */
  callback?: URLSearchParams
  /** Writes the session; answers when it ends in any case. */
  startSession?: (signedIn: SignedIn, token: string) => Promise<Date>
  endSession?: () => Promise<void>
}

/** What next-auth answered. */
export type Acted = { location: string | undefined; cookies: string[] }

/**
 * Runs one act of next-auth 4 in its Pages form, with a request and a response of our own making: no query of the
 * client's reaches it, and of its answer only the location and the cookies are used.
 * @throws whatever a callback of ours threw first, which next-auth itself would turn into a redirect: an outage must
 *   not look like "signed out" (H-02, S-09)
 */
export async function runNextAuth(act: Act): Promise<Acted> {
  const failures: unknown[] = []
  const cookies: string[] = []
  const headers = new Map<string, unknown>()
  const [csrfToken, csrfCookie] = csrfPair(act.ctx)
  const request = {
    method: act.action === 'callback' ? 'GET' : 'POST',
    headers: {},
    cookies: {
      ...Object.fromEntries(
        Object.entries(act.cookies).map(([name, value]) => [cookieNames[name as CookieName], value]),
      ),
      [cookieNames.csrf]: csrfCookie,
    },
    body: { csrfToken, callbackUrl: act.returnTo },
    query: { nextauth: [act.action, providerId] },
  }
  const response = {
    status: () => response,
    getHeader: (name: string) => headers.get(name.toLowerCase()),
    setHeader: (name: string, value: unknown) => {
      headers.set(name.toLowerCase(), value)
      return response
    },
    end: () => response,
    json: () => response,
    send: () => response,
  }
  const options = await optionsOf(act, failures)
  await nextAuth(request as unknown as NextApiRequest, response as unknown as NextApiResponse, options)
  if (failures.length > 0) throw failures[0]
  const set = headers.get('set-cookie')
  if (Array.isArray(set)) cookies.push(...set.map(String))
  const location = headers.get('location')
  return { location: typeof location === 'string' ? location : undefined, cookies }
}

/** Our own Origin check has passed, so the double-submit pair is made on the spot; forms carry none. */
function csrfPair({ secrets }: Context): [token: string, cookie: string] {
  const token = randomBytes(32).toString('hex')
  const digest = createHash('sha256')
    .update(`${token}${rootOf(secrets.signin)}`)
    .digest('hex')
  return [token, `${token}|${digest}`]
}

const rootOf = (key: Uint8Array) => Buffer.from(key).toString('base64url')

async function optionsOf(act: Act, failures: unknown[]): Promise<AuthOptions> {
  const { ctx } = act
  const noted = <A extends unknown[], R>(work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      try {
        return await work(...args)
      } catch (error) {
        failures.push(error)
        throw error
      }
    }
  }
  const cookie = (name: CookieName, more: { maxAge?: number } = {}) => ({
    name: cookieNames[name],
    options: { ...cookieAttributes, ...more },
  })
  const transient = { maxAge: stateSeconds }
  let signedIn: SignedIn | undefined
  return {
    secret: rootOf(ctx.secrets.signin),
    useSecureCookies: true,
    session: {
      strategy: 'database',
      maxAge: ctx.config.session.absoluteSeconds,
      generateSessionToken: randomToken,
    },
    pages: { signIn: '/signin', signOut: '/signin', error: '/signin' },
    cookies: {
      sessionToken: cookie('session'),
      callbackUrl: cookie('returnTo', transient),
      csrfToken: cookie('csrf'),
      state: cookie('state', transient),
      nonce: cookie('nonce', transient),
      pkceCodeVerifier: cookie('verifier', transient),
    },
    callbacks: { redirect: async () => `${ctx.config.origin}${act.returnTo}` },
    // Its log lines hold what was asked and answered; ours are written where failures are known by code (V-08).
    logger: { error: () => {}, warn: () => {}, debug: () => {} },
    providers: [
      await provider(ctx, act, async (codeVerifier, nonce) => {
        signedIn = await noted(redeemCode)(ctx, {
          callback: act.callback ?? new URLSearchParams(),
          codeVerifier,
          nonce,
        })
        return signedIn.identity.subject
      }),
    ],
    adapter: {
      // Every account counts as known: the person is found or made with the session, in one transaction. So no call
      // ever compares e-mail addresses, and none links an identity to whoever is signed in (LK-02).
      getUserByAccount: async ({ providerAccountId }) => ({ id: providerAccountId, email: '', emailVerified: null }),
      // Whoever was signed in before does not matter: there is always a new id (S-05).
      getSessionAndUser: async () => null,
      createSession: noted(async ({ sessionToken, userId }) => {
        if (!signedIn || !act.startSession) throw new BrokerError('internal')
        return { sessionToken, userId, expires: await act.startSession(signedIn, sessionToken) }
      }),
      deleteSession: noted(async () => {
        await act.endSession?.()
      }),
      getUser: async () => null,
      getUserByEmail: async () => null,
      createUser: unused,
      updateUser: unused,
      linkAccount: unused,
      updateSession: unused,
    },
  }
}

const unused = async (): Promise<never> => {
  throw new BrokerError('internal')
}

/**
 * One provider. All its traffic is ours (lib/http/signin/identity.ts): next-auth's own client knows neither the guarded
 * way out nor RFC 9207, and upstream tokens have no business in it. It is given the subject and nothing else.
 */
async function provider(
  ctx: Context,
  { action, again }: Act,
  redeem: (codeVerifier: string, nonce: string) => Promise<string>,
): Promise<Provider> {
  const { issuer, authorization_endpoint } =
    action === 'signout' ? { issuer: undefined, authorization_endpoint: undefined } : await signinServer(ctx)
  let subject = ''
  return {
    id: providerId,
    name: ctx.config.signin.name,
    type: 'oauth',
    issuer,
    clientId: ctx.config.signin.clientId,
    idToken: false,
    checks: ['pkce', 'state', 'nonce'],
    authorization: {
      url: authorization_endpoint,
      params: {
        scope: 'openid email profile',
        redirect_uri: redirectUri(ctx),
        // An issuer that ignores the first has to name the time of the sign-in by the second.
        ...(again && { prompt: 'login', max_age: 0 }),
      },
    },
    token: {
      request: async ({ checks }) => {
        // The type of `checks` leaves the nonce out; it is there.
        const { code_verifier, nonce } = checks as { code_verifier?: string; nonce?: string }
        if (!code_verifier || !nonce) throw new BrokerError('signin_failed')
        subject = await redeem(code_verifier, nonce)
        return { tokens: {} }
      },
    },
    userinfo: { request: async () => ({ sub: subject }) },
    profile: () => ({ id: subject }),
  }
}

/**
 * The state that this browser started a sign-in with; undefined for none, an expired one, or another purpose's. next-auth
 * seals state, nonce and verifier in cookies, each under a key of its cookie's name.
 */
export async function openState(ctx: Context, cookie: string | undefined): Promise<string | undefined> {
  const { provider, value } = (await openCookie(ctx, 'state', cookie)) ?? {}
  return provider === providerId && typeof value === 'string' ? value : undefined
}

/** A value for a cookie of a sign-in under way, sealed as next-auth seals its own. */
export const sealCookie = ({ secrets }: Context, name: CookieName, token: JWT): Promise<string> =>
  encode({ token, secret: rootOf(secrets.signin), salt: cookieNames[name], maxAge: stateSeconds })

/** What is sealed in a cookie of a sign-in under way; undefined for none, an expired one, or another purpose's. */
export async function openCookie(
  { secrets }: Context,
  name: CookieName,
  cookie: string | undefined,
): Promise<JWT | undefined> {
  if (!cookie) return undefined
  const given = { token: cookie, secret: rootOf(secrets.signin), salt: cookieNames[name] }
  const opened = await decode(given).catch(() => undefined)
  // Both its clock: the process's, without the seconds that it tolerates.
  const isLive = typeof opened?.exp === 'number' && opened.exp * 1000 > Date.now()
  return isLive ? opened : undefined
}
