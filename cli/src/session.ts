import {
  createValetkeyClient,
  ProblemError,
  type TokenProvider,
  unwrap,
  type ValetkeyClient,
} from '../../lib/client/index.ts'
import { type Account, readAccounts } from './accounts.ts'
import type { Cli } from './cli.ts'
import { tokensOf } from './credentials.ts'
import { Failure, failureOf, notValetkey } from './failure.ts'
import { reasonOf } from './http.ts'
import { accountAt, findPlace } from './place.ts'

/** A server and a tenant, and a client that speaks there for whoever is signed in. */
export type Session = {
  server: string
  tenant: string
  /** Undefined: the token came from the environment. */
  account: Account | undefined
  client: ValetkeyClient
  /** What the API answers. @throws Failure */
  ask<T>(answer: Promise<{ data?: T; error?: unknown; response?: Response }>): Promise<T>
}

/** Environment (VALETKEY_TOKEN, for CI) -> stored, refreshed where needed -> none (O-13). @throws Failure */
export async function openSession(cli: Cli): Promise<Session> {
  const place = await findPlace(cli)
  const given = cli.env.VALETKEY_TOKEN
  if (given) {
    // A folder that somebody else wrote may be linked to a server of theirs, and a default is of another sign-in.
    if (!place.isSaid)
      throw new Failure('usage', `VALETKEY_TOKEN is there, and ${place.from} alone says for which server.`, {
        code: 'no_server',
        next: 'Say it beside the token: VALETKEY_SERVER, or --server',
      })
    const session = sessionOf(cli, place.server, '', () => given)
    return { ...session, tenant: place.tenant ?? cli.env.VALETKEY_TENANT ?? (await onlyTenant(session)) }
  }
  const account = accountAt(await readAccounts(cli), place)
  return { ...sessionOf(cli, account.server, account.tenant, tokensOf(cli, account)), account }
}

export function sessionOf(cli: Cli, server: string, tenant: string, token: TokenProvider): Session {
  const told = (seconds: number) => {
    if (!cli.out.json) cli.out.note(`The server asks to wait: going on in ${Math.ceil(seconds)} s.`)
  }
  let reason: string | undefined
  const fetch = async (request: Request) => {
    try {
      return await whole(await cli.http(request), server)
    } catch (error) {
      reason = reasonOf(error)
      throw error instanceof Failure ? new NotSent(error) : error
    }
  }
  return {
    server,
    tenant,
    account: undefined,
    client: createValetkeyClient({
      baseUrl: server,
      token,
      fetch,
      repeats: { tries: 4, longestWaitSeconds: 60, told },
    }),
    ask: async (answer) => {
      try {
        return await unwrap(answer)
      } catch (error) {
        if (error instanceof NotSent) throw error.cause
        throw error instanceof ProblemError ? failureOf(error, server, reason) : error
      }
    },
  }
}

/** An answer as the API gives them: JSON to its end. @throws Failure where something else answers (O-24) */
async function whole(response: Response, server: string): Promise<Response> {
  if (!response.ok || response.status === 204) return response
  const text = await response.text()
  try {
    if (typeof JSON.parse(text) === 'object') return new Response(text, response)
  } catch (cause) {
    throw notValetkey(server, { status: response.status, cause })
  }
  throw notValetkey(server, { status: response.status })
}

/** Another try would end alike, so for the client this is giving up. */
class NotSent extends Error {
  override readonly name = 'AbortError'
  override readonly cause: Failure
  constructor(cause: Failure) {
    super(cause.message)
    this.cause = cause
  }
}

async function onlyTenant({ client, ask }: Session): Promise<string> {
  const [tenant, ...others] = (await ask(client.GET('/api/v1/me'))).tenants
  if (tenant && others.length === 0) return tenant.slug
  throw new Failure('usage', 'VALETKEY_TOKEN is good for several tenants.', {
    next: 'Say which: --tenant NAME, or VALETKEY_TENANT',
  })
}
