// docs/api.md, made of the OpenAPI document. `npm run docs:generate` writes it; a test fails when it is stale.
import { permissions, scopes } from '../lib/actor.ts'
import { type ErrorCode, errorCodes } from '../lib/errors.ts'
import { customHeader } from '../lib/http/csrf.ts'
import { limits } from '../lib/http/limits.ts'
import { openApiDocument } from '../lib/http/openapi.ts'
import { bodyCap } from '../lib/http/request.ts'
import { operations } from '../lib/http/wire.ts'
import { fieldsOf, type Schema, sketch, typeOf } from './lib/schema-words.ts'

type Parameter = { name: string; in: string; required: boolean; description?: string; schema: Schema }
type Described = {
  operationId: string
  summary: string
  security?: Record<string, string[]>[]
  'x-permission'?: string
  'x-scope'?: string
  'x-limit'?: keyof typeof limits
  'x-idempotent'?: { answerSeconds: number; keySeconds: number }
  parameters: Parameter[]
  requestBody?: { description?: string; content: Record<string, { schema: Schema }> }
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: Schema }> }>
}
type Document = {
  paths: Record<string, Record<string, Described>>
  components: { securitySchemes: Record<string, { description: string; type: string; scheme?: string; name?: string }> }
}
type Listed = Described & { method: string; path: string }

const origin = 'https://valetkey.example.com'

export function apiPage(): string {
  const document = openApiDocument(operations, origin) as Document
  const listed: Listed[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ ...one, method: method.toUpperCase(), path })),
  )
  const shared = sharedCodes(listed)
  const groups = grouped(listed)
  return `# The API

Everything that the console does goes through this API, and programs may use the same. This page is made by
\`npm run docs:generate\` from the OpenAPI document, which each instance answers at \`/api/v1/openapi.json\`.
\`${origin}\` stands for your instance.

- [Signing in](#signing-in) · [Requests and answers](#requests-and-answers) · [The same request again](#the-same-request-again) ·
  [Lists](#lists) · [Limits](#limits) · [Errors](#errors)
- Operations: ${[...groups].map(([name]) => `[${name}](#${anchor(name)})`).join(' · ')}

A first request, with an access token in \`$TOKEN\`:

\`\`\`sh
curl ${origin}/api/v1/me -H "Authorization: Bearer $TOKEN"
\`\`\`

And a token of an upstream, for a project that is linked:

\`\`\`sh
curl ${origin}/api/v1/tenants/acme/projects/warehouse/tokens \\
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H "Idempotency-Key: $(uuidgen)" \\
  -d '{ "scopes": { "buckets": { "in.c-crm": "read" } }, "expires_in": 900, "purpose": "nightly export" }'
\`\`\`

For TypeScript and JavaScript there is a [typed client](../lib/client/README.md).

## Signing in

| way | in the request | who |
|---|---|---|
${Object.entries(document.components.securitySchemes)
  .map(([name, { description, scheme, name: cookie }]) => {
    const sent = scheme ? `\`Authorization: ${scheme} <access token>\`` : `the cookie \`${cookie}\``
    return `| ${name} | ${sent} | ${cell(description)} |`
  })
  .join('\n')}

A request with \`Authorization\` is judged by its token alone: cookies beside it are not read. How programs of your identity provider
sign in: [trusted issuers](trusted-issuers.md).

What somebody may do is what their role in the tenant allows, cut by the scopes of the token. Each operation names both. Without the
scope the answer is 403 \`insufficient_scope\`, and the header \`WWW-Authenticate\` names the scope.

| scope | opens |
|---|---|
${scopeRows(listed)}

Operations that are *for browsers alone* answer 403 \`browser_only\` to every token: what comes of them outlives the token that did it, or
belongs to a browser.

## Requests and answers

- Bodies are JSON in UTF-8, at most ${bodyCap / 1024} KiB where an operation names no other size, with \`Content-Type: application/json\`, also where a change has no body. A field that is not named
  below is refused, as is a parameter of the query that is unknown or there twice.
- Times are in UTC (RFC 3339), such as \`2030-01-31T12:00:00Z\`; in answers below, \`Time\` is such a text. Durations are in seconds. Ids have a prefix that names what they are of, such as \`tok_\`.
- A change by cookie also needs the header \`X-Valetkey: 1\` and an \`Origin\` that is the instance's own. With a token it needs neither.
- Tokens never travel in a URL: such a request is refused.
- Each answer has the header \`X-Request-Id\`. Give it to the operator when something is wrong.
- \`{tenant}\` is the name of the tenant in addresses, \`{project}\` the id or the alias of a project.

## The same request again

A program whose connection broke does not know whether its request arrived. Operations that make or revoke tokens take the header
\`Idempotency-Key\`: text of your own choice, random, such as a UUID
([draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)). Send the same request again under the same key:

| answer | means |
|---|---|
| as the first time, with the header \`Age\` | it was done, and this is its answer. \`Age\`: how many seconds old it is; what it says in seconds from now was true then |
| 409 \`idempotency_running\` | the first one is still under way, or was cut off and is being cleared away. Wait for \`Retry-After\`, and send it again |
| 409 \`idempotency_spent\` | it was done, and its answer is not kept any more, or the token is over. Nothing is made a second time |
| 422 \`idempotency_mismatch\` | the key was used for a different request |
| any other error, or none at all | send it again under the same key: what was made and is not answered yet is cleared away first |

| operation | the same answer for | not done again for |
|---|---|---|
${listed
  .filter((one) => one['x-idempotent'])
  .map((one) => {
    const { answerSeconds, keySeconds } = one['x-idempotent'] ?? { answerSeconds: 0, keySeconds: 0 }
    return `| ${link(one)} | ${answerSeconds} seconds | ${keySeconds > answerSeconds ? `${keySeconds} seconds` : 'it may be: to do it again changes nothing'} |`
  })
  .join('\n')}

A key counts for one person and one session or grant. The answer is kept sealed under a key that is made of yours, so make it random.
Other operations ignore the header.

## Lists

A list that may be long comes in pages: \`items\`, and \`next\`. Ask again with \`before\` set to \`next\` until \`next\` is \`null\`. \`total\` counts
what matches on all pages; \`total_is_capped\` tells that there are more than it was worth to count.

## Limits

Each operation takes one call from a counter. When a counter is used up the answer is 429 \`rate_limited\`, and \`Retry-After\` tells the
seconds until it is full again.

| counter | calls | in seconds | for each |
|---|---|---|---|
${Object.entries(limits)
  .filter(([name]) => listed.some((one) => one['x-limit'] === name))
  .map(
    ([name, { points, seconds, by }]) =>
      `| ${name} | ${points} | ${seconds} | ${by === 'user' ? 'person' : 'address'} |`,
  )
  .join('\n')}

## Errors

An error is \`application/problem+json\` (RFC 9457). Programs go by \`code\`, which is stable; \`title\`, \`detail\` and \`next\` are for people.
\`fields\` tells for each field what is wrong with it.

\`\`\`json
${JSON.stringify(example, null, 2)}
\`\`\`

These may come from many operations; further ones are listed with each:

| from | codes |
|---|---|
${[...shared].map(([who, codes]) => `| ${who} | ${codes.map((code) => `\`${code}\``).join(', ')} |`).join('\n')}

All of them:

| code | status | what happened | what to do |
|---|---|---|---|
${codesOf(listed)
  .map((code) => {
    const { status, title, next } = errorCodes[code]
    return `| \`${code}\` | ${status} | ${cell(title)} | ${cell(next)} |`
  })
  .join('\n')}
${[...groups].map(([name, ones]) => `\n## ${name}\n${ones.map((one) => section(one, shared)).join('')}`).join('')}`
}

const example = {
  type: 'urn:valetkey:error:too_many_tokens',
  title: errorCodes.too_many_tokens.title,
  status: errorCodes.too_many_tokens.status,
  detail: 'At most 100 live tokens, set by the tenant.',
  code: 'too_many_tokens',
  next: errorCodes.too_many_tokens.next,
  request_id: 'req_0193a6f0c2b17c3f8a1d5e6f70819203',
}

/** By the first name of an address below the tenant. */
function grouped(listed: Listed[]): Map<string, Listed[]> {
  const groups = new Map<string, Listed[]>()
  for (const one of listed) {
    const noun = /^\/api\/v1\/tenants\/\{tenant\}\/([a-z-]+)/.exec(one.path)?.[1] ?? 'instance'
    const name = `${noun[0]?.toUpperCase()}${noun.slice(1).replaceAll('-', ' ')}`
    groups.set(name, [...(groups.get(name) ?? []), one])
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function section(one: Listed, shared: ReturnType<typeof sharedCodes>): string {
  const { operationId, method, path, summary, parameters, requestBody, responses } = one
  const [status = '', answer] = Object.entries(responses).find(([code]) => code.startsWith('2')) ?? []
  const [type, content] = Object.entries(answer?.content ?? {})[0] ?? []
  const said = new Set([...shared].flatMap(([who, codes]) => (kinds[who]?.(one) ? codes : [])))
  const errors = codesOf([one]).filter((code) => !said.has(code))
  const named = parameters.filter((parameter) => !saidOnce.has(`${parameter.in} ${parameter.name}`))
  const body = Object.values(requestBody?.content ?? {})[0]?.schema
  return `
### ${operationId}

${summary}.

\`\`\`http
${method} ${path}
\`\`\`

${accessOf(one)}
${named.length > 0 ? `\n| parameter | in | what it may be | |\n|---|---|---|---|\n${named.map(parameterRow).join('\n')}\n` : ''}${
  body ? bodyOf(body) : ''
}
${
  content
    ? `Answers ${status}${type === 'application/json' ? '' : ` as \`${type}\``}:\n\n\`\`\`ts\n${sketch(content.schema)}\n\`\`\``
    : `Answers ${status} without a body.`
}
${errors.length > 0 ? `\nErrors: ${errors.map((code) => `\`${code}\` (${errorCodes[code].status})`).join(', ')}.\n` : ''}`
}

/** Parameters that are explained for all. */
const saidOnce = new Set([`header ${customHeader}`, 'header Origin', 'path tenant'])

function bodyOf(schema: Schema): string {
  const rows = fieldsOf(schema)
  if (rows.length === 0) return '\nThe body is an empty object.\n'
  return `
| field of the body | what it may be | |
|---|---|---|
${rows.map(({ name, required, words, description }) => `| \`${name}\`${required ? '' : ', optional'} | ${cell(words.replaceAll(' or an object (', '<br>or an object ('))} | ${cell(description)} |`).join('\n')}
`
}

const parameterRow = ({ name, in: place, required, schema, description }: Parameter) =>
  `| \`${name}\`${required ? '' : ', optional'} | ${place} | ${cell(typeOf(schema))} | ${cell(description ?? String(schema.description ?? ''))} |`

function accessOf({ security, 'x-permission': permission = '', 'x-limit': limit }: Listed): string {
  const counter = limit ? ` Counter: ${limit}.` : ''
  if (!security) return `For everybody, without signing in.${counter}`
  const scopes = security.find((way) => way.bearer)?.bearer
  const roles = permission === 'session' ? undefined : permissions[permission as keyof typeof permissions]
  const who = roles
    ? `For the role${roles.length > 1 ? 's' : ''} ${roles.join(', ')}`
    : 'For everybody who is signed in'
  const through = scopes ? `scope ${scopes.map((scope) => `\`${scope}\``).join(' and ')}` : 'for browsers alone'
  return `${who}; ${through}.${counter}`
}

function scopeRows(listed: Listed[]): string {
  return scopes
    .map((scope) => {
      const opened = listed.filter(({ security }) => security?.some((way) => way.bearer?.includes(scope)))
      return `| \`${scope}\` | ${opened.map(link).join(', ')} |`
    })
    .join('\n')
}

/** In the order of the table of errors. */
function codesOf(listed: Listed[]): ErrorCode[] {
  const named = new Set(
    listed.flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ $ref }) => ($ref?.split('/').at(-1) ?? '').split('.').filter(Boolean)),
    ),
  )
  return (Object.keys(errorCodes) as ErrorCode[]).filter((code) => named.has(code))
}

/** Kinds of operations, whose errors are told once. */
const kinds: Record<string, (one: Listed) => boolean> = {
  'every operation': () => true,
  'those with a counter': (one) => one['x-limit'] !== undefined,
  'those that need somebody who is signed in': ({ security }) => security !== undefined,
  'those of a tenant': ({ path }) => path.includes('{tenant}'),
  'those that programs may call': ({ security }) => security?.some((way) => way.bearer) === true,
  'those for browsers alone': ({ security }) => security?.every((way) => way.session) === true,
  changes: ({ method }) => method !== 'GET',
  'changes by somebody who is signed in': ({ method, security }) => method !== 'GET' && security !== undefined,
  'those that take a key': (one) => one['x-idempotent'] !== undefined,
}

/** The codes that all operations of a kind may answer with, each told for the widest kind. */
function sharedCodes(listed: Listed[]): Map<string, ErrorCode[]> {
  const told = new Set<ErrorCode>()
  return new Map(
    Object.entries(kinds).map(([who, isOf]) => {
      const ofKind = listed.filter(isOf).map((one) => new Set(codesOf([one])))
      const codes = codesOf(listed).filter((code) => !told.has(code) && ofKind.every((has) => has.has(code)))
      for (const code of codes) told.add(code)
      return [who, codes]
    }),
  )
}

const anchor = (heading: string) => heading.toLowerCase().replaceAll(' ', '-')
const link = ({ operationId }: Listed) => `[${operationId}](#${anchor(operationId)})`
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
