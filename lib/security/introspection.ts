import { createHash } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { type Discoveries, discover, requestOptions } from './discovery.ts'
import { introspectedSecondsMax } from './incoming-token.ts'
import { clientAuth } from './oauth.ts'
import type { OutboundFetch, OutboundPolicy } from './outbound.ts'
import type { Secret } from './secrets.ts'

/** What an issuer said of a token; undefined: that it is not active. */
export type Answer = { claims: object | undefined; at: Date }

/** Answers of issuers by a hash of token and who asked, and how many each is being asked for now. Of one process. */
export type Introspections = {
  answers: Map<string, { at: number; answer: Promise<Answer> }>
  asking: Map<string, number>
}

export const createIntrospections = (): Introspections => ({ answers: new Map(), asking: new Map() })

type Deps = {
  fetch: OutboundFetch
  now: () => Date
  discoveries: Discoveries
  introspections: Introspections
  config: OutboundPolicy
}

/** At most so many questions to one issuer at the same time: whoever invents tokens cannot flood it through us. */
export const askingMax = 16
/** More tokens than programs of one process use within a minute. The oldest go first. */
export const answersMax = 5_000

/** An issuer is asked about as many tokens as it may be at once. */
export class TooManyAsked extends Error {
  override readonly name = 'TooManyAsked'
}

/**
 * What the issuer says of a token (RFC 7662), at the endpoint that its metadata names. An answer counts for a minute; a
 * failure is none, and is not kept. One question for all who bring the token at once.
 * @param by who asks: answers are kept apart by it
 * @param mayAsk is awaited before the issuer is asked, and may throw
 * @throws TooManyAsked, OutboundError or oauth4webapi's errors: the token is not judged then
 */
export function introspect(
  deps: Deps,
  { issuer, by, client }: { issuer: string; by: string; client: { id: string; secret: () => Promise<Secret> } },
  token: string,
  mayAsk: () => Promise<void>,
): Promise<Answer> {
  const { answers } = deps.introspections
  const key = createHash('sha256').update(`${by}\n${token}`).digest('base64url')
  const now = deps.now().getTime()
  const known = answers.get(key)
  // A clock that was set back makes everything old.
  if (known && now >= known.at && now < known.at + introspectedSecondsMax * 1000) return known.answer
  const answer = mayAsk().then(() => ask(deps, { issuer, by, client }, token, new Date(now)))
  answers.delete(key)
  answers.set(key, { at: now, answer })
  for (const oldest of answers.keys()) {
    if (answers.size <= answersMax) break
    answers.delete(oldest)
  }
  answer.catch(() => {
    if (answers.get(key)?.answer === answer) answers.delete(key)
  })
  return answer
}

async function ask(
  deps: Deps,
  { issuer, by, client }: Parameters<typeof introspect>[1],
  token: string,
  at: Date,
): Promise<Answer> {
  const { asking } = deps.introspections
  const count = asking.get(by) ?? 0
  if (count >= askingMax) throw new TooManyAsked('the issuer is being asked about too many tokens')
  asking.set(by, count + 1)
  try {
    const server = await discover(deps, issuer)
    const secret = await client.secret()
    const known = server.introspection_endpoint_auth_methods_supported ?? server.token_endpoint_auth_methods_supported
    const auth = clientAuth(
      { ...server, ...(known && { token_endpoint_auth_methods_supported: known }) },
      secret.reveal(),
    )
    const asker = { client_id: client.id }
    const response = await oauth.introspectionRequest(server, asker, auth, token, {
      ...requestOptions(deps),
      additionalParameters: { token_type_hint: 'access_token' },
    })
    const claims = await oauth.processIntrospectionResponse(server, asker, response)
    return { claims: claims.active === true ? claims : undefined, at }
  } finally {
    const left = (asking.get(by) ?? 1) - 1
    if (left > 0) asking.set(by, left)
    else asking.delete(by)
  }
}
