import { createHash } from 'node:crypto'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import type { TokenProvider } from '../../lib/client/index.ts'
import { type Account, changeAccounts, keyOf } from './accounts.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { LockedError, withLock } from './lock.ts'
import { client, failureOf, persistently, refusalOf, requests, serverOf } from './oauth.ts'
import { type Credentials, parseCredentials, type Vault, vaultOf } from './vaults/index.ts'

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
