import { aliasFrom } from '../../../lib/client/kbagent.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { openSession } from '../session.ts'
import type { Found, Project } from './kind.ts'

type Adopted = { found: Found; ours?: Project | undefined; carried?: string[] }

/**
 * Sets at the projects that stand in what their person had set elsewhere: the branch, which is their own connection's, and
 * the alias where that is wanted, because it is everybody's. What does not work is said, and stops nothing.
 */
export async function carryOver(cli: Cli, adopted: Adopted[], aliases: boolean): Promise<void> {
  const wanted = adopted.filter(({ found, ours }) => found.carries && ours?.connection)
  if (wanted.length === 0) return
  const { server, tenant, client, ask } = await openSession(cli)
  const page = `${server}/t/${tenant}/import`
  for (const one of wanted) {
    const { ours, found } = one
    if (!ours?.connection || !found.carries) continue
    const { branch } = found.carries
    const alias = aliasFrom(found.carries.alias)
    one.carried = []
    if (branch !== ours.connection.branch) {
      const params = { path: { tenant, connection: ours.connection.id } }
      const body = { branch }
      const sent = ask(client.PATCH('/api/v1/tenants/{tenant}/connections/{connection}', { params, body }))
      one.carried.push(await told(sent, branch === null ? 'the main branch' : `branch ${branch}`, page))
    }
    if (aliases && alias !== undefined && alias !== ours.alias) {
      const params = { path: { tenant, project: ours.id } }
      const sent = ask(client.PATCH('/api/v1/tenants/{tenant}/projects/{project}', { params, body: { alias } }))
      one.carried.push(await told(sent, `alias ${alias}`, page))
    }
  }
}

async function told(sent: Promise<unknown>, what: string, page: string): Promise<string> {
  try {
    await sent
    return what
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    // What a terminal usually signs in for does not reach this far, and a browser does.
    if (error.code === 'insufficient_scope')
      return `not ${what}: this sign-in may not; ${page} does it from the same file`
    return `not ${what}: ${error.message}`
  }
}
