import type { Context } from '../context.ts'
import type { User } from '../proxy/tally.ts'
import { noteToolUses, type ToolUse } from '../store/mcp.ts'

/** Of one process between two tellings; what comes beyond is counted without a name. */
const entriesMax = 5_000

/** Calls of tools that the database has not been told of yet. What a killed process held is lost. */
export class ToolTally {
  readonly #uses = new Map<string, { tenantId: string; use: ToolUse }>()
  readonly #ctx: Context
  constructor(ctx: Context) {
    this.#ctx = ctx
  }

  add(
    { tenantId, tokenId: holderId, projectId }: User,
    tool: string,
    { calls = 0, refused = 0 }: Partial<Pick<ToolUse, 'calls' | 'refused'>>,
  ): void {
    const name = tool.length > 500 || this.#uses.size >= entriesMax ? '' : tool.toWellFormed().replaceAll('\0', '')
    const key = JSON.stringify([tenantId, holderId, projectId, name])
    const { use } = this.#uses.get(key) ?? { use: { holderId, projectId, tool: name, calls: 0, refused: 0 } }
    use.calls += calls
    use.refused += refused
    this.#uses.set(key, { tenantId, use })
  }

  /** Tells the database. What it does not take is told with the next. */
  async tell(): Promise<void> {
    const told = [...this.#uses.values()]
    this.#uses.clear()
    const tenants = new Set(told.map(({ tenantId }) => tenantId))
    for (const tenantId of tenants) {
      const uses = told.filter((one) => one.tenantId === tenantId).map(({ use }) => use)
      try {
        await noteToolUses(this.#ctx, tenantId, uses, this.#ctx.now())
      } catch (error) {
        for (const { holderId: tokenId, projectId, tool, ...counts } of uses)
          this.add({ tenantId, tokenId, projectId, userId: '' }, tool, counts)
        throw error
      }
    }
  }
}
