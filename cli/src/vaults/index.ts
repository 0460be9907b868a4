import * as z from 'zod/mini'
import { readAccounts } from '../accounts.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { fileVault } from './file.ts'
import { macosKeychain } from './macos.ts'
import { secretService } from './secret-service.ts'
import { windowsVault } from './windows.ts'

/** What is secret of an account. */
export const Credentials = z.object({ access_token: z.string(), refresh_token: z.string() })
export type Credentials = z.infer<typeof Credentials>

/** What a vault holds of an account; undefined: it is not what we put there. */
export function parseCredentials(text: string): Credentials | undefined {
  try {
    return Credentials.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** A place for secrets. A text replaces the one before in one step. No secret is ever an argument of a program. */
export type Vault = {
  name: string
  /** For people, after "in". */
  title: string
  /** Undefined: it can be used here; else why not. */
  problem(): Promise<string | undefined>
  read(key: string): Promise<string | undefined>
  write(key: string, secret: string): Promise<void>
  remove(key: string): Promise<void>
}

/** The best comes first. */
export function vaultsOf(cli: Cli): Vault[] {
  if (cli.platform === 'darwin') return [macosKeychain(), fileVault(cli)]
  if (cli.platform === 'win32') return [windowsVault(cli), fileVault(cli)]
  return [secretService(cli), fileVault(cli)]
}

/** Where new credentials go: what VALETKEY_VAULT or `config set vault` names, or the first that can be used. */
export async function bestVault(cli: Cli): Promise<Vault> {
  const wanted = cli.env.VALETKEY_VAULT || (await readAccounts(cli)).vault
  const vaults = vaultsOf(cli)
  if (wanted) return named(vaults, wanted)
  for (const vault of vaults) if ((await vault.problem()) === undefined) return vault
  throw new Failure('failed', 'There is no place for credentials.')
}

export const vaultOf = (cli: Cli, name: string): Vault => named(vaultsOf(cli), name)

function named(vaults: Vault[], name: string): Vault {
  const vault = vaults.find((one) => one.name === name)
  if (vault) return vault
  throw new Failure('usage', `There is no place for credentials called ${name} here.`, {
    next: `Use one of: ${vaults.map((one) => one.name).join(', ')}`,
  })
}

/** A keychain that is there and does not work. */
export const closedKeychain = (said = '') =>
  new Failure('failed', `The keychain cannot be used${said.trim() ? `: ${said.trim()}` : '.'}`, {
    code: 'keychain',
    next: 'Unlock it, or keep credentials in a file: VALETKEY_VAULT=file',
  })
