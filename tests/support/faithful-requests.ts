import type { IncomingHttpHeaders } from 'node:http'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import type { Preset } from '../../lib/providers/oauth/preset.ts'
import { Refusal, type Request } from './faithful-grants.ts'

export type Came = { method: string; url: URL; headers: IncomingHttpHeaders; body: string }
export type Parameters = Record<string, string>

export type Client = {
  clientId: string
  /** Of `basic` and `post`. */
  clientSecret?: string
  /** Of `private_key_jwt`: the public keys of the client. */
  clientKeys?: JSONWebKeySet
  redirectUri: string
}

/** Parameters that never belong into an address or a record. */
export const secretNames = [
  'client_secret',
  'client_assertion',
  'code',
  'code_verifier',
  'refresh_token',
  'access_token',
  'token',
]
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export const isOfType = ({ headers }: Came, type: string) =>
  headers['content-type']?.split(';')[0]?.trim().toLowerCase() === type

/** Each parameter, which may come only once (RFC 6749 3.1, 3.2). */
export function once(parameters: URLSearchParams): Parameters {
  const names = [...parameters.keys()]
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Refusal('invalid_request', `${twice} came twice`)
  return Object.fromEntries(parameters)
}

/** The parameters of a body, which has to be of this type. */
export function parametersOf(came: Came, as: 'form' | 'json'): Parameters {
  const leaked = secretNames.find((name) => came.url.searchParams.has(name))
  if (leaked) throw new Refusal('invalid_request', `${leaked} came in the address`)
  const type = as === 'form' ? 'application/x-www-form-urlencoded' : 'application/json'
  if (!isOfType(came, type)) throw new Refusal('invalid_request', `the request is not ${type}`)
  return as === 'form' ? once(new URLSearchParams(came.body)) : textsOf(came.body)
}

function textsOf(json: string): Parameters {
  const read = readJson(json)
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new Refusal('invalid_request', 'the body is no JSON object')
  for (const [name, value] of Object.entries(read))
    if (typeof value !== 'string') throw new Refusal('invalid_request', `${name} is not a string`)
  return read as Parameters
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What came by any way, right or wrong, to be put on record. */
export function everything(came: Came): Parameters {
  const { url, body } = came
  const json = isOfType(came, 'application/json') ? readJson(body) : undefined
  const fields = json === undefined ? Object.fromEntries(new URLSearchParams(body)) : Object(json)
  return { ...Object.fromEntries(url.searchParams), ...fields }
}

/** All scopes that a preset names. */
export const everyScopeOf = ({ scopes }: Preset) => [
  ...new Set([...scopes.always, ...scopes.known.map(({ name }) => name)]),
]

/** How a server judges what its client sends. `server`: the addresses at which it is asked. */
export function startJudge(preset: Preset, server: Preset['server'], client: Client, now: () => number) {
  const { clientId, clientSecret = '', clientKeys = { keys: [] }, redirectUri } = client
  const { scopes } = preset
  const everyScope = everyScopeOf(preset)
  const seenAssertions = new Set<string>()

  /** Judges an authorization request: RFC 6749 4.1.1, RFC 7636 4.3. */
  function authorizationRequest(sent: Parameters): Request {
    const wrong = (message: string, code = 'invalid_request') => new Refusal(code, message)
    if (sent.client_id !== clientId) throw wrong('another client_id', 'unauthorized_client')
    if (sent.redirect_uri !== redirectUri) throw wrong(`redirect_uri is ${sent.redirect_uri}`)
    if (sent.response_type !== 'code') throw wrong('response_type is not code', 'unsupported_response_type')
    if ((sent.response_mode ?? 'query') !== 'query') throw wrong('only response_mode query is known')
    if (!sent.state) throw wrong('state is missing')
    for (const [name, value] of Object.entries(sent))
      if (secretNames.includes(name) || (clientSecret && value === clientSecret))
        throw wrong(`${name} does not belong into an authorization request`)
    for (const [name, value] of Object.entries(preset.authorization.parameters))
      if (sent[name] !== value) throw wrong(`${name} has to be ${value}`)

    const { code_challenge: challenge, code_challenge_method: method, nonce, state } = sent
    if (challenge === undefined && preset.client.pkce === 'checked') throw wrong('code_challenge is missing')
    if (challenge !== undefined && (method !== 'S256' || !/^[\w-]{43}$/.test(challenge)))
      throw wrong('code_challenge is not one of S256')
    return { scopes: scopesAsked(sent), state, challenge, nonce }
  }

  function scopesAsked(sent: Parameters): string[] {
    const wrong = (message: string) => new Refusal('invalid_scope', message)
    const text = sent[scopes.parameter]
    if (scopes.parameter !== 'scope' && sent.scope !== undefined) throw wrong(`it is ${scopes.parameter} here`)
    if (scopes.fixedAtRegistration) {
      if (text !== undefined) throw wrong('scopes are chosen where the client is registered')
      return everyScope
    }
    const asked = text === undefined ? [] : [...new Set(text.split(scopes.separator))]
    const isKnown = (scope: string) => everyScope.includes(scope)
    const missing = scopes.always.find((scope) => !asked.includes(scope))
    if (missing) throw wrong(`${missing} is missing in "${text}"`)
    // One that is known only in pieces was joined with the separator of another server.
    const odd = asked.find((scope) => !scope || (!isKnown(scope) && scope.split(/[ ,+]/).some(isKnown)))
    if (odd !== undefined) throw wrong(`"${odd}" is one scope here`)
    if (asked.length > 0 && everyScope.length > 0 && !asked.some(isKnown)) throw wrong(`none of "${text}" is known`)
    return asked
  }

  /** Authenticates the client in the one way that it is registered for: RFC 6749 2.3, RFC 7523 3. */
  async function authenticate({ headers }: Came, sent: Parameters): Promise<void> {
    const refused = (message: string) => new Refusal('invalid_client', message, 'client')
    const wanted = preset.client.authentication
    const ways = {
      basic: headers.authorization,
      post: sent.client_secret,
      private_key_jwt: sent.client_assertion,
    }
    const used = Object.entries(ways).flatMap(([way, value]) => (value === undefined ? [] : way))
    const how = used.join(' and ') || 'none'
    if (how !== wanted) throw refused(`authenticated by ${how}`)
    const mayBeUnnamed = wanted === 'basic' || wanted === 'private_key_jwt'
    if (sent.client_id !== clientId && !(mayBeUnnamed && sent.client_id === undefined))
      throw refused('client_id is missing or another')
    if (wanted === 'basic' && !isBasic(headers.authorization, true)) throw refused('another id or secret')
    if (wanted === 'post' && sent.client_secret !== clientSecret) throw refused('client_secret is another')
    if (wanted !== 'private_key_jwt') return
    if (sent.client_assertion_type !== assertionType) throw refused('client_assertion_type is another')
    const { payload } = await jwtVerify(sent.client_assertion ?? '', createLocalJWKSet(clientKeys), {
      issuer: clientId,
      subject: clientId,
      audience: [server.issuer, server.token_endpoint],
      requiredClaims: ['exp', 'jti'],
      currentDate: new Date(now()),
    }).catch((error: Error) => {
      throw refused(`the assertion: ${error.message}`)
    })
    const jti = String(payload.jti)
    if (seenAssertions.has(jti)) throw refused('the assertion was used before')
    seenAssertions.add(jti)
  }

  /** `encodes`: id and secret are form-encoded before HTTP Basic, as RFC 6749 2.3.1 has it. */
  function isBasic(header: string | undefined, encodes: boolean): boolean {
    const given = Buffer.from(/^Basic (.+)$/i.exec(header ?? '')?.[1] ?? '', 'base64').toString()
    const read = (text: string) => (encodes ? (new URLSearchParams(`text=${text}`).get('text') ?? '') : text)
    const at = given.indexOf(':')
    return read(given.slice(0, at)) === clientId && read(given.slice(at + 1)) === clientSecret
  }

  return { authorizationRequest, authenticate, isBasic }
}
