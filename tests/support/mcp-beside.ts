import { newId } from '../../lib/security/ids.ts'
import type { TestApp } from './app.ts'

/** A project of kind `mcp` beside a linked one: the same rows, of another provider, linked by the same person. Its id. */
export async function mcpProjectBeside(
  app: TestApp,
  project: string,
  { alias, url = 'https://mcp.example/mcp' }: { alias: string; url?: string },
): Promise<string> {
  const [provider, made, connection] = [newId('provider'), newId('project'), newId('connection')]
  const copy = async (table: string, where: string, changes: object) => {
    // What is generated is not written.
    const [written] = await app.rows(
      'acme',
      `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped`,
      [table],
    )
    await app.rows(
      'acme',
      `INSERT INTO ${table} (${written?.columns}) SELECT ${written?.columns} FROM (
         SELECT (jsonb_populate_record(t, $2::jsonb)).* FROM ${table} t WHERE ${where} LIMIT 1) copied`,
      [project, JSON.stringify(changes)],
    )
  }
  const settings = { url, authorization: { by: 'nothing' }, holdChangedTools: false }
  await copy('provider', 'id = (SELECT provider_id FROM project WHERE id = $1)', {
    id: provider,
    kind: 'mcp',
    name: `Server ${alias}`,
    issuer: new URL(url).origin,
    settings,
  })
  await copy('project', 'id = $1', { id: made, provider_id: provider, external_id: url, name: alias, alias })
  await app.rows(
    'acme',
    `INSERT INTO project_alias (tenant_id, project_id, alias, created_at)
     SELECT tenant_id, id, alias, created_at FROM project WHERE id = $1 ON CONFLICT DO NOTHING`,
    [made],
  )
  await copy('connection', 'id = (SELECT connection_id FROM connection_project WHERE project_id = $1 LIMIT 1)', {
    id: connection,
    provider_id: provider,
  })
  await copy('connection_project', 'project_id = $1', { project_id: made, connection_id: connection })
  return made
}
