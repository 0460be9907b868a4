// A terminal, for the tests that use the command in one. Without it they are skipped.
import { findProgram, installPackage } from './debian.mjs'

/** Installs tmux where it is missing. */
export async function ensureTmux() {
  if (await findProgram('tmux')) return
  await installPackage('tmux', ['tmux'], { skipped: 'tests of the command in a terminal are skipped' })
}
