import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export const isMissing = (error: unknown) =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

/** A file's text; undefined: there is none. */
export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/**
 * Puts a text in place of a file's in one step, so that whoever is killed leaves the old or the new one. It is its owner's
 * alone from its first byte (O-12), and on the disk before this returns.
 */
export async function replaceFile(file: string, text: string, { mode = 0o600 } = {}): Promise<void> {
  await privateFolder(dirname(file))
  const beside = `${file}.${randomUUID()}`
  try {
    const handle = await open(beside, 'wx', mode)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** Removes what {@link replaceFile} left beside a file where it was killed. For whoever alone may replace it. */
export async function removeLeftovers(file: string): Promise<void> {
  const folder = dirname(file)
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (name.startsWith(`${basename(file)}.`)) await rm(join(folder, name), { force: true })
}

export const privateFolder = (folder: string) => mkdir(folder, { recursive: true, mode: 0o700 })
