import type { Cli } from '../cli.ts'
import { reasonOf } from '../http.ts'
import type { Found } from './kind.ts'

/** Asks the host of a credential about it, with it. Redirects are not followed: they could lead it elsewhere. */
export async function ask(cli: Pick<Cli, 'http'>, { host, question }: Found): Promise<string> {
  if (!question) return 'there is nothing known to ask its host'
  const { url, headers, tell } = question
  try {
    const response = await cli.http(
      new Request(url, { headers: { ...headers, Accept: 'application/json' }, redirect: 'manual' }),
    )
    const body: unknown = await response.json().catch(() => undefined)
    return tell(response.status, body, response.headers)
  } catch (error) {
    return `${host} does not answer (${reasonOf(error)})`
  }
}
