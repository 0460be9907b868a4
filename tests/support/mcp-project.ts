import type { Actor } from '../../lib/actor.ts'
import { McpSettings } from '../../lib/providers/mcp/settings.ts'
import { newId } from '../../lib/security/ids.ts'
import type { TestApp } from './app.ts'

type Options = { url: string; alias: string; holdChangedTools?: boolean }

/** A provider of kind `mcp` that asks nobody who they are, and its one project, as setting it up leaves them. */
export async function insertMcpServer(app: TestApp, tenant: string, { url, alias, holdChangedTools = false }: Options) {
  const tenantId = (await app.tenantId(tenant)) ?? ''
  const [provider, project] = [newId('provider'), newId('project')]
  const settings = McpSettings.parse({ url, authorization: { by: 'nothing' }, holdChangedTools })
  await app.rows(
    tenant,
    `INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, settings, created_at)
      VALUES ($1, $2, 'mcp', $3, $4, $2, $2, $5, now())`,
    [tenantId, provider, alias, new URL(url).origin, settings],
  )
  await app.rows(
    tenant,
    `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
      VALUES ($1, $2, $3, $4, $5, $5, now())`,
    [tenantId, project, provider, url, alias],
  )
  await app.rows(
    tenant,
    'INSERT INTO project_alias (tenant_id, alias, project_id, created_at) VALUES ($1, $2, $3, now())',
    [tenantId, alias, project],
  )
  return { tenantId, provider, project }
}

type Linked = Awaited<ReturnType<typeof insertMcpServer>>

/** A connection of somebody's to it. Answers its id. */
export async function linkMcpServer(
  app: TestApp,
  tenant: string,
  { tenantId, provider, project }: Linked,
  { userId }: Pick<Actor, 'userId'>,
): Promise<string> {
  const connection = newId('connection')
  await app.rows(
    tenant,
    `INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since,
        scopes_granted, linked_at)
      VALUES ($1, $2, $3, $4, $3, 'Somebody', 'linked', now(), '{}', now())`,
    [tenantId, connection, userId, provider],
  )
  await app.rows(
    tenant,
    'INSERT INTO connection_project (tenant_id, connection_id, project_id, user_id) VALUES ($1, $2, $3, $4)',
    [tenantId, connection, project, userId],
  )
  return connection
}
