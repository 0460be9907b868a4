/**
 * An answer whose body is text that is there already. The server writes it as it is; a `Response` is made of it only for
 * Next, because making one and reading it again costs as much as all the rest of a small request.
 */
export class Answer {
  readonly status: number
  /** Names in small letters. Cookies are the only header that may have several lines. */
  readonly headers: Record<string, string | string[]>
  readonly body: string | null
  constructor(status: number, headers: Record<string, string | string[]>, body: string | null = null) {
    this.status = status
    this.headers = headers
    this.body = body
  }
}

/** JSON as an answer; `headers` in small letters. */
export const jsonAnswer = (value: unknown, status: number, headers: Record<string, string | string[]>): Answer =>
  new Answer(status, { 'content-type': 'application/json', ...headers }, JSON.stringify(value))

export function responseOf({ status, headers, body }: Answer): Response {
  const pairs = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  )
  return new Response(body, { status, headers: pairs })
}

/** Headers as an answer has them, each cookie a line. */
export function headersOf(headers: Headers): Answer['headers'] {
  const cookies = headers.getSetCookie()
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 && { 'set-cookie': cookies }) }
}
