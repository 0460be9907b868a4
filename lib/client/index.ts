import createClient, { type Client, type Middleware } from 'openapi-fetch'
import type { Paths, Problem } from './schema.d.ts'

export type { Paths, Problem } from './schema.d.ts'

export type ValetkeyClient = Client<Paths, `${string}/${string}`>

type ClientOptions = {
  /** Origin of the instance; left out in a browser, which is already there. */
  baseUrl?: string
  fetch?: (request: Request) => Promise<Response>
  /** A bearer token; left out where the session cookie speaks. */
  token?: string
}

/** An answer that was a problem, as an exception: what {@link unwrap} throws. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title)
    this.problem = problem
  }
}

/**
 * The typed client of the JSON API: `const { data, error } = await client.GET('/api/v1/me')`. `error` is always a
 * Problem, also when no answer came (`code: 'no_answer'`, status 0) or something in between answered (`not_valetkey`).
 */
export function createValetkeyClient({ baseUrl = '', fetch, token }: ClientOptions = {}): ValetkeyClient {
  const client = createClient<Paths>({
    baseUrl,
    ...(fetch && { fetch }),
    ...(token === undefined ? { credentials: 'same-origin' as const } : {}),
  })
  client.use(asValetkey(token))
  return client
}

/** The data of an answer. @throws ProblemError */
export async function unwrap<T>(answer: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await answer
  if (error !== undefined) throw new ProblemError(error as Problem)
  return data as T
}

const asValetkey = (token: string | undefined): Middleware => ({
  onRequest({ request }) {
    request.headers.set('X-Valetkey', '1')
    if (token !== undefined) request.headers.set('Authorization', `Bearer ${token}`)
    // Also on a change without a body: it is part of what makes the request preflight.
    if (request.method !== 'GET') request.headers.set('Content-Type', 'application/json')
    return request
  },
  async onResponse({ response }) {
    if (response.ok || isProblem(response)) return undefined
    await response.body?.cancel()
    const title = 'The answer did not come from Valetkey'
    return asResponse({ code: 'not_valetkey', title, status: response.status, next: 'Try again in a moment.' })
  },
  onError() {
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
