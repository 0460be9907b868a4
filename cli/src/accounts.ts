import { join } from 'node:path'
import * as z from 'zod/mini'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { readText, replaceFile } from './files.ts'
import { withLock } from './lock.ts'

const Account = z.object({
  /** Origin. */
  server: z.string(),
  tenant: z.string(),
  /** Whom the server took it from, as it calls them. */
  person: z.string(),
  scopes: z.array(z.string()),
  signed_in_at: z.string(),
  /** Where the tokens are kept: a name of vaults/index.ts. */
  vault: z.string(),
  /** Why the sign-in is over, where it is. */
  over: z.nullable(z.string()),
})
/** Somebody signed in at a server, in one tenant. Nothing of it is secret. */
export type Account = z.infer<typeof Account>

const Accounts = z.object({
  version: z.literal(1),
  /** The key of the account that is used where nothing says otherwise. */
  default: z.nullable(z.string()),
  /** Where new sign-ins are kept, if somebody has chosen (`config set vault`). */
  vault: z.optional(z.string()),
  accounts: z.record(z.string(), Account),
})
export type Accounts = z.infer<typeof Accounts>

/** What an account is kept under, here and in a keychain. It is also an address that `--server` takes. */
export const keyOf = ({ server, tenant }: Pick<Account, 'server' | 'tenant'>) => `${server}/t/${tenant}`

const fileOf = ({ home }: Pick<Cli, 'home'>) => join(home, 'accounts.json')

/** @throws Failure where the file cannot be read: it is left as it is */
export async function readAccounts(cli: Pick<Cli, 'home'>): Promise<Accounts> {
  const text = await readText(fileOf(cli))
  if (text === undefined) return { version: 1, default: null, accounts: {} }
  return parsed(Accounts, text, fileOf(cli))
}

/** A file of ours as it has to be. @throws Failure that names it */
export function parsed<T>(schema: z.ZodMiniType<T>, text: string, file: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw unreadable(file, 'is not JSON', cause)
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw unreadable(
    file,
    `has something unexpected${issue ? ` at ${issue.path.join('.') || 'its top'}` : ''}`,
    result.error,
  )
}

const unreadable = (file: string, what: string, cause: unknown) =>
  new Failure('failed', `${file} ${what}.`, {
    cause,
    next: 'Correct it, or move it away and sign in again: valetkey login',
  })

/** Changes the file while nobody else does. */
export const changeAccounts = (
  cli: Pick<Cli, 'home' | 'signal'>,
  change: (accounts: Accounts) => void,
): Promise<Accounts> =>
  withLock(join(cli.home, 'locks/accounts'), cli, async () => {
    const accounts = await readAccounts(cli)
    change(accounts)
    await replaceFile(fileOf(cli), `${JSON.stringify(accounts, null, 2)}\n`)
    return accounts
  })
