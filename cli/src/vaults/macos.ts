import { runProgram } from '../programs.ts'
import { closedKeychain, type Vault } from './index.ts'

/** What `security` exits with where there is no such entry (errSecItemNotFound, shortened to one octet). */
const notThere = 44

const named = (key: string) => ['-s', 'valetkey', '-a', key]
const quoted = (word: string) => `"${word.replaceAll(/["\\]/g, '\\$&')}"`

/** The keychain of macOS. What is secret goes through the input of `security -i`, in hexadecimal. Not tried by us. */
export const macosKeychain = (): Vault => ({
  name: 'macos',
  title: 'the macOS keychain',
  problem: async () =>
    (await runProgram('security', ['list-keychains'])) ? undefined : 'there is no program "security"',
  async read(key) {
    const found = await runProgram('security', ['find-generic-password', ...named(key), '-w'])
    if (found?.code === 0) return found.stdout.trimEnd()
    if (found?.code === notThere) return undefined
    throw closedKeychain(found?.stderr)
  },
  async write(key, secret) {
    const hex = Buffer.from(secret).toString('hex')
    const line = ['add-generic-password', '-U', ...named(key).map(quoted), '-l', quoted(`Valetkey ${key}`), '-X', hex]
    const stored = await runProgram('security', ['-i'], { input: `${line.join(' ')}\n` })
    // In this mode it exits with 0 whatever happened to a line.
    if ((await macosKeychain().read(key)) !== secret) throw closedKeychain(stored?.stderr)
  },
  async remove(key) {
    const removed = await runProgram('security', ['delete-generic-password', ...named(key)])
    if (removed?.code !== 0 && removed?.code !== notThere) throw closedKeychain(removed?.stderr)
  },
})
