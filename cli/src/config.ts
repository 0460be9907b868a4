import { type Accounts, changeAccounts, keyOf, readAccounts } from './accounts.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { accountAt, readAddress } from './place.ts'
import { bestVault, vaultOf } from './vaults/index.ts'

type Setting = {
  read(accounts: Accounts): string | null
  /** What counts where it is not set. */
  usual(cli: Cli): Promise<string>
  /** Parses what was typed. @throws Failure */
  write(cli: Cli, accounts: Accounts, value: string): void
  unset(accounts: Accounts): void
}

const settings: Record<string, Setting> = {
  default: {
    read: (accounts) => accounts.default,
    usual: async () => 'none: every command has to name a server',
    write(_cli, accounts, value) {
      accounts.default = keyOf(accountAt(accounts, readAddress(value, 'the argument')))
    },
    unset(accounts) {
      accounts.default = null
    },
  },
  vault: {
    read: (accounts) => accounts.vault ?? null,
    usual: async (cli) => `the best of this machine, which is ${(await bestVault(cli)).name}`,
    write(cli, accounts, value) {
      accounts.vault = vaultOf(cli, value).name
    },
    unset(accounts) {
      delete accounts.vault
    },
  },
}

const named = (name: string): Setting => {
  const setting = settings[name]
  if (!setting) throw new Failure('usage', `There is no setting ${name}.`)
  return setting
}

export async function list(cli: Cli): Promise<void> {
  const accounts = await readAccounts(cli)
  const shown: { name: string; value: string | null; usual: string }[] = []
  for (const [name, { read, usual }] of Object.entries(settings))
    shown.push({ name, value: read(accounts), usual: await usual(cli) })
  const data = Object.fromEntries(shown.map(({ name, value }) => [name, value]))
  cli.out.answer(data, () =>
    cli.out.table(
      ['setting', 'value'],
      shown.map(({ name, value, usual }) => [name, value ?? { text: `not set: ${usual}`, style: 'dim' }]),
    ),
  )
}

export async function get(cli: Cli, name: string): Promise<void> {
  const value = named(name).read(await readAccounts(cli))
  if (value === null && !cli.out.json) throw new Failure('not_found', `${name} is not set.`, { code: 'not_set' })
  cli.out.answer({ [name]: value }, () => cli.out.line(value ?? ''))
}

export async function set(cli: Cli, name: string, value: string): Promise<void> {
  const setting = named(name)
  const changed = await changeAccounts(cli, (accounts) => setting.write(cli, accounts, value))
  const now = setting.read(changed)
  cli.out.answer({ [name]: now }, () => cli.out.line(`${name} is ${now} now.`))
  if (name === 'vault') cli.out.note('It counts for new sign-ins: valetkey login')
}

export async function unset(cli: Cli, name: string): Promise<void> {
  await changeAccounts(cli, named(name).unset)
  cli.out.answer({ [name]: null }, () => cli.out.line(`${name} is not set any more.`))
}
