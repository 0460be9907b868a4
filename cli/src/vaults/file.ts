import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { parsed } from '../accounts.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { readText, removeLeftovers, replaceFile } from '../files.ts'
import { withLock } from '../lock.ts'
import type { Vault } from './index.ts'

const Contents = z.record(z.string(), z.string())

/** One file for all, its owner's alone, where there is no keychain (O-12). */
export function fileVault(cli: Pick<Cli, 'home' | 'signal' | 'platform'>, name = 'credentials.json'): Vault {
  const file = join(cli.home, name)
  const read = async () => {
    const text = await readText(file)
    if (text === undefined) return {}
    // Somebody who could write it could make us send tokens on, so a loose mode is no matter of taste.
    if (cli.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0)
      throw new Failure('failed', `Others on this machine can read ${file}.`, { next: `chmod 600 ${file}` })
    return parsed(Contents, text, file)
  }
  const change = (changed: (contents: Record<string, string>) => Record<string, string>) =>
    withLock(join(cli.home, 'locks/credentials'), cli, async () => {
      await removeLeftovers(file)
      await replaceFile(file, `${JSON.stringify(changed(await read()), null, 2)}\n`)
    })
  return {
    name: 'file',
    title: file,
    problem: async () => undefined,
    read: async (key) => (await read())[key],
    write: (key, secret) => change((contents) => ({ ...contents, [key]: secret })),
    remove: (key) => change(({ [key]: _, ...others }) => others),
  }
}
