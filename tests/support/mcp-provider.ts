import { completeLink, type LinkResult } from '../../lib/broker/link/complete.ts'
import { type StartLink, startLink } from '../../lib/broker/link/start.ts'
import { createProvider, previewProvider } from '../../lib/broker/providers.ts'
import type { Context } from '../../lib/context.ts'
import type { Broker, BrowserActor } from './broker.ts'

/** What is needed of a broker, or of an app. */
type Around = Pick<Broker, 'ctx' | 'owner' | 'callbackOf'>

import type { TestMcpServer } from './mcp-server.ts'

type Setup = Record<string, unknown>

/** MCP servers as an owner adds and links them. `ctx`: of another process. */
export function mcpProviders(broker: Around, owner: BrowserActor, ctx: Context = broker.ctx) {
  let made = 0
  const rows = async <T>(sql: string, values: unknown[] = []): Promise<T[]> => {
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
    return (await broker.owner.query(sql, values)).rows as T[]
  }
  const begin = async (providerId: string, more: Omit<StartLink, 'providerId' | 'browser'> = {}) => {
    const started = await startLink(ctx, owner, { providerId, browser: owner.browser, ...more })
    const comeBack = (location: string): Promise<LinkResult> => completeLink(ctx, broker.callbackOf(location, owner))
    return { ...started, comeBack, finish: async (at: TestMcpServer) => comeBack(await at.approve(started.url)) }
  }
  type Connection = {
    id: string
    status: string
    cause: string | null
    scopes_granted: string[]
    account_id: string
    account_name: string
    access_expires_at: Date
    grant_expires_at: Date | null
  }
  return {
    rows,
    preview: (setup: Setup) => previewProvider(ctx, owner, { kind: 'mcp', setup }),
    create: (setup: Setup) => {
      made += 1
      return createProvider(ctx, owner, { kind: 'mcp', name: `MCP ${made}`, setup })
    },
    begin,
    connectionOf: async (providerId: string) =>
      (await rows<Connection>('SELECT * FROM connection WHERE provider_id = $1 ORDER BY id DESC', [providerId]))[0],
    /** Links and answers project and connection. */
    async link(providerId: string, at: TestMcpServer, more: Omit<StartLink, 'providerId' | 'browser'> = {}) {
      const result = await (await begin(providerId, more)).finish(at)
      if (result.kind !== 'linked') throw result.error
      const all = await rows<Connection>('SELECT * FROM connection WHERE provider_id = $1 ORDER BY id DESC', [
        providerId,
      ])
      const [connection] = all
      if (!connection) throw new Error('no connection')
      return { projectId: result.projectId, connection }
    },
    registrations: (providerId?: string) =>
      rows<{ client_id: string; due_at: Date | null; tries: number; provider_id: string }>(
        'SELECT * FROM client_registration WHERE $1::text IS NULL OR provider_id = $1 ORDER BY id',
        [providerId ?? null],
      ),
  }
}
