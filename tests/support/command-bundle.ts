import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildCommand } from '../../cli/build.mjs'

let made: Promise<string> | undefined

/** The folder of the command as it is packed, and of `run.js`, what it does once it has been called; made once in a process. */
export function commandBundle(): Promise<string> {
  made ??= make()
  return made
}

async function make(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-command-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await buildCommand(folder, { run: 'src/run.ts' })
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  return folder
}
