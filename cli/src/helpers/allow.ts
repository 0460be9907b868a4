import { readRights } from '../choice.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { wanted } from '../issue/held.ts'
import { readOffer } from '../issue/offer.ts'
import { openSession } from '../session.ts'
import { type Allowed, changeHosts, readHost, readHosts } from './hosts.ts'

export type Given = {
  host: string | undefined
  project: string | undefined
  remove: boolean
  rights: string | undefined
  strategy: string | undefined
  expires: string | undefined
  username: string | undefined
  flags: string[]
}

/** Says which host is given tokens of which project, or shows it. @throws Failure */
export async function allow(cli: Cli, { host: named, project, remove, username, ...given }: Given): Promise<void> {
  if (named === undefined) return show(cli)
  const host = readHost(named)
  if (remove) {
    const isThere = host in (await readHosts(cli))
    if (!isThere) throw new Failure('not_found', `${host} is given nothing.`)
    await changeHosts(cli, (hosts) => {
      delete hosts[host]
    })
    return show(cli)
  }
  if (project === undefined)
    throw new Failure('usage', 'Tokens of which project?', {
      next: `valetkey credential-helper allow ${host} --project ALIAS`,
    })
  const session = await openSession(cli)
  const rights = given.rights === undefined ? undefined : { rights: await readRights(given.rights) }
  const wish = await wanted(await readOffer(session, project), { ...given, project, choice: rights })
  const { strategy, base_url } = wish.way
  // What is ours works at our address alone, and is nobody else's to see.
  const own = new URL(base_url).host
  if (strategy === 'proxy' && host.split('/')[0] !== own)
    throw new Failure('usage', `A token that works through Valetkey is for ${own}, not for ${host}.`)
  const choice = { strategy, rights: wish.rights, expires: String(wish.seconds) }
  const allowed: Allowed = {
    server: session.server,
    tenant: session.tenant,
    project,
    choice,
    // What servers take that want a name beside an access token; those that do not take any.
    username: username ?? 'oauth2',
  }
  await changeHosts(cli, (hosts) => {
    hosts[host] = allowed
  })
  await show(cli)
}

async function show(cli: Cli): Promise<void> {
  const hosts = await readHosts(cli)
  cli.out.answer({ hosts }, () => {
    if (Object.keys(hosts).length === 0) return void cli.out.line('No host is given tokens.')
    cli.out.table(
      ['host', 'project', 'of', 'strategy', 'seconds'],
      Object.entries(hosts).map(([host, { project, server, tenant, choice }]) => [
        host,
        project,
        `${server}/t/${tenant}`,
        choice.strategy ?? '',
        choice.expires ?? '',
      ]),
    )
  })
}
