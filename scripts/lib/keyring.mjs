// A keychain of Linux desktops, for the test that keeps credentials in one. Without it that test is skipped.
import { findProgram, installPackage } from './debian.mjs'

const programs = ['gnome-keyring-daemon', 'secret-tool', 'dbus-run-session']

/** Whether everything that the test needs is there. */
export const hasKeyring = async (env = process.env) =>
  (await Promise.all(programs.map((name) => findProgram(name, env)))).every(Boolean)

/** Installs it where it is missing. */
export async function ensureKeyring() {
  if (await hasKeyring()) return
  await installPackage('a keychain', ['gnome-keyring', 'libsecret-tools', 'dbus'], {
    skipped: 'the test that keeps credentials in one is skipped',
  })
}
