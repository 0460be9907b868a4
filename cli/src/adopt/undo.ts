import { join } from 'node:path'
import * as z from 'zod/mini'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { withLock } from '../lock.ts'
import { bestVault, type Vault } from '../vaults/index.ts'
import { unsetGit } from './git-config.ts'
import { hashOf, type Original, readOriginal, replaceOriginal } from './write.ts'

const Kept = z.object({
  text: z.string(),
  /** Of what was written in its place. */
  after: z.string(),
  git: z.array(z.tuple([z.string(), z.string()])),
})

/** One that can keep an old content; undefined: there is none, for a file of ours would be no better than the one before. */
export async function vaultForUndo(cli: Cli): Promise<Vault | undefined> {
  const vault = await bestVault(cli)
  return vault.name === 'file' ? undefined : vault
}

const keyOf = (target: string) => `adopted/${hashOf(target)}`

export const alone = <T>(cli: Pick<Cli, 'home' | 'signal'>, work: () => Promise<T>): Promise<T> =>
  withLock(join(cli.home, 'locks/adopt'), cli, work)

export const keepForUndo = (vault: Vault, { target, text }: Original, next: string, git: [string, string][]) =>
  vault.write(keyOf(target), JSON.stringify({ text, after: hashOf(next), git } satisfies z.infer<typeof Kept>))

async function keptOf(cli: Cli, original: Original): Promise<{ vault: Vault; kept: z.infer<typeof Kept> }> {
  const vault = await vaultForUndo(cli)
  const text = await vault?.read(keyOf(original.target))
  if (!vault || text === undefined)
    throw new Failure('not_found', `Nothing is kept of ${original.file}.`, {
      code: 'no_undo',
      next: vault ? undefined : 'There is no keychain here, and without one nothing is.',
    })
  return { vault, kept: Kept.parse(JSON.parse(text)) }
}

const required = async (file: string): Promise<Original> => {
  const original = await readOriginal(file)
  if (original) return original
  throw new Failure('not_found', `There is no file ${file}.`)
}

/** Puts back what was there before. @throws Failure where it has been changed since */
export const undo = (cli: Cli, file: string): Promise<void> =>
  alone(cli, async () => {
    const original = await required(file)
    const { vault, kept } = await keptOf(cli, original)
    if (hashOf(original.text) !== kept.after)
      throw new Failure('failed', `${file} was changed since, and what is new in it would be lost.`, {
        code: 'changed_meanwhile',
        next: `Nothing was written. To give up what is kept: valetkey adopt --forget ${file}`,
      })
    await replaceOriginal(original, kept.text)
    for (const [name, value] of kept.git) await unsetGit(cli, name, value)
    await vault.remove(keyOf(original.target))
    cli.out.answer({ file, undone: true }, () => cli.out.line(`${file} is as it was before.`))
  })

/** Removes from the keychain what was kept for {@link undo}. @throws Failure */
export const forget = (cli: Cli, file: string): Promise<void> =>
  alone(cli, async () => {
    const original = await required(file)
    const { vault } = await keptOf(cli, original)
    await vault.remove(keyOf(original.target))
    cli.out.answer({ file, forgotten: true }, () => cli.out.line(`What was in ${file} is kept nowhere any more.`))
  })
