import { dirname, join } from 'node:path'
import * as z from 'zod/mini'
import { type Account, type Accounts, keyOf, parsed, readAccounts } from './accounts.ts'
import { Choice } from './choice.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { readText } from './files.ts'

/**
 * A server, and a tenant of it where that is said. `from`: who says so, for people. `isSaid`: whoever calls the command does, by a flag or the
 * environment, and no folder that they happen to be in.
 */
export type Place = { server: string; tenant: string | undefined; from: string; isSaid: boolean }

export const linkFile = '.valetkey/config.json'
export const Link = z.strictObject({
  server: z.string(),
  tenant: z.optional(z.string()),
  /** What tokens of `valetkey exec` are asked with, by project. */
  exec: z.optional(z.record(z.string(), Choice)),
})

/** An address as a person types it: an origin, and `/t/{tenant}` where they copied it from the console. @throws Failure */
export function readAddress(given: string, from: string): Place {
  const address = URL.canParse(given) ? given : `https://${given}`
  if (!URL.canParse(address)) throw new Failure('usage', `This is no address of a server: ${given} (${from})`)
  const { protocol, hostname, origin, pathname, username } = new URL(address)
  if (username) throw new Failure('usage', `An address with a user name in it is not taken (${from}).`)
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost')
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal))
    throw new Failure('usage', `${given} has no TLS (${from}).`, {
      next: 'Tokens would travel in the clear. Use https; http is for this machine alone.',
    })
  return { server: origin, tenant: /^\/t\/([a-z0-9][a-z0-9-]{0,62})(\/|$)/.exec(pathname)?.[1], from, isSaid: false }
}

/** The nearest folder upwards that is linked to a server. */
export async function findLink(cwd: string): Promise<{ file: string; link: z.infer<typeof Link> } | undefined> {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const file = join(folder, linkFile)
    const text = await readText(file)
    if (text !== undefined) return { file, link: parsed(Link, text, file) }
    if (folder === dirname(folder)) return undefined
  }
}

/** Flag -> environment -> folder, upwards -> default (O-14). @throws Failure that shows all of them */
export async function findPlace(cli: Pick<Cli, 'given' | 'env' | 'cwd' | 'home'>): Promise<Place> {
  const { given, env } = cli
  const found = (place: Place, tenant?: string): Place => ({ ...place, tenant: given.tenant ?? place.tenant ?? tenant })
  if (given.server) return { ...found(readAddress(given.server, '--server')), isSaid: true }
  if (env.VALETKEY_SERVER)
    return { ...found(readAddress(env.VALETKEY_SERVER, 'VALETKEY_SERVER'), env.VALETKEY_TENANT), isSaid: true }
  const linked = await findLink(cli.cwd)
  if (linked) return found(readAddress(linked.link.server, linked.file), linked.link.tenant)
  const accounts = await readAccounts(cli)
  const account = accounts.default === null ? undefined : accounts.accounts[accounts.default]
  if (account)
    return { server: account.server, tenant: given.tenant ?? account.tenant, from: 'the default', isSaid: false }
  throw new Failure(
    'usage',
    [
      'Which server? None is named:',
      '--server                not given',
      'VALETKEY_SERVER         not set',
      `${linkFile}   none in ${cli.cwd} or above`,
      'the default             nobody has signed in yet',
    ].join('\n  '),
    { next: 'valetkey login --server https://your.valetkey.example', code: 'no_server' },
  )
}

/**
 * Who is signed in at a place. Where several are and none is named, the default, if it is one of them.
 * @throws Failure signed_out, or usage where it is not clear which
 */
export function accountAt({ accounts, default: usual }: Accounts, { server, tenant }: Place): Account {
  const here = Object.values(accounts).filter((account) => account.server === server)
  const wanted = tenant === undefined ? here : here.filter((account) => account.tenant === tenant)
  const account = wanted.length === 1 ? wanted[0] : wanted.find((one) => keyOf(one) === usual)
  if (account) return account
  if (wanted.length > 1)
    throw new Failure(
      'usage',
      `You are signed in to ${wanted.length} tenants of ${server}: ${wanted.map((one) => one.tenant).join(', ')}.`,
      {
        next: 'Say which: --tenant NAME',
        code: 'which_tenant',
      },
    )
  const where = tenant === undefined ? server : `tenant ${tenant} of ${server}`
  throw new Failure('signed_out', `Nobody is signed in to ${where}.`, { next: `valetkey login --server ${server}` })
}
