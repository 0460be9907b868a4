// A transaction-mode pooler for the tests that run behind one. Without it they are skipped.
import { findProgram, installPackage } from './debian.mjs'

/**
 * Path of an installed pgbouncer.
 * @returns {Promise<string | undefined>}
 */
export const findPgbouncer = (env = process.env) => findProgram('pgbouncer', env)

/** Installs pgbouncer where it is missing. */
export async function ensurePgbouncer() {
  if (await findPgbouncer()) return
  await installPackage('pgbouncer', ['pgbouncer'], { skipped: 'tests behind a pooler are skipped' })
}
