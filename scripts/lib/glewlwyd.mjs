// An authorization server in another language, for the tests of sign-in and of kind `oauth`. Without it they are skipped.
import { access, constants } from 'node:fs/promises'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const INSTALL_LIMIT_MS = 120_000

/** Where Debian's package has what a server of one's own is made of. */
const installed = {
  program: '/usr/bin/glewlwyd',
  modules: '/usr/lib/glewlwyd',
  /** Empty tables, which sqlite3 reads. */
  tables: '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3',
  sqlite: '/usr/bin/sqlite3',
}

/**
 * The parts of an installed Glewlwyd.
 * @returns {Promise<typeof installed | undefined>}
 */
export async function findGlewlwyd() {
  const all = Object.values(installed).map((path) => access(path, constants.R_OK))
  return Promise.all(all).then(
    () => installed,
    () => undefined,
  )
}

/** Installs Glewlwyd where it is missing and root may, on Debian. A machine that cannot have it stays without. */
export async function ensureGlewlwyd() {
  if ((await findGlewlwyd()) || process.getuid?.() !== 0 || process.platform !== 'linux') return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'glewlwyd', 'dbconfig-sqlite3']
  // Single-user runlevel: the package must not start its own service.
  const options = {
    cwd: ROOT,
    env: { ...toolEnv(), RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' },
    timeout: INSTALL_LIMIT_MS,
  }
  await step('Installing Glewlwyd', async () => {
    await runTool(['apt-get', 'update'], options)
    await runTool(install, options)
    // Where systemd runs, it starts it all the same.
    await runTool(['systemctl', 'disable', '--now', 'glewlwyd'], options).catch(() => undefined)
  }).catch(() => console.log('  Glewlwyd cannot be installed here: tests against it are skipped'))
}
