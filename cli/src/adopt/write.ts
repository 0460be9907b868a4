import { createHash, randomUUID } from 'node:crypto'
import { open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Failure } from '../failure.ts'
import { isMissing } from '../files.ts'

/** A file as it was read: `target` is what its name leads to. */
export type Original = { file: string; target: string; text: string; mode: number }

export const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

/** Undefined: it is not there. @throws Failure where it is no file that can be replaced */
export async function readOriginal(file: string): Promise<Original | undefined> {
  try {
    const target = await realpath(file)
    const { mode } = await stat(target)
    return { file, target, text: await readFile(target, 'utf8'), mode: mode & 0o7777 }
  } catch (error) {
    if (isMissing(error)) return undefined
    const reason = error instanceof Error && 'code' in error ? error.code : error
    throw new Failure('failed', `${file} cannot be read (${reason}).`, { cause: error })
  }
}

/** Beside the file, and ours: what was left by one that was killed holds what others keep secret in there. */
const besides = (target: string) => `.${basename(target)}.valetkey-`

/**
 * Replaces a file in one step where it is still what was read; whoever is killed leaves the old or the new one. Its mode and
 * owner stay, and a link to it leads to the new one. For whoever holds the lock of adopt. @throws Failure
 */
export async function replaceOriginal({ file, target, text, mode }: Original, next: string): Promise<void> {
  const folder = dirname(target)
  for (const name of await readdir(folder))
    if (name.startsWith(besides(target))) await rm(join(folder, name), { force: true })
  const beside = join(folder, `${besides(target)}${randomUUID()}`)
  const { uid, gid, nlink } = await stat(target)
  if (nlink > 1)
    throw new Failure('failed', `${file} has ${nlink} names (hard links); the others would keep the credentials.`, {
      code: 'hard_links',
      next: `Leave one: find where the others are with "find / -samefile ${target}"`,
    })
  try {
    const handle = await open(beside, 'wx', 0o600)
    try {
      await handle.writeFile(next)
      const made = await handle.stat()
      if (made.uid !== uid || made.gid !== gid)
        await handle.chown(uid, gid).catch((cause: unknown) => {
          throw new Failure('failed', `${file} belongs to somebody else, and would not afterwards.`, { cause })
        })
      await handle.chmod(mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if ((await realpath(file)) !== target || (await readFile(target, 'utf8')) !== text)
      throw new Failure('failed', `${file} was changed meanwhile.`, {
        code: 'changed_meanwhile',
        next: 'Nothing was written. Look again: valetkey adopt',
      })
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}
