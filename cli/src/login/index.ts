import type { TokenEndpointResponse } from 'oauth4webapi'
import { type Account, changeAccounts, keyOf, readAccounts } from '../accounts.ts'
import { noBrowser } from '../browser.ts'
import type { Cli } from '../cli.ts'
import { held } from '../credentials.ts'
import { Failure } from '../failure.ts'
import { revokeGrant } from '../logout.ts'
import { findPlace, readAddress } from '../place.ts'
import { sessionOf } from '../session.ts'
import { bestVault, type Credentials, parseCredentials, vaultOf } from '../vaults/index.ts'
import { byDevice } from './device.ts'
import { byLoopback, NoLoopback } from './loopback.ts'

/** What a terminal usually needs. Managing a tenant is never given to a device; the rest is asked for with --scope. */
const usualScopes = ['projects:read', 'tokens:issue', 'tokens:revoke', 'tenant:read']

type Asked = { server: string | undefined; device: boolean; scope: string[]; fresh: boolean }

/** Signs in, keeps what came, and ends what was kept for the same person and tenant before. @throws Failure */
export async function signIn(cli: Cli, { server: named, device, scope, fresh }: Asked): Promise<void> {
  const place = named === undefined ? await findPlace(cli) : readAddress(named, 'the argument')
  const { server } = place
  const tenant = cli.given.tenant ?? place.tenant
  const vault = await bestVault(cli)
  const scopes = scope.length > 0 ? [...new Set([...scope, 'tenant:read'])] : usualScopes
  const answer = await tokens(cli, { server, scope: scopes.join(' '), device, fresh })
  const { access_token, refresh_token } = answer
  if (refresh_token === undefined) throw new Failure('strange', `${server} sent no refresh token.`)
  const made: Credentials = { access_token, refresh_token }
  let isKept = false
  try {
    const { client, ask } = sessionOf(cli, server, '', () => access_token)
    const me = await ask(client.GET('/api/v1/me'))
    const [there] = me.tenants
    if (!there)
      throw new Failure('refused', 'The tenant that you chose is not open to you any more.', {
        next: 'Sign in again: valetkey login',
      })
    if (tenant !== undefined && there.slug !== tenant)
      throw new Failure('refused', `You allowed this in tenant ${there.slug}, and asked for ${tenant}.`, {
        next: 'Sign in again, and choose that tenant in the browser.',
      })
    const account: Account = {
      server,
      tenant: there.slug,
      person: me.email ?? me.name,
      scopes: (answer.scope ?? '').split(' ').filter(Boolean),
      signed_in_at: cli.now().toISOString(),
      vault: vault.name,
      over: null,
    }
    const before = await held(cli, account, () => replace(cli, account, made))
    isKept = true
    // The new one is kept; only then the old one ends (K-37).
    if (before) await revokeGrant(cli, server, before).catch((error: Failure) => unconfirmed(cli, error))
    const shown = {
      server,
      tenant: account.tenant,
      person: account.person,
      scopes: account.scopes,
      kept_in: vault.name,
    }
    cli.out.answer(shown, () => {
      cli.out.line(
        'Signed in to ',
        { text: server, style: 'bold' },
        ' as ',
        account.person,
        ', tenant ',
        { text: account.tenant, style: 'bold' },
        '.',
      )
      cli.out.line({ text: `Kept in ${vault.title}. To sign out: valetkey logout`, style: 'dim' })
    })
  } catch (error) {
    // Nobody would hold it, and it would live on for months.
    if (!isKept) await revokeGrant(cli, server, made).catch(() => {})
    if (error instanceof Failure && error.code === 'insufficient_scope')
      throw new Failure('refused', 'A terminal has to know its tenant, and you took that scope away.', {
        code: error.code,
        cause: error,
        next: 'Sign in again, and leave "tenant:read" allowed.',
      })
    throw error
  }
}

async function tokens(
  cli: Cli,
  { device, ...asked }: { server: string; scope: string; device: boolean; fresh: boolean },
): Promise<TokenEndpointResponse> {
  const why = device ? undefined : noBrowser(cli)
  if (why !== undefined) cli.out.note(`Signing in with a code, because ${why}.`)
  if (device || why !== undefined) return byDevice(cli, { ...asked, opens: device && noBrowser(cli) === undefined })
  try {
    return await byLoopback(cli, asked)
  } catch (error) {
    if (!(error instanceof NoLoopback)) throw error
    cli.out.note(`Signing in with a code, because ${error.message}.`)
    return byDevice(cli, { ...asked, opens: false })
  }
}

/** Keeps an account and what is secret of it; answers what was kept there before. */
async function replace(cli: Cli, account: Account, made: Credentials): Promise<Credentials | undefined> {
  const key = keyOf(account)
  const earlier = (await readAccounts(cli)).accounts[key]
  const before = earlier && (await vaultOf(cli, earlier.vault).read(key))
  await vaultOf(cli, account.vault).write(key, JSON.stringify(made))
  if (earlier && earlier.vault !== account.vault) await vaultOf(cli, earlier.vault).remove(key)
  await changeAccounts(cli, (all) => {
    all.accounts[key] = account
    all.default ??= key
  })
  return before === undefined ? undefined : parseCredentials(before)
}

const unconfirmed = (cli: Cli, { message }: Failure) =>
  cli.out.note({
    text: `The sign-in of before could not be ended: ${message} End it under "Devices and apps".`,
    style: 'yellow',
  })
