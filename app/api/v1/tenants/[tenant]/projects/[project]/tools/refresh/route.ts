import { usableConnection } from '@/lib/broker/choices.ts'
import { toolPage } from '@/lib/broker/read/tools.ts'
import { api } from '@/lib/http/api.ts'
import { refreshTools } from '@/lib/http/wire/tools.ts'
import { refreshCatalogue } from '@/lib/mcp/catalogue.ts'

export const POST = api(refreshTools, async ({ ctx, actor, params: { project } }) => {
  const connectionId = await usableConnection(ctx, actor, project)
  await refreshCatalogue(ctx, { tenantId: actor.tenantId, connectionId })
  return toolPage(ctx, actor, { project })
})
