import { z } from 'zod'
import {
  type Actor,
  type CookieCredential,
  type Credential,
  confirmedUntil,
  type Permission,
  type Principal,
  programOf,
  requirePermission,
  requireScope,
} from '../actor.ts'
import { noteAccess } from '../audit/access.ts'
import type { AuditEvent } from '../audit/catalogue.ts'
import { record } from '../audit/record.ts'
import { BrokerError, type ErrorCode, fieldsOf, isBrokerError } from '../errors.ts'
import { isModestJson, unstorablePath } from '../security/json.ts'
import { currentNonce } from '../security/proof.ts'
import { membership } from '../store/lookups.ts'
import { asSystem } from '../store/system.ts'
import { Answer, headersOf, responseOf } from './answer.ts'
import { authenticate, toActor } from './authenticate.ts'
import { completeChallenge } from './challenge.ts'
import { keyIn, type Notes, type OnceOf, once, onceOf } from './idempotency.ts'
import { takeLimit } from './limits.ts'
import { type Access, errorsOf, type Operation, type PathParams, paramsSchema, type Reach } from './operation.ts'
import { dataHeaders, problemAnswer } from './problem.ts'
import { type Call, type Edge, edge, readBody, readQuery } from './request.ts'
import { alias } from './wire/schemas.ts'
import { type Named, namedBy, type View, wireOf } from './wire/view.ts'

/** Where only a browser is let in, the types say so: such an act may use the session. */
type CredentialFor<S extends Reach> = S extends 'cookie only' ? CookieCredential : Credential
type Identity<A extends Access, S extends Reach> = A extends 'public'
  ? unknown
  : A extends 'session'
    ? { principal: Principal<CredentialFor<S>> }
    : { principal: Principal<CredentialFor<S>>; actor: Actor<CredentialFor<S>> }

/** What a handler gets: everything is parsed, allowed and counted by then. */
export type ApiInput<O extends Operation> =
  O extends Operation<infer Path, infer Who, infer Scoped, infer Query, infer Body>
    ? Call &
        Identity<Who, Scoped> & {
          params: PathParams<Path>
          query: Named<z.output<Query>>
          body: Named<z.output<Body>>
          /** Given how it is answered, notes what is made where the caller named a key; undefined: they named none. */
          once: OnceOf<ApiAnswer<O>>
          /** Headers that the answer will have beside its own: a cookie that the act sets. */
          headers: Headers
        }
    : never
type ApiAnswer<O extends Operation> =
  O extends Operation<string, Access, Reach, z.ZodType, z.ZodType, infer Answer> ? View<Answer> : never

/**
 * A route handler for one operation of the JSON API. In this order: method, content type, size, other sites, who calls,
 * limit, tenant, permission and scope, a recent sign-in, strict parse; then `handler`, whose answer is brought into the
 * form that the operation declares, and parsed. The limit comes before the tenant, so that neither slugs can be tried out
 * nor denials pile up events without end.
 */
export function api<O extends Operation>(operation: O, handler: (input: ApiInput<O>) => Promise<ApiAnswer<O>>): Edge {
  const label = { kind: 'api', name: operation.id, method: operation.method, path: operation.path }
  const path = paramsSchema(operation)
  const codes = new Set(errorsOf(operation))
  const named = { query: namedBy(operation.query ?? z.object()), body: namedBy(operation.body ?? z.object()) }
  const toWire = operation.answer.schema && wireOf(operation.answer.schema)
  const work = async (call: Call, route: { params: Promise<unknown> }) => {
    const { ctx, request } = call
    const changes = operation.method !== 'GET'
    const text = changes ? await readMutation(operation, request) : ''
    // Next gives a path without parameters no object at all.
    const place = ((await route.params) ?? {}) as Record<string, unknown>
    const tenant = typeof place.tenant === 'string' ? place.tenant : undefined
    const principal = operation.permission === 'public' ? undefined : await authenticate(call, { changes, tenant })
    if (!principal && operation.permission !== 'public') throw new BrokerError('unauthenticated')
    if (operation.limit) await takeLimit(ctx, operation.limit, { userId: principal?.userId, address: call.address })

    const asked = readQuery(request.url)
    const params = path.safeParse(place)
    const actor = principal && (await actorIn(call, principal, place.tenant))
    const log = { user: principal?.userId, tenant: actor?.tenantId, ...programOf(principal?.credential) }
    try {
      if (principal) admit(operation, actor ?? principal)
      if (principal && operation.fresh && confirmedUntil(principal) <= ctx.now())
        throw new BrokerError('fresh_signin_required')
      // What no path can be names nothing: the same 404 as for what is not there.
      if (!params.success) throw new BrokerError('not_found')
      const query = named.query(parse(operation.query, asked, 'query'))
      const body = operation.body ? named.body(parse(operation.body, readJson(text), 'body')) : refuseContent(text)
      let own: Headers | undefined
      const ownHeaders = () => (own ??= new Headers())
      // For the next proof: it saves whoever goes on a refusal with each new window (RFC 9449 8.2).
      if (principal?.credential.kind === 'dpop') ownHeaders().set('dpop-nonce', currentNonce(ctx))
      const bodyOf = (answer: ApiAnswer<O>) => render(operation, toWire?.(answer))
      const done = async (notes?: Notes) => {
        const input = {
          ...call,
          principal,
          actor,
          params: params.data,
          query,
          body,
          once: onceOf(notes, bodyOf),
          // Hardly anybody sets one.
          get headers() {
            return ownHeaders()
          },
        }
        return bodyOf(await handler(input as unknown as ApiInput<O>))
      }
      const key = operation.idempotent && keyIn(request.headers)
      if (!key || !actor) return { response: respond(call, operation, await done(), own), log }
      const answered = await once(call, actor, { operation, key, asked: [params.data, query, body] }, done)
      const repeated = answered.ageSeconds !== undefined
      if (repeated) ownHeaders().set('age', String(answered.ageSeconds))
      return { response: respond(call, operation, answered.body, own), log: { ...log, repeated } }
    } catch (error) {
      if (actor && isBrokerError(error, ...refusals)) await recordDenial(call, actor, operation, error.code)
      throw error
    }
  }
  const answer = async (call: Call, route: { params: Promise<unknown> }) => {
    const { method } = call.request
    const isMethod = method === operation.method || (method === 'HEAD' && operation.method === 'GET')
    if (isMethod) return work(call, route).catch((error: unknown) => Promise.reject(declared(call, error)))
    const allow = operation.method === 'GET' ? 'GET, HEAD' : operation.method
    return { response: problemAnswer(new BrokerError('method_not_allowed'), call.requestId, { more: { allow } }) }
  }
  return edge(label, answer, (error, requestId, call) =>
    problemAnswer(error, requestId, call && { complete: (challenge) => completeChallenge(call.ctx, challenge) }),
  )

  /** A code that the description does not name is a mistake of ours: loud outside production, there it is logged. */
  function declared({ ctx, requestId }: Call, error: unknown): unknown {
    if (!isBrokerError(error) || error.code === 'aborted' || codes.has(error.code)) return error
    if (!ctx.config.production) return new Error(`${operation.id} does not declare ${error.code}`, { cause: error })
    ctx.log.error({ request: requestId, operation: operation.id, problem: error.code }, 'an undeclared error code')
    return error
  }
}

/** Content type, then size: the cheap refusals before anything is looked up. */
async function readMutation(operation: Pick<Operation, 'media' | 'bodyMax'>, request: Request): Promise<string> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type !== 'application/json' && !operation.media?.includes(type)) throw new BrokerError('unsupported_media_type')
  return readBody(request, operation.bodyMax)
}

/** The caller's place in `{tenant}`. Foreign, unknown and suspended are the same 404 (Z-02, E-04). */
async function actorIn(call: Call, principal: Principal, tenant: unknown): Promise<Actor | undefined> {
  if (tenant === undefined) return undefined
  const name = alias.safeParse(tenant)
  if (!name.success) throw new BrokerError('not_found')
  const member = await membership(call.ctx, principal, name.data)
  if (member?.status !== 'active') throw new BrokerError('not_found')
  if (member.refused) throw new BrokerError('session_refused')
  return toActor(principal, member, call)
}

/** @throws BrokerError forbidden, insufficient_scope, browser_only */
function admit({ permission, scope }: Pick<Operation, 'permission' | 'scope'>, caller: Actor | Principal): void {
  if (scope === 'cookie only' && caller.credential.kind !== 'cookie') throw new BrokerError('browser_only')
  if ('role' in caller) requirePermission(caller, permission as Permission)
  if (scope !== 'cookie only' && scope !== 'none') requireScope(caller, scope)
}

/** What leaves an event of its own: who calls may not do it, or not as they call. */
const refusals = [
  'forbidden',
  'insufficient_scope',
  'browser_only',
  'fresh_signin_required',
] as const satisfies ErrorCode[]

/** A refused change leaves an event of its own, refused reads one a minute: those cost their caller nothing. */
async function recordDenial(
  { ctx }: Call,
  actor: Actor,
  { id, method }: Pick<Operation, 'id' | 'method'>,
  code: ErrorCode,
) {
  const denial = {
    action: 'access.denied',
    outcome: 'refused',
    target: { kind: 'operation', id },
    // Without a code it was the role.
    details: { role: actor.role, ...(code !== 'forbidden' && { code }) },
  } as const satisfies AuditEvent
  if (method === 'GET') return noteAccess(ctx, actor, denial)
  await asSystem(ctx, actor.tenantId, 'refusal', (tx) => record(tx, actor.tenantId, ctx.now(), actor, denial))
}

/** The one place where JSON from callers is read: what is too deep, or no text that can be kept, gets no further. */
function readJson(text: string): unknown {
  if (!isModestJson(Buffer.from(text)))
    throw new BrokerError('bad_request', { detail: 'The body is nested too deeply.' })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BrokerError('bad_request', { detail: 'The body is not JSON.', cause })
  }
  const path = unstorablePath(text, value)
  if (path === undefined) return value
  throw new BrokerError('bad_request', { fields: { [path.slice(0, 80) || 'body']: 'contains an invalid character' } })
}

/** An operation without a body takes an empty one, or an empty object. No two runs of blanks stand side by side in the pattern. */
function refuseContent(text: string): undefined {
  if (!/^\s*(?:\{\s*\}\s*)?$/.test(text)) throw new BrokerError('bad_request', { detail: 'The body must be empty.' })
}

function parse(schema: z.ZodType | undefined, value: object | unknown, place: 'query' | 'body'): unknown {
  const unnamed = value && typeof value === 'object' ? Object.keys(value)[0] : undefined
  if (!schema && unnamed === undefined) return {}
  const parsed = schema?.safeParse(value)
  if (parsed?.success) return parsed.data
  const fields = parsed ? fieldsOf(parsed.error.issues, 'body') : { [unnamed ?? place]: 'is unknown' }
  throw new BrokerError('bad_request', { fields })
}

type Body = string | AsyncIterable<string> | null

/** The body of an answer, in the form that the operation declares; null: none. */
function render({ id, answer: { schema } }: Operation, answer: unknown): Body {
  if (!schema) return null
  const parsed = schema.safeParse(answer)
  if (!parsed.success)
    throw new BrokerError('internal', {
      cause: new Error(`${id} answered ${JSON.stringify(fieldsOf(parsed.error.issues, 'body'))}`),
    })
  return isStream(parsed.data) ? parsed.data : JSON.stringify(parsed.data)
}

const isStream = (data: unknown): data is AsyncIterable<string> =>
  typeof data === 'object' && data !== null && Symbol.asyncIterator in data

function respond({ ctx, requestId }: Call, operation: Operation, body: Body, own?: Headers): Response | Answer {
  const { status, stream, cacheSeconds } = operation.answer
  const { vary, ...kept } = dataHeaders
  const headers = {
    ...(own && headersOf(own)),
    ...kept,
    ...(cacheSeconds === undefined ? { vary } : { 'cache-control': `public, max-age=${cacheSeconds}` }),
    'x-request-id': requestId,
    ...(body !== null && { 'content-type': stream ?? 'application/json' }),
  }
  if (!isStream(body)) return new Answer(status, headers, body)
  const cut = (error: unknown) =>
    ctx.log.error({ request: requestId, operation: operation.id, err: error }, 'a response was interrupted')
  return new Response(streamOf(body, cut), responseOf(new Answer(status, headers)))
}

/** Pieces of text as a body, made as fast as they are read. One that fails cuts the connection: it cannot end as if whole. */
function streamOf(pieces: AsyncIterable<string>, onCut: (error: unknown) => void): ReadableStream<Uint8Array> {
  const source = pieces[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next().catch((error: unknown) => {
        onCut(error)
        throw error
      })
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await source.return?.()
    },
  })
}
