// Schemathesis, a Python program that tests an API against its description, in an environment of its own.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const FOLDER = join(ROOT, 'node_modules/.cache/schemathesis')
const LIST = join(ROOT, 'tests/contract/requirements.txt')
const INSTALL_LIMIT_MS = 300_000

/**
 * Path of the program, installed at the versions of tests/contract/requirements.txt if need be.
 * @returns {Promise<string | undefined>} undefined where there is no Python with venv, or no way to PyPI
 */
export async function findSchemathesis() {
  const program = join(FOLDER, 'bin/schemathesis')
  const done = join(FOLDER, 'installed')
  const wanted = await readFile(LIST, 'utf8')
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return program
  const options = { cwd: ROOT, env: toolEnv(), timeout: INSTALL_LIMIT_MS }
  return step('Installing Schemathesis', async () => {
    await rm(FOLDER, { recursive: true, force: true })
    await runTool(['python3', '-m', 'venv', FOLDER], options)
    await runTool([join(FOLDER, 'bin/python'), '-m', 'pip', 'install', '--quiet', '-r', LIST], options)
    // Last, so that it tells a finished installation from one that was cut off.
    await writeFile(done, wanted)
    return program
  }).catch(() => undefined)
}
