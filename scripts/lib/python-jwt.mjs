// PyJWT, a verifier of tokens in another language, in an environment of its own.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const FOLDER = join(ROOT, 'node_modules/.cache/pyjwt')
const WANTED = 'PyJWT[crypto]==2.10.1'
const INSTALL_LIMIT_MS = 120_000

/**
 * Path of a Python that has it, installed if need be.
 * @returns {Promise<string | undefined>} undefined where there is no Python with venv, or no way to PyPI
 */
export async function findPyJwt() {
  const program = join(FOLDER, 'bin/python')
  const done = join(FOLDER, 'installed')
  if ((await readFile(done, 'utf8').catch(() => '')) === WANTED) return program
  const options = { cwd: ROOT, env: toolEnv(), timeout: INSTALL_LIMIT_MS }
  return step('Installing PyJWT', async () => {
    await rm(FOLDER, { recursive: true, force: true })
    await runTool(['python3', '-m', 'venv', FOLDER], options)
    await runTool([program, '-m', 'pip', 'install', '--quiet', WANTED], options)
    // Last, so that it tells a finished installation from one that was cut off.
    await writeFile(done, WANTED)
    return program
  }).catch(() => undefined)
}
