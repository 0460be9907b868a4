// nginx, for the tests that ask how it reads a path. Without it they are skipped.
import { findProgram, installPackage } from './debian.mjs'

/**
 * Path of an installed nginx.
 * @returns {Promise<string | undefined>}
 */
export const findNginx = (env = process.env) => findProgram('nginx', env)

/** Installs nginx where it is missing. */
export async function ensureNginx() {
  if (await findNginx()) return
  await installPackage('nginx', ['nginx-light'], {
    skipped: 'tests of how it reads paths are skipped',
    service: 'nginx',
  })
}
