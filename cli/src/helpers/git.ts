import type { Cli } from '../cli.ts'
import { askedFor, sessionFor } from './given.ts'
import { allowedAt } from './hosts.ts'
import { dropToken, keptToken } from './kept.ts'

/**
 * The credential helper of git (gitcredentials(7), git-credential(1)): attributes come as lines on the input. Attributes and
 * operations that we do not know, of a newer git perhaps, are passed over, and of hosts that are not ours nothing is said, so
 * that git asks the next helper.
 */
export async function answerGit(cli: Cli, operation: string): Promise<void> {
  const { protocol = '', host = '', path, username, password } = readAttributes(await cli.input())
  if (operation !== 'get' && operation !== 'erase') return
  const allowed = await allowedAt(cli, { protocol, host, path })
  if (!allowed || (username !== undefined && username !== allowed.username)) return
  const asked = askedFor(allowed, 'git')
  if (operation === 'erase') return dropToken(cli, await sessionFor(cli, allowed), asked, password)
  try {
    const { value, expires_at } = await keptToken(cli, await sessionFor(cli, allowed), asked)
    say(cli, {
      username: allowed.username,
      password: value,
      // git 2.41 and newer ask again after that.
      password_expiry_utc: String(Math.floor(Date.parse(expires_at) / 1000)),
    })
  } catch (error) {
    // The host is ours: no other helper has a password for it, and a person cannot type one.
    say(cli, { quit: '1' })
    throw error
  }
}

const say = (cli: Cli, attributes: Record<string, string>) =>
  cli.out.secret(
    Object.entries(attributes)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )

function readAttributes(text: string): Record<string, string> {
  const [head = ''] = text.split(/\n\r?\n/)
  return Object.fromEntries(head.split('\n').map((line) => line.replace(/\r$/, '').split(/=(.*)/s)))
}
