// Programs in Python, each in an environment of its own. A machine that cannot have one goes without.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const INSTALL_LIMIT_MS = 120_000

/** What tests run: an OAuth client, and a verifier of tokens. */
const environments = {
  authlib: ['Authlib==1.6.5', 'requests==2.32.5'],
  pyjwt: ['PyJWT[crypto]==2.10.1'],
}

/**
 * Path of a Python that has the packages of an environment, installed if need be.
 * @param {keyof typeof environments} name
 * @returns {Promise<string | undefined>} undefined where there is no Python with venv, or no way to PyPI
 */
export async function findPython(name) {
  const packages = environments[name]
  const folder = join(ROOT, 'node_modules/.cache', name)
  const program = join(folder, 'bin/python')
  const done = join(folder, 'installed')
  const wanted = packages.join('\n')
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return program
  const options = { cwd: ROOT, env: toolEnv(), timeout: INSTALL_LIMIT_MS }
  return step(`Installing ${packages.join(', ')}`, async () => {
    await rm(folder, { recursive: true, force: true })
    await runTool(['python3', '-m', 'venv', folder], options)
    await runTool([program, '-m', 'pip', 'install', '--quiet', ...packages], options)
    // Last, so that it tells a finished installation from one that was cut off.
    await writeFile(done, wanted)
    return program
  }).catch(() => undefined)
}

/** Installs those that are missing, so that no test waits for them. */
export const ensurePythons = () => Promise.all(Object.keys(environments).map(findPython))
