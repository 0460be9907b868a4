import { z } from 'zod'
import type { Permission, Scope } from '../actor.ts'
import type { AuditAction } from '../audit/catalogue.ts'
import { type ErrorCode, errorCodes } from '../errors.ts'
import { isIdKind } from '../security/ids.ts'
import type { LimitName } from './limits.ts'
import { alias, idOf } from './wire/schemas.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The names in braces of a path: `/tenants/{tenant}/tokens/{token}` -> `tenant | token`. */
type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never

/**
 * What an operation answers: JSON, nothing, or pieces of text of the type `stream` as they are made. `cacheSeconds`: anybody
 * may keep it for so long; only of what is the same for everybody.
 */
type Answered<Schema extends z.ZodType> =
  | {
      status: 200 | 201 | 202
      schema: Schema
      stream?: 'application/x-ndjson' | 'text/csv' | 'application/jose'
      cacheSeconds?: number
    }
  | { status: 204; schema?: undefined; stream?: undefined; cacheSeconds?: undefined }

export type Access = Permission | 'session' | 'public'

/**
 * What a program must have been allowed: a scope. `cookie only`: no program may, because what comes of it outlives the
 * credential that did it, or belongs to a browser. `none`: nobody needs anything.
 */
export type Reach = Scope | 'cookie only' | 'none'

/**
 * One thing the JSON API can do, declared once: the wrapper enforces it, the OpenAPI document and the client are
 * generated from it.
 */
export type Operation<
  Path extends string = string,
  Who extends Access = Access,
  Scoped extends Reach = Reach,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> = {
  /** camelCase verb and noun; the operationId. */
  id: string
  method: Method
  /** With `{name}` for parameters; a `{tenant}` where `permission` is a role's. */
  path: Path
  summary: string
  /** What the caller's role must allow in `{tenant}`; `session`: any signed-in person; `public`: anybody. */
  permission: Who
  scope: Scoped
  /** Of `cookie only`: the person signed in lately. For what outlasts the session, which may be stolen. */
  fresh?: true
  /** What the caller is recorded to have done, or to have tried; every refusal is `access.denied` beside it. */
  audit: AuditAction | readonly AuditAction[] | 'none'
  /** Forms of parameters whose names do not tell it. */
  params?: Record<string, z.ZodType>
  query?: Query
  body?: Body
  /** Largest body in bytes, where it is not that of every operation. */
  bodyMax?: number
  /** Content types of the body beside application/json. */
  media?: readonly string[]
  answer: Answered<Answer>
  /**
   * A caller may name a key under which it is done once. For `answerSeconds` the same key gets the same answer; for `keySeconds`
   * nothing is done again.
   */
  idempotent?: { answerSeconds: number; keySeconds: number }
  /** What it refuses for reasons of its own; what every operation of its kind may refuse is in {@link errorsOf}. */
  errors?: readonly ErrorCode[]
  /** Whose counter the call adds to (limits.ts); left out for probes alone. */
  limit?: LimitName
}

export type PathParams<Path extends string> = { [Name in ParamNames<Path>]: string }

/**
 * Declares an operation.
 * @throws Error at load when the declaration contradicts itself: a role without a tenant, a GET with a body
 */
export function operation<
  const Path extends string,
  const Who extends Access,
  const Scoped extends Reach,
  Query extends z.ZodType = z.ZodObject<Record<never, never>, z.core.$strict>,
  Body extends z.ZodType = z.ZodUndefined,
  Answer extends z.ZodType = z.ZodUndefined,
>(declared: Operation<Path, Who, Scoped, Query, Body, Answer>): Operation<Path, Who, Scoped, Query, Body, Answer> {
  const inTenant = declared.permission !== 'session' && declared.permission !== 'public'
  // What is public may name a tenant as well: nobody's place in it is asked then.
  if (declared.permission !== 'public' && inTenant !== declared.path.includes('{tenant}'))
    throw new Error(`${declared.id}: a role's permission and {tenant} in the path go together`)
  if ((declared.permission === 'public') !== (declared.scope === 'none'))
    throw new Error(`${declared.id}: public operations have no scope; all others need one`)
  if (declared.fresh && declared.scope !== 'cookie only')
    throw new Error(`${declared.id}: only who has a session can sign in again`)
  if (declared.idempotent && (declared.method === 'GET' || !inTenant))
    throw new Error(`${declared.id}: a key is for changes in a tenant`)
  if (declared.method === 'GET' && declared.body) throw new Error(`${declared.id}: a GET has no body`)
  return declared
}

/** What comes of any act that opens somebody's connection. */
export const refreshEvents = ['refresh.succeeded', 'refresh.failed'] as const satisfies AuditAction[]

/** Of acts that seal or open something. */
export const vaultErrors = ['tenant_shredded', 'keys_unavailable'] as const satisfies ErrorCode[]
/** Of acts that call the upstream with somebody's connection. */
export const upstreamErrors = [
  ...vaultErrors,
  'needs_relink',
  'frozen',
  'not_linked',
  'client_not_registered',
  'provider_misconfigured',
  'upstream_unavailable',
  'upstream_protocol',
  'upstream_refused',
  'upstream_forbidden',
] as const satisfies ErrorCode[]

const idempotencyErrors = [
  'idempotency_running',
  'idempotency_spent',
  'idempotency_mismatch',
] as const satisfies ErrorCode[]

/** What the listener itself says to anything it cannot take, and what may fail anywhere. */
const everywhere = [
  'bad_request',
  'timeout',
  'uri_too_long',
  'expectation_failed',
  'wrong_host',
  'headers_too_large',
  'internal',
  'unavailable',
  'not_serving',
] as const satisfies ErrorCode[]

/** Every code that an operation may answer with, in the order of the table in lib/errors.ts. */
export function errorsOf({
  method,
  path,
  permission,
  scope,
  fresh,
  limit,
  idempotent,
  errors = [],
}: Operation): ErrorCode[] {
  const changes = method !== 'GET'
  const codes = new Set<ErrorCode>([
    ...everywhere,
    ...errors,
    ...(limit ? (['rate_limited'] as const) : []),
    ...(idempotent ? idempotencyErrors : []),
    ...(permission === 'public' ? [] : (['unauthenticated'] as const)),
    ...(permission === 'public' ? [] : ([scope === 'cookie only' ? 'browser_only' : 'insufficient_scope'] as const)),
    ...(fresh ? (['fresh_signin_required'] as const) : []),
    ...(permission !== 'public' && path.includes('{tenant}')
      ? (['session_refused', 'not_found', 'forbidden', 'issuer_unavailable'] as const)
      : []),
    ...(changes ? (['unsupported_media_type', 'too_large'] as const) : []),
    ...(changes && permission !== 'public' ? (['cross_site'] as const) : []),
  ])
  return (Object.keys(errorCodes) as ErrorCode[]).filter((code) => codes.has(code))
}

export const paramNames = (path: string) => [...path.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1]))

/** What a parameter of this name may be. Anything else names nothing. */
function parameter(name: string): z.ZodType {
  if (name === 'tenant') return alias
  if (name === 'project') return idOrAlias
  if (name === 'delivery') return idOf('message')
  return isIdKind(name) ? idOf(name) : segment
}
const idOrAlias = z
  .string()
  .regex(/^(prj_[0-9a-f]{32}|[a-z0-9][a-z0-9-]{0,62})$/, 'must be the id or an alias of a project')
const segment = z.string().regex(/^[A-Za-z0-9._~-]{1,128}$/)

/** The schema of an operation's path parameters. */
export const paramsSchema = ({ path, params = {} }: Pick<Operation, 'path' | 'params'>): z.ZodType =>
  z.strictObject(Object.fromEntries(paramNames(path).map((name) => [name, params[name] ?? parameter(name)])))
