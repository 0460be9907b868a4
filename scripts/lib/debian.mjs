// Programs of Debian's packages that some tests run against. A machine that cannot have one goes without.
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

const INSTALL_LIMIT_MS = 120_000
/** Lists of packages are fetched once for a process. */
let updated

/**
 * Where a program is that servers are installed as, on the PATH or where only root looks.
 * @param {string} name
 * @returns {Promise<string | undefined>}
 */
export async function findProgram(name, env = process.env) {
  for (const folder of [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
}

/**
 * Installs packages if root may, on Debian; says what is skipped where that fails.
 * @param {string} title
 * @param {string[]} packages
 * @param {{ skipped: string, service?: string }} more service: one that must not run beside ours
 */
export async function installPackage(title, packages, { skipped, service }) {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return
  // Single-user runlevel: the package must not start its own service.
  const env = { ...toolEnv(), RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
  const options = { cwd: ROOT, env, timeout: INSTALL_LIMIT_MS }
  await step(`Installing ${title}`, async () => {
    updated ??= runTool(['apt-get', 'update'], options)
    await updated.catch((error) => {
      updated = undefined
      throw error
    })
    await runTool(['apt-get', 'install', '-y', '--no-install-recommends', ...packages], options)
    // Where systemd runs, it starts it all the same.
    if (service) await runTool(['systemctl', 'disable', '--now', service], options).catch(() => undefined)
  }).catch(() => console.log(`  ${title} cannot be installed here: ${skipped}`))
}
