import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Accounts, keyOf, readAccounts } from '../accounts.ts'
import type { Cli } from '../cli.ts'
import { lockOf } from '../credentials.ts'
import { isMissing } from '../files.ts'
import { holderOf } from '../lock.ts'
import { bestVault, type Vault, vaultOf } from '../vaults/index.ts'
import { type Finding, fail, ok, warn } from './index.ts'

/** What is on this machine: Node, what is kept, who may read it, the keychain and locks. */
export async function* machineChecks(cli: Cli): AsyncGenerator<Finding> {
  yield node()
  yield* modes(cli)
  const accounts = await readAccounts(cli).catch((error: Error) => error)
  if (accounts instanceof Error)
    yield fail('accounts', accounts.message, 'Correct the file, or move it away and sign in again: valetkey login')
  else {
    const count = Object.keys(accounts.accounts).length
    yield ok('accounts', count === 1 ? 'one sign-in is kept' : `${count} sign-ins are kept`)
    yield* keychains(cli, accounts)
    yield* locks(cli, accounts)
  }
}

function node(): Finding {
  const { node: version } = process.versions
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isOld = major < 20 || (major === 20 && minor < 19)
  return isOld
    ? fail('node', `Node ${version} is too old`, 'Install Node 20.19 or newer from nodejs.org.')
    : ok('node', `Node ${version}, valetkey ${VALETKEY_VERSION}`)
}

/** Windows has no such modes; what is there stands in the user's own profile. */
async function* modes({ home, platform }: Cli): AsyncGenerator<Finding> {
  const loose: string[] = []
  let isThere = false
  for (const [name, allowed] of [
    ['', 0o700],
    ['accounts.json', 0o600],
    ['credentials.json', 0o600],
    ['locks', 0o700],
  ] as const) {
    const path = join(home, name)
    const found = await stat(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    isThere ||= found !== undefined
    if (found && platform !== 'win32' && (found.mode & 0o777 & ~allowed) !== 0)
      loose.push(`chmod ${allowed.toString(8)} ${path}`)
  }
  if (loose.length > 0) yield fail('files', `others on this machine can get at ${home}`, loose.join(' && '))
  else yield ok('files', isThere ? `${home} is yours alone` : `nothing is kept in ${home} yet`)
}

async function* keychains(cli: Cli, { accounts }: Accounts): AsyncGenerator<Finding> {
  const best = await bestVault(cli).catch((error: Error) => error)
  if (best instanceof Error) {
    yield fail('keychain', best.message, 'valetkey config unset vault, and unset VALETKEY_VAULT')
    return
  }
  yield await keychain(best)
  for (const account of Object.values(accounts)) {
    if (account.vault === best.name) continue
    const key = keyOf(account)
    try {
      await vaultOf(cli, account.vault).read(key)
    } catch (error) {
      yield fail(
        'keychain',
        `${key} is kept in "${account.vault}", which cannot be read: ${error instanceof Error ? error.message : error}`,
        `Open that keychain, or sign in again: valetkey login ${key}`,
      )
    }
  }
}

/** Tried with a value of no meaning, which is removed again. */
async function keychain(vault: Vault): Promise<Finding> {
  const [key, value] = [`probe/${randomUUID()}`, randomUUID()]
  try {
    await vault.write(key, value)
    const kept = await vault.read(key)
    await vault.remove(key)
    if (kept !== value) return fail('keychain', `${vault.title} gave back something else`, useFile)
    if ((await vault.read(key)) !== undefined) return fail('keychain', `${vault.title} removes nothing`, useFile)
  } catch (error) {
    return fail('keychain', error instanceof Error ? error.message : String(error), useFile)
  }
  const what = `${vault.title} keeps, gives back and removes`
  return vault.name === 'file' ? warn('keychain', `${what}; no keychain is used`, unprotected) : ok('keychain', what)
}

const useFile = 'Unlock it, or keep sign-ins in a file that is yours alone: valetkey config set vault file'
const unprotected = 'On a desktop install a keychain (Linux: libsecret-tools and a Secret Service), then sign in again.'

async function* locks(cli: Cli, { accounts }: Accounts): AsyncGenerator<Finding> {
  const folders = [
    ...['accounts', 'credentials'].map((name) => ({ what: name, folder: join(cli.home, 'locks', name) })),
    ...Object.keys(accounts).map((key) => ({ what: key, folder: lockOf(cli, key) })),
  ]
  const held: Finding[] = []
  for (const { what, folder } of folders) {
    const holder = await holderOf(folder).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (!holder) continue
    held.push(
      holder.here
        ? warn('locks', `process ${holder.pid} is changing ${what}`, `If it does not finish: kill ${holder.pid}`)
        : warn(
            'locks',
            `process ${holder.pid} of another machine or container holds ${what}`,
            'It is waited for, for two minutes.',
          ),
    )
  }
  if (held.length > 0) yield* held
  else yield ok('locks', 'nobody is changing anything')
}
