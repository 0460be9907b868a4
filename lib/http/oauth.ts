import { isDocumentId } from '../authserver/documents.ts'
import { askedOf } from '../authserver/tokens.ts'
import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode, errorCodes } from '../errors.ts'
import { assertionType, readAssertion, subjectOf } from '../security/client-assertion.ts'
import { isStorable } from '../security/json.ts'
import { hash } from '../security/secrets.ts'
import {
  type From,
  findClient,
  findDocumentClient,
  noteClientUse,
  type Presented,
  takeOnce,
} from '../store/programs.ts'
import { Answer, jsonAnswer } from './answer.ts'
import { assertLimitLeft, takeLimit } from './limits.ts'
import { dataHeaders } from './problem.ts'
import { type Call, type Edge, edge, readBody } from './request.ts'

const bodyMax = 16 * 1024

/** The form of a request: each field once, empty ones left out (RFC 6749 3.2). */
export type Form = Partial<Record<string, string>>
/** What an endpoint knows of a request. */
export type OAuthCall = Call & {
  form: Form
  who: Presented
  origin: From
  /** Headers that the answer will have beside its own, in small letters. */
  headers: Record<string, string>
}

/**
 * An endpoint that programs post forms to (RFC 6749 3.2): reads form and client, answers JSON or nothing, and what goes wrong
 * in the words of RFC 6749 5.2. No cookie is read, and no other site's page can read an answer. Wrong clients and codes are
 * counted by address, so that nobody tries them out at leisure.
 */
export const oauthEndpoint = (
  name: string,
  path: string,
  handle: (call: OAuthCall) => Promise<object | undefined>,
  status = 200,
): Edge =>
  edge(
    { kind: 'oauth', name, method: 'POST', path },
    async (call) => {
      const { ctx, request, address, agent, requestId } = call
      await takeLimit(ctx, 'program', { address })
      await assertLimitLeft(ctx, 'misses', { address })
      try {
        const form = await readForm(request)
        const who = await knownAs(ctx, await presentedBy(ctx, request.headers, form), form)
        const headers = { ...dataHeaders, pragma: 'no-cache' }
        const answer = await handle({ ...call, form, who, origin: { address, agent, requestId }, headers })
        noteUse(ctx, who)
        const response = answer ? jsonAnswer(answer, status, headers) : new Answer(200, headers)
        return { response, log: { client: who.id.slice(0, 64) } }
      } catch (error) {
        if (error instanceof Error && 'code' in error && misses.has(String(error.code)))
          await takeLimit(ctx, 'misses', { address })
        throw error
      }
    },
    refusal,
  )

const noteMs = 60_000

/** Off the request, and at most once a minute of one client and secret. Of a program that no tenant knows nothing is kept. */
function noteUse(ctx: Context, who: Presented): void {
  if (isDocumentId(who.id)) return
  const key = `${who.id} ${who.secret ? Buffer.from(who.secret).toString('base64') : ''}`
  const at = ctx.now().getTime()
  const last = ctx.clientUses.get(key)
  if (last !== undefined && at >= last && at < last + noteMs) return
  ctx.clientUses.set(key, at)
  for (const [one, moment] of ctx.clientUses) if (at >= moment + noteMs) ctx.clientUses.delete(one)
  ctx.background('note use of a client', () => noteClientUse(ctx, who))
}

const misses: ReadonlySet<string> = new Set(['invalid_client', 'invalid_grant'] satisfies ErrorCode[])

/** @throws BrokerError unsupported_media_type, bad_request for a field that comes twice (RFC 6749 3.2) */
async function readForm(request: Request): Promise<Form> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers.get('content-type') ?? ''))
    throw new BrokerError('bad_request', { detail: 'The body must be a form.' })
  const fields = [...new URLSearchParams(await readBody(request, bodyMax))]
  // What cannot be kept names nothing of ours.
  if (!fields.every((pair) => pair.every(isStorable)))
    throw new BrokerError('bad_request', { detail: 'A parameter contains an invalid character.' })
  if (new Set(fields.map(([name]) => name)).size !== fields.length)
    throw new BrokerError('bad_request', { detail: 'A parameter appears twice.' })
  return Object.fromEntries(fields.filter(([, value]) => value !== ''))
}

/** A field that has to be there. @throws BrokerError bad_request */
export function required(form: Form, name: string): string {
  const value = form[name]
  if (value === undefined) throw new BrokerError('bad_request', { detail: `${name} is missing.` })
  return value
}

/**
 * Who a program says it is, and what it shows for it (RFC 6749 2.3): by Basic, in the form or by an assertion, one of them.
 * @throws BrokerError bad_request, invalid_client
 */
async function presentedBy(ctx: Context, headers: Headers, form: Form): Promise<Presented> {
  const authorization = headers.get('authorization')
  if (form.client_assertion !== undefined || form.client_assertion_type !== undefined) {
    if (authorization !== null || form.client_secret !== undefined)
      throw new BrokerError('bad_request', { detail: 'Authenticate in one way, not in two.' })
    return assertedBy(ctx, form)
  }
  if (authorization === null) {
    if (form.client_id === undefined) throw new BrokerError('invalid_client', { detail: 'client_id is missing.' })
    return { id: form.client_id, secret: hashed(form.client_secret), asserted: null }
  }
  if (form.client_secret !== undefined)
    throw new BrokerError('bad_request', { detail: 'Authenticate in one way, not in two.' })
  const [id, secret] = basicOf(authorization) ?? []
  if (id === undefined || secret === undefined || !isStorable(id))
    throw new BrokerError('invalid_client', { challenge })
  if (form.client_id !== undefined && form.client_id !== id)
    throw new BrokerError('bad_request', { detail: 'Two different clients are named.' })
  return { id, secret: hashed(secret), asserted: null }
}

/**
 * A program that nobody registered, by the id that the tenant of what it brings knows it by; any other as it is.
 * @throws BrokerError invalid_grant for what is no code or token of this program
 */
async function knownAs(ctx: Context, who: Presented, form: Form): Promise<Presented> {
  if (!isDocumentId(who.id)) return who
  const { code, refresh_token: refresh, token } = form
  const brought = { ...askedOf(refresh ?? token ?? ''), ...(code !== undefined && { code: hash(code) }) }
  const id = await findDocumentClient(ctx, who.id, brought)
  if (id !== undefined) return { ...who, id }
  // No client has this id.
  if (code === undefined && refresh === undefined) return who
  throw new BrokerError('invalid_grant')
}

/**
 * A client by what it signed (RFC 7523 2.2), once over all processes. It is admitted later, with what it asks for and only if its
 * keys are still those.
 * @throws BrokerError bad_request, invalid_client
 */
async function assertedBy(ctx: Context, form: Form): Promise<Presented> {
  const assertion = required(form, 'client_assertion')
  if (required(form, 'client_assertion_type') !== assertionType)
    throw new BrokerError('bad_request', { detail: 'This type of client assertion is not supported.' })
  const id = subjectOf(assertion)
  if (id === undefined || !isStorable(id)) throw new BrokerError('invalid_client', { detail: notAsserted })
  if (form.client_id !== undefined && form.client_id !== id)
    throw new BrokerError('bad_request', { detail: 'Two different clients are named.' })
  const client = await findClient(ctx, id)
  const read = client && (await readAssertion(ctx, { assertion, clientId: id, keys: client.keys }))
  if (!read || !(await takeOnce(ctx, read.once, read.onceSeconds)))
    throw new BrokerError('invalid_client', { detail: notAsserted })
  return { id, secret: null, asserted: client.generation }
}

const notAsserted = 'The assertion does not count. Check its key, its audience, its times, and that it is new.'

const challenge = 'Basic realm="valetkey", charset="UTF-8"'
const hashed = (secret: string | undefined) => (secret === undefined ? null : hash(secret))

/** Id and secret are form-encoded before they are put together (RFC 6749 2.3.1). */
function basicOf(authorization: string): [string, string] | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1]
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at < 1) return undefined
  try {
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '))
    return [decode(text.slice(0, at)), decode(text.slice(at + 1))]
  } catch {
    return undefined
  }
}

/** What has no word of its own in an RFC: by what it means to a program. Codes of the RFCs are our codes. */
const words: Partial<Record<ErrorCode, string>> = {
  internal: 'server_error',
  unavailable: 'temporarily_unavailable',
  rate_limited: 'temporarily_unavailable',
  invalid_client: 'invalid_client',
  unauthorized_client: 'unauthorized_client',
  invalid_grant: 'invalid_grant',
  beyond_grant: 'invalid_scope',
  over_policy: 'invalid_scope',
  insufficient_scope: 'invalid_scope',
  not_found: 'invalid_target',
  forbidden: 'access_denied',
  frozen: 'access_denied',
  unsupported_grant_type: 'unsupported_grant_type',
  invalid_scope: 'invalid_scope',
  invalid_target: 'invalid_target',
  authorization_pending: 'authorization_pending',
  slow_down: 'slow_down',
  access_denied: 'access_denied',
  expired_token: 'expired_token',
  invalid_dpop_proof: 'invalid_dpop_proof',
  use_dpop_nonce: 'use_dpop_nonce',
  unsupported_response_type: 'unsupported_response_type',
}

/** RFC 6749 5.2. What fails on our side is no verdict on what was sent. */
function refusal(error: BrokerError): Answer {
  const { status, title } = errorCodes[error.code]
  const word = words[error.code] ?? (status >= 500 ? 'temporarily_unavailable' : 'invalid_request')
  const retry = error.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  const headers = {
    ...dataHeaders,
    pragma: 'no-cache',
    ...(retry !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retry))) }),
    ...(status === 401 && { 'www-authenticate': error.challenge ?? challenge }),
    ...(error.nonce && { 'dpop-nonce': error.nonce }),
  }
  const body = { error: word, error_description: error.detail ?? `${title}. ${error.next}` }
  const isPassing = status >= 500 || status === 429 || status === 401 || status === 413
  return jsonAnswer(body, isPassing ? status : 400, headers)
}
