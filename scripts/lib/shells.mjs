// Shells whose completion is asked in tests. Without one its tests are skipped.
import { findProgram, installPackage } from './debian.mjs'

const shells = ['zsh', 'fish']

/** Installs those that are missing. */
export async function ensureShells() {
  if ((await Promise.all(shells.map((shell) => findProgram(shell)))).every(Boolean)) return
  await installPackage(shells.join(' and '), shells, { skipped: 'tests of what they complete are skipped' })
}
