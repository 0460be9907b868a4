import { type Account, keyOf, readAccounts } from './accounts.ts'
import type { Cli } from './cli.ts'
import { tokensOf } from './credentials.ts'
import { Failure } from './failure.ts'
import type { Style } from './output.ts'
import { sessionOf } from './session.ts'

export type State = 'live' | 'refreshed' | 'degraded' | 'expired' | 'missing'

type Standing = { state: State; detail: string | null }
export type ProjectStanding = Standing & { alias: string; name: string }
type AccountStanding = Standing & {
  server: string
  tenant: string
  person: string
  default: boolean
  projects: ProjectStanding[]
}

/** Every sign-in and its projects, one after the other: one that fails keeps no other from being shown (K-12, K-38). */
export async function showStatus(cli: Cli): Promise<number> {
  const { accounts, default: usual } = await readAccounts(cli)
  const standings: AccountStanding[] = []
  for (const [key, account] of Object.entries(accounts)) {
    cli.out.progress(`Asking ${account.server} …`)
    standings.push({ ...pick(account), default: key === usual, ...(await standingOf(cli, account)) })
  }
  cli.out.answer({ accounts: standings }, () => {
    if (standings.length === 0)
      cli.out.line('Nobody is signed in. Begin with: valetkey login https://your.valetkey.example')
    for (const [at, one] of standings.entries()) {
      if (at > 0) cli.out.line()
      cli.out.line(
        { text: keyOf(one), style: 'bold' },
        `  ${one.person}  `,
        shown(one.state),
        one.detail ? `  ${one.detail}` : '',
      )
      if (one.projects.length > 0)
        cli.out.table(
          ['project', 'name', 'state', ''],
          one.projects.map(({ alias, name, state, detail }) => [alias, name, shown(state), detail ?? '']),
        )
    }
  })
  const all = [...standings, ...standings.flatMap(({ projects }) => projects)]
  // What was never linked needs nobody.
  return all.some(({ state }) => state === 'degraded' || state === 'expired') ||
    standings.some(({ state }) => state === 'missing')
    ? 10
    : 0
}

const pick = ({ server, tenant, person }: Account) => ({ server, tenant, person })

const styles: Record<State, Style> = {
  live: 'green',
  refreshed: 'green',
  degraded: 'yellow',
  expired: 'red',
  missing: 'dim',
}
export const shown = (state: State) => ({ text: state, style: styles[state] })

async function standingOf(cli: Cli, account: Account): Promise<Standing & { projects: ProjectStanding[] }> {
  let state: State = 'live'
  const token = tokensOf(cli, account, { refreshed: () => (state = 'refreshed') })
  try {
    const { client, ask, tenant } = sessionOf(cli, account.server, account.tenant, token)
    // Whether it lives, with the least that every sign-in may do.
    await ask(client.GET('/api/v1/me'))
    const projects = account.scopes.includes('projects:read')
      ? (await ask(client.GET('/api/v1/tenants/{tenant}/projects', { params: { path: { tenant } } }))).items
      : []
    return { state, detail: null, projects: projects.map(projectStanding) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.exit === 'signed_out')
      return { state: error.code === 'missing' ? 'missing' : 'expired', detail: error.message, projects: [] }
    return { state: 'degraded', detail: error.message, projects: [] }
  }
}

type Project = {
  alias: string
  name: string
  connection: { status: string; cause: string | null } | null
  audience: unknown
  frozen: unknown
}

export function projectStanding({ alias, name, connection, audience, frozen }: Project): ProjectStanding {
  const named = { alias, name }
  if (frozen) return { ...named, state: 'degraded', detail: 'frozen by an admin' }
  if (audience !== null) return { ...named, state: 'live', detail: null }
  if (connection === null || connection.status === 'revoked')
    return { ...named, state: 'missing', detail: 'you have not linked it' }
  const { status, cause } = connection
  if (status === 'linked') return { ...named, state: 'live', detail: null }
  if (status === 'needs_relink')
    return { ...named, state: 'expired', detail: `reconnect it: valetkey connect ${alias}` }
  return { ...named, state: 'degraded', detail: cause?.replaceAll('_', ' ') ?? 'its upstream has trouble' }
}
