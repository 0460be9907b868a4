import { z } from 'zod'
import { isJson, isStorable, withoutForeignBody } from '../../security/json.ts'
import type { Preset } from './preset.ts'

/** How a server words the answers of its token endpoint, where RFC 6749 5 would have it otherwise. */
export type AnswerForm = Partial<NonNullable<Preset['quirks']>> & { separator?: string }

/** Ten years at most: "for ever" comes as the largest number there is. */
const seconds = z.coerce
  .number()
  .positive()
  .transform((value) => Math.min(value, 10 * 365 * 86_400))
  .optional()
  .catch(undefined)
/** Whatever can be done without is read leniently: it is no reason to throw a rotated token away (RR-09). */
const Tokens = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional().catch(undefined),
  token_type: z.string().optional().catch(undefined),
  scope: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .catch(undefined),
  expires_in: seconds,
  id_token: z.string().optional().catch(undefined),
  // Keycloak's name and the other one in use; 0 means that it does not end, never that it has.
  refresh_expires_in: seconds,
  refresh_token_expires_in: seconds,
})

export type Tokens = Omit<z.infer<typeof Tokens>, 'scope' | 'refresh_expires_in' | 'refresh_token_expires_in'> & {
  scopes: string[] | undefined
  /** Seconds that the refresh token lives, where the answer says so. */
  grantSeconds: number | undefined
  /** The whole answer, for what else a server tells there. */
  whole: unknown
}

/**
 * What a token endpoint answered, in the words of RFC 6749 5. `tokens` are there where it gave some; otherwise `response`
 * is the refusal, to be judged by the protocol's own rules. `isOfCode`: to a code, not to a refresh; there a token that
 * stands elsewhere than the person's own may be somebody else's.
 */
export async function readAnswer(
  response: Response,
  form: AnswerForm,
  isOfCode: boolean,
): Promise<{ tokens?: Tokens; response: Response }> {
  const body = await bodyOf(response, form)
  const stated = isRecord(body) && typeof body.error === 'string' ? body.error : undefined
  const error = stated === undefined ? undefined : (form.errors?.[stated] ?? stated)
  if (!response.ok)
    return {
      response:
        error === stated || error === undefined
          ? withoutForeignBody(response)
          : restated(response, error, response.status),
    }
  const parsed = Tokens.safeParse(
    (form.tokensAt && at(body, form.tokensAt)) || (isOfCode && form.tokensAt ? undefined : body),
  )
  if (parsed.success) return { response, tokens: toTokens(parsed.data, body, form) }
  // Without the quirk a 200 that names an error is an answer that makes no sense, and no verdict on the grant.
  return {
    response:
      error !== undefined && form.errorsWithStatus200 ? restated(response, error, 400) : withoutForeignBody(response),
  }
}

function toTokens(parsed: z.infer<typeof Tokens>, whole: unknown, form: AnswerForm): Tokens {
  const {
    scope,
    refresh_expires_in,
    refresh_token_expires_in,
    expires_in = form.unnamedLifetimeSeconds,
    ...rest
  } = parsed
  const separator = form.scopesAnswered === 'array' ? ' ' : (form.scopesAnswered ?? form.separator ?? ' ')
  const scopes = typeof scope === 'string' ? scope.split(separator).map((name) => name.trim()) : scope
  return {
    ...rest,
    expires_in,
    scopes: scopes?.filter((name) => name !== '' && isStorable(name)),
    grantSeconds: refresh_expires_in ?? refresh_token_expires_in,
    whole,
  }
}

/** The `error` of an answer that is one. */
export async function statedError(response: Response): Promise<string | undefined> {
  if (response.ok) return undefined
  const body = await bodyOf(response, {})
  return isRecord(body) && typeof body.error === 'string' ? body.error : undefined
}

async function bodyOf(response: Response, { formEncodedAnswers }: AnswerForm): Promise<unknown> {
  const text = await response.clone().text()
  if (formEncodedAnswers && !isJson(response.headers)) return Object.fromEntries(new URLSearchParams(text))
  if (!isJson(response.headers)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function restated({ headers }: Response, error: string, status: number): Response {
  const wait = headers.get('retry-after')
  return new Response(JSON.stringify({ error }), {
    status,
    headers: { 'content-type': 'application/json', ...(wait && { 'retry-after': wait }) },
  })
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a JSON Pointer (RFC 6901) names in a document; undefined: nothing. */
export function at(document: unknown, pointer: string): unknown {
  let value = document
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}
