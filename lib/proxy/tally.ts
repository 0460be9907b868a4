import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { markFirstUse, noteUse, numbered, takeUses, type Use } from '../store/proxy.ts'
import { asSystem } from '../store/system.ts'

/** Whose use it is. `tokenId`: of an issued token, or of the grant whose access token was brought. */
export type User = { tenantId: string; tokenId: string; projectId: string; userId: string; isGrant?: boolean }

/** Uses that the database has not been told of yet, by token; told every few seconds. What a killed process held is lost. */
export class Tally {
  readonly #uses = new Map<string, { user: User; use: Use }>()
  readonly #ctx: Context
  constructor(ctx: Context) {
    this.#ctx = ctx
  }

  add(user: User, { requests = 0, refused = 0, bytesSent = 0, bytesReceived = 0 }: Partial<Use>): void {
    this.#ctx.metrics.proxyBytes.inc({ direction: 'sent' }, bytesSent)
    this.#ctx.metrics.proxyBytes.inc({ direction: 'received' }, bytesReceived)
    this.#add(user, { requests, refused, bytesSent, bytesReceived })
  }

  #add(user: User, { requests, refused, bytesSent, bytesReceived }: Use): void {
    const counted = this.#uses.get(user.tokenId)
    const { use } = counted ?? { use: { requests: 0, refused: 0, bytesSent: 0, bytesReceived: 0 } }
    use.requests += requests
    use.refused += refused
    use.bytesSent += bytesSent
    use.bytesReceived += bytesReceived
    if (!counted) this.#uses.set(user.tokenId, { user, use })
  }

  /** Tells the database. What it does not take is told with the next. */
  async tell(): Promise<void> {
    const told = [...this.#uses.values()]
    this.#uses.clear()
    const at = this.#ctx.now()
    for (const [index, { user, use }] of told.entries()) {
      try {
        await noteUse(this.#ctx, user, at, use)
      } catch (error) {
        for (const rest of told.slice(index)) this.#add(rest.user, rest.use)
        throw error
      }
    }
  }
}

/** Records that a token is used for the first time, before anything is sent: what cannot be recorded is not done. */
export async function recordFirstUse(
  ctx: Context,
  { tenantId, tokenId, projectId, userId, isGrant = false }: User,
): Promise<void> {
  const now = ctx.now()
  await asSystem(ctx, tenantId, 'use of a token', async (tx) => {
    if (!(await markFirstUse(tx, tenantId, tokenId, now, isGrant))) return
    const details = { project: projectId, first: true }
    const target = { kind: isGrant ? 'grant' : 'token', id: tokenId } as const
    const event = { action: 'token.used', outcome: 'ok', target, details } as const
    await record(tx, tenantId, now, { userId }, event)
  })
}

/** How long after its minute a use is told of: processes note theirs every few seconds. */
export const tellAfterMilliseconds = 75_000

/** Writes an event for each token and minute up to `before`, with what all processes counted. */
export async function tellUses(ctx: Context, tenantId: string, before: Date): Promise<void> {
  await asSystem(ctx, tenantId, 'job', async (tx) => {
    const taken = await takeUses(tx, tenantId, before)
    const tokens = await tx.issuedToken.findMany({
      where: { tenantId, id: { in: taken.map(({ tokenId }) => tokenId) } },
      select: { id: true, userId: true, projectId: true },
    })
    const grants = await tx.oauthGrant.findMany({
      where: { tenantId, id: { in: taken.map(({ tokenId }) => tokenId) } },
      select: { id: true, userId: true },
    })
    const owners = new Map<string, { userId: string; projectId?: string }>(
      [...tokens, ...grants].map((one) => [one.id, one]),
    )
    const isGrant = new Set(grants.map(({ id }) => id))
    for (const { tokenId, minute, ...counts } of taken) {
      const { userId = null, projectId } = owners.get(tokenId) ?? {}
      const { requests, refused, bytesSent, bytesReceived } = numbered(counts)
      await record(
        tx,
        tenantId,
        minute,
        { userId },
        {
          action: 'token.used',
          outcome: requests > 0 ? 'ok' : 'refused',
          target: { kind: isGrant.has(tokenId) ? 'grant' : 'token', id: tokenId },
          details: {
            ...(projectId && { project: projectId }),
            minute: minute.toISOString(),
            requests,
            refused,
            bytes_sent: bytesSent,
            bytes_received: bytesReceived,
          },
        },
      )
    }
  })
}
