import type { Cli } from '../cli.ts'
import { runProgram } from '../programs.ts'
import { closedKeychain, type Vault } from './index.ts'

const attributes = (key: string) => ['service', 'valetkey', 'account', key]

/** The keychain of Linux desktops (freedesktop.org Secret Service), by libsecret's own program. */
export function secretService({ env }: Pick<Cli, 'env'>): Vault {
  const ask = (args: string[], input?: string) =>
    runProgram('secret-tool', args, { env, ...(input !== undefined && { input }) })
  const lookUp = (key: string) => ask(['lookup', ...attributes(key)])
  return {
    name: 'secret-service',
    title: 'the keychain (Secret Service)',
    async problem() {
      if (!env.DBUS_SESSION_BUS_ADDRESS) return 'no Secret Service runs here'
      const looked = await lookUp('none')
      if (looked === undefined) return 'secret-tool is not installed (package libsecret-tools)'
      // It says nothing about what is not there, and something about everything else.
      return looked.stderr.trim() || looked.code === null ? 'the Secret Service does not answer' : undefined
    },
    async read(key) {
      const looked = await lookUp(key)
      if (looked?.code === 0) return looked.stdout
      if (looked?.code === 1 && looked.stderr.trim() === '') return undefined
      throw closedKeychain(looked?.stderr)
    },
    async write(key, secret) {
      const stored = await ask(['store', `--label=Valetkey ${key}`, ...attributes(key)], secret)
      if (stored?.code !== 0) throw closedKeychain(stored?.stderr)
    },
    async remove(key) {
      const cleared = await ask(['clear', ...attributes(key)])
      if (cleared === undefined || cleared.stderr.trim() !== '') throw closedKeychain(cleared?.stderr)
    },
  }
}
