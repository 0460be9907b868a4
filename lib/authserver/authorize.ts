import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode, isBrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { type ClientRow, type From, findClient, insertRequest } from '../store/programs.ts'
import { resourceAsked } from './clients.ts'
import { requestSeconds } from './lifetimes.ts'
import { matchRedirect } from './redirects.ts'
import { scopesAsked } from './scopes.ts'

/** Parameters of an authorization request, each once (RFC 6749 3.1). */
export type Parameters = Partial<Record<string, string>>

/** Where the browser goes next. */
export type Next = { kind: 'page'; request: string } | { kind: 'answer'; url: string }

/**
 * An authorization request that a browser brings (RFC 6749 4.1.1 with RFC 7636). It is stored before anybody is asked, so that
 * nothing of it can change on the way through a sign-in. What is wrong with client or redirect URI is told to the person; the
 * rest goes back to the program (4.1.2.1). `isSignedIn` is asked for `prompt=none` alone.
 * @throws BrokerError invalid_client, redirect_unknown, bad_request
 */
export async function authorize(
  ctx: Context,
  given: Parameters,
  origin: From,
  isSignedIn: () => Promise<boolean>,
): Promise<Next> {
  const client = given.client_id === undefined ? undefined : await findClient(ctx, given.client_id)
  if (!client) throw new BrokerError('invalid_client')
  const redirectUri = redirectFor(client, given.redirect_uri)
  try {
    const request = readRequest(ctx, client, given)
    if (request.prompts.includes('none'))
      throw new BrokerError((await isSignedIn()) ? 'consent_required' : 'login_required')
    const id = newId('authorization')
    const { prompts, ...asked } = request
    const { address, agent } = origin
    const row = { id, kind: 'code', status: 'pending', clientId: client.id, redirectUri, address, agent } as const
    await insertRequest(ctx, { ...row, ...asked, prompt: prompts.join(' ') || undefined }, requestSeconds)
    return { kind: 'page', request: id }
  } catch (error) {
    if (!isBrokerError(error)) throw error
    return { kind: 'answer', url: answerUrl(ctx, { redirectUri, state: given.state }, { error: rfcError(error.code) }) }
  }
}

/** The address of the answer: registered, and to the letter but for the port of a loopback (RFC 8252 7.3). */
function redirectFor({ redirectUris }: ClientRow, given: string | undefined): string {
  // RFC 9700 2.1: it is always named. A client with one alone could leave it out (RFC 6749 3.1.2.3), and forget that it did.
  if (given === undefined || !matchRedirect(redirectUris, given)) throw new BrokerError('redirect_unknown')
  return given
}

/** Client and address are right; anything else is the program's to hear. */
export function readRequest(ctx: Context, client: ClientRow, given: Parameters) {
  if (!client.grantTypes.includes('authorization_code')) throw new BrokerError('unauthorized_client')
  if (given.response_type !== 'code') throw new BrokerError('unsupported_response_type')
  if ((given.response_mode ?? 'query') !== 'query') throw new BrokerError('bad_request')
  const { code_challenge: codeChallenge, state } = given
  if (given.code_challenge_method !== 'S256' || !/^[\w-]{43}$/.test(codeChallenge ?? ''))
    throw new BrokerError('bad_request', { detail: 'PKCE with S256 is required.' })
  const prompts = (given.prompt ?? '').split(' ').filter(Boolean)
  const isOdd = prompts.some((one) => !['none', 'login', 'consent', 'select_account'].includes(one))
  if (isOdd || (prompts.includes('none') && prompts.length > 1)) throw new BrokerError('bad_request')
  const maxAge = given.max_age === undefined ? undefined : Number(given.max_age)
  if (maxAge !== undefined && !(/^\d{1,9}$/.test(given.max_age ?? '') && maxAge >= 0))
    throw new BrokerError('bad_request')
  return {
    scopes: scopesAsked(client, given.scope, 'code'),
    resource: resourceAsked(ctx, given.resource),
    codeChallenge: codeChallenge ?? '',
    state,
    maxAge,
    prompts,
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
