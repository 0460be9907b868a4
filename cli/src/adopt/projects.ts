import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { openSession } from '../session.ts'
import type { Project } from './kind.ts'

/** What can stand in for a credential, and at which hosts something can be linked. `problem`: why nobody could be asked. */
export type Ours = {
  server: string | null
  tenant: string | null
  projects: Project[]
  hosts: Set<string>
  problem: Failure | null
}

export async function findOurs(cli: Cli): Promise<Ours> {
  try {
    const { server, tenant, client, ask } = await openSession(cli)
    const path = { params: { path: { tenant } } }
    const { items: projects } = await ask(client.GET('/api/v1/tenants/{tenant}/projects', path))
    const { items: providers } = await ask(client.GET('/api/v1/tenants/{tenant}/providers', path))
    return {
      server,
      tenant,
      projects,
      hosts: new Set(providers.map(({ issuer }) => new URL(issuer).host)),
      problem: null,
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { server: null, tenant: null, projects: [], hosts: new Set(), problem: error }
  }
}
