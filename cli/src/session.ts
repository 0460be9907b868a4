import { createHash } from 'node:crypto'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import {
  createValetkeyClient,
  ProblemError,
  type TokenProvider,
  unwrap,
  type ValetkeyClient,
} from '../../lib/client/index.ts'
import { type Account, changeAccounts, keyOf, readAccounts } from './accounts.ts'
import type { Cli } from './cli.ts'
import { Failure, failureOf as failureOfApi } from './failure.ts'
import { reasonOf } from './http.ts'
import { LockedError, withLock } from './lock.ts'
import { client, failureOf, persistently, refusalOf, requests, serverOf } from './oauth.ts'
import { accountAt, findPlace } from './place.ts'
import { type Credentials, parseCredentials, type Vault, vaultOf } from './vaults/index.ts'

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
        throw error instanceof ProblemError ? failureOfApi(error, server, reason) : error
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
    throw strange(response, server, cause)
  }
  throw strange(response, server)
}

const strange = ({ status }: Response, server: string, cause?: unknown) =>
  new Failure('strange', `What answers at ${server} (HTTP ${status}) is not Valetkey, or its answer is not whole.`, {
    code: 'not_valetkey',
    cause,
    next: 'A proxy or a sign-in page may stand in between. Check the address: valetkey doctor',
  })

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

/** Where a process of this machine holds an account while it changes what is kept of it. */
export const lockOf = ({ home }: Pick<Cli, 'home'>, key: string) =>
  join(home, 'locks', createHash('sha256').update(key).digest('hex').slice(0, 32))

/** What is kept of an account. @throws Failure signed_out */
export async function readCredentials(vault: Vault, account: Account): Promise<Credentials> {
  const key = keyOf(account)
  const text = await vault.read(key)
  const credentials = text === undefined ? undefined : parseCredentials(text)
  if (credentials) return credentials
  throw new Failure('signed_out', account.over ?? `Nothing is kept for ${key} any more in ${vault.title}.`, {
    code: account.over === null ? 'missing' : 'expired',
    next: `Sign in again: valetkey login --server ${account.server}`,
  })
}

/**
 * Access tokens of an account. One is used until the server refuses it: no clock takes part, so that one that is wrong does no harm.
 * Who is refused refreshes under a lock, and takes what another process brought meanwhile. The new refresh token is kept
 * before anything else is done (K-10, K-11).
 */
export function tokensOf(cli: Cli, account: Account, { refreshed }: { refreshed?: () => void } = {}): TokenProvider {
  const vault = vaultOf(cli, account.vault)
  const renewed = (refused: string) =>
    held(cli, account, async () => {
      const { access_token, refresh_token } = await readCredentials(vault, account)
      if (access_token !== refused) return access_token
      const next = await refresh(cli, account, refresh_token)
      await vault.write(keyOf(account), JSON.stringify(next))
      refreshed?.()
      return next.access_token
    })
  let known: string | undefined
  return async (refused) => {
    known = known === undefined || known === refused ? (await readCredentials(vault, account)).access_token : known
    if (known === refused) known = await renewed(refused)
    return known
  }
}

/** Runs `work` while no other process changes what is kept of the account. @throws Failure where one does so for too long */
export async function held<T>(
  cli: Cli,
  account: Pick<Account, 'server' | 'tenant'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await withLock(lockOf(cli, keyOf(account)), cli, work)
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    throw new Failure('failed', `Another valetkey (process ${error.pid}) does not finish.`, {
      cause: error,
      next: `End it, then try again: kill ${error.pid}`,
    })
  }
}

/** @throws Failure; signed_out once the server says that it is over, which is then noted */
async function refresh(cli: Cli, account: Account, refreshToken: string): Promise<Credentials> {
  const server = serverOf(account.server)
  try {
    // The same request again is answered by the same tokens for half a minute, so a lost answer is no loss.
    return await persistently(cli, 5, async () => {
      const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, requests(cli))
      const answer = await oauth.processRefreshTokenResponse(server, client, response)
      if (answer.refresh_token === undefined)
        throw new Failure('strange', `${account.server} sent no new refresh token.`)
      return { access_token: answer.access_token, refresh_token: answer.refresh_token }
    })
  } catch (error) {
    if (refusalOf(error) !== 'invalid_grant') throw failureOf(error, account.server)
    const over = `The sign-in to ${keyOf(account)} is over: it expired, or was revoked.`
    await vaultOf(cli, account.vault).remove(keyOf(account))
    await changeAccounts(cli, ({ accounts }) => {
      const present = accounts[keyOf(account)]
      if (present) present.over = over
    })
    throw new Failure('signed_out', over, {
      code: 'expired',
      cause: error,
      next: `Sign in again: valetkey login --server ${account.server}`,
    })
  }
}
