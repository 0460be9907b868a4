import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { isJson, isStorable } from '../../security/json.ts'
import { isOutboundError } from '../../security/outbound.ts'
import { Secret } from '../../security/secrets.ts'
import {
  type Grant,
  isUpstreamError,
  type LinkedGrant,
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  type RevocationOutcome,
  type Standing,
  UpstreamError,
  type UpstreamFailure,
  type UpstreamSession,
} from '../provider.ts'
import { type CallKind, retryAfterSeconds, withRetries } from '../retry.ts'
import refusalFile from './refusals.json' with { type: 'json' }
import { accessMark, fromSecret, isSessionAccess, type SessionCredential, toSecret } from './session-credential.ts'
import type { KeboolaSettings } from './settings.ts'
import { id, parseDate } from './storage.ts'

type Row = ProviderSettings<KeboolaSettings>
type Verbs = Provider<never>
export type Sessions = ReturnType<typeof stackSessions>

/** What a sentence says of a refused token, in the words of a connection's cause. */
export const refusals = z
  .strictObject({
    why: z.string(),
    phrases: z.array(
      z.strictObject({ says: z.string().min(1), cause: z.enum(['expired', 'lost_in_rotation', 'signed_out']) }),
    ),
  })
  .parse(refusalFile)

const text = z.string().min(1)
const seconds = z.coerce.number().positive().optional().catch(undefined)
/** Everything but the tokens themselves is read leniently: a rotated token is not lost for the rest (docs/decisions/0020). */
const Pair = z.object({
  accessToken: text.optional().catch(undefined),
  refreshToken: text.optional().catch(undefined),
  expiresIn: seconds,
  sessionId: id.optional().catch(undefined),
})
const name = z.string().refine(isStorable).optional().catch(undefined)
const spelled = z.union([z.string().min(1), z.number()])
/** `spelled`: its id as the stack writes it, which it may want to read it as. */
const Reached = z
  .object({ id: spelled, name: z.string().refine(isStorable), role: z.string().nullish() })
  .transform((project) => ({ ...project, id: String(project.id), spelled: project.id }))
const Introspection = z.object({
  active: z.literal(true),
  sessionId: id.optional(),
  user: z.object({ id, name, email: name }),
  projects: z.array(Reached),
  expiresAt: z.unknown().optional(),
})
const SessionList = z.array(z.object({ id }))
/** Of an id that can stand in a path as it is: nothing else can be ended. */
const nameable = z.string().regex(/^[\w-][\w.:-]{0,199}$/)
const moment = z
  .string()
  .transform((text) => parseDate(text))
  .optional()
  .catch(undefined)
const Session = z.object({
  id: id.pipe(nameable),
  clientId: z.string().max(200).refine(isStorable).optional().catch(undefined),
  createdAt: moment,
  lastUsedAt: moment,
})
const Problem = z.object({
  error: z.string().optional().catch(undefined),
  code: z.string().optional().catch(undefined),
  params: z
    .object({ error: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

/** Where the answer names none. */
const shortLifeSeconds = 300
/** How long a refresh waits for another one of the same session, which the stack is at: longer would outlast our lease. */
const contentionSecondsMax = 3
const contention = 'auth.token.refreshContention'
/** As the device and token endpoints call them. */
const codes: Partial<Record<string, UpstreamFailure>> = {
  invalid_grant: 'refused',
  expired_token: 'refused',
  access_denied: 'denied',
  incorrect_client_credentials: 'misconfigured',
}

type Call = {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: object
  as?: string | undefined
  /** Is shown the headers of a success. */
  seen?: (headers: Headers) => void
}

/**
 * A stack's own sign-in for programs (upstreams.md 3.4): one session of a person, which reaches all of their projects. JSON in
 * camel case; where the stack does not have it, each path is a 404.
 */
export function stackSessions({ issuer, clientId, settings }: Row, deps: ProviderDeps) {
  const client = settings.programmaticClientId ?? clientId

  /** @throws UpstreamError by what the answer means */
  async function send({ method, path, body, as, seen }: Call): Promise<unknown> {
    const headers = new Headers({ accept: 'application/json' })
    if (as !== undefined) headers.set('authorization', `Bearer ${as}`)
    if (body !== undefined) headers.set('content-type', 'application/json')
    const init = { method, headers, anyText: true, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await deps.fetch(`${issuer}${path}`, init).catch((error: unknown) => {
      if (!isOutboundError(error)) throw error
      throw new UpstreamError(error.reached ? 'ambiguous' : 'unreached', 'no answer', { cause: error })
    })
    // Of the stack itself; a page is of something in front of it.
    const json: unknown = isJson(response.headers) ? await response.json().catch(() => undefined) : undefined
    if (!response.ok) throw judged(response, json)
    seen?.(response.headers)
    return json
  }

  function judged({ status, headers }: Response, json: unknown): UpstreamError {
    const problem = Problem.safeParse(json).data
    // What we know alone: it is logged, and the rest is the stack's own text, which may repeat what was sent.
    const said = problem?.params?.error ?? problem?.code
    const code = said !== undefined && (said === contention || Object.hasOwn(codes, said)) ? said : undefined
    const more = { status, code, retryAfterSeconds: retryAfterSeconds(headers, deps.now()) }
    if (status === 404) return new UpstreamError('not_offered', 'the stack has no such sign-in', more)
    if (status === 429) return new UpstreamError('unreached', 'the stack asks to wait', more)
    if (status >= 500) return new UpstreamError('ambiguous', 'the stack failed', more)
    // A 401 that is no answer of the stack says nothing about the token (trap 11).
    if (status === 401 && problem)
      return new UpstreamError('refused', 'the token was refused', { ...more, grantEnd: endSaid(problem.error) })
    if (status === 403 && problem) return new UpstreamError('forbidden', 'it is not allowed', more)
    const known = code === undefined ? undefined : codes[code]
    if (known) return new UpstreamError(known, 'the request was not granted', more)
    if (status === 400 && problem) return new UpstreamError('rejected', 'the request was turned down', more)
    return new UpstreamError('protocol', 'the answer makes no sense', more)
  }

  const ask = <T>(kind: CallKind, schema: z.ZodType<T>, call: Call): Promise<T> =>
    withRetries(deps, kind, async () => {
      const parsed = schema.safeParse(await send(call))
      if (parsed.success) return parsed.data
      throw new UpstreamError('protocol', 'the answer lacks what it must hold', { status: 200 })
    })

  const until = (life: number) => Math.floor(deps.now().getTime() / 1000) + life

  /** What a pair grants; `before`: what it continues, so that what it leaves out stays. */
  function granted(pair: z.infer<typeof Pair>, before: SessionCredential): Grant & { kept: SessionCredential } {
    const { accessToken = '', refreshToken, expiresIn = shortLifeSeconds, sessionId } = pair
    const isUsable = accessToken.startsWith(accessMark)
    // An access token of another sort would be sent the wrong way: it is taken for one that is over, and renewed.
    const life = isUsable ? expiresIn : 0
    const kept = {
      session: sessionId ?? before.session,
      refresh: refreshToken ?? before.refresh,
      access: isUsable ? accessToken : undefined,
      until: until(life),
    }
    return {
      kept,
      accessToken: new Secret(accessToken || '-'),
      expiresInSeconds: life,
      refreshToken: toSecret(kept),
      scopes: undefined,
      grantExpiresInSeconds: settings.refreshTokenDays * 86_400,
    }
  }

  /** Ours wait for each other; where the stack is at the same session all the same, it says so, and is asked once more. */
  const renewed = async (refreshToken: string) => {
    const body = { refreshToken }
    const call = () => ask('sessionRefresh', Pair, { method: 'POST', path: '/v1/auth/token/refresh', body })
    return call().catch(async (error: unknown) => {
      if (!isUpstreamError(error) || error.status !== 503 || error.code !== contention) throw error
      await deps.sleep(Math.min(error.retryAfterSeconds ?? 1, contentionSecondsMax) * 1000)
      return call()
    })
  }

  const introspect = (access: string) =>
    ask('read', Introspection, { method: 'GET', path: '/v1/auth/token/introspect', as: access })

  const refresh: Verbs['refresh'] = async ({ refreshToken }) => {
    const before = fromSecret(refreshToken)
    const pair = await renewed(before.refresh)
    // Nothing was rotated that we could keep, and nothing can be used.
    if (!pair.refreshToken && !pair.accessToken)
      throw new UpstreamError('protocol', 'the answer holds no token', { status: 200 })
    const { kept: _, ...grant } = granted(pair, before)
    return grant
  }

  /** An access token of a session that is to be ended: the one that is kept, or one more. Undefined: the session is over. */
  async function lastAccess(kept: SessionCredential): Promise<SessionCredential | undefined> {
    if (kept.access !== undefined && (kept.until ?? 0) > deps.now().getTime() / 1000 + 10) return kept
    try {
      // Its answer is kept nowhere: whoever repeats this later finds a spent token, by which the stack ends the session.
      return granted(await renewed(kept.refresh), kept).kept
    } catch (error) {
      if (isUpstreamError(error) && error.failure === 'refused') return undefined
      throw error
    }
  }

  const orGone = (work: Promise<unknown>): Promise<void> =>
    work.then(
      () => undefined,
      (error: unknown) => {
        // Already gone, or ended with its token.
        if (isUpstreamError(error) && (error.failure === 'not_offered' || error.failure === 'refused')) return
        throw error
      },
    )

  return {
    ask,
    introspect,

    /** A stack that does not have it would strand its visitor on a page of its own: it is asked before anybody is sent there. */
    async authorizationUrl({
      state,
      codeVerifier,
      redirectUri,
    }: Parameters<Verbs['authorizationUrl']>[0]): Promise<URL> {
      const asked = send({ method: 'GET', path: '/v1/auth/token/introspect' })
      await asked.catch((error: unknown) => {
        if (isUpstreamError(error) && error.failure === 'not_offered') throw error
      })
      const url = new URL(`${issuer}/admin/auth/pkce/authorize`)
      url.search = `${new URLSearchParams({
        responseType: 'code',
        clientId: client,
        redirectUri,
        codeChallenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
        codeChallengeMethod: 'S256',
        state,
      })}`
      return url
    },

    async exchangeCode(input: Parameters<Verbs['exchangeCode']>[0]): Promise<LinkedGrant> {
      const { parameters, state, codeVerifier, redirectUri } = input
      if (parameters.getAll('iss').some((iss) => iss !== issuer))
        throw new UpstreamError('wrong_issuer', 'the answer names another issuer')
      const error = parameters.get('error')
      if (error !== null)
        throw new UpstreamError(codes[error] ?? 'refused', 'the authorization request was not granted')
      const code = parameters.get('code')
      if (!code || parameters.get('state') !== state) throw new UpstreamError('protocol', 'the answer is malformed')
      const body = { clientId: client, code, state, redirectUri, codeVerifier }
      const pair = await ask('exchange', Pair, { method: 'POST', path: '/v1/auth/pkce/token', body })
      const { refreshToken, sessionId } = pair
      if (!refreshToken) throw new UpstreamError('no_refresh_token', 'the answer holds no refresh token')
      const { kept, ...grant } = granted(pair, { session: sessionId ?? '', refresh: refreshToken })
      try {
        if (!sessionId || !isSessionAccess(grant.accessToken))
          throw new UpstreamError('protocol', 'the answer lacks what it must hold', { status: 200 })
        const said = await introspect(grant.accessToken.reveal())
        if (said.sessionId !== undefined && said.sessionId !== sessionId)
          throw new UpstreamError('protocol', 'the token is of another session')
        if (said.projects.length === 0) throw new UpstreamError('forbidden', 'the session reaches no project')
        const { user } = said
        return {
          ...grant,
          account: { id: user.id, name: user.name || user.email || `account ${user.id}` },
          projects: said.projects.map(({ id: externalId, name: title, role }) => ({
            externalId,
            name: title || externalId,
            region: undefined,
            role: role ?? undefined,
          })),
        }
      } catch (error) {
        // The session stands, and nobody will link with it.
        if (isUpstreamError(error))
          throw new UpstreamError(error.failure, error.message, { ...error, unkept: toSecret(kept) })
        throw error
      }
    },

    refresh,

    /**
     * Ends the session and looks whether it is over (K-35): by its own access token, which only a living session has.
     * @throws UpstreamError while it was seen alive, or where nobody can say
     */
    async revoke(refreshToken: Secret): Promise<RevocationOutcome> {
      const kept = await lastAccess(fromSecret(refreshToken))
      if (!kept?.access) return { state: 'confirmed' }
      const { session, refresh: token, access } = kept
      if (session !== '') {
        const path = `/v1/auth/sessions/${encodeURIComponent(session)}`
        await orGone(withRetries(deps, 'revoke', () => send({ method: 'DELETE', path, as: access })))
      }
      // A session that is gone has no token any more, which some stacks answer with 400.
      const body = { token, tokenTypeHint: 'refreshToken' }
      await withRetries(deps, 'revoke', () => send({ method: 'POST', path: '/v1/auth/token/revoke', body })).catch(
        (error: unknown) => {
          if (!isUpstreamError(error) || session === '') throw error
          if (!['rejected', 'refused', 'not_offered'].includes(error.failure)) throw error
        },
      )
      const standing = await standingOf(kept)
      if (standing === 'works') throw new UpstreamError('ambiguous', 'the session still stands', { alive: true })
      return { state: standing === 'dead' || standing === 'refused' ? 'confirmed' : 'done' }
    },

    /** What a person has at the stack, whoever signed in for it; each entry by itself, so that one that makes no sense hides no other. */
    async list(accessToken: Secret): Promise<{ sessions: UpstreamSession[]; unread: number }> {
      if (!isSessionAccess(accessToken)) throw new UpstreamError('misconfigured', 'the connection is no session')
      const call: Call = { method: 'GET', path: '/v1/auth/sessions', as: accessToken.reveal() }
      const all = await ask('read', z.array(z.unknown()), call)
      const sessions = all.flatMap((each): UpstreamSession[] => {
        const { data } = Session.safeParse(each)
        if (!data) return []
        const { id, clientId, createdAt, lastUsedAt } = data
        return [{ id, client: clientId || undefined, createdAt, lastUsedAt }]
      })
      return { sessions, unread: all.length - sessions.length }
    },

    async end({ accessToken, id }: { accessToken: Secret; id: string }): Promise<void> {
      if (!nameable.safeParse(id).success) throw new UpstreamError('rejected', 'no session is called that')
      await withRetries(deps, 'revoke', () =>
        send({ method: 'DELETE', path: `/v1/auth/sessions/${id}`, as: accessToken.reveal() }),
      ).catch((error: unknown) => {
        // 404: already gone (upstreams.md 3.4). A refused token is one's own, and says nothing of the other session.
        if (!isUpstreamError(error) || error.failure !== 'not_offered') throw error
      })
    },

    standing: (refreshToken: Secret): Promise<Standing> => standingOf(fromSecret(refreshToken)),
  }

  /** Whether a session stands, by the list of those of its person. Only a token that has not ended by itself tells. */
  async function standingOf({ session, access, until: end = 0 }: SessionCredential): Promise<Standing> {
    if (access === undefined || end <= deps.now().getTime() / 1000) return 'untold'
    return ask('read', SessionList, { method: 'GET', path: '/v1/auth/sessions', as: access }).then(
      (list) => (list.some((one) => one.id === session) ? 'works' : 'dead'),
      (error: unknown) => (isUpstreamError(error) && error.failure === 'refused' ? 'refused' : 'untold'),
    )
  }
}

/** Undefined where the sentence says nothing that we know. */
const endSaid = (sentence: string | undefined) =>
  refusals.phrases.find(({ says }) => sentence?.toLowerCase().includes(says))?.cause
