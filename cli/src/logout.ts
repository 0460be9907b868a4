import * as oauth from 'oauth4webapi'
import { type Account, changeAccounts, keyOf } from './accounts.ts'
import type { Cli } from './cli.ts'
import { held } from './credentials.ts'
import { forgetTokensOf } from './helpers/kept.ts'
import { client, failureOf, persistently, requests, serverOf } from './oauth.ts'
import { type Credentials, parseCredentials, vaultOf } from './vaults/index.ts'

/** Ends a grant with all that was made by it (O-17): one that is unknown or over is ended already. @throws Failure */
export async function revokeGrant(cli: Cli, server: string, { refresh_token }: Credentials): Promise<void> {
  try {
    await persistently(cli, 3, async () => {
      const response = await oauth.revocationRequest(
        serverOf(server),
        client,
        oauth.None(),
        refresh_token,
        requests(cli),
      )
      await oauth.processRevocationResponse(response)
    })
  } catch (error) {
    throw failureOf(error, server)
  }
}

/**
 * Signs an account out: at the server first, then here. Where the server cannot be asked nothing is lost here, unless
 * `anyway`: the grant then lives on until it is revoked in the console or ends. @throws Failure
 */
export const signOut = (
  cli: Cli,
  account: Account,
  { anyway }: { anyway: boolean },
): Promise<'revoked' | 'nothing' | 'unconfirmed'> =>
  held(cli, account, async () => {
    const key = keyOf(account)
    const vault = vaultOf(cli, account.vault)
    const kept = await vault.read(key)
    const credentials = kept === undefined ? undefined : parseCredentials(kept)
    let outcome: 'revoked' | 'nothing' | 'unconfirmed' = credentials ? 'revoked' : 'nothing'
    if (credentials)
      await revokeGrant(cli, account.server, credentials).catch((error: unknown) => {
        if (!anyway) throw error
        outcome = 'unconfirmed'
      })
    await vault.remove(key)
    await forgetTokensOf(cli, account)
    await changeAccounts(cli, (all) => {
      delete all.accounts[key]
      if (all.default === key) all.default = Object.keys(all.accounts)[0] ?? null
    })
    return outcome
  })
