// A transaction-mode pooler for the tests that run behind one. Without it they are skipped.
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const INSTALL_LIMIT_MS = 120_000

/**
 * Path of an installed pgbouncer.
 * @returns {Promise<string | undefined>}
 */
export async function findPgbouncer(env = process.env) {
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  for (const path of folders.map((folder) => join(folder, 'pgbouncer')))
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
}

/** Installs pgbouncer where it is missing and root may, on Debian. A machine that cannot have it stays without. */
export async function ensurePgbouncer() {
  if ((await findPgbouncer()) || process.getuid?.() !== 0 || process.platform !== 'linux') return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'pgbouncer']
  // Single-user runlevel: the package must not start its own service.
  const options = {
    cwd: ROOT,
    env: { ...toolEnv(), RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' },
    timeout: INSTALL_LIMIT_MS,
  }
  await step('Installing pgbouncer', async () => {
    await runTool(['apt-get', 'update'], options)
    await runTool(install, options)
  }).catch(() => console.log('  pgbouncer cannot be installed here: tests behind a pooler are skipped'))
}
