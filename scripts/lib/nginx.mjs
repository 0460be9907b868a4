// nginx, for the tests that ask how it reads a path. Without it they are skipped.
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

/**
 * Path of an installed nginx.
 * @returns {Promise<string | undefined>}
 */
export async function findNginx(env = process.env) {
  for (const folder of [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, 'nginx')
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
}

/** Installs nginx where it is missing and root may, on Debian. A machine that cannot have it stays without. */
export async function ensureNginx() {
  if ((await findNginx()) || process.getuid?.() !== 0 || process.platform !== 'linux') return
  // Single-user runlevel: the package must not start its own service.
  const env = { ...toolEnv(), RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
  const options = { cwd: ROOT, env, timeout: 120_000 }
  await step('Installing nginx', async () => {
    await runTool(['apt-get', 'update'], options)
    await runTool(['apt-get', 'install', '-y', '--no-install-recommends', 'nginx-light'], options)
  }).catch(() => console.log('  nginx cannot be installed here: tests of how it reads paths are skipped'))
}
