import { join } from 'node:path'
import * as z from 'zod/mini'
import { parsed } from '../accounts.ts'
import { Choice } from '../choice.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { readText, replaceFile } from '../files.ts'
import { withLock } from '../lock.ts'

/** Whose tokens a host is given. */
const Allowed = z.strictObject({
  server: z.string(),
  tenant: z.string(),
  project: z.string(),
  choice: Choice,
  /** What a program is told beside the token, where it wants a name. */
  username: z.string(),
})
export type Allowed = z.infer<typeof Allowed>

/**
 * Which hosts are given tokens: in the settings of a person, and never in a linked folder. That one may come with a
 * repository of somebody else's, who would name a host of theirs.
 */
const Hosts = z.strictObject({ version: z.literal(1), hosts: z.record(z.string(), Allowed) })

const fileOf = ({ home }: Pick<Cli, 'home'>) => join(home, 'hosts.json')

export async function readHosts(cli: Pick<Cli, 'home'>): Promise<Record<string, Allowed>> {
  const text = await readText(fileOf(cli))
  return text === undefined ? {} : parsed(Hosts, text, fileOf(cli)).hosts
}

export const changeHosts = (
  cli: Pick<Cli, 'home' | 'signal'>,
  change: (hosts: Record<string, Allowed>) => void,
): Promise<void> =>
  withLock(join(cli.home, 'locks/hosts'), cli, async () => {
    const hosts = await readHosts(cli)
    change(hosts)
    await replaceFile(fileOf(cli), `${JSON.stringify({ version: 1, hosts }, null, 2)}\n`)
  })

/** What somebody types for a host: with its port, and a path where only what is below it is meant. @throws Failure usage */
export function readHost(given: string): string {
  const text = `https://${given.replace(/^https?:\/\//, '')}`
  const { username, search, hash, host, pathname } = URL.canParse(text) ? new URL(text) : new URL('https://@/')
  if (host === '' || username || search || hash)
    throw new Failure('usage', `This is no host: ${given}`, {
      next: 'Such as git.example.com, or registry.example.com:5000',
    })
  return host + pathname.replace(/\/+$/, '')
}

/**
 * What a program is to be given at an address: what is said of the longest path that it is below. Undefined: nothing, as for
 * every address without TLS but those of this machine.
 */
export async function allowedAt(
  cli: Pick<Cli, 'home'>,
  { protocol, host, path = '' }: { protocol: string; host: string; path?: string | undefined },
): Promise<Allowed | undefined> {
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
  if (protocol !== 'https' && !(protocol === 'http' && isLocal)) return undefined
  const address = `${host.toLowerCase()}/${path.replace(/^\/+/, '')}`
  const [, allowed] =
    Object.entries(await readHosts(cli))
      .filter(([name]) => `${address}/`.startsWith(`${name}/`))
      .sort(([a], [b]) => b.length - a.length)[0] ?? []
  return allowed
}
