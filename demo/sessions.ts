import { randomBytes } from 'node:crypto'
import { sessionPage, signInPage } from './pages.ts'
import { isInGraceOf, note, type Part, type World, withoutFields } from './part.ts'
import { sha256, type TokenRecord } from './store.ts'
import { type Answer, field, type Incoming, json, redirect } from './wire.ts'
import { ACCOUNTS, type Account, accountByEmail, accountBySub, projectsOf } from './world.ts'

const CODE_SECONDS = 300
const PKCE_TEXT = /^[A-Za-z0-9\-._~]{43,128}$/
const NO_STORE = { 'cache-control': 'no-store' }
const COOKIE = 'demo_sessions'

type Request = { clientId: string; redirectUri: string; challenge: string; state: string }

/**
 * The stack's second way in, which it calls programmatic auth: one sign-in of a person, good for all of their projects. Each
 * call names the project it is for. Everything is JSON in camel case, refusals are prose, and where the stack does not have
 * it, each path is a 404.
 */
export function makeSessions(world: World): Part {
  const { clock, store, modes, ledger, url, stackClient } = world
  /** Who is signed in, by cookie. */
  const browsers = new Map<string, string>()
  const codes = new Map<string, Request>()
  /** What a rotated refresh token was answered with, by its hash. */
  const answers = new Map<string, Record<string, unknown>>()
  const begun = new Map<string, { at: number; used: number }>()
  world.onReset.push(() => {
    for (const map of [browsers, codes, answers, begun]) map.clear()
  })

  const fail = (status: number, error: string, more: Record<string, unknown> = {}): Answer =>
    json(status, { error, exceptionId: `demo-${randomBytes(8).toString('hex')}`, status: 'error', ...more }, NO_STORE)
  const rfc = (error: string) => fail(400, 'The request was not accepted.', { params: { error } })
  const notFound = () => fail(404, 'Route not found.')
  const isClient = (id: unknown) => id === stackClient.id && modes.current.clientKnown

  /** A refusal of a token: in the field prose is all that there is. */
  function unauthorized(prose: string): Answer {
    if (modes.current.sessionRefusal === 'code') return fail(401, prose, { code: 'auth.token.invalid' })
    if (modes.current.sessionRefusal === 'html')
      return { status: 401, headers: { 'content-type': 'text/html' }, body: '<h1>Sign in to the gateway</h1>' }
    return fail(401, modes.current.sessionProse ?? prose)
  }

  // --- in the browser

  function authorize(incoming: Incoming): Answer {
    const asked = incoming.url.searchParams
    const clientId = asked.get('clientId') ?? ''
    const redirectUri = asked.get('redirectUri') ?? ''
    const challenge = asked.get('codeChallenge') ?? ''
    const state = asked.get('state') ?? ''
    note(incoming, { client: clientId })
    if (asked.get('responseType') !== 'code') return fail(400, 'The response type is not supported.')
    if (!isClient(clientId)) return fail(401, 'The client is not known.')
    if (!stackClient.redirectUris.includes(redirectUri) && !isLoopback(redirectUri))
      return fail(400, 'The redirect URI is not allowed for this client.')
    if (asked.get('codeChallengeMethod') !== 'S256' || !PKCE_TEXT.test(challenge) || state === '')
      return fail(400, 'A code challenge with S256 and a state are needed.')

    const cookie = new RegExp(`${COOKIE}=([\\w-]+)`).exec(incoming.headers.cookie ?? '')?.[1] ?? ''
    const before = accountBySub(browsers.get(cookie))
    const picked = accountByEmail(field(incoming, 'account'))
    const back = (parameters: Record<string, string>): Answer => {
      const target = new URL(redirectUri)
      const iss = { off: undefined, on: url, wrong: 'https://somebody-else.example' }[modes.current.stackIss]
      for (const [name, value] of Object.entries({ ...parameters, state, ...(iss && { iss }) }))
        target.searchParams.set(name, value)
      return { status: 302, headers: { location: target.href }, body: '' }
    }
    if (incoming.method === 'POST' && picked) {
      const id = randomBytes(16).toString('hex')
      browsers.set(id, picked.sub)
      note(incoming, { account: picked.email })
      const dropped = !before && modes.current.loggedOutDropsRequest
      const answer = redirect(dropped ? '/?signed-in' : incoming.url.pathname + incoming.url.search)
      return { ...answer, headers: { ...answer.headers, 'set-cookie': `${COOKIE}=${id}; Path=/admin/auth; HttpOnly` } }
    }
    if (!before || field(incoming, 'switch'))
      return signInPage({ system: 'stack', client: 'Valetkey', accounts: ACCOUNTS, ...(before && { current: before }) })
    note(incoming, { account: before.email })
    if (field(incoming, 'deny') || modes.current.consent === 'denied') return back({ error: 'access_denied' })
    if (incoming.method !== 'POST' || !field(incoming, 'allow'))
      return sessionPage({ client: 'Valetkey', account: before, projects: projectsOf(before) })
    const code = `kbc_ac_${randomBytes(24).toString('base64url')}`
    codes.set(sha256(code), { clientId, redirectUri, challenge, state })
    const expiresAt = clock.now() + CODE_SECONDS * 1000
    const record = { kind: 'code' as const, system: 'sessions' as const, sub: before.sub, client: clientId, expiresAt }
    ledger.issue(code, store.addToken(code, record))
    return back({ code })
  }

  /** A free port of a loopback address, for programs on the person's own computer. */
  const isLoopback = (uri: string) =>
    modes.current.loopbackPortIgnored && /^http:\/\/(127\.0\.0\.1|\[::1\])(:\d+)?\/[\w/]*$/.test(uri)

  // --- tokens

  function exchange(incoming: Incoming): Answer {
    const code = field(incoming, 'code') ?? ''
    const request = codes.get(sha256(code))
    const record = store.token(code)
    if (!isClient(field(incoming, 'clientId'))) return rfc('incorrect_client_credentials')
    if (!request || !record || record.system !== 'sessions') return rfc('invalid_grant')
    note(incoming, { account: accountBySub(record.sub)?.email ?? '' })
    const isRight =
      store.isLive(record) &&
      request.clientId === field(incoming, 'clientId') &&
      request.redirectUri === field(incoming, 'redirectUri') &&
      request.state === field(incoming, 'state') &&
      request.challenge === sha256(field(incoming, 'codeVerifier') ?? '')
    if (!isRight) return rfc('invalid_grant')
    store.endToken(record.hash)
    const session = `ses-${store.newId()}`
    begun.set(session, { at: clock.now(), used: clock.now() })
    return json(200, withoutFields(world, pairOf(session, record)), NO_STORE)
  }

  /** A new pair of a session. */
  function pairOf(session: string, { sub, client }: Pick<TokenRecord, 'sub' | 'client'>): Record<string, unknown> {
    const { accessTokenSeconds, refreshTokenSeconds, expiresIn } = modes.current
    const access = `kbc_at_${randomBytes(32).toString('base64url')}`
    const refresh = `kbc_rt_${randomBytes(32).toString('base64url')}`
    const about = { system: 'sessions' as const, sub, client, grant: session }
    const expiresAt = clock.now() + accessTokenSeconds * 1000
    const accessRecord = store.addToken(access, { ...about, kind: 'access', expiresAt })
    const until = clock.now() + refreshTokenSeconds * 1000
    const refreshRecord = store.addToken(refresh, {
      ...about,
      kind: 'refresh',
      expiresAt: until,
      partner: accessRecord.hash,
    })
    ledger.issue(access, accessRecord)
    ledger.issue(refresh, refreshRecord)
    const account = accountBySub(sub)
    return {
      accessToken: access,
      refreshToken: refresh,
      tokenType: 'Bearer',
      ...(expiresIn !== 'missing' && {
        expiresIn: expiresIn === 'string' ? String(accessTokenSeconds) : accessTokenSeconds,
      }),
      sessionId: session,
      ...(account && { user: { id: Number(account.id), email: account.email, name: account.name } }),
    }
  }

  function refresh(incoming: Incoming): Answer {
    const value = field(incoming, 'refreshToken')
    if (value === undefined) return fail(400, 'The refresh token is missing.')
    const record = store.token(value)
    if (record?.kind !== 'refresh' || record.system !== 'sessions' || !record.grant)
      return unauthorized('The refresh token is invalid.')
    note(incoming, { account: accountBySub(record.sub)?.email ?? '', ...(record.client && { client: record.client }) })
    if (!store.isLive({ ...record, endedAt: null })) return unauthorized('The refresh token has expired.')
    const { sessionRotation: rotation, sessionReplayRevokesFamily, refreshReturnsToken } = modes.current
    if (record.endedAt !== null) {
      const again = answers.get(record.hash)
      // The same answer again, whoever lost it. Nothing is made anew.
      if (again && rotation === 'grace' && isInGraceOf(world, record))
        return json(200, withoutFields(world, again), NO_STORE)
      if (sessionReplayRevokesFamily) store.endGrant(record.grant)
      return unauthorized(again ? 'The refresh token was already used.' : 'The session has been revoked.')
    }
    const pair = pairOf(record.grant, record)
    const session = begun.get(record.grant)
    if (session) session.used = clock.now()
    if (rotation !== 'none' && refreshReturnsToken) {
      store.endToken(record.hash)
      store.endToken(record.partner)
      answers.set(record.hash, pair)
    } else store.endToken(store.token(String(pair.refreshToken))?.hash)
    const { refreshToken: made, ...rest } = pair
    const given = !refreshReturnsToken ? rest : { ...rest, refreshToken: rotation === 'none' ? value : made }
    return json(200, withoutFields(world, given), NO_STORE)
  }

  /** Whoever calls, by their access token. */
  function caller(incoming: Incoming): { record: TokenRecord; account: Account } | undefined {
    const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    const record = bearer === undefined ? undefined : store.token(bearer)
    if (record?.kind !== 'access' || record.system !== 'sessions' || !store.isLive(record)) return undefined
    const account = accountBySub(record.sub)
    if (account) note(incoming, { account: account.email })
    return account && { record, account }
  }

  function introspect({ record, account }: { record: TokenRecord; account: Account }): Answer {
    const reached = record.projects
    const projects = projectsOf(account)
      .filter(({ id }) => !reached || reached.includes(id))
      .map(({ id, name }) => ({
        id: modes.current.ownerId === 'number' ? Number(id) : id,
        name,
        role: modes.current.role ?? account.memberships[id],
      }))
    return json(
      200,
      withoutFields(world, {
        active: true,
        sessionId: record.grant,
        user: { id: Number(account.id), email: account.email, name: account.name },
        projects,
        expiresAt: record.expiresAt && new Date(record.expiresAt).toISOString(),
      }),
      NO_STORE,
    )
  }

  function revoke(incoming: Incoming): Answer {
    const value = field(incoming, 'token')
    if (value === undefined) return fail(400, 'The token is missing.')
    const record = store.token(value)
    if (record?.system !== 'sessions' || !record.grant) return fail(400, 'The token is invalid.')
    if (record.kind === 'refresh') store.endGrant(record.grant)
    else store.endToken(record.hash)
    return { status: 204, headers: {}, body: '' }
  }

  function list({ record, account }: { record: TokenRecord; account: Account }): Answer {
    const sessions = store.grantsOf('sessions', account.sub).map((id) => ({
      id,
      clientId: stackClient.id,
      createdAt: new Date(begun.get(id)?.at ?? record.issuedAt).toISOString(),
      lastUsedAt: new Date(begun.get(id)?.used ?? record.issuedAt).toISOString(),
      isCurrent: id === record.grant,
    }))
    return json(200, sessions, NO_STORE)
  }

  function end({ account }: { account: Account }, id: string): Answer {
    if (!store.grantsOf('sessions', account.sub).includes(id)) return notFound()
    store.endGrant(id)
    return { status: 204, headers: {}, body: '' }
  }

  /** A child of a session: fewer projects, or reading alone. It ends with the session, and cannot be renewed. */
  function child(incoming: Incoming, { record, account }: { record: TokenRecord; account: Account }): Answer {
    const { expiresIn, scope } = incoming.fields as {
      expiresIn?: unknown
      scope?: { projects?: unknown; readOnly?: unknown }
    }
    const asked = Array.isArray(scope?.projects) ? scope.projects.map(String) : null
    const reached = record.projects ?? projectsOf(account).map(({ id }) => id)
    if (typeof expiresIn !== 'number' || expiresIn < 60) return fail(400, 'The lifetime is not possible.')
    if (asked?.some((id) => !reached.includes(id))) return fail(403, 'The user is not a member of the project.')
    const { childProjects, childReadOnly, childSeconds } = modes.current
    const value = `kbc_at_${randomBytes(32).toString('base64url')}`
    const expiresAt = clock.now() + (childSeconds ?? expiresIn) * 1000
    const made = store.addToken(value, {
      kind: 'access',
      system: 'sessions',
      sub: record.sub,
      client: record.client,
      grant: record.grant,
      projects: childProjects ?? asked ?? reached,
      readOnly: childReadOnly ?? (record.readOnly === true || scope?.readOnly === true),
      expiresAt,
    })
    ledger.issue(value, made)
    return json(
      201,
      withoutFields(world, { accessToken: value, expiresAt: new Date(expiresAt).toISOString() }),
      NO_STORE,
    )
  }

  /** Its clock is told with each answer, as any server's is. */
  return async (incoming) => {
    const answer = answerOf(incoming)
    const date = new Date(clock.now()).toUTCString()
    return answer && { ...answer, headers: { date, ...answer.headers } }
  }

  function answerOf(incoming: Incoming): Answer | undefined {
    const { pathname } = incoming.url
    if (!pathname.startsWith('/v1/auth/') && !pathname.startsWith('/admin/auth/')) return undefined
    if (modes.current.sessions === 'off') return notFound()
    const call = `${incoming.method} ${pathname}`
    if (call === 'GET /admin/auth/pkce/authorize' || call === 'POST /admin/auth/pkce/authorize')
      return authorize(incoming)
    if (call === 'POST /v1/auth/pkce/token') return exchange(incoming)
    if (call === 'POST /v1/auth/token/refresh') return refresh(incoming)
    if (call === 'POST /v1/auth/token/revoke') return revoke(incoming)
    const session = /^\/v1\/auth\/sessions(?:\/([\w-]+))?$/.exec(pathname)
    const isKnown =
      call === 'GET /v1/auth/token/introspect' ||
      call === 'POST /v1/auth/pat/exchange' ||
      (session && ['GET', 'DELETE'].includes(incoming.method))
    if (!isKnown || (pathname.endsWith('/exchange') && modes.current.children === 'off')) return notFound()
    const who = caller(incoming)
    if (!who) return unauthorized('The access token is invalid or has expired.')
    if (pathname.endsWith('/introspect')) return introspect(who)
    if (pathname.endsWith('/exchange')) return child(incoming, who)
    if (incoming.method === 'DELETE') return session?.[1] ? end(who, session[1]) : notFound()
    return list(who)
  }
}
