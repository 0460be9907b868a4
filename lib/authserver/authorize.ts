import type { CookieCredential, Person } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode, isBrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash } from '../security/secrets.ts'
import { type ClientRow, type From, findClient, insertRequest, takePushed } from '../store/programs.ts'
import { askedFor } from './clients.ts'
import { documentClient, isDocumentId } from './documents.ts'
import { requestSeconds } from './lifetimes.ts'
import { matchRedirect } from './redirects.ts'

/** Parameters of an authorization request, each once (RFC 6749 3.1). */
export type Parameters = Partial<Record<string, string>>

/** Where the browser goes next. `sign in`: nobody is, and only for somebody is it found out who the program is. */
export type Next = { kind: 'page'; request: string } | { kind: 'answer'; url: string } | { kind: 'sign in' }

/** What all that is pushed is named by (RFC 9126 2.2). */
export const pushedPrefix = 'urn:ietf:params:oauth:request_uri:'

/**
 * An authorization request that a browser brings (RFC 6749 4.1.1 with RFC 7636), or that its program pushed before (RFC 9126 4).
 * It is stored before anybody is asked, so that nothing of it can change on the way through a sign-in. What is wrong with
 * client, redirect URI or pushed request is told to the person; the rest goes back to the program (4.1.2.1). `signedIn`, whose
 * browser it is, is asked for `prompt=none` and for programs that nobody registered alone.
 * @throws BrokerError invalid_client, redirect_unknown, request_uri_unknown, bad_request, client_document_refused,
 *   client_document_invalid
 */
export async function authorize(
  ctx: Context,
  given: Parameters,
  origin: From,
  signedIn: () => Promise<Person<CookieCredential> | undefined>,
): Promise<Next> {
  const isSignedIn = async () => (await signedIn()) !== undefined
  const { client_id: clientId } = given
  const person = clientId !== undefined && isDocumentId(clientId) ? await signedIn() : undefined
  if (clientId !== undefined && isDocumentId(clientId) && !person) return { kind: 'sign in' }
  const client = person
    ? await documentClient(ctx, person, { ...given, client_id: clientId ?? '' })
    : await findClient(ctx, clientId ?? '')
  // Its id is its tenant's own word for it, and no other's.
  if (!client || (client.document !== null && !person)) throw new BrokerError('invalid_client')
  if (given.request_uri !== undefined) return pushedBefore(ctx, client, given.request_uri, isSignedIn)
  const redirectUri = redirectFor(ctx, client, given.redirect_uri)
  try {
    if (client.needsPush) throw new BrokerError('bad_request')
    const request = readRequest(ctx, client, given)
    if (request.prompt === 'none') throw new BrokerError((await isSignedIn()) ? 'consent_required' : 'login_required')
    const id = newId('authorization')
    const { address, agent } = origin
    const row = { id, kind: 'code', status: 'pending', clientId: client.id, redirectUri, address, agent } as const
    await insertRequest(ctx, { ...row, ...request }, requestSeconds)
    return { kind: 'page', request: id }
  } catch (error) {
    if (!isBrokerError(error)) throw error
    return { kind: 'answer', url: answerUrl(ctx, { redirectUri, state: given.state }, { error: rfcError(error.code) }) }
  }
}

/**
 * A pushed request, which its client's browser brings once (RFC 9126 4). Whatever else is in the address is not read.
 * @throws BrokerError request_uri_unknown, also for another client's
 */
async function pushedBefore(
  ctx: Context,
  client: ClientRow,
  uri: string,
  isSignedIn: () => Promise<boolean>,
): Promise<Next> {
  const request = uri.startsWith(pushedPrefix)
    ? await takePushed(ctx, client.id, hash(uri.slice(pushedPrefix.length)), requestSeconds)
    : undefined
  if (!request) throw new BrokerError('request_uri_unknown')
  if (request.prompt !== 'none') return { kind: 'page', request: request.id }
  const error = (await isSignedIn()) ? 'consent_required' : 'login_required'
  return { kind: 'answer', url: answerUrl(ctx, request, { error }) }
}

/** The address of the answer: registered, and to the letter but for the port of a loopback (RFC 8252 7.3). */
export function redirectFor(
  { config }: Pick<Context, 'config'>,
  { redirectUris }: ClientRow,
  given: string | undefined,
): string {
  // RFC 9700 2.1: it is always named. A client with one alone could leave it out (RFC 6749 3.1.2.3), and forget that it did.
  if (given === undefined || !matchRedirect(redirectUris, given)) throw new BrokerError('redirect_unknown')
  // Of a Valetkey at a loopback itself, any port would be its own as well.
  if (given.startsWith(`${config.origin}/`)) throw new BrokerError('redirect_unknown')
  return given
}

/** Client and address are right; anything else is the program's to hear. */
export function readRequest(ctx: Context, client: ClientRow, given: Parameters) {
  if (!client.grantTypes.includes('authorization_code')) throw new BrokerError('unauthorized_client')
  if (given.response_type !== 'code') throw new BrokerError('unsupported_response_type')
  if ((given.response_mode ?? 'query') !== 'query') throw new BrokerError('bad_request')
  const { code_challenge: codeChallenge, state, dpop_jkt: proofKey } = given
  if (given.code_challenge_method !== 'S256' || !/^[\w-]{43}$/.test(codeChallenge ?? ''))
    throw new BrokerError('bad_request', { detail: 'PKCE with S256 is required.' })
  if (proofKey !== undefined && !/^[\w-]{43}$/.test(proofKey))
    throw new BrokerError('bad_request', { detail: 'dpop_jkt is no thumbprint.' })
  const prompts = (given.prompt ?? '').split(' ').filter(Boolean)
  const isOdd = prompts.some((one) => !['none', 'login', 'consent', 'select_account'].includes(one))
  if (isOdd || (prompts.includes('none') && prompts.length > 1)) throw new BrokerError('bad_request')
  const maxAge = given.max_age === undefined ? undefined : Number(given.max_age)
  if (maxAge !== undefined && !(/^\d{1,9}$/.test(given.max_age ?? '') && maxAge >= 0))
    throw new BrokerError('bad_request')
  const { scopes, resource } = askedFor(ctx, client, { scope: given.scope, resource: given.resource }, 'code')
  if (proofKey !== undefined && resource !== ctx.config.origin) throw new BrokerError('invalid_target')
  return {
    scopes,
    resource,
    codeChallenge: codeChallenge ?? '',
    state,
    proofKey,
    maxAge,
    prompt: prompts.join(' ') || undefined,
  }
}

/** RFC 6749 4.1.2.1 has fewer words than the token endpoint. */
const rfcError = (code: ErrorCode): string => (code === 'bad_request' ? 'invalid_request' : code)

/** An answer for the program: with its state, and with our issuer, so that it knows whose answer it is (RFC 9207). */
export function answerUrl(
  { config }: Pick<Context, 'config'>,
  { redirectUri, state }: { redirectUri: string; state: string | null | undefined },
  answer: { code: string } | { error: string },
): string {
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value)
  if (state) url.searchParams.set('state', state)
  url.searchParams.set('iss', config.origin)
  return url.href
}
