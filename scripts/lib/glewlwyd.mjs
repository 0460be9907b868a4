// An authorization server in another language, for the tests of sign-in and of kind `oauth`. Without it they are skipped.
import { access, constants } from 'node:fs/promises'
import { installPackage } from './debian.mjs'

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

/** Installs Glewlwyd where it is missing. */
export async function ensureGlewlwyd() {
  if (await findGlewlwyd()) return
  await installPackage('Glewlwyd', ['glewlwyd', 'dbconfig-sqlite3'], {
    skipped: 'tests against it are skipped',
    service: 'glewlwyd',
  })
}
