import { type Asking, askForLink, statusOf } from '../../lib/broker/link/ask.ts'
import { readTenant } from '../../lib/store/database.ts'
import { findLinkRequest } from '../../lib/store/link-requests.ts'
import type { TestApp } from './app.ts'

type Asked = { userId: string | undefined; projectId: string } & Partial<Omit<Asking, 'userId' | 'projectId'>>

/** What a program asks its person for, as the gateway does it: about a project of acme. Answers its id. */
export const askedOf = async (app: TestApp, asked: Asked): Promise<string> => (await ask(app, asked)).id

/** The same, with the address that the person opens. */
export async function ask(app: TestApp, { userId = '', projectId, cause, ...rest }: Asked) {
  const tenantId = (await app.tenantId('acme')) ?? ''
  const [project] = await app.rows('acme', 'SELECT provider_id FROM project WHERE id = $1', [projectId])
  const [connection] = await app.rows(
    'acme',
    'SELECT connection_id FROM connection_project WHERE project_id = $1 AND user_id = $2',
    [projectId, userId],
  )
  return askForLink(app.ctx, {
    tenantId,
    slug: 'acme',
    userId,
    projectId,
    providerId: String(project?.provider_id),
    connectionId: (connection?.connection_id as string | undefined) ?? null,
    cause: cause ?? (rest.scopes ? 'step_up' : connection ? 'reconnect' : 'link'),
    ...rest,
  })
}

/** How such a request of acme stands. */
export async function askedState({ ctx, tenantId }: TestApp, id: string) {
  const tenant = (await tenantId('acme')) ?? ''
  const row = await readTenant(ctx, tenant, (tx) => findLinkRequest(tx, tenant, id))
  return row && statusOf(row, ctx.now())
}
