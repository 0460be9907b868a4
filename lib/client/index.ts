import createClient, { type Client, type Middleware } from 'openapi-fetch'
import { keyed } from './keyed.ts'
import { NoTokenError, type Repeats, repeating, retryAfterOf } from './repeat.ts'
import type { ErrorCode, Paths, Problem } from './schema.d.ts'

export { readSeconds, spellSeconds } from './durations.ts'
export { type Environment, mayBeSet } from './environment.ts'
export { placeholdersIn } from './patterns.ts'
export type { Repeats } from './repeat.ts'
export {
  FlagError,
  flagsOf,
  optionsOf,
  type Parsed,
  type RightsFlag,
  type RightsSchema,
  type Rules,
  type RulesOffer,
  rightsOf,
  rulesOf,
  rulesOptions,
  spell,
  spellRules,
} from './rights-flags.ts'
export type { ErrorCode, Paths, Problem } from './schema.d.ts'

export type ValetkeyClient = Client<Paths, `${string}/${string}`>

/**
 * The access token for a request; asked for each. `refused`: the one that was just answered with 401. Whoever has another by then
 * gives it, and the request is sent once more.
 */
export type TokenProvider = (refused?: string) => string | Promise<string>

export type ClientOptions = {
  /** Origin of the instance; left out in a browser, which is already there. */
  baseUrl?: string
  fetch?: (request: Request) => Promise<Response>
  /** An access token, or where one comes from; left out where the session cookie speaks. */
  token?: string | TokenProvider
  /** How often a request may be sent; with a token four times, otherwise once. */
  repeats?: Partial<Repeats>
}

/** Codes of an answer, of a program newer than this client perhaps, and of what was none. */
export type ProblemCode = ErrorCode | 'no_answer' | 'not_valetkey' | (string & {})

/** An answer that was a problem, as an exception: what {@link unwrap} throws. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem
  readonly code: ProblemCode
  /** 0: no answer came. */
  readonly status: number
  /** What the server asked to wait. */
  readonly retryAfterSeconds: number | undefined
  constructor(problem: Problem, retryAfterSeconds?: number) {
    super(problem.detail ?? problem.title)
    this.problem = problem
    this.code = problem.code
    this.status = problem.status
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * The typed client of the JSON API: `const { data, error } = await client.GET('/api/v1/me')`. `error` is always a
 * Problem, also when no answer came (`code: 'no_answer'`, status 0) or something in between answered (`not_valetkey`). What is thrown is
 * what `token` threw, and the reason for which a request was aborted.
 * With a token, what may be sent again is: reads, and what is done once for a key, which it chooses where the caller named none.
 */
export function createValetkeyClient({ baseUrl = '', fetch, token, repeats }: ClientOptions = {}): ValetkeyClient {
  const provider: TokenProvider | undefined = typeof token === 'string' ? () => token : token
  const asked: Repeats = { tries: provider ? 4 : 1, longestWaitSeconds: 30, ...repeats }
  const once = fetch ?? ((request: Request) => globalThis.fetch(request))
  const client = createClient<Paths>({
    baseUrl,
    fetch: repeating(provider ? withToken(once, provider) : once, asked),
    // The API redirects nobody, and a token is for it alone.
    ...(provider ? { credentials: 'omit', redirect: 'error' } : { credentials: 'same-origin' }),
  })
  client.use(asValetkey({ isProgram: provider !== undefined, isRepeating: asked.tries > 1 }))
  return client
}

/** The data of an answer. @throws ProblemError */
export async function unwrap<T>(answer: Promise<{ data?: T; error?: unknown; response?: Response }>): Promise<T> {
  const { data, error, response } = await answer
  if (error !== undefined) throw new ProblemError(error as Problem, response && retryAfterOf(response))
  return data as T
}

/** A 401 comes before anything is done, so the request may go again with another token. */
const withToken =
  (send: (request: Request) => Promise<Response>, provider: TokenProvider) =>
  async (request: Request): Promise<Response> => {
    const carrying = (token: string, of: Request) => {
      of.headers.set('Authorization', `Bearer ${token}`)
      return of
    }
    const asked = async (refused?: string) => {
      try {
        return await provider(refused)
      } catch (cause) {
        throw new NoTokenError('there is no token', { cause })
      }
    }
    const token = await asked()
    const response = await send(carrying(token, request.clone()))
    if (response.status !== 401) return response
    const next = await asked(token)
    if (next === token) return response
    await response.body?.cancel()
    return send(carrying(next, request))
  }

const asValetkey = ({ isProgram, isRepeating }: { isProgram: boolean; isRepeating: boolean }): Middleware => ({
  onRequest({ request, schemaPath }) {
    if (!isProgram) request.headers.set('X-Valetkey', '1')
    // Also on a change without a body: it is part of what makes the request preflight.
    if (request.method !== 'GET') request.headers.set('Content-Type', 'application/json')
    const takesKey = keyed.includes(`${request.method} ${schemaPath}`)
    if (isRepeating && takesKey && !request.headers.has('Idempotency-Key'))
      request.headers.set('Idempotency-Key', crypto.randomUUID())
    return request
  },
  async onResponse({ response }) {
    if (response.ok || isProblem(response)) return undefined
    await response.body?.cancel()
    const title = 'The answer did not come from Valetkey'
    return asResponse({ code: 'not_valetkey', title, status: response.status, next: 'Try again in a moment.' })
  },
  onError({ error }) {
    // What the caller threw is theirs, and so is giving up.
    if (error instanceof NoTokenError && error.cause instanceof Error) return error.cause
    if (error instanceof Error && error.name === 'AbortError') return error
    const next = 'We do not know whether this took effect. Reload to see the current state, then try again.'
    return asResponse({ code: 'no_answer', title: 'No answer from the server', status: 0, next })
  },
})

const isProblem = (response: Response) => response.headers.get('content-type')?.startsWith('application/problem+json')

/** `status` 0 means that there was none; a Response has to have one. */
const asResponse = (problem: Pick<Problem, 'code' | 'title' | 'status' | 'next'>) =>
  new Response(JSON.stringify({ type: `urn:valetkey:error:${problem.code}`, request_id: '', ...problem }), {
    status: problem.status >= 400 ? problem.status : 503,
    headers: { 'content-type': 'application/problem+json' },
  })
