// Programs that tests are judged by: a keychain of Linux desktops, shells, a terminal, a client of registries. Without one its tests are skipped.
import { findProgram, installPackage } from './debian.mjs'

const keyring = {
  'gnome-keyring-daemon': 'gnome-keyring',
  'secret-tool': 'libsecret-tools',
  'dbus-run-session': 'dbus',
}
/** Packages by the program that is looked for. */
const packages = { ...keyring, zsh: 'zsh', fish: 'fish', tmux: 'tmux', skopeo: 'skopeo' }

const missing = async (programs, env) => {
  const found = await Promise.all(programs.map((name) => findProgram(name, env)))
  return programs.filter((_, index) => !found[index])
}

/** Whether everything is there that a keychain needs. */
export const hasKeyring = async (env = process.env) => (await missing(Object.keys(keyring), env)).length === 0

/** Installs those that are missing, at once. */
export async function ensureTestPrograms() {
  const wanted = await missing(Object.keys(packages))
  if (wanted.length === 0) return
  await installPackage(
    wanted.join(', '),
    wanted.map((name) => packages[name]),
    { skipped: 'tests that need one are skipped' },
  )
}
