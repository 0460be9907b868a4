import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { approve } from '../../demo/browser.ts'
import { putContext } from '../../lib/context.ts'
import { cookieNames } from '../../lib/http/cookies.ts'
import type { RouteHandler } from '../../lib/http/request.ts'
import { providerId } from '../../lib/http/signin/identity.ts'
import { handleAuth } from '../../lib/http/signin.ts'
import { type Email, origin, startBroker } from './broker.ts'
import { watchStatements } from './watch-statements.ts'

const root = resolve(import.meta.dirname, '../../app')
const limiters = Symbol.for('valetkey.limits')

/** Route files by the segments of their paths. */
const routes = (await readdir(root, { recursive: true }))
  .filter((file) => /^(api\/v1|oauth|t|\.well-known)\/(.*\/)?route\.ts$/.test(file))
  .map((file) => ({ file: resolve(root, file), segments: file.split('/').slice(0, -1) }))
  // Exact segments before parameters, as Next has it.
  .sort((a, b) => a.file.split('[').length - b.file.split('[').length)

/** The handlers of a path and the parameters in it, as Next would find them. */
export async function routeOf(path: string) {
  const given = path.split('/').slice(1)
  const isParam = (segment: string) => segment.startsWith('[')
  const route = routes.find(
    ({ segments }) =>
      segments.length === given.length &&
      segments.every((segment, index) => isParam(segment) || segment === given[index]),
  )
  if (!route) throw new Error(`no route file for ${path}`)
  const params = Object.fromEntries(
    route.segments.flatMap((segment, index) =>
      isParam(segment) ? [[segment.slice(1, -1), decodeURIComponent(given[index] ?? '')]] : [],
    ),
  )
  return { handlers: (await import(route.file)) as Partial<Record<string, RouteHandler>>, params }
}

/** One pretend browser's cookies, by name. */
export type Jar = Map<string, string>

export type Answer<T = Record<string, unknown>> = { status: number; headers: Headers; body: T; text: string }

export type LinkOptions = {
  /** By name; the demo's stack unless it is said. */
  provider?: string
  account: Email
  project?: string
  alias?: string
  connection?: string
  flow?: string
  deny?: boolean
}

/** The whole product below Next: route handlers as functions, a database and an upstream of its own over real sockets. */
export async function startTestApp(options: Parameters<typeof startBroker>[0] = {}) {
  const broker = await startBroker(options)
  const { ctx } = broker
  putContext(ctx)
  /** Everything that ever left by an edge, as text: for searching. */
  const answered: { path: string; text: string }[] = []

  /** A browser in which this person has just signed in: the form, the identity provider's pages, the way back. */
  async function signIn(email: Email, browser: Jar = new Map(), act = `signin/${providerId}`): Promise<Jar> {
    const jar: Jar = new Map(browser)
    const form = { origin, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    const path = `${origin}/api/auth/${act}`
    const started = await keep(
      jar,
      path,
      handleAuth(withCookies(jar, new Request(path, { method: 'POST', headers: form }))),
    )
    const location = await approve(/url=(.*)$/.exec(started.headers.get('refresh') ?? '')?.[1] ?? '', {
      account: email,
    })
    await keep(jar, location, handleAuth(withCookies(jar, new Request(location))))
    if (!jar.has(cookieNames.session)) throw new Error(`${email} could not sign in`)
    return jar
  }

  /** A browser whose person has just confirmed who they are, by signing in again. */
  const confirm = (email: Email, browser: Jar) => signIn(email, browser, 'confirm')

  /** Signs a browser out as its form does. */
  const signOut = (jar: Jar) => {
    const form = { origin, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    const path = `${origin}/api/auth/signout`
    return keep(jar, path, handleAuth(withCookies(jar, new Request(path, { method: 'POST', headers: form }))))
  }

  function withCookies(jar: Jar, request: Request): Request {
    if (jar.size > 0) request.headers.set('cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '))
    return request
  }

  /** What a browser keeps of an answer, and what tests search. */
  async function keep(jar: Jar, path: string, answer: Promise<Response>): Promise<Answer> {
    const response = await answer
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';')[0]?.split(/=(.*)/s) ?? []
      if (/max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    const text = await response.text()
    answered.push({ path, text: `${[...response.headers].join('\n')}\n${text}` })
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : {}, text }
  }

  /** Answers by the route file that Next would find. */
  async function route(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const { handlers, params } = await routeOf(pathname)
    // Next answers HEAD by what GET exports.
    const handler = handlers[request.method === 'HEAD' ? 'GET' : request.method]
    if (!handler) throw new Error(`no ${request.method} at ${pathname}`)
    return handler(request, { params: Promise.resolve(params) })
  }

  async function send(jar: Jar, request: Request): Promise<Answer> {
    return keep(jar, new URL(request.url).pathname, route(withCookies(jar, request)))
  }

  /** What our own page would send. `path` follows `/api/v1`; the answer's body is taken for a `T`. */
  async function call<T = Record<string, unknown>>(
    jar: Jar,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const mutates = method !== 'GET'
    const own = { origin, 'x-valetkey': '1', 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
    const request = new Request(`${origin}/api/v1${path}`, {
      method,
      headers: { ...(mutates && own), ...headers },
      body: mutates ? JSON.stringify(body ?? {}) : null,
    })
    return (await send(jar, request)) as Answer<T>
  }

  /** A browser that follows a redirect back to us. */
  const follow = (jar: Jar, location: string, headers: Record<string, string> = {}) =>
    send(
      jar,
      new Request(location, { headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site', ...headers } }),
    )

  const providerOf = async (jar: Jar, tenant: string, called = 'Demo stack') => {
    const { body } = await call<{ items: { id: string; name: string }[] }>(jar, 'GET', `/tenants/${tenant}/providers`)
    return body.items.find(({ name }) => name === called)?.id ?? ''
  }

  /** Starts a link and answers where its authorization URL would go, and what the attempt is called. */
  async function startLink(
    jar: Jar,
    tenant: string,
    { provider: called, ...options }: Pick<LinkOptions, 'provider' | 'alias' | 'connection' | 'flow'> = {},
  ) {
    const provider = await providerOf(jar, tenant, called)
    const { body, status } = await call<{ id: string; url: string }>(jar, 'POST', `/tenants/${tenant}/attempts`, {
      provider,
      ...options,
    })
    if (status !== 201) throw new Error(`starting a link answered ${status}: ${JSON.stringify(body)}`)
    return body
  }

  /** Links a project as a person does: start, consent upstream, come back. Answers the callback's answer. */
  async function link(jar: Jar, tenant: string, { account, project, deny, ...rest }: LinkOptions) {
    const { id, url } = await startLink(jar, tenant, rest)
    const location = await approve(url, { account, ...(project && { project }), ...(deny && { deny }) })
    return { ...(await follow(jar, location)), attempt: id, location }
  }

  /** Links and answers the project's id. */
  async function linkProject(jar: Jar, tenant: string, options: LinkOptions): Promise<string> {
    const { headers } = await link(jar, tenant, options)
    const id = /\/projects\/(prj_\w+)\?linked=1$/.exec(headers.get('location') ?? '')?.[1]
    if (!id) throw new Error(`not linked: ${headers.get('location')}`)
    return id
  }

  /** Issues a token for a project; the body of a 201. */
  const issue = (jar: Jar, tenant: string, project: string, body: Record<string, unknown> = {}) =>
    call<Issued>(jar, 'POST', `/tenants/${tenant}/projects/${project}/tokens`, { ...issueBody, ...body })

  return {
    ...broker,
    answered,
    signIn,
    signOut,
    confirm,
    route,
    send,
    call,
    follow,
    demoProvider: providerOf,
    startLink,
    link,
    linkProject,
    issue,
    /** Requests that the stack's token endpoint, or another route, has seen. */
    requests: (route: string, fields: Record<string, unknown> = {}) => broker.demo.ledger.find(route, fields),
    /** What the upstream says to a token. */
    useToken: async (token: string) =>
      (await fetch(`${broker.demo.url}/v2/storage/tokens/verify`, { headers: { 'x-storageapi-token': token } })).status,
    /** Tells of every statement that the product sends to the database, until the answer is called. */
    watchStatements: (told: (text: string) => void) => watchStatements(told, broker.owner),
    /** Gives everybody their counters back: a file makes more calls than a person would. */
    async forgetLimits() {
      // Those of the process as well (lib/http/limits.ts).
      ;(globalThis as { [limiters]?: WeakMap<object, unknown> })[limiters]?.delete(ctx.pool)
      await ctx.pool.query('DELETE FROM rate_limit')
    },
    /** Rows as the tables' owner sees them, inside one tenant. */
    async rows(tenant: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
      await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [await broker.tenantId(tenant)])
      return (await broker.owner.query(sql, values)).rows
    },
  }
}

/** Least rights that the demo's first project knows. */
export const issueBody = { scopes: { buckets: { 'in.c-crm': 'read' } }, expires_in: 900, purpose: 'nightly export' }

export type TokenOnWire = {
  id: string
  owner_id: string
  state: string
  connection_id: string
  granted: { components: string[]; buckets: Record<string, string>; manage_buckets: boolean } | null
  not_granted: string[]
  failure: string | null
  last_used_at: string | null
  revocation: { upstream: string; latest_moment: string | null } | null
}
export type Issued = {
  token: TokenOnWire
  value: string
  expires_in: number
  token_type: string
  base_url: string
  code?: string
}

export type TestApp = Awaited<ReturnType<typeof startTestApp>>

/** Operations for it.each, each with what its test is called by. */
export const byAddress = <O extends { method: string; path: string }>(list: readonly O[]) =>
  list.map((operation) => [`${operation.method} ${operation.path}`, operation] as const)
