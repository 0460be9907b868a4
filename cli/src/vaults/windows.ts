import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { runProgram } from '../programs.ts'
import { fileVault } from './file.ts'
import type { Vault } from './index.ts'

/** Base64 on both sides, through input and output: what is secret is in no argument. */
const script = (act: 'Protect' | 'Unprotect') => `
Add-Type -AssemblyName System.Security
$given = [Convert]::FromBase64String([Console]::In.ReadToEnd().Trim())
$made = [Security.Cryptography.ProtectedData]::${act}($given, $null, 'CurrentUser')
[Console]::Out.Write([Convert]::ToBase64String($made))`

async function dpapi(act: 'Protect' | 'Unprotect', base64: string): Promise<string> {
  const command = Buffer.from(script(act), 'utf16le').toString('base64')
  const done = await runProgram('powershell.exe', ['-NoProfile', '-NonInteractive', '-EncodedCommand', command], {
    input: base64,
  })
  if (done?.code === 0 && done.stdout) return done.stdout.trim()
  throw new Failure('failed', 'Windows could not protect the credentials for this user.', {
    code: 'keychain',
    next: 'Keep them in a file: VALETKEY_VAULT=file',
  })
}

/** A file whose contents Windows encrypts for this user (DPAPI). Not tried by us. */
export function windowsVault(cli: Pick<Cli, 'home' | 'signal' | 'platform'>): Vault {
  const file = fileVault(cli, 'credentials-protected.json')
  return {
    name: 'windows',
    title: `${file.title}, protected by Windows`,
    problem: async () =>
      (await runProgram('powershell.exe', ['-NoProfile', '-Command', 'exit 0'])) ? undefined : 'there is no PowerShell',
    async read(key) {
      const kept = await file.read(key)
      return kept === undefined ? undefined : Buffer.from(await dpapi('Unprotect', kept), 'base64').toString('utf8')
    },
    write: async (key, secret) => file.write(key, await dpapi('Protect', Buffer.from(secret).toString('base64'))),
    remove: file.remove,
  }
}
