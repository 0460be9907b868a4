import { z } from 'zod'
import type { Permission } from '../actor.ts'
import type { LimitName } from './limits.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The names in braces of a path: `/tenants/{tenant}/tokens/{token}` -> `tenant | token`. */
type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never

/** What an operation answers: JSON, nothing, or pieces of text of the type `stream` as they are made. */
type Answered<Schema extends z.ZodType> =
  | { status: 200 | 201 | 202; schema: Schema; stream?: 'application/x-ndjson' }
  | { status: 204; schema?: undefined; stream?: undefined }

/**
 * One thing the JSON API can do, declared once: the wrapper enforces it, the OpenAPI document and the client are
 * generated from it.
 */
export type Operation<
  Path extends string = string,
  Access extends Permission | 'session' | 'public' = Permission | 'session' | 'public',
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
  permission: Access
  /** Strict schema of the path's parameters; left out: each is an id, a slug or an alias. */
  params?: z.ZodType
  query?: Query
  body?: Body
  /** Content types of the body beside application/json. */
  media?: readonly string[]
  answer: Answered<Answer>
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
  const Access extends Permission | 'session' | 'public',
  Query extends z.ZodType = z.ZodObject<Record<never, never>, z.core.$strict>,
  Body extends z.ZodType = z.ZodUndefined,
  Answer extends z.ZodType = z.ZodUndefined,
>(declared: Operation<Path, Access, Query, Body, Answer>): Operation<Path, Access, Query, Body, Answer> {
  const inTenant = declared.permission !== 'session' && declared.permission !== 'public'
  if (inTenant !== declared.path.includes('{tenant}'))
    throw new Error(`${declared.id}: a role's permission and {tenant} in the path go together`)
  if (declared.method === 'GET' && declared.body) throw new Error(`${declared.id}: a GET has no body`)
  return declared
}

/** Ids, slugs and aliases: what a path segment may be. Anything else names nothing. */
export const segment = z.string().regex(/^[\p{L}\p{N}._~-]{1,128}$/u)

export const paramNames = (path: string) => [...path.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1]))

/** The schema of an operation's path parameters. */
export const paramsSchema = (declared: Pick<Operation, 'path' | 'params'>): z.ZodType =>
  declared.params ?? z.strictObject(Object.fromEntries(paramNames(declared.path).map((name) => [name, segment])))
