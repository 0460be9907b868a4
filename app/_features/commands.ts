import type { IssueWay } from '@/lib/broker/read/offer.ts'
import { spellSeconds } from '@/lib/client/durations.ts'
import { type Rules, spell, spellRules } from '@/lib/client/rights-flags.ts'
import { shellQuoted } from '@/lib/providers/kind.ts'
import type { Rights } from '@/lib/providers/provider.ts'

/** A command line of a POSIX shell, each word as it is read again. */
export const commandLine = (words: readonly string[]): string =>
  words.map((word) => (/^[A-Za-z0-9_@./-][A-Za-z0-9_@%+=:,./-]*$/.test(word) ? word : shellQuoted(word))).join(' ')

export const loginCommand = (server: string) => commandLine(['valetkey', 'login', '--server', server])
export const connectCommand = 'valetkey connect'
/** Without rights it asks for them. */
export const pickCommand = (alias: string) => commandLine(['valetkey', 'token', alias])

type Asked = {
  alias: string
  way: IssueWay
  /** Whether it is the way that is taken where none is named. */
  isUsual: boolean
  rights: Rights
  seconds: number
  purpose: string
  /** The development branch that was chosen for it. */
  branch?: string | null
}

/** The `valetkey` commands that make such a token: one shows it, the other hands it to a program alone. */
export function tokenCommands({ alias, way, isUsual, rights, seconds, purpose, branch }: Asked): {
  token: string
  exec: string
} {
  const spelled = way.asks === 'rules' ? spellRules(rights as Rules) : spell(way.schema, rights)
  const words = [
    alias,
    // Rules are asked for by flags of their own, so that they tell the way.
    ...(isUsual || way.asks === 'rules' ? [] : ['--strategy', way.strategy]),
    ...(spelled ?? ['--rights', 'rights.json']),
    ...(branch ? ['--branch', branch] : []),
    '--expires',
    spellSeconds(seconds),
    ...(purpose.startsWith('-') ? [`--purpose=${purpose}`] : ['--purpose', purpose]),
  ]
  return {
    token: commandLine(['valetkey', 'token', ...words]),
    exec: `${commandLine(['valetkey', 'exec', ...words, '--'])} CMD`,
  }
}
