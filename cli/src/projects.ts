import type { Cli } from './cli.ts'
import { openSession, type Session } from './session.ts'
import { projectStanding, shown } from './status.ts'

/** The projects of a person, as the API has them. */
export const projectsOf = async ({ client, ask, tenant }: Session) =>
  (await ask(client.GET('/api/v1/tenants/{tenant}/projects', { params: { path: { tenant } } }))).items
export type Project = Awaited<ReturnType<typeof projectsOf>>[number]

/** One by its id or a name that it has or had. @throws Failure not_found */
export const projectOf = ({ client, ask, tenant }: Session, project: string) =>
  ask(client.GET('/api/v1/tenants/{tenant}/projects/{project}', { params: { path: { tenant, project } } }))

export async function showProjects(cli: Cli): Promise<void> {
  const session = await openSession(cli)
  const { server, tenant } = session
  const projects = (await projectsOf(session)).map((project) => {
    const { state, detail } = projectStanding(project)
    const { alias, id, name, provider, tokens_out } = project
    return {
      alias,
      id,
      name,
      provider: { name: provider.name, kind: provider.kind, host: provider.host },
      state,
      detail,
      strategy: provider.strategy,
      tokens_out,
    }
  })
  cli.out.answer({ server, tenant, projects }, () => {
    if (projects.length === 0) return void cli.out.line('No project is linked yet. Link one: valetkey connect')
    cli.out.table(
      ['project', 'name', 'provider', 'state', 'live tokens', ''],
      projects.map(({ alias, name, provider, state, tokens_out, detail }) => [
        alias,
        name,
        provider.name,
        shown(state),
        String(tokens_out),
        detail ?? '',
      ]),
    )
  })
}
